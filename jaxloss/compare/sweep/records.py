"""What is written: one row for each trained network, from which everything else is computed."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jaxloss.compare.sweep.contenders import Contender
from jaxloss.compare.sweep.expression import Variant
from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.sweep.training import Measured

_DIGITS = 7


@dataclass(frozen=True)
class Record:
    """One trained network.

    Attributes:
        loss: The contender's name.
        hyperparameters: Those of its hyper-parameters that are tuned.
        noise: The fraction of training and validation targets that are noise.
        learning_rate: Of Adam.
        seed: Which repetition.
        validation: The task's first metric on validation data after training.
        test: The same on clean test data after each epoch.
        measures: All metrics on clean test data after training, by name.
    """

    loss: str
    hyperparameters: dict[str, float]
    noise: float
    learning_rate: float
    seed: int
    validation: float
    test: list[float]
    measures: dict[str, float]

    @property
    def unit(self) -> str:
        """The contender and variant it belongs to."""
        return key(self.loss, self.hyperparameters)

    def line(self) -> str:
        """As a line of JSON; what is not finite is null."""
        return json.dumps(_without_nan(asdict(self)), allow_nan=False) + "\n"

    @classmethod
    def parsed(cls, line: str) -> Self:
        """From a line of JSON."""
        row = json.loads(line)
        row["validation"] = _number(row["validation"])
        row["test"] = [_number(x) for x in row["test"]]
        row["measures"] = {name: _number(x) for name, x in row["measures"].items()}
        return cls(**row)


def key(loss: str, hyperparameters: Mapping[str, float]) -> str:
    """A unit of the plan as text."""
    return json.dumps([loss, dict(hyperparameters)])


def records(
    plan: Plan, contender: Contender, variant: Variant, measured: Measured
) -> Iterator[Record]:
    """The rows of a unit, by noise, rate and seed."""
    validation, test = _rounded(measured.validation), _rounded(measured.test)
    measures = {name: _rounded(x) for name, x in measured.measures.items()}
    levels = len(plan.noise)
    for level, noise in enumerate(plan.noise):
        for index, rate in enumerate(plan.rates):
            for seed in range(plan.seeds):
                at = (seed * levels + level, index)
                yield Record(
                    loss=contender.name,
                    hyperparameters=dict(variant.hyperparameters),
                    noise=noise,
                    learning_rate=rate,
                    seed=seed,
                    validation=float(validation[at]),
                    test=test[at].tolist(),
                    measures={name: float(x[at]) for name, x in measures.items()},
                )


def written(rows: Iterable[Record]) -> str:
    """Rows as lines of JSON."""
    return "".join(row.line() for row in rows)


def parsed(text: str) -> list[Record]:
    """The rows of lines of JSON; a last line that was cut off is left out."""
    return [Record.parsed(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]


class Store:
    """The file that rows are added to as they come, a unit at a time.

    Args:
        path: The file; it need not exist.
        plan: What belongs into it.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan

    def read(self) -> list[Record]:
        """The rows of every unit that is complete; a unit that was interrupted is left out."""
        if not self.path.exists():
            return []
        units: dict[str, list[Record]] = {}
        for row in parsed(self.path.read_text(encoding="utf-8")):
            units.setdefault(row.unit, []).append(row)
        whole = [key(c.name, v.hyperparameters) for c, v in self.plan.units]
        complete = [units[name] for name in whole if len(units.get(name, ())) == self.plan.cells]
        return [row for unit in complete for row in unit]

    def append(self, rows: Iterable[Record]) -> None:
        """Add the rows of a unit, and see to it that they are on the disk."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(written(rows))
            file.flush()
            os.fsync(file.fileno())

    def replace(self, rows: Iterable[Record]) -> None:
        """Write these rows and no others, so that the file is either the old or the new one."""
        fresh = self.path.with_suffix(".tmp")
        fresh.write_text(written(rows), encoding="utf-8")
        fresh.replace(self.path)


def _rounded(x: NDArray[Any]) -> NDArray[np.float64]:
    """To the digits that single precision has, so that a row reads as it was computed."""
    text = np.char.mod(f"%.{_DIGITS}g", np.asarray(x, np.float64))
    return text.astype(np.float64)


def _number(x: float | None) -> float:
    return math.nan if x is None else x


def _without_nan(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _without_nan(value) for name, value in x.items()}
    if isinstance(x, list):
        return [_without_nan(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
