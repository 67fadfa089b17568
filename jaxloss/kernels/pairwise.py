"""Functions of all pairs of two sets, of which a block is held at a time, never the whole matrix.

A block is some elements of either set. What a function gives for it is partial: of its rows over
its columns, and of its columns over its rows. Partial results are combined by a monoid, so that
blocks may come in any order and from anywhere. In the backward pass each is computed again.
"""

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.kernels.chunking import (
    Blocks,
    Sizes,
    by_platform,
    count_of,
    rematerialized,
)
from jaxloss.numerics.elementary import as_array
from jaxloss.numerics.shard_map_axes import axes_of, vary
from jaxloss.numerics.sizes import is_known
from jaxloss.numerics.trees import PyTree

Budget = Sizes[int]  # bytes of a block, of one number for each of its pairs
OfBlock = Callable[[PyTree, PyTree], tuple[PyTree, PyTree]]

# Bytes of one number for each pair of a block; a gradient makes several such matrices. Those of
# 8192 x 8192 pairs stay below 16 MiB together (tests/test_pairwise.py), and not 256 MiB each.
_LEAST_MEMORY = 2**21
# On GPUs and TPUs each block is some kernels, so there are few: memory is 80 GB on an H100, 16 on a
# TPU v5e. In blocks for a CPU, CLIP of 8192 x 8192 pairs is 2,800 kernels on an H100, and 30 in one
# (`jaxloss bench --programs h100`).
_ACCELERATOR_MEMORY = 2**29
_SINGLE = 4  # bytes
# A block may have this part of the bytes of the largest array of a set: little beside the set and
# its gradient, which are held anyway.
_PART_OF_SET = 1 / 4
# Rows for each column of a block. Each block of rows costs a pass over the second set and its
# gradient, so blocks are tall, and there are few of them.
_ASPECT = 2


class Monoid(NamedTuple):
    """How the results of two blocks for the same element are combined, and what changes none.

    Attributes:
        combine: An associative and commutative function of two results.
        identity: The result of no pairs at all.
    """

    combine: Callable[[Array, Array], Array]
    identity: float


SUM = Monoid(operator.add, 0.0)
LOG_ADD_EXP = Monoid(jnp.logaddexp, -math.inf)


class BlockShape(NamedTuple):
    """The most elements of either set in a block."""

    rows: int
    columns: int


