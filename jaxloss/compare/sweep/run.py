"""Execution of a plan: what is missing is trained and stored, first to tune and then to test."""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cached_property

from jaxloss.compare.sweep import devices
from jaxloss.compare.sweep.plan import LEAST_SEEDS, Network, Phase, Plan
from jaxloss.compare.sweep.program import Call, Sweep
from jaxloss.compare.sweep.records import Record, Store, from_jsonl, record, to_jsonl
from jaxloss.compare.sweep.results import Results
from jaxloss.compare.sweep.tuning import tests, tune


def run(
    plan: Plan,
    store: Store | None = None,
    done: Callable[[Sequence[Record]], None] = lambda _: None,
    until: float = 0.0,
) -> Results:
    """Train the networks of a plan that the store lacks.

    Args:
        plan: The plan. Without a number of seeds, 8 are tested or those that have been begun, and
            then more of them until the time is up.
        store: The store of the coordinator, whose networks are not trained again; other processes
            ignore theirs.
        done: Called with the rows of networks when they are finished; with stored ones at once.
        until: The time of `time.perf_counter` after which no test is begun.

    Returns:
        The results, on every process.
    """
    kept = store if devices.is_coordinator() else None
    # All processes must train the same networks, and only the coordinator has a file.
    rows = from_jsonl(devices.broadcast_text(to_jsonl(kept.rows() if kept else ())))
    if kept:
        kept.replace(rows)  # without a line that was cut off
    done(rows)
    training = _Training(plan, kept, done, rows)
    # Two searches may lack the same network.
    while lacking := dict.fromkeys(n for tuned in tune(plan, rows) for n in tuned.lacking):
        training.train(list(lacking))
    begun = 1 + max((row.seed for row in rows if row.phase is Phase.TEST), default=-1)
    seeds = plan.seeds or max(begun, LEAST_SEEDS)
    training.test(range(seeds))
    if plan.seeds is None:
        training.test_until(until, seeds)
    results = Results.of(plan, rows)
    if kept:
        kept.replace(results.rows)  # in the order of the plan: equal runs give equal files
    return results


class _Training:
    """The training of networks, whose rows are stored as soon as they exist."""

    def __init__(
        self,
        plan: Plan,
        store: Store | None,
        done: Callable[[Sequence[Record]], None],
        rows: list[Record],
    ) -> None:
        self.plan, self.store, self.done, self.rows = plan, store, done, rows

    @cached_property
    def sweep(self) -> Sweep:
        """The program, which is compiled when the first network is wanted."""
        return Sweep(self.plan)

    def test(self, seeds: Iterable[int]) -> None:
        """Train what was chosen on test seeds."""
        tested = list(tests(self.plan, tune(self.plan, self.rows)))
        known = {row.network for row in self.rows}
        wanted = (
            Network(Phase.TEST, name, each.arm.noise, each.point, seed)
            for seed in seeds
            for name, each in tested
        )
        self.train([network for network in wanted if network not in known])

    def test_until(self, deadline: float, seeds: int) -> None:
        """Test further seeds until the time is up, as far as the last ones took."""
        duration = 0.0
        while devices.agreed(decision=time.perf_counter() + duration < deadline):
            start = time.perf_counter()
            self.test(range(seeds, seeds + self.sweep.seeds))
            duration, seeds = time.perf_counter() - start, seeds + self.sweep.seeds

    def train(self, networks: Sequence[Network]) -> None:
        """Train networks and store their rows."""
        if not networks:
            return
        with ThreadPoolExecutor(self.sweep.workers) as pool:
            try:
                for calls in self.sweep.calls(networks):
                    futures = [pool.submit(self._rows, call) for call in calls]
                    for future in as_completed(futures):
                        trained = future.result()
                        if self.store:
                            self.store.append(trained)
                        self.rows += trained
                        self.done(trained)
            finally:  # what has not begun when this is interrupted never will
                pool.shutdown(wait=False, cancel_futures=True)

    def _rows(self, call: Call) -> list[Record]:
        measured = self.sweep.run(call)
        return [
            record(self.plan, network, measured, index)
            for index, network in enumerate(call.networks)
        ]
