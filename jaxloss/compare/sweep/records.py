"""The stored rows: one per trained network, from which everything else is computed."""

import functools
import json
import math
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jaxloss.compare.sweep.plan import Plan, Unit
from jaxloss.compare.sweep.training import Measured
from jaxloss.files import write

_DIGITS = 7  # of a number of single precision


@dataclass(frozen=True)
class Record:
    """The row of one trained network.

    Attributes:
        loss: The name of the contender.
        hyperparameters: Its tuned hyper-parameters.
        noise: The fraction of corrupted training and validation targets.
        learning_rate: The learning rate.
        seed: The index of the repetition.
        validation: The task's first metric on validation data after training.
        test: The task's first metric on clean test data after each epoch.
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
        """The key of the unit, a contender and a variant, that the row belongs to."""
        return key(self.loss, self.hyperparameters)

    def to_json(self) -> str:
        """The row as a line of JSON; numbers that are not finite are null."""
        return json.dumps(_without_nan(asdict(self)), allow_nan=False) + "\n"

    @property
    def place(self) -> tuple[float, float, int]:
        """The noise, learning rate and seed, which identify the network within its unit."""
        return self.noise, self.learning_rate, self.seed

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Parse a line of JSON.

        Raises:
            ValueError: The line is no JSON, or no row.
        """
        try:
            row = dict(json.loads(line))
            row["hyperparameters"] = dict(row["hyperparameters"])
            row["validation"] = _number(row["validation"])
            row["test"] = [_number(x) for x in row["test"]]
            row["measures"] = {name: _number(x) for name, x in row["measures"].items()}
            return cls(**row)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            message = f"this is no row of a run ({type(error).__name__}: {error})"
            raise ValueError(message) from error


def key(loss: str, hyperparameters: Mapping[str, float]) -> str:
    """The key of a unit of the plan, as text."""
    return json.dumps([loss, dict(hyperparameters)])


def records(plan: Plan, unit: Unit, seeds: Sequence[int], measured: Measured) -> Iterator[Record]:
    """Yield the rows of a unit for the seeds that were trained, in the order of noise and rate."""
    contender, variant = unit
    validation, test = _rounded(measured.validation), _rounded(measured.test)
    measures = {name: _rounded(x) for name, x in measured.measures.items()}
    levels, rates = enumerate(plan.noise), enumerate(plan.rates)
    for (level, noise), (column, rate), (row, seed) in product(levels, rates, enumerate(seeds)):
        at = row, level, column
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


def to_jsonl(rows: Iterable[Record]) -> str:
    """Write rows as lines of JSON."""
    return "".join(row.to_json() for row in rows)


def from_jsonl(text: str) -> list[Record]:
    """Parse lines of JSON as rows."""
    return [Record.from_json(line) for line in text.splitlines()]


class Store:
    """The file of rows, to which those of each finished unit and its seeds are appended.

    A run that is killed thus loses only the units in progress, and `--resume` trains the rest.

    Args:
        path: The file; it need not exist.
        plan: The plan whose rows it holds.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path, self.plan = path, plan

    def rows(self) -> list[Record]:
        """Read all rows of the file, without an incomplete last line.

        Raises:
            ValueError: Some other line is no row of this plan; the message names it.
        """
        if not self.path.exists():
            return []
        rows: dict[tuple[str, tuple[float, float, int]], Record] = {}
        # A line counts once its newline is written; what follows the last newline was cut off.
        for number, line in enumerate(self.path.read_bytes().split(b"\n")[:-1], 1):
            try:
                row = Record.from_json(line)
                self._require_planned(row, rows)
            except ValueError as error:
                message = f"{self.path}, line {number}: {error}; take out that line and go on with "
                raise ValueError(f"{message}--resume, or begin anew by --overwrite") from error
            rows[row.unit, row.place] = row
        return list(rows.values())

    def read(self) -> list[Record]:
        """Read the rows of units and seeds that are complete; those interrupted are left out.

        Raises:
            ValueError: A line is no row of this plan.
        """
        trained: dict[tuple[str, int], list[Record]] = {}
        for row in self.rows():
            trained.setdefault((row.unit, row.seed), []).append(row)
        whole = self.plan.networks_per_seed
        return [row for rows in trained.values() if len(rows) == whole for row in rows]

    def append(self, rows: Iterable[Record]) -> None:
        """Append rows, all or none, and wait until they are on the disk.

        Raises:
            OSError: The file cannot be written; it is as it was.
        """
        # Appending, unlike writing a new file and renaming it, does not rewrite all rows each time;
        # what a full disk leaves of them is cut off again.
        before = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("ab") as file:
                file.write(to_jsonl(rows).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                os.truncate(self.path, before)
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def replace(self, rows: Iterable[Record]) -> None:
        """Replace the whole file atomically: a reader finds the old rows or the new ones."""
        write(self.path, to_jsonl(rows))

    @functools.cached_property
    def _units(self) -> dict[str, None]:
        """The keys of the plan's units, in its order."""
        return dict.fromkeys(key(c.name, v.hyperparameters) for c, v in self.plan.units)

    def _require_planned(self, row: Record, seen: Container[tuple[str, Any]]) -> None:
        """Refuse a row that is not in the plan, or the second row of a network."""
        plan = self.plan
        at = row.noise in plan.noise, row.learning_rate in plan.rates, row.seed in range(plan.seeds)
        measured = {metric.name for metric in plan.task.output.metrics}
        if row.unit not in self._units or not all(at):
            raise ValueError("this network is not one of the plan")
        if len(row.test) != plan.epochs or set(row.measures) != measured:
            raise ValueError("this network was measured otherwise than the plan asks for")
        if (row.unit, row.place) in seen:
            raise ValueError("this network has a row already")


def _rounded(x: NDArray[Any]) -> NDArray[np.float64]:
    """Round to the seven digits of single precision: more would be noise in the file."""
    # By way of decimal text: rounding by arithmetic leaves binary digits that print in full.
    text = np.char.mod(f"%.{_DIGITS}g", np.asarray(x, np.float64))
    return text.astype(np.float64)


def _number(x: float | None) -> float:
    return math.nan if x is None else float(x)


def _without_nan(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _without_nan(value) for name, value in x.items()}
    if isinstance(x, list):
        return [_without_nan(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