def vmap_sets(of_set: Callable[..., Array], *sets: Array) -> Array:
    """A function of the budget of a block and of one set, mapped over all leading axes.

    The last array has the shape of the sets and of their elements. Under `vmap` a block of each
    set is held at the same time, so they share the memory of one.
    """
    shape = sets[-1].shape[:-1]
    for _ in shape:
        of_set = _mapped(of_set)
    count = math.prod(shape)
    at_once = max(1, count) if is_known(count) else 1
    budget = budget_of(_memory(sets))
    return of_set(Sizes(*(max(1, memory // at_once) for memory in budget)), *sets)


def budget_of(memory: int) -> Budget:
    """Blocks of so many bytes on a CPU, and larger ones elsewhere."""
    return Sizes(memory, max(memory, _ACCELERATOR_MEMORY))


def _mapped(of_set: Callable[..., Array]) -> Callable[..., Array]:
    return lambda budget, *sets: jax.vmap(partial(of_set, budget))(*sets)


def _block_shape(first: PyTree, second: PyTree, memory: int) -> BlockShape:
    """The shape of blocks that hold one number for each pair in so many bytes."""
    counts = count_of(first), count_of(second)
    numbers = max(1, memory // _itemsize(first, second))
    if not is_known(*counts) or counts[0] * counts[1] <= numbers:
        return BlockShape(*counts)
    columns = max(1, min(counts[1], math.isqrt(numbers // _ASPECT)))
    return BlockShape(min(counts[0], numbers // columns), columns)


def fold_pairs(
    of_block: OfBlock, first: PyTree, second: PyTree, monoid: Monoid, budget: Budget
) -> tuple[PyTree, PyTree]:
    """The results of a function of blocks for each row and each column, combined over all blocks.

    Either set is a tree of arrays, an element along the first axis of each. The last block is
    filled up with zeros, which must not change the results of elements of the other set.
    """
    shapes = [_block_shape(first, second, memory) for memory in budget]
    if shapes[0] == (count_of(first), count_of(second)):
        return of_block(first, second)
    folded: tuple[PyTree, PyTree] = by_platform(
        partial(_fold, of_block, monoid), Sizes(*shapes), first, second
    )
    return folded


def _fold(
    of_block: OfBlock, monoid: Monoid, shape: BlockShape, first: PyTree, second: PyTree
) -> tuple[PyTree, PyTree]:
    """The same in blocks of this shape."""
    again: OfBlock = rematerialized(of_block)
    if shape == (count_of(first), count_of(second)):
        return again(first, second)
    row_blocks, column_blocks = _blocks_of(first, shape.rows), _blocks_of(second, shape.columns)
    rows, columns = row_blocks.split(first, "constant"), column_blocks.split(second, "constant")
    one_block = (jax.tree.map(lambda x: x[0], x) for x in (rows, columns))
    no_row, no_column = identities_like(monoid, jax.eval_shape(of_block, *one_block))

    def across(row: PyTree, total: PyTree, block: PyTree) -> tuple[PyTree, PyTree]:
        column, before = block
        of_row, of_column = again(row, column)
        return _combined(monoid, total, of_row), _combined(monoid, before, of_column)

    def along(totals: PyTree, row: PyTree) -> tuple[PyTree, PyTree]:
        of_row, totals = jax.lax.scan(partial(across, row), no_row, (columns, totals))
        return totals, of_row

    start = jax.tree.map(lambda x: jnp.stack([x] * column_blocks.count), no_column)
    of_columns, of_rows = jax.lax.scan(along, start, rows)
    return row_blocks.join(of_rows), column_blocks.join(of_columns)


def map_pairs(
    of_rows: Callable[[PyTree, PyTree], PyTree],
    first: PyTree,
    second: PyTree,
    *,
    memory: int | None = None,
) -> PyTree:
    """Apply a function of some rows of pairs, so many at a time that memory is bounded.

        of_rows(first, second),   joined from of_rows(some of first, second)

    A row is an element of the first set with all of the second. The function computes what it needs
    of its pairs, such as their similarities, and returns what is left of each row. In the backward
    pass it computes them again. Sets that are small enough it gets whole.

    Args:
        of_rows: A function of some elements of `first`, in any order, and of all of `second`. It
            gives arrays whose first axis is that of the elements of `first`, each of which has
            nothing to do with the others.
        first: An array, or a tree of arrays, with an element along the first axis of each. Labels,
            masks and positions are further arrays: `(vectors, labels, jnp.arange(count))`.
        second: Likewise the other set, of any number of elements. It may be the same.
        memory: The bytes of one number for each pair that is held at once, at least those of one
            row; by default 2 MiB on a CPU and 512 MiB elsewhere, or a quarter of the bytes of
            `second` if that is more.

    Returns:
        What `of_rows` gives for all of `first`. Derivatives of any order and mode pass through, in
        what the function closes over too; sets of several batches are mapped by `jax.vmap`.

    Raises:
        TypeError: `of_rows` is no function, `memory` no integer, or there are no arrays.
        ValueError: The arrays of a set, or what the function gives, differ in number of elements;
            or `memory` is not positive.

    Use when a loss of your own compares all elements of two sets that are large.
    Avoid when the whole matrix of pairs fits, several times: it need not be computed twice.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> points, places = jnp.array([0.0, 1.0, 5.0]), jnp.arange(3)
        >>> def nearest_other(rows, columns):
        ...     (x, i), (y, j) = rows, columns
        ...     distances = jnp.abs(x[:, None] - y[None, :])
        ...     return jnp.min(jnp.where(i[:, None] == j[None, :], jnp.inf, distances), axis=1)
        >>> elements = points, places
        >>> jl.map_pairs(nearest_other, elements, elements, memory=12).tolist()
        [1.0, 1.0, 4.0]

    Limits:
        `of_rows(first, second)`, whatever the memory.
    """
    if not callable(of_rows):
        message = f"`of_rows` is a function of some rows and of `second`, got {of_rows!r}"
        raise TypeError(f"map_pairs: {message}")
    first, second = _elements("first", first), _elements("second", second)
    if memory is None:
        return map_rows(of_rows, first, second, budget_of(_memory(second)))
    size = _checked(memory)
    return map_rows(of_rows, first, second, Sizes(size, size))


def map_rows(
    of_rows: Callable[[PyTree, PyTree], PyTree], first: PyTree, second: PyTree, budget: Budget
) -> PyTree:
    """The same for sets of arrays, of which a block has this budget."""

    def checked(first: PyTree, second: PyTree) -> PyTree:
        return _as_many("what `of_rows` gives", of_rows(first, second), count_of(first))

    count, others = count_of(first), count_of(second)
    if not is_known(count, others):
        return checked(first, second)
    numbers = [memory // _itemsize(first, second) for memory in budget]
    if count * others <= numbers[0]:
        return checked(first, second)
    rows = Sizes(*(min(count, max(1, number // others)) for number in numbers))
    return by_platform(partial(_map_blocks, checked), rows, first, second)


def _map_blocks(
    of_rows: Callable[[PyTree, PyTree], PyTree], at_once: int, first: PyTree, second: PyTree
) -> PyTree:
    again, blocks = rematerialized(of_rows), _blocks_of(first, at_once)
    if blocks.count == 1:
        return again(first, second)
    return blocks.join(jax.lax.map(lambda block: again(block, second), blocks.split(first)))


def identities_like(monoid: Monoid, results: PyTree) -> PyTree:
    """The identity in the shapes of these results, and sharded as they are."""
    return jax.tree.map(partial(_filled, monoid.identity), results)


def _blocks_of(elements: PyTree, at_once: int) -> Blocks:
    """Interleaved if anything can be sharded at all."""
    return Blocks.of_at_most(count_of(elements), at_once, interleaved=jax.device_count() > 1)


def _memory(elements: PyTree) -> int:
    """The bytes of a block: more for larger sets, as each costs a pass over one of them."""
    known = [x for x in jax.tree.leaves(elements) if is_known(x.size)]
    return max([_LEAST_MEMORY, *(int(x.size * x.dtype.itemsize * _PART_OF_SET) for x in known)])


def _itemsize(*sets: PyTree) -> int:
    """The bytes of a number computed from the arrays: 16 bits are widened to single precision."""
    largest: int = max(x.dtype.itemsize for x in jax.tree.leaves(sets))
    return max(_SINGLE, largest)


def _combined(monoid: Monoid, one: PyTree, other: PyTree) -> PyTree:
    return jax.tree.map(monoid.combine, one, other)


def _filled(value: float, like: jax.ShapeDtypeStruct) -> Array:
    """An array of one value, sharded as the abstract one, as a scan wants of its carry."""
    full = jax.lax.full(like.shape, value, like.dtype, sharding=like.sharding)
    filled: Array = vary(full, axes_of(like))
    return filled


def _elements(name: str, tree: PyTree) -> PyTree:
    """The tree as arrays, if all have as many elements."""
    arrays = jax.tree.map(as_array, tree)
    if not jax.tree.leaves(arrays):
        message = f"map_pairs: `{name}` is an array or a tree of arrays, got {tree!r}"
        raise TypeError(message)
    return _as_many(f"`{name}`", arrays, None)


def _as_many(what: str, tree: PyTree, count: int | None) -> PyTree:
    """The arrays, if each has a first axis of so many elements, or of as many as the others."""
    shapes = [jnp.shape(x) for x in jax.tree.leaves(tree)]
    lengths = {shape[0] if shape else None for shape in shapes}
    if None in lengths or len(lengths | ({count} - {None})) > 1:
        wanted = "as many" if count is None else f"{count}"
        message = f"{what} has arrays of shapes {shapes}; the first axis of each is of {wanted}"
        raise ValueError(f"map_pairs: {message} elements")
    return tree


def _checked(memory: int) -> int:
    """The bytes, if they are a positive integer."""
    try:
        size = operator.index(memory)
    except TypeError as error:
        message = f"map_pairs: `memory` is a number of bytes, an integer, got {memory!r}"
        raise TypeError(message) from error
    if size < 1:
        raise ValueError(f"map_pairs: `memory` is at least 1 byte, got {size}")
    return size
