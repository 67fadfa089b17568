"""Power analysis: the number of seeds that a test needs to show a difference."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import nctdtrinc, stdtrit
from statsmodels.stats.power import ttest_power

POWER = 0.8  # as is usual: a true difference is missed once in five runs
MIN_SEEDS, MAX_SEEDS = 2, 1000


def power(seeds: int, difference: float, deviation: float, overlap: float, alpha: float) -> float:
    """The power of the paired two-sided t-test, to show a difference with the right sign.

    The t-value of n seeds has the noncentrality difference / sqrt(s² (1/n + overlap)).

    Args:
        seeds: The number of seeds, n.
        difference: The true mean difference.
        deviation: The standard deviation of the seeds' differences, s.
        overlap: Test over training examples; 0 where seeds share no data.
        alpha: The level of the test.
    """
    # statsmodels takes sqrt(n) times the effect for the noncentrality, so the overlap goes into the
    # effect.
    effect = abs(difference) / (deviation * math.sqrt(1 + seeds * overlap))
    return float(ttest_power(effect, seeds, alpha / 2, alternative="larger"))


def seeds_to_resolve(
    difference: float, deviation: float, overlap: float, alpha: float
) -> int | None:
    """The least number of seeds, 2 to 1000, whose test has a power of 80 %.

    Args:
        difference: The mean difference; its sign does not matter.
        deviation: The standard deviation of the seeds' differences.
        overlap: Test over training examples; 0 where seeds share no data.
        alpha: The level of the two-sided test, corrected for the number of comparisons.

    Returns:
        None where 1000 seeds are too few (any number is, where seeds share one data set and the
        difference is small), and where the difference or the deviation is 0 or unknown.
    """
    if not (math.isfinite(difference) and difference and deviation > 0):
        return None
    seeds = MIN_SEEDS + bisect_left(  # power grows with the number of seeds
        range(MIN_SEEDS, MAX_SEEDS + 1),
        POWER,
        key=lambda n: power(n, difference, deviation, overlap, alpha),
    )
    return seeds if seeds <= MAX_SEEDS else None


@dataclass(frozen=True)
class Resolution:
    """The resolution of a run: which differences its tests can show.

    Attributes:
        deviation: The median over comparisons of the deviation of the seeds' differences, in the
            metric's own units; NaN where nothing could be compared.
        overlap: Test over training examples.
        alpha: The level of one test of the run.
        factor: The factor between the metric and its displayed value.
    """

    deviation: float
    overlap: float
    alpha: float
    factor: float = 1.0

    def seeds(self, difference: float) -> int | None:
        """The number of seeds that show a difference in displayed units; None above 1000."""
        return seeds_to_resolve(difference / self.factor, self.deviation, self.overlap, self.alpha)

    def least(self, seeds: int) -> float:
        """The least difference, in displayed units, that so many seeds show with 80 % power.

        NaN where nothing could be compared.
        """
        critical = stdtrit(seeds - 1, 1 - self.alpha / 2)
        noncentrality = float(nctdtrinc(seeds - 1, 1 - POWER, critical))
        error = self.deviation * math.sqrt(1 / seeds + self.overlap)
        return noncentrality * error * self.factor

    def table(self) -> dict[float, int | None]:
        """The numbers of seeds for round differences near the median deviation, in displayed units.

        Empty where differences do not vary.
        """
        return {d: self.seeds(d) for d in _around(self.deviation * self.factor)}


def _around(size: float) -> Sequence[float]:
    """Four steps of ..., 0.5, 1, 2, 5, 10, ... around a number, which is not below the second.

    For 1.3 they are 0.5, 1, 2 and 5.
    """
    if not size > 0:
        return ()
    exponent = math.floor(math.log10(size))
    steps = [float(f"{m}e{exponent + e}") for e in (-1, 0, 1) for m in (1, 2, 5)]
    second = sum(step <= size for step in steps) - 1
    return steps[second - 1 : second + 3]
