"""A weighted sum of losses, with the gradients formed in the same sweep over the tokens.

Where values are summed, what comes back to each of them is known before the backward pass: its
weight. So the gradients of a chunk are formed while its logits are there, and no product is made
again. As a rule of forward mode this serves reverse mode too, whose transposition only scales the
finished gradients; second derivatives differentiate the sweep itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from jaxloss.heads.affine import Affine, add_weight_slope, bias_slope, rows_slope
from jaxloss.kernels.chunking import Blocks, PyTree, count_of, rematerialized
from jaxloss.numerics import computing_dtype, unless_weightless
from jaxloss.numerics.shard_map_axes import Axes, axes_of, sum_but_over, vary


class Parts(NamedTuple):
    """What a sum is made of, or its gradients, with None for what none is wanted of.

    Attributes:
        heads: What the logits are made of.
        others: The other arrays of the loss, a row for each token.
        hyper: The hyper-parameters of the loss, shared by all tokens.
        weights: What each token counts.
        counted: Which tokens count at all.
    """

    heads: tuple[Affine, ...]
    others: tuple[Array, ...]
    hyper: Mapping[str, Any]
    weights: Array
    counted: Array

    def rows(self) -> PyTree:
        """What belongs to single tokens."""
        return [head.rows for head in self.heads], self.others, self.weights, self.counted

    def with_rows(self, rows: PyTree) -> "Parts":
        """With these tokens in place of all."""
        features, *rest = rows
        pairs = zip(self.heads, features, strict=True)
        heads = tuple(head._replace(rows=x) for head, x in pairs)
        return Parts(heads, rest[0], self.hyper, *rest[1:])


@dataclass(frozen=True)
class Sweep:
    """The sum of the values that a function gives of some tokens' logits and other arrays."""

    values: Callable[..., Array]
    at_once: int
    tied: bool

    def total(self, parts: Parts) -> Array:
        """Sum of weight times value over the tokens that count."""
        summed = jax.custom_jvp(self._value)
        summed.defjvp(self._rule, symbolic_zeros=True)
        heads = tuple(head.aligned() for head in parts.heads)
        total: Array = summed(parts._replace(heads=heads))
        return total

    def _value(self, parts: Parts) -> Array:
        return self._sweep(parts, _nothing_of(parts))[0]

    def _rule(self, primals: tuple[Parts], tangents: tuple[Parts]) -> tuple[Array, Array]:
        moving = jax.tree.map(lambda x: not isinstance(x, SymbolicZero), tangents[0])
        value, slopes = self._sweep(primals[0], moving)
        moved = jax.tree.map(_inner, slopes, _pick(moving, tangents[0]))
        # Where devices have the sum in common, each knows its change by what is its own.
        parts = [sum_but_over(axes_of(value), x) for x in jax.tree.leaves(moved)]
        return value, sum(parts, jnp.zeros_like(value))

    def _sweep(self, parts: PyTree, moving: PyTree) -> tuple[Array, Parts]:
        """The sum, and the gradients in what moves."""
        dtype, axes = computing_dtype(parts.heads[0].bias), self._axes(parts)
        parts = _varied(parts, axes)
        shared = _pick(_shared(moving), _shared(parts))
        start = jax.tree.map(lambda x: jax.lax.full_like(x, 0, dtype), shared)
        step = rematerialized(partial(self._step, parts, moving))
        blocks = Blocks.of_at_most(count_of(parts.rows()), self.at_once)
        features, others, weights, counted = blocks.split(parts.rows())
        rows = features, others, weights, counted & blocks.present()
        zero = vary(jnp.zeros((), dtype), axes)
        (value, slopes), own = jax.lax.scan(step, (zero, start), rows)
        features, others, weights = blocks.join(own)
        heads = tuple(Affine(x, *y) for x, y in zip(features, slopes[0], strict=True))
        return value, parts._replace(
            heads=heads, others=others, hyper=slopes[1], weights=weights, counted=None
        )

    def _axes(self, parts: Parts) -> Axes:
        """Those of the mesh that the sum varies over."""
        if not axes_of(parts):
            return frozenset()
        few = parts.with_rows(jax.tree.map(lambda x: x[: self.at_once], parts.rows()))
        return axes_of(jax.eval_shape(partial(self._slopes, _nothing_of(few)), few)[0])

    def _step(
        self, whole: Parts, moving: PyTree, carry: tuple[Array, PyTree], rows: PyTree
    ) -> tuple[tuple[Array, PyTree], PyTree]:
        """The sums with those of these tokens, and the gradients in what is their own."""
        (value, (head_sums, hyper_sums)), parts = carry, whole.with_rows(rows)
        own, (logits, others, hyper, weights) = self._if_counted(parts, moving)
        items = list(zip(moving.heads, parts.heads, logits, strict=True))
        features = [
            rows_slope(slope, head, tied=self.tied) if moves.rows else None
            for moves, head, slope in items
        ]
        head_sums = [self._add(sums, *item) for sums, item in zip(head_sums, items, strict=True)]
        hyper_sums = jax.tree.map(jnp.add, hyper_sums, hyper)
        return (value + own, (head_sums, hyper_sums)), (features, others, weights)

    def _if_counted(self, parts: PyTree, moving: PyTree) -> tuple[Array, PyTree]:
        """What `_slopes` gives, and zeros, for nothing, where no token counts.

        Without the condition, JAX would move what does not depend on the chunk, such as the places
        of classes, out of the loop, to be held.
        """
        slopes = partial(self._slopes, moving)

        def none(parts: PyTree) -> PyTree:
            return jax.tree.map(_zeros, jax.eval_shape(slopes, parts))

        found: tuple[Array, PyTree] = jax.lax.cond(jnp.any(parts.counted), slopes, none, parts)
        return found

    def _slopes(self, moving: PyTree, parts: PyTree) -> tuple[Array, PyTree]:
        """The sum over these tokens, and its gradient in their logits and all that is no factor."""
        logits = tuple(head.logits(tied=self.tied) for head in parts.heads)
        place = logits, parts.others, parts.hyper
        moves = tuple(map(any, moving.heads)), moving.others, moving.hyper
        factors = jnp.where(parts.counted, parts.weights, 0)

        def total(moved: PyTree) -> tuple[Array, Array]:
            values = self.values(*_merge(moved, place))
            return jnp.sum(values * factors), values

        slopes, values = jax.grad(total, has_aux=True)(_pick(moves, place))
        shown = unless_weightless(parts.weights, jnp.where(parts.counted, values, 0))
        own = jnp.sum(shown * parts.weights)
        return own, (*slopes, shown if moving.weights else None)

    def _add(self, sums: PyTree, moves: Affine, head: Affine, slope: Array) -> PyTree:
        """The gradients in weight and bias, if they move, with those of these tokens."""
        weight, bias = sums
        return (
            add_weight_slope(weight, slope, head.rows, tied=self.tied) if moves.weight else None,
            bias + bias_slope(slope, head.bias) if moves.bias else None,
        )


