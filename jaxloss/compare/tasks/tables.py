"""A table of one's own as a task: classes or a real number, from whatever its other columns are."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.columns import MAX_CATEGORIES, Inputs, usable_columns
from jaxloss.compare.tasks.digits import JANOCHA
from jaxloss.compare.tasks.medical import MARGINS, REAL, RESIDUALS, TEMPERATURES
from jaxloss.compare.tasks.models import perceptron
from jaxloss.compare.tasks.outputs import BINARY, Output, classes
from jaxloss.compare.tasks.reading import quoted, read_table
from jaxloss.compare.tasks.targets import Target, recognise_target
from jaxloss.compare.tasks.task import Data, DataSplit, Generator, Task

# Limits on what a seed uses. The arrays of all seeds and levels of noise are in memory at once:
# eight million numbers of single precision are 32 MB each.
MAX_ROWS = 20_000
MAX_ENTRIES = 8_000_000
MAX_WIDTH = 10_000

_LARGE = 5_000  # rows from which batches are of 256 and not of 64
_MIN_STEPS = 300


@dataclass(frozen=True)
class TableSource:
    """The source of a task's data: a table, of whose rows each seed draws a sample and splits it.

    Attributes:
        inputs: The feature columns.
        target: The target column.
        size: The number of rows that a seed uses.
    """

    inputs: Inputs
    target: Target
    size: int

    def __call__(self, generator: Generator) -> Data:
        """Draw the data of a seed, stratified by classes.

        Real targets are standardised by the training part.
        """
        rows, splits = generator.spawn(2)
        chosen = self._chosen(rows)
        index = DataSplit(
            *[chosen[part] for part in sampling.split(self.size, splits, self._of(chosen))]
        )
        targets = DataSplit(*[self.target.values[part] for part in index])
        return Data(
            inputs=self.inputs.prepared(index),
            targets=targets if self.target.names else sampling.standardised(targets),
            eligible=np.arange(len(index.training)),
        )

    def _chosen(self, generator: Generator) -> NDArray[np.intp]:
        """Draw the rows that a seed uses."""
        every = np.arange(len(self.target.values))
        if self.size == len(every):
            return every
        # scikit-learn takes the legacy generator only.
        state = np.random.RandomState(generator.integers(2**31))
        chosen: NDArray[np.intp] = train_test_split(
            every, train_size=self.size, stratify=self._of(every), random_state=state
        )[0]
        return chosen

    def _of(self, rows: NDArray[np.intp]) -> NDArray[Any] | None:
        """The classes of rows, by which splits are stratified; None for real targets."""
        return self.target.values[rows] if self.target.names else None


@dataclass(frozen=True)
class _Kind:
    """The settings of a task that depend on its target: two classes, several, or real numbers."""

    output: Output
    noise: str
    corrupt: Callable[[NDArray[Any], float, Generator], NDArray[Any]]
    reference: str
    contenders: tuple[str, ...]
    worst: float
    control: str | None = None

    @classmethod
    def of(cls, target: Target) -> "_Kind":
        if not target.names:
            return cls(
                REAL, "gross outliers", sampling.contaminated, "squared_error", RESIDUALS, 0.3
            )
        noise, change = "wrong labels", sampling.flipped
        if len(target.names) == 2:
            return cls(BINARY, noise, change, "cross_entropy", MARGINS, 0.3, TEMPERATURES)
        several = classes(len(target.names))
        return cls(several, noise, change, "cross_entropy", JANOCHA, 0.4, TEMPERATURES)


def table(path: Path, target: str | None = None) -> Task:
    """Make a task of a CSV or NPZ file: predict one column or array from all others.

    Args:
        path: The file. A CSV file is in UTF-8, with names in its first line; in an NPZ file all
            arrays are as long as the target, and all axes but the first are flattened.
        target: The name of the column or array.

    Raises:
        ValueError: The file cannot be read, or has no such target; the target is missing or
            constant almost everywhere, or has too many classes; no feature column is usable.
    """
    frame, name = read_table(Path(path), target)
    column = frame.pop(name)
    most = min(MAX_ROWS, MAX_ENTRIES // max(_widest(frame), 1))
    recognised = recognise_target(column, name, most)
    inputs, notes = usable_columns(frame.iloc[recognised.rows])
    _require_usable(inputs, name, notes)
    source = TableSource(inputs, recognised, min(most, len(recognised.rows)))
    kind = _Kind.of(recognised)
    sentences = [_question(source, name, Path(path)), _division(source), *recognised.notes, *notes]
    # Larger batches for larger tables, whose steps would otherwise grow in number with the rows.
    batch = 64 if source.size < _LARGE else 256
    return Task(
        name=Path(path).name,
        title=f"{name} of {Path(path).name}",
        story=" ".join(sentences),
        noise=kind.noise,
        draw=source,
        corrupt=kind.corrupt,
        model=perceptron(kind.output.shape),
        output=kind.output,
        reference=kind.reference,
        contenders=kind.contenders,
        control=kind.control,
        levels=(0.0, kind.worst),
        # A test part is a third of a training part, and seeds that sample rows share fewer of them.
        overlap=source.size / len(recognised.rows) / 3,
        batch=batch,
        epochs=_epochs(source.size * 3 // 5, batch),
    )


def _epochs(examples: int, batch: int) -> int:
    """The number of epochs, from 10 to 100, that makes at least 300 steps if possible."""
    steps = max(examples // batch, 1)
    return min(max(math.ceil(_MIN_STEPS / steps), 10), 100)


def _widest(frame: pd.DataFrame) -> int:
    """An upper bound on the number of inputs per row after encoding."""
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in frame.dtypes]
    # A numeric column may get an indicator of missing entries, a text column those of `columns`.
    return sum(2 if number else MAX_CATEGORIES + 2 for number in numeric)


def _require_usable(inputs: Inputs, name: str, notes: list[str]) -> None:
    if inputs.width == 0:
        message = " ".join([f"no column is left to predict {name!r} from.", *notes])
        raise ValueError(message)
    if inputs.width > MAX_WIDTH:
        message = f"{inputs.width} inputs are too many, at most {MAX_WIDTH} can be had"
        raise ValueError(message)


def _question(source: TableSource, name: str, path: Path) -> str:
    """A sentence on target and features, and for real targets on the unit of errors."""
    names, values = source.target.names, source.target.values
    with path.open("rb") as file:
        # The report, and `--resume`, thereby know the data and not only the name of their file.
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    columns = source.inputs.values.shape[1]
    origin = f"from {columns} other column{'s' * (columns > 1)} of {path.name} (SHA-256 {digest}…)"
    if names:
        kinds = f"{len(names)} classes ({quoted(names)})"
        return f"Which of {kinds} {name!r} is, {origin}."
    return (
        f"The number {name!r}, {origin}. Errors are in deviations of the targets trained on; over "
        f"all rows a deviation is {values.std():.4g}."
    )


def _division(source: TableSource) -> str:
    """A sentence on the number of rows, and how a seed splits them."""
    total = len(source.target.values)
    fifths = "trains on three fifths, validates on one fifth and tests on one fifth"
    if source.size == total:
        return f"Of {total} rows each seed {fifths}."
    fairly = ", in the proportions of the classes" if source.target.names else ""
    return f"Of {total} rows each seed draws {source.size}{fairly}; of these it {fifths}."
