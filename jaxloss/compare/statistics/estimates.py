"""Means over seeds and paired differences, with what is uncertain about them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from jaxloss.compare.statistics.power import seeds_to_resolve

ALPHA = 0.05
Floats = NDArray[np.float64]
Key = TypeVar("Key")

# Metrics have 7 digits: differences of two of them that are nearer than this share are equal.
_RELATIVE_TOLERANCE = 3e-6


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        mean: The mean.
        error: Its standard error.
        interval: 95 % confidence, by Student's t; at the corrected level for comparisons.
    """

    mean: float
    error: float
    interval: tuple[float, float]

    @classmethod
    def of(cls, sample: Floats, overlap: float = 0.0, level: float = ALPHA) -> "Estimate":
        """The estimate from one number for each seed; NaN throughout if one is not finite.

        Seeds that split one data set anew share most of what they train on, so that their mean
        varies more than that of independent numbers does: by s² (1/n + overlap) and not by s²/n.

        Args:
            sample: One number for each seed, [seed], of at least 2 seeds.
            overlap: Examples tested over examples trained on; 0 where seeds share nothing.
            level: How often the interval may miss.

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
    """A paired difference.

    NaN throughout, with p = 1, where one of the two failed. Where the seeds' differences are equal
    and not 0, nothing is known of their deviation: effect, error and interval are NaN and p = 1.

    Attributes:
        difference: Of the metric, seed by seed; with the interval corrected for all comparisons.
        effect: The mean difference over the deviation of the differences (Cohen's d_z).
        p: Of the paired t-test, corrected by Holm for all comparisons of the run.
        better: Whether the mean difference is to the good.
        seeds: How many seeds would show a difference of this size, with 80 % power, in a run of as
            many comparisons; None where 1000 would not, as where all share one data set and the
            difference is small.
        deviation: Of the seeds' differences.
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
        """The comparison of a pair of samples [seed], the first less the second; p not corrected.

        Args:
            pair: The contender's metric and that of what it is compared with.
            overlap: Examples tested over examples trained on; 0 where seeds share nothing.
            level: Of the interval, and of the test that the number of seeds is for.
            higher: Whether more of the metric is better.
        """
        sample = pair[0] - pair[1] if np.isfinite(pair).all() else np.full(len(pair[0]), math.nan)
        difference, deviation = Estimate.of(sample, overlap, level), float(sample.std(ddof=1))
        mean = difference.mean
        if _constant(pair):
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
        """Whether chance is an unlikely explanation."""
        return self.p < ALPHA

    def agrees_with(self, other: "Comparison") -> bool:
        """Whether this is significant, and to the same side as another."""
        return self.significant and self.better == other.better

    def within_margin(self, margin: float, other: "Comparison") -> bool:
        """Whether the interval shows that this is less than a margin to the side of another."""
        low, high = self.difference.interval
        return (high if other.difference.mean > 0 else -low) <= margin

    @property
    def failed(self) -> bool:
        """Whether there is no difference, since one of the two has no finite metric."""
        return math.isnan(self.difference.mean)


def corrected(comparisons: Mapping[Key, Comparison]) -> dict[Key, Comparison]:
    """The comparisons with p-values such that a false claim anywhere is as rare as `LEVEL`.

    References:
        Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal
        of Statistics 6, 65-70.
    """
    found = np.array([comparison.p for comparison in comparisons.values()])
    order = np.argsort(found, kind="stable")
    # The least p is multiplied by how many there are, the next by one less, and so on; none may be
    # less than one before it. (statsmodels' function collects garbage first, which takes a second.)
    raised = np.maximum.accumulate(found[order] * np.arange(len(found), 0, -1))
    adjusted = np.minimum(raised[np.argsort(order)], 1)
    pairs = zip(comparisons.items(), adjusted, strict=True)
    return {key: replace(comparison, p=float(p)) for (key, comparison), p in pairs}


def rounding_tolerance(*samples: Floats) -> float:
    """The least difference of such numbers that is more than rounding."""
    return _RELATIVE_TOLERANCE * float(np.max(np.abs(samples)))


def _constant(pair: tuple[Floats, Floats]) -> bool:
    """Whether the differences are the same for all seeds."""
    return (
        bool(np.ptp(pair[0] - pair[1]) <= rounding_tolerance(*pair))
        if np.isfinite(pair).all()
        else False
    )


def _better(difference: float, *, higher: bool) -> bool:
    return difference > 0 if higher else difference < 0


def _p(difference: Estimate, seeds: int) -> float:
    """Two-sided, by Student's t with the corrected error; 1 where there is no difference."""
    if math.isnan(difference.mean):
        return 1.0
    return float(2 * stdtr(seeds - 1, -abs(difference.mean / difference.error)))
