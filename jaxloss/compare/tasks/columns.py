"""Feature columns of a table: which are usable, and how they become inputs of a network."""

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
from jaxloss.compare.tasks.reading import quoted
from jaxloss.compare.tasks.task import DataSplit

# The rarer categories of a column share one input, so that a column of free text with thousands of
# different entries does not make thousands of inputs.
MAX_CATEGORIES = 20
# Standardised numbers are clipped: a single far outlier in the test part, whose scale the training
# part cannot know, would otherwise decide the mean of the test errors.
MAX_DEVIATIONS = 10.0

# A column counts as numbers if at least this share of its entries parses: real files mark missing
# numbers by all kinds of words, and a column of text has hardly any numbers.
_MOSTLY_NUMERIC = 0.9
_DATE = re.compile(r"\s*(\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[ -]?[A-Za-z]{3,9}[ -]?\d{2,4})\b")
_TIME = re.compile(r"\s*\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([AaPp][Mm])?\s*")
# An amount or a share, such as $1,234.50, 1,234 or 3.4 %; commas are between three digits alone.
_AMOUNT = re.compile(r"[-+]?[$\u20ac\u00a3]?\s?[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?\s?%?")
_AROUND = re.compile(r"[$\u20ac\u00a3,%\s]")
_LARGEST = float(np.finfo(np.float32).max)
_NUMBERING = re.compile(
    r"column \d+|((row|record|sample)[ _]?)?(id|index|number|no|nr)", re.IGNORECASE
)


@dataclass(frozen=True)
class Inputs:
    """Numeric and categorical columns before they are encoded.

    Attributes:
        values: [row, column]; first the numeric columns, with NaN where a number is missing, then
            the categorical ones as category indices from 0.
        numbers: The number of numeric columns.
        categories: The number of categories of each categorical column.
    """

    values: NDArray[np.float64]
    numbers: int
    categories: tuple[int, ...]

    @property
    def width(self) -> int:
        """The number of inputs per example after encoding."""
        return self.numbers + len(self._lacking) + sum(self.categories)

    @functools.cached_property
    def _lacking(self) -> list[int]:
        """The indices of the numeric columns with missing entries."""
        return np.flatnonzero(np.isnan(self.values).any(axis=0)).tolist()

    def prepared(self, index: DataSplit) -> DataSplit:
        """Encode the rows of each part, [example, width], by statistics of the training part.

        Missing numbers become the median and are marked in an indicator column; numbers are
        standardised and clipped to 10 deviations; categories are one-hot.
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
        """An encoder whose width does not depend on the rows that it is fitted to."""
        # The arrays of all seeds are stacked, so a seed whose training part lacks a category, or
        # misses no number, must not get fewer inputs: hence the fixed categories, `features="all"`
        # and `keep_empty_features`.
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
    """Return the usable columns, and sentences about the entries and columns left out."""
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
    notes = [f"Left out, as {reason}: {quoted(names)}." for reason, names in unused.items()]
    inputs = Inputs(_stacked(numbers, categories, len(frame)), len(numbers), counts)
    return inputs, missing_notes(lost) + notes


def missing_notes(lost: Mapping[str, int]) -> list[str]:
    """Return a sentence on the entries that are no finite numbers, by column, or none."""
    names = [name for name, count in lost.items() if count]
    total = sum(lost.values())
    return [f"Missing, as not a finite number: {total} of {quoted(names)}."] if total else []


def as_numbers(column: "pd.Series[Any]") -> tuple["pd.Series[Any]", int]:
    """Convert a column to numbers if most of its entries are numbers, else to text or dates.

    Returns:
        The column, and how many of its entries are missing because they are not finite numbers of
        single precision.
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return column, 0
    present = int(column.notna().sum())
    numeric = pd.api.types.is_numeric_dtype(column)
    written = column if numeric else _digits(_text(column))
    real = pd.to_numeric(written, errors="coerce").astype(np.float64)
    if not numeric and real.notna().sum() < max(_MOSTLY_NUMERIC * present, 1):
        return _text(column), 0
    finite = real.mask(real.abs() > _LARGEST)
    return finite, present - int(finite.notna().sum())


def _digits(text: "pd.Series[Any]") -> "pd.Series[Any]":
    """Text with the numbers of amounts and shares, unless these stand beside plain numbers.

    Of 3.4 % and 0.034, or of $5 and 500, nobody knows whether they are of one unit.
    """
    marks = text.dropna().str.replace(r"[\d.,+\s-]", "", regex=True)
    amounts = text.dropna().str.fullmatch(_AMOUNT)
    if not amounts.all() or marks.nunique() > 1:
        return text
    return text.str.replace(_AROUND, "", regex=True)


def _text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    text = column.astype("string").str.strip()
    return text.mask(text == "")


def _useless(column: "pd.Series[Any]", name: str) -> str | None:
    """Return why a column holds nothing to learn from, or None if it is usable."""
    different = column.nunique(dropna=False)
    if column.isna().all():
        return "they are empty"
    if different == 1:
        return "they are the same in every row"
    if pd.api.types.is_numeric_dtype(column):
        rises = column.is_monotonic_increasing and column.is_unique
        # An increasing column that is merely called "age" is a feature; one called "id" leaks the
        # order of the file.
        return "they number the rows" if rises and _NUMBERING.fullmatch(name) else None
    if pd.api.types.is_datetime64_any_dtype(column) or _dates(column.dropna()):
        return "they are dates or times"
    repeated = column.value_counts().iloc[0] > 1
    return None if repeated else "their text differs in every row"


def _dates(text: "pd.Series[Any]") -> bool:
    """Whether the first hundred entries look like dates or times."""
    return all(_DATE.match(entry) or _TIME.fullmatch(entry) for entry in text.iloc[:100])


def _coded(text: "pd.Series[Any]") -> NDArray[np.intp]:
    """Encode text as indices from 0: the commonest categories, then all others, then missing."""
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
