"""Products that are added up, over parts of a large array or over devices."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import AxisType, NamedSharding
from jax.typing import ArrayLike

from jaxloss.numerics.elementary import computing_dtype
from jaxloss.numerics.shard_map_axes import axes_of

_PART = 2**23  # bytes


def add_product(total: Array, left: Array, right: Array) -> Array:
    """The total plus the product of the transposed left factor with the right one.

    XLA holds the product beside the total on a CPU, where it goes by parts instead.
    """
    if explicit_sharding(total) is not None:
        return total + _product_over_rows(left, right, total)
    if jax.device_count() > 1 and not axes_of(total):  # parts of what is spread would be gathered
        return _add_product_at_once(total, left, right)
    summed: Array = jax.lax.platform_dependent(
        total, left, right, cpu=_add_product_by_parts, default=_add_product_at_once
    )
    return summed


def explicit_sharding(x: Array) -> NamedSharding | None:
    """How the array is spread over devices, where that is part of its type."""
    sharding: NamedSharding = jax.typeof(x).sharding
    return sharding if AxisType.Explicit in sharding.mesh.axis_types else None


def _add_product_at_once(total: Array, left: Array, right: Array) -> Array:
    return total + _product_over_rows(left, right)


def _product_over_rows(left: Array, right: Array, like: Array | None = None) -> Array:
    """The product, spread over devices as an array of its shape is."""
    over_rows = (((0,), (0,)), ((), ()))
    dtype = computing_dtype(left, right)
    spread = None if like is None else explicit_sharding(like)
    return jax.lax.dot_general(
        left, right, over_rows, preferred_element_type=dtype, out_sharding=spread
    )


def _add_product_by_parts(total: Array, left: Array, right: Array) -> Array:
    """In place, along the longer axis of the total; a turned factor is multiplied faster."""
    axis = int(total.shape[1] > total.shape[0])
    length, across = total.shape[axis], total.shape[1 - axis] * total.dtype.itemsize
    size = max(1, min(_PART // max(across, 1), length))
    turned = jax.lax.optimization_barrier(left.T) if axis else left

    def add(start: ArrayLike, size: int, total: Array) -> Array:
        part = jax.lax.dynamic_slice_in_dim(right if axis else left, start, size, 1)
        first = turned if axis else jax.lax.optimization_barrier(part.T)
        more = jnp.matmul(first, part if axis else right, preferred_element_type=total.dtype)
        old = jax.lax.dynamic_slice_in_dim(total, start, size, axis)
        return jax.lax.dynamic_update_slice_in_dim(total, old + more, start, axis)

    parts, rest = divmod(length, size)
    total = jax.lax.fori_loop(0, parts, lambda i, total: add(i * size, size, total), total)
    return add(parts * size, rest, total) if rest else total
