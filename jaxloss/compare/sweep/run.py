"""Execution of a plan: the missing units are trained and stored one by one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from jaxloss.compare.sweep import devices
from jaxloss.compare.sweep.plan import Plan, Unit
from jaxloss.compare.sweep.program import CompiledSweep
from jaxloss.compare.sweep.records import Record, Store, from_jsonl, key, records, to_jsonl
from jaxloss.compare.sweep.results import Results


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
        kept.replace(rows)  # without the rows of a seed that was interrupted
    lacking = missing(plan, rows)
    for index in sorted({*range(len(plan.units))} - {*lacking}):
        done(plan.units[index])
    for index, trained in _trained(plan, lacking):
        rows += trained
        if kept:
            kept.append(trained)
        lacking[index] -= {row.seed for row in trained}
        if not lacking[index]:
            done(plan.units[index])
    results = Results.of(plan, rows)
    if kept:
        kept.replace(results.rows)  # in the order of the plan: equal runs give equal files
    return results


def missing(plan: Plan, rows: Iterable[Record]) -> dict[int, set[int]]:
    """The seeds without rows of the plan's units that lack some, by the indices of these units."""
    trained = {(row.unit, row.seed) for row in rows}
    keys = [key(c.name, v.hyperparameters) for c, v in plan.units]
    seeds = [{x for x in range(plan.seeds) if (name, x) not in trained} for name in keys]
    return {index: lacking for index, lacking in enumerate(seeds) if lacking}


def _trained(plan: Plan, lacking: Mapping[int, set[int]]) -> Iterator[tuple[int, list[Record]]]:
    """Train units and yield the rows of each, for some seeds, as soon as they are finished."""
    if not lacking:
        return
    sweep = CompiledSweep.compiled(plan)
    alike: dict[tuple[int, ...], list[int]] = {}
    for index, seeds in lacking.items():
        alike.setdefault(tuple(sorted(seeds)), []).append(index)
    for block, indices in alike.items():
        for start in range(0, len(block), sweep.layout.seeds):
            yield from _of_seeds(sweep, block[start : start + sweep.layout.seeds], indices)


def _of_seeds(
    sweep: CompiledSweep, seeds: Sequence[int], indices: Sequence[int]
) -> Iterator[tuple[int, list[Record]]]:
    """Train units for some seeds, of which the data are loaded once."""
    plan, loaded = sweep.layout.plan, sweep.loaded(seeds)

    def one(index: int) -> list[Record]:
        unit = plan.units[index]
        measured = sweep.run(index, loaded, reverse=unit[0].replicate)
        return list(records(plan, unit, seeds, measured))

    with ThreadPoolExecutor(sweep.layout.workers) as pool:
        futures = {pool.submit(one, index): index for index in indices}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:  # what has not begun when this is interrupted never will
            pool.shutdown(wait=False, cancel_futures=True)
