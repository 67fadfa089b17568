"""The plan of a run: a task, a lineup, levels of noise, and what is searched and repeated."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from jaxloss.compare.sweep.contenders import Contender, Lineup
from jaxloss.compare.sweep.space import Point, Space
from jaxloss.compare.tasks.task import Task

# A test of fewer is more luck than test, and no clock makes it one.
LEAST_SEEDS = 8


class Phase(Enum):
    """The two phases of a run, which share no seeds: what is chosen by luck fails in the second."""

    TUNING = "tuning"
    TEST = "test"


class Network(NamedTuple):
    """What identifies a trained network within its run."""

    phase: Phase
    loss: str
    noise: float
    point: Point
    seed: int


class Arm(NamedTuple):
    """What is tuned by itself: a contender, or a temperature of the control, at a level of noise.

    Attributes:
        contender: The contender.
        noise: The level of noise.
        space: The space that is searched.
    """

    contender: Contender
    noise: float
    space: Space


@dataclass(frozen=True)
class Plan:
    """What is trained: first to tune every contender, then to test what was chosen.

    Attributes:
        task: The task.
        lineup: The contenders.
        noise: Fractions of corrupted training and validation targets, ascending.
        rates: Learning rates that are tried at first, ascending.
        epochs: The number of passes over the training part.
        seeds: The number of test seeds, each with its own data, noise, weights and batches; None
            for as many as the time allows.
        at_once: How many networks are trained at the same time; None for the usual number.
    """

    task: Task
    lineup: Lineup
    noise: tuple[float, ...]
    rates: tuple[float, ...]
    epochs: int
    seeds: int | None = None
    at_once: int | None = None

    @property
    def arms(self) -> Iterator[Arm]:
        """Yield all that is tuned by itself. The replicate has the choice of the reference."""
        for contender in self.lineup.contenders:
            if contender.replicate:
                continue
            space = contender.space(self.rates)
            # Verdicts on temperature need each temperature at its own best rate.
            alone = space.fixed() if contender.name == self.lineup.control else [space]
            for noise in self.noise:
                yield from (Arm(contender, noise, each) for each in alone)

    @property
    def identity(self) -> dict[str, Any]:
        """The settings that two runs must share to give the same rows, as JSON values.

        The story is among them because it holds the checksum of a user's file. How many seeds there
        are is seen in the rows.
        """
        contenders = self.lineup.contenders
        return {
            "task": self.task.name,
            "story": self.task.story,
            "model": str(self.task.model),
            "optimizer": str(self.task.optimizer),
            "metrics": [metric.name for metric in self.task.output.metrics],
            "reference": self.lineup.reference,
            "contenders": [contender.name for contender in contenders],
            "ranges": [
                {axis.name: list(axis.values) for axis in contender.expression.axes}
                for contender in contenders
            ],
            "noise": list(self.noise),
            "rates": list(self.rates),
            "epochs": self.epochs,
        }
