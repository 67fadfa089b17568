"""One measurement: a case in one dtype, of one quantity, ours beside every installed peer."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from jaxloss.bench import clock, inputs, memory, peers, programs, roofline
from jaxloss.bench.cases import Case
from jaxloss.bench.clock import Pace, Ratio, Run
from jaxloss.bench.programs import Implementation, Question

OURS, FLOOR = "ours", "floor"
# What a peer may raise where it has no such dtype, shape or device: noted, and the rest goes on.
_FAILURES = (TypeError, ValueError, RuntimeError, NotImplementedError, LookupError)


@dataclass(frozen=True)
class Measurement:
    """One thing to be measured.

    Attributes:
        case: The loss and its shape.
        dtype: Of all inputs that are no integers.
        quantity: "value", "gradient" (with the value), "eager" or "compile".
        timed: Whether it runs; if not, what the compiler says is all.
        peak: Whether the peak of memory is measured too.
    """

    case: Case
    dtype: str = "float32"
    quantity: str = "gradient"
    timed: bool = True
    peak: bool = False


@dataclass(frozen=True)
class Reading:
    """What was measured of one implementation.

    Attributes:
        case: The name of the case, or of a process.
        dtype: Of the inputs.
        quantity: As in the measurement.
        who: "ours", a library, or what else a call is measured beside.
        call: What was computed.
        seconds: The median of a call.
        turns: How many there were.
        ratio: Seconds of ours over those of this one.
        floors: Seconds over those that moving inputs and outputs takes.
        lowering: Seconds.
        compiling: Seconds.
        temporaries: Bytes beside inputs and outputs, as the compiler says.
        per_element: The same for each number of the first array.
        peak: Bytes beside the inputs, as a process of its own shows.
        note: Why something is missing.
    """

    case: str
    dtype: str
    quantity: str
    who: str
    call: str
    seconds: float | None = None
    turns: int = 0
    ratio: Ratio | None = None
    floors: float | None = None
    lowering: float | None = None
    compiling: float | None = None
    temporaries: int | None = None
    per_element: float | None = None
    peak: int | None = None
    note: str = ""


def measure(measurement: Measurement, libraries: Sequence[str], pace: Pace) -> list[Reading]:
    """A reading of ours, then of each library that has the loss."""
    if measurement.quantity == "eager":
        return _eager(measurement, pace)
    ready, notes = _ready(measurement, libraries)
    runs = _runs(measurement, ready, notes)
    samples = clock.interleaved(runs, pace) if measurement.timed else {}
    peaks = _peaks(measurement, ready, notes) if measurement.peak else {}
    readings = [
        replace(
            _reading(measurement, who, implementation),
            peak=peaks.get(who),
            note=notes.get(who, ""),
            **_times(samples, who),
        )
        for who, implementation in ready.items()
    ]
    failed = [
        _named(measurement, who, "", note=note) for who, note in notes.items() if who not in ready
    ]
    return [*readings, *failed]


def _ready(
    measurement: Measurement, libraries: Sequence[str]
) -> tuple[dict[str, Implementation], dict[str, str]]:
    """The implementations that can be called, and why others cannot, by name."""
    question = Question.of(measurement.case, measurement.dtype, measurement.quantity)
    # Ours may not fail: that would be a fault, and no note.
    ready, notes = {OURS: programs.ours(question)}, {}
    matches = peers.matches(measurement.case.loss)
    for library in (name for name in libraries if name in matches):
        try:
            ready[library] = programs.peer(question, matches[library])
        except _FAILURES as error:
            notes[library] = _in_a_line(error)
    return ready, notes


def _runs(
    measurement: Measurement, ready: Mapping[str, Implementation], notes: dict[str, str]
) -> dict[str, Run]:
    """What takes turns, without calls that fail or that need more memory than there is.

    On Linux, the kernel would end the whole process for the memory it takes.
    """
    if measurement.quantity == "compile":
        return {
            who: implementation.build
            for who, implementation in ready.items()
            if implementation.build
        }
    runs: dict[str, Run] = {}
    if measurement.timed:
        runs[FLOOR] = roofline.moving(ready[OURS].read, ready[OURS].written)
    for who, implementation in ready.items():
        note = _unfit(implementation) or (_failure(implementation.run) if measurement.timed else "")
        if note:
            notes[who] = note
        else:
            runs[who] = implementation.run
    return runs


def _peaks(measurement: Measurement, ready: Iterable[str], notes: dict[str, str]) -> dict[str, int]:
    """Those of the implementations that fit into memory."""
    peaks = {}
    for who in ready:
        if who not in notes:
            try:
                peaks[who] = memory.peak(
                    measurement.case, measurement.dtype, measurement.quantity, who
                )
            except RuntimeError as error:
                notes[who] = f"no peak: {error}"
    return peaks


def _unfit(implementation: Implementation) -> str:
    free, needed = memory.available(), (implementation.temporaries or 0) + implementation.written
    return "does not fit into memory" if free is not None and needed > free else ""


def _failure(run: Callable[[], object]) -> str:
    try:
        run()
    except _FAILURES as error:
        return _in_a_line(error)
    return ""


def _in_a_line(error: Exception) -> str:
    return f"failed: {error}".partition("\n")[0]  # those of XLA go on for pages


def _reading(measurement: Measurement, who: str, implementation: Implementation) -> Reading:
    temporaries = implementation.temporaries
    elements = math.prod(inputs.fitting(measurement.case)[0])
    return replace(
        _named(measurement, who, implementation.call),
        lowering=implementation.lowering,
        compiling=implementation.compiling,
        temporaries=temporaries,
        per_element=None if temporaries is None else temporaries / elements,
    )


def _named(measurement: Measurement, who: str, call: str, note: str = "") -> Reading:
    return Reading(
        measurement.case.name, measurement.dtype, measurement.quantity, who, call, note=note
    )


def _times(samples: Mapping[str, Sequence[float]], who: str) -> dict[str, Any]:
    """The fields of a reading that are times."""
    if who not in samples:
        return {}
    own, floors = samples[who], samples.get(FLOOR)
    return {
        "seconds": statistics.median(own),
        "turns": len(own),
        "ratio": clock.ratio(samples[OURS], own) if who != OURS and OURS in samples else None,
        "floors": clock.ratio(own, floors).median if floors else None,
    }


def _eager(measurement: Measurement, pace: Pace) -> list[Reading]:
    """A call outside `jit` beside the same inside: what checks and conversions of arguments cost.

    At few numbers, as the computation itself would hide it.
    """
    loss, few = inputs.find(measurement.case.loss), inputs.few(measurement.case.loss)
    arrays = [jnp.asarray(array) for array in inputs.draw(few).values()]
    bare = jax.jit(loss)
    runs: dict[str, Run] = {
        OURS: lambda: jax.block_until_ready(loss(*arrays)),
        "jit": lambda: jax.block_until_ready(bare(*arrays)),
    }
    samples = clock.interleaved(runs, pace)
    calls = {OURS: measurement.case.loss, "jit": f"jax.jit({measurement.case.loss})"}
    named = replace(measurement, case=few)
    return [replace(_named(named, who, calls[who]), **_times(samples, who)) for who in runs]
