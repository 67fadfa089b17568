"""What is to be trained: a task, those who take part, and the grid of seeds, noise and rates."""

from dataclasses import dataclass
from typing import Any

from jaxloss.compare.sweep.contenders import Contender, Lineup
from jaxloss.compare.sweep.expression import Variant
from jaxloss.compare.tasks.task import Task

# What is trained, and written, in one piece: all networks of one objective.
Unit = tuple[Contender, Variant]


@dataclass(frozen=True)
class Plan:
    """The grid that every contender is trained on.

    Attributes:
        task: What is trained on, and how success is measured.
        field: Who takes part.
        seeds: How many repetitions, each with its own data, noise, start and order.
        noise: Fractions of the training and validation targets that are noise, ascending.
        rates: Learning rates of Adam, ascending.
        epochs: Passes over the training part.
    """

    task: Task
    lineup: Lineup
    seeds: int
    noise: tuple[float, ...]
    rates: tuple[float, ...]
    epochs: int

    @property
    def units(self) -> list[Unit]:
        """Every contender with each of its variants, in the order of the lineup."""
        return [(c, variant) for c in self.lineup.contenders for variant in c.variants]

    @property
    def cells(self) -> int:
        """How many networks a unit has."""
        return self.seeds * len(self.noise) * len(self.rates)

    @property
    def networks(self) -> int:
        """How many are trained."""
        return len(self.units) * self.cells

    @property
    def identity(self) -> dict[str, Any]:
        """What must be equal for two runs to give the same results, as it is written to JSON."""
        return {
            "task": self.task.name,
            "story": self.task.story,
            "reference": self.lineup.reference,
            "contenders": [contender.name for contender in self.lineup.contenders],
            "variants": [dict(variant.hyperparameters) for _, variant in self.units],
            "seeds": self.seeds,
            "noise": list(self.noise),
            "rates": list(self.rates),
            "epochs": self.epochs,
        }
