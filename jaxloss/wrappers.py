"""Wrappers of losses: at another temperature, clipped at a ceiling, or for two mixed targets."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxloss.core.annotations import domains_of
from jaxloss.core.derive import derive
from jaxloss.core.domains import ArrayDomain, Positive, Probability, Scale
from jaxloss.core.facts import Constant, Facts
from jaxloss.core.loss import Distance, Loss, Margin
from jaxloss.heads import HeadLoss
from jaxloss.numerics import divide_by_temperature, weighted
from jaxloss.numerics.broadcasting import expand_trailing, select

# Real numbers of any size, which a temperature divides; of probabilities it is a power.
_DIVIDED = (Scale.SCORE, Scale.LOGIT)


def with_temperature(loss: Loss[...]) -> Loss[...]:
    """Make a loss of logits or scores that are divided by a temperature.

        loss(o / T, ...),   o = logits or scores,   T = temperature

    Args:
        loss: A loss of logits or scores, such as `softmax_cross_entropy` or `logistic`.

    Returns:
        The loss with one more hyper-parameter, `temperature` > 0, by default 1; the same object
        each time. All its logits and scores are divided.

    Raises:
        TypeError: `loss` has no logits or scores.
        ValueError: `loss` has a `temperature` already.

    Use when probabilities are calibrated after training, with the temperature alone learnt,
        or a student is to match a teacher's soft targets.
    Avoid when a distillation is added to other terms without a factor of T²: its gradient falls
        like 1 / T².

    Example:
        >>> import jaxloss as jl
        >>> softened = jl.with_temperature(jl.hinge)
        >>> float(softened(1.0, True, temperature=2.0))
        0.5
        >>> jl.Objective(softened, temperature=2.0)
        Objective(with_temperature(hinge), temperature=2.0)

    Limits:
        At T = 1 it is `loss`. A Lipschitz constant is that of `loss` over T.

    References:
        Hinton, Vinyals & Dean (2015), Distilling the knowledge in a neural network,
        arXiv:1503.02531.
        Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks,
        arXiv:1706.04599.
    """
    arrays = _arrays_of("with_temperature", loss)
    scored = [domain.scale in _DIVIDED for domain in arrays.values()]
    if not any(scored):
        message = "is a loss of logits or scores, as softmax_cross_entropy"
        raise TypeError(f"with_temperature: `loss` {message}, got {loss!r}")

    kind, inner = _kind_of(loss)

    def function(*arrays: Array, temperature: Positive = 1.0, **rest: Any) -> Array:
        pairs = zip(scored, arrays, strict=False)  # a margin is a single array
        softened = [divide_by_temperature(x, temperature) if divided else x for divided, x in pairs]
        return inner(*softened, **rest)

    facts = Facts(
        convex=loss.facts.convex,
        strictly_convex=loss.facts.strictly_convex,
        lipschitz=_if_infinite(loss.facts.lipschitz),  # else it is another for each temperature
        smooth=_if_infinite(loss.facts.smooth),
        supremum=loss.facts.supremum,
        calibrated=loss.facts.calibrated,
    )
    doc = f"""`{loss.__name__}` of logits or scores over a temperature.

        {loss.__name__}(o / T, ...),   o = logits or scores,   T = temperature
    """
    return derive(
        with_temperature,
        loss,
        function=function,
        doc=doc,
        facts=facts,
        signature=loss.signature,
        kind=kind,
    )


def clipped(loss: Loss[...]) -> Loss[...]:
    """Make a loss whose value for each example is clipped at a ceiling.

        min(loss(...), c),   c = ceiling

    Beyond the ceiling the gradient is 0: the example has no influence.

    Args:
        loss: A loss, such as `half_squared_error`; of one that is distance- or margin-based the
            result is so too.

    Returns:
        The loss with one more hyper-parameter, `ceiling` > 0, by default 1; the same object each
        time. Where `loss` is infinite, gradients in hyper-parameters other than the ceiling
        may be NaN.

    Raises:
        TypeError: `loss` is no loss, or a linear head, which is made from the clipped loss.
        ValueError: `loss` has a `ceiling` already.

    Use when a few wild targets should have no influence, after a start without a ceiling.
    Avoid when starting from far off: examples above the ceiling have gradient 0.

    Example:
        >>> import jaxloss as jl
        >>> jl.clipped(jl.half_squared_error)([1.0, 9.0], [0.0, 0.0], ceiling=2.0).tolist()
        [0.5, 2.0]

    Limits:
        c → ∞ is `loss`. clipped(hinge) at ceiling 2 is 2 `ramp`.

    References:
        Collobert, Sinz, Weston & Bottou (2006), Trading convexity for scalability,
        doi:10.1145/1143844.1143870.
    """
    _arrays_of("clipped", loss)
    kind, inner = _kind_of(loss)

    def function(*arrays: Array, ceiling: Positive = 1.0, **rest: Any) -> Array:
        value = inner(*arrays, **rest)
        # In a sum on a CPU, XLA's minimum loses a NaN that numbers inside their domains made.
        return jnp.where(jnp.isnan(value), value, jnp.minimum(value, ceiling))

    unbounded = loss.facts.convex is True and loss.facts.supremum == math.inf
    facts = Facts(
        convex=False if unbounded else None,
        symmetric=loss.facts.symmetric,
        supremum=(lambda ceiling: ceiling) if loss.facts.supremum == math.inf else None,
        redescending=True if unbounded and loss.facts.symmetric is True else None,
    )
    doc = f"""`{loss.__name__}`, but at most a ceiling.

        min({loss.__name__}(...), c),   c = ceiling
    """
    return derive(
        clipped,
        loss,
        function=function,
        doc=doc,
        facts=facts,
        signature=loss.signature,
        kind=kind,
    )


def mixed(loss: Loss[...]) -> Loss[...]:
    """Make a loss of an example mixed from two, each with its own target.

        s loss(x, y) + (1 - s) loss(x, z),   x = predictions, y = targets, z = partner targets,
        s = share

    Args:
        loss: A loss, whose last array is the target.

    Returns:
        A loss of the arrays of `loss`, then the partner's target, `partner_...`, and `share`, the
        part of the first in [0, 1], shape `[...]`; the same object each time. In an objective
        `share` is what comes last: `objective((logits, labels, partner_labels), share)`.

    Raises:
        TypeError: `loss` is no loss, or a linear head, which is made from the mixed loss.

    Use when inputs come from `mixup` or `cutmix`: it serves integer labels and every loss.
    Avoid when the targets themselves can be mixed and the loss is linear in them, as with
        `softmax_cross_entropy`: that is one evaluation instead of two.

    Example:
        >>> import jaxloss as jl
        >>> both = jl.mixed(jl.absolute_error)
        >>> float(both(0.0, 1.0, 3.0, 0.75))
        1.5
        >>> float(jl.Objective(both)(([0.0, 0.0], [1.0, 1.0], [3.0, 3.0]), [0.75, 0.25]))
        2.0

    Limits:
        At share 1, or with equal targets, it is `loss`. For a loss that is linear in its targets,
        such as `softmax_cross_entropy`, it is the loss of s y + (1 - s) z.

    References:
        Zhang, Cisse, Dauphin & Lopez-Paz (2018), mixup: beyond empirical risk minimization,
        arXiv:1710.09412.
    """
    arrays = _arrays_of("mixed", loss)
    name, target = list(arrays.items())[-1]

    def function(*arrays: Array, **rest: Any) -> Array:
        *first, target, partner, share = arrays

        def of_target(target: Array) -> Array:
            return loss.compute(*first, target, **rest)

        of_first = of_target(_replace_weightless(of_target, share, target, partner))
        of_partner = of_target(_replace_weightless(of_target, 1 - share, partner, target))
        part = expand_trailing(share, of_first.ndim)
        return weighted(part, of_first) + weighted(1 - part, of_partner)

    facts = Facts(
        convex=loss.facts.convex,
        strictly_convex=loss.facts.strictly_convex,
        lipschitz=loss.facts.lipschitz,
        smooth=loss.facts.smooth,
        supremum=loss.facts.supremum,
    )
    doc = f"""`{loss.__name__}` of an example mixed from two.

        s {loss.__name__}(x, y) + (1 - s) {loss.__name__}(x, z),   x = predictions, y = targets,
        z = partner targets, s = share
    """
    both = {**arrays, f"partner_{name}": target, **domains_of({"share": Probability})}
    signature = replace(loss.signature, arrays=both)
    return derive(mixed, loss, function=function, doc=doc, facts=facts, signature=signature)


def _replace_weightless(
    of_target: Callable[[Array], Array], share: Array, target: Array, other: Array
) -> Array:
    """The target, or the other one where its share is 0 and its loss infinite."""
    # `weighted` makes 0 of weight 0 times an infinite value, but backward the derivatives of the
    # loss there may be infinite too, and 0 times these would be NaN.
    infinite = jnp.isinf(of_target(target))
    weightless = (share == 0) & jnp.any(infinite, axis=range(share.ndim, infinite.ndim))
    return select(weightless, other, target)


def _if_infinite(constant: Constant) -> Constant:
    return math.inf if constant == math.inf else None


def _arrays_of(maker: str, loss: Loss[...]) -> Mapping[str, ArrayDomain]:
    """The domains of the arrays of the loss, if a wrapper can be made of it."""
    if isinstance(loss, Loss) and not isinstance(loss, HeadLoss):
        return loss.signature.arrays
    message = f"is a loss, for a linear head linear_head({maker}(...))"
    raise TypeError(f"{maker}: `loss` {message}, got {loss!r}")


def _kind_of(loss: Loss[...]) -> tuple[type[Loss[...]], Callable[..., Array]]:
    """The class of the wrapped loss, and the function it calls: rho, psi, or the whole loss."""
    for kind in (Distance, Margin):
        if isinstance(loss, kind):
            return kind, loss.function
    return Loss, loss.compute
