"""Some tokens at a time: how many, which, and a map over them that is made again backwards."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

PyTree = Any

_LEAST_MEMORY = 180_000_000  # bytes
_MANY = 512
BUFFERS = 2  # the logits and their gradient


def tokens_at_once(classes: int, features: int, itemsize: int, memory: int | None) -> int:
    """How many tokens fit; of many a power of two, which leaves no odd rest.

    By default the chunk takes half the memory of the weight's gradient: each chunk costs a pass
    over that gradient, which the products of few tokens would be too short to outweigh.
    """
    token = BUFFERS * itemsize * max(classes, 1)
    budget = memory or max(_LEAST_MEMORY, features * classes * itemsize // 2)
    fitting = max(budget // token, 1)
    return fitting if fitting < _MANY else 1 << (fitting.bit_length() - 1)


def count_of(rows: PyTree) -> int:
    """The number of rows, the length of the first axis of each array."""
    return len(jax.tree.leaves(rows)[0])


def split(rows: PyTree, at_once: int) -> PyTree:
    """The rows in chunks of at most so many, `[chunks, rows, ...]`.

    With n chunks each holds every n-th row, so that all devices have work in each of them where
    the rows are spread over devices. The last row is repeated to fill up the chunks.
    """
    chunks = max(1, math.ceil(count_of(rows) / at_once))

    def split_one(x: Array) -> Array:
        missing = -len(x) % chunks
        full = jnp.pad(x, [(0, missing), *[(0, 0)] * (x.ndim - 1)], mode="edge") if missing else x
        return jnp.swapaxes(full.reshape(len(full) // chunks, chunks, *x.shape[1:]), 0, 1)

    return jax.tree.map(split_one, rows)


def present(count: int, at_once: int) -> Array:
    """In the chunks of so many rows, which are there once, and do not only fill up."""
    chunks = max(1, math.ceil(count / at_once))
    places = jnp.arange(count + -count % chunks).reshape(-1, chunks).T
    return places < count


def join(chunks: PyTree, count: int) -> PyTree:
    """The first rows of what `split` made chunks of, in their order."""
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1).reshape(-1, *x.shape[2:])[:count], chunks)


def map_by_chunks(of_chunk: Callable[[PyTree], PyTree], rows: PyTree, at_once: int) -> PyTree:
    """The function of the rows, of so many at once, and once more in the backward pass."""
    again = jax.checkpoint(of_chunk, prevent_cse=False)  # a loop is barrier enough
    return join(jax.lax.map(again, split(rows, at_once)), count_of(rows))
