"""What a domain is: an interval, and for arrays also a layout."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.numerics import tiny
from jaxloss.numerics.broadcasting import lead

Values = TypeVar("Values", Array, np.ndarray)

_INT32 = 4  # bytes
_HALVES = (jnp.bfloat16, jnp.float16)


@dataclass(frozen=True)
class Domain:
    """An interval of numbers, open or closed at each end."""

    name: str
    says: str
    low: float = -inf
    high: float = inf
    open: bool = False

    @property
    def bounded(self) -> bool:
        """Whether some number lies outside."""
        return self.open or self.low > -inf or self.high < inf

    def contains(self, value: Values) -> Values:
        """Elementwise membership; NaN is nowhere a member."""
        if self.open:
            return (value > self.low) & (value < self.high)
        return (value >= self.low) & (value <= self.high)


@dataclass(frozen=True)
class ArrayDomain(Domain):
    """What an array holds: its dtypes, its event axes, and a harmless value for behind a mask.

    Where a loss couples the elements of a set, an event is a set, and the last `features` of its
    axes describe one element. Where a loss was made for so many entries, they are its `width`.
    What all examples have in common, such as a weight, has no batch axes and nothing `benign`.
    A set that may be `longer` than the first array's begins with the partners of its elements; what
    follows belongs to none of them, and counts unless a mask goes as far.
    Of its last axes each has `least` entries or more, where a mean over nothing would be asked for.
    What is `kept` reaches the function in its own 16 bits, to be widened where it is read; its
    slopes all pass through the value, and so does NaN. Labels that are `indexes` lie below the
    number of classes, the length of the first array's last axis. What is `padded` may hold anything
    beyond its first entries, of which there are as many as the array says whose domain has that
    name.
    """

    accepts: tuple[str, ...] = ("floating", "integer")
    event: int = 0
    features: int = 0
    benign: float | None = 0.0
    shared: bool = False
    indexes: bool = False
    padded: str | None = None
    kept: bool = False
    width: int | None = None
    longer: bool = False
    least: tuple[int, ...] = ()
    convert: Callable[[Array], Array] = jnp.asarray
    likely_fix: str = "cast it to a floating type"

    def admits(self, dtype: jnp.dtype) -> bool:
        """Whether arrays of this dtype are accepted."""
        return any(jnp.issubdtype(dtype, getattr(jnp, kind)) for kind in self.accepts)

    def members(self, value: Array, given: Mapping[str, Array]) -> Array:
        """Which entries lie here, beside all arrays that are given, by the name of their domain."""
        inside = self.contains(value)
        if self.indexes:
            inside &= value < next(iter(given.values())).shape[-1]
        if self.padded is None:
            return inside
        count = given[self.padded]
        place = jax.lax.broadcasted_iota(count.dtype, value.shape, count.ndim)
        return inside | (place >= lead(count, value.ndim))

    def room(self, value: Array) -> Array:
        """How far it is to the nearest bound, and to what lies outside a negative number."""
        sides = [value - self.low] * (self.low > -inf) + [self.high - value] * (self.high < inf)
        nearest = functools.reduce(jnp.minimum, sides)
        last = float(np.finfo(value.dtype).max)
        return jnp.minimum(nearest - tiny(value), last - value) if self.open else nearest

    def cast(self, array: Array, dtype: jnp.dtype) -> Array:
        """The array in this type, or as integers where nothing else is accepted."""
        if self.accepts == ("integer",):
            return array.astype(jnp.int64 if array.dtype.itemsize > _INT32 else jnp.int32)
        if self.kept and array.dtype in _HALVES and dtype == jnp.float32:
            return array
        return self.convert(array.astype(dtype))


class NonZeroDomain(ArrayDomain):
    """What may be divided by."""

    @property
    def bounded(self) -> bool:
        """Whether some number lies outside: 0 does."""
        return True

    def contains(self, value: Values) -> Values:
        """Elementwise membership; NaN is nowhere a member."""
        return (value < 0) | (value > 0)

    def room(self, value: Array) -> Array:
        """How far it is to 0, for which alone this is negative."""
        return jnp.abs(value) - tiny(value)


class BinaryDomain(ArrayDomain):
    """0 and 1, and nothing between."""

    def contains(self, value: Values) -> Values:
        """Elementwise membership; NaN is nowhere a member."""
        between = (value > self.low) & (value < self.high)
        return super().contains(value) & ~between

    def room(self, value: Array) -> Array:
        """0 for members, and a negative number for all else."""
        return -jnp.abs(value * (1 - value))


@dataclass(frozen=True)
class WholeDomain(ArrayDomain):
    """Integers in an interval; as floats, large ones would be rounded to others."""

    accepts: tuple[str, ...] = ("integer",)
    likely_fix: str = "cast it to int32"

    def contains(self, value: Values) -> Values:
        """Elementwise membership."""
        limits = np.iinfo(value.dtype)
        low, high = max(self.low, limits.min), min(self.high, limits.max)
        return (value >= int(low)) & (value <= int(high))


@dataclass(frozen=True)
class CountDomain(WholeDomain):
    """How many entries count along the first event axis of the array with this domain's name."""

    counted: str = ""

    def members(self, value: Array, given: Mapping[str, Array]) -> Array:
        """Which entries lie here, beside all arrays that are given."""
        return self.contains(value) & (value <= given[self.counted].shape[value.ndim])


@dataclass(frozen=True)
class HyperDomain(Domain):
    """What a hyper-parameter may be: a number, or `per_class` one for each class (last axis)."""

    per_class: bool = False
