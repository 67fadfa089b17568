"""Hyper-parameters and weights of terms that are trained together with the model."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains.base import Domain
from jaxloss.core.objective import Objective
from jaxloss.core.term import Term
from jaxloss.numerics import poison

Numbers = dict[str, dict[str, Array]]


def unconstrain(objective: Objective) -> Numbers:
    """Map hyper-parameters from their domains to all real numbers, for an optimizer.

        x                      for a domain of all real numbers
        log(e^(x - a) - 1)     for numbers above a
        log((x - a) / (b - x)) for numbers between a and b

    Args:
        objective: An objective whose hyper-parameters, where given, are inside their domains. A
            hyper-parameter of `None`, an absent part of the loss, has no number.

    Returns:
        By name of the term and of the hyper-parameter, as `Objective.replace` takes them. Leave out
        of it what is not to be trained.

    Raises:
        ValueError: A hyper-parameter lies on the edge of its domain, where nothing could move it.
            One that is known only inside `jit` gives NaN there.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> from jaxloss import training
        >>> objective = jl.Objective(jl.huber, delta=1.0)
        >>> numbers = training.unconstrain(objective)
        >>> round(float(numbers["huber"]["delta"]), 4)
        0.5413
        >>> moved = training.constrain(objective, {"huber": {"delta": jnp.array(-20.0)}})
        >>> 0 < float(moved.named["huber"].traced["delta"]) < 1e-6
        True

    References:
        Carpenter et al. (2017), Stan: a probabilistic programming language,
        doi:10.18637/jss.v076.i01.
    """
    return {
        name: {key: _outward(term, key, x) for key, x in term.traced.items() if x is not None}
        for name, term in objective.named.items()
    }


def constrain(objective: Objective, numbers: Mapping[str, Mapping[str, ArrayLike]]) -> Objective:
    """Return the objective with hyper-parameters mapped from real numbers into their domains.

    Args:
        objective: The objective, with the losses, the scales and the other hyper-parameters.
        numbers: The numbers of all or some hyper-parameters, as of `unconstrain`; `None` changes
            nothing.

    Returns:
        An objective, differentiable in the numbers.

    Raises:
        ValueError: There is no such term.
        TypeError: The term's loss has no such hyper-parameter.

    Example:
        >>> import jaxloss as jl
        >>> from jaxloss import training
        >>> objective = 2 * jl.Objective(jl.quantile_huber, quantile=0.25, delta=1.0)
        >>> training.constrain(objective, training.unconstrain(objective))
        2.0 * Objective(quantile_huber, quantile=0.25, delta=1.0)
    """
    named = objective.named
    inward = {
        name: {key: _moved(named[name], key, x) for key, x in own.items() if x is not None}
        if name in named
        else dict(own)
        for name, own in numbers.items()
    }
    return objective.replace(inward)


def uncertainty_weighted(values: Array, log_variances: Array) -> Array:
    """Compute the sum of terms, weighted by a learned noise of each.

        Σ_i exp(-s_i) L_i + s_i / 2,   s = log_variances

    For L = half the squared error this is, but for a constant, the negative log-likelihood of a
    Gaussian of variance e^s; for a cross-entropy it approximates that of a softmax of temperature
    e^s.

    Args:
        values: The value of each term, >= 0, shape `[terms]`, as of `Bound.per_term`.
        log_variances: A real parameter for each term, shape `[terms]`, initialised to 0.

    Returns:
        A scalar.

    Raises:
        ValueError: The shapes differ.

    Use when terms in different units share a model and nobody wants to tune their scales.
    Avoid when a term can be fitted perfectly: its weight then grows without end.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxloss import training
        >>> values, log_variances = jnp.array([2.0, 0.5]), jnp.zeros(2)
        >>> float(training.uncertainty_weighted(values, log_variances))
        2.5
        >>> jax.grad(training.uncertainty_weighted, argnums=1)(values, log_variances).tolist()
        [-1.5, 0.0]

    References:
        Kendall, Gal & Cipolla (2018), Multi-task learning using uncertainty to weigh losses for
        scene geometry and semantics, arXiv:1705.07115.
    """
    if values.shape != log_variances.shape:
        shapes = f"`values` {values.shape} and `log_variances` {log_variances.shape}"
        raise ValueError(f"uncertainty_weighted: {shapes} have one number for each term")
    return jnp.sum(jnp.exp(-log_variances) * values + log_variances / 2)


def _outward(term: Term, name: str, value: Any) -> Array:
    domain, number = term.loss.signature.domain_of(name), jnp.asarray(value, float)
    real = _outward_maps(domain)(number)
    finite = jnp.isfinite(real)
    if isinstance(finite, jax.core.Tracer):  # under `jit`, where values cannot raise
        return poison(real, finite)
    if not np.all(finite):
        message = f"unconstrain: `{name}` of {term.name} is {value}, on the edge of its domain"
        raise ValueError(f"{message} ({domain.says}); begin inside")
    return real


def _outward_maps(domain: Domain) -> Callable[[Array], Array]:
    if domain.high < inf:
        return lambda x: jnp.log(x - domain.low) - jnp.log(domain.high - x)
    if domain.low > -inf:
        # The inverse of softplus, log(e^y - 1), as y + log(1 - e^-y): e^y overflows from y = 89 on.
        return lambda x: x - domain.low + jnp.log(-jnp.expm1(domain.low - x))
    return lambda x: x


def _moved(term: Term, name: str, real: ArrayLike) -> Array:
    return _inward(term.loss.signature.domain_of(name), jnp.asarray(real))


def _inward(domain: Domain, real: Array) -> Array:
    """Map a real number into a domain, and off its edges where rounding would lead to one."""
    limits = np.finfo(real.dtype)
    moved = real
    if domain.high < inf:
        # A sigmoid rounds to 0 and to 1 far out, where the domain may be open.
        share = jnp.clip(jax.nn.sigmoid(real), float(limits.tiny), 1 - float(limits.eps))
        moved = domain.low + (domain.high - domain.low) * share
    elif domain.low > -inf:
        moved = domain.low + jnp.maximum(jax.nn.softplus(real), float(limits.tiny))
    return moved
