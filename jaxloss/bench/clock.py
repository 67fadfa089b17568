"""Times of several functions that take turns, so that what else the machine does hits all alike."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

Run = Callable[[], object]
_LEAST_SAMPLE = 2e-3  # seconds; a clock tells less than that poorly
_MOST_CALLS = 2000
_LONG = 0.2  # seconds, beside which what is slow only at first is little


@dataclass(frozen=True)
class Pace:
    """How long a case may take: about so many seconds, or exactly so many turns."""

    seconds: float
    repeats: int | None = None
    fewest: int = 3
    most: int = 41

    def turns(self, once: float) -> int:
        """How often each function has its turn, where one round takes so long."""
        fitting = int(self.seconds / max(once, 1e-9))
        return self.repeats or min(max(fitting, self.fewest), self.most)


@dataclass(frozen=True)
class Ratio:
    """The ratio of two medians, and the quartiles of the ratios turn by turn."""

    median: float
    low: float
    high: float


def interleaved(runs: Mapping[str, Run], pace: Pace) -> dict[str, list[float]]:
    """Seconds of a call of each function, turn by turn; the order of a round is then reversed."""
    samples: dict[str, list[float]] = {name: [] for name in runs}
    with _without_collector():
        expected = {name: _expected(run) for name, run in runs.items()}
        calls = {name: _calls(seconds) for name, seconds in expected.items()}
        once = sum(calls[name] * seconds for name, seconds in expected.items())
        order = list(runs)
        for _ in range(pace.turns(once)):
            for name in order:
                samples[name].append(_sample(runs[name], calls[name]))
            order.reverse()
    return samples


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """How long ours takes, in units of theirs."""
    paired = [a / b for a, b in zip(ours, theirs, strict=True)]
    low, _, high = statistics.quantiles(paired, n=4) if len(paired) > 1 else paired * 3
    return Ratio(statistics.median(ours) / statistics.median(theirs), low, high)


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _expected(run: Run) -> float:
    """About how long a call takes: the second, as the first is slow, unless that is very long."""
    first = timed(run)
    return first if first > _LONG else timed(run)


def _calls(seconds: float) -> int:
    """How many calls make a sample that the clock can tell."""
    return min(math.ceil(_LEAST_SAMPLE / max(seconds, 1e-9)), _MOST_CALLS)


def _sample(run: Run, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


@contextmanager
def _without_collector() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
