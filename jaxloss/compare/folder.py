"""The output folder of a run: its file names, and a lock that keeps other runs out."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from jaxloss.compare.report.folder import FILES
from jaxloss.files import locked

PLAN, ROWS, TABLE = "plan.json", "results.jsonl", "results.csv"
LOCK = ".lock"
_ANOTHER = "give another folder by --out"


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Create a folder unless it exists, and lock it against other runs.

    Raises:
        ValueError: The folder cannot be made or written into, or another run writes into it.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder / LOCK))
        except BlockingIOError as error:
            message = f"another run writes into {folder}: wait until it ends, or {_ANOTHER}"
            raise ValueError(message) from error
        except OSError as error:
            message = f"{folder} is no folder that can be written into ({error}); {_ANOTHER}"
            raise ValueError(message) from error
        _require_files(folder)
        yield


def _require_files(folder: Path) -> None:
    """Refuse a folder in which the name of an output file is taken by a subfolder.

    The error comes before training, not hours later when the report is written.
    """
    for name in (PLAN, ROWS, TABLE, *FILES):
        if (folder / name).is_dir():
            message = f"{folder / name} is a folder where a file is to be written; {_ANOTHER}"
            raise ValueError(message)
