"""What pytest leaves alone, and how its time is spent."""

import gc
import itertools
import os

import jax

_QUICK = ["--xla_cpu_parallel_codegen_split_count=1"]  # a worker has a core of its own
if jax.__version_info__ < (0, 11):  # XLA's older emitters take half the time; later it has none
    _QUICK.append("--xla_cpu_use_fusion_emitters=false")
jax.config.update("jax_traceback_filtering", "off")  # it is slow, and tests provoke many errors
gc.disable()  # of what tests leave behind, little is garbage before the caches are dropped
_AT_ONCE, _AT_REST = 500, 20  # tests, after which what was compiled is dropped, or left alone
_finished = itertools.count(1)

collect_ignore = ["torch_values.py"]  # a script that needs PyTorch, which is no dependency


def pytest_addoption(parser):
    """The option for what depends on how XLA fuses and rearranges arithmetic."""
    parser.addoption(
        "--default-flags",
        action="store_true",
        help="run what is marked `default_flags` or `any_flags`, compiled as users compile, alone",
    )


def pytest_configure(config):
    """Compile quickly but for `--default-flags`, and keep what is compiled for other runs.

    The suite compiles thousands of small functions and runs each a few times, with a large heap.
    """
    if not config.getoption("--default-flags"):
        jax.config.update("jax_disable_most_optimizations", True)
        os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # for the processes that tests start
        os.environ["XLA_FLAGS"] = " ".join([os.getenv("XLA_FLAGS", ""), *_QUICK])
    if not hasattr(config, "cache"):  # pytest was told to keep nothing
        return
    kept = {
        "jax_compilation_cache_dir": str(config.cache.mkdir("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.5,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for option, value in kept.items():
        jax.config.update(option, value)
        os.environ[option.upper()] = str(value)  # for the processes that tests start


def pytest_collection_modifyitems(config, items):
    """Within a module, what is tested of one loss comes together, as it shares what is compiled."""
    chosen = {True: [], False: []}
    for item in items:
        marked = item.get_closest_marker("default_flags") is not None
        either = item.get_closest_marker("any_flags") is not None
        chosen[either or marked == config.getoption("--default-flags")].append(item)
    items[:] = chosen[True]
    config.hook.pytest_deselected(items=chosen[False])
    first = {}
    for place, item in enumerate(items):
        first.setdefault(_subject(item), place)
    items.sort(key=lambda item: first[_subject(item)])


def _subject(item):
    """The module of a test, and the loss that it is given, if any."""
    given = item.callspec.params if hasattr(item, "callspec") else {}
    return item.path, given.get("loss") or given.get("case") or given.get("name")


def pytest_runtest_logfinish():
    """What was compiled in memory is dropped from time to time: it adds up to gigabytes.

    Until then a library that collects garbage of its own accord searches little of it.
    """
    finished = next(_finished)
    if finished % _AT_ONCE == 0:
        jax.clear_caches()
        gc.unfreeze()
        gc.collect()
    if finished % _AT_REST == 0:
        gc.freeze()
