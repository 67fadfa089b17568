"""What a domain is: an interval, and for arrays also a layout."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.core.domains.plotting import ORDINARY_LINE, Plot
from jaxloss.numerics import tiny
from jaxloss.numerics.broadcasting import expand_trailing

Values = TypeVar("Values", Array, np.ndarray)

_INT32 = 4  # bytes


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
            above = value > self.low if self.low else is_positive(value)
            return above & (value < self.high)
        return (value >= self.low) & (value <= self.high)


def is_positive(value: Values) -> Values:
    """Where numbers exceed 0; those of less than full precision are 0 to compiled programs.

    Not always to a comparison in them: with another one of the same number, LLVM makes a test of
    bits of it. So the comparison is with the least number that has full precision.
    """
    is_float = jnp.issubdtype(value.dtype, jnp.floating)
    return value >= tiny(value) if is_float else value > 0


class Scale(enum.Enum):
    """Where numbers stand on the way from the scores of a model to probabilities."""

    SCORE = "score"  # which orders classes or items, with no probability behind it
    LOGIT = "logit"
    LOG_PROBABILITY = "log-probability"
    PROBABILITY = "probability"


@dataclass(frozen=True)
class ArrayDomain(Domain):
    """What an array holds: its dtypes, its event axes by name, and a harmless value behind a mask.

    Attributes:
        accepts: The kinds of dtypes.
        axes: The last axes, which make up one event: names, which have equal lengths in all arrays
            of a loss, or a number where a loss was made for so many entries.
        benign: What stands behind a mask without harm.
        common: Whether all examples have it in common, as a weight: it has no batch axes.
        shared: Whether it may be a scalar, or have axes of length 1, for many examples.
        prefix: Whether it may lack axes at the end.
        at_least: Its axis that may be longer than the axis of the other name. It begins with the
            partners of those; what follows belongs to none, and counts unless a mask goes as far.
        least: How many entries its last axes have or more, where nothing has no mean.
        indexes: The name of the axis whose places its numbers are, from 0 on.
        counts: The name of the axis of which it says how many entries count.
        padded: The name of its axis that may hold anything beyond so many entries.
        unchecked: Whether NaN in it makes the loss NaN, value and gradient, so that a check, which
            is a pass over it, is left out.
        convert: A conversion that is applied in the computing dtype.
        ordinary: Where ordinary numbers lie: the inputs of tests, benchmarks and drawings.
        edges: Numbers at its ends, and where formulas may change.
        whole: Members, if all are whole and no axis or bound says which.
        normalised: A function from rows of real numbers to members, where not all such rows are.
        scale: Whether its numbers are scores, logits, probabilities or their logarithms.
        plot: The line along which a loss of it is drawn, and where it stands still.
        realistic: Draws arrays as users have them, where they are not like ordinary numbers.
        typical: The shape of a typical batch, for benchmarks; they choose one by default.
        few: The shape of a batch of about 256 numbers, likewise.
        likely_fix: What helps where the dtype is another.
    """

    accepts: tuple[str, ...] = ("floating", "integer")
    axes: tuple[str | int, ...] = ()
    benign: float = 0.0
    common: bool = False
    shared: bool = False
    prefix: bool = False
    at_least: tuple[str, str] | None = None
    least: tuple[int, ...] = ()
    indexes: str | None = None
    counts: str | None = None
    padded: str | None = None
    unchecked: bool = False
    convert: Callable[[Array], Array] = jnp.asarray
    ordinary: tuple[float, float] = (-3.0, 3.0)
    edges: tuple[float, ...] = (0.0, 1.0, -1.0, 1e-6, 1e4, -1e4)
    whole: tuple[int, ...] = ()
    normalised: Callable[[np.ndarray], np.ndarray] = np.asarray
    scale: Scale | None = None
    plot: Plot = ORDINARY_LINE
    realistic: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray] | None = None
    typical: tuple[int, ...] = ()
    few: tuple[int, ...] = ()
    likely_fix: str = "cast it to a floating type"

    def accepts_dtype(self, dtype: jnp.dtype) -> bool:
        """Whether arrays of this dtype are accepted."""
        return any(jnp.issubdtype(dtype, getattr(jnp, kind)) for kind in self.accepts)

    def members(
        self, value: Array, sizes: Mapping[str, int | Array], counts: Mapping[str, Array]
    ) -> Array:
        """Which entries lie here, by the lengths of all axes and what counts along them."""
        inside = self.contains(value)
        if self.indexes is not None:
            inside &= value < sizes[self.indexes]
        if self.counts is not None:
            inside &= value <= sizes[self.counts]
        if self.padded is None:
            return inside
        count = counts[self.padded]
        place = jax.lax.broadcasted_iota(count.dtype, value.shape, count.ndim)
        return inside | (place >= expand_trailing(count, value.ndim))

    def choices(self, sizes: Mapping[str, int]) -> Sequence[int]:
        """All members or some, if they are whole, by the lengths of the named axes; else none."""
        if self.indexes is not None:
            return range(int(self.low), sizes[self.indexes])
        if self.accepts == ("integer",) and self.high < inf:
            return range(int(self.low), int(self.high) + 1)
        if self.counts is not None and not self.whole:
            return sizes[self.counts] - 1, sizes[self.counts]
        return self.whole

    def draw(
        self, rng: np.random.Generator, shape: tuple[int, ...], sizes: Mapping[str, int]
    ) -> np.ndarray:
        """Ordinary members, by the lengths of the named axes; a count is not 0."""
        if choices := self.choices(sizes):
            some = [x for x in choices if x] if self.counts else choices
            return rng.choice(np.asarray(some, np.int32), shape)
        return np.asarray(self.normalised(rng.uniform(*self.ordinary, shape)), np.float32)

    def cast(self, array: Array, dtype: jnp.dtype) -> Array:
        """The array in this type, or as integers where nothing else is accepted."""
        if self.accepts == ("integer",):
            return array.astype(jnp.int64 if array.dtype.itemsize > _INT32 else jnp.int32)
        return self.convert(array.astype(dtype))


class NonZeroDomain(ArrayDomain):
    """What may be divided by."""

    @property
    def bounded(self) -> bool:
        """Whether some number lies outside: 0 does."""
        return True

    def contains(self, value: Values) -> Values:
        """Elementwise membership; NaN is nowhere a member."""
        return is_positive(abs(value))


class BinaryDomain(ArrayDomain):
    """0 and 1, and nothing between."""

    def contains(self, value: Values) -> Values:
        """Elementwise membership; NaN is nowhere a member."""
        between = (value > self.low) & (value < self.high)
        return super().contains(value) & ~between


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
class HyperDomain(Domain):
    """What a hyper-parameter may be: a number, or `per_class` one for each class (last axis).

    Tests draw their inputs from those that are `ordinary`.
    """

    per_class: bool = False
    ordinary: tuple[float, ...] = ()
