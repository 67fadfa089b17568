"""A whole run of the command: announce, train with a progress bar, print, write the folder."""

import argparse
import dataclasses
import json
import math
import time
from contextlib import nullcontext
from typing import Any

from jaxloss.cli.compare import options
from jaxloss.compare.comparison import Outcome, carried_out, planned
from jaxloss.compare.folder import PAGE, TEXT, claimed
from jaxloss.compare.report import markdown, page, terminal, wording
from jaxloss.compare.report.figures.panels import plates
from jaxloss.compare.report.report_model import view
from jaxloss.compare.statistics.standings import Standing
from jaxloss.compare.sweep import devices
from jaxloss.compare.tasks.imbalance import imbalanced
from jaxloss.compare.tasks.registry import find
from jaxloss.compare.tasks.tables import table
from jaxloss.compare.tasks.task import Task
from jaxloss.files import write


def compare(arguments: argparse.Namespace, command: str) -> None:
    """Carry out what the arguments ask for, print what comes out, and write it.

    Raises:
        ValueError: The request cannot be met.
        OSError: A file cannot be written.
        LostError: Another process is gone.
    """
    start = time.perf_counter()
    plan = planned(arguments.loss, task=_task(arguments), **options(arguments))
    quiet = arguments.json or not devices.leads()
    with claimed(arguments.out) if devices.leads() else nullcontext():
        if not quiet:
            terminal.announce(plan)
        with terminal.progress(plan, quiet=quiet) as done, devices.together():
            outcome = carried_out(plan, arguments.out, resume=arguments.resume, done=done)
        if devices.leads():
            _write(outcome, arguments, command, start)


def _task(arguments: argparse.Namespace) -> Task:
    task = table(arguments.data, arguments.target) if arguments.data else find(arguments.task)
    return imbalanced(task, arguments.imbalance) if arguments.imbalance else task


def _write(outcome: Outcome, arguments: argparse.Namespace, command: str, start: float) -> None:
    """Everything but the rows, which are written as they come."""
    results, analysis, folder = outcome.results, outcome.analysis, arguments.out
    outcome.write_table(folder)
    predictions, seconds = outcome.predictions, time.perf_counter() - start
    told = view(results, analysis, predictions, command, seconds)
    figures = plates(results, analysis)
    write(folder / PAGE, page.render(told, figures))
    write(folder / TEXT, markdown.render(told))
    if arguments.json:
        print(json.dumps(summary(outcome), allow_nan=False))
    else:
        terminal.show(results, analysis)
        terminal.finish(folder, time.perf_counter() - start)


def summary(outcome: Outcome) -> dict[str, Any]:
    """The outcome for machines; what is not finite is null."""
    ranked = [
        {
            "noise": noise,
            "ranking": [{**dataclasses.asdict(s), **_words(s)} for s in level],
        }
        for noise, level in outcome.rankings.items()
    ]
    findings = wording.findings(outcome.results, outcome.analysis)
    whole = {**outcome.plan.identity, "levels": ranked, "findings": findings}
    cleaned: dict[str, Any] = _finite(whole)
    return cleaned


def _words(standing: Standing) -> dict[str, str | None]:
    return {"verdict": standing.verdict, "temperature": standing.temperature}


def _finite(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _finite(value) for name, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_finite(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
