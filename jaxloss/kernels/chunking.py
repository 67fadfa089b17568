"""Some tokens at a time: how many, which, and a map over them that is made again backwards."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.numerics.sizes import is_known

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
    count: int = jax.tree.leaves(rows)[0].shape[0]
    return count


def split(rows: PyTree, at_once: int) -> PyTree:
    """The rows in chunks of at most so many, `[chunks, rows, ...]`.

    With n chunks each holds every n-th row, so that all devices have work in each of them where
    the rows are spread over devices. The last row is repeated to fill up the chunks.
    """
    count = count_of(rows)
    chunks, each = _layout(count, at_once)
    missing = chunks * each - count

    def split_one(x: Array) -> Array:
        if is_known(missing) and missing == 0:
            return jnp.swapaxes(x.reshape(each, chunks, *x.shape[1:]), 0, 1)
        full = jnp.pad(x, [(0, missing), *[(0, 0)] * (x.ndim - 1)], mode="edge")
        return jnp.swapaxes(full.reshape(each, chunks, *x.shape[1:]), 0, 1)

    return jax.tree.map(split_one, rows)


def present(count: int, at_once: int) -> Array:
    """In the chunks of so many rows, which are there once, and do not only fill up."""
    chunks, each = _layout(count, at_once)
    places = jnp.arange(chunks * each).reshape(each, chunks).T
    return places < count


def _layout(count: int, at_once: int) -> tuple[int, int]:
    """How many chunks, and of how many rows each: at most so many, as even as they can be."""
    chunks = jax.core.max_dim(1, -(-count // at_once))
    return chunks, -(-count // chunks)


def join(chunks: PyTree, count: int) -> PyTree:
    """The first rows of what `split` made chunks of, in their order."""

    def join_one(x: Array) -> Array:
        many, each, *others = x.shape
        return jnp.swapaxes(x, 0, 1).reshape(many * each, *others)[:count]

    return jax.tree.map(join_one, chunks)


def map_by_chunks(of_chunk: Callable[[PyTree], PyTree], rows: PyTree, at_once: int) -> PyTree:
    """The function of the rows, of so many at once, and once more in the backward pass."""
    again = jax.checkpoint(of_chunk, prevent_cse=False)  # a loop is barrier enough
    return join(jax.lax.map(again, split(rows, at_once)), count_of(rows))
