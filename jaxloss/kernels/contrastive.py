"""Each element's match against its rivals, the elements beside it, a block of pairs at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from jaxloss.kernels.pairwise import (
    LOG_ADD_EXP,
    SUM,
    BlockShape,
    block_shape,
    fold_pairs,
    vmap_sets,
)
from jaxloss.numerics.broadcasting import fitted

Sums = tuple[Array, Array, Any]  # of columns None where they are left out


class Side(NamedTuple):
    """Some elements of a set.

    Attributes:
        vectors: What they are compared by, shape `[elements, features]`.
        positions: Their places in the whole set, from 1 on; 0 is no element.
        counted: Which of them count.
    """

    vectors: Array
    positions: Array
    counted: Array

    def matches(self, columns: "Side") -> Array:
        """Of these as rows, which belong to which columns."""
        return self.positions[:, None] == columns.positions[None, :]

    def rivals(self, columns: "Side") -> Array:
        """Of these as rows, which count beside which columns without belonging to them."""
        counted = self.counted[:, None] & columns.counted[None, :]
        return counted & ~self.matches(columns)


def match_by_blocks(
    of_sides: Callable[[Side, Side, BlockShape], Array], first: Array, second: Array, where: Array
) -> Array:
    """The function of either side and of how large a block may be, over all leading axes.

    What the second side has further than the first matches none of it.
    """

    def of_set(memory: int, first: Array, second: Array, where: Array) -> Array:
        rows, columns = (
            Side(x, jnp.arange(1, x.shape[0] + 1), fitted(where, x.shape)) for x in (first, second)
        )
        return of_sides(rows, columns, block_shape(first, second, memory))

    return vmap_sets(of_set, first, second, where)


@dataclass(frozen=True)
class Rivalry:
    """The similarity of each element to its match, and log-sum-exp of those to its rivals.

    Similarities are a function of a shared number and of the vectors of either side.
    """

    similarities: Callable[[ArrayLike, Array, Array], Array]
    size: BlockShape
    both: bool

    def __call__(self, shared: ArrayLike, first: Side, second: Side) -> Sums:
        """Own similarity and log-sum over the rivals of each row; of each column, if `both`.

        The log of no sum is -inf, with gradient 0.
        """
        sums = jax.custom_jvp(self._sums)
        sums.defjvp(self._rule, symbolic_zeros=True)
        found: Sums = sums(shared, first, second)
        return found

    def _rule(self, primals: tuple[Any, ...], rates: tuple[Any, ...]) -> tuple[Sums, Sums]:
        """Sums of exp are 1 when divided by themselves; so they are finite, and their rates add."""
        sums = self(*primals)
        given, tree = jax.tree.flatten(primals)
        moving = {
            i: rate
            for i, rate in enumerate(jax.tree.leaves(rates, is_leaf=_is_zero))
            if not _is_zero(rate)
        }

        def of_moving(moved: dict[int, Array]) -> Sums:
            every = dict(enumerate(given)) | moved
            return self._shares(sums, *jax.tree.unflatten(tree, every.values()))

        return sums, jax.jvp(of_moving, ({i: given[i] for i in moving},), (moving,))[1]

    def _sums(self, shared: ArrayLike, first: Side, second: Side) -> Sums:
        def of_block(rows: Side, columns: Side) -> tuple[Any, Any]:
            numbers = self.similarities(shared, rows.vectors, columns.vectors)
            own = jnp.where(rows.matches(columns), numbers, -jnp.inf)
            rivals = jnp.where(rows.rivals(columns), numbers, -jnp.inf)
            found = jnp.max(own, axis=1, initial=-jnp.inf), _log_sum(rivals, axis=1)
            return found, _log_sum(rivals, axis=0) if self.both else None

        (own, of_rows), of_columns = fold_pairs(of_block, first, second, LOG_ADD_EXP, self.size)
        return own, of_rows, of_columns

    def _shares(self, sums: Sums, shared: ArrayLike, first: Side, second: Side) -> Sums:
        _, *totals = jax.tree.map(lambda x: jnp.where(x == -jnp.inf, 0, x), sums)

        def of_block(rows: tuple[Side, Array], columns: tuple[Side, Array]) -> tuple[Any, Any]:
            (row, of_row), (column, of_column) = rows, columns
            numbers = self.similarities(shared, row.vectors, column.vectors)
            own = jnp.sum(jnp.where(row.matches(column), numbers, 0), axis=1)
            rivals = jnp.where(row.rivals(column), numbers, -jnp.inf)
            found = own, jnp.sum(jnp.exp(rivals - of_row[:, None]), axis=1)
            if not self.both:
                return found, None
            return found, jnp.sum(jnp.exp(rivals - of_column[None, :]), axis=0)

        sides = (first, totals[0]), (second, totals[1])
        (own, of_rows), of_columns = fold_pairs(of_block, *sides, SUM, self.size)
        return own, of_rows, of_columns


def _log_sum(x: Array, axis: int) -> Array:
    """Of exp; -inf where all are -inf."""
    largest = jnp.max(x, axis=axis, keepdims=True, initial=-jnp.inf)
    shift = jnp.where(largest == -jnp.inf, 0, largest)
    return jnp.log(jnp.sum(jnp.exp(x - shift), axis=axis)) + jnp.squeeze(shift, axis=axis)


def _is_zero(rate: Any) -> bool:
    return isinstance(rate, SymbolicZero)
