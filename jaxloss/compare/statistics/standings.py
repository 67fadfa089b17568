"""How every contender stands at every level of noise, and what of it chance explains."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from jaxloss.compare.statistics.choice import edges, rounded
from jaxloss.compare.statistics.estimates import LEVEL, Comparison, Estimate, corrected
from jaxloss.compare.statistics.level import Level
from jaxloss.compare.statistics.power import Resolution
from jaxloss.compare.sweep.contenders import Field
from jaxloss.compare.sweep.results import Results

# Comparisons by level, contender and what it is compared with.
Family = Mapping[tuple[int, str, str], Comparison]


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
        to_control: That with the reference at a temperature of its own; None where that says
            nothing of this contender.
        within_temperature: Whether the difference to the reference lies within what temperature
            alone does to the reference.
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
    within_temperature: bool

    @property
    def verdict(self) -> str:
        """One of "reference", "failed", "not significant", "better", "worse", "temperature"."""
        compared = self.to_reference
        if compared is None:
            return "reference"
        if math.isnan(self.score.mean):
            return "failed"
        if not compared.significant:
            return "not significant"
        if self._explained_by_temperature(compared):
            return "temperature"
        return "better" if compared.better else "worse"

    def _explained_by_temperature(self, compared: Comparison) -> bool:
        """To be more than that, better must be better than the control, and worse beyond reach.

        A control that failed, like the control itself, has only the reach to be judged by.
        """
        control = self.to_control
        if control is None or control.failed or not compared.better:
            return self.within_temperature
        return not (control.better and control.significant)


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
    reach: tuple[tuple[float, float] | None, ...]
    comparisons: int
    resolution: Resolution

    def standing(self, loss: str, level: int) -> Standing:
        """How a contender stands at a level of noise, by its index."""
        return next(standing for standing in self.levels[level] if standing.loss == loss)


def analyse(results: Results) -> Analysis:
    """The rankings of a run, and what of them chance or temperature explains."""
    plan = results.plan
    levels = [Level.of(results, index) for index in range(len(plan.noise))]
    pairs = list(_pairs(plan.field))
    count = len(pairs) * len(levels)
    alpha = LEVEL / max(count, 1)
    family = corrected({(x.index, *p): x.compared(*p, alpha) for x in levels for p in pairs})
    return Analysis(
        levels=tuple(_ranking(level, family) for level in levels),
        floor=tuple(x.compared(plan.field.echo, plan.field.reference, LEVEL) for x in levels),
        reach=tuple(level.reach for level in levels),
        comparisons=count,
        resolution=Resolution(
            deviation=_median([comparison.deviation for comparison in family.values()]),
            overlap=plan.task.overlap,
            alpha=alpha,
            factor=plan.task.output.metric.factor,
        ),
    )


def _pairs(field: Field) -> Iterator[tuple[str, str]]:
    """Who is compared with whom: all with the reference, the tempered with the control too."""
    for contender in field.contenders:
        if contender.name == field.reference or contender.echo:
            continue
        yield contender.name, field.reference
        if field.control and contender.tempered and contender.name != field.control:
            yield contender.name, field.control


def _ranking(level: Level, family: Family) -> tuple[Standing, ...]:
    """All but the echo, the best first and those that failed last; equals as in the plan."""
    plan = level.results.plan
    sign = -1 if plan.task.output.metric.higher else 1
    everyone = [_standing(level, c.name, family) for c in plan.field.contenders if not c.echo]
    means = sign * rounded(np.array([standing.score.mean for standing in everyone]))
    return tuple(everyone[index] for index in np.argsort(means, kind="stable"))


def _standing(level: Level, loss: str, family: Family) -> Standing:
    plan, choice = level.results.plan, level.choices[loss]
    reference, control = plan.field.reference, plan.field.control
    return Standing(
        loss=loss,
        variant=choice.variant,
        hyperparameters=plan.field[loss].variants[choice.variant].hyperparameters,
        rate_index=choice.rate,
        rate=plan.rates[choice.rate],
        at_edge=edges(plan, loss, choice),
        score=level.score(loss),
        speed=level.speed(loss),
        measures=level.measures(loss),
        to_reference=family.get((level.index, loss, reference)),
        to_control=family.get((level.index, loss, control)) if control else None,
        within_temperature=loss != reference and level.within_temperature(loss),
    )


def _median(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan
