"""Sums over many examples, and values of many rows: on a CPU block by block, with gradients.

A program that reads all examples at once writes each intermediate array to memory and reads it back
for the gradient. In blocks that fit into the cache, value and gradient of a block are formed while
its inputs are at hand: they are read once, and only the gradient is written. On GPUs and TPUs, and
where arrays are spread over devices, there is one block: everything, which XLA fuses.
"""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics import divide
from jaxloss.numerics.active import activity, none_active, only, with_active
from jaxloss.numerics.broadcasting import Shape, select
from jaxloss.numerics.shard_map_axes import is_on_one_device
from jaxloss.numerics.sizes import is_known
from jaxloss.numerics.trees import PyTree

Inputs = tuple[PyTree, PyTree]  # examples, and what they share
OfBlock = Callable[[PyTree, PyTree], Array]

_NARROW = 2  # bytes

numbers_at_once = jax.make_user_context(1 << 18)
"""How many numbers of the largest array a block holds; `None` switches blocks off.

    with numbers_at_once(None):
        ...

Of 2^24 numbers (`log_cosh`, `kl_divergence`, `cosine_distance`; two cores, jax 0.10.2), blocks of
2^18 and 2^19 take the same time, of 2^17 a fifth more, as the cores meet more often, and of 2^20 as
well, as they leave the cache.
"""


def are_on() -> bool:
    """Whether blocks, and kernels for them, are not switched off."""
    return numbers_at_once.value is not None


