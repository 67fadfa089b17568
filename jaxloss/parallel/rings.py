"""Sums over all pairs of two sets that are spread over devices, each of which has some elements.

Every device keeps its own elements of the first set, the rows, and meets those of the second, the
columns: in a ring they visit device after device, or they are gathered. What is found of a column
so far goes with it, and comes home at the end. Backward all meet once more, so that nothing is
kept but each device's own elements: a rule that only reverse mode can have.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxloss.kernels.pairwise import (
    LOG_ADD_EXP,
    SUM,
    Monoid,
    block_shape,
    fold_pairs,
    identities_like,
)
from jaxloss.numerics import logsumexp

PyTree = Any
Meeting = Callable[[PyTree, PyTree], tuple[PyTree, PyTree]]

_MEMORY = 2**22  # bytes of a number for each pair of a block


class Side(NamedTuple):
    """Some elements of a set: what has derivatives, and what has none."""

    moving: PyTree
    fixed: PyTree


OfPairs = Callable[[PyTree, Side, Side], Any]  # of what all share, of rows and of columns


class Spread(Protocol):
    """How each device meets the elements of all others."""

    def fold(
        self, meet: Meeting, first: PyTree, second: PyTree, monoid: Monoid
    ) -> tuple[PyTree, PyTree]:
        """What a function says of own rows and of own columns, over all pairs with either."""


@dataclass(frozen=True)
class Ring:
    """The columns go from device to device, none of which holds more than its own and these."""

    axis_name: str

    def fold(
        self, meet: Meeting, first: PyTree, second: PyTree, monoid: Monoid
    ) -> tuple[PyTree, PyTree]:
        """What a function says of own rows and of own columns, over all pairs with either."""
        devices = lax.axis_size(self.axis_name)
        onward = [(i, (i + 1) % devices) for i in range(devices)]

        def step(state: PyTree, _: None) -> tuple[PyTree, None]:
            of_rows, visitors, before = state
            found, of_visitors = meet(first, visitors)
            together = jax.tree.map(monoid.combine, before, of_visitors)
            leaving = lax.ppermute((visitors, together), self.axis_name, onward)
            return (jax.tree.map(monoid.combine, of_rows, found), *leaving), None

        no_row, no_column = identities_like(monoid, jax.eval_shape(meet, first, second))
        end, _ = lax.scan(step, (no_row, second, no_column), length=devices)
        return end[0], end[2]


@dataclass(frozen=True)
class Gathered:
    """All columns are on all devices, which is one step, and memory for all of them."""

    axis_name: str

    def fold(
        self, meet: Meeting, first: PyTree, second: PyTree, monoid: Monoid
    ) -> tuple[PyTree, PyTree]:
        """What a function says of own rows and of own columns, over all pairs with either."""
        every = jax.tree.map(lambda x: lax.all_gather(x, self.axis_name, tiled=True), second)
        of_rows, of_every = meet(first, every)
        return of_rows, jax.tree.map(partial(self._home, monoid), of_every)

    def _home(self, monoid: Monoid, x: Array) -> Array:
        """What all devices say of the own columns, merged."""
        parts = x.reshape(lax.axis_size(self.axis_name), -1, *x.shape[1:])
        own = lax.all_to_all(parts, self.axis_name, 0, 0)
        nothing = identities_like(monoid, jax.eval_shape(lambda x: x[0], own))
        total: Array = lax.scan(lambda total, x: (monoid.combine(total, x), None), nothing, own)[0]
        return total


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def sums(
    spread: Spread, of_pairs: OfPairs, shared: PyTree, first: Side, second: Side
) -> tuple[PyTree, PyTree]:
    """Of what a function gives of the rows and of the columns of a block of pairs."""
    return spread.fold(partial(_by_blocks, of_pairs, SUM, shared), first, second, SUM)


def _sums_kept(spread: Spread, of_pairs: OfPairs, *given: Any) -> tuple[PyTree, PyTree]:
    return sums(spread, of_pairs, *given), given


def _sums_slopes(spread: Spread, of_pairs: OfPairs, given: Any, rates: Any) -> tuple[Any, ...]:
    shared, first, second = given

    def meet(rows: Any, columns: Any) -> tuple[PyTree, PyTree]:
        (row, of_row), (column, of_column) = rows, columns

        def moved(shared: PyTree, rows: PyTree, columns: PyTree) -> tuple[PyTree, PyTree]:
            sides = row._replace(moving=rows), column._replace(moving=columns)
            return _by_blocks(of_pairs, SUM, shared, *sides)

        _, pull = jax.vjp(moved, shared, row.moving, column.moving)
        of_shared, *slopes = pull((of_row, of_column))
        return (of_shared, slopes[0]), slopes[1]

    sides = (first, rates[0]), (second, rates[1])
    (of_shared, of_first), of_second = spread.fold(meet, *sides, SUM)
    return of_shared, Side(of_first, None), Side(of_second, None)


sums.defvjp(_sums_kept, _sums_slopes)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def log_sums(
    spread: Spread, logs: OfPairs, shared: PyTree, first: Side, second: Side
) -> tuple[Array, Array]:
    """Log-sum-exp, over rows and over columns, of a number for each pair; -inf is left out."""

    def of_pairs(shared: PyTree, rows: Side, columns: Side) -> tuple[Array, Array]:
        x = logs(shared, rows, columns)
        return logsumexp(x), logsumexp(x.T)

    meet = partial(_by_blocks, of_pairs, LOG_ADD_EXP, shared)
    found: tuple[Array, Array] = spread.fold(meet, first, second, LOG_ADD_EXP)
    return found


def _log_sums_kept(spread: Spread, logs: OfPairs, *given: Any) -> tuple[Any, Any]:
    found = log_sums(spread, logs, *given)
    return found, (given, found)


def _log_sums_slopes(spread: Spread, logs: OfPairs, kept: Any, rates: Any) -> tuple[Any, ...]:
    """Sums of exp that are 1 when divided by themselves have the slopes of their logarithms."""
    (shared, *sides), found = kept
    totals = [jnp.where(x == -jnp.inf, 0, x) for x in found]

    def shares(shared: PyTree, rows: Side, columns: Side) -> tuple[Array, Array]:
        (of_rows, row), (of_columns, column) = rows.fixed, columns.fixed
        x = logs(shared, rows._replace(fixed=row), columns._replace(fixed=column))
        of_row, of_column = jnp.exp(x - of_rows[:, None]), jnp.exp(x - of_columns[None, :])
        return jnp.sum(of_row, axis=1), jnp.sum(of_column, axis=0)

    first, second = (
        side._replace(fixed=(total, side.fixed)) for side, total in zip(sides, totals, strict=True)
    )
    return _sums_slopes(spread, shares, (shared, first, second), rates)


log_sums.defvjp(_log_sums_kept, _log_sums_slopes)


def _by_blocks(
    of_pairs: OfPairs, monoid: Monoid, shared: PyTree, first: Side, second: Side
) -> tuple[PyTree, PyTree]:
    """The function of a block of pairs, of which few are held at a time."""
    size = block_shape(first, second, _MEMORY)
    return fold_pairs(partial(of_pairs, shared), first, second, monoid, size)
