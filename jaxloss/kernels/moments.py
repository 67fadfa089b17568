"""Moments of the features of a set, whose elements may be spread over devices.

All that devices tell each other are sums over their elements, and the extremes of each feature.
"""

from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxloss.numerics.elementary import clip

Tree = TypeVar("Tree")


class Batch(NamedTuple):
    """Which of the elements here count, and the axis of a mesh along which there are others."""

    counted: Array
    axis_name: str | None = None

    def summed(self, here: Tree) -> Tree:
        """What the elements here add up to, with those of the other devices."""
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
    """The features less their means over the elements that count: exactly 0 where all are equal.

    Between the extremes, a rounded mean of equal numbers is that number. What rounding has left
    of other means is taken away by the mean of the rest.
    """
    seen = batch.counted[..., None]
    total = batch.summed(jnp.sum(jnp.where(seen, x, 0), axis=-2))
    size = jnp.maximum(batch.size(), 1)[..., None].astype(x.dtype)
    high, below = batch.largest((_highest(x, seen), _highest(-x, seen)))
    about = clip(lax.stop_gradient(total) / size, -below, high)
    units = jnp.where(high > -below, high + below, 1)
    rest = jnp.where(seen, (x - about[..., None, :]) / units[..., None, :], 0)
    mean = batch.summed(jnp.sum(rest, axis=-2)) / size
    return Centred(jnp.where(seen, rest - mean[..., None, :], 0), units)


def square_sums(x: Array) -> Array:
    """Of each feature, over the elements here, shape `[..., features]`."""
    return jnp.sum(x * x, axis=-2)


def products(x: Array, y: Array) -> Array:
    """Those of each feature of `x` with each of `y`, summed over the elements here."""
    return jnp.einsum("...ei,...ej->...ij", x, y, precision=jax.lax.Precision.HIGHEST)


def _highest(x: Array, seen: Array) -> Array:
    return jnp.max(x, axis=-2, initial=-jnp.inf, where=seen)
