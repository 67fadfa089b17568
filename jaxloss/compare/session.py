"""One run of the command: announce, train with a progress bar, print, write the folder."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from jaxloss.compare.comparison import Outcome, Settings, budget_of, planned, run_plan
from jaxloss.compare.folder import claimed
from jaxloss.compare.report import terminal
from jaxloss.compare.report.folder import to_json
from jaxloss.compare.sweep import devices
from jaxloss.compare.tasks.loading import load, metric, optimizer
from jaxloss.compare.tuner import Found

# Of a budget, for what comes before the first network and after the last: imports, the report.
_RESERVED = 0.2


@dataclass(frozen=True)
class Destination:
    """The destination of the results.

    Attributes:
        folder: The folder that receives the files.
        command: The command line that reproduces the run, for the report.
        resume: Whether to continue the folder's run.
        overwrite: Whether to replace the folder's run.
        json: Whether to print the outcome as JSON and nothing else.
        margin: The size up to which a difference counts as none; None for the usual one.
        candidates: What `tune` tries at first; None for `compare`.
    """

    folder: Path
    command: str
    resume: bool = False
    overwrite: bool = False
    json: bool = False
    margin: float | None = None
    candidates: int | None = None


def execute(losses: Sequence[str], to: Destination, **settings: Unpack[Settings]) -> None:
    """Run a comparison, print its results, and write the report.

    Raises:
        ValueError: An argument is invalid.
        OSError: A file cannot be written.
        LostError: Another process has died.
    """
    start = time.perf_counter()
    try:
        plan = planned(losses, candidates=to.candidates, **settings)
    except TypeError as error:  # of a model or a metric that is none: no fault of the program
        raise ValueError(str(error)) from error
    # One process writes and prints; the others only train their share.
    quiet = to.json or not devices.is_coordinator()
    with claimed(to.folder) if devices.is_coordinator() else nullcontext():
        if not quiet:
            terminal.announce(plan)
        with terminal.progress(quiet=quiet) as done, devices.reraise_lost_peer():
            keep = {"resume": to.resume, "overwrite": to.overwrite}
            until = start + (1 - _RESERVED) * budget_of(settings)
            outcome = run_plan(plan, to.folder, **keep, done=done, until=until)
        if devices.is_coordinator():
            kind = Outcome if to.candidates is None else Found
            _write(kind(outcome.results, margin=to.margin), to, start)


def loaded(texts: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `compare` for those of the command line.

    Raises:
        ValueError: No model, optimizer or metric has the name that is given for one.
    """
    read = {"model": load, "optimizer": optimizer, "metric": metric}
    return {name: read.get(name, lambda x: x)(value) for name, value in texts.items()}


def _write(outcome: Outcome, to: Destination, start: float) -> None:
    """Write and print everything but the rows, which `run_plan` has written already."""
    outcome.write_table(to.folder)  # before theory and figures, which take seconds
    report = outcome.write_report(to.folder, to.command, time.perf_counter() - start)
    if to.json:
        print(to_json(outcome.summary))
    else:
        terminal.show(report)
        if isinstance(outcome, Found):
            print(f"\n{outcome.findings}")
        terminal.finish(to.folder, time.perf_counter() - start)
