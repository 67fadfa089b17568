"""One level of noise: every contender's networks at what was chosen for it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jaxloss.compare.statistics.choice import Choice, choose, choose_each
from jaxloss.compare.statistics.estimates import Comparison, Estimate, Floats, grain
from jaxloss.compare.sweep.results import Results


@dataclass(frozen=True)
class Level:
    """The networks of a level of noise that were chosen on validation data.

    Attributes:
        results: The run.
        index: Of the level.
        choices: The variant and rate of each contender; the echo has those of the reference.
    """

    results: Results
    index: int
    choices: Mapping[str, Choice]

    @classmethod
    def of(cls, results: Results, index: int) -> "Level":
        """The choices that validation data make at a level, by its index."""
        field, higher = results.plan.field, results.plan.task.output.metric.higher
        found = {n: choose(grid, index, higher=higher) for n, grid in results.grids.items()}
        return cls(results, index, {**found, field.echo: found[field.reference]})

    def curves(self, loss: str, choice: Choice | None = None) -> Floats:
        """The metric on test data, [seed, epoch], at the contender's choice unless one is given.

        NaN where it is not finite, as rows are that were read back.
        """
        variant, rate = choice or self.choices[loss]
        curves = self.results.grids[loss].test[variant, self.index, rate]
        return np.where(np.isfinite(curves), curves, np.nan)

    def score(self, loss: str) -> Estimate:
        """The metric after training."""
        return self._estimate(self.curves(loss)[:, -1])

    def speed(self, loss: str) -> Estimate:
        """Its mean over epochs."""
        return self._estimate(self.curves(loss).mean(axis=-1))

    def measures(self, loss: str) -> dict[str, Estimate]:
        """All metrics after training."""
        variant, rate = self.choices[loss]
        found = self.results.grids[loss].measures
        return {m: self._estimate(x[variant, self.index, rate]) for m, x in found.items()}

    def compared(self, loss: str, opponent: str, alpha: float) -> Comparison:
        """The paired comparison of two contenders at this level of the test."""
        return Comparison.of(
            (self.curves(loss)[:, -1], self.curves(opponent)[:, -1]),
            overlap=self.results.plan.task.overlap,
            level=alpha,
            higher=self.results.plan.task.output.metric.higher,
        )

    @property
    def reach(self) -> tuple[float, float] | None:
        """The least and greatest mean difference to the reference of its other temperatures, and 0.

        Each temperature has its own best rate; one that failed says nothing. None without a
        control.
        """
        plan = self.results.plan
        if plan.field.control is None:
            return None
        name, higher = plan.field.control, plan.task.output.metric.higher
        grid = self.results.grids[name]
        each = [self.curves(name, c) for c in choose_each(grid, self.index, higher=higher)]
        ours = np.stack(each)[..., -1].mean(axis=-1)
        means = ours - self.curves(plan.field.reference)[:, -1].mean()
        known = [0.0, *means[np.isfinite(means)].tolist()]
        return min(known), max(known)

    def within_temperature(self, loss: str) -> bool:
        """Whether temperature alone makes differences to the reference as great as this one's."""
        if self.reach is None or not self.results.plan.field[loss].tempered:
            return False
        low, high = self.reach
        ours = self.curves(loss)[:, -1]
        reference = self.curves(self.results.plan.field.reference)[:, -1]
        slack = grain(ours, reference)
        return bool(low - slack <= ours.mean() - reference.mean() <= high + slack)

    def _estimate(self, sample: Floats) -> Estimate:
        return Estimate.of(sample, self.results.plan.task.overlap)
