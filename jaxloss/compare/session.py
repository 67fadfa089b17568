"""A whole comparison: announce, train with a progress bar, print the ranking, write the folder."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxloss.compare import report, terminal
from jaxloss.compare.contenders import select
from jaxloss.compare.experiment import Outcome, Plan, prepare, write_rows


def plan(
    losses: Iterable[str] | None,
    seeds: int,
    noise: Sequence[float],
    rates: Sequence[float],
    epochs: int,
) -> Plan:
    """The plan that the options describe, noise levels and rates in ascending order.

    Raises:
        ValueError: A loss is unknown.
    """
    return Plan(select(losses), seeds, tuple(sorted(set(noise))), tuple(sorted(set(rates))), epochs)


def compare(plan: Plan, folder: Path, command: str) -> Outcome:
    """Carry out the plan, print what comes out, and write it into the folder, which exists."""
    start = time.perf_counter()
    terminal.announce(plan)
    with terminal.status("drawing data, compiling"):
        perform = prepare(plan)
    with terminal.progress(plan) as done:
        outcome = perform(done)
    terminal.show(outcome)
    write_rows(list(outcome.rows()), folder)
    page = report.render(outcome, command, time.perf_counter() - start)
    (folder / "report.html").write_text(page, encoding="utf-8")
    terminal.finish(folder, time.perf_counter() - start)
    return outcome
