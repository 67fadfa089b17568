"""How every contender stands at every level of noise, and what of it chance explains."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from jaxloss.compare.statistics.choice import edges, rounded
from jaxloss.compare.statistics.estimates import ALPHA, Comparison, Estimate, corrected
from jaxloss.compare.statistics.level import NoiseLevel, Opponent
from jaxloss.compare.statistics.power import Resolution
from jaxloss.compare.sweep.results import Results

# Comparisons by level, contender and what it is compared with.
Family = Mapping[tuple[int, str, Opponent], Comparison]

# Less than this share of the reference's score is nothing beyond temperature.
MARGIN = 0.01

MORE, NO_MORE, OPEN = "more than temperature", "no more than temperature", "open"


@dataclass(frozen=True)
class Standing:
    """How a contender did at one level of noise, at what was chosen for it on validation data.

    Estimates are NaN throughout where a seed's network has no finite metric.

    Attributes:
        loss: Its name.
        variant: Which of its variants was chosen, by index.
        hyperparameters: Those of that variant that were tuned.
        rate_index: Which learning rate was chosen.
        rate: That learning rate.
        at_edge: What was chosen at the end of what was tried, so that more may be better: names
            among "learning rate" and the hyper-parameters'.
        score: The task's first metric on test data after training.
        speed: The mean of that metric over all epochs: the area under the learning curve.
        measures: Every metric on test data after training, by name.
        to_reference: The paired comparison with the reference; None for the reference itself.
        to_control: That with the reference at the best temperature of its own; None where that
            says nothing of this contender.
        to_worst: Likewise at the temperature that does worst on validation data.
        margin: What is nothing beyond temperature: a hundredth of the reference's score.
        rescaled: Whether it is the reference at other temperatures, and so nothing else.
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
        """What is shown, in a word.

        One of "reference", "failed", "not significant", "better" and "worse"; and, of a significant
        difference to the reference, "temperature" where that explains it and "open" where it may.
        """
        compared = self.to_reference
        if compared is None:
            return "reference"
        if math.isnan(self.score.mean):
            return "failed"
        if not compared.significant:
            return "not significant"
        shown = {NO_MORE: "temperature", OPEN: "open"}
        return shown.get(self.temperature or "", "better" if compared.better else "worse")

    @property
    def temperature(self) -> str | None:
        """What is shown of a significant difference to the reference beside that of temperature.

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
        """That comparison with a tempered reference which bears on the one with the reference.

        Temperature explains what is better by its best and what is worse by its worst.
        """
        compared = self.to_reference
        return self.to_control if compared is None or compared.better else self.to_worst


@dataclass(frozen=True)
class Analysis:
    """All standings.

    Attributes:
        levels: For each level of noise all contenders but the reference's echo and the control's
            own row included, the best first.
        floor: For each level the comparison of the reference with its echo: what rounding does.
            It is a measurement and no claim, and neither corrected nor counted.
        reach: For each level the least and the greatest difference that a temperature alone makes
            to the reference; None without a control.
        comparisons: How many tests the p-values are corrected for.
        resolution: How many seeds a difference of some size would ask for.
    """

    levels: tuple[tuple[Standing, ...], ...]
    floor: tuple[Comparison, ...]
    temperature_range: tuple[tuple[float, float] | None, ...]
    comparisons: int
    resolution: Resolution

    def standing(self, loss: str, level: int) -> Standing:
        """How a contender stands at a level of noise, by its index."""
        return next(standing for standing in self.levels[level] if standing.loss == loss)


def analyse(results: Results) -> Analysis:
    """The rankings of a run, and what of them chance or temperature explains."""
    plan = results.plan
    levels = [NoiseLevel.of(results, index) for index in range(len(plan.noise))]
    pairs = [(level, loss, opponent) for level in levels for loss, opponent in _pairs(level)]
    count = len(pairs)
    alpha = ALPHA / max(count, 1)
    family = corrected({(x.index, a, b): x.compared(a, b, alpha) for x, a, b in pairs})
    return Analysis(
        levels=tuple(_ranking(level, family) for level in levels),
        floor=tuple(
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
    """Who is compared with whom: all with the reference, the tempered with it tempered too."""
    lineup = level.results.plan.lineup
    reference = level.chosen(lineup.reference)
    for contender in lineup.contenders:
        if contender.name != lineup.reference and not contender.replicate:
            ends = _temperatures(level, contender.name)
            yield from dict.fromkeys((contender.name, x) for x in (reference, *ends))


def _temperatures(level: NoiseLevel, loss: str) -> tuple[Opponent, ...]:
    """The reference at its best temperature and at its worst, where they bear on a contender."""
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
    """All but the echo, the best first and those that failed last; equals as in the plan."""
    plan = level.results.plan
    sign = -1 if plan.task.output.metric.higher else 1
    everyone = [_standing(level, c.name, family) for c in plan.lineup.contenders if not c.replicate]
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
