"""Compilation of programs that run a single time, where compiling takes longer than running."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
T = TypeVar("T")

_QUICK: dict[str, bool | int] = {"xla_backend_optimization_level": 0}
# XLA's older emitters compile in half the time. From jax 0.11 on XLA has none.
if jax.__version_info__ < (0, 11):
    _QUICK["xla_cpu_use_fusion_emitters"] = False


def quick_jit(function: Callable[P, T]) -> Callable[P, T]:
    """Compile a function quickly instead of optimizing it: the counterpart of `jax.jit`."""
    compiled: Callable[P, T] = jax.jit(function, compiler_options=_QUICK)
    return compiled
