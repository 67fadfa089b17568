"""Programs that run a single time."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
T = TypeVar("T")

_QUICK: dict[str, bool | int] = {"xla_backend_optimization_level": 0}
if jax.__version_info__ < (0, 11):  # XLA's older emitters take half the time; later it has none
    _QUICK["xla_cpu_use_fusion_emitters"] = False


def quick_jit(function: Callable[P, T]) -> Callable[P, T]:
    """The function, compiled fast and not for speed."""
    compiled: Callable[P, T] = jax.jit(function, compiler_options=_QUICK)
    return compiled
