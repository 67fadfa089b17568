"""The target column of a user's table: whether it holds classes or real numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxloss.compare.tasks.columns import as_numbers
from jaxloss.compare.tasks.reading import quoted

CLASSES, NUMBERS, COUNTS = KINDS = "classes", "numbers", "counts"
MIN_ROWS = 10
MIN_PER_CLASS = 5  # three to train on, one to validate and one to test
MAX_CLASSES = 100

# Whole numbers of more distinct values are counts or measurements: errors of 1 and of 50 differ.
_MAX_INTEGER_CLASSES = 20
# Where fewer than one row in twenty differs from the commonest value, the median error, which ranks
# regression losses, is 0 for whoever predicts that value.
_MIN_VARIATION = 0.05


@dataclass(frozen=True)
class Target:
    """The target of the usable rows.

    Attributes:
        values: Labels from 0 as int32, or real numbers.
        rows: The indices of the usable rows in the table.
        names: The names of the classes; none for numbers.
        notes: Sentences on rows that were left out.
        kind: "classes", "numbers" or "counts".
    """

    values: NDArray[Any]
    rows: NDArray[np.intp]
    names: tuple[str, ...]
    notes: tuple[str, ...]
    kind: str


def recognise_target(
    column: "pd.Series[Any]", name: str, most: int, kind: str | None = None
) -> Target:
    """Recognise a column as classes or as real numbers, or take it as what it is said to be.

    Text and booleans are classes. So are whole numbers if there are two, or if there are at
    most 20 and each occurs five times. All others are real numbers.

    Args:
        column: The target of each row.
        name: The name of the column, for messages.
        most: The most rows that a seed uses; a class rarer than 5 among them is left out.
        kind: "classes", "numbers" or "counts"; by default recognised.

    Raises:
        ValueError: The column is missing or constant almost everywhere, holds dates, has too many
            classes, or is not of the kind.
    """
    truth = pd.api.types.is_bool_dtype(column)
    plain, _ = as_numbers(column.astype("string") if truth else column)
    if pd.api.types.is_datetime64_any_dtype(plain):
        message = f"the target {name!r} is dates or times; classes or numbers are needed"
        raise ValueError(message)
    rows = np.flatnonzero(plain.notna())
    if len(rows) < MIN_ROWS:
        message = f"{len(rows)} of {len(plain)} rows have a target in {name!r}"
        raise ValueError(f"{message}; at least {MIN_ROWS} are needed")
    without = len(plain) - len(rows)
    notes = (f"{_counted(without)} left out for want of a target.",) if without else ()
    present = plain.iloc[rows]
    counts = present.value_counts()
    if len(counts) == 1:
        message = f"the target {name!r} is the same in all rows: {counts.index[0]}"
        raise ValueError(message)
    kind = kind or (NUMBERS if _real(present, counts) else CLASSES)
    if kind == CLASSES:
        return _labelled(present, rows, name, most, notes)
    if not pd.api.types.is_numeric_dtype(present):
        message = f"the target {name!r} holds {present.iloc[0]!r}; {kind} are to be numbers"
        raise ValueError(message)
    numbers = present.to_numpy(np.float64)
    if kind == NUMBERS:
        _require_variety(name, counts)
    else:
        require_counts(f"the target {name!r}", numbers)
    return Target(numbers, rows, (), notes, kind)


def require_counts(name: str, numbers: NDArray[Any]) -> None:
    """Refuse numbers that count nothing.

    Raises:
        ValueError: One is negative or no whole number, or all are 0.
    """
    wrong = numbers[(numbers < 0) | (numbers % 1 != 0)]
    if wrong.size or not numbers.any():
        held = f"{wrong.flat[0]:g}" if wrong.size else "nothing but 0"
        raise ValueError(f"{name} holds {held}; counts are whole numbers >= 0, and not all are 0")


def _real(present: "pd.Series[Any]", counts: "pd.Series[int]") -> bool:
    if not pd.api.types.is_numeric_dtype(present):
        return False
    whole = bool((present % 1 == 0).all())
    several = len(counts) == 2 or (
        len(counts) <= _MAX_INTEGER_CLASSES and counts.min() >= MIN_PER_CLASS
    )
    return not (whole and several)


def _require_variety(name: str, counts: "pd.Series[int]") -> None:
    most, total = int(counts.iloc[0]), int(counts.sum())
    if total - most < max(_MIN_VARIATION * total, 3):
        message = f"the target {name!r} is {counts.index[0]:g} in {most} of {total} rows; a number "
        raise ValueError(message + "that varies is needed")


def _labelled(
    present: "pd.Series[Any]",
    rows: NDArray[np.intp],
    name: str,
    most: int,
    notes: tuple[str, ...],
) -> Target:
    """The labels of the rows whose class is frequent enough to occur in every part of a split."""
    counts = present.value_counts()
    enough = counts >= MIN_PER_CLASS * max(len(rows) / most, 1)
    kept = present.isin(counts.index[enough])
    if not 2 <= enough.sum() <= MAX_CLASSES or kept.mean() < 0.5:
        smallest = f"{MIN_PER_CLASS} of the {min(most, len(rows))} rows that a seed uses"
        message = (
            f"the target {name!r} has {len(counts)} classes, of which {enough.sum()} have at least "
            f"{smallest}, which are {kept.sum()} of {len(rows)} rows; 2 to {MAX_CLASSES} such "
            "classes that have most rows are needed"
        )
        raise ValueError(message)
    if not enough.all():
        rare = f"whose class is too rare: {quoted(_names(counts.index[~enough]))}."
        notes = (*notes, f"{_counted(int((~kept).sum()))} left out {rare}")
    order = counts.index[enough].sort_values()
    values = order.get_indexer(pd.Index(present[kept])).astype(np.int32)
    return Target(values, rows[kept.to_numpy(bool)], tuple(_names(order)), notes, CLASSES)


def _counted(rows: int) -> str:
    return "1 row was" if rows == 1 else f"{rows} rows were"


def _names(values: "pd.Index[Any]") -> list[str]:
    return [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
