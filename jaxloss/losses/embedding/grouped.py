"""Losses of a set of embeddings and the groups they belong to.

Each element is an anchor in its turn: the others of its group are its positives, those of other
groups its negatives. Similarity is the cosine, so that lengths do not matter.
"""

from collections.abc import Callable
from math import inf
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import Embeddings, Groups, Positive, Unit
from jaxloss.core.loss import loss
from jaxloss.kernels.pairwise import map_pairs, vmap_sets
from jaxloss.numerics import divide, log_softmax, logsumexp, positive_part, quotient, unit
from jaxloss.numerics.elementary import inner_products
from jaxloss.numerics.logistic import softplus


@loss(convex=False, lipschitz=inf, smooth=inf)
def ntxent(
    embeddings: Embeddings, labels: Groups, *, temperature: Positive = 0.07, where: Array
) -> Array:
    """Cross-entropy that finds each positive of an anchor among the anchor's negatives.

        mean over p of log(1 + Σₙ exp((sₙ - sₚ) / τ)),   p = positives, n = negatives of the anchor,
        s = cosine with the anchor, τ = temperature

    Args:
        embeddings: One vector for each element, of any length, shape `[..., elements, features]`.
        labels: Integers, equal for elements that are alike, shape `[..., elements]`.
        temperature: The difference of cosines that counts, > 0.
        where: Which elements count, boolean, shape `[..., elements]` or a prefix; all by default.

    Returns:
        One value per anchor, shape `[..., elements]`, in nats; 0, with gradient 0, without
        positives or without negatives. A zero vector has cosine 0 and gradient 0.

    Use when two views of each example, or a few examples of each class, are to lie together.
    Avoid when a set holds few negatives, or none: `supervised_contrastive` also contrasts the
        positives with each other.

    Example:
        >>> import jaxloss as jl
        >>> embeddings = [[2.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 4.0]]
        >>> round(float(jl.ntxent(embeddings, [7, 7, 8, 8], temperature=1.0)[0]), 4)
        0.5514

    Limits:
        `supervised_contrastive` where each anchor has one positive. With weights that count the
        positives of each anchor, its mean is the mean over all positive pairs.

    References:
        Chen, Kornblith, Norouzi & Hinton (2020), A simple framework for contrastive learning of
        visual representations, arXiv:2002.05709, with one positive for each anchor.
    """

    def of_pairs(cosine: Array, positives: Array, negatives: Array) -> Array:
        similarity = quotient(cosine, temperature)
        against = _log_sum(similarity, negatives)[..., None] - similarity
        return _mean_over(positives, softplus(jnp.where(positives, against, -jnp.inf)))

    return _by_anchors(of_pairs, embeddings, labels, where)


@loss(convex=False, lipschitz=inf, smooth=inf)
def supervised_contrastive(
    embeddings: Embeddings, labels: Groups, *, temperature: Positive = 0.1, where: Array
) -> Array:
    """Cross-entropy that finds each positive of an anchor among all other elements.

        mean over p of -log(exp(sₚ / τ) / Σₖ exp(sₖ / τ)),   p = positives of the anchor,
        k = all but the anchor, s = cosine with the anchor, τ = temperature

    Args:
        embeddings: One vector for each element, of any length, shape `[..., elements, features]`.
        labels: Integers, equal for elements that are alike, shape `[..., elements]`.
        temperature: The difference of cosines that counts, > 0.
        where: Which elements count, boolean, shape `[..., elements]` or a prefix; all by default.

    Returns:
        One value per anchor, shape `[..., elements]`, in nats; 0, with gradient 0, without
        positives. A zero vector has cosine 0 and gradient 0.

    Use when embeddings are learnt from classes, of which a set holds several examples each.
    Avoid when anchors have many positives and all are to be certain: they compete, and the least
        value is the logarithm of their number, not 0.

    Example:
        >>> import jaxloss as jl
        >>> embeddings = [[2.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 4.0]]
        >>> losses = jl.supervised_contrastive(embeddings, [5, 5, 5, 6], temperature=1.0)
        >>> [round(x, 4) for x in losses.tolist()]
        [1.0514, 1.0514, 1.5514, 0.0]

    Limits:
        `ntxent` where each anchor has one positive. Log of the number of others where all
        embeddings are equal.

    References:
        Khosla et al. (2020), Supervised contrastive learning, arXiv:2004.11362, eq. 2.
    """

    def of_pairs(cosine: Array, positives: Array, negatives: Array) -> Array:
        others = jnp.where(positives | negatives, quotient(cosine, temperature), -jnp.inf)
        return _mean_over(positives, -log_softmax(others))

    return _by_anchors(of_pairs, embeddings, labels, where)


