"""The folder of a report: made, looked through and kept for one run before anything is trained."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PLAN, ROWS, TABLE = "plan.json", "results.jsonl", "results.csv"
PAGE, TEXT = "report.html", "report.md"
LOCK = ".lock"
_ANOTHER = "give another folder by --out"

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a folder where there is none, and keep every other run out of it.

    The lock is the operating system's: it ends with the process, however that ends.

    Raises:
        ValueError: The folder cannot be made or written into, or another run writes into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _locked(folder / LOCK)
    except OSError as error:
        message = f"{folder} is no folder that can be written into ({error}); {_ANOTHER}"
        raise ValueError(message) from error
    with file:
        try:
            _require_files(folder)
            yield
        finally:
            with suppress(PermissionError):  # Windows removes no file that is open
                (folder / LOCK).unlink(missing_ok=True)


def _locked(path: Path) -> BinaryIO:
    """The file, open and locked; that of this name, should another process just have removed it."""
    while True:
        file = path.open("ab")
        try:
            _lock(file)
        except (BlockingIOError, PermissionError) as error:
            file.close()
            message = f"another run writes into {path.parent}: wait until it ends, or {_ANOTHER}"
            raise ValueError(message) from error
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()


def _require_files(folder: Path) -> None:
    """Refuse a folder in which a folder has the name of a file that will be written."""
    for name in (PLAN, ROWS, TABLE, PAGE, TEXT):
        if (folder / name).is_dir():
            message = f"{folder / name} is a folder where a file is to be written; {_ANOTHER}"
            raise ValueError(message)
