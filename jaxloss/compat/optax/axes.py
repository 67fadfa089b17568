"""Conversion of optax's `axis` and `where` to events on the last axis."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.lib.array_utils import normalize_axis_tuple

from jaxloss.numerics import as_array, computing_dtype

Axis = int | tuple[int, ...] | None


def events(axis: Axis, *given: ArrayLike) -> list[Array]:
    """Convert arrays to the computing dtype and to events on one last axis.

    Shapes are compared first: flattening axes could make different shapes equal.
    """
    arrays = [as_array(array) for array in given]
    if len({array.shape for array in arrays}) > 1:
        found = " and ".join(str(array.shape) for array in arrays)
        raise ValueError(f"shapes are equal, never broadcast, got {found}")
    dtype = computing_dtype(*arrays)
    return [last(array.astype(dtype), axis) for array in arrays]


def last(array: Array, axis: Axis) -> Array:
    """Move these axes to the end, in their order, and flatten them into one."""
    axes = normalize_axis_tuple(range(array.ndim) if axis is None else axis, array.ndim)
    if axes == (array.ndim - 1,):
        return array
    moved = jnp.moveaxis(array, axes, range(-len(axes), 0))
    batch = array.ndim - len(axes)
    return moved.reshape(*moved.shape[:batch], math.prod(moved.shape[batch:]))


def mask(where: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Broadcast a mask to a shape, as booleans."""
    return jnp.broadcast_to(as_array(where) != 0, shape)


def keep(where: ArrayLike | None, given: ArrayLike, otherwise: float) -> Array:
    """Fill masked entries of an array with a number."""
    array = as_array(given)
    return array if where is None else jnp.where(mask(where, array.shape), array, otherwise)


def of_examples(where: ArrayLike | None, like: ArrayLike, axis: Axis) -> ArrayLike | None:
    """The mask of a cross-entropy; one without the axes of classes masks whole examples."""
    if where is None or axis is None or np.ndim(where) == np.ndim(like):
        return where
    return jnp.expand_dims(as_array(where), axis)


def with_entry(vectors: Array, entry: ArrayLike) -> Array:
    """Append an entry to each vector."""
    column = jnp.broadcast_to(jnp.asarray(entry, vectors.dtype), vectors.shape[:-1])
    return jnp.concatenate([vectors, column[..., None]], axis=-1)
