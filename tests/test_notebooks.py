"""Every notebook runs, and the executed copy beside it is of the same source."""

from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

SCRIPTS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))
every_notebook = pytest.mark.parametrize("script", SCRIPTS, ids=[path.stem for path in SCRIPTS])


def sources(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.slow
@every_notebook
def test_runs(script, monkeypatch):
    """As its reader runs it: optimised by XLA, which the suite's small functions are not."""
    monkeypatch.delenv("JAX_DISABLE_MOST_OPTIMIZATIONS", raising=False)
    notebook = jupytext.read(script)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()


@every_notebook
def test_the_executed_copy_is_current(script):
    executed = nbformat.read(script.with_suffix(".ipynb"), as_version=4)
    assert sources(executed) == sources(jupytext.read(script))
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
