"""How fast this machine moves memory: the floor under anything that reads and writes it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

_FLOAT = 4  # bytes


def moving(read: int, written: int) -> Callable[[], object]:
    """A function that reads and writes so many bytes, and is called for its time.

    What is written is updated in place, as nothing is faster: no fresh page is touched. The rest
    of what is read is summed. At the size of a case it fits into the same caches as the case does.
    """
    summed = jnp.ones(max(read - written, 0) // _FLOAT, np.float32)
    held = [jnp.zeros(written // _FLOAT, np.float32)]
    step = jax.jit(_step, donate_argnums=1)

    def run() -> None:
        _, held[0] = jax.block_until_ready(step(summed, held[0]))

    return run


def _step(summed: Array, updated: Array) -> tuple[Array, Array]:
    return jnp.sum(summed), updated + 1
