"""`optax.losses` of a batch of embeddings."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.reduction import mean
from jaxloss.losses.embedding import grouped
from jaxloss.numerics import as_array


def ntxent(embeddings: ArrayLike, labels: ArrayLike, temperature: ArrayLike = 0.07) -> Array:
    """`jaxloss.ntxent`, averaged over all positive pairs: 0, not NaN, where there are none."""
    vectors, groups = as_array(embeddings), as_array(labels)
    every = jnp.ones(groups.shape, bool)
    values = grouped.ntxent(vectors, groups, temperature=temperature, where=every)
    positives = jnp.sum(groups[..., None] == groups[..., None, :], axis=-1) - 1
    return mean(values, positives.astype(values.dtype))
