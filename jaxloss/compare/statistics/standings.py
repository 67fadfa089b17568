"""The analysis of a run: rankings at every level of noise, with corrected paired tests."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from jaxloss.compare.statistics.choice import edges, rounded
from jaxloss.compare.statistics.estimates import ALPHA, Comparison, Estimate, corrected
from jaxloss.compare.statistics.level import NoiseLevel, Opponent
from jaxloss.compare.statistics.power import Resolution
from jaxloss.compare.sweep.results import Results

# All comparisons of a run, for which p-values are corrected: by level, contender and opponent.
Family = Mapping[tuple[int, str, Opponent], Comparison]

# The margin of equivalence: differences beyond temperature below this share of the reference's
# score count as none.
MARGIN = 0.01

MORE, NO_MORE, OPEN = "more than temperature", "no more than temperature", "open"


@dataclass(frozen=True)
class Standing:
    """The results of a contender at one level of noise, at its chosen variant and learning rate.

    Estimates are NaN throughout where a seed's network has no finite metric.

    Attributes:
        loss: The name of the contender.
        variant: The index of the chosen variant.
        hyperparameters: The tuned hyper-parameters of the chosen variant.
        rate_index: The index of the chosen learning rate.
        rate: The chosen learning rate.
        at_edge: The names of "learning rate" and hyper-parameters chosen at an end of the values
            tried, beyond which there may be better ones.
        score: The task's first metric on test data after training.
        speed: The mean of that metric over all epochs: the area under the learning curve.
        measures: Every metric on test data after training, by name.
        to_reference: The paired comparison with the reference; None for the reference itself.
        to_control: The paired comparison with the reference at its best temperature; None where
            this contender depends on none.
        to_worst: The paired comparison with the reference at its worst temperature, by validation
            data; None where this contender depends on none.
        margin: The margin of equivalence: a hundredth of the reference's score.
        rescaled: Whether the contender is the control, the reference at other temperatures.
    """

    loss: str
    variant: int
    hyperparameters: Mapping[str, float]
    rate_index: int
    rate: float
    at_edge: tuple[str, ...]
    score: Estimate
    speed: Estimate
    measures: Mapping[str, Estimate]
    to_reference: Comparison | None
    to_control: Comparison | None
    to_worst: Comparison | None
    margin: float
    rescaled: bool

    @property
    def verdict(self) -> str:
        """The conclusion from the tests, in a word.

        One of "reference", "failed", "not significant", "better" and "worse"; a significant
        difference is "temperature" where temperature explains it, and "open" where it may.
        """
        compared = self.to_reference
        if compared is None:
            return "reference"
        if math.isnan(self.score.mean):  # before significance: a failure has p = 1
            return "failed"
        if not compared.significant:
            return "not significant"
        shown = {NO_MORE: "temperature", OPEN: "open"}
        return shown.get(self.temperature or "", "better" if compared.better else "worse")

    @property
    def temperature(self) -> str | None:
        """Whether temperature alone explains a significant difference to the reference.

        "more than temperature": significant, and to the same side, against the reference at another
        temperature too. "no more than temperature": the corrected interval of that difference ends
        below the margin. "open": neither. None where the question does not arise.
        """
        compared, beside = self.to_reference, self.to_temperature
        if compared is None or not compared.significant:
            return None
        if self.rescaled:
            return NO_MORE
        if beside is None:
            return None
        if beside.agrees_with(compared):
            return MORE
        return NO_MORE if beside.within_margin(self.margin, compared) else OPEN

    @property
    def to_temperature(self) -> Comparison | None:
        """The comparison that tests whether temperature explains a difference to the reference.

        A gain is tested against the best temperature, a deficit against the worst.
        """
        compared = self.to_reference
        return self.to_control if compared is None or compared.better else self.to_worst


@dataclass(frozen=True)
class Analysis:
    """The statistical analysis of a run.

    Attributes:
        levels: The ranking at each level of noise, best first, of all contenders but the replicate.
        floor: The comparison of the reference with its replicate at each level: the noise floor of
            rounding. It is a measurement and no claim, so it is neither corrected nor counted.
        temperature_range: The least and greatest difference that temperature alone makes to the
            reference, at each level; None without a control.
        comparisons: The number of tests that p-values are corrected for.
        resolution: The differences that the tests can show.
    """

    levels: tuple[tuple[Standing, ...], ...]
    floor: tuple[Comparison, ...]
    temperature_range: tuple[tuple[float, float] | None, ...]
    comparisons: int
    resolution: Resolution

    def standing(self, loss: str, level: int) -> Standing:
        """The standing of a contender at the level of noise with this index."""
        return next(standing for standing in self.levels[level] if standing.loss == loss)


def analyse(results: Results) -> Analysis:
    """Rank the contenders of a run, and test their differences to the reference."""
    plan = results.plan
    levels = [NoiseLevel.of(results, index) for index in range(len(plan.noise))]
    pairs = [(level, loss, opponent) for level in levels for loss, opponent in _pairs(level)]
    count = len(pairs)
    # Intervals hold for all comparisons at once by Bonferroni's level: Holm's method, which is used
    # for the p-values, has no intervals as simple.
    alpha = ALPHA / max(count, 1)
    family = corrected({(x.index, a, b): x.compared(a, b, alpha) for x, a, b in pairs})
    return Analysis(
        levels=tuple(_ranking(level, family) for level in levels),
        floor=tuple(
            # At the uncorrected level, which makes the interval narrow and the warning early.
            x.compared(plan.lineup.replicate, x.chosen(plan.lineup.reference), ALPHA)
            for x in levels
        ),
        temperature_range=tuple(level.temperature_range for level in levels),
        comparisons=count,
        resolution=Resolution(
            deviation=_median([comparison.deviation for comparison in family.values()]),
            overlap=plan.task.overlap,
            alpha=alpha,
            factor=plan.task.output.metric.factor,
        ),
    )


def _pairs(level: NoiseLevel) -> Iterator[tuple[str, Opponent]]:
    """Yield all comparisons: each contender with the reference, and some with it tempered.

    Where the worst temperature is 1, or is the best as well, the same comparison comes once.
    """
    lineup = level.results.plan.lineup
    reference = level.chosen(lineup.reference)
    for contender in lineup.contenders:
        if contender.name != lineup.reference and not contender.replicate:
            ends = _temperatures(level, contender.name)
            yield from dict.fromkeys((contender.name, x) for x in (reference, *ends))


def _temperatures(level: NoiseLevel, loss: str) -> tuple[Opponent, ...]:
    """The reference at its best and worst temperature, if the contender depends on one."""
    lineup, worst = level.results.plan.lineup, level.worst
    if (
        lineup.control is None
        or worst is None
        or loss == lineup.control
        or not lineup[loss].tempered
    ):
        return ()
    return level.chosen(lineup.control), worst


def _ranking(level: NoiseLevel, family: Family) -> tuple[Standing, ...]:
    """Rank all contenders but the replicate; failed ones come last, ties in the plan's order."""
    plan = level.results.plan
    sign = -1 if plan.task.output.metric.higher else 1
    everyone = [_standing(level, c.name, family) for c in plan.lineup.contenders if not c.replicate]
    # Rounded, or the order of ties would depend on rounding errors; NaN sorts last.
    means = sign * rounded(np.array([standing.score.mean for standing in everyone]))
    return tuple(everyone[index] for index in np.argsort(means, kind="stable"))


def _standing(level: NoiseLevel, loss: str, family: Family) -> Standing:
    plan, choice = level.results.plan, level.choices[loss]
    reference, control = level.chosen(plan.lineup.reference), plan.lineup.control
    to = [family.get((level.index, loss, x)) for x in (reference, *_temperatures(level, loss))]
    return Standing(
        loss=loss,
        variant=choice.variant,
        hyperparameters=plan.lineup[loss].variants[choice.variant].hyperparameters,
        rate_index=choice.rate,
        rate=plan.rates[choice.rate],
        at_edge=edges(plan, loss, choice),
        score=level.score(loss),
        speed=level.speed(loss),
        measures=level.measures(loss),
        to_reference=to[0],
        to_control=to[1] if len(to) > 1 else None,
        to_worst=to[-1] if len(to) > 1 else None,
        margin=MARGIN * abs(level.score(plan.lineup.reference).mean),
        rescaled=loss == control,
    )


def _median(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan
