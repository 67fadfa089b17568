"""Cross-entropy of integer labels, some classes at a time where even few tokens are too wide.

Of each tile of classes a few numbers are kept of each token, and these add up over the tiles.
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
from jaxloss.kernels.chunking import PyTree, map_by_chunks
from jaxloss.numerics import at_label, divide, is_label, logsumexp, poison, soft_cap, weighted
from jaxloss.numerics.logistic import softplus
from jaxloss.numerics.softmax import Parts, below, lowest

_SHARE = 2.0**-24  # of a class in a sum over fewer than 2**24


class Tally(NamedTuple):
    """What is known of each token's logits after some of the classes.

    Attributes:
        top: The largest logit but the label's, a constant of the derivative; -inf before any.
        others: Log of the sum of exp over the classes but the label, less the top.
        own: The logit of the label, 0 until it was met.
        weight: Likewise its class weight.
        sum: Sum of the logits that are not masked, each less the top, as shares: it may overflow.
        valid: How many those are, likewise.
    """

    top: Array
    others: Array
    own: Array
    weight: Array
    sum: Array
    valid: Array

    @classmethod
    def of(cls, logits: Array, labels: Array, class_weights: Array) -> Self:
        """Of these classes, the first of which is 0."""
        masked, finite = logits == -jnp.inf, jnp.minimum(logits, -lowest(logits))
        rivals = jnp.where(is_label(labels, logits), -jnp.inf, logits)
        top = jax.lax.stop_gradient(jnp.max(rivals, axis=-1, keepdims=True))
        return cls(
            jnp.squeeze(top, axis=-1),
            logsumexp(below(rivals, top)),
            at_label(logits, labels),
            at_label(jnp.broadcast_to(class_weights, logits.shape), labels),
            jnp.sum(jnp.where(masked, 0, finite - _finite(top)) * _SHARE, axis=-1),
            jnp.sum(~masked, axis=-1, dtype=logits.dtype) * _SHARE,
        )

    def plus(self, more: Self) -> Self:
        """Of both sets of classes together."""
        top = jnp.maximum(self.top, more.top)
        both = [
            x._replace(sum=x.sum + x.valid * (_finite(x.top) - _finite(top))) for x in (self, more)
        ]
        logs = [x.others + below(x.top, top) for x in both]
        sums = (a + b for a, b in zip(both[0][2:], both[1][2:], strict=True))
        return type(self)(top, logsumexp(jnp.stack(logs, axis=-1)), *sums)

    def loss(self, hyper: Mapping[str, Any]) -> Array:
        """The cross-entropy, as `softmax_cross_entropy_with_integer_labels` has it."""
        shift = jnp.where(self.top == -jnp.inf, 0, self.top)
        parts = Parts(self.others, self.own - shift, shift)
        value = softplus(parts.log_odds_against)
        if (smoothing := hyper.get("label_smoothing")) is not None:
            spread = parts.normaliser - divide(self.sum, self.valid)
            value = weighted(1 - smoothing, value) + weighted(smoothing, spread)
        if hyper.get("class_weights") is not None:
            value = weighted(self.weight, value)
        factor = hyper.get("z_loss")
        return (
            value if factor is None else value + weighted(factor, (parts.normaliser + shift) ** 2)
        )


def _finite(top: Array) -> Array:
    """The top as a number that others can be less: 0 before any, the largest for +inf."""
    return jnp.where(top == -jnp.inf, 0, jnp.minimum(top, -lowest(top)))


@dataclass(frozen=True)
class Tile:
    """So many tokens and classes at once."""

    tokens: int
    classes: int

    def each(self, head: Affine, labels: Array, hyper: Mapping[str, Any], *, tied: bool) -> Array:
        """The cross-entropy of each token."""
        total = head.weight.shape[0 if tied else 1]
        head, inside = head.for_slopes(), (labels >= 0) & (labels < total)
        rows, tiles = (head.rows, labels, inside), self._tiles(head, hyper, total, tied=tied)
        empty = jnp.zeros(labels.shape, head.bias.dtype)
        nothing = jnp.full_like(empty, -jnp.inf)
        start = Tally(nothing, nothing, *[empty] * 4)
        step = partial(self._step, rows, hyper.get("softcap"), tied=tied)
        tally, _ = jax.lax.scan(step, start, tiles)
        value = tally.loss(hyper)
        return poison(value, inside & ~jnp.isnan(value))

    def _step(
        self, rows: PyTree, softcap: Array | None, tally: Tally, tile: PyTree, *, tied: bool
    ) -> tuple[Tally, None]:
        """The tally with that of one more tile."""
        weight, bias, class_weights, first, end = tile

        def of_chunk(rows: PyTree) -> Tally:
            features, labels, inside = rows
            logits = Affine(features, weight, bias).logits_for_slopes(tied=tied)
            logits = poison(logits, inside)
            bounded = logits if softcap is None else soft_cap(logits, softcap)
            column = jax.lax.broadcasted_iota(first.dtype, logits.shape, 1)
            shown = jnp.where(column < end - first, bounded, -jnp.inf)
            return Tally.of(shown, labels - first.astype(labels.dtype), class_weights)

        return tally.plus(map_by_chunks(of_chunk, rows, self.tokens)), None

    def _tiles(self, head: Affine, hyper: Mapping[str, Any], total: int, *, tied: bool) -> PyTree:
        """Weights, biases, class weights, first classes; and the end of the classes, for each."""
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
