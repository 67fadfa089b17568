"""The memory roofline: the least time in which this machine reads and writes so many bytes."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

_FLOAT = 4  # bytes


def moving(read: int, written: int) -> Callable[[], object]:
    """A function that reads and writes so many bytes and does little else.

    It is measured at the size of each case, not once for the machine, as both then fit into the
    same caches.
    """
    # What is written is read too, and updated in place, as the system would have to clear fresh
    # pages; what else is read is summed.
    summed = jnp.ones(max(read - written, 0) // _FLOAT, np.float32)
    held = [jnp.zeros(written // _FLOAT, np.float32)]
    step = jax.jit(_step, donate_argnums=1)  # a donated buffer is where the result is written

    def run() -> None:
        _, held[0] = jax.block_until_ready(step(summed, held[0]))

    return run


def _step(summed: Array, updated: Array) -> tuple[Array, Array]:
    return jnp.sum(summed), updated + 1
