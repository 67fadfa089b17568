"""Negative log-likelihoods whose robustness is learned with the model."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.core.domains import Positive, ZeroToTwo
from jaxloss.core.loss import distance
from jaxloss.losses.regression.robust import barron
from jaxloss.numerics import machine_epsilon

# Nodes and weights of the double exponential rule for the integral from 0 to infinity, of which
# 121 give 11 digits for every shape (Takahasi & Mori 1974, doi:10.2977/prims/1195192451). The nodes
# reach from 3e-15 to 3e14, as the density of alpha = 0 falls off as a power only.
_STEPS = np.linspace(-3.75, 3.75, 121)
_NODES = np.exp(np.pi / 2 * np.sinh(_STEPS))
_WEIGHTS = (_STEPS[1] - _STEPS[0]) * np.pi / 2 * np.cosh(_STEPS) * _NODES


def _log_mass(alpha: Array) -> Array:
    """The log of the integral of exp(-barron) over the whole line."""
    nodes, weights = (jnp.asarray(x, alpha.dtype) for x in (_NODES, _WEIGHTS))
    # Far out, where the density is 0, the derivatives of its exponent overflow, and 0 times those
    # is NaN. The node is replaced before: a select after it would leave NaN in the gradient.
    dense = barron.rho(nodes, alpha=alpha) < 1 / machine_epsilon(alpha)
    density = jnp.exp(-barron.rho(jnp.where(dense, nodes, 0), alpha=alpha))
    return jnp.log(2 * jnp.sum(jnp.where(dense, density, 0) * weights))


@distance(
    convex=lambda alpha: alpha >= 1,
    strictly_convex=lambda alpha: alpha >= 1,
    symmetric=True,
    lipschitz=lambda alpha, scale: barron.facts.at(alpha=alpha, scale=scale)["lipschitz"],
    smooth=lambda scale: 1 / scale**2,
    supremum=math.inf,
    redescending=lambda alpha: alpha < 1,
)
def barron_nll(residual: Array, *, alpha: ZeroToTwo = 1.0, scale: Positive = 1.0) -> Array:
    """Negative log-likelihood of the density proportional to exp(-`barron`), normalised.

        rho(r / c, a) + log c + log Z(a),   Z(a) = ∫ exp(-rho(x, a)) dx,   rho = barron,
        r = prediction - target,   a = alpha,   c = scale

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        alpha: The shape, in [0, 2]: 2 is a Gaussian, 0 a Cauchy distribution.
        scale: The error around which the parabola ends, in that unit.

    Returns:
        One value per element, shape `[...]`, in nats; below 0 where the density exceeds 1.

    The integral is a sum over 121 points, good to the rounding error of single precision and to 11
    digits in double.

    Use when shape and scale, and so how robust the loss is, should be learned from the data.
    Avoid when they are known: `barron` has the same gradient at less cost.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.barron_nll(0.0, 0.0, alpha=2.0)), 4)  # log(2π) / 2
        0.9189

    Limits:
        alpha = 2 is `gaussian_nll` of variance scale² plus log(2π) / 2. alpha = 0 is the negative
        log-density of a Cauchy distribution of scale √2 c. The partial in the residual is that of
        `barron`.

    References:
        Barron (2019), A general and adaptive robust loss function, arXiv:1701.03077, section 3.
    """
    return (
        barron.rho(residual, alpha=alpha, scale=scale)
        + jnp.log(scale)
        + _log_mass(jnp.asarray(alpha, residual.dtype))
    )