@dataclass(frozen=True)
class Cut:
    """How a batch is cut: along one axis, at each place of the axes before it.

    Where the rows do not divide the axis, the last block begins early and repeats some rows.

    Attributes:
        batch: The shape of the batch.
        axis: The axis that is cut.
        rows: How much of that axis a block holds.
    """

    batch: Shape
    axis: int
    rows: int

    @classmethod
    def of(cls, batch: Shape, numbers: int) -> Self | None:
        """The cut of a batch of so many numbers; `None` where it makes a single block."""
        limit = numbers_at_once.value
        if not is_known(numbers, *batch) or limit is None or numbers <= limit or not batch:
            return None
        axis, each = 0, numbers // batch[0]  # numbers in an entry of the axis
        while each > limit and axis + 1 < len(batch):
            axis += 1
            each //= batch[axis]
        count = -(-batch[axis] // max(1, limit // each))
        cut = cls(batch, axis, -(-batch[axis] // count))
        return cut if cut.count > 1 else None

    @property
    def along(self) -> int:
        """The number of blocks along the axis."""
        return -(-self.batch[self.axis] // self.rows)

    @property
    def count(self) -> int:
        """The number of blocks."""
        return math.prod(self.batch[: self.axis]) * self.along

    def starts(self, block: Array) -> tuple[Array, ...]:
        """Where a block starts on each axis up to the one that is cut."""
        before: tuple[Array, ...] = ()
        place = block
        if self.axis:
            outer, place = jnp.divmod(block, self.along)
            before = jnp.unravel_index(outer, self.batch[: self.axis])
        return *before, jnp.minimum(place * self.rows, self.batch[self.axis] - self.rows)

    def is_new(self, block: Array) -> Array | None:
        """Which rows of a block are in none before it; `None` where no block repeats any."""
        repeated = self.along * self.rows - self.batch[self.axis]
        if not repeated:
            return None
        is_last = block % self.along == self.along - 1
        return (jnp.arange(self.rows) >= repeated * is_last).reshape((1,) * self.axis + (-1,))

    def is_shared(self, array: Array) -> bool:
        """Whether several blocks read the same part of an array."""
        return array.shape[: self.axis + 1] != self.batch[: self.axis + 1]

    def take(self, array: Array, starts: Sequence[Array]) -> Array:
        """The part of an array in a block.

        It may lack axes of the batch at its end, and have length 1 where examples share it.
        """
        sizes = map(min, array.shape, (1,) * self.axis + (self.rows,))
        return lax.dynamic_slice(
            array,
            self._begin(array, starts),
            (*sizes, *array.shape[self.axis + 1 :]),
            allow_negative_indices=False,
        )

    def put(self, array: Array, part: Array, starts: Sequence[Array]) -> Array:
        """The array with its part in a block replaced."""
        return lax.dynamic_update_slice(
            array, part, self._begin(array, starts), allow_negative_indices=False
        )

    def _begin(self, array: Array, starts: Sequence[Array]) -> list[Array]:
        zero = jnp.zeros((), jnp.int32)  # of the type of the others, in double precision too
        lengths = zip(starts, array.shape, self.batch, strict=False)
        known = [start if own == whole else zero for start, own, whole in lengths]
        return [*known, *[zero] * (array.ndim - len(known))]


def sum_by_blocks(
    of_block: OfBlock, batch: Shape, examples: PyTree, shared: PyTree, divisor: Array | None
) -> Array:
    """The sum of the values of all examples, divided by the divisor, if any.

    Args:
        of_block: From examples, and what they share, to values in the shape of their batch.
        batch: The shape of the batch of all examples.
        examples: Arrays whose leading axes are those of the batch, or the first of these, or have
            length 1 where examples share an entry.
        shared: What all examples have in common.
        divisor: A scalar; where it is 0, so is the result, with gradient 0.
    """
    cut = Cut.of(batch, max(x.size for x in jax.tree.leaves(examples)))
    if cut is None or not is_on_one_device():
        summed = jnp.sum(of_block(examples, shared))
        return summed if divisor is None else divide(summed, divisor.astype(summed.dtype))
    sweep = Sweep(of_block, cut)
    dtype = sweep.dtype_of((examples, shared))
    one = jnp.ones((), dtype) if divisor is None else divisor.astype(dtype)
    quotient: Array = sweep.quotient((examples, shared), one)
    return quotient


@dataclass(frozen=True)
class Sweep:
    """The sum of values over blocks, and its gradient in the same pass.

    Attributes:
        of_block: From examples, and what they share, to values in the shape of their batch.
        cut: How the examples are cut into blocks.
    """

    of_block: OfBlock
    cut: Cut

    def dtype_of(self, inputs: Inputs) -> Any:
        """The type of the values, by a trace of one block, which is traced anyway."""

        def of_first(inputs: Inputs) -> Array:
            return self.of_block(self._part(inputs[0], jnp.zeros((), jnp.int32)), inputs[1])

        values: jax.ShapeDtypeStruct = jax.eval_shape(of_first, inputs)
        return values.dtype

    def quotient(self, inputs: Inputs, divisor: Array) -> Array:
        """The sum over the divisor.

        As a rule of forward mode, whose transpose scales gradients that are there already, this
        serves reverse mode too; second derivatives are of the sum at once.
        """
        ruled = jax.custom_jvp(self._quotient)
        ruled.defjvp(self._rule, symbolic_zeros=True)
        value: Array = ruled(inputs, divisor)
        return value

    def _quotient(self, inputs: Inputs, divisor: Array) -> Array:
        total, _ = self.total_and_gradients(inputs, none_active(inputs), divisor)
        return divide(total, divisor)

    def _rule(self, primals: Any, tangents: Any) -> tuple[Array, Array]:
        (inputs, divisor), (of_inputs, of_divisor) = primals, tangents
        active = activity(of_inputs)
        # The divisor scales the gradients while they are formed: afterwards it would be a pass.
        total, gradients = self.total_and_gradients(inputs, active, divide(1, divisor))
        wanted = jax.tree.leaves(only(active, of_inputs))
        pairs = zip(jax.tree.leaves(gradients), wanted, strict=True)
        value = divide(total, divisor)
        rates = [jnp.sum(a.astype(value.dtype) * b.astype(value.dtype)) for a, b in pairs]
        if not isinstance(of_divisor, SymbolicZero):
            rates.append(jax.jvp(partial(divide, total), (divisor,), (of_divisor,))[1])
        return value, functools.reduce(operator.add, rates)

    def total_and_gradients(
        self, inputs: Inputs, active: PyTree, scale: Array
    ) -> tuple[Array, Inputs]:
        """The sum, and the scale times its gradients in what is active."""
        at_once, by_blocks = partial(self._at_once, active), partial(self._by_blocks, active)

        @jax.custom_jvp
        def sums(inputs: Inputs, scale: Array) -> tuple[Array, Inputs]:
            found: tuple[Array, Inputs] = lax.platform_dependent(
                inputs, scale, cpu=by_blocks, default=at_once
            )
            return found

        # A loop would keep what each block leaves; and derivatives of it would be of its parts.
        @sums.defjvp
        def rule(primals: Any, tangents: Any) -> tuple[Any, Any]:
            return sums(*primals), jax.jvp(at_once, primals, tangents)[1]

        found: tuple[Array, Inputs] = sums(inputs, scale)
        return found

    def _at_once(self, active: PyTree, inputs: Inputs, scale: Array) -> tuple[Array, Inputs]:
        with numbers_at_once(None):  # or a loss of vectors would trace loops of its own
            values, pull = self._pulled(active, inputs)
            return jnp.sum(values), pull(jnp.broadcast_to(scale, values.shape))

    def _by_blocks(self, active: PyTree, inputs: Inputs, scale: Array) -> tuple[Array, Inputs]:
        zeros = jax.tree.map(jnp.zeros_like, only(active, inputs))
        zeros = jax.tree.map(_as_bits, zeros[0]), zeros[1]
        start = jnp.zeros((), jnp.int32), (jnp.zeros((), self.dtype_of(inputs)), zeros)
        step = partial(self._step, active, inputs, scale)
        # No `fori_loop`, out of which JAX takes all arrays that no block changes, to be held.
        _, sums = lax.while_loop(
            lambda carry: carry[0] < self.cut.count,
            lambda carry: (carry[0] + 1, step(*carry)),
            start,
        )
        total, (of_examples, of_shared) = sums
        numbers = jax.tree.map(_of_bits, of_examples, only(active[0], inputs[0]))
        return total, (numbers, of_shared)

    def _step(
        self,
        active: PyTree,
        inputs: Inputs,
        scale: Array,
        block: Array,
        carry: tuple[Array, Inputs],
    ) -> tuple[Array, Inputs]:
        """The sums with those of a block."""
        total, (of_examples, of_shared) = carry
        starts, new = self.cut.starts(block), self.cut.is_new(block)
        values, pull = self._pulled(active, (self._part(inputs[0], block), inputs[1]))
        of_part, of_new = pull(jnp.broadcast_to(scale, values.shape)), None
        if new is not None:
            values = select(new, values, 0)
            of_new = pull(select(new, jnp.full_like(values, scale), 0))
        once = of_part if of_new is None else of_new

        def put(whole: Array, part: Array, added: Array) -> Array:
            if self.cut.is_shared(whole):
                part = _of_bits(self.cut.take(whole, starts), added) + added
            return self.cut.put(whole, _as_bits(part), starts)

        of_examples = jax.tree.map(put, of_examples, of_part[0], once[0])
        return total + jnp.sum(values), (of_examples, jax.tree.map(jnp.add, of_shared, once[1]))

    def _part(self, examples: PyTree, block: Array) -> PyTree:
        """The examples of a block."""
        starts = self.cut.starts(block)

        def read(x: Array) -> Array:
            if not _is_narrow(x):
                return self.cut.take(x, starts)
            # As if the bits were other ones in each block, or XLA would make all of them before.
            bits = _as_bits(lax.optimization_barrier((x, block))[0])
            return _of_bits(self.cut.take(bits, starts), x)

        return jax.tree.map(read, examples)

    def _pulled(self, active: PyTree, inputs: Inputs) -> tuple[Array, Callable[[Array], Inputs]]:
        """The values of examples, and from their cotangents to those of what is active."""

        def of_active(some: Inputs) -> Array:
            return self.of_block(*with_active(some, inputs))

        values, pull = jax.vjp(of_active, only(active, inputs))
        return values, lambda rates: pull(rates)[0]


def map_by_blocks(of_block: OfBlock, batch: Shape, examples: PyTree, shared: PyTree) -> Array:
    """The values of all examples, where each depends on its own arrays and on what all share.

    Args:
        of_block: From examples, and what they share, to values in the shape of their batch.
        batch: The shape of the batch of all examples.
        examples: Arrays whose leading axes are those of the batch.
        shared: Arrays that all examples have in common.
    """
    arrays = jax.tree.leaves(examples)
    cut = Cut.of(batch, max(x.size for x in arrays))
    fits = all(x.shape[: len(batch)] == batch for x in arrays)
    if cut is None or not fits or not is_on_one_device():
        return of_block(examples, shared)
    return Each(of_block, cut).values((examples, shared))


@dataclass(frozen=True)
class Each:
    """The value of each example, and its gradient in the same pass.

    Attributes:
        of_block: From examples, and what they share, to values in the shape of their batch.
        cut: How the examples are cut into blocks.
    """

    of_block: OfBlock
    cut: Cut

    def values(self, inputs: Inputs) -> Array:
        """The values of all examples."""
        ruled = jax.custom_jvp(
            lambda inputs: self._with_gradients(inputs, none_active(inputs[0]))[0]
        )
        ruled.defjvp(self._rule, symbolic_zeros=True)
        values: Array = ruled(inputs)
        return values

    def _rule(self, primals: tuple[Inputs], tangents: tuple[Inputs]) -> tuple[Array, Array]:
        ((examples, shared),), ((of_examples, of_shared),) = primals, tangents
        active, active_shared = activity(of_examples), activity(of_shared)
        values, gradients = self._with_gradients((examples, shared), active)
        wanted = jax.tree.leaves(only(active, of_examples))
        pairs = zip(jax.tree.leaves(gradients), wanted, strict=True)
        rates = [self._sum_of_events(a.astype(values.dtype) * b) for a, b in pairs]
        if any(jax.tree.leaves(active_shared)):

            def of_active(some: PyTree) -> Array:
                return self.of_block(examples, with_active(some, shared))

            some, change = only(active_shared, shared), only(active_shared, of_shared)
            rates.append(jax.jvp(of_active, (some,), (change,))[1])
        return values, functools.reduce(operator.add, rates)

    def _with_gradients(self, inputs: Inputs, active: PyTree) -> tuple[Array, PyTree]:
        """The values, which are what a sum changes by with their weights, and gradients."""

        def weighted(block: PyTree, shared: PyTree) -> Array:
            examples, weights = block
            value: Array = weights * self.of_block(examples, shared)
            return value

        examples, shared = inputs
        dtype = Sweep(self.of_block, self.cut).dtype_of(inputs)
        ones, sweep = jnp.ones(self.cut.batch, dtype), Sweep(weighted, self.cut)
        _, ((gradients, values), _) = sweep.total_and_gradients(
            ((examples, ones), shared), ((active, True), none_active(shared)), jnp.ones((), dtype)
        )
        return values, gradients

    def _sum_of_events(self, x: Array) -> Array:
        summed: Array = jnp.sum(x, axis=tuple(range(len(self.cut.batch), x.ndim)))
        return summed


def _is_narrow(x: Array) -> bool:
    return bool(jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize == _NARROW)


def _as_bits(x: Array) -> Array:
    """Floats of 16 bits as integers: XLA:CPU widens a whole array to read or write a part of it."""
    return lax.bitcast_convert_type(x, jnp.uint16) if _is_narrow(x) else x


def _of_bits(bits: Array, like: Array) -> Array:
    return bits if bits.dtype == like.dtype else lax.bitcast_convert_type(bits, like.dtype)
