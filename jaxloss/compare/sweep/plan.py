"""The plan of a run: a task, a lineup, levels of noise, and what is searched and repeated."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from jaxloss.compare.sweep.contenders import Lineup
from jaxloss.compare.sweep.halving import FINE_ROUNDS, ROUNDS
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


Candidate = tuple[str, Point]  # the name of a contender, and a point of its space


class Arm(NamedTuple):
    """What is tuned by itself, at a level of noise: of all its candidates one is chosen.

    Attributes:
        noise: The level of noise.
        spaces: The space that is searched of each contender, by name.
        start: The candidates that are tried at first.
        compared: Whether even a single candidate is scored.
    """

    noise: float
    spaces: Mapping[str, Space]
    start: tuple[Candidate, ...]
    compared: bool = False

    def outward(self, best: Candidate) -> Iterator[Candidate]:
        """Yield the candidates a step further out, where the best lies at an end."""
        name, point = best
        yield from ((name, each) for each in self.spaces[name].outward(point))


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
        candidates: Where the best of all contenders is searched for and tested beside the
            reference alone, so many candidates are tried of a contender for each number that is
            tuned of it; None where every contender is tuned and tested.
    """

    task: Task
    lineup: Lineup
    noise: tuple[float, ...]
    rates: tuple[float, ...]
    epochs: int
    seeds: int | None = None
    at_once: int | None = None
    candidates: int | None = None

    @property
    def arms(self) -> Iterator[Arm]:
        """Yield all that is tuned by itself. The replicate has the choice of the reference."""
        reference, control = self.lineup.reference, self.lineup.control
        fine = self.candidates is not None
        tuned = [contender for contender in self.lineup.contenders if not contender.replicate]
        spaces = {each.name: each.space(self.rates, fine=fine) for each in tuned}
        for noise in self.noise:
            if self.candidates is not None:
                samples = {n: s.sample(self.candidates * s.tuned) for n, s in spaces.items()}
                pool = tuple((name, point) for name, some in samples.items() for point in some)
                alone = {reference: spaces[reference]}
                yield Arm(noise, alone, tuple(each for each in pool if each[0] == reference))
                yield Arm(noise, spaces, pool)
                continue
            for name, space in spaces.items():
                # Verdicts on temperature need each temperature at its own best rate.
                for each in space.fixed() if name == control else [space]:
                    start = tuple((name, point) for point in each.start)
                    compared = control is not None and name in {reference, control}
                    yield Arm(noise, {name: each}, start, compared)

    @property
    def rounds(self) -> Sequence[int]:
        """The number of tuning seeds in each round of a search."""
        return ROUNDS if self.candidates is None else FINE_ROUNDS

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
            "candidates": self.candidates,
        }
