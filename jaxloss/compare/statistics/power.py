"""Power analysis: the differences that a number of seeds can show."""

import math
from bisect import bisect_left
from dataclasses import dataclass

from scipy.special import nctdtrinc, stdtrit

POWER = 0.8  # as is usual: a true difference is missed once in five runs
MIN_SEEDS, MAX_SEEDS = 2, 1000


@dataclass(frozen=True)
class Resolution:
    """The resolution of a run: which differences its tests can show on this data.

    It depends on how much differences vary, and not on how large they turned out to be: the power
    at a measured difference repeats its p-value and says nothing new (Hoenig & Heisey 2001,
    doi:10.1198/000313001300339897).

    Attributes:
        deviation: The median over comparisons of the deviation of the seeds' differences; NaN where
            nothing could be compared.
        alpha: The level of one test of the run, two-sided.
    """

    deviation: float
    alpha: float

    def least(self, seeds: int) -> float:
        """The least difference that so many seeds show with 80 % power, in the metric's own units.

        NaN where nothing could be compared.
        """
        critical = stdtrit(seeds - 1, 1 - self.alpha / 2)
        # The t-value of n seeds has the noncentrality difference / (s / sqrt(n)).
        noncentrality = float(nctdtrinc(seeds - 1, 1 - POWER, critical))
        return noncentrality * self.deviation / math.sqrt(seeds)

    def seeds(self, difference: float) -> int | None:
        """The number of seeds, 2 to 1000, that show a difference; None above, or if unknown."""
        if not (self.deviation > 0 and difference > 0):
            return None
        # The least difference falls with the number of seeds, its negative rises.
        counts = range(MIN_SEEDS, MAX_SEEDS + 1)
        index = bisect_left(counts, -difference, key=lambda n: -self.least(n))
        return counts[index] if index < len(counts) else None
