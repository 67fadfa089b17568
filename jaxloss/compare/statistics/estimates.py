"""Means over seeds and paired differences, with confidence intervals and tests."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from jaxloss.compare.statistics.power import seeds_to_resolve

ALPHA = 0.05  # the rate of false claims among all comparisons of a run
Floats = NDArray[np.float64]
Key = TypeVar("Key")

# Metrics are stored to 7 digits, so that a difference of two of them is uncertain by up to 1e-6 of
# their size, and the spread of such differences by up to 2e-6.
_RELATIVE_TOLERANCE = 3e-6


@dataclass(frozen=True)
class Estimate:
    """The mean of a sample over seeds, with its uncertainty.

    Attributes:
        mean: The mean.
        error: The standard error.
        interval: The confidence interval by Student's t: of 95 % for scores, and at the level
            corrected for multiple comparisons for differences.
    """

    mean: float
    error: float
    interval: tuple[float, float]

    @classmethod
    def of(cls, sample: Floats, overlap: float = 0.0, level: float = ALPHA) -> "Estimate":
        """Estimate the mean from one number per seed; NaN throughout if one is not finite.

        Seeds that split one data set share most of their training examples, so that their mean has
        the variance s² (1/n + overlap) and not the s²/n of independent numbers.

        Args:
            sample: One number per seed, [seed], of at least 2 seeds.
            overlap: Test over training examples; 0 where seeds share no data.
            level: The probability with which the interval misses the mean.

        References:
            Nadeau & Bengio (2003), Inference for the generalization error,
            doi:10.1023/A:1024068626366.
        """
        if not np.isfinite(sample).all():
            return cls(math.nan, math.nan, (math.nan, math.nan))
        mean = float(sample.mean())
        error = float(sample.std(ddof=1) * np.sqrt(1 / sample.size + overlap))
        half = float(stdtrit(sample.size - 1, 1 - level / 2)) * error
        return cls(mean, error, (mean - half, mean + half))


@dataclass(frozen=True)
class Comparison:
    """The paired comparison of two contenders.

    All numbers are NaN, and p = 1, where one of the two failed. Where the seeds' differences are
    equal and not 0, their deviation is unknown: effect, error and interval are NaN and p = 1.

    Attributes:
        difference: The mean difference of the metric over seeds, with an interval corrected for all
            comparisons.
        effect: Cohen's d_z: the mean difference over the deviation of the differences (Lakens 2013,
            doi:10.3389/fpsyg.2013.00863).
        p: The p-value of the paired t-test, corrected by Holm for all comparisons of the run.
        better: Whether the mean difference is an improvement.
        seeds: The number of seeds that would show a difference of this size, with 80 % power, in a
            run of as many comparisons; None where 1000 would not, as where all share one data set
            and the difference is small.
        deviation: The standard deviation of the seeds' differences.
    """

    difference: Estimate
    effect: float
    p: float
    better: bool
    seeds: int | None
    deviation: float

    @classmethod
    def of(
        cls, pair: tuple[Floats, Floats], *, overlap: float, level: float, higher: bool
    ) -> "Comparison":
        """Compare a pair of samples [seed], the first less the second; p is not corrected.

        Args:
            pair: The metric of the contender and of its opponent.
            overlap: Test over training examples; 0 where seeds share no data.
            level: The level of the interval, and of the test that `seeds` is computed for.
            higher: Whether a higher metric is better.
        """
        sample = pair[0] - pair[1] if np.isfinite(pair).all() else np.full(len(pair[0]), math.nan)
        difference, deviation = Estimate.of(sample, overlap, level), float(sample.std(ddof=1))
        mean = difference.mean
        if _constant(pair):  # dividing by a deviation of rounding errors would claim p = 0
            steady = Estimate(mean, math.nan, (math.nan, math.nan)) if sample.any() else difference
            effect = math.nan if sample.any() else 0.0
            return cls(steady, effect, 1.0, _better(mean, higher=higher), None, deviation)
        return cls(
            difference=difference,
            effect=mean / deviation,
            p=_p(difference, sample.size),
            better=_better(mean, higher=higher),
            seeds=seeds_to_resolve(mean, deviation, overlap, level),
            deviation=deviation,
        )

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below 0.05."""
        return self.p < ALPHA

    def agrees_with(self, other: "Comparison") -> bool:
        """Whether this difference is significant and has the sign of another."""
        return self.significant and self.better == other.better

    def within_margin(self, margin: float, other: "Comparison") -> bool:
        """Whether the interval ends below a margin on the side of another difference.

        This is one half of an equivalence test: a difference that is not significant may be large,
        one whose interval ends below the margin is not.
        """
        low, high = self.difference.interval
        return (high if other.difference.mean > 0 else -low) <= margin

    @property
    def failed(self) -> bool:
        """Whether one of the two contenders has no finite metric."""
        return math.isnan(self.difference.mean)


def corrected(comparisons: Mapping[Key, Comparison]) -> dict[Key, Comparison]:
    """Correct the p-values by Holm's method: the rate of any false claim is at most `ALPHA`.

    The method needs no assumption on the dependence of the tests, which share the reference here.

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal
        of Statistics 6, 65-70.
    """
    p = np.array([comparison.p for comparison in comparisons.values()])
    order = np.argsort(p, kind="stable")
    # The least p is multiplied by how many there are, the next by one less, and so on; none may be
    # less than one before it. (statsmodels' function collects garbage first, which takes a second.)
    raised = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.minimum(raised[np.argsort(order)], 1)
    pairs = zip(comparisons.items(), adjusted, strict=True)
    return {key: replace(comparison, p=float(x)) for (key, comparison), x in pairs}


def rounding_tolerance(*samples: Floats) -> float:
    """The least spread of differences of these numbers that exceeds their rounding."""
    return _RELATIVE_TOLERANCE * float(np.max(np.abs(samples)))


def _constant(pair: tuple[Floats, Floats]) -> bool:
    """Whether the differences are equal for all seeds, up to rounding."""
    return (
        bool(np.ptp(pair[0] - pair[1]) <= rounding_tolerance(*pair))
        if np.isfinite(pair).all()
        else False
    )


def _better(difference: float, *, higher: bool) -> bool:
    return difference > 0 if higher else difference < 0


def _p(difference: Estimate, seeds: int) -> float:
    """The two-sided p-value of Student's t with the corrected error; 1 where one has failed."""
    if math.isnan(difference.mean):
        return 1.0
    return float(2 * stdtr(seeds - 1, -abs(difference.mean / difference.error)))
