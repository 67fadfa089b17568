"""The columns of a table as numbers: which can be used, and how they are prepared for a network."""

import functools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.reading import listed
from jaxloss.compare.tasks.task import DataSplit

MAX_CATEGORIES = 20
MAX_DEVIATIONS = 10.0

_MOSTLY_NUMERIC = 0.9
_DATE = re.compile(r"\s*(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[ -]?[A-Za-z]{3,9}[ -]?\d{2,4})\b")
_TIME = re.compile(r"\s*\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([AaPp][Mm])?\s*")
_LARGEST = float(np.finfo(np.float32).max)
_NUMBERING = re.compile(
    r"column \d+|((row|record|sample)[ _]?)?(id|index|number|no|nr)", re.IGNORECASE
)


@dataclass(frozen=True)
class Inputs:
    """Columns as numbers, and what they are.

    Attributes:
        values: [row, column]; first the numbers, of which NaN are missing, then the categories
            of text, counted from 0.
        numbers: How many columns are of numbers.
        categories: How many categories each of the others has.
    """

    values: NDArray[np.float64]
    numbers: int
    categories: tuple[int, ...]

    @property
    def width(self) -> int:
        """How many numbers an example has once it is prepared."""
        return self.numbers + len(self._lacking) + sum(self.categories)

    @functools.cached_property
    def _lacking(self) -> list[int]:
        """The columns in which a number is missing."""
        return np.flatnonzero(np.isnan(self.values).any(axis=0)).tolist()

    def prepared(self, index: DataSplit) -> DataSplit:
        """The rows of each part, [example, width], as the training part suggests.

        Missing numbers are the median, and are marked in a column of their own; numbers are in
        deviations, at most 10; text has a column for each category.
        """
        parts = DataSplit(*[self.values[part] for part in index])
        encoder = self._encoder().fit(parts.training)
        encoded = DataSplit(*[encoder.transform(part) for part in parts])
        scaled = sampling.standardised(DataSplit(*[part[:, : self.numbers] for part in encoded]))
        return DataSplit(*[self._joined(*both) for both in zip(scaled, encoded, strict=True)])

    def _joined(self, scaled: NDArray[Any], encoded: NDArray[Any]) -> NDArray[np.float32]:
        near = np.clip(scaled, -MAX_DEVIATIONS, MAX_DEVIATIONS)
        return np.concatenate([near, encoded[:, self.numbers :]], axis=1).astype(np.float32)

    def _encoder(self) -> ColumnTransformer:
        """Its width does not depend on the rows that it is fitted to."""
        total = self.numbers + len(self.categories)
        known = [np.arange(float(count)) for count in self.categories]
        median = SimpleImputer(strategy="median", keep_empty_features=True)
        marks = MissingIndicator(features="all")
        one_hot = OneHotEncoder(categories=known, sparse_output=False)
        return ColumnTransformer(
            [
                ("numbers", median, list(range(self.numbers))),
                ("missing", marks, self._lacking),
                ("text", one_hot, list(range(self.numbers, total))),
            ]
        )


def usable_columns(frame: pd.DataFrame) -> tuple[Inputs, list[str]]:
    """The columns that can be used, and sentences on what was made of the others."""
    numbers: list[NDArray[np.float64]] = []
    categories: list[NDArray[np.intp]] = []
    unused: dict[str, list[str]] = defaultdict(list)
    lost: dict[str, int] = {}
    for name, column in frame.items():
        plain, lost[str(name)] = as_numbers(column)
        reason = _useless(plain, str(name))
        if reason:
            unused[reason].append(str(name))
        elif pd.api.types.is_numeric_dtype(plain):
            numbers.append(plain.to_numpy(np.float64))
        else:
            categories.append(_coded(plain))
    counts = tuple(int(codes.max()) + 1 for codes in categories)
    notes = [f"Left out, as {reason}: {listed(names)}." for reason, names in unused.items()]
    inputs = Inputs(_stacked(numbers, categories, len(frame)), len(numbers), counts)
    return inputs, missing_notes(lost) + notes


def missing_notes(lost: Mapping[str, int]) -> list[str]:
    """A sentence on entries that are no finite numbers, by column."""
    names = [name for name, count in lost.items() if count]
    total = sum(lost.values())
    return [f"Missing, as not a finite number: {total} of {listed(names)}."] if total else []


def as_numbers(column: "pd.Series[Any]") -> tuple["pd.Series[Any]", int]:
    """A column as numbers where it is of numbers, at least mostly, and as text or dates otherwise.

    Also how many of its entries are then missing because they are no number of single precision.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return column, 0
    present = int(column.notna().sum())
    numeric = pd.api.types.is_numeric_dtype(column)
    real = pd.to_numeric(column if numeric else _text(column), errors="coerce").astype(np.float64)
    if not numeric and real.notna().sum() < max(_MOSTLY_NUMERIC * present, 1):
        return _text(column), 0
    finite = real.mask(real.abs() > _LARGEST)
    return finite, present - int(finite.notna().sum())


def _text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    text = column.astype("string").str.strip()
    return text.mask(text == "")


def _useless(column: "pd.Series[Any]", name: str) -> str | None:
    """Why there is nothing to learn from a column."""
    different = column.nunique(dropna=False)
    if column.isna().all():
        return "they are empty"
    if different == 1:
        return "they are the same in every row"
    if pd.api.types.is_numeric_dtype(column):
        rises = column.is_monotonic_increasing and column.is_unique
        return "they number the rows" if rises and _NUMBERING.fullmatch(name) else None
    if pd.api.types.is_datetime64_any_dtype(column) or _dates(column.dropna()):
        return "they are dates or times"
    repeated = column.value_counts().iloc[0] > 1
    return None if repeated else "their text differs in every row"


def _dates(text: "pd.Series[Any]") -> bool:
    """Whether the first hundred are dates or times."""
    return all(_DATE.match(entry) or _TIME.fullmatch(entry) for entry in text.iloc[:100])


def _coded(text: "pd.Series[Any]") -> NDArray[np.intp]:
    """Which of the commonest categories, or the rest of them, or none, counted from 0."""
    counts = text.value_counts()
    codes = counts[counts > 1].index[:MAX_CATEGORIES].get_indexer(pd.Index(text))
    codes = np.where(text.isna(), MAX_CATEGORIES + 1, np.where(codes < 0, MAX_CATEGORIES, codes))
    return np.unique(codes, return_inverse=True)[1]


def _stacked(
    numbers: Sequence[NDArray[Any]], categories: Sequence[NDArray[Any]], rows: int
) -> NDArray[np.float64]:
    values = np.empty((rows, len(numbers) + len(categories)))
    for i, column in enumerate([*numbers, *categories]):
        values[:, i] = column
    return values
