"""How long whole processes take: importing, the command line, a small comparison."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace

from jaxloss.bench import clock
from jaxloss.bench.measure import OURS, Reading

_TURNS = 7  # an odd number: the median is one of the times
_COMPARISON = """
import time
from jaxloss.compare import compare
start = time.perf_counter()
compare(seeds=8, noise=[0.0], rates=[0.003], epochs=12)
print(time.perf_counter() - start)
"""  # twelve losses, and about 200 steps of 64 examples


@dataclass(frozen=True)
class Process:
    """What a fresh interpreter does, and what it is compared with.

    Attributes:
        name: What it is called in the table.
        arguments: Of the interpreter.
        beside: Those of the one it is compared with, or none.
        cached: Whether JAX finds what it compiled in an earlier run, if it compiles: such a process
            is run once and prints its seconds, so that starting Python does not count. None if it
            compiles nothing.
    """

    name: str
    arguments: tuple[str, ...]
    beside: tuple[str, ...] = ()
    cached: bool | None = None


_IMPORT = "from jaxloss import Objective, huber"  # `import jaxloss` by itself imports nothing yet
IMPORT = Process(_IMPORT, ("-c", _IMPORT), ("-c", "import jax"))
LIST = Process("jaxloss list", ("-m", "jaxloss", "list"))
HELP = Process("jaxloss --help", ("-m", "jaxloss", "--help"))
COMPARE = Process("compare, cold", ("-c", _COMPARISON), cached=False)
AGAIN = Process("compare, cached", ("-c", _COMPARISON), cached=True)


def measure(process: Process) -> list[Reading]:
    """A reading of the process, and one of what it is compared with."""
    named = Reading(process.name, "", "process", OURS, process.name)
    if process.cached is not None:
        return [replace(named, seconds=_printed(process), turns=1)]
    runs = {OURS: _run(process.arguments)}
    if process.beside:
        runs["bare"] = _run(process.beside)
    samples = clock.interleaved(runs, clock.Pace(0, _TURNS))
    return [
        replace(named, who=who, seconds=statistics.median(found), turns=len(found))
        for who, found in samples.items()
    ]


def _run(arguments: tuple[str, ...]) -> Callable[[], object]:
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _printed(process: Process) -> float:
    """Seconds that the process prints, with an empty cache or with what a first run left in it."""
    with tempfile.TemporaryDirectory() as cache:
        kept = {
            "JAX_COMPILATION_CACHE_DIR": cache,
            # By default JAX keeps only what took a second or more to compile.
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        environment = {**os.environ, **(kept if process.cached else {})}
        command = [sys.executable, *process.arguments]
        printed = [
            subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout
            for _ in range(2 if process.cached else 1)
        ]
    return float(printed[-1].split()[-1])
