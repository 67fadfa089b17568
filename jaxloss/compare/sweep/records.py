"""The stored rows: one per trained network, from which everything else is computed."""

import json
import math
import os
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from jaxloss.compare.sweep.plan import Network, Phase, Plan
from jaxloss.compare.sweep.space import Point
from jaxloss.compare.sweep.training import Measured
from jaxloss.files import write

_DIGITS = 7  # of a number of single precision


@dataclass(frozen=True)
class Record:
    """The row of one trained network.

    Attributes:
        phase: The phase of the run.
        loss: The name of the contender.
        hyperparameters: Its tuned hyper-parameters.
        noise: The fraction of corrupted training and validation targets.
        learning_rate: The learning rate.
        seed: The index of the repetition within its phase.
        validation: The task's first metric on validation data after training.
        test: The task's first metric on clean test data after each epoch.
        measures: All metrics on clean test data after training, by name.
    """

    phase: Phase
    loss: str
    hyperparameters: dict[str, float]
    noise: float
    learning_rate: float
    seed: int
    validation: float
    test: list[float]
    measures: dict[str, float]

    @property
    def point(self) -> Point:
        """The point of the contender's space at which it was trained."""
        return *self.hyperparameters.values(), self.learning_rate

    @property
    def network(self) -> Network:
        """What identifies the network."""
        return Network(self.phase, self.loss, self.noise, self.point, self.seed)

    def to_json(self) -> str:
        """The row as a line of JSON; numbers that are not finite are null."""
        values = {**asdict(self), "phase": self.phase.value}
        return json.dumps(_without_nan(values), allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Parse a line of JSON.

        Raises:
            ValueError: The line is no JSON, or no row.
        """
        try:
            row = dict(json.loads(line))
            row["phase"] = Phase(row["phase"])
            row["hyperparameters"] = dict(row["hyperparameters"])
            row["validation"] = _number(row["validation"])
            row["test"] = [_number(x) for x in row["test"]]
            row["measures"] = {name: _number(x) for name, x in row["measures"].items()}
            return cls(**row)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            message = f"this is no row of a run ({type(error).__name__}: {error})"
            raise ValueError(message) from error


def record(plan: Plan, network: Network, measured: Measured, lane: int) -> Record:
    """The row of the network that was trained in a lane."""
    return Record(
        phase=network.phase,
        loss=network.loss,
        hyperparameters=plan.lineup[network.loss].hyperparameters(network.point),
        noise=network.noise,
        learning_rate=network.point[-1],
        seed=network.seed,
        validation=_rounded(measured.validation[lane]),
        test=[_rounded(x) for x in measured.test[lane]],
        measures={name: _rounded(x[lane]) for name, x in measured.measures.items()},
    )


def to_jsonl(rows: Iterable[Record]) -> str:
    """Write rows as lines of JSON."""
    return "".join(row.to_json() for row in rows)


def from_jsonl(text: str) -> list[Record]:
    """Parse lines of JSON as rows."""
    return [Record.from_json(line) for line in text.splitlines()]


class Store:
    """The file of rows, to which those of networks are appended as they are finished.

    A run that is killed thus loses only the networks in progress, and `--resume` trains the rest.

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
        rows: dict[Network, Record] = {}
        # A line counts once its newline is written; what follows the last newline was cut off.
        for number, line in enumerate(self.path.read_bytes().split(b"\n")[:-1], 1):
            try:
                row = Record.from_json(line)
                self._require_planned(row, rows)
            except ValueError as error:
                message = f"{self.path}, line {number}: {error}; take out that line and go on with "
                raise ValueError(f"{message}--resume, or begin anew by --overwrite") from error
            rows[row.network] = row
        return list(rows.values())

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

    def _require_planned(self, row: Record, seen: Container[Network]) -> None:
        """Refuse a row that is not in the plan, or the second row of a network."""
        plan, names = self.plan, [contender.name for contender in self.plan.lineup.contenders]
        measured = {metric.name for metric in plan.task.output.metrics}
        if row.loss not in names or row.noise not in plan.noise or not row.learning_rate > 0:
            raise ValueError("this network is not one of the plan")
        axes = plan.lineup[row.loss].expression.axes
        if list(row.hyperparameters) != [axis.name for axis in axes]:
            raise ValueError("this network has other hyper-parameters than the plan")
        seeds = plan.rounds[-1] if row.phase is Phase.TUNING else plan.seeds
        if row.seed < 0 or (seeds is not None and row.seed >= seeds):
            raise ValueError(f"this network has the seed {row.seed}, of {seeds} that are asked for")
        if len(row.test) != plan.epochs or set(row.measures) != measured:
            raise ValueError("this network was measured otherwise than the plan asks for")
        if row.network in seen:
            raise ValueError("this network has a row already")


def _rounded(x: float) -> float:
    """Round to the seven digits of single precision: more would be noise in the file."""
    # By way of decimal text: rounding by arithmetic leaves binary digits that print in full.
    return float(f"{x:.{_DIGITS}g}")


def _number(x: float | None) -> float:
    return math.nan if x is None else float(x)


def _without_nan(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _without_nan(value) for name, value in x.items()}
    if isinstance(x, list):
        return [_without_nan(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
