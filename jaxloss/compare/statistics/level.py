"""The scores of a run at one level of noise: the tests of what tuning has chosen."""

import math
from collections.abc import Sequence

import numpy as np

from jaxloss.compare.statistics.estimates import Estimate, Floats
from jaxloss.compare.statistics.scores import Level, Setting, Temperatures
from jaxloss.compare.sweep.results import Chosen, Results


def level_of(results: Results, index: int, metric: str) -> Level:
    """The test scores of what was chosen, and those of the reference's temperatures.

    Args:
        results: The results of the run.
        index: The index of the level.
        metric: The name of the metric that is tested. The task's first metric has chosen, whichever
            is tested.
    """
    lineup = results.plan.lineup
    contenders = [
        contender
        for contender in lineup.contenders
        if not contender.replicate and results.is_tested(contender.name, index)
    ]
    chosen = {each.name: results.chosen(each.name, index) for each in contenders}
    others = [each for each in contenders if each.tempered and each.name != lineup.control]
    reference = chosen[lineup.reference]
    temperatures = results.temperatures.get(index, ())
    return Level(
        kind=results.plan.task.noise,
        noise=results.plan.noise[index],
        scores={name: _scores(tested, metric) for name, tested in chosen.items()},
        control=lineup.control,
        tempered=frozenset(contender.name for contender in others),
        temperatures=_temperatures(reference, temperatures, metric),
        temperature_range=_temperature_range(reference, temperatures, metric),
        replicate=_scores(results.chosen(lineup.replicate, index), metric),
        settings={name: _setting(tested) for name, tested in chosen.items()},
    )


def _scores(tested: Chosen, metric: str) -> Floats:
    """The tested metric on test data after training, [seed]."""
    # Rows have null for both NaN and infinity, so that results read from them would differ.
    scores = tested.measures[metric]
    return np.where(np.isfinite(scores), scores, np.nan)


def _setting(tested: Chosen) -> Setting:
    return Setting(
        hyperparameters=tested.hyperparameters,
        rate=tested.rate,
        at_edge=tested.at_edge,
        speed=Estimate.of(tested.curves.mean(axis=-1)),
        measures={name: Estimate.of(sample) for name, sample in tested.measures.items()},
    )


def _temperatures(
    reference: Chosen, temperatures: Sequence[Chosen], metric: str
) -> Temperatures | None:
    """The reference at its temperatures, each at its own best rate, without failed ones."""
    if not temperatures:
        return None
    # A failed temperature, of score -inf, would always be the worst.
    others = [each for each in temperatures if each.validation > -math.inf]
    worst = min((reference, *others), key=_validation)
    return Temperatures(
        best=_scores(max(temperatures, key=_validation), metric),
        worst=_scores(worst, metric),
        others=tuple(_scores(each, metric) for each in others),
    )


def _temperature_range(
    reference: Chosen, temperatures: Sequence[Chosen], metric: str
) -> tuple[float, float] | None:
    """The least and greatest mean difference that a temperature makes; 0 is within."""
    if not temperatures:
        return None
    gaps = (_scores(each, metric) - _scores(reference, metric) for each in temperatures)
    means = [gap.mean() for gap in gaps]
    known = [0.0, *(float(mean) for mean in means if np.isfinite(mean))]
    return min(known), max(known)


def _validation(tested: Chosen) -> float:
    return tested.validation
