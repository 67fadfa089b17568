"""The label's class and the others: what the softmax losses of integer labels are made of.

With the label's logit apart from the log-sum-exp of the others, a probability near 1 and one near 0
both keep their digits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxloss.numerics.custom_jvp import with_partials


class Parts(NamedTuple):
    """The logits of an example in two parts, and what both are shifted by.

    Attributes:
        others: Log-sum-exp of all classes but the label's, less the shift; -inf without any.
        own: The logit of the label, less the shift.
        shift: A number of the size of the logits, a constant of the derivative; +inf where the
            largest of the others is.
    """

    others: Array
    own: Array
    shift: Array

    @property
    def log_odds_against(self) -> Array:
        """Of the label; +inf where it is masked, and else -inf where all others are."""
        return exceeding(self.others, self.own)

    @property
    def normaliser(self) -> Array:
        """Log-sum-exp of all classes, less the shift; -inf with gradient 0 where all are masked."""
        masked = _both_masked(self.others, self.own)
        whole = jnp.logaddexp(jnp.where(masked, 0, self.others), self.own)
        return jnp.where(masked, -jnp.inf, whole)


def apart(logits: Array, labels: Array) -> Parts:
    """The label's logit and the log-sum-exp of the others, shifted by the largest of these."""
    rest = jnp.where(is_label(labels, logits), -jnp.inf, logits)
    top = lax.stop_gradient(jnp.max(rest, axis=-1, initial=-jnp.inf))
    shift = jnp.where(top == -jnp.inf, 0, top)
    total = jnp.sum(jnp.exp(below(rest, shift[..., None])), axis=-1)
    empty = total == 0  # replaced before the log, whose derivative at 0 is infinite
    others = jnp.where(empty, -jnp.inf, jnp.log(jnp.where(empty, 1, total)))
    return Parts(others, at_label(logits, labels) - shift, shift)


def valid_excess(logits: Array, shift: Array) -> tuple[Array, Array]:
    """Sum of the logits less the shift, over the classes that are not masked, and their number.

    Both are divided by the number of classes, the terms of the first before their sum overflows.
    """
    share, valid = 1 / logits.shape[-1], logits != -jnp.inf
    finite = jnp.minimum(logits, -lowest(logits)) - shift[..., None]
    excess = jnp.sum(jnp.where(valid, share * finite, 0), axis=-1)
    return excess, jnp.sum(valid, axis=-1, dtype=logits.dtype) * share


def exceeding(others: Array, own: Array) -> Array:
    """By how much they exceed the label's score; +inf where it is masked, also if they are too."""
    return jnp.where(_both_masked(others, own), 0, others) - own


def _both_masked(others: Array, own: Array) -> Array:
    return (others == -jnp.inf) & (own == -jnp.inf)


@with_partials(lambda _, x, __: jnp.ones_like(x), lambda _, x, __: -jnp.ones_like(x))
def below(x: Array, top: Array) -> Array:
    """The difference to the largest of a row, 0 where both are +inf; -inf where all are."""
    return jnp.where(x == jnp.inf, 0, x - jnp.maximum(top, lowest(x)))


def lowest(x: Array) -> float:
    """The least finite number in the type of `x`; no logit but -inf lies below it."""
    return float(np.finfo(x.dtype).min)


def is_label(labels: Array, like: Array) -> Array:
    """Boolean one-hot in the shape of `like`, by comparison so that classes may be sharded."""
    sharding = jax.typeof(like).sharding  # a choice between arrays by classes wants it so
    places = lax.broadcasted_iota(labels.dtype, like.shape, like.ndim - 1, out_sharding=sharding)
    return places == labels[..., None]


def at_label(x: Array, labels: Array) -> Array:
    """The entry of `x` at each label, by a masked sum: no gather over the class axis."""
    return jnp.sum(jnp.where(is_label(labels, x), x, 0), axis=-1)
