"""A run of the command: choose what is measured, print readings as they come, judge goals."""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax

from jaxloss.bench import (
    accelerators,
    goals,
    inputs,
    libraries,
    measure,
    processes,
    programs,
    report,
)
from jaxloss.bench.accelerators import Entry
from jaxloss.bench.cases import CASES, HEAD, HEAVY, QUICK, Case
from jaxloss.bench.clock import Pace
from jaxloss.bench.goals import Goal
from jaxloss.bench.measure import Measurement, Reading
from jaxloss.bench.processes import Process
from jaxloss.bench.programs import Question
from jaxloss.hints import nearest

# Seconds of each case. --quick promises all within a minute, compiling included.
_PACE, _QUICK_PACE = Pace(seconds=2.5), Pace(seconds=0.3, most=11)
_CASE = re.compile(r"([\w()]+)@(\d+(?:x\d+)*)")


@dataclass(frozen=True)
class Request:
    """What is measured, and how.

    Attributes:
        losses: Names of losses, whose usual cases are measured.
        cases: Names of cases; without any and without losses, those of a run by default.
        peers: Libraries; without any, all that are installed.
        dtypes: Of the inputs, by name.
        quantities: Names of what is measured of each case.
        goals: Rows of the table of goals, in place of cases; an empty list stands for all of them.
        quick: Whether few cases are measured, in few turns.
        repeats: Turns of each, whatever time they take.
        memory: Whether peak memory is measured too.
    """

    losses: Sequence[str]
    cases: Sequence[str]
    peers: Sequence[str]
    dtypes: Sequence[str]
    quantities: Sequence[str]
    goals: Sequence[str] | None
    quick: bool
    repeats: int | None
    memory: bool


def bench(request: Request, *, as_json: bool) -> None:
    """Measure what is requested, and print it as it comes, or all at the end as JSON.

    Raises:
        ValueError: The request cannot be met.
    """
    here = libraries.installed()
    peers, absent = _peers(request.peers, here), _absent(request.peers, here)
    wanted = [] if request.goals is None else _goals(request.goals)
    measurements = goals.measurements(wanted) if wanted else _measurements(request)
    if not as_json:
        print(f"{report.introduction(peers, absent)}\n\n{report.header()}", flush=True)
    with _without_cache():
        readings = _measured(measurements, peers, _pace(request), quiet=as_json)
    judgements = report.judged(wanted, readings)
    if as_json:
        whole = {
            "environment": report.environment(peers),
            "absent": absent,
            "readings": report.plainly(readings),
            "goals": judgements,
        }
        print(json.dumps(whole))
    elif wanted:
        print(f"\n{report.goal_table(judgements)}")


def count(accelerator: str, request: Request, *, as_json: bool) -> None:
    """Print what programs of the cases that are requested take on an accelerator.

    Without cases they are those of `accelerators.ENTRIES`.

    Raises:
        ValueError: The request cannot be met.
    """
    if "torch" in request.peers:
        message = "torch runs its calls one by one, so that there is no program to be compiled"
        raise ValueError(message)
    peers = _peers(request.peers or accelerators.PEERS, libraries.installed())
    entries: Iterable[Entry] = accelerators.ENTRIES
    if request.losses or request.cases:
        cases = chosen(request.losses, request.cases, quick=False)
        entries = itertools.starmap(Entry, itertools.product(cases, request.dtypes))
    counts = accelerators.counts(accelerator, entries, peers)
    if as_json:
        print(json.dumps(accelerators.plainly(counts)))
        return
    for line in accelerators.table(counts):
        print(line, flush=True)


@contextmanager
def _without_cache() -> Iterator[None]:
    """Without the persistent cache, as the time of compiling would be that of reading a file."""
    config: Any = jax.config  # its flags are attributes that no type tells of
    before = config.jax_enable_compilation_cache
    config.update("jax_enable_compilation_cache", val=False)
    try:
        yield
    finally:
        config.update("jax_enable_compilation_cache", val=before)


def chosen(losses: Sequence[str], names: Sequence[str], *, quick: bool) -> list[Case]:
    """The cases that are asked for by name or by loss, or else those of a run by default.

    Raises:
        ValueError: There is no such loss, or the shape is none.
    """
    if not (losses or names):
        return [case for case in CASES if case.cost <= (QUICK if quick else QUICK + 1)]
    of_losses = itertools.chain.from_iterable(_of_loss(name, quick=quick) for name in losses)
    return list(dict.fromkeys([*map(_named, names), *of_losses]))


def _of_loss(name: str, *, quick: bool) -> list[Case]:
    most = QUICK if quick else HEAVY - 1
    found = [x for x in CASES if name in (x.loss, x.loss.partition("(")[0]) and x.cost <= most]
    return found or [inputs.usual(name)]


def _named(name: str) -> Case:
    """The case of this name, in the list or not."""
    known = {case.name: case for case in CASES}
    if name in known:
        return known[name]
    parts = _CASE.fullmatch(name)
    if not parts:
        hint = nearest(name, known)
        message = f"no case `{name}`: it is LOSS@SHAPE, as huber@1000x4{hint}"
        raise ValueError(message)
    loss = HEAD if parts[1] == "linear_head" else parts[1]
    case = Case(loss, tuple(map(int, parts[2].split("x"))))
    inputs.fitting(case)
    return case


def _measurements(request: Request) -> list[Measurement | Process]:
    cases = chosen(request.losses, request.cases, quick=request.quick)
    return [
        Measurement(case, dtype, quantity, peak=request.memory)
        for case, dtype, quantity in itertools.product(cases, request.dtypes, request.quantities)
    ]


def _goals(names: Sequence[str]) -> list[Goal]:
    rows = goals.rows()
    for name in names:
        if name not in rows:
            message = f"no goal `{name}`, there are {', '.join(rows)}"
            raise ValueError(message)
    return [goal for name in names or rows for goal in rows[name]]


def _peers(asked: Sequence[str], here: Sequence[str]) -> list[str]:
    for name in asked:
        if name not in libraries.LIBRARIES:
            message = f"no peer `{name}`, there are {', '.join(libraries.LIBRARIES)}"
            raise ValueError(message)
        if name not in here:
            message = f"{name} is not installed"
            raise ValueError(message)
    return [name for name in here if not asked or name in asked]


def _absent(asked: Sequence[str], here: Sequence[str]) -> list[str]:
    return [] if asked else [name for name in libraries.LIBRARIES if name not in here]


def _pace(request: Request) -> Pace:
    pace = _QUICK_PACE if request.quick else _PACE
    return Pace(pace.seconds, request.repeats, pace.fewest, pace.most)


def _measured(
    measurements: Iterable[Measurement | Process], peers: Sequence[str], pace: Pace, *, quiet: bool
) -> list[Reading]:
    # The first program that a process compiles takes longer, whichever it is.
    programs.ours(Question.of(CASES[0], "float32", "gradient"))
    readings: list[Reading] = []
    for each in measurements:
        if isinstance(each, Process):
            found = processes.measure(each)
        else:
            found = measure.measure(each, peers, pace)
        readings += found
        if not quiet:
            print("\n".join(map(report.line, found)), flush=True)
    return readings


def listing() -> str:
    """The cases that are measured by default, and the names of the goals."""
    marks = {QUICK: "  (--quick)", HEAVY: "  (only when named)"}
    lines = [f"  {case.name}{marks.get(case.cost, '')}" for case in CASES]
    return "\n".join(["cases:", *lines, "", "goals:", *(f"  {row}" for row in goals.rows())])
