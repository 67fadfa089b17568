"""Prefixes of a shape: arrays over its leading axes, repeated over the trailing ones."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Shape = tuple[int, ...]


def expand_trailing(prefix: Array, ndim: int) -> Array:
    """The prefix with trailing axes of length 1."""
    return prefix.reshape(prefix.shape + (1,) * (ndim - prefix.ndim))


def broadcast_prefix(prefix: Array, shape: Shape) -> Array:
    """The prefix repeated over the trailing axes of `shape`."""
    return jnp.broadcast_to(expand_trailing(prefix, len(shape)), shape)


def select(prefix: Array, chosen: Array, other: ArrayLike) -> Array:
    """The one array where the prefix is true, the other elsewhere."""
    return jnp.where(expand_trailing(prefix, chosen.ndim), chosen, other)


def fit_mask(mask: Array, shape: Shape) -> Array:
    """The mask as long as an array of this shape along its last axis: true for what is further."""
    if mask.shape == shape[: mask.ndim]:
        return mask
    more = shape[mask.ndim - 1] - mask.shape[-1]  # below 0 the padding cuts
    further = [(0, 0, 0)] * (mask.ndim - 1) + [(0, more, 0)]
    return jax.lax.pad(mask, jnp.ones((), bool), further)
