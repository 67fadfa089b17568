"""Masks and weights: boolean or numeric prefixes of a shape, never broadcast to it silently."""

import jax.numpy as jnp
from jax import Array

from jaxloss.numerics.broadcasting import Shape, fit_mask, select


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


def fill(mask: Array, benign: float | None, array: Array) -> Array:
    """The array, harmless behind the mask; one that all examples share stays as it is.

    An array with fewer axes than the mask is hidden where the mask is false throughout, one of more
    elements than the mask not beyond it, one of fewer by as much of the mask. As an integer the
    harmless value is a class, 0.
    """
    if benign is None:
        return array
    seen = jnp.any(mask, axis=tuple(range(array.ndim, mask.ndim)))
    return select(fit_mask(seen, array.shape), array, jnp.asarray(benign).astype(array.dtype))
