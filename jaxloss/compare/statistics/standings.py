"""The analysis of scores: rankings at every level of noise, with corrected paired tests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jaxloss.compare.statistics import posterior
from jaxloss.compare.statistics.estimates import ALPHA, Comparison, Estimate, PairedTest
from jaxloss.compare.statistics.level import level_of
from jaxloss.compare.statistics.power import Resolution
from jaxloss.compare.statistics.scores import Level, Measure, Setting
from jaxloss.compare.statistics.twins import distinct
from jaxloss.compare.sweep.halving import rounded
from jaxloss.compare.sweep.results import Results
from jaxloss.hints import nearest

# Differences up to the margin count as none: half a point, or a share of the reference's score.
MARGIN_POINTS, MARGIN_SHARE = 0.5, 0.02

# The share of Nadeau & Bengio's correction that networks need, whose own randomness exceeds that of
# the data. In 40 simulated data sets of 1800 signals, each split by 8 seeds, the differences of 6
# losses have an overlap of -0.04 to 0.03, with a standard error of 0.03, where the correction has
# 1/3 (64 hidden units, clean labels and 40 % wrong ones; the coverage is measured in the tests).
NETWORK_SHARE = 0.15

MORE, NO_MORE, OPEN = "more than temperature", "no more than temperature", "open"


@dataclass(frozen=True, kw_only=True)
class Standing(Setting):
    """The results of a contender at one level of noise, with the setting that it was trained in.

    Estimates are NaN throughout where a seed's network has no finite metric.

    Attributes:
        loss: The name of the contender.
        score: The metric on test data after training.
        best: The probability that its score is the best of all contenders.
        to_reference: The paired comparison with the reference; None for the reference itself.
        to_control: The paired comparison with the reference at its best temperature; None where
            this contender depends on none.
        to_worst: The paired comparison with the reference at its worst temperature, by validation
            data; None where this contender depends on none.
        to_others: The paired comparisons with the reference at each temperature but its own; empty
            where this contender depends on none.
        margin: The size up to which a difference counts as none.
        rescaled: Whether the contender is the control, the reference at other temperatures.
    """

    loss: str
    score: Estimate
    best: float
    to_reference: Comparison | None
    to_control: Comparison | None
    to_worst: Comparison | None
    to_others: tuple[Comparison, ...]
    margin: float
    rescaled: bool

    @property
    def verdict(self) -> str:
        """The conclusion from the tests, in a word.

        One of "reference" and "failed"; "same" where the interval of the difference is within the
        margin; else "better" or "worse" where it is significant, and "open" where it is not.
        """
        compared = self.to_reference
        if compared is None:
            return "reference"
        if math.isnan(self.score.mean):  # before significance: a failure has p = 1
            return "failed"
        if compared.is_within(self.margin):
            return "same"
        if not compared.significant:
            return "open"
        return "better" if compared.better else "worse"

    @property
    def temperature(self) -> str | None:
        """Whether temperature alone explains that the contender is better or worse.

        "more than temperature": significant, and to the same side, against the reference at every
        temperature that was tried. "no more than temperature": the interval of the difference to
        one temperature, chosen by validation data, ends below the margin. "open": neither. None
        where the question does not arise.
        """
        compared, beside = self.to_reference, self.to_temperature
        if compared is None or self.verdict not in {"better", "worse"}:
            return None
        if self.rescaled:
            return NO_MORE
        if beside is None:
            return None
        if self.p_of_more < ALPHA:
            return MORE
        return NO_MORE if beside.ends_below(self.margin, compared) else OPEN

    @property
    def to_temperature(self) -> Comparison | None:
        """The comparison that tests whether temperature explains a difference to the reference.

        A gain is tested against the best temperature, a deficit against the worst.
        """
        compared = self.to_reference
        return self.to_control if compared is None or compared.better else self.to_worst

    @property
    def p_of_more(self) -> float:
        """The corrected p-value of a difference to the reference at every temperature.

        Validation data may name a temperature that is neither the best nor the worst, so that the
        difference to it says nothing of the others. The largest p-value of all is a test that there
        is a difference to each, and needs no correction for their number (Berger 1996, Likelihood
        ratio tests and intersection-union tests, Institute of Statistics Mimeo Series 2288). A
        difference to the other side has p = 1.
        """
        compared, beside = self.to_reference, self.to_temperature
        if compared is None or beside is None:
            return 1.0
        every = (compared, beside, *self.to_others)
        return max(each.p if each.better == compared.better else 1.0 for each in every)


@dataclass(frozen=True)
class Analysis:
    """The statistical analysis of scores.

    Attributes:
        metric: The metric.
        reference: The name of the contender that all others are compared with.
        names: The names of the levels.
        kind: The kind of noise, such as "wrong labels".
        noise: The fraction of noise of each level; NaN for settings.
        levels: The ranking at each level, best first, of all contenders but the replicate.
        floor: The comparison of the reference with its replicate at each level: the noise floor of
            rounding. It is a measurement and no claim, so it is neither corrected nor counted.
            None without a replicate.
        temperature_range: The least and greatest difference that temperature alone makes to the
            reference, at each level; None without a control.
        seeds: The number of seeds at each level.
        test: The test, with the number of comparisons that it is corrected for.
        resolution: The differences that the tests can show.
    """

    metric: Measure
    reference: str
    names: tuple[str, ...]
    kind: str
    noise: tuple[float, ...]
    levels: tuple[tuple[Standing, ...], ...]
    floor: tuple[Comparison | None, ...]
    temperature_range: tuple[tuple[float, float] | None, ...]
    seeds: tuple[int, ...]
    test: PairedTest
    resolution: Resolution

    def standing(self, loss: str, level: int) -> Standing:
        """The standing of a contender at the level with this index."""
        return next(standing for standing in self.levels[level] if standing.loss == loss)

    @property
    def comparisons(self) -> int:
        """The number of comparisons that intervals and p-values are corrected for."""
        return self.test.comparisons


def analyse(results: Results, metric: str | None = None, margin: float | None = None) -> Analysis:
    """Rank the contenders of a run, and test their differences to the reference.

    Args:
        results: The results of the run.
        metric: The name of the metric that is tested; by default the task's first.
        margin: The size up to which a difference counts as none, in displayed units; by default
            half a point, or 2 % of the reference's score where that is not in percent.

    Raises:
        ValueError: The task has no such metric.
    """
    task = results.plan.task
    named = {each.name: each for each in task.output.metrics}
    tested = task.output.metric.name if metric is None else metric
    if tested not in named:
        message = f"`metric` {tested!r} is none of the task's{nearest(tested, named)}"
        raise ValueError(f"{message}; they are {', '.join(named)}")
    levels = [level_of(results, index, tested) for index in range(len(results.plan.noise))]
    # The correction is right for convex models, or a bound: all that varies with their seeds is the
    # split. Where seeds draw data of their own, the overlap is 0.
    share = 1.0 if task.convex else NETWORK_SHARE
    return analyse_levels(
        levels,
        named[tested],
        results.plan.lineup.reference,
        overlap=None if task.overlap is None else share * task.overlap,
        margin=margin,
    )


def analyse_levels(
    levels: Sequence[Level],
    metric: Measure,
    reference: str,
    *,
    overlap: float | None,
    margin: float | None = None,
) -> Analysis:
    """Rank contenders by their scores, and test their differences to the reference.

    Args:
        levels: The scores at each level.
        metric: The metric.
        reference: The name of the contender that all others are compared with.
        overlap: r / (1 - r) of the correlation r that two seeds have over data sets; None where
            nothing can be claimed on new data.
        margin: As for `analyse`.
    """
    # A difference to the reference at another temperature counts only after that to the reference,
    # as a claim on new data counts only after that on this data. Hypotheses that are tested in a
    # fixed order, each at the same level and only after those before it, need no correction.
    count = sum(distinct(set(level.scores) - {reference}) for level in levels)
    test = PairedTest(metric.higher, max(count, 1), overlap)
    rankings = tuple(_ranking(level, metric, reference, test, margin) for level in levels)
    compared = [s.to_reference for ranking in rankings for s in ranking if s.to_reference]
    deviations = [each.deviation for each in compared if not math.isnan(each.deviation)]
    return Analysis(
        metric=metric,
        reference=reference,
        names=tuple(level.name for level in levels),
        kind=levels[0].kind,
        noise=tuple(level.noise for level in levels),
        levels=rankings,
        floor=tuple(_floor(level, reference, test) for level in levels),
        temperature_range=tuple(level.temperature_range for level in levels),
        seeds=tuple(len(level.scores[reference]) for level in levels),
        test=test,
        resolution=Resolution(
            deviation=float(np.median(deviations)) if deviations else math.nan,
            alpha=ALPHA / test.comparisons,
        ),
    )


def _floor(level: Level, reference: str, test: PairedTest) -> Comparison | None:
    if level.replicate is None:
        return None
    # Uncorrected, which makes the interval narrow and the warning early.
    return replace(test, comparisons=1)(level.replicate, level.scores[reference])


def _ranking(
    level: Level, metric: Measure, reference: str, test: PairedTest, margin: float | None
) -> tuple[Standing, ...]:
    """Rank all contenders but the replicate; failed ones come last, ties in the plan's order."""
    usual = _usual_margin(metric, float(np.mean(level.scores[reference])))
    used = usual if margin is None else margin / metric.factor
    # Where no margin is known, as the reference failed, nothing is compared either.
    tested = replace(test, margin=used)
    best = posterior.best(level.scores, higher=metric.higher, overlap=test.overlap or 0.0)
    everyone = [_standing(level, name, reference, tested, best[name]) for name in level.scores]
    # Rounded, or the order of ties would depend on rounding errors; NaN sorts last.
    means = rounded(np.array([standing.score.mean for standing in everyone]))
    order = np.argsort(-means if metric.higher else means, kind="stable")
    return tuple(everyone[index] for index in order)


def _usual_margin(metric: Measure, score: float) -> float:
    in_points = MARGIN_POINTS / metric.factor
    return in_points if metric.unit == "points" else MARGIN_SHARE * abs(score)


def _standing(level: Level, loss: str, reference: str, test: PairedTest, best: float) -> Standing:
    ours = level.scores[loss]
    by_temperature = level.temperatures if loss in level.tempered - {reference} else None
    return Standing(
        **vars(level.settings.get(loss, Setting())),
        loss=loss,
        score=Estimate.of(ours),
        best=best,
        to_reference=None if loss == reference else test(ours, level.scores[reference]),
        to_control=by_temperature and test(ours, by_temperature.best),
        to_worst=by_temperature and test(ours, by_temperature.worst),
        to_others=tuple(test(ours, x) for x in (by_temperature.others if by_temperature else ())),
        margin=test.margin,
        rescaled=loss == level.control,
    )
