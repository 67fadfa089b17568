"""The output folder of a run: its file names, and a lock that keeps other runs out."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from jaxloss.compare.report.folder import FILES

PLAN, ROWS, TABLE = "plan.json", "results.jsonl", "results.csv"
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
    """Create a folder unless it exists, and lock it against other runs.

    The operating system holds the lock, so it is released even when the process is killed, which a
    file that merely exists would not be.

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
    """Open and lock the lock file.

    Between opening and locking, the previous holder may have removed the file, so that the lock is
    on a file without a name and the next run would create another. The loop ends once the locked
    file is the one that the name refers to.
    """
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
    """Refuse a folder in which the name of an output file is taken by a subfolder.

    The error comes before training, not hours later when the report is written.
    """
    for name in (PLAN, ROWS, TABLE, *FILES):
        if (folder / name).is_dir():
            message = f"{folder / name} is a folder where a file is to be written; {_ANOTHER}"
            raise ValueError(message)
