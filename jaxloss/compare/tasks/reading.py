"""Readers of users' tables: CSV files, and NPZ files of arrays."""

import csv
import io
import itertools
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxloss.hints import alike

_SAMPLE = 1 << 16  # bytes from which the separator and the decimal comma are inferred
_SEPARATORS = ",;\t|"
# A field such as "1,5" between semicolons: the dialect of spreadsheets in much of Europe.
_COMMA_DECIMAL = re.compile(r'(^|;)"?\s*[-+]?\d+,\d+\s*"?\s*(;|$)', re.MULTILINE)
_LISTED = 20


def read_table(path: Path, target: str | None) -> tuple[pd.DataFrame, str]:
    """Read a file into columns of equal length, and return them with the target's name.

    Raises:
        ValueError: There is no such file, it cannot be read in the format of its suffix, or it has
            no such target.
    """
    readers = {".csv": _csv, ".npz": _npz}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        message = f"a file that ends in .csv or .npz is needed, not {path.name!r}"
        raise ValueError(message)
    if not path.is_file():
        message = f"there is no file {str(path)!r}"
        raise ValueError(message)
    try:
        return reader(path, target)
    except OSError as error:
        message = f"{path.name} cannot be read: {error}"
        raise ValueError(message) from error


def quoted(names: Iterable[Any]) -> str:
    """Enumerate names in quotes, the first twenty of them."""
    every = [repr(str(name)) for name in names]
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return ", ".join(every[:_LISTED]) + more


def _csv(path: Path, target: str | None) -> tuple[pd.DataFrame, str]:
    sample = _beginning(path)
    separator = max(_SEPARATORS, key=lambda mark: len(_first(sample, mark)))
    names = _first(sample, separator)
    _refuse_duplicates(path.name, names)
    chosen = column_of(names, target, path.name)
    european = separator == ";" and _COMMA_DECIMAL.search(sample)
    try:
        frame = pd.read_csv(
            path,
            sep=separator,
            decimal="," if european else ".",
            encoding="utf-8-sig",
            skipinitialspace=True,
            low_memory=False,  # else types are inferred by chunks, and a column may have two
            na_values=["?"],  # as in many tables of the UCI repository
        )
    except UnicodeDecodeError as error:
        message = f"{path.name} is no CSV file in UTF-8: {error}, in line {_undecoded(path)}; save "
        raise ValueError(f"{message}it in that encoding") from error
    except pd.errors.ParserError as error:
        message = f"{path.name} is no CSV file in UTF-8: {' '.join(str(error).split())}; look for "
        raise ValueError(f"{message}a separator or a quote too many there") from error
    if not isinstance(frame.index, pd.RangeIndex) or len(frame.columns) != len(names):
        message = f"{path.name} has rows of more fields than its first line, which has {len(names)}"
        raise ValueError(message)
    _require_whole(path, separator, frame)
    return frame.set_axis(names, axis="columns"), chosen


def _undecoded(path: Path) -> int:
    """The number of the first line that is not in UTF-8."""
    with path.open("rb") as file:
        return 1 + sum(1 for _ in itertools.takewhile(_in_utf8, file))


def _in_utf8(line: bytes) -> bool:
    return line.decode("utf-8", errors="replace").encode() == line


def _require_whole(path: Path, separator: str, frame: pd.DataFrame) -> None:
    """Refuse a truncated line, whose absent fields pandas would read as missing values.

    A truncated line lacks its last field, so the file is only read again if one is missing.
    """
    width = len(frame.columns)
    if width == 1 or not frame.iloc[:, -1].isna().any():
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, delimiter=separator, skipinitialspace=True)
        try:
            for fields in lines:
                if any(fields) and len(fields) < width:
                    message = (
                        f"{path.name}, line {lines.line_num}: {len(fields)} fields in place of "
                        f"{width}; complete the line, with separators where fields are empty"
                    )
                    raise ValueError(message)
        except csv.Error:  # text longer than that module reads, which pandas read
            return


