"""A table of one's own as a task: classes or a real number, from whatever its other columns are."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.columns import MAX_CATEGORIES, Inputs, usable_columns
from jaxloss.compare.tasks.kinds import Kind
from jaxloss.compare.tasks.reading import column_of, quoted, read_table, select
from jaxloss.compare.tasks.targets import COUNTS, NUMBERS, Target, recognise_target
from jaxloss.compare.tasks.task import Data, DataSplit, Generator, Task

# Limits on what a seed uses. The arrays of all seeds and levels of noise are in memory at once:
# eight million numbers of single precision are 32 MB each.
MAX_ROWS = 20_000
MAX_ENTRIES = 8_000_000
MAX_WIDTH = 10_000


@dataclass(frozen=True)
class TableSource:
    """The source of a task's data: a table, of whose rows each seed draws a sample and splits it.

    Attributes:
        inputs: The feature columns.
        target: The target column.
        size: The number of rows that a seed uses.
        groups: The group of each row, none of which is in two parts; None without groups.
    """

    inputs: Inputs
    target: Target
    size: int
    groups: NDArray[Any] | None = None

    def __call__(self, generator: Generator) -> Data:
        """Draw the data of a seed, stratified by classes.

        Real targets are standardised by the training part.
        """
        rows, splits = generator.spawn(2)
        chosen = self._chosen(rows)
        if self.groups is None:
            split = sampling.split(self.size, splits, self._of(chosen))
        else:
            split = sampling.split_groups(self.groups, splits)
        index = DataSplit(*[chosen[part] for part in split])
        targets = DataSplit(*[self.target.values[part] for part in index])
        return Data(
            inputs=self.inputs.prepared(index),
            targets=sampling.standardised(targets) if self.target.kind == NUMBERS else targets,
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


def table(
    data: Path | str | pd.DataFrame,
    target: str | None = None,
    groups: str | None = None,
    kind: str | None = None,
) -> Task:
    """Make a task of a table or a file of one: predict one column or array from all others.

    Args:
        data: The table, or its file: CSV or TSV in UTF-8 with names in the first line, also packed
            by gzip; Parquet; JSON lines; NPZ, whose arrays are equally long; or NPY, whose columns
            are called "0", "1", ... All axes of arrays but the first are flattened.
        target: The name of the column or array.
        groups: The name of a column: no two parts share one of its values. It is no input.
        kind: Of the target: "classes", "numbers" or "counts"; by default recognised.

    Raises:
        ValueError: The file cannot be read, or has no such target; the target is missing or
            constant almost everywhere, has too many classes or is not of the kind; no feature
            column is usable.
    """
    if isinstance(data, pd.DataFrame):
        label, whole = "a table", data
    else:
        label, whole = Path(data).name, read_table(Path(data))
    frame, name = select(whole, target, label)
    column = frame.pop(name)
    together = None if groups is None else frame.pop(column_of(frame.columns, groups, label))
    most = min(MAX_ROWS, MAX_ENTRIES // max(_widest(frame), 1))
    recognised = recognise_target(column, name, most, kind)
    inputs, notes = usable_columns(frame.iloc[recognised.rows])
    _require_usable(inputs, name, notes)
    source = TableSource(inputs, recognised, min(most, len(recognised.rows)))
    if together is not None:
        source = replace(source, groups=_groups(together.iloc[recognised.rows], source))
    origin = f"{label} ({_digest(data)})"
    apart = [f"No two parts share a value of {groups!r}."] if groups else []
    division = [_question(source, name, origin), _division(source), *apart]
    task = Kind.of(recognised.values, recognised.kind).task(
        name=label,
        title=f"{name} of {label}",
        story=" ".join([*division, *recognised.notes, *notes]),
        draw=source,
        examples=source.size * 3 // 5,
    )
    # A test part is a third of a training part, and seeds that sample rows share fewer of them.
    return replace(task, overlap=source.size / len(recognised.rows) / 3)


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


def _groups(column: "pd.Series[Any]", source: TableSource) -> NDArray[np.intp]:
    """The groups as indices; rows without one are each a group."""
    if source.size < len(column):
        message = f"{len(column)} rows with groups are too many, at most {source.size} can be had"
        raise ValueError(message)
    codes, names = pd.factorize(column)
    return np.where(codes < 0, len(names) + np.arange(len(codes)), codes)


def _digest(data: Path | str | pd.DataFrame) -> str:
    """A checksum, by which the report and `--resume` know the data and not only their name."""
    if isinstance(data, pd.DataFrame):
        content: Any = pd.util.hash_pandas_object(data, index=False).to_numpy().tobytes()
        digest = hashlib.sha256(content)
    else:
        with Path(data).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    return f"SHA-256 {digest.hexdigest()[:12]}…"


def _question(source: TableSource, name: str, origin: str) -> str:
    """A sentence on target and features, and for real targets on the unit of errors."""
    names, values = source.target.names, source.target.values
    columns = source.inputs.values.shape[1]
    origin = f"from {columns} other column{'s' * (columns > 1)} of {origin}"
    if names:
        kinds = f"{len(names)} classes ({quoted(names)})"
        return f"Which of {kinds} {name!r} is, {origin}."
    if source.target.kind == COUNTS:
        return f"The count {name!r}, {origin}, which is {values.mean():.4g} in the mean."
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
