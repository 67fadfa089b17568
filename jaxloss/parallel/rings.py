"""Placements of sets whose elements are sharded over the devices of a mesh axis.

Every device keeps its own elements of the first set, the rows, and meets those of the second, the
columns: in a ring they visit device after device, or all of them are gathered. The partial
results of a column travel with it, and are back at the end. In the backward pass all meet once
more, so that nothing is kept but each device's own elements: a rule for reverse mode alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
from jax import Array, lax

from jaxloss.kernels.contrastive import ElementBlock, Hyper, LogSums, OfBlocks
from jaxloss.kernels.pairwise import (
    LOG_ADD_EXP,
    SUM,
    Monoid,
    budget_of,
    fold_pairs,
    identities_like,
)
from jaxloss.numerics.trees import PyTree

Meeting = Callable[[PyTree, PyTree], tuple[PyTree, PyTree]]

# Bytes of one number for each pair of a block: of the elements that meet on a device, whose number
# depends on the mesh, only so many pairs are held at a time on a CPU.
_MEMORY = 2**22


class Meet(Protocol):
    """How each device meets the elements of all others."""

    def fold(
        self, meet: Meeting, first: PyTree, second: PyTree, monoid: Monoid
    ) -> tuple[PyTree, PyTree]:
        """Results of a function for this device's rows and columns, combined over all pairs."""


class OverMesh:
    """A placement over devices, by its `fold`, which also the backward pass runs."""

    def sums(
        self: Meet, of_blocks: OfBlocks, hyper: Hyper, first: ElementBlock, second: ElementBlock
    ) -> tuple[PyTree, PyTree]:
        """Sums over all blocks of what a function gives for the rows and the columns of one."""
        total: tuple[PyTree, PyTree] = _sums(self, of_blocks, hyper, first, second)
        return total

    def log_sums(
        self: Meet, log_sums: LogSums, hyper: Hyper, first: ElementBlock, second: ElementBlock
    ) -> tuple[tuple[Any, Array], Any]:
        """Log-sums over all blocks: ((match, rows), columns), None for what is not wanted."""
        total: tuple[tuple[Any, Array], Any] = _log_sums(self, log_sums, hyper, first, second)
        return total


@dataclass(frozen=True)
class Ring(OverMesh):
    """The columns pass from device to device; each holds its own and one shard of visitors."""

    axis_name: str

    def fold(
        self, meet: Meeting, first: PyTree, second: PyTree, monoid: Monoid
    ) -> tuple[PyTree, PyTree]:
        """Results of a function for this device's rows and columns, combined over all pairs."""
        devices = lax.axis_size(self.axis_name)
        onward = [(i, (i + 1) % devices) for i in range(devices)]

        def step(state: PyTree, _: None) -> tuple[PyTree, None]:
            of_rows, visitors, before = state
            of_own, of_visitors = meet(first, visitors)
            so_far = jax.tree.map(monoid.combine, before, of_visitors)
            # After as many steps as there are devices, columns and results are where they began.
            leaving = lax.ppermute((visitors, so_far), self.axis_name, onward)
            return (jax.tree.map(monoid.combine, of_rows, of_own), *leaving), None

        no_row, no_column = identities_like(monoid, jax.eval_shape(meet, first, second))
        end, _ = lax.scan(step, (no_row, second, no_column), length=devices)
        return end[0], end[2]


@dataclass(frozen=True)
class Gathered(OverMesh):
    """All columns are gathered on all devices: one step, with memory for all of them."""

    axis_name: str

    def fold(
        self, meet: Meeting, first: PyTree, second: PyTree, monoid: Monoid
    ) -> tuple[PyTree, PyTree]:
        """Results of a function for this device's rows and columns, combined over all pairs."""
        gathered = jax.tree.map(lambda x: lax.all_gather(x, self.axis_name, tiled=True), second)
        of_rows, of_gathered = meet(first, gathered)
        return of_rows, jax.tree.map(partial(self._reduce_scatter, monoid), of_gathered)

    def _reduce_scatter(self, monoid: Monoid, x: Array) -> Array:
        """The results of all devices for this device's columns, combined."""
        # `lax.psum_scatter` for any monoid: JAX has it for sums alone.
        by_device = x.reshape(lax.axis_size(self.axis_name), -1, *x.shape[1:])
        of_own = lax.all_to_all(by_device, self.axis_name, 0, 0)
        identity = identities_like(monoid, jax.eval_shape(lambda x: x[0], of_own))
        total: Array = lax.scan(lambda x, y: (monoid.combine(x, y), None), identity, of_own)[0]
        return total


