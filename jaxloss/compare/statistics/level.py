"""The scores of a run at one level of noise, with the choices that validation data make there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxloss.compare.statistics.choice import Choice, choose, choose_each, edges, validation_scores
from jaxloss.compare.statistics.estimates import Estimate, Floats
from jaxloss.compare.statistics.scores import Level, Setting, Temperatures
from jaxloss.compare.sweep.results import Results


class Networks(NamedTuple):
    """A contender's networks of one variant and learning rate."""

    name: str
    choice: Choice


@dataclass(frozen=True)
class NoiseLevel:
    """The results at a level of noise, restricted to the chosen networks.

    Attributes:
        results: The results of the run.
        index: The index of the level.
        metric: The name of the metric that is tested.
        choices: The variant and rate of each contender; the replicate has those of the reference.
    """

    results: Results
    index: int
    metric: str
    choices: Mapping[str, Choice]

    @classmethod
    def of(cls, results: Results, index: int, metric: str) -> "NoiseLevel":
        """Select a variant and rate for each contender at the level with this index.

        The first metric of the task selects them, whichever is tested.
        """
        lineup, higher = results.plan.lineup, results.plan.task.output.metric.higher
        choices = {n: choose(grid, index, higher=higher) for n, grid in results.grids.items()}
        # Were the replicate tuned by itself, its difference to the reference might be one of rates.
        return cls(results, index, metric, {**choices, lineup.replicate: choices[lineup.reference]})

    def scores(self) -> Level:
        """The test scores of the chosen networks, and those of the reference's temperatures."""
        plan = self.results.plan
        names = [c.name for c in plan.lineup.contenders if not c.replicate]
        others = [c for c in plan.lineup.contenders if c.tempered and c.name != plan.lineup.control]
        return Level(
            kind=plan.task.noise,
            noise=plan.noise[self.index],
            scores={name: self._scores(self._chosen(name)) for name in names},
            control=plan.lineup.control,
            tempered=frozenset(contender.name for contender in others),
            temperatures=self._temperatures,
            temperature_range=self._temperature_range,
            replicate=self._scores(self._chosen(plan.lineup.replicate)),
            settings={name: self._setting(name) for name in names},
        )

    def _setting(self, loss: str) -> Setting:
        plan, choice, grid = self.results.plan, self.choices[loss], self.results.grids[loss]
        variant, rate = choice
        by_name = grid.measures.items()
        return Setting(
            variant=variant,
            hyperparameters=plan.lineup[loss].variants[variant].hyperparameters,
            rate_index=rate,
            rate=plan.rates[rate],
            at_edge=edges(plan, loss, choice),
            speed=self._speed(loss),
            measures={m: Estimate.of(x[variant, self.index, rate]) for m, x in by_name},
        )

    @property
    def _temperatures(self) -> Temperatures | None:
        """The reference at its temperatures, each at its own best rate, without failed ones."""
        lineup = self.results.plan.lineup
        if lineup.control is None:
            return None
        reference = self._chosen(lineup.reference)
        # A failed temperature, of score -inf, would always be the worst.
        others = [x for x in self._each_temperature if self._validation(x) > -math.inf]
        worst = min((reference, *others), key=self._validation)
        return Temperatures(
            best=self._scores(self._chosen(lineup.control)),
            worst=self._scores(worst),
            others=tuple(map(self._scores, others)),
        )

    @property
    def _temperature_range(self) -> tuple[float, float] | None:
        """The least and greatest mean difference that a temperature makes; 0 is within."""
        lineup = self.results.plan.lineup
        if lineup.control is None:
            return None
        ours = np.stack([self._scores(each).mean() for each in self._each_temperature])
        means = ours - self._scores(self._chosen(lineup.reference)).mean()
        known = [0.0, *means[np.isfinite(means)].tolist()]
        return min(known), max(known)

    @property
    def _each_temperature(self) -> list[Networks]:
        """The reference at each of its other temperatures, with the best rate of each."""
        control = self.results.plan.lineup.control
        if control is None:
            return []
        each = choose_each(self.results.grids[control], self.index, higher=self._higher)
        return [Networks(control, choice) for choice in each]

    def _chosen(self, loss: str) -> Networks:
        return Networks(loss, self.choices[loss])

    def _scores(self, networks: Networks) -> Floats:
        """The tested metric on test data after training, [seed]."""
        name, (variant, rate) = networks
        return _finite(self.results.grids[name].measures[self.metric][variant, self.index, rate])

    def _speed(self, loss: str) -> Estimate:
        """The mean over epochs of the task's first metric on test data."""
        variant, rate = self.choices[loss]
        curves = self.results.grids[loss].test[variant, self.index, rate]
        return Estimate.of(curves.mean(axis=-1))

    def _validation(self, networks: Networks) -> float:
        """The validation score of networks: higher is better."""
        grid = self.results.grids[networks.name]
        scores = validation_scores(grid, self.index, higher=self._higher)
        return float(scores[networks.choice])

    @property
    def _higher(self) -> bool:
        return self.results.plan.task.output.metric.higher


def _finite(scores: Floats) -> Floats:
    # Rows have null for both NaN and infinity, so that results read from them would differ.
    return np.where(np.isfinite(scores), scores, np.nan)
