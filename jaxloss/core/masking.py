"""Masks and weights: boolean or numeric prefixes of a shape, never broadcast to it silently."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Shape = tuple[int, ...]


def as_mask(owner: str, where: Array, *shapes: Shape) -> Array:
    """The mask, once it is boolean and a prefix of one of the shapes."""
    if where.dtype != jnp.bool_:
        message = (
            f"{owner}: `where` is boolean, got {where.dtype} of shape {where.shape}; "
            "numbers go into `weights`, or compare them first: where=mask > 0"
        )
        raise TypeError(message)
    return as_prefix(owner, "where", where, *shapes)


def as_prefix(owner: str, name: str, array: Array, *shapes: Shape) -> Array:
    """The array, once its shape is a prefix of one of the shapes."""
    if not any(array.shape == shape[: array.ndim] for shape in shapes):
        message = (
            f"{owner}: `{name}` has shape {array.shape}, no prefix of "
            f"{' or '.join(map(str, shapes))}, the shape of what it counts; add or drop axes, "
            "nothing is broadcast"
        )
        raise ValueError(message)
    return array


def lead(prefix: Array, ndim: int) -> Array:
    """The prefix with trailing axes of length 1."""
    return prefix.reshape(prefix.shape + (1,) * (ndim - prefix.ndim))


def spread(prefix: Array, shape: Shape) -> Array:
    """The prefix repeated over the trailing axes of `shape`."""
    return jnp.broadcast_to(lead(prefix, len(shape)), shape)


def select(prefix: Array, chosen: Array, other: ArrayLike) -> Array:
    """The one array where the prefix is true, the other elsewhere."""
    return jnp.where(lead(prefix, chosen.ndim), chosen, other)


def fitted(mask: Array, shape: Shape) -> Array:
    """The mask as long as an array of this shape along its last axis: true for what is further."""
    if mask.shape == shape[: mask.ndim]:
        return mask
    more = shape[mask.ndim - 1] - mask.shape[-1]  # below 0 the padding cuts
    further = [(0, 0, 0)] * (mask.ndim - 1) + [(0, more, 0)]
    return jax.lax.pad(mask, jnp.ones((), bool), further)


def hide(mask: Array, benign: float | None, array: Array) -> Array:
    """The array, harmless behind the mask; one that all examples share stays as it is.

    An array with fewer axes than the mask is hidden where the mask is false throughout, one of more
    elements than the mask not beyond it, one of fewer by as much of the mask. As an integer the
    harmless value is a class, 0.
    """
    if benign is None:
        return array
    seen = jnp.any(mask, axis=tuple(range(array.ndim, mask.ndim)))
    return select(fitted(seen, array.shape), array, jnp.asarray(benign).astype(array.dtype))
