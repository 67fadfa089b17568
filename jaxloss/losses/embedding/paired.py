"""Losses of two sets of embeddings that match one to one, such as images and their captions.

The element of one set at a position belongs to that of the other at the same position, and to no
other. Similarity is the cosine, so that lengths do not matter.
"""

from functools import partial
from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import Embeddings, Keys, Number, Positive
from jaxloss.core.loss import loss
from jaxloss.kernels.contrastive import PairBlock, PlacedPairs, over_matched_sets
from jaxloss.numerics import quotient
from jaxloss.numerics.logistic import softplus


@loss(convex=False, lipschitz=inf, smooth=inf)
def info_nce(
    queries: Embeddings, keys: Keys, *, temperature: Positive = 0.07, where: Array
) -> Array:
    """InfoNCE: softmax cross-entropy of the key of each query among all keys.

        -log(exp(sᵢᵢ / τ) / Σⱼ exp(sᵢⱼ / τ)),   s = cosine of query i and key j, τ = temperature

    Args:
        queries: One vector for each element, of any length, shape `[..., elements, features]`.
        keys: The vectors that they belong to, in this order, and after them any number that belong
            to no query, such as a queue or hard negatives, shape `[..., keys, features]`.
        temperature: The difference of cosines that counts, > 0.
        where: Which queries count, with the key of each, boolean, shape `[..., elements]` or a
            prefix; or which keys count, with the query of each, shape `[..., keys]`. By default all
            do. Keys beyond the mask count.

    Returns:
        One value per query, shape `[..., elements]`, in nats. A zero vector has cosine 0 and
        gradient 0.

    Use when queries look for keys and not the other way, as with keys that are not trained.
    Avoid when both sides are searched: `symmetric_info_nce` is the mean of both directions. Nor
        when several keys are right, as where examples are repeated: `supervised_contrastive` takes
        groups.

    Example:
        >>> import jaxloss as jl
        >>> queries, keys = [[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [4.0, 0.0]]
        >>> [round(x, 4) for x in jl.info_nce(queries, keys).tolist()]
        [0.6931, 0.6931]
        >>> queue = [[0.0, 1.0]]
        >>> [round(x, 4) for x in jl.info_nce(queries, keys + queue, temperature=1.0).tolist()]
        [0.862, 1.5514]

    Limits:
        `softmax_cross_entropy_with_integer_labels` of the cosines over the temperature, where the
        i-th label is i.

    References:
        van den Oord, Li & Vinyals (2018), Representation learning with contrastive predictive
        coding, arXiv:1807.03748; with cosines and this temperature in He, Fan, Wu, Xie & Girshick
        (2020), Momentum contrast for unsupervised visual representation learning, arXiv:1911.05722.
    """
    return over_matched_sets(partial(info_nce_of, temperature=temperature), queries, keys, where)


def info_nce_of(pairs: PlacedPairs, *, temperature: ArrayLike) -> Array:
    """The value of each query, for pairs that may be on several devices."""
    # -log(exp(m) / (exp(m) + Σ exp(n))) = softplus(log Σ exp(n) - m): without a difference of two
    # nearly equal numbers where the match has nearly all of the probability.
    match, negatives, _ = pairs.match_and_negatives_logsumexp(_logits, temperature)
    return softplus(negatives - match)


