"""`optax.losses` of lists of items."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.compat.optax.axes import mask
from jaxloss.core.reduction import mean
from jaxloss.losses.ranking import listwise
from jaxloss.numerics import as_array


def ranking_softmax_loss(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    where: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    reduce_fn: Callable[..., ArrayLike] | None = jnp.mean,
) -> Array:
    """`jaxloss.ranking_softmax`, with relevance times weights, reduced over lists with any item."""
    scores = as_array(logits)
    relevance = as_array(labels).astype(scores.dtype)
    if weights is not None:
        relevance = relevance * weights
    items = mask(True if where is None else where, scores.shape)
    values, lists = (
        listwise.ranking_softmax(scores, relevance, where=items),
        jnp.any(items, axis=-1),
    )
    if reduce_fn is None:
        return values
    if reduce_fn is jnp.mean:  # 0, not 0 / 0, where no list has an item
        return mean(values, lists)
    return jnp.asarray(reduce_fn(values, where=lists))
