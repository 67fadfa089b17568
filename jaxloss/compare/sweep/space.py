"""The space that is searched for a contender: its hyper-parameters and its learning rate."""

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from scipy.stats import qmc

RATE = "learning rate"
# A range is searched in equal ratios if it lies above 0 and spans at least one power of ten.
_LOGARITHMIC_FROM = 10.0
_VALUES = 5  # of a range, at first
_MOST_STEPS = 4  # beyond an end of a range, lest the search of a loss that trains at none runs away

# A value for each axis of a space; the last is the learning rate.
Point = tuple[float, ...]


@dataclass(frozen=True)
class Axis:
    """A number that is tuned.

    Attributes:
        name: Its name.
        values: The values that are tried at first.
        grows: Whether values beyond the ends are tried where the best lies at one.
        contains: Whether a value is in the domain.
    """

    name: str
    values: tuple[float, ...]
    grows: bool = False
    contains: Callable[[float], bool] = math.isfinite

    @classmethod
    def between(
        cls, name: str, low: float, high: float, contains: Callable[[float], bool] = math.isfinite
    ) -> Self:
        """The axis of a range: five values from one end to the other."""
        low, high = min(low, high), max(low, high)
        spaced = np.geomspace if is_logarithmic(low, high) else np.linspace
        values = (four_digits(x) for x in spaced(low, high, _VALUES))
        return cls(name, tuple(dict.fromkeys(values)), grows=low < high, contains=contains)

    @classmethod
    def of_rates(cls, rates: Iterable[float]) -> Self:
        """The axis of learning rates; a single one is not tuned."""
        values = tuple(sorted(rates))
        return cls(RATE, values, grows=len(values) > 1, contains=lambda rate: rate > 0)

    @property
    def logarithmic(self) -> bool:
        """Whether steps are ratios and not differences."""
        return self.name == RATE or is_logarithmic(min(self.values), max(self.values))

    def at_share(self, share: float) -> float:
        """The value at a share, from 0 to 1, of the way between the ends; of a list, one of it."""
        if not self.grows:
            return self.values[int(share * len(self.values))]
        low, high = (self._position(end) for end in (min(self.values), max(self.values)))
        return four_digits(self._at(low + share * (high - low)))

    def share(self, value: float) -> float:
        """The share of the way between the ends at which a value lies: `at_share` reversed."""
        low, high = (self._position(end) for end in (min(self.values), max(self.values)))
        return (self._position(value) - low) / (high - low) if high > low else 0.0

    def outer(self, value: float, share: float = 1.0) -> Iterator[tuple[float, float]]:
        """Yield the values of the domain that are a step from this one, to either side.

        With each comes by how many steps it lies beyond the end of what is tried at first, which is
        0 or less inside.

        Args:
            value: The value.
            share: The size of the step, in distances of the values that are tried at first.
        """
        values = sorted(set(self.values))
        for end, inner in [(values[0], values[1]), (values[-1], values[-2])] if values[1:] else []:
            step = self._position(end) - self._position(inner)
            outer = four_digits(self._at(self._position(value) + share * step))
            if self.contains(outer):
                yield outer, (self._position(outer) - self._position(end)) / step

    def _position(self, value: float) -> float:
        """The position of a value on the scale of the axis."""
        return math.log(value) if self.logarithmic else value

    def _at(self, position: float) -> float:
        """The value at a position."""
        return math.exp(position) if self.logarithmic else position


@dataclass(frozen=True)
class Space:
    """The product of axes, of which the last is that of the learning rate.

    Attributes:
        axes: The axes.
        fine: Whether the neighbourhood of the best is searched, and not only beyond the ends.
    """

    axes: tuple[Axis, ...]
    fine: bool = False

    @cached_property
    def start(self) -> list[Point]:
        """The points that are tried at first."""
        points = itertools.product(*(axis.values for axis in self.axes))
        return sorted(points, key=lambda point: point[-1])  # ties go to the least rate

    @property
    def tuned(self) -> int:
        """The number of axes of several values, at least 1."""
        return max(sum(len(axis.values) > 1 for axis in self.axes), 1)

    def sample(self, size: int) -> list[Point]:
        """Points all over the space, of the sequence of Halton; of a list its values.

        Where few of the axes matter, samples try more values of those than a grid does.

        References:
            Bergstra & Bengio (2012), Random search for hyper-parameter optimization, JMLR 13.
        """
        # The first point of the sequence is the corner of all lower ends.
        points = qmc.Halton(len(self.axes), scramble=False).random(size + 1)[1:]
        pairs = (zip(self.axes, shares, strict=True) for shares in points)
        return list(dict.fromkeys(tuple(axis.at_share(u) for axis, u in each) for each in pairs))

    def fixed(self) -> "list[Space]":
        """The space at every combination of hyper-parameters, with the rates alone left to tune."""
        *others, rates = self.axes
        return [
            Space((*(replace(a, values=(x,)) for a, x in zip(others, values, strict=True)), rates))
            for values in itertools.product(*(axis.values for axis in others))
        ]

    def coordinates(self, point: Point) -> tuple[float, ...]:
        """The coordinates of a point, from 0 to 1 between the ends of what is tried at first."""
        return tuple(axis.share(value) for axis, value in zip(self.axes, point, strict=True))

    def outward(self, best: Point) -> Iterator[Point]:
        """Yield the points a step further out, where the best lies at or beyond an end.

        If `fine`, those half a step to either side, wherever it lies.
        """
        for index, axis in enumerate(self.axes):
            for value, beyond in axis.outer(best[index], self._share):
                if axis.grows and (self.fine or beyond > self._far) and beyond < _MOST_STEPS + 0.5:
                    yield _moved(best, index, value)

    def edges(self, best: Point, tried: Collection[Point]) -> tuple[str, ...]:
        """The names of the axes along which the best lies at an end, that of the rate first.

        Beyond it there are values of the domain that were not tried. Of two values of a list each
        is at an end, whichever is better.
        """
        at_end = [
            axis.name
            for index, axis in enumerate(self.axes)
            if (axis.grows or len(axis.values) > 2)
            and any(
                beyond > self._far and _moved(best, index, value) not in tried
                for value, beyond in axis.outer(best[index], self._share)
            )
        ]
        return tuple(sorted(at_end, key=lambda name: name != RATE))

    @property
    def _share(self) -> float:
        return 0.5 if self.fine else 1.0

    @property
    def _far(self) -> float:
        """By how many steps what is further out lies beyond an end, at least."""
        return self._share / 2


def _moved(point: Point, index: int, value: float) -> Point:
    return *point[:index], value, *point[index + 1 :]


def is_logarithmic(low: float, high: float) -> bool:
    """Whether numbers between these ends are spaced in equal ratios."""
    return low > 0 and high >= _LOGARITHMIC_FROM * low


def four_digits(x: float) -> float:
    """Round to four digits, so that reports do not show 0.31622776601683794."""
    return float(f"{x:.4g}")
