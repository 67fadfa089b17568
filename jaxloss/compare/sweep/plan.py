"""The plan of a run: a task, a lineup, and the grid of seeds, noise levels and learning rates."""

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
        task: The task.
        lineup: The contenders.
        seeds: The number of repetitions, each with its own data, noise, weights and batches.
        noise: Fractions of corrupted training and validation targets, ascending.
        rates: Learning rates, ascending.
        epochs: The number of passes over the training part.
        at_once: How many networks are trained at the same time; None for as many as memory holds.
    """

    task: Task
    lineup: Lineup
    seeds: int
    noise: tuple[float, ...]
    rates: tuple[float, ...]
    epochs: int
    at_once: int | None = None

    @property
    def units(self) -> list[Unit]:
        """Every contender with each of its variants, in the order of the lineup."""
        return [(c, variant) for c in self.lineup.contenders for variant in c.variants]

    @property
    def cells(self) -> int:
        """The number of networks of one unit."""
        return self.seeds * self.networks_per_seed

    @property
    def networks_per_seed(self) -> int:
        """The number of networks of one unit and seed."""
        return len(self.noise) * len(self.rates)

    @property
    def networks(self) -> int:
        """The number of networks of the whole plan."""
        return len(self.units) * self.cells

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that two runs must share to give the same results, as JSON values.

        The story is among them because it holds the checksum of a user's file.
        """
        return {
            "task": self.task.name,
            "story": self.task.story,
            "model": str(self.task.model),
            "optimizer": str(self.task.optimizer),
            "metrics": [metric.name for metric in self.task.output.metrics],
            "reference": self.lineup.reference,
            "contenders": [contender.name for contender in self.lineup.contenders],
            "variants": [dict(variant.hyperparameters) for _, variant in self.units],
            "seeds": self.seeds,
            "noise": list(self.noise),
            "rates": list(self.rates),
            "epochs": self.epochs,
        }
