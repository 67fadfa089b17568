"""Times of several functions that take turns, so that other load on the machine hits all alike."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

Run = Callable[[], object]
_LEAST_SAMPLE = 2e-3  # seconds; a call of microseconds is lost in what reading a clock costs
_MOST_CALLS = 2000  # of a function that seems to take no time at all
_LONG = (
    0.2  # seconds, beside which compiling kernels and touching pages for the first time is little
)


@dataclass(frozen=True)
class Pace:
    """How long a case may take: about so many seconds, or exactly so many turns.

    Attributes:
        seconds: Of all turns together.
        repeats: The number of turns, whatever they take.
        fewest: Turns, as quartiles need some.
        most: Turns, however little time they take.
    """

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
    """The ratio of two medians, and the quartiles of the ratios turn by turn.

    Medians, as load only ever adds time, and a mean would take up each burst of it. The quartiles
    are of ratios within a turn, as two times that lie close together share the load.
    """

    median: float
    low: float
    high: float


def interleaved(runs: Mapping[str, Run], pace: Pace) -> dict[str, list[float]]:
    """Seconds per call of each function, one sample a turn.

    Every other round goes backwards, A B C C B A: a clock rate that falls as the chip warms up adds
    as much to the first function as to the last.
    """
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
    """About how long a call takes: the second, as the first is slow, if there is time for it."""
    first = timed(run)
    return first if first > _LONG else timed(run)


def _calls(seconds: float) -> int:
    """How many calls make a sample that is long enough for the clock."""
    return min(math.ceil(_LEAST_SAMPLE / max(seconds, 1e-9)), _MOST_CALLS)


def _sample(run: Run, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


@contextmanager
def _without_collector() -> Iterator[None]:
    # A collection would fall on whichever function is called just then.
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
