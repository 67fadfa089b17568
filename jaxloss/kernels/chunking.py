"""Blocks of elements: how many at a time, which ones, and a map over them that is rematerialized.

An element (a token, an example, a vector of a set) lies along the first axis of each array of a
tree. A loop over blocks of them holds what is computed of one block at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.numerics.sizes import is_known
from jaxloss.numerics.trees import PyTree

Size = TypeVar("Size")
Carry = TypeVar("Carry")
Frame = TypeVar("Frame")

# Bytes of the buffers of a chunk. The benchmark of heads, 4096 tokens by 128256 classes, may hold
# 200 MB of temporaries in all (`jaxloss.bench.goals`): this leaves a tenth for all else.
_LEAST_MEMORY = 180_000_000
_MANY = 512  # tokens, from which on a chunk is a power of two
# Off the CPU a chunk has more tokens, in 5 % of the 80 GB of an H100: each reads the weight twice,
# and reads and writes its gradient. 8192 tokens of 2048 features in bfloat16, and 128256 classes,
# move 90 GB on an H100 in chunks of 512 tokens, and 37 in these (`jaxloss bench --programs h100`).
_ACCELERATOR_TOKENS, _ACCELERATOR_MEMORY = 4096, 2**32
BUFFERS = 2  # the logits and their gradient
ACCELERATORS = ("cuda", "rocm", "tpu")
_STEPS = 8  # of a scan in one trip of its loop, off the CPU


@dataclass(frozen=True)
class Blocks:
    """A division of elements into blocks of equally many, the last of them filled up.

    Interleaved, each of n blocks holds every n-th element. Where elements are sharded, each device
    holds neighbours: a block of neighbours would lie on few of the devices while the others wait,
    but of interleaved elements every device has its share of each block. Where nothing is sharded
    neighbours may stay together, in place: blocks are then no transposed copy.

    Attributes:
        elements: How many there are, an integer or a symbol of `jax.export`.
        count: The number of blocks.
        interleaved: Whether a block holds every n-th element, or neighbours.
    """

    elements: int
    count: int
    interleaved: bool = True

    @classmethod
    def of_at_most(cls, elements: int, at_once: int, *, interleaved: bool = True) -> Self:
        """The fewest blocks of at most so many elements: as even as they can be, and at least 1."""
        return cls(elements, jax.core.max_dim(1, -(-elements // at_once)), interleaved)

    def split(self, tree: PyTree, fill: Literal["constant", "edge"] = "edge") -> PyTree:
        """The elements as `[blocks, elements, ...]`, filled up with zeros or with the last one."""
        return jax.tree.map(lambda x: self._split(x, fill), tree)

    def join(self, tree: PyTree) -> PyTree:
        """The elements in their order, without what filled up the last block."""
        return jax.tree.map(self._join, tree)

    def present(self) -> Array:
        """Which of the elements in the blocks are there, and do not only fill up."""
        return self._arranged(jnp.arange(self.count * self._each)) < self.elements

    @property
    def _each(self) -> int:
        return -(-self.elements // self.count)

    def _split(self, x: Array, fill: Literal["constant", "edge"]) -> Array:
        missing = self.count * self._each - self.elements
        if not (is_known(missing) and missing == 0):
            x = jnp.pad(x, [(0, missing), *[(0, 0)] * (x.ndim - 1)], mode=fill)
        return self._arranged(x)

    def _arranged(self, full: Array) -> Array:
        rest = full.shape[1:]
        if not self.interleaved:
            return full.reshape(self.count, self._each, *rest)
        return jnp.swapaxes(full.reshape(self._each, self.count, *rest), 0, 1)

    def _join(self, blocks: Array) -> Array:
        ordered = jnp.swapaxes(blocks, 0, 1) if self.interleaved else blocks
        return ordered.reshape(self.count * self._each, *blocks.shape[2:])[: self.elements]


def count_of(tree: PyTree) -> int:
    """The number of elements, the length of the first axis of each array."""
    count: int = jax.tree.leaves(tree)[0].shape[0]
    return count


class Sizes(NamedTuple, Generic[Size]):
    """The size of a block on a CPU, where it stays in the cache, and on a GPU or TPU."""

    cpu: Size
    elsewhere: Size


def by_platform(function: Callable[..., PyTree], sizes: Sizes[Any], *operands: PyTree) -> PyTree:
    """The function of the size that the platform has, which is known when it is lowered."""
    cpu, elsewhere = (partial(function, size) for size in sizes)
    if sizes.cpu == sizes.elsewhere:
        return cpu(*operands)
    return jax.lax.platform_dependent(*operands, cpu=cpu, default=elsewhere)


def cond_on_some(
    condition: Array,
    function: Callable[..., PyTree],
    otherwise: Callable[..., PyTree],
    *operands: PyTree,
    but_on: Sequence[str],
) -> PyTree:
    """The one function or, where the condition is false, the other; on some always the one.

    On a TPU a condition keeps what is around it from fusing: a head of 8192 x 128256 logits takes a
    fifth longer by the compiler's estimate (`jaxloss bench --programs v5e`). On a GPU the host may
    wait for it.
    """
    # Of a condition that is a constant, XLA keeps the branch.
    decided = jax.lax.platform_dependent(
        condition, default=lambda x: x, **dict.fromkeys(but_on, jnp.ones_like)
    )
    return jax.lax.cond(decided, function, otherwise, *operands)


def scan_frames(
    step: Callable[[Carry, Any], tuple[Carry, Frame]],
    start: Carry,
    frames: PyTree,
    *,
    reverse: bool = False,
) -> tuple[Carry, Frame]:
    """`jax.lax.scan` of small steps: off the CPU eight of them in one trip of the loop.

    Most of the time of such a loop on a GPU are launches of kernels. Value and gradient of `ctc` of
    200 frames are 6,500 of them in single steps, 1,300 in eight, and 1,000 in sixteen, which take
    two and a half times as long to compile (`jaxloss bench --programs h100`).
    """

    def scanned(unroll: int, start: Carry, frames: PyTree) -> PyTree:
        return jax.lax.scan(step, start, frames, reverse=reverse, unroll=unroll)

    found: tuple[Carry, Frame] = by_platform(scanned, Sizes(1, _STEPS), start, frames)
    return found


def map_by_chunks(
    of_chunk: Callable[[PyTree], PyTree], rows: PyTree, at_once: Sizes[int]
) -> PyTree:
    """The function of the rows, so many at once, computed again in the backward pass."""

    def mapped(at_once: int, rows: PyTree) -> PyTree:
        blocks = Blocks.of_at_most(count_of(rows), at_once)
        return blocks.join(jax.lax.map(rematerialized(of_chunk), blocks.split(rows)))

    return by_platform(mapped, at_once, rows)


def rematerialized(of_block: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """The function of a block, for use in a loop: it is computed again in the backward pass.

    Without this, the loop would keep what each block leaves for the backward pass, such as all
    logits. XLA's common-subexpression elimination, which would keep them too, does not see across
    loops: the documentation of `jax.checkpoint` calls `prevent_cse` unnecessary, and costly, there.
    """
    return jax.checkpoint(of_block, prevent_cse=False)


def tokens_at_once(classes: int, features: int, itemsize: int, memory: int | None) -> Sizes[int]:
    """The number of tokens that fit; of many a power of two, which leaves no odd rest.

    By default the chunk takes half the memory of the weight's gradient on a CPU: each chunk costs a
    pass over that gradient, which the products of few tokens would be too short to outweigh.
    """
    token = BUFFERS * itemsize * max(classes, 1)
    budget = memory or max(_LEAST_MEMORY, features * classes * itemsize // 2)
    fitting = _even(budget // token)
    more = min(_ACCELERATOR_TOKENS, _even(_ACCELERATOR_MEMORY // token))
    return Sizes(fitting, fitting if memory else max(fitting, more))


def _even(tokens: int) -> int:
    return max(tokens, 1) if tokens < _MANY else 1 << (tokens.bit_length() - 1)
