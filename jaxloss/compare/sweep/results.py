"""The results of a run: its rows, what was chosen by those of tuning, and how that was tested."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import jaxloss as jl
from jaxloss.compare.sweep.plan import Phase, Plan
from jaxloss.compare.sweep.records import Record
from jaxloss.compare.sweep.space import Point
from jaxloss.compare.sweep.tuning import Tuned, tests, tune

Floats = NDArray[np.float64]
_Setting = tuple[str, float, Point]  # a contender, a level of noise, and where it was trained


@dataclass(frozen=True)
class Chosen:
    """The networks of what was chosen for a contender at a level of noise, on fresh seeds.

    Attributes:
        hyperparameters: The chosen hyper-parameters.
        rate: The chosen learning rate.
        measures: Every metric on clean test data after training, by name, [seed].
        curves: The task's first metric on clean test data after each epoch, [seed, epoch].
        at_edge: The names of what was chosen at an end of the values tried.
        validation: The validation score by which it was chosen, where higher is better.
    """

    hyperparameters: Mapping[str, float]
    rate: float
    measures: Mapping[str, Floats]
    curves: Floats
    at_edge: tuple[str, ...] = ()
    validation: float = 0.0


@dataclass(frozen=True)
class Tried:
    """The networks of a contender at one point of its space, on the seeds of tuning.

    Attributes:
        hyperparameters: The hyper-parameters.
        rate: The learning rate.
        validation: The task's first metric on validation data, by seed.
        test: The same on clean test data, by seed.
    """

    hyperparameters: Mapping[str, float]
    rate: float
    validation: Mapping[int, float]
    test: Mapping[int, float]


@dataclass(frozen=True)
class Results:
    """The results of a plan.

    Attributes:
        plan: The plan.
        rows: One row per network, first those of tuning, in the order of the plan.
        tested: What was chosen for each contender but the control, by name and the index of the
            level of noise.
        temperatures: The control at each of its temperatures, by the index of the level of noise.
    """

    plan: Plan
    rows: tuple[Record, ...]
    tested: Mapping[tuple[str, int], Chosen]
    temperatures: Mapping[int, Sequence[Chosen]]

    @classmethod
    def of(cls, plan: Plan, rows: Iterable[Record]) -> "Results":
        """Sort rows, which may come in any order, into the order of the plan.

        Raises:
            ValueError: Networks that test what was chosen are missing.
        """
        ordered = _ordered(plan, rows)
        networks = _tests(ordered)
        seeds = plan.seeds or max(map(len, networks.values()), default=0)
        tested: dict[tuple[str, int], Chosen] = {}
        temperatures: dict[int, list[Chosen]] = {}
        for name, tuned in tests(plan, tune(plan, ordered)):
            noise = tuned.arm.noise
            level, known = plan.noise.index(noise), networks.get((name, noise, tuned.point), [])
            if len(known) != seeds or not known:
                message = f"of {name} there are {len(known)} test seeds in place of {seeds}"
                raise ValueError(f"{message} at noise {noise:g}")
            if name == plan.lineup.control:
                temperatures.setdefault(level, []).append(_tested(tuned, known))
            else:
                tested[name, level] = _tested(tuned, known)
        return cls(plan, tuple(ordered), tested, temperatures)

    @property
    def seeds(self) -> int:
        """The number of test seeds."""
        return len(next(iter(self.tested.values())).curves)

    def is_tested(self, loss: str, level: int) -> bool:
        """Whether a contender was tested at the level with this index."""
        return (loss, level) in self.tested or loss == self.plan.lineup.control

    def chosen(self, loss: str, level: int) -> Chosen:
        """What was chosen for a contender at the level with this index."""
        if loss == self.plan.lineup.control:
            # The first of equals: `max` of an ordered sequence.
            return max(self.temperatures[level], key=lambda tested: tested.validation)
        return self.tested[loss, level]

    def objective(self, loss: str, level: int) -> jl.Objective:
        """The chosen objective of a contender at the level with this index."""
        tested = self.chosen(loss, level)
        return self.plan.lineup[loss].objective((*tested.hyperparameters.values(), tested.rate))

    def tried(self, loss: str, level: int) -> list[Tried]:
        """All that was tried of a contender at the level with this index, in the plan's order."""
        return self._tried.get((loss, self.plan.noise[level]), [])

    def frame(self) -> pd.DataFrame:
        """The rows as a table, with the metrics after training and without the curves."""
        return pd.DataFrame([_flat(row) for row in self.rows])

    @cached_property
    def _tried(self) -> dict[tuple[str, float], list[Tried]]:
        points: dict[_Setting, list[Record]] = {}
        for row in self.rows:
            if row.phase is Phase.TUNING:
                points.setdefault((row.loss, row.noise, row.point), []).append(row)
        tried: dict[tuple[str, float], list[Tried]] = {}
        for (loss, noise, _), rows in points.items():
            each = Tried(
                rows[0].hyperparameters,
                rows[0].learning_rate,
                {row.seed: row.validation for row in rows},
                {row.seed: row.test[-1] for row in rows},
            )
            tried.setdefault((loss, noise), []).append(each)
        return tried


def spelled(hyperparameters: Mapping[str, float]) -> str:
    """Hyper-parameters as text, to six digits."""
    return " ".join(f"{name}={value:g}" for name, value in hyperparameters.items())


def _ordered(plan: Plan, rows: Iterable[Record]) -> list[Record]:
    """Rows in the order of the phases, contenders, levels of noise, points and seeds."""
    places = {contender.name: place for place, contender in enumerate(plan.lineup.contenders)}
    phases = list(Phase)
    return sorted(
        rows,
        key=lambda r: (phases.index(r.phase), places[r.loss], r.noise, r.point, r.seed),
    )


def _tests(ordered: Iterable[Record]) -> dict[_Setting, list[Record]]:
    """The rows of tests of each setting, by seed."""
    tests: dict[_Setting, list[Record]] = {}
    for row in ordered:
        if row.phase is Phase.TEST:
            tests.setdefault((row.loss, row.noise, row.point), []).append(row)
    return tests


def _tested(tuned: Tuned, rows: Sequence[Record]) -> Chosen:
    return Chosen(
        hyperparameters=rows[0].hyperparameters,
        rate=rows[0].learning_rate,
        measures={name: np.asarray([r.measures[name] for r in rows]) for name in rows[0].measures},
        curves=np.asarray([row.test for row in rows], np.float64),
        at_edge=tuned.at_edge,
        validation=tuned.score,
    )


def _flat(row: Record) -> dict[str, Any]:
    return {
        "phase": row.phase.value,
        "loss": row.loss,
        "hyperparameters": spelled(row.hyperparameters),
        "noise": row.noise,
        "learning_rate": row.learning_rate,
        "seed": row.seed,
        "validation": row.validation,
        **{f"test_{name}": value for name, value in row.measures.items()},
    }
