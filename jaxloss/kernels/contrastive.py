"""Reductions over all pairs of two sets of elements, of which contrastive losses are formulas.

A formula is written once, of pairs that may be on one device, a block at a time (`PlacedPairs` of
`Local`) or in whole rows (`RowPairs`), or over the devices of a mesh (`PlacedPairs` of a placement
of `jaxloss.parallel`). All that it takes of two elements is in a `PairBlock`: their cosine, and
whether they match, are alike, and count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from jaxloss.kernels.matmul import inner_products
from jaxloss.kernels.pairwise import (
    LOG_ADD_EXP,
    SUM,
    Budget,
    fold_pairs,
    map_rows,
    vmap_sets,
)
from jaxloss.numerics import divide, log_softmax, logsumexp, unit
from jaxloss.numerics.broadcasting import fit_mask
from jaxloss.numerics.trees import PyTree

Hyper = tuple[Any, ...]  # hyper-parameters, in the order in which the formula takes them
PairFunction = Callable[..., Array]  # of a `PairBlock` and hyper-parameters, `[rows, columns]`
OfBlocks = Callable[[Hyper, "ElementBlock", "ElementBlock"], tuple[PyTree, PyTree]]


class ElementBlock(NamedTuple):
    """Some elements of a set, one along the first axis of each array.

    Attributes:
        vectors: Unit vectors, or zero vectors, shape `[elements, features]`.
        positions: Positions in the whole set, from 1 on; 0 is padding, or a key without a query.
        groups: What elements share that are alike: labels, or positions where two sets match one
            to one.
        counted: Which elements count.
        log_sums: A log-sum-exp of each over the other set, found in an earlier pass over the pairs.
    """

    vectors: Array
    positions: Array
    groups: Array
    counted: Array
    log_sums: Any = None


class PairBlock(NamedTuple):
    """All pairs of a block of rows with a block of columns, as matrices `[rows, columns]`.

    Attributes:
        cosines: The cosine of the two vectors.
        counted: Whether both elements count.
        matches: Whether they have the same position: in one set, the element and itself.
        alike: Whether they have the same group.
    """

    cosines: Array
    counted: Array
    matches: Array
    alike: Array

    @classmethod
    def of(cls, rows: ElementBlock, columns: ElementBlock) -> "PairBlock":
        """The pairs of these rows and columns."""
        return cls(
            inner_products(rows.vectors, columns.vectors),
            rows.counted[:, None] & columns.counted[None, :],
            rows.positions[:, None] == columns.positions[None, :],
            rows.groups[:, None] == columns.groups[None, :],
        )

    def positives(self) -> Array:
        """Which columns are other elements of the group of the row."""
        return self.counted & self.alike & ~self.matches

    def negatives(self) -> Array:
        """Which columns are of another group than the row."""
        return self.counted & ~self.alike

    def others(self) -> Array:
        """Which columns are not the element of the row itself."""
        return self.counted & ~self.matches


@dataclass(frozen=True)
class LogSums:
    """Log-sum-exp over the chosen pairs of each row; -inf, with gradient 0, where there are none.

    Attributes:
        logits: What is exponentiated, a function of a `PairBlock` and hyper-parameters.
        chosen: Which pairs are summed, such as `PairBlock.negatives`.
        match: Whether the logit of the match of each row is wanted too, -inf without one.
        columns: Whether the log-sum of each column is wanted too.
    """

    logits: PairFunction
    chosen: Callable[[PairBlock], Array]
    match: bool = False
    columns: bool = False

    def of_blocks(self, hyper: Hyper, rows: ElementBlock, columns: ElementBlock) -> Any:
        """What `LOG_ADD_EXP` combines over blocks: ((match, rows), columns)."""
        pairs, logits, chosen = self._matrices(hyper, rows, columns)
        # The maximum over one number, which costs less than its log-sum-exp.
        only = jnp.where(pairs.matches, logits, -jnp.inf) if self.match else None
        match = None if only is None else jnp.max(only, axis=1, initial=-jnp.inf)
        of_columns = logsumexp(chosen, axis=0) if self.columns else None
        return (match, logsumexp(chosen, axis=1)), of_columns

    def shares_of_blocks(self, hyper: Hyper, rows: ElementBlock, columns: ElementBlock) -> Any:
        """What `SUM` adds up over blocks and has the derivatives of the log-sums.

        With L = log Σ exp(x) known, Σ exp(x - L) is 1, and with L held constant its derivative is
        Σ exp(x - L) dx, that of L. So it is enough to add up over blocks, in any order, numbers
        that are at most 1; derivatives of the log-sum of each block would have to be weighted by
        what the block has of the whole. The sums L are the `log_sums` of the elements.
        """
        pairs, logits, chosen = self._matrices(hyper, rows, columns)
        only = jnp.where(pairs.matches, logits, 0) if self.match else None
        match = None if only is None else jnp.sum(only, axis=1)
        of_rows = jnp.sum(jnp.exp(chosen - rows.log_sums[:, None]), axis=1)
        if not self.columns:
            return (match, of_rows), None
        return (match, of_rows), jnp.sum(jnp.exp(chosen - columns.log_sums[None, :]), axis=0)

    def with_totals(
        self, first: ElementBlock, second: ElementBlock, totals: Any
    ) -> tuple[ElementBlock, ElementBlock]:
        """The elements with their log-sums; 0 for empty sums, all of whose logits are -inf."""
        (_, of_rows), of_columns = jax.tree.map(lambda x: jnp.where(x == -jnp.inf, 0, x), totals)
        return first._replace(log_sums=of_rows), second._replace(log_sums=of_columns)

    def _matrices(
        self, hyper: Hyper, rows: ElementBlock, columns: ElementBlock
    ) -> tuple[PairBlock, Array, Array]:
        pairs = PairBlock.of(rows, columns)
        logits = self.logits(pairs, *hyper)
        return pairs, logits, jnp.where(self.chosen(pairs), logits, -jnp.inf)


class Placement(Protocol):
    """Where the elements of two sets are, and how all pairs of them meet there."""

    def sums(
        self, of_blocks: OfBlocks, hyper: Hyper, first: ElementBlock, second: ElementBlock
    ) -> tuple[PyTree, PyTree]:
        """Sums over all blocks of what a function gives for the rows and the columns of one."""

    def log_sums(
        self, log_sums: LogSums, hyper: Hyper, first: ElementBlock, second: ElementBlock
    ) -> tuple[tuple[Any, Array], Any]:
        """Log-sums over all blocks: ((match, rows), columns), None for what is not wanted."""


@dataclass(frozen=True)
class Local:
    """All elements are here, and a block of pairs is held at a time; derivatives of any order."""

    budget: Budget

    def sums(
        self, of_blocks: OfBlocks, hyper: Hyper, first: ElementBlock, second: ElementBlock
    ) -> tuple[PyTree, PyTree]:
        """Sums over all blocks of what a function gives for the rows and the columns of one."""
        return fold_pairs(partial(of_blocks, hyper), first, second, SUM, self.budget)

    def log_sums(
        self, log_sums: LogSums, hyper: Hyper, first: ElementBlock, second: ElementBlock
    ) -> tuple[tuple[Any, Array], Any]:
        """Log-sums over all blocks: ((match, rows), columns), None for what is not wanted."""

        def primal(hyper: Hyper, first: ElementBlock, second: ElementBlock) -> Any:
            of_blocks = partial(log_sums.of_blocks, hyper)
            return fold_pairs(of_blocks, first, second, LOG_ADD_EXP, self.budget)

        # Differentiated as it is, the loop over blocks would keep every partial log-sum.
        differentiable = jax.custom_jvp(primal)
        differentiable.defjvp(partial(self._log_sums_jvp, log_sums), symbolic_zeros=True)
        totals: tuple[tuple[Any, Array], Any] = differentiable(hyper, first, second)
        return totals

    def _log_sums_jvp(
        self, log_sums: LogSums, primals: tuple[Any, ...], tangents: tuple[Any, ...]
    ) -> tuple[Any, Any]:
        totals = self.log_sums(log_sums, *primals)
        leaves, structure = jax.tree.flatten(primals)
        active = {
            i: tangent
            for i, tangent in enumerate(jax.tree.leaves(tangents, is_leaf=_is_zero))
            if not _is_zero(tangent)
        }

        def shares(of_active: dict[int, Array]) -> Any:
            replaced = dict(enumerate(leaves)) | of_active
            hyper, first, second = jax.tree.unflatten(structure, replaced.values())
            sets = log_sums.with_totals(first, second, totals)
            return self.sums(log_sums.shares_of_blocks, hyper, *sets)

        return totals, jax.jvp(shares, ({i: leaves[i] for i in active},), (active,))[1]


class AnchorPairs(Protocol):
    """All pairs of each anchor, an element of the first set, and what is reduced over them."""

    def log_sum(
        self, logits: PairFunction, chosen: Callable[[PairBlock], Array], *hyper: Any
    ) -> Array:
        """Log-sum-exp over the chosen pairs of each anchor; -inf where there are none."""

    def mean(self, values: PairFunction, of_anchors: Array, *hyper: Any) -> Array:
        """Mean over the positives of a function of pairs, a number of each anchor, and the rest."""

    def mean_cross_entropy(self, logits: PairFunction, *hyper: Any) -> Array:
        """Mean over the positives of minus the log-softmax of the logits over all others."""


@dataclass(frozen=True)
class RowPairs:
    """The pairs of some anchors with all others, there at once: reduced without further passes."""

    pairs: PairBlock

    def log_sum(
        self, logits: PairFunction, chosen: Callable[[PairBlock], Array], *hyper: Any
    ) -> Array:
        """Log-sum-exp over the chosen pairs of each anchor; -inf where there are none."""
        return logsumexp(jnp.where(chosen(self.pairs), logits(self.pairs, *hyper), -jnp.inf))

    def mean(self, values: PairFunction, of_anchors: Array, *hyper: Any) -> Array:
        """Mean over the positives of a function of pairs, a number of each anchor, and the rest."""
        return divide(*_over_positives(self.pairs, values(self.pairs, of_anchors[:, None], *hyper)))

    def mean_cross_entropy(self, logits: PairFunction, *hyper: Any) -> Array:
        """Mean over the positives of minus the log-softmax of the logits over all others.

        A row that is there as a whole has all digits of a log-probability near 0.
        """
        others = jnp.where(self.pairs.others(), logits(self.pairs, *hyper), -jnp.inf)
        return divide(*_over_positives(self.pairs, -log_softmax(others)))


@dataclass(frozen=True)
class PlacedPairs:
    """All pairs of two sets, which meet as their placement has it."""

    placement: Placement
    first: ElementBlock
    second: ElementBlock

    def match_and_negatives_logsumexp(
        self, logits: PairFunction, *hyper: Any, columns: bool = False
    ) -> tuple[Array, Array, Any]:
        """The logit of the match of each row, and log-sum-exp of its negatives; of each column's.

        The last is None unless `columns`.
        """
        log_sums = LogSums(logits, PairBlock.negatives, match=True, columns=columns)
        (match, of_rows), of_columns = self._log_sums(log_sums, hyper)
        return match, of_rows, of_columns

    def log_sum(
        self, logits: PairFunction, chosen: Callable[[PairBlock], Array], *hyper: Any
    ) -> Array:
        """Log-sum-exp over the chosen pairs of each row; -inf where there are none."""
        (_, of_rows), _ = self._log_sums(LogSums(logits, chosen), hyper)
        return of_rows

    def sum(self, values: PairFunction, *hyper: Any) -> Array:
        """Sum over all columns of a function of pairs."""

        def of_blocks(hyper: Hyper, rows: ElementBlock, columns: ElementBlock) -> Any:
            return jnp.sum(values(PairBlock.of(rows, columns), *hyper), axis=1), None

        total: Array = self.placement.sums(of_blocks, hyper, self.first, self.second)[0]
        return total

    def mean(self, values: PairFunction, of_anchors: Array, *hyper: Any) -> Array:
        """Mean over the positives of a function of pairs, a number of each anchor, and the rest."""

        def of_blocks(hyper: Hyper, rows: ElementBlock, columns: ElementBlock) -> Any:
            pairs = PairBlock.of(rows, columns)
            return _over_positives(pairs, values(pairs, rows.log_sums[:, None], *hyper)), None

        anchors = self.first._replace(log_sums=of_anchors)
        (total, count), _ = self.placement.sums(of_blocks, hyper, anchors, self.second)
        return divide(total, count)

    def mean_cross_entropy(self, logits: PairFunction, *hyper: Any) -> Array:
        """Mean over the positives of minus the log-softmax of the logits over all others."""
        total = self.log_sum(logits, PairBlock.others, *hyper)
        return self.mean(lambda pairs, total, *hyper: total - logits(pairs, *hyper), total, *hyper)

    def _log_sums(self, log_sums: LogSums, hyper: Hyper) -> tuple[tuple[Any, Array], Any]:
        return self.placement.log_sums(log_sums, hyper, self.first, self.second)


def over_matched_sets(
    formula: Callable[[PlacedPairs], Array], first: Array, second: Array, where: Array
) -> Array:
    """A formula of two sets that match one to one, over all leading axes, a block at a time.

    What the second set has further than the first matches none of it.
    """

    def of_set(budget: Budget, first: Array, second: Array, where: Array) -> Array:
        def elements(vectors: Array) -> ElementBlock:
            positions = jnp.arange(1, vectors.shape[0] + 1)
            return ElementBlock(vectors, positions, positions, fit_mask(where, vectors.shape))

        return formula(PlacedPairs(Local(budget), elements(first), elements(second)))

    return vmap_sets(of_set, unit(first), unit(second), where)


def over_grouped_set(
    formula: Callable[[AnchorPairs], Array], vectors: Array, labels: Array, where: Array
) -> Array:
    """A formula of one set in groups, over all leading axes, some anchors at a time.

    Of these all pairs are there, so that one matrix product serves all that is reduced over them.
    """

    def of_rows(rows: ElementBlock, columns: ElementBlock) -> Array:
        return formula(RowPairs(PairBlock.of(rows, columns)))

    def of_set(budget: Budget, vectors: Array, labels: Array, where: Array) -> Array:
        elements = ElementBlock(vectors, jnp.arange(1, labels.shape[0] + 1), labels, where)
        values: Array = map_rows(of_rows, elements, elements, budget)
        return values

    return vmap_sets(of_set, unit(vectors), labels, where)


def _over_positives(pairs: PairBlock, values: Array) -> tuple[Array, Array]:
    """Sum of the values over the positives of each row, and their number."""
    positives = pairs.positives()
    total = jnp.sum(jnp.where(positives, values, 0), axis=1)
    return total, jnp.sum(positives, axis=1, dtype=total.dtype)


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, SymbolicZero)
