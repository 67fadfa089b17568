"""Sorting: the order of the entries of an array, by keys, or on CPUs and GPUs by one integer."""

import jax
import jax.numpy as jnp
from jax import Array, P
from jax.sharding import NamedSharding

from jaxloss.kernels.matmul import explicit_sharding

_ALL_BITS = 2**31 - 1  # of 32, all but the sign


def descending_order(x: Array, behind: Array | None = None) -> Array:
    """Places of the entries from the largest to the least, along the last axis.

    Of equal entries those that are `behind` come last, and otherwise the first one first; NaN is as
    infinity. A constant of the derivative: what is put in this order is not sorted again for it.
    """
    x = jax.lax.stop_gradient(jnp.where(jnp.isnan(x), jnp.inf, x))
    behind = jnp.zeros_like(x, bool) if behind is None else behind
    if x.dtype != jnp.float32:
        return _order_by_keys(x, behind)
    order: Array = jax.lax.platform_dependent(
        x, behind, cpu=_order_by_words, cuda=_order_by_words, default=_order_by_keys
    )
    return order


def _order_by_keys(x: Array, behind: Array) -> Array:
    keys = (-x, behind, _places(x))
    return jax.lax.sort(keys, dimension=-1, num_keys=2, is_stable=True)[-1]


def _order_by_words(x: Array, behind: Array) -> Array:
    """As one 64-bit integer each: a CPU sorts several operands, or floats, far slower.

    On NVIDIA GPUs, XLA sorts single operands by CUB's radix sort (`SortRewriter`), which it has no
    use for with the two keys of the other way.
    """
    # The bits of positive floats (IEEE 754), read as integers, have the order of the floats; those
    # of negative ones, without the sign, the reverse order. So inverted positive and unsigned
    # negative bits sort in descending order; -0 is made 0 first. They are the upper half of a word.
    # In the lower are the flag and the place: no two words are equal, so no sort need be stable.
    bits = jax.lax.bitcast_convert_type(jnp.where(x == 0, 0, x), jnp.int32)
    first = jnp.where(bits < 0, bits & _ALL_BITS, ~bits)
    with jax.enable_x64():  # for the words alone
        rest = jax.lax.convert_element_type(_places(x), jnp.int64)
        rest += jax.lax.convert_element_type(behind, jnp.int64) << 31
        words = (jax.lax.convert_element_type(first, jnp.int64) << 32) + rest
        places = jax.lax.sort(words, dimension=-1, is_stable=False) & _ALL_BITS
        return jax.lax.convert_element_type(places, jnp.int32)


def _places(like: Array) -> Array:
    """The place of each entry along the last axis, with the sharding of `like`."""
    places = jax.lax.broadcasted_iota(jnp.int32, like.shape, like.ndim - 1)
    return places + jnp.zeros_like(like, jnp.int32)


def whole(x: Array) -> Array:
    """The array on every device, where its sharding is explicit: JAX sorts no sharded axis."""
    sharding = explicit_sharding(x)
    if sharding is None:
        return x
    gathered: Array = jax.sharding.reshard(x, NamedSharding(sharding.mesh, P()))
    return gathered


def spread_as(x: Array, like: Array) -> Array:
    """The array, with the sharding of another of its shape, where that is explicit."""
    sharding = explicit_sharding(like)
    sharded: Array = x if sharding is None else jax.sharding.reshard(x, sharding)
    return sharded


def in_order(x: Array, order: Array) -> Array:
    """The entries at these places along the last axis."""
    return jnp.take_along_axis(x, order, axis=-1, mode="promise_in_bounds")
