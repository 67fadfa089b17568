"""Means over seeds and paired differences, with confidence intervals and tests of one procedure."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

ALPHA = 0.05  # the probability of any false claim among all comparisons of a run
Floats = NDArray[np.float64]

# Metrics are stored to 7 digits, so that a difference of two of them is uncertain by up to 1e-6 of
# their size, and the spread of such differences by up to 2e-6.
_RELATIVE_TOLERANCE = 3e-6


@dataclass(frozen=True)
class Estimate:
    """The mean of a sample over seeds, with its uncertainty.

    Attributes:
        mean: The mean.
        error: The standard error.
        interval: The confidence interval by Student's t.
    """

    mean: float = math.nan
    error: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)

    @classmethod
    def of(cls, sample: Floats, overlap: float = 0.0, level: float = ALPHA) -> "Estimate":
        """Estimate the mean from one number per seed; NaN throughout if one is not finite.

        Seeds that split one data set are independent as to that data set; as to others they are
        correlated, so that their mean has the variance s² (1/n + overlap) and not s²/n.

        Args:
            sample: One number per seed, [seed], of at least 2 seeds.
            overlap: r / (1 - r) of the correlation r of two seeds; 0 for independent ones.
            level: The probability with which the interval misses the mean.

        References:
            Nadeau & Bengio (2003), Inference for the generalization error,
            doi:10.1023/A:1024068626366.
        """
        if not np.isfinite(sample).all():
            return cls()
        mean = float(sample.mean())
        error = float(sample.std(ddof=1) * np.sqrt(1 / sample.size + overlap))
        half = float(stdtrit(sample.size - 1, 1 - level / 2)) * error
        return cls(mean, error, (mean - half, mean + half))


@dataclass(frozen=True)
class Difference(Estimate):
    """A mean difference with the p-value of the test that its interval belongs to.

    Attributes:
        p: The two-sided p-value of Student's t, corrected for all comparisons of the run. It is
            below 0.05 where the interval, corrected alike, lies on one side of 0.
    """

    p: float = 1.0

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below 0.05."""
        return self.p < ALPHA


@dataclass(frozen=True)
class Probabilities:
    """The probabilities that a mean difference is an improvement, none, or a deterioration.

    They are those of the correlated Bayesian t-test: under a flat prior, the mean difference has
    Student's t-distribution about the estimate, with its standard error as the scale.

    Attributes:
        better: That it is an improvement above the margin.
        same: That it is within the margin.
        worse: That it is a deterioration beyond the margin.

    References:
        Benavoli, Corani, Demšar & Zaffalon (2017), Time for a change: a tutorial for comparing
        multiple classifiers through Bayesian analysis, arXiv:1606.04316.
    """

    better: float
    same: float
    worse: float

    @classmethod
    def of(
        cls, difference: Estimate, seeds: int, margin: float, *, higher: bool
    ) -> "Probabilities":
        """The probabilities for a difference over so many seeds; NaN where its error is unknown."""
        if difference.error == 0:  # of equal samples
            return cls(0.0, 1.0, 0.0)
        low, high = (
            float(stdtr(seeds - 1, (sign * difference.mean - margin) / difference.error))
            for sign in (-1, 1)
        )
        better, worse = (high, low) if higher else (low, high)
        return cls(better, 1 - better - worse, worse)


@dataclass(frozen=True)
class Comparison:
    """The paired comparison of two contenders.

    All numbers are NaN, and p = 1, where one of the two failed. Where the seeds' differences are
    equal and not 0, their deviation is unknown: effect, error and interval are NaN and p = 1.

    Attributes:
        difference: The mean difference of the metric as a claim on this data: over seeds.
        on_new_data: The same as a claim on new data; None where the scores allow none.
        probabilities: Those of better, same and worse, on new data if there is such a claim.
        effect: Cohen's d_z: the mean difference over the deviation of the differences (Lakens 2013,
            doi:10.3389/fpsyg.2013.00863).
        better: Whether the mean difference is an improvement.
        deviation: The standard deviation of the seeds' differences.
    """

    difference: Difference
    on_new_data: Difference | None
    probabilities: Probabilities
    effect: float
    better: bool
    deviation: float

    @property
    def p(self) -> float:
        """The corrected p-value on this data."""
        return self.difference.p

    @property
    def significant(self) -> bool:
        """Whether the difference is significant on this data."""
        return self.difference.significant

    @property
    def generalises(self) -> bool:
        """Whether the difference is significant on new data as well."""
        return self.on_new_data is not None and self.on_new_data.significant

    def ends_below(self, margin: float, other: "Comparison") -> bool:
        """Whether the interval ends below a margin on the side of another difference.

        This is one half of an equivalence test: a difference that is not significant may be large,
        one whose interval ends below the margin is not.
        """
        low, high = self.difference.interval
        return (high if other.difference.mean > 0 else -low) <= margin

    def is_within(self, margin: float) -> bool:
        """Whether the whole interval is within a margin: the equivalence test."""
        low, high = self.difference.interval
        return -margin <= low and high <= margin

    @property
    def failed(self) -> bool:
        """Whether one of the two contenders has no finite metric."""
        return math.isnan(self.difference.mean)


@dataclass(frozen=True)
class PairedTest:
    """The paired t-test of a run, corrected by Bonferroni for all its comparisons.

    Intervals and p-values are corrected alike, so that they agree. Holm's p-values would be a
    little smaller, but have no intervals that agree with them and are as simple.

    Attributes:
        higher: Whether a higher metric is better.
        comparisons: The number of comparisons.
        overlap: r / (1 - r) of the correlation r that two seeds have over data sets; 0 where they
            share no data, None where nothing can be claimed on new data.
        margin: The size up to which a difference counts as none.
    """

    higher: bool
    comparisons: int = 1
    overlap: float | None = 0.0
    margin: float = 0.0

    def __call__(self, ours: Floats, theirs: Floats) -> Comparison:
        """Compare two samples [seed], the first less the second."""
        finite = np.isfinite([ours, theirs]).all()
        sample = ours - theirs if finite else np.full(len(ours), math.nan)
        here, deviation = self._difference(sample, 0.0), float(sample.std(ddof=1))
        new = None if self.overlap is None else self._difference(sample, self.overlap)
        effect = here.mean / deviation if deviation else math.nan
        # Dividing by a deviation of rounding errors would claim p = 0.
        if finite and np.ptp(sample) <= rounding_tolerance(ours, theirs):
            known = 0.0 if not sample.any() else math.nan
            here = Difference(here.mean, known, (known, known))
            new, effect = new and here, known
        return Comparison(
            difference=here,
            on_new_data=new,
            probabilities=Probabilities.of(
                new or here, len(sample), self.margin, higher=self.higher
            ),
            effect=effect,
            better=here.mean > 0 if self.higher else here.mean < 0,
            deviation=deviation,
        )

    def _difference(self, sample: Floats, overlap: float) -> Difference:
        estimate = Estimate.of(sample, overlap, ALPHA / self.comparisons)
        if not estimate.error > 0:  # it has failed, or does not vary
            return Difference(**vars(estimate))
        p = 2 * float(stdtr(sample.size - 1, -abs(estimate.mean / estimate.error)))
        return Difference(**vars(estimate), p=min(1.0, self.comparisons * p))


def rounding_tolerance(*samples: Floats) -> float:
    """The least spread of differences of these numbers that exceeds their rounding."""
    return _RELATIVE_TOLERANCE * float(np.max(np.abs(samples)))
