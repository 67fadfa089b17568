"""How many seeds a difference asks for before it can be told from chance."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import nctdtrinc, stdtrit
from statsmodels.stats.power import ttest_power

POWER = 0.8
MIN_SEEDS, MAX_SEEDS = 2, 1000


def power(seeds: int, difference: float, deviation: float, overlap: float, alpha: float) -> float:
    """How often the paired two-sided test shows a difference, with its sign.

    The t-value of n seeds is noncentral by difference / sqrt(s² (1/n + overlap)).

    Args:
        seeds: How many, n.
        difference: The mean that is to be shown.
        deviation: That of the seeds' differences, s.
        overlap: Examples tested over examples trained on; 0 where seeds share nothing.
        alpha: The level of the test.
    """
    effect = abs(difference) / (deviation * math.sqrt(1 + seeds * overlap))
    return float(ttest_power(effect, seeds, alpha / 2, alternative="larger"))


def seeds_to_resolve(
    difference: float, deviation: float, overlap: float, alpha: float
) -> int | None:
    """The least number of seeds, 2 to 1000, that show a difference four times out of five.

    Args:
        difference: The mean difference; its sign does not matter.
        deviation: That of the seeds' differences.
        overlap: Examples tested over examples trained on; 0 where seeds share nothing.
        alpha: The level of the two-sided test, corrected for the number of comparisons.

    Returns:
        None where 1000 seeds are too few, as any number is where seeds share one data set and the
        difference is small; and where the difference or the deviation is 0 or not known.
    """
    if not (math.isfinite(difference) and difference and deviation > 0):
        return None
    found = MIN_SEEDS + bisect_left(
        range(MIN_SEEDS, MAX_SEEDS + 1),
        POWER,
        key=lambda n: power(n, difference, deviation, overlap, alpha),
    )
    return found if found <= MAX_SEEDS else None


@dataclass(frozen=True)
class Resolution:
    """What differences a run of so many comparisons can show.

    Attributes:
        deviation: The median over comparisons of the deviation of the seeds' differences, in the
            metric's own units; NaN where nothing could be compared.
        overlap: Examples tested over examples trained on.
        alpha: The level of one test of the run.
        factor: What the metric is multiplied by to be shown.
    """

    deviation: float
    overlap: float
    alpha: float
    factor: float = 1.0

    def seeds(self, difference: float) -> int | None:
        """How many seeds show such a difference, in displayed units; None where 1000 do not."""
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
        """The seeds for round differences about the median deviation, in displayed units.

        Empty where differences do not deviate at all.
        """
        return {d: self.seeds(d) for d in _around(self.deviation * self.factor)}


def _around(size: float) -> Sequence[float]:
    """Four steps of ..., 0.5, 1, 2, 5, 10, ... of which the second is at or below a number.

    So 1.3 has 0.5, 1, 2 and 5.
    """
    if not size > 0:
        return ()
    exponent = math.floor(math.log10(size))
    steps = [float(f"{m}e{exponent + e}") for e in (-1, 0, 1) for m in (1, 2, 5)]
    second = sum(step <= size for step in steps) - 1
    return steps[second - 1 : second + 3]