@loss(convex=False, lipschitz=inf, smooth=inf)
def symmetric_info_nce(
    first: Embeddings, second: Embeddings, *, temperature: Positive = 0.07, where: Array
) -> Array:
    """CLIP loss: mean of InfoNCE from the first set to the second and from that to the first.

        -(log pᵢᵢ + log qᵢᵢ) / 2,   p = softmax over j and q = softmax over i of sᵢⱼ / τ,
        s = cosine of first i and second j, τ = temperature

    Args:
        first: One vector for each element, of any length, shape `[..., elements, features]`.
        second: Their partners, in this order, shape `[..., elements, features]`.
        temperature: The difference of cosines that counts, > 0; it is often trained.
        where: Which elements count, boolean, shape `[..., elements]` or a prefix; all by default.

    Returns:
        One value per pair, shape `[..., elements]`, in nats. A zero vector has cosine 0 and
        gradient 0.

    Use when two kinds of input are embedded in one space, and each should find the other.
    Avoid when sets are small, as then negatives are few: `siglip` depends less on their number.

    Example:
        >>> import jaxloss as jl
        >>> first, second = [[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [4.0, 0.0]]
        >>> [round(x, 4) for x in jl.symmetric_info_nce(first, second, temperature=1.0).tolist()]
        [0.5032, 1.0032]

    Limits:
        The mean of `info_nce` and of `info_nce` with the two sets exchanged.

    References:
        Radford, Kim et al. (2021), Learning transferable visual models from natural language
        supervision, arXiv:2103.00020.
    """
    formula = partial(symmetric_info_nce_of, temperature=temperature)
    return over_matched_sets(formula, first, second, where)


def symmetric_info_nce_of(pairs: PlacedPairs, *, temperature: ArrayLike) -> Array:
    """The value of each pair that matches, for pairs that may be on several devices."""
    match, of_rows, of_columns = pairs.match_and_negatives_logsumexp(
        _logits, temperature, columns=True
    )
    return (softplus(of_rows - match) + softplus(of_columns - match)) / 2


@loss(convex=False, lipschitz=inf, smooth=inf)
def siglip(
    first: Embeddings,
    second: Embeddings,
    *,
    scale: Positive = 10.0,
    bias: Number = -10.0,
    where: Array,
) -> Array:
    """SigLIP: binary cross-entropies of whether each element of another set is the partner.

        -Σⱼ log sigmoid(zᵢⱼ (t sᵢⱼ + b)),   z = +1 where i = j and -1 elsewhere,
        s = cosine of first i and second j, t = scale, b = bias

    Args:
        first: One vector for each element, of any length, shape `[..., elements, features]`.
        second: Their partners, in this order, shape `[..., elements, features]`.
        scale: What a cosine of 1 adds to the log-odds of a match, > 0; it is often trained.
        bias: The log-odds at cosine 0: low, as most pairs do not match; it is often trained.
        where: Which elements count, boolean, shape `[..., elements]` or a prefix; all by default.

    Returns:
        One value per element of the first set, shape `[..., elements]`, in nats. A zero vector has
        cosine 0 and gradient 0.

    Use when two kinds of input share a space and sets are small, or too large for a softmax.
    Avoid when probabilities over the whole set are wanted: `symmetric_info_nce` has them.

    Example:
        >>> import jaxloss as jl
        >>> first, second = [[1.0, 0.0], [0.0, 2.0]], [[3.0, 0.0], [4.0, 0.0]]
        >>> [round(x, 4) for x in jl.siglip(first, second, scale=2.0, bias=-1.0).tolist()]
        [1.6265, 1.6265]

    Limits:
        The sum of `sigmoid_binary_cross_entropy` of scale times cosine plus bias, over j.

    References:
        Zhai, Mustafa, Kolesnikov & Beyer (2023), Sigmoid loss for language image pre-training,
        arXiv:2303.15343.
    """
    return over_matched_sets(partial(siglip_of, scale=scale, bias=bias), first, second, where)


def siglip_of(pairs: PlacedPairs, *, scale: ArrayLike, bias: ArrayLike) -> Array:
    """The value of each element of the first set, for pairs that may be on several devices."""

    def cross_entropies(pairs: PairBlock, scale: Array, bias: Array) -> Array:
        log_odds = pairs.cosines * scale + bias
        against = jnp.where(pairs.matches, -log_odds, log_odds)
        return softplus(jnp.where(pairs.counted, against, -jnp.inf))  # softplus(-inf) is 0

    return pairs.sum(cross_entropies, scale, bias)


def _logits(pairs: PairBlock, temperature: ArrayLike) -> Array:
    return quotient(pairs.cosines, temperature)
