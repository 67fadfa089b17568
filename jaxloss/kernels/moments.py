"""Moments of the features of a set, whose elements may be sharded over devices.

All that is communicated are sums over the elements of a device, and the extremes of each feature.
"""

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

Tree = TypeVar("Tree")


class Batch(NamedTuple):
    """Which of the elements here count, and the axis of a mesh along which there are others."""

    counted: Array
    axis_name: str | None = None

    def summed(self, here: Tree) -> Tree:
        """Sums over the elements here, added up over all devices."""
        if self.axis_name is None:
            return here
        everywhere: Tree = lax.psum(here, self.axis_name)
        return everywhere

    def largest(self, here: Tree) -> Tree:
        """The largest of the numbers here and on the other devices, a constant of derivatives."""
        fixed: Tree = lax.stop_gradient(here)
        if self.axis_name is None:
            return fixed
        everywhere: Tree = lax.pmax(fixed, self.axis_name)
        return everywhere

    def size(self) -> Array:
        """How many elements count, shape `[...]`."""
        return self.summed(jnp.sum(self.counted, axis=-1, dtype=jnp.int32))


class Centred(NamedTuple):
    """Features less their means in units of their own, 0 where elements do not count; the units.

    A unit is the range of its feature, so that no square overflows, or vanishes.
    """

    values: Array
    units: Array


def centred(batch: Batch, x: Array) -> Centred:
    """The features less their means over the elements that count: exactly 0 where all are equal."""
    # In two steps. The first mean is clipped between the extremes: of equal numbers it is then that
    # number, however it was rounded. The mean of what is left removes its rounding error.
    counts = batch.counted[..., None]
    total = batch.summed(jnp.sum(jnp.where(counts, x, 0), axis=-2))
    size = jnp.maximum(batch.size(), 1)[..., None].astype(x.dtype)
    high, below = batch.largest((_highest(x, counts), _highest(-x, counts)))
    # Constant in the derivative: whatever is subtracted here cancels in `rest - mean`.
    about = jnp.clip(lax.stop_gradient(total) / size, -below, high)
    units = jnp.where(high > -below, high + below, 1)
    rest = jnp.where(counts, (x - about[..., None, :]) / units[..., None, :], 0)
    mean = batch.summed(jnp.sum(rest, axis=-2)) / size
    return Centred(jnp.where(counts, rest - mean[..., None, :], 0), units)


def square_sums(x: Array) -> Array:
    """Of each feature, over the elements here, shape `[..., features]`."""
    return jnp.sum(x * x, axis=-2)


def products(x: Array, y: Array) -> Array:
    """Those of each feature of `x` with each of `y`, summed over the elements here."""
    return jnp.einsum("...ei,...ej->...ij", x, y, precision=jax.lax.Precision.HIGHEST)


def _highest(x: Array, counts: Array) -> Array:
    return jnp.max(x, axis=-2, initial=-jnp.inf, where=counts)
