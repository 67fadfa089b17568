"""The results at one level of noise, with the choices that validation data make there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxloss.compare.statistics.choice import Choice, choose, choose_each, validation_scores
from jaxloss.compare.statistics.estimates import Comparison, Estimate, Floats
from jaxloss.compare.sweep.results import Results


class Opponent(NamedTuple):
    """The other side of a comparison: a contender's networks of one variant and learning rate."""

    name: str
    choice: Choice


@dataclass(frozen=True)
class NoiseLevel:
    """The results at a level of noise, restricted to the chosen networks.

    Attributes:
        results: The results of the run.
        index: The index of the level.
        choices: The variant and rate of each contender; the replicate has those of the reference.
    """

    results: Results
    index: int
    choices: Mapping[str, Choice]

    @classmethod
    def of(cls, results: Results, index: int) -> "NoiseLevel":
        """Select a variant and rate for each contender at the level with this index."""
        lineup, higher = results.plan.lineup, results.plan.task.output.metric.higher
        choices = {n: choose(grid, index, higher=higher) for n, grid in results.grids.items()}
        # Were the replicate tuned by itself, its difference to the reference might be one of rates.
        return cls(results, index, {**choices, lineup.replicate: choices[lineup.reference]})

    def curves(self, loss: str, choice: Choice | None = None) -> Floats:
        """The metric on test data, [seed, epoch], at the contender's choice unless one is given.

        Infinite values are NaN, as in rows that were read from a file.
        """
        variant, rate = choice or self.choices[loss]
        curves = self.results.grids[loss].test[variant, self.index, rate]
        # Rows have null for both NaN and infinity, so that results read from them would differ.
        return np.where(np.isfinite(curves), curves, np.nan)

    def score(self, loss: str) -> Estimate:
        """The metric on test data after training."""
        return self._estimate(self.curves(loss)[:, -1])

    def speed(self, loss: str) -> Estimate:
        """The mean over epochs of the metric on test data."""
        return self._estimate(self.curves(loss).mean(axis=-1))

    def measures(self, loss: str) -> dict[str, Estimate]:
        """All metrics on test data after training, by name."""
        variant, rate = self.choices[loss]
        by_name = self.results.grids[loss].measures
        return {m: self._estimate(x[variant, self.index, rate]) for m, x in by_name.items()}

    def chosen(self, loss: str) -> Opponent:
        """A contender at its choice, as an opponent."""
        return Opponent(loss, self.choices[loss])

    def compared(self, loss: str, opponent: Opponent, alpha: float) -> Comparison:
        """The paired comparison with an opponent, at level alpha."""
        return Comparison.of(
            (self.curves(loss)[:, -1], self.curves(*opponent)[:, -1]),
            overlap=self.results.plan.task.overlap,
            level=alpha,
            higher=self.results.plan.task.output.metric.higher,
        )

    @property
    def worst(self) -> Opponent | None:
        """The reference at the temperature, 1 included, with the worst validation score.

        Each temperature has its own best rate, and failed ones are left out. None without a
        control.
        """
        if self.results.plan.lineup.control is None:
            return None
        reference = self.chosen(self.results.plan.lineup.reference)
        # A failed temperature, of score -inf, would always be the worst.
        known = [
            x for x in (reference, *self._temperatures) if self._validation_score(x) > -math.inf
        ]
        return min(known, key=self._validation_score, default=reference)

    @property
    def temperature_range(self) -> tuple[float, float] | None:
        """The least and greatest mean difference that a temperature makes to the reference.

        The range includes 0. Each temperature has its own best rate, and failed ones are left out.
        None without a control.
        """
        lineup = self.results.plan.lineup
        if lineup.control is None:
            return None
        ours = np.stack([self.curves(*each)[:, -1].mean() for each in self._temperatures])
        means = ours - self.curves(lineup.reference)[:, -1].mean()
        known = [0.0, *means[np.isfinite(means)].tolist()]
        return min(known), max(known)

    @property
    def _temperatures(self) -> list[Opponent]:
        """The reference at each of its other temperatures, with the best rate of each."""
        control = self.results.plan.lineup.control
        if control is None:
            return []
        higher = self.results.plan.task.output.metric.higher
        each = choose_each(self.results.grids[control], self.index, higher=higher)
        return [Opponent(control, choice) for choice in each]

    def _validation_score(self, opponent: Opponent) -> float:
        """The validation score of an opponent: higher is better."""
        grid, higher = (
            self.results.grids[opponent.name],
            self.results.plan.task.output.metric.higher,
        )
        return float(validation_scores(grid, self.index, higher=higher)[opponent.choice])

    def _estimate(self, sample: Floats) -> Estimate:
        return Estimate.of(sample, self.results.plan.task.overlap)
