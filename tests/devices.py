"""Eight devices for a test: those of a process of its own, as a backend keeps its number."""

import functools
import importlib
import re
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import jax
import pytest

DEVICES = 8


def on_eight_devices(test):
    """Run a slow test, which takes what can be pickled, in the process with eight devices."""

    @functools.wraps(test)
    def elsewhere(**arguments):
        _process().submit(_call, test.__module__, test.__name__, arguments).result()

    return pytest.mark.slow(elsewhere)


@functools.cache
def _process():
    return ProcessPoolExecutor(1, get_context("spawn"), _start)


def _start():
    jax.config.update("jax_num_cpu_devices", DEVICES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def collectives(compiled):
    """The operations by which a program communicates, and the shapes of what they move."""
    found = re.findall(
        r"= (.*?) ((?:all|collective|ragged|reduce-scatter)[a-z-]*?)(?:-start)?\(",
        compiled.as_text(),
    )
    return {kind for _, kind in found}, set(re.findall(r"\[([\d,]*)\]", str([x for x, _ in found])))


def _call(module, name, arguments):
    test = getattr(importlib.import_module(module), name).__wrapped__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test(**arguments)
