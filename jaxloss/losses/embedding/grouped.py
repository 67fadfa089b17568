"""Losses of a set of embeddings and the groups they belong to.

Each element is an anchor in its turn: the others of its group are its positives, those of other
groups its negatives. Similarity is the cosine, so that lengths do not matter.
"""

from functools import partial
from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import Embeddings, Groups, Positive, Unit
from jaxloss.core.loss import loss
from jaxloss.kernels.contrastive import AnchorPairs, PairBlock, over_grouped_set
from jaxloss.numerics import quotient
from jaxloss.numerics.logistic import softplus


@loss(convex=False, lipschitz=inf, smooth=inf)
def ntxent(
    embeddings: Embeddings, labels: Groups, *, temperature: Positive = 0.07, where: Array
) -> Array:
    """NT-Xent: softmax cross-entropy of each positive of an anchor against its negatives.

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

    Use when two views of each example, or a few examples of each class, should lie together.
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
    return over_grouped_set(partial(ntxent_of, temperature=temperature), embeddings, labels, where)


def ntxent_of(pairs: AnchorPairs, *, temperature: ArrayLike) -> Array:
    """The value of each anchor, for pairs that may be on several devices."""

    def cross_entropy(pairs: PairBlock, negatives: Array, temperature: Array) -> Array:
        # log(1 + Σ exp(sₙ) / exp(sₚ)) as softplus of a log-sum-exp: no exponential overflows.
        against = negatives - _logits(pairs, temperature)
        return softplus(jnp.where(pairs.positives(), against, -jnp.inf))

    negatives = pairs.log_sum(_logits, PairBlock.negatives, temperature)
    return pairs.mean(cross_entropy, negatives, temperature)


@loss(convex=False, lipschitz=inf, smooth=inf)
def supervised_contrastive(
    embeddings: Embeddings, labels: Groups, *, temperature: Positive = 0.1, where: Array
) -> Array:
    """Supervised contrastive loss: softmax cross-entropy of each positive among all others.

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
    Avoid when anchors have many positives and all should be certain: they compete, and the least
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
    formula = partial(supervised_contrastive_of, temperature=temperature)
    return over_grouped_set(formula, embeddings, labels, where)


def supervised_contrastive_of(pairs: AnchorPairs, *, temperature: ArrayLike) -> Array:
    """The value of each anchor, for pairs that may be on several devices."""
    return pairs.mean_cross_entropy(_logits, temperature)


@loss(convex=False, lipschitz=inf, smooth=inf)
def circle(
    embeddings: Embeddings,
    labels: Groups,
    *,
    gamma: Positive = 80.0,
    margin: Unit = 0.4,
    where: Array,
) -> Array:
    """Circle loss: pairwise cosine similarities with self-paced weights.

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

    Use when positives should come as close as cosine 1, and negatives no closer than cosine 0.
    Avoid when negatives should be opposite: below cosine 0 they are drawn back to it, and below
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
    formula = partial(circle_of, gamma=gamma, margin=margin)
    return over_grouped_set(formula, embeddings, labels, where)


def circle_of(pairs: AnchorPairs, *, gamma: ArrayLike, margin: ArrayLike) -> Array:
    """The value of each anchor, for pairs that may be on several devices."""

    def of_negatives(pairs: PairBlock, gamma: Array, margin: Array) -> Array:
        return jnp.maximum(pairs.cosines + margin, 0) * (pairs.cosines - margin) * gamma

    def of_positives(pairs: PairBlock, gamma: Array, margin: Array) -> Array:
        return (1 - pairs.cosines + margin) * (1 - pairs.cosines - margin) * gamma

    negatives = pairs.log_sum(of_negatives, PairBlock.negatives, gamma, margin)
    positives = pairs.log_sum(of_positives, PairBlock.positives, gamma, margin)
    # The product of the two sums is the exp of this; where either has no pair, softplus(-inf) is 0.
    return softplus(negatives + positives)


def _logits(pairs: PairBlock, temperature: ArrayLike) -> Array:
    return quotient(pairs.cosines, temperature)