@loss(convex=False, lipschitz=inf, smooth=inf)
def circle(
    embeddings: Embeddings,
    labels: Groups,
    *,
    gamma: Positive = 80.0,
    margin: Unit = 0.4,
    where: Array,
) -> Array:
    """By how much negatives outdo positives, where each cosine weighs more the worse it is.

        log(1 + Σₙ exp(gamma vₙ (sₙ - m)) Σₚ exp(gamma wₚ (1 - m - sₚ))),
        vₙ = max(0, sₙ + m),   wₚ = 1 + m - sₚ,   n = negatives, p = positives of the anchor,
        s = cosine with the anchor, m = margin

    The gradient is that of this value. The one in the paper, and in code that follows it, takes the
    weights v and w for constants.

    Args:
        embeddings: One vector for each element, of any length, shape `[..., elements, features]`.
        labels: Integers, equal for elements that are alike, shape `[..., elements]`.
        gamma: How sharply the worst pair is picked out, > 0.
        margin: The radius of the boundary, in [0, 1]: smaller asks for more.
        where: Which elements count, boolean, shape `[..., elements]` or a prefix; all by default.

    Returns:
        One value per anchor, shape `[..., elements]`, in nats; 0, with gradient 0, without
        positives or without negatives. A zero vector has cosine 0 and gradient 0.

    Use when positives are to come as close as cosine 1, and negatives no closer than cosine 0.
    Avoid when negatives are to be opposite: below cosine 0 they are drawn back to it, and below
        -margin they have no gradient.

    Example:
        >>> import jaxloss as jl
        >>> embeddings = [[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]
        >>> losses = jl.circle(embeddings, [1, 1, 0], gamma=2.0, margin=0.25)
        >>> [round(x, 4) for x in losses.tolist()]
        [2.0177, 1.9102, 0.0]

    Limits:
        With one positive and one negative whose cosine is >= -m, softplus(gamma (d² - 2 m²)), where
        d is the distance of (sₙ, sₚ) from (0, 1): the boundary is a circle.

    References:
        Sun, Cheng, Zhang, Zhang, Zheng, Wang & Wei (2020), Circle loss: a unified perspective of
        pair similarity optimization, arXiv:2002.10857.
    """

    def of_pairs(cosine: Array, positives: Array, negatives: Array) -> Array:
        lacking = (1 - cosine + margin) * (1 - cosine - margin) * gamma
        excess = positive_part(cosine + margin) * (cosine - margin) * gamma
        return softplus(_log_sum(excess, negatives) + _log_sum(lacking, positives))

    return _by_anchors(of_pairs, embeddings, labels, where)


class Elements(NamedTuple):
    """Some elements of a set: what they look like, their group, their place, and if they count."""

    vectors: Array
    labels: Array
    positions: Array
    counted: Array


def _by_anchors(
    of_pairs: Callable[[Array, Array, Array], Array], vectors: Array, labels: Array, where: Array
) -> Array:
    """The function of cosines, positives and negatives of some anchors at a time, over all sets."""

    def of_rows(rows: Elements, columns: Elements) -> Array:
        cosine = inner_products(rows.vectors, columns.vectors)
        return of_pairs(cosine, *_pairs(rows, columns))

    def of_set(memory: int, vectors: Array, labels: Array, where: Array) -> Array:
        elements = Elements(vectors, labels, jnp.arange(labels.shape[0]), where)
        found: Array = map_pairs(of_rows, elements, elements, memory=memory)
        return found

    return vmap_sets(of_set, unit(vectors), labels, where)


def _pairs(rows: Elements, columns: Elements) -> tuple[Array, Array]:
    """Which columns are positives, which are negatives, of each row."""
    counted = rows.counted[:, None] & columns.counted[None, :]
    alike = rows.labels[:, None] == columns.labels[None, :]
    same = rows.positions[:, None] == columns.positions[None, :]
    return counted & alike & ~same, counted & ~alike


def _log_sum(values: Array, chosen: Array) -> Array:
    """Log of the sum of exp over the chosen entries; -inf where there are none."""
    return logsumexp(jnp.where(chosen, values, -jnp.inf))


def _mean_over(chosen: Array, values: Array) -> Array:
    """Mean of the chosen entries; 0 where there are none."""
    total = jnp.sum(jnp.where(chosen, values, 0), axis=-1)
    return divide(total, jnp.sum(chosen, axis=-1, dtype=total.dtype))
