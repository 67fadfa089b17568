"""The results of a run: its rows as arrays, and as a table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.sweep.records import Record, key

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """The metrics of one contender's networks.

    Attributes:
        validation: The task's first metric on validation data after training,
            [variant, noise, rate, seed].
        test: The task's first metric on clean test data after each epoch,
            [variant, noise, rate, seed, epoch].
        measures: Every metric on clean test data after training, by name,
            [variant, noise, rate, seed].
    """

    validation: Floats
    test: Floats
    measures: dict[str, Floats]


@dataclass(frozen=True)
class Results:
    """The results of a plan.

    Attributes:
        plan: The plan.
        rows: One row per network, in the order of the plan.
        grids: The rows as arrays, for each contender by name.
    """

    plan: Plan
    rows: tuple[Record, ...]
    grids: dict[str, Grid]

    @classmethod
    def of(cls, plan: Plan, rows: Iterable[Record]) -> "Results":
        """Sort rows, which may come in any order, into the order of the plan.

        Raises:
            ValueError: A unit of the plan is missing or incomplete.
        """
        units: dict[str, list[Record]] = {}
        for row in rows:
            units.setdefault(row.unit, []).append(row)
        # Units finish in any order, and so do their rows after a resumed run.
        ordered = {
            (c.name, i): sorted(
                units.get(key(c.name, v.hyperparameters), ()), key=attrgetter("place")
            )
            for c in plan.lineup.contenders
            for i, v in enumerate(c.variants)
        }
        for (name, _), unit in ordered.items():
            if len(unit) != plan.cells:
                message = f"of {name} there are {len(unit)} rows in place of {plan.cells}"
                raise ValueError(message)
        grids = {
            c.name: _grid(plan, [ordered[c.name, i] for i in range(len(c.variants))])
            for c in plan.lineup.contenders
        }
        return cls(plan, tuple(row for unit in ordered.values() for row in unit), grids)

    def frame(self) -> pd.DataFrame:
        """The rows as a table, with the metrics after training and without the curves."""
        return pd.DataFrame([_flat(row) for row in self.rows])


def spelled(hyperparameters: Mapping[str, float]) -> str:
    """Hyper-parameters as text, to six digits."""
    return " ".join(f"{name}={value:g}" for name, value in hyperparameters.items())


def _grid(plan: Plan, units: list[list[Record]]) -> Grid:
    # The axes are those of the order in which `Record.place` sorts the rows of a unit.
    shape = (len(units), len(plan.noise), len(plan.rates), plan.seeds)
    rows = [row for unit in units for row in unit]

    def array(values: list[Any], *more: int) -> Floats:
        return np.asarray(values, np.float64).reshape(*shape, *more)

    return Grid(
        validation=array([row.validation for row in rows]),
        test=array([row.test for row in rows], plan.epochs),
        measures={
            metric.name: array([row.measures[metric.name] for row in rows])
            for metric in plan.task.output.metrics
        },
    )


def _flat(row: Record) -> dict[str, Any]:
    return {
        "loss": row.loss,
        "hyperparameters": spelled(row.hyperparameters),
        "noise": row.noise,
        "learning_rate": row.learning_rate,
        "seed": row.seed,
        "validation": row.validation,
        **{f"test_{name}": value for name, value in row.measures.items()},
    }
