"""Files that are written as a whole or not at all, and read with their mistakes located."""

import os
import shutil
from pathlib import Path


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
