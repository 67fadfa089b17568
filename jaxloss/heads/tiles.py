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
from jax.nn import softplus

from jaxloss.heads.affine import Affine
from jaxloss.heads.chunks import PyTree, map_by_chunks
from jaxloss.numerics import at_label, divide, is_label, logsumexp, poison, soft_cap, weighted


class Tally(NamedTuple):
    """What is known of each token's logits after some of the classes.

    Attributes:
        others: Log of the sum of exp over the classes but the label.
        own: The logit of the label, 0 until it was met.
        weight: Likewise its class weight.
        sum: Sum of the logits that are not masked.
        valid: How many those are.
    """

    others: Array
    own: Array
    weight: Array
    sum: Array
    valid: Array

    @classmethod
    def of(cls, logits: Array, labels: Array, class_weights: Array) -> Self:
        """Of these classes, the first of which is 0."""
        masked = logits == -jnp.inf
        rivals = jnp.where(is_label(labels, logits), -jnp.inf, logits)
        return cls(
            logsumexp(rivals),
            at_label(logits, labels),
            at_label(jnp.broadcast_to(class_weights, logits.shape), labels),
            jnp.sum(jnp.where(masked, 0, logits), axis=-1),
            jnp.sum(~masked, axis=-1, dtype=logits.dtype),
        )

    def plus(self, more: Self) -> Self:
        """Of both sets of classes together."""
        others = logsumexp(jnp.stack([self.others, more.others], axis=-1))
        return type(self)(others, *(a + b for a, b in zip(self[1:], more[1:], strict=True)))

    def loss(self, hyper: Mapping[str, Any]) -> Array:
        """The cross-entropy, as `softmax_cross_entropy_with_integer_labels` has it."""
        normaliser = logsumexp(jnp.stack([self.others, self.own], axis=-1))
        value = softplus(self.others - self.own)
        if (smoothing := hyper.get("label_smoothing")) is not None:
            spread = normaliser - divide(self.sum, self.valid)
            value = weighted(1 - smoothing, value) + spread * smoothing
        if hyper.get("class_weights") is not None:
            value = weighted(self.weight, value)
        factor = hyper.get("z_loss")
        return value if factor is None else value + normaliser**2 * factor


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
        start = Tally(jnp.full_like(empty, -jnp.inf), *[empty] * 4)
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