def _beginning(path: Path) -> str:
    """The first bytes of a file as text, without a character that the cut has split."""
    with path.open("rb") as file:
        beginning = file.read(_SAMPLE)
    if not beginning.strip():
        message = f"{path.name} is empty"
        raise ValueError(message)
    if b"\0" in beginning:
        message = f"{path.name} is no CSV file in UTF-8: it has bytes of value 0"
        raise ValueError(message)
    return beginning.decode("utf-8-sig", errors="ignore")


def _first(text: str, separator: str) -> list[str]:
    """The names of the columns, from the first line that is not empty."""
    lines = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    names = next(fields for fields in lines if any(fields))
    return [name.strip() or f"column {i + 1}" for i, name in enumerate(names)]


def _npz(path: Path, target: str | None) -> tuple[pd.DataFrame, str]:
    if not zipfile.is_zipfile(path):
        message = f"{path.name} is no NPZ file, which is a ZIP archive of arrays"
        raise ValueError(message)
    # A pickle in a file from a stranger runs code of his.
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: _plain(path, archive, name) for name in archive.files}
    chosen = column_of(arrays, target, path.name)
    lengths = {name: x.shape[0] if x.ndim else None for name, x in arrays.items()}
    if len(set(lengths.values())) > 1 or arrays[chosen].ndim == 0:
        shapes = ", ".join(f"{name!r}: {x.shape}" for name, x in arrays.items())
        message = f"the arrays in {path.name} are not of one length: {shapes}"
        raise ValueError(message)
    if arrays[chosen].size != len(arrays[chosen]):
        message = f"the target {chosen!r} in {path.name} has the shape {arrays[chosen].shape}; "
        raise ValueError(message + "one number or label for each example is needed")
    return pd.concat(_columns(arrays, chosen), axis="columns"), chosen


def _plain(path: Path, archive: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """Read one array of numbers, text or dates."""
    try:
        array = archive[name]
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        message = f"the array {name!r} in {path.name} cannot be read: {error}"
        raise ValueError(message) from error
    kind = getattr(array, "dtype", np.dtype(object))
    if kind.kind not in "biufUSM":
        message = f"{name!r} in {path.name} is of {kind}; real numbers, text or dates are needed"
        raise ValueError(message)
    return array


def _columns(arrays: Mapping[str, NDArray[Any]], target: str) -> Iterable[pd.DataFrame]:
    """Yield each array as columns, all its axes but the first flattened."""
    for name, array in arrays.items():
        flat = array.reshape(len(array), -1)
        flat = np.strings.decode(flat, "utf-8", "replace") if flat.dtype.kind == "S" else flat
        alone = array.ndim == 1 or name == target
        names = [name] if alone else [f"{name}[{i}]" for i in range(flat.shape[1])]
        yield pd.DataFrame(flat, columns=names)


def select(frame: pd.DataFrame, target: str | None) -> tuple[pd.DataFrame, str]:
    """A copy of a table with plain names of columns, and the name of the target among them.

    Raises:
        ValueError: Two columns have one name, or none is the target.
    """
    names = [str(name).strip() for name in frame.columns]
    _refuse_duplicates("the table", names)
    return frame.set_axis(names, axis="columns"), column_of(names, target, "the table")


def column_of(names: Iterable[str], wanted: str | None, where: str) -> str:
    """The name of a column, if there is one of that name.

    Raises:
        ValueError: There is none.
    """
    every = list(names)
    if wanted is not None and wanted.strip() in every:
        return wanted.strip()
    columns = f"the columns of {where} are {quoted(every)}"
    if wanted is None:
        message = f"the name of the target is missing; {columns}"
        raise ValueError(message)
    near = alike(wanted, every)
    hint = f"; the nearest are {quoted(near)}" if near else ""
    message = f"no column is called {wanted!r}{hint}; {columns}"
    raise ValueError(message)


def _refuse_duplicates(where: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"{where} has several columns of the same name: {quoted(twice)}"
        raise ValueError(message)
