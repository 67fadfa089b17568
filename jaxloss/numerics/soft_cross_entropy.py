"""Cross-entropy of a softmax to a distribution, with all digits of small values and gradients.

Where one class has nearly all probability, log Σ exp rounds what the others have away. So the
largest logit is taken out of the sum: log(1 + rest) of the rest keeps the digits.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics.elementary import quotient, zero_if_weightless
from jaxloss.numerics.softmax import below


class Partials(NamedTuple):
    """The derivatives of the cross-entropy: in the logits, and in the targets."""

    logits: Array
    targets: Array


class _Shifted(NamedTuple):
    """The logits of an example less the largest of them.

    Attributes:
        lag: The difference of each to the largest, at most 0.
        rest: The sum of exp(lag) over all but one that is largest; 0 if all are masked.
        is_certain: Whether the largest is +inf.
    """

    lag: Array
    rest: Array
    is_certain: Array

    @classmethod
    def of(cls, logits: Array) -> "_Shifted":
        highest = lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True, initial=-jnp.inf))
        lag = below(logits, highest)
        largest = jnp.sum(lag == 0, axis=-1, keepdims=True, dtype=lag.dtype)
        # By the entries that are not largest: NaN is none, and stays in the sum.
        others = jnp.sum(jnp.where(lag == 0, 0, jnp.exp(lag)), axis=-1, keepdims=True)
        return cls(lag, others + jnp.maximum(largest - 1, 0), highest == jnp.inf)


@jax.custom_jvp
def soft_cross_entropy(logits: Array, targets: Array) -> Array:
    """Sum of target times -log softmax over the last axis; a target of 0 wins over a mask."""
    lag, rest, is_certain = _Shifted.of(logits)
    own = jnp.sum(jnp.where(targets == 0, 0, targets * -lag), axis=-1)
    rest, is_certain = (jnp.squeeze(x, axis=-1) for x in (rest, is_certain))
    # Two classes that are both certain contradict each other.
    value = jnp.where(is_certain & (rest > 0) & (own == 0), jnp.nan, own)
    return value + jnp.sum(targets, axis=-1) * jnp.log1p(rest)


def _rule(
    primals: tuple[Array, Array], tangents: tuple[Array | SymbolicZero, Array | SymbolicZero]
) -> tuple[Array, Array]:
    value = soft_cross_entropy(*primals)
    pairs = zip(_partials(*primals), tangents, strict=True)
    rates = [jnp.sum(x * rate, axis=-1) for x, rate in pairs if not isinstance(rate, SymbolicZero)]
    return value, sum(rates, jnp.zeros_like(value))


soft_cross_entropy.defjvp(_rule, symbolic_zeros=True)


@jax.custom_jvp
def _partials(logits: Array, targets: Array) -> Partials:
    """With all digits also where the probability of a class is nearly 1."""
    lag, rest, _ = _Shifted.of(logits)
    mass = jnp.sum(targets, axis=-1, keepdims=True)
    share = mass / (1 + rest)
    # mass / (1 + rest) - target would cancel for the largest.
    of_largest = (mass - targets) - rest * share
    own = zero_if_weightless(targets, jnp.log1p(rest) - lag)
    return Partials(jnp.where(lag == 0, of_largest, jnp.exp(lag) * share - targets), own)


@_partials.defjvp
def _partials_rule(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Partials, Partials]:
    return _partials(*primals), jax.jvp(_plain_partials, primals, tangents)[1]


def _plain_partials(logits: Array, targets: Array) -> Partials:
    """The same, to be differentiated: no logit is left out."""
    highest = lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True, initial=-jnp.inf))
    lag = below(logits, highest)
    powers = jnp.exp(lag)
    total = jnp.sum(powers, axis=-1, keepdims=True)
    total = jnp.where(total == 0, 1, total)
    mass = jnp.sum(targets, axis=-1, keepdims=True)
    own = zero_if_weightless(targets, jnp.log(total) - lag)
    return Partials(quotient(mass * powers, total) - targets, own)
