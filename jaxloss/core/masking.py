"""Masks and weights: boolean or numeric prefixes of a shape, never broadcast to it silently."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxloss.numerics.broadcasting import Shape, fit_mask, select


def as_mask(owner: str, where: Any, *shapes: Shape) -> Array:
    """The mask, once it is one boolean array whose shape is a prefix of one of the shapes."""
    mask = as_prefix(owner, "where", where, *shapes)
    if mask.dtype != jnp.bool_:
        message = (
            f"{owner}: `where` is boolean, got {mask.dtype} of shape {mask.shape}; "
            "numbers go into `weights`, or compare them first: where=mask > 0"
        )
        raise TypeError(message)
    return mask


def as_prefix(owner: str, name: str, array: Any, *shapes: Shape) -> Array:
    """The mask or weights, once they are one array whose shape is a prefix of one of the shapes."""
    if not isinstance(array, Array):
        raise TypeError(
            f"{owner}: `{name}` of one term is one array, got a {type(array).__name__}; several "
            "belong to the parts of predictions that terms act on by `at`"
        )
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

    An array with fewer axes than the mask is filled where the mask is false throughout. Elements
    beyond the mask are not filled, and a mask of more elements is cut. As an integer the harmless
    value is a class, 0.
    """
    if benign is None:
        return array
    # Before the loss, not after it: masked inputs may be NaN or out of the domain, where 0 times an
    # infinite derivative would be NaN in the gradient.
    counted = jnp.any(mask, axis=tuple(range(array.ndim, mask.ndim)))
    return select(fit_mask(counted, array.shape), array, jnp.asarray(benign).astype(array.dtype))
