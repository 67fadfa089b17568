"""Losses of a list of items and their relevance, by which they should be ordered."""

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import ItemScores, Relevance
from jaxloss.core.loss import loss
from jaxloss.numerics import log_softmax, weighted


@loss(convex=True)
def ranking_softmax(scores: ItemScores, relevance: Relevance, *, where: Array) -> Array:
    """Cross-entropy between the relevance of the items and the softmax of their scores.

        -Σᵢ yᵢ log pᵢ,   p = softmax of the scores over the items that count, y = relevance

    Args:
        scores: One real score for each item of a list, shape `[..., items]`.
        relevance: Numbers >= 0, larger for what belongs further up, shape `[..., items]`.
        where: Which items there are, boolean, shape `[..., items]` or a prefix; all by default.

    Returns:
        One value per list, shape `[...]`, in nats times relevance; 0 for a list without items.

    Use when lists of items are ordered at once, and few of their items are relevant.
    Avoid when relevance is graded finely: the loss asks for scores that are its logarithms, not
        merely for its order.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.ranking_softmax([2.0, 1.0, 3.0], [1.0, 0.0, 0.0])), 4)
        1.4076

    Limits:
        With relevance that sums to 1 it is `softmax_cross_entropy` over the items.

    References:
        Cao, Qin, Liu, Tsai & Li (2007), Learning to rank: from pairwise approach to listwise
        approach, doi:10.1145/1273496.1273513.
    """
    # An item that does not count has probability 0, and -log 0 is +inf: it is left out once more.
    log_probabilities = log_softmax(jnp.where(where, scores, -jnp.inf))
    return jnp.sum(weighted(relevance, jnp.where(where, -log_probabilities, 0)), axis=-1)
