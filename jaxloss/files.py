"""Files that are written as a whole or not at all, locked, and read with mistakes located."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from error

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Create a file that no other process can lock meanwhile; in the end it is removed.

    The operating system holds the lock, so it is released even when the process is killed, which a
    file that merely exists would not be.

    Raises:
        BlockingIOError: Another process holds it.
        OSError: The file cannot be made.
    """
    with _locked(path):
        try:
            yield
        finally:
            with suppress(PermissionError):  # Windows removes no file that is open
                path.unlink(missing_ok=True)


def _locked(path: Path) -> BinaryIO:
    """Open and lock a file.

    Between opening and locking, the previous holder may have removed it, so that the lock is on a
    file without a name and the next process would create another. The loop ends once the locked
    file is the one that the name refers to.
    """
    while True:
        file = path.open("ab")
        try:
            _lock(file)
        except BlockingIOError:
            file.close()
            raise
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()


def write(path: Path, text: str) -> None:
    """Put text into a file in UTF-8: whoever reads it finds all of it, or what was there before.

    Newlines stay as they are in the text. What no file in UTF-8 can hold, as the names of some
    other files, is escaped.

    Raises:
        OSError: The file cannot be written; it is as it was.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Put the content into a file: whoever reads it finds all of it, or what was there before.

    It is written beside the file first and then renamed, which no full disk and no interruption can
    leave half done.

    Raises:
        OSError: The file cannot be written; it is as it was.
    """
    target = path.resolve()  # a link stays one
    fresh = target.with_name(f".{target.name}.tmp")
    try:
        if target.exists() and not os.access(target, os.W_OK):  # renaming would not ask
            raise PermissionError("it may not be written")
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, fresh)
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def decoded(path: Path, content: bytes) -> str:
    """The text of a file in UTF-8, from what it holds.

    Raises:
        ValueError: It is in another encoding; the message names the line.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"{path}, line {line}: {content[error.start : error.end]!r} is no UTF-8; save it "
        raise ValueError(f"{message}in that encoding") from error
