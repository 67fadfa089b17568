"""Losses of one real score a class where several classes, or none, may be present."""

import math

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import MultiHot, Positive, Scores
from jaxloss.core.loss import loss
from jaxloss.kernels.sorting import descending_order, in_order
from jaxloss.numerics import weighted
from jaxloss.numerics.logistic import softplus


@loss(convex=True, strictly_convex=False, smooth=math.inf, supremum=math.inf)
def multilabel_margin(scores: Scores, labels: MultiHot, *, margin: Positive = 1.0) -> Array:
    """Multilabel hinge: that of each present class's lead over each absent one, over classes.

        Σ_{i present} Σ_{j absent} max(0, margin - (o_i - o_j)) / classes,   o = scores

    Scores are sorted, so that memory grows with the classes and not with the pairs of them. On a
    mesh with explicit axes the classes have to be on one device.

    Args:
        scores: One real score a class, shape `[..., classes]`.
        labels: 1 where the class is present, else 0, shape `[..., classes]`.
        margin: The lead that costs nothing, in the unit of the scores.

    Returns:
        One value per example, shape `[...]`, in the unit of the scores. Without a class that is
        present, or one that is absent, it is 0.

    Use when present classes should rank above absent ones, whatever the scores themselves.
    Avoid when a threshold decides which classes are present: it fixes differences only.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.multilabel_margin([2.0, 0.5, 1.5, -1.0], [1, 1, 0, 0]))
        0.625

    Limits:
        At a one-hot label, `weston_watkins` / classes; multilabel_margin(o, margin) =
        margin multilabel_margin(o / margin).

    References:
        Zhang & Zhou (2014), A review on multi-label learning algorithms,
        doi:10.1109/TKDE.2013.39.
    """
    # With the margin in the keys of present classes, a pair costs something where the present one
    # comes first. Of equal keys these come last: a lead of just the margin costs nothing.
    order = descending_order(labels * margin - scores, labels > 0)
    present, ordered = in_order(labels, order), in_order(scores, order)
    gaps = _steps(ordered, present) - jnp.diff(present) * margin
    below = jnp.cumsum(present, axis=-1)[..., :-1]
    above = jnp.sum(1 - present, axis=-1, keepdims=True) - jnp.cumsum(1 - present, axis=-1)
    # A pair costs the sum of the gaps between its two places in this order, so each gap counts once
    # for each present class before it and absent class after it: no difference of large sums.
    pairs = below * above[..., :-1] / scores.shape[-1]
    return jnp.sum(weighted(pairs, gaps), axis=-1)


@loss(convex=True, strictly_convex=True, supremum=math.inf)
def multilabel_soft_margin(scores: Scores, labels: MultiHot) -> Array:
    """Mean over the classes of the binary cross-entropy of whether each is present.

        Σ_j log(1 + exp(-s_j o_j)) / classes,   s_j = 1 if class j is present, else -1,   o = scores

    Args:
        scores: Log-odds of each class, shape `[..., classes]`.
        labels: 1 where the class is present, else 0, shape `[..., classes]`.

    Returns:
        One value per example, shape `[...]`, in nats.

    Use when the probability of each class is wanted, or a threshold decides which are present.
    Avoid when labels are soft or classes weighted: `sigmoid_binary_cross_entropy` takes these.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.multilabel_soft_margin([0.0, 50.0, -50.0], [1, 1, 0])), 4)
        0.231

    Limits:
        The mean over classes of `sigmoid_binary_cross_entropy`; at a one-hot label,
        `one_vs_all(logistic)` / classes.

    References:
        Dembczyński, Waegeman, Cheng & Hüllermeier (2012), On label dependence and loss
        minimization in multi-label classification, doi:10.1007/s10994-012-5285-8.
    """
    cross_entropies = softplus((1 - 2 * labels) * scores)
    return jnp.sum(
        cross_entropies / scores.shape[-1], axis=-1
    )  # divided first: the sum may overflow


def _steps(scores: Array, present: Array) -> Array:
    """From each score to the next; 0 from one that is infinite to its like.

    Two of +inf are alike unless one only is of a class that is present.
    """
    equal = (scores[..., 1:] == scores[..., :-1]) & jnp.isinf(scores[..., 1:])
    alike = equal & ((jnp.diff(present) == 0) | (scores[..., 1:] < 0))
    return jnp.where(alike, 0, jnp.diff(scores))
