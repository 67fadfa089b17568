"""Matrix products that are added to a total, by parts of it or with a sharding."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import AxisType, NamedSharding
from jax.typing import ArrayLike

from jaxloss.numerics.elementary import computing_dtype
from jaxloss.numerics.shard_map_axes import axes_of

# Bytes of a part of the total, and so of the product that is held beside it.
_PART = 2**23


def add_product(total: Array, left: Array, right: Array) -> Array:
    """The total plus the product of the transposed left factor with the right one.

    On a CPU, XLA holds the product beside the total; there the sum is computed by parts.
    """
    if explicit_sharding(total) is not None:
        return total + _product_over_rows(left, right, total)
    # With several devices, and outside `shard_map`, the total may be sharded though its type does
    # not show it: slices of it would be gathered.
    if jax.device_count() > 1 and not axes_of(total):
        return _add_product_at_once(total, left, right)
    summed: Array = jax.lax.platform_dependent(
        total, left, right, cpu=_add_product_by_parts, default=_add_product_at_once
    )
    return summed


def inner_products(x: Array, y: Array) -> Array:
    """Those of each row of `x` with each row of `y`, shape `[..., rows of x, rows of y]`.

    Accelerators may by default round the factors to a few digits; a temperature magnifies that.
    """
    # On NVIDIA's tensor cores three products of TF32 would be as good (`TF32_TF32_F32_X3`), but
    # JAX 0.10 refuses to lower that for several platforms at once, as `jax.export` does.
    highest = jax.lax.Precision.HIGHEST
    return jnp.einsum("...if,...jf->...ij", x, y, precision=highest)


def explicit_sharding(x: Array) -> NamedSharding | None:
    """The sharding of the array, where that is part of its type."""
    sharding: NamedSharding = jax.typeof(x).sharding
    return sharding if AxisType.Explicit in sharding.mesh.axis_types else None


def _add_product_at_once(total: Array, left: Array, right: Array) -> Array:
    return total + _product_over_rows(left, right)


def _product_over_rows(left: Array, right: Array, like: Array | None = None) -> Array:
    """The product, with the sharding of an array of its shape."""
    over_rows = (((0,), (0,)), ((), ()))
    dtype = computing_dtype(left, right)
    sharding = None if like is None else explicit_sharding(like)
    return jax.lax.dot_general(
        left, right, over_rows, preferred_element_type=dtype, out_sharding=sharding
    )


def _add_product_by_parts(total: Array, left: Array, right: Array) -> Array:
    """In place, along the longer axis of the total."""
    # The left factor is transposed in memory, behind a barrier that keeps XLA from folding the
    # transpose into the product, which is then slower.
    axis = int(total.shape[1] > total.shape[0])
    length, across = total.shape[axis], total.shape[1 - axis] * total.dtype.itemsize
    size = max(1, min(_PART // max(across, 1), length))
    transposed = jax.lax.optimization_barrier(left.T) if axis else left

    def add(start: ArrayLike, size: int, total: Array) -> Array:
        part = jax.lax.dynamic_slice_in_dim(right if axis else left, start, size, 1)
        first = transposed if axis else jax.lax.optimization_barrier(part.T)
        more = jnp.matmul(first, part if axis else right, preferred_element_type=total.dtype)
        old = jax.lax.dynamic_slice_in_dim(total, start, size, axis)
        return jax.lax.dynamic_update_slice_in_dim(total, old + more, start, axis)

    parts, rest = divmod(length, size)
    total = jax.lax.fori_loop(0, parts, lambda i, total: add(i * size, size, total), total)
    return add(parts * size, rest, total) if rest else total