# Differentiated as it is, the scan over devices would keep every visiting shard and partial result.
# The rule keeps the device's own elements, and lets all meet again.
@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _sums(placement: Meet, of_blocks: OfBlocks, *inputs: Any) -> tuple[PyTree, PyTree]:
    hyper, first, second = inputs
    return placement.fold(partial(_by_blocks, of_blocks, SUM, hyper), first, second, SUM)


def _sums_forward(placement: Meet, of_blocks: OfBlocks, *inputs: Any) -> tuple[Any, Any]:
    return _sums(placement, of_blocks, *inputs), inputs


def _sums_backward(
    placement: Meet, of_blocks: OfBlocks, inputs: Any, cotangents: Any
) -> tuple[Any, ...]:
    return _pull_back(placement, of_blocks, ("vectors", "log_sums"), inputs, cotangents)


_sums.defvjp(_sums_forward, _sums_backward)


# Also, the derivative of a log-sum is that of Σ exp(x - L) with the total L held constant, which
# blocks add up in any order (`LogSums.shares_of_blocks`).
@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _log_sums(placement: Meet, log_sums: LogSums, *inputs: Any) -> tuple[Any, Any]:
    hyper, first, second = inputs
    meet = partial(_by_blocks, log_sums.of_blocks, LOG_ADD_EXP, hyper)
    return placement.fold(meet, first, second, LOG_ADD_EXP)


def _log_sums_forward(placement: Meet, log_sums: LogSums, *inputs: Any) -> tuple[Any, Any]:
    totals = _log_sums(placement, log_sums, *inputs)
    return totals, (inputs, totals)


def _log_sums_backward(
    placement: Meet, log_sums: LogSums, residuals: Any, cotangents: Any
) -> tuple[Any, ...]:
    (hyper, first, second), totals = residuals
    inputs = hyper, *log_sums.with_totals(first, second, totals)
    return _pull_back(placement, log_sums.shares_of_blocks, ("vectors",), inputs, cotangents)


_log_sums.defvjp(_log_sums_forward, _log_sums_backward)


def _pull_back(
    placement: Meet,
    of_blocks: OfBlocks,
    fields: tuple[str, ...],
    inputs: tuple[Hyper, ElementBlock, ElementBlock],
    cotangents: tuple[PyTree, PyTree],
) -> tuple[Any, ...]:
    """The gradients of sums over blocks, in the hyper-parameters and in these fields."""
    hyper, first, second = inputs

    def meet(rows: Any, columns: Any) -> tuple[PyTree, PyTree]:
        (row, of_row), (column, of_column) = rows, columns

        def sums(hyper: Hyper, row_fields: Any, column_fields: Any) -> tuple[PyTree, PyTree]:
            blocks = row._replace(**row_fields), column._replace(**column_fields)
            return _by_blocks(of_blocks, SUM, hyper, *blocks)

        active = ({name: getattr(x, name) for name in fields} for x in (row, column))
        _, pull = jax.vjp(sums, hyper, *active)
        of_hyper, of_rows, of_columns = pull((of_row, of_column))
        return (of_hyper, of_rows), of_columns

    sides = (first, cotangents[0]), (second, cotangents[1])
    (of_hyper, of_first), of_second = placement.fold(meet, *sides, SUM)
    fields_of = ElementBlock._fields  # None stands for the gradients of what is not differentiated
    return of_hyper, *(ElementBlock._make(map(x.get, fields_of)) for x in (of_first, of_second))


def _by_blocks(
    of_blocks: OfBlocks, monoid: Monoid, hyper: Hyper, first: ElementBlock, second: ElementBlock
) -> tuple[PyTree, PyTree]:
    """The function for all elements that meet on a device, a block of pairs at a time."""
    return fold_pairs(partial(of_blocks, hyper), first, second, monoid, budget_of(_MEMORY))
