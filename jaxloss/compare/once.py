"""Programs that run a single time."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

P = ParamSpec("P")
T = TypeVar("T")


def once(function: Callable[P, T]) -> Callable[P, T]:
    """The function, compiled fast and not for speed."""
    compiled: Callable[P, T] = jax.jit(
        function, compiler_options={"xla_backend_optimization_level": 0}
    )
    return compiled
