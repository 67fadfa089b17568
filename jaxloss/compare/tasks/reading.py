"""Readers of users' tables: text, Parquet, and arrays of NumPy."""

import csv
import gzip
import io
import itertools
import json
import re
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jaxloss.files import decoded
from jaxloss.hints import alike

_SAMPLE = 1 << 16  # bytes from which the separator and the decimal comma are inferred
_SEPARATORS = ",;\t|"
# A field such as "1,5" between semicolons: the dialect of spreadsheets in much of Europe.
_COMMA_DECIMAL = re.compile(r'(^|;)"?\s*[-+]?\d+,\d+\s*"?\s*(;|$)', re.MULTILINE)
_LISTED = 20


def read_table(path: Path) -> pd.DataFrame:
    """Read a file into columns of equal length, whose names are all different.

    Raises:
        ValueError: There is no such file, or it cannot be read in the format of its suffix.
    """
    suffixes = [each.lower() for each in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    kind = "".join(suffixes[-2:-1] if packed else suffixes[-1:])
    reader = _READERS.get(kind)
    if reader is None or (packed and reader is not _csv):
        ends = ", ".join(_READERS)
        message = f"a file that ends in {ends}, .csv.gz or .tsv.gz is needed, not {path.name!r}"
        raise ValueError(message)
    if not path.is_file():
        message = f"there is no file {str(path)!r}"
        raise ValueError(message)
    try:
        frame = reader(path)
    except (OSError, EOFError, zlib.error, ImportError) as error:
        message = f"{path.name} cannot be read: {error}"
        raise ValueError(message) from error
    _require_flat(path, frame)
    return frame


def quoted(names: Iterable[Any]) -> str:
    """Enumerate names in quotes, the first twenty of them."""
    every = [repr(str(name)) for name in names]
    more = f" and {len(every) - _LISTED} more" if len(every) > _LISTED else ""
    return ", ".join(every[:_LISTED]) + more


def _open(path: Path) -> IO[bytes]:
    # A GzipFile is a file of bytes, though it says so in no way that type checkers see.
    return cast("IO[bytes]", gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _csv(path: Path) -> pd.DataFrame:
    sample = _beginning(path)
    tabs = ".tsv" in [each.lower() for each in path.suffixes]
    separator = "\t" if tabs else max(_SEPARATORS, key=lambda mark: len(_first(sample, mark)))
    names = _first(sample, separator)
    _refuse_duplicates(path.name, names)
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
    return frame.set_axis(names, axis="columns")


def _undecoded(path: Path) -> int:
    """The number of the first line that is not in UTF-8."""
    with _open(path) as file:
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
    with _open(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        lines = csv.reader(text, delimiter=separator, skipinitialspace=True)
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
    with _open(path) as file:
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
    return [plain(name) or f"column {i + 1}" for i, name in enumerate(names)]


def _parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except ValueError as error:  # pyarrow's errors are
        message = f"{path.name} is no Parquet file that can be read: {' '.join(str(error).split())}"
        raise ValueError(message) from error
    return _named(path.name, frame)


def _jsonl(path: Path) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(decoded(path, path.read_bytes()).splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append({**json.loads(line)})
        except (ValueError, TypeError, RecursionError) as error:
            message = f"{path.name}, line {number}: this is no JSON object of names and values"
            raise ValueError(f"{message} ({error})") from error
    if not rows:
        raise ValueError(f"{path.name} is empty")
    return _named(path.name, pd.DataFrame(rows))


def _npy(path: Path) -> pd.DataFrame:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        message = f"{path.name} is no NPY file that can be read: {error}"
        raise ValueError(message) from error
    if array.dtype.names:
        return _joined(path, {name: array[name] for name in array.dtype.names})
    if array.ndim != 2:
        message = f"{path.name} has the shape {array.shape}; two axes are needed, rows and columns"
        raise ValueError(message)
    return _joined(path, {str(i): column for i, column in enumerate(array.T)})


def _npz(path: Path) -> pd.DataFrame:
    return _joined(path, read_arrays(path))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of an NPZ file.

    Raises:
        ValueError: It is no such file, or has arrays of other than numbers, text or dates.
    """
    if not zipfile.is_zipfile(path):
        message = f"{path.name} is no NPZ file, which is a ZIP archive of arrays"
        raise ValueError(message)
    # A pickle in a file from a stranger runs code of his.
    with np.load(path, allow_pickle=False) as archive:
        return {name: _plain(path, archive, name) for name in archive.files}


def _joined(path: Path, arrays: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """One table of arrays that are equally long."""
    lengths = {name: x.shape[0] if x.ndim else None for name, x in arrays.items()}
    if not arrays or len(set(lengths.values())) > 1 or None in lengths.values():
        shapes = ", ".join(f"{name!r}: {x.shape}" for name, x in arrays.items())
        message = f"the arrays in {path.name} are not of one length: {shapes}"
        raise ValueError(message)
    return _named(path.name, pd.concat(_columns(arrays), axis="columns"))


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


def _columns(arrays: Mapping[str, NDArray[Any]]) -> Iterable[pd.DataFrame]:
    """Yield each array as columns, all its axes but the first flattened."""
    for name, array in arrays.items():
        flat = array.reshape(len(array), -1)
        flat = np.strings.decode(flat, "utf-8", "replace") if flat.dtype.kind == "S" else flat
        several = [f"{name}[{i}]" for i in range(flat.shape[1])]
        yield pd.DataFrame(flat, columns=several if len(several) > 1 else [name])


def select(frame: pd.DataFrame, target: str | None, where: str) -> tuple[pd.DataFrame, str]:
    """A copy of a table with plain names of columns, and the name of the target among them.

    Raises:
        ValueError: Two columns have one name, or none is the target.
    """
    named = _named(where, frame)
    return named, column_of(named.columns, target, where)


def _named(where: str, frame: pd.DataFrame) -> pd.DataFrame:
    names = [plain(str(name)) for name in frame.columns]
    _refuse_duplicates(where, names)
    return frame.set_axis(names, axis="columns")


def plain(name: str) -> str:
    """A name without spaces around it, and with each letter as one character: ä, not a and ¨."""
    return unicodedata.normalize("NFC", name).strip()


def _require_flat(path: Path, frame: pd.DataFrame) -> None:
    """Refuse columns of lists and objects, as JSON and Parquet may have."""
    for name, column in frame.items():
        each = column if pd.api.types.is_object_dtype(column) else ()
        nested = [type(x).__name__ for x in each if isinstance(x, (list, dict, np.ndarray))]
        if nested:
            message = f"{name!r} in {path.name} holds values of type {nested[0]}; numbers, text or "
            raise ValueError(message + "dates are needed")


def column_of(names: Iterable[str], wanted: str | None, where: str) -> str:
    """The name of a column, if there is one of that name.

    Raises:
        ValueError: There is none.
    """
    every = list(names)
    if wanted is not None and plain(wanted) in every:
        return plain(wanted)
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


_READERS = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".jsonl": _jsonl,
    ".npz": _npz,
    ".npy": _npy,
}
