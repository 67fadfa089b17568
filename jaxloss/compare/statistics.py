"""Which rate is used, how far a loss is from the reference, and whether chance explains it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import ttest_1samp

from jaxloss.compare.contenders import REFERENCE
from jaxloss.compare.sweep import Curves

LEVEL = 0.05
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: The mean.
        error: Its standard error.
        interval: 95 % confidence, by Student's t.
    """

    mean: float
    error: float
    interval: tuple[float, float]

    @classmethod
    def of(cls, sample: FloatArray) -> "Estimate":
        """The estimate from one number for each seed."""
        mean, error = float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(sample.size))
        half = float(stdtrit(sample.size - 1, 1 - LEVEL / 2)) * error
        return cls(mean, error, (mean - half, mean + half))


@dataclass(frozen=True)
class Standing:
    """How a loss did at one noise level.

    Attributes:
        loss: Its name.
        rate_index: Which learning rate did best on validation data.
        rate: That learning rate.
        at_edge: Whether it is the least or the greatest of several, so that more may be better.
        accuracy: Of the test part, at that rate.
        difference: The paired difference of accuracy to the reference; None for the reference.
        p: Of the paired t-test, corrected by Holm for all comparisons of the run; None likewise.
    """

    loss: str
    rate_index: int
    rate: float
    at_edge: bool
    accuracy: Estimate
    difference: Estimate | None
    p: float | None

    @property
    def significant(self) -> bool:
        """Whether the corrected test tells the loss from the reference."""
        return self.p is not None and self.p < LEVEL

    @property
    def verdict(self) -> str:
        """The comparison in words."""
        if self.difference is None:
            return "reference"
        if not self.significant:
            return "not significant"
        return "better" if self.difference.mean > 0 else "worse"


def choose(validation: FloatArray) -> int:
    """The index of the rate that is best on average over seeds, of accuracies [seed, rate].

    One choice for all seeds: from a single seed's few hundred images it would be mostly luck, and
    the seeds' differences would mix the loss with that luck. Among equals, the least rate.
    """
    return int(np.argmax(validation.mean(axis=0).round(9)))


def paired_p(difference: FloatArray) -> float:
    """The two-sided p-value of the paired t-test, from the differences of the pairs.

    Where they do not vary at all the test is undefined, and nothing is claimed: 1.
    """
    rounded = difference.round(9)
    if np.ptp(rounded) == 0:
        return 1.0
    return float(ttest_1samp(rounded, 0.0).pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number: a false claim anywhere is as rare as `LEVEL`.

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal
        of Statistics 6, 65-70.
    """
    values = np.asarray(p, float)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(values.size, 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(value) for value in corrected]


def standings(
    curves: Mapping[str, Curves], noise: Sequence[float], rates: Sequence[float]
) -> list[list[Standing]]:
    """For each noise level all losses, the most accurate first."""
    levels = [_level(curves, level, rates) for level in range(len(noise))]
    compared = [standing for level in levels for standing in level if standing.p is not None]
    corrected = iter(holm([standing.p for standing in compared if standing.p is not None]))
    final = [
        [s if s.p is None else replace(s, p=next(corrected)) for s in level] for level in levels
    ]
    return [sorted(level, key=lambda s: -round(s.accuracy.mean, 9)) for level in final]


def _level(curves: Mapping[str, Curves], level: int, rates: Sequence[float]) -> list[Standing]:
    """The standings at one noise level, their p-values not yet corrected."""
    chosen = {name: choose(c.validation[:, level, :, -1]) for name, c in curves.items()}
    tested = {name: c.test[:, level, chosen[name], -1] for name, c in curves.items()}
    found = []
    for name, accuracy in tested.items():
        index, difference = chosen[name], accuracy - tested[REFERENCE]
        is_reference = name == REFERENCE
        found.append(
            Standing(
                loss=name,
                rate_index=index,
                rate=rates[index],
                at_edge=len(rates) > 1 and index in {0, len(rates) - 1},
                accuracy=Estimate.of(accuracy),
                difference=None if is_reference else Estimate.of(difference),
                p=None if is_reference else paired_p(difference),
            )
        )
    return found
