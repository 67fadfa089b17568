"""Cross-entropy of integer labels, some classes at a time where even few tokens are too wide.

An online softmax: of each tile of classes a few numbers are kept for each token, a running maximum
and sums relative to it, and those of two sets of classes are combined.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.heads.affine import Affine
from jaxloss.kernels.chunking import PyTree, Sizes, map_by_chunks
from jaxloss.numerics import at_label, divide, is_label, logsumexp, poison, soft_cap, weighted
from jaxloss.numerics.logistic import softplus
from jaxloss.numerics.softmax import Parts, below, lowest

# Sums of logits and counts of classes are scaled by this, so that the sum over fewer than 2**24
# classes is finite whenever the logits are.
_SUM_SCALE = 2.0**-24


class OnlineSoftmax(NamedTuple):
    """Statistics of each token's logits over some of the classes.

    Attributes:
        top: The largest logit but the label's, a constant of the derivative; -inf without any.
        others: Log of the sum of exp over the classes but the label, less the top.
        label_logit: The logit of the label, 0 if it is not among these classes.
        label_weight: Likewise its class weight.
        shifted_sum: Sum of the logits that are not masked, each less the top, times `_SUM_SCALE`.
        unmasked: Their number, times `_SUM_SCALE`.
    """

    top: Array
    others: Array
    label_logit: Array
    label_weight: Array
    shifted_sum: Array
    unmasked: Array

    @classmethod
    def of(cls, logits: Array, labels: Array, class_weights: Array) -> Self:
        """The statistics over these classes, the first of which has label 0."""
        masked, finite = logits == -jnp.inf, jnp.minimum(logits, -lowest(logits))
        others = jnp.where(is_label(labels, logits), -jnp.inf, logits)
        top = jax.lax.stop_gradient(jnp.max(others, axis=-1, keepdims=True))
        return cls(
            jnp.squeeze(top, axis=-1),
            logsumexp(below(others, top)),
            at_label(logits, labels),
            at_label(jnp.broadcast_to(class_weights, logits.shape), labels),
            jnp.sum(jnp.where(masked, 0, finite - _finite(top)) * _SUM_SCALE, axis=-1),
            jnp.sum(~masked, axis=-1, dtype=logits.dtype) * _SUM_SCALE,
        )

    def combine(self, more: Self) -> Self:
        """The statistics over both sets of classes."""
        top = jnp.maximum(self.top, more.top)
        both = [
            x._replace(shifted_sum=x.shifted_sum + x.unmasked * (_finite(x.top) - _finite(top)))
            for x in (self, more)
        ]
        logs = [x.others + below(x.top, top) for x in both]
        sums = (a + b for a, b in zip(both[0][2:], both[1][2:], strict=True))
        return type(self)(top, logsumexp(jnp.stack(logs, axis=-1)), *sums)

    def loss(self, hyper: Mapping[str, Any]) -> Array:
        """The cross-entropy, as `softmax_cross_entropy_with_integer_labels` has it."""
        shift = jnp.where(self.top == -jnp.inf, 0, self.top)
        split = Parts(self.others, self.label_logit - shift, shift)
        value = softplus(split.log_odds_against)
        if (smoothing := hyper.get("label_smoothing")) is not None:
            uniform = split.normaliser - divide(self.shifted_sum, self.unmasked)
            value = weighted(1 - smoothing, value) + weighted(smoothing, uniform)
        if hyper.get("class_weights") is not None:
            value = weighted(self.label_weight, value)
        factor = hyper.get("z_loss")
        return (
            value if factor is None else value + weighted(factor, (split.normaliser + shift) ** 2)
        )


def _finite(top: Array) -> Array:
    """The top as a finite number to subtract: 0 for -inf, the largest number for +inf."""
    return jnp.where(top == -jnp.inf, 0, jnp.minimum(top, -lowest(top)))


@dataclass(frozen=True)
class Tile:
    """The size of a tile of logits: the tokens and classes that are there at once."""

    tokens: int
    classes: int

    def cross_entropies(
        self, head: Affine, labels: Array, hyper: Mapping[str, Any], *, tied: bool
    ) -> Array:
        """The cross-entropy of each token."""
        total = head.weight.shape[0 if tied else 1]
        head, inside = head.with_wide_weight(), (labels >= 0) & (labels < total)
        rows, tiles = (head.rows, labels, inside), self._tiles(head, hyper, total, tied=tied)
        empty = jnp.zeros(labels.shape, head.bias.dtype)
        no_logit = jnp.full_like(empty, -jnp.inf)
        start = OnlineSoftmax(no_logit, no_logit, *[empty] * 4)
        step = partial(self._step, rows, hyper.get("softcap"), tied=tied)
        statistics, _ = jax.lax.scan(step, start, tiles)
        value = statistics.loss(hyper)
        return poison(value, inside & ~jnp.isnan(value))

    def _step(
        self,
        rows: PyTree,
        softcap: Array | None,
        before: OnlineSoftmax,
        tile: PyTree,
        *,
        tied: bool,
    ) -> tuple[OnlineSoftmax, None]:
        """The statistics with those of one more tile."""
        weight, bias, class_weights, first, end = tile

        def of_chunk(rows: PyTree) -> OnlineSoftmax:
            features, labels, inside = rows
            logits = Affine(features, weight, bias).logits_of_wide_weight(tied=tied)
            logits = poison(logits, inside)
            bounded = logits if softcap is None else soft_cap(logits, softcap)
            column = jax.lax.broadcasted_iota(first.dtype, logits.shape, 1)
            existing = jnp.where(column < end - first, bounded, -jnp.inf)
            return OnlineSoftmax.of(existing, labels - first.astype(labels.dtype), class_weights)

        return before.combine(map_by_chunks(of_chunk, rows, Sizes(self.tokens, self.tokens))), None

    def _tiles(self, head: Affine, hyper: Mapping[str, Any], total: int, *, tied: bool) -> PyTree:
        """Weights, biases, class weights and first class of each tile; the number of classes."""
        count = max(1, math.ceil(total / self.classes))
        class_weights = hyper.get("class_weights")
        factors = jnp.ones((), head.bias.dtype) if class_weights is None else class_weights
        first = jnp.arange(count, dtype=jnp.int32) * self.classes

        def cut(x: Array, axis: int) -> Array:
            if x.ndim == 0:
                return jnp.broadcast_to(x, (count,))
            missing = count * self.classes - total
            full = jnp.pad(x, [(0, missing if i == axis else 0) for i in range(x.ndim)])
            shape = (*x.shape[:axis], count, self.classes, *x.shape[axis + 1 :])
            return jnp.moveaxis(full.reshape(shape), axis, 0)

        weight = cut(head.weight, 0 if tied else 1)
        return weight, cut(head.bias, 0), cut(factors, 0), first, jnp.full_like(first, total)
