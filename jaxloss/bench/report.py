"""Readings and goals as tables of Markdown and as JSON."""

import dataclasses
import os
import platform
from collections.abc import Iterable, Sequence
from typing import Any

import jax

from jaxloss.bench import libraries
from jaxloss.bench.goals import Goal
from jaxloss.bench.measure import Reading

# Titles and widths, fixed beforehand, as rows are printed while others are still measured.
_COLUMNS = {
    "case": 52,
    "dtype": 8,
    "quantity": 8,
    "who": 7,
    "time": 8,
    "ours is": 25,
    "floors": 7,
    "temporaries": 11,
    "B/element": 9,
    "lowering": 8,
    "compiling": 9,
    "peak": 9,
}
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
# What changes the speed of memory, of XLA and of PyTorch from outside.
_VARIABLES = ("GLIBC_TUNABLES", "XLA_FLAGS", "OMP_NUM_THREADS")


def header() -> str:
    """The head of the table of readings."""
    return f"{_row(_COLUMNS)}\n{_row('-' * width for width in _COLUMNS.values())}"


def line(reading: Reading) -> str:
    """One row of the table of readings."""
    return _row(
        [
            reading.case,
            reading.dtype,
            reading.quantity,
            reading.who,
            _scaled(reading.seconds, _SECONDS, 1e-9),
            _ratio(reading) or reading.note,
            "" if reading.floors is None else f"{reading.floors:.3g}",
            _scaled(reading.temporaries, _BYTES, 1.0),
            "" if reading.per_element is None else f"{reading.per_element:.3g}",
            _scaled(reading.lowering, _SECONDS, 1e-9),
            _scaled(reading.compiling, _SECONDS, 1e-9),
            _scaled(reading.peak, _BYTES, 1.0),
        ]
    )


def judged(goals: Iterable[Goal], readings: Sequence[Reading]) -> list[dict[str, Any]]:
    """Each goal, what was found, and whether it is met; None where it was not measured."""
    return [
        {
            "row": goal.row,
            "subject": goal.subject,
            "wanted": goal.wanted,
            "found": (found := goal.found(readings)),
            "met": None if found is None else found <= goal.bound,
        }
        for goal in goals
    ]


def goal_table(judgements: Iterable[dict[str, Any]]) -> str:
    """The goals with what was found."""
    words = {True: "met", False: "missed", None: "unmeasured"}
    rows = [
        [x["row"], x["subject"], x["wanted"], _found(x["found"]), words[x["met"]]]
        for x in judgements
    ]
    heads = ["goal", "of", "wanted", "found", "outcome"]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def environment(peers: Sequence[str]) -> dict[str, Any]:
    """What times depend on: the machine, versions of libraries, environment variables."""
    names = ["jax", "jaxlib", *(peer for peer in peers if peer != "plain")]
    return {
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: libraries.version(name) for name in names},
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
    }


def introduction(peers: Sequence[str], absent: Sequence[str]) -> str:
    """The environment, in words."""
    found = environment(peers)
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    variables = "".join(f", {name}={value}" for name, value in found["variables"].items())
    lines = [
        f"{found['device']}, {found['cores']} cores, load {found['load']:.1f}{variables}",
        f"Python {found['python']}, {versions}",
    ]
    # PyTorch splits a call over all cores, and waits for the slowest.
    if found["load"] > found["cores"] / 2:
        lines.append("Others use the cores too: times are rough, those of PyTorch most of all")
    return "\n".join([*lines, f"Not installed: {', '.join(absent)}"] if absent else lines)


def plainly(readings: Iterable[Reading]) -> list[dict[str, Any]]:
    """The readings for JSON."""
    return [dataclasses.asdict(reading) for reading in readings]


def _row(cells: Iterable[str]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, _COLUMNS.values(), strict=True))
    return f"| {' | '.join(padded)} |"


def _ratio(reading: Reading) -> str:
    if reading.ratio is None:
        return ""
    ratio = reading.ratio
    return f"{ratio.median:.3g} ({ratio.low:.3g} to {ratio.high:.3g})"


def _found(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _scaled(value: float | None, units: Sequence[tuple[float, str]], least: float) -> str:
    if value is None:
        return ""
    size, unit = next(((s, u) for s, u in units if value >= s), (least, "ns" if least < 1 else "B"))
    return f"{value / size:.3g} {unit}"
