"""Losses made of losses: at another temperature, below a ceiling, or of two targets at once."""

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
from jaxloss.numerics import divide_by_temperature, nan_like, weighted
from jaxloss.numerics.broadcasting import expand_trailing, select
from jaxloss.numerics.softmax import wide

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

    Use when probabilities are to be calibrated after training, with the temperature alone learnt,
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
        given = [
            divide_by_temperature(wide(x), temperature) if divided else x for divided, x in pairs
        ]
        return inner(*given, **rest)

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
    """Make a loss that no example exceeds a ceiling with.

        min(loss(...), c),   c = ceiling

    Beyond the ceiling the gradient is 0: the example is given up.

    Args:
        loss: A loss, such as `half_squared_error`; of one that is distance- or margin-based the
            result is so too.

    Returns:
        The loss with one more hyper-parameter, `ceiling` > 0, by default 1; the same object each
        time. Where `loss` is infinite, slopes in hyper-parameters other than the ceiling may be
        NaN.

    Raises:
        TypeError: `loss` is no loss, or a linear head, which is made of the clipped loss.
        ValueError: `loss` has a `ceiling` already.

    Use when a few wild targets are to be forgotten altogether, after a start without a ceiling.
    Avoid when starting from far off: examples above the ceiling teach nothing.

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
        return jnp.minimum(value, ceiling + nan_like(value))

    endless = loss.facts.convex is True and loss.facts.supremum == math.inf
    facts = Facts(
        convex=False if endless else None,
        symmetric=loss.facts.symmetric,
        supremum=(lambda ceiling: ceiling) if loss.facts.supremum == math.inf else None,
        redescending=True if endless and loss.facts.symmetric is True else None,
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
    """Make a loss of an example that is mixed of two, each with its own target.

        s loss(x, y) + (1 - s) loss(x, z),   x = predictions, y = targets, z = partner targets,
        s = share

    Args:
        loss: A loss, whose last array is the target.

    Returns:
        A loss of the arrays of `loss`, then the partner's target, `partner_...`, and `share`, the
        part of the first in [0, 1], shape `[...]`; the same object each time. In an objective
        `share` is what comes last: `objective((logits, labels, partner_labels), share)`.

    Raises:
        TypeError: `loss` is no loss, or a linear head, which is made of the mixed loss.

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

        own = of_target(_unless_lost(of_target, share, target, partner))
        other = of_target(_unless_lost(of_target, 1 - share, partner, target))
        part = expand_trailing(share, own.ndim)
        return weighted(part, own) + weighted(1 - part, other)

    facts = Facts(
        convex=loss.facts.convex,
        strictly_convex=loss.facts.strictly_convex,
        lipschitz=loss.facts.lipschitz,
        smooth=loss.facts.smooth,
        supremum=loss.facts.supremum,
    )
    doc = f"""`{loss.__name__}` of an example that is mixed of two.

        s {loss.__name__}(x, y) + (1 - s) {loss.__name__}(x, z),   x = predictions, y = targets,
        z = partner targets, s = share
    """
    both = {**arrays, f"partner_{name}": target, **domains_of({"share": Probability})}
    signature = replace(loss.signature, arrays=both)
    return derive(mixed, loss, function=function, doc=doc, facts=facts, signature=signature)


def _unless_lost(
    of_target: Callable[[Array], Array], share: Array, target: Array, other: Array
) -> Array:
    """The target, and the other where it has no share in the loss and would make it infinite.

    Weight 0 wins over an infinite value, and backward over none of its slopes.
    """
    lost = jnp.isinf(of_target(target))
    lost = (share == 0) & jnp.any(lost, axis=range(share.ndim, lost.ndim))
    return select(lost, other, target)


def _if_infinite(constant: Constant) -> Constant:
    return math.inf if constant == math.inf else None


def _arrays_of(maker: str, loss: Loss[...]) -> Mapping[str, ArrayDomain]:
    """What the loss takes by position, if a loss can be made of it."""
    if isinstance(loss, Loss) and not isinstance(loss, HeadLoss):
        return loss.signature.arrays
    message = f"is a loss, for a linear head linear_head({maker}(...))"
    raise TypeError(f"{maker}: `loss` {message}, got {loss!r}")


def _kind_of(loss: Loss[...]) -> tuple[type[Loss[...]], Callable[..., Array]]:
    """What a loss of the same arrays is, and what of this one it is made of.

    One that is distance- or margin-based is made of rho or psi, any other of the whole value.
    """
    for kind in (Distance, Margin):
        if isinstance(loss, kind):
            return kind, loss.function
    return Loss, loss.compute
