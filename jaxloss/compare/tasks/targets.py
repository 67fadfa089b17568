"""The target in a table of one's own: classes, or real numbers, and which rows have it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxloss.compare.tasks.columns import as_numbers
from jaxloss.compare.tasks.reading import listed

MIN_ROWS = 10
MIN_PER_CLASS = 5
MAX_CLASSES = 100

_MAX_INTEGER_CLASSES = 20
_MIN_VARIATION = 0.05


@dataclass(frozen=True)
class Target:
    """What is to be predicted, for the rows that have it.

    Attributes:
        values: Labels from 0 as int32, or real numbers.
        rows: Which rows of the table these are.
        names: What the labels stand for; none for real numbers.
        notes: Sentences on rows that were left out.
    """

    values: NDArray[Any]
    rows: NDArray[np.intp]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def recognise_target(column: "pd.Series[Any]", name: str, most: int) -> Target:
    """What a column asks for.

    Text and truth values are classes. So are whole numbers if there are two, or if there are at
    most 20 and each occurs five times. All others are real numbers.

    Args:
        column: An entry for each row.
        name: What it is called.
        most: How many rows a seed uses at most; a class rarer than 5 among them is left out.

    Raises:
        ValueError: It is missing or the same almost everywhere, of dates, or of too many classes.
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
    if _real(present, counts):
        _require_variety(name, counts)
        return Target(present.to_numpy(np.float64), rows, (), notes)
    return _labelled(present, rows, name, most, notes)


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
    """The labels of all rows whose class is frequent enough for every part to have it."""
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
        rare = f"whose class is too rare: {listed(_names(counts.index[~enough]))}."
        notes = (*notes, f"{_counted(int((~kept).sum()))} left out {rare}")
    order = counts.index[enough].sort_values()
    values = order.get_indexer(pd.Index(present[kept])).astype(np.int32)
    return Target(values, rows[kept.to_numpy(bool)], tuple(_names(order)), notes)


def _counted(rows: int) -> str:
    return "1 row was" if rows == 1 else f"{rows} rows were"


def _names(values: "pd.Index[Any]") -> list[str]:
    return [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