def _shared(parts: Parts) -> PyTree:
    return [(head.weight, head.bias) for head in parts.heads], parts.hyper


def _nothing_of(parts: Parts) -> PyTree:
    return jax.tree.map(lambda _: False, parts)


def _varied(parts: Parts, axes: Axes) -> Parts:
    """Said to vary over these axes, and the factors over all that their products vary over."""
    heads = tuple(vary(head, axes | axes_of(head)) for head in parts.heads)
    varied: Parts = vary(parts._replace(heads=()), axes)
    return varied._replace(heads=heads)


def _pick(moving: PyTree, tree: PyTree) -> PyTree:
    """What moves, and None for what does not."""
    return jax.tree.map(lambda moves, x: x if moves else None, moving, tree)


def _merge(moved: PyTree, tree: PyTree) -> PyTree:
    """The tree with what moved in its place."""
    return jax.tree.map(
        lambda new, old: old if new is None else new, moved, tree, is_leaf=lambda x: x is None
    )


def _zeros(like: jax.ShapeDtypeStruct) -> Array:
    """Zeros that are spread over devices as what they stand for."""
    zeros = jax.lax.full(like.shape, 0, like.dtype, sharding=like.sharding)
    spread: Array = vary(zeros, axes_of(like))
    return spread


def _inner(slope: Array, direction: Array) -> Array:
    return jnp.sum(slope * direction.astype(slope.dtype))
