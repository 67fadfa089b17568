"""Execution of a plan: the missing units are trained and stored one by one."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

import jax

from jaxloss.compare.sweep import devices
from jaxloss.compare.sweep.plan import Plan, Unit
from jaxloss.compare.sweep.records import Record, Store, from_jsonl, key, records, to_jsonl
from jaxloss.compare.sweep.results import Results
from jaxloss.compare.sweep.training import CompiledSweep
from jaxloss.compare.sweep.trials import trials


def run(
    plan: Plan, store: Store | None = None, done: Callable[[Unit], None] = lambda _: None
) -> Results:
    """Train the units of a plan that the store lacks.

    Args:
        plan: The plan.
        store: The store of the coordinator, whose units are not trained again; other processes
            ignore theirs.
        done: Called with each unit when it is finished; with stored units at once.

    Returns:
        The results, on every process.
    """
    kept = store if devices.is_coordinator() else None
    # All processes must train the same units, and only the coordinator has a file.
    rows = from_jsonl(devices.broadcast_text(to_jsonl(kept.read() if kept else ())))
    if kept:
        kept.replace(rows)  # without the rows of a unit that was interrupted
    lacking = missing(plan, rows)
    for index in sorted({*range(len(plan.units))} - {*lacking}):
        done(plan.units[index])
    for index, unit_rows in _trained(plan, lacking):
        rows += unit_rows
        if kept:
            kept.append(unit_rows)
        done(plan.units[index])
    results = Results.of(plan, rows)
    if kept:
        kept.replace(results.rows)  # in the order of the plan: equal runs give equal files
    return results


def missing(plan: Plan, rows: Iterable[Record]) -> list[int]:
    """The indices of the plan's units that have no rows."""
    trained = {row.unit for row in rows}
    return [
        i for i, (c, v) in enumerate(plan.units) if key(c.name, v.hyperparameters) not in trained
    ]


def _trained(plan: Plan, wanted: list[int]) -> Iterator[tuple[int, list[Record]]]:
    """Train units and yield the rows of each as soon as it is finished."""
    if not wanted:
        return
    objectives = [variant.objective for _, variant in plan.units]
    program = CompiledSweep.compiled(plan.task, objectives, trials(plan), plan.rates)

    def one(index: int) -> list[Record]:
        contender, variant = plan.units[index]
        measured = program.run(program.criteria.selector(index, reverse=contender.replicate))
        return list(records(plan, contender, variant, measured))

    with ThreadPoolExecutor(_workers()) as pool:
        futures = {pool.submit(one, index): index for index in wanted}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:  # what has not begun when this is interrupted never will
            pool.shutdown(wait=False, cancel_futures=True)


def _workers() -> int:
    """The number of units that are trained at the same time.

    The matrices of a unit are so small that it occupies one core, hence a thread per core. Several
    devices are occupied by a single unit, and each must execute the units in the same order.
    """
    return (os.cpu_count() or 1) if jax.device_count() == 1 else 1
