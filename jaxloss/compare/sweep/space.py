"""The space that is searched for a contender: its hyper-parameters and its learning rate."""

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

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

    def beyond(self, value: float) -> Iterator[tuple[float, int]]:
        """Yield the value a step further out than one at or beyond an end, and its steps from it.

        Nothing where the value is inside, or what is further out is not in the domain.
        """
        values = sorted(set(self.values))
        for end, inner in [(values[0], values[1]), (values[-1], values[-2])] if values[1:] else []:
            step = self._position(end) - self._position(inner)
            steps = round((self._position(value) - self._position(end)) / step) + 1
            outer = four_digits(self._at(self._position(value) + step))
            if steps > 0 and self.contains(outer):
                yield outer, steps

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
    """

    axes: tuple[Axis, ...]

    @cached_property
    def start(self) -> list[Point]:
        """The points that are tried at first."""
        points = itertools.product(*(axis.values for axis in self.axes))
        return sorted(points, key=lambda point: point[-1])  # ties go to the least rate

    def fixed(self) -> "list[Space]":
        """The space at every combination of hyper-parameters, with the rates alone left to tune."""
        *others, rates = self.axes
        return [
            Space((*(replace(a, values=(x,)) for a, x in zip(others, values, strict=True)), rates))
            for values in itertools.product(*(axis.values for axis in others))
        ]

    def outward(self, best: Point) -> Iterator[Point]:
        """Yield the points a step further out, where the best lies at or beyond an end."""
        for index, axis in enumerate(self.axes):
            for value, steps in axis.beyond(best[index]):
                if axis.grows and steps <= _MOST_STEPS:
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
            and any(_moved(best, index, x) not in tried for x, _ in axis.beyond(best[index]))
        ]
        return tuple(sorted(at_end, key=lambda name: name != RATE))


def _moved(point: Point, index: int, value: float) -> Point:
    return *point[:index], value, *point[index + 1 :]


def is_logarithmic(low: float, high: float) -> bool:
    """Whether numbers between these ends are spaced in equal ratios."""
    return low > 0 and high >= _LOGARITHMIC_FROM * low


def four_digits(x: float) -> float:
    """Round to four digits, so that reports do not show 0.31622776601683794."""
    return float(f"{x:.4g}")
