"""Expected surprise under softmax, in few passes over the logits, with all digits of small ones.

The largest logit is taken out of the sum of exponentials, and what is left keeps the digits that
1 + rest rounds away. On a CPU, XLA makes one pass of what it sums only where no comparison is in
it, and holds what several sums have in common, unless they wait for one another.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics.custom_jvp import behind_barrier
from jaxloss.numerics.elementary import clip, positive_part, quotient, tiny, zero_if_weightless
from jaxloss.numerics.nan import nan_like
from jaxloss.numerics.softmax import below, lowest

_STEEP = 1e38  # makes a difference of two logits, however small, one of more than 1


class Slopes(NamedTuple):
    """Of the expected surprise: in the logits, and in the targets, which is each class's own."""

    logits: Array
    targets: Array


@jax.custom_jvp
def expected_surprise(logits: Array, targets: Array) -> Array:
    """Sum of target times -log softmax over the last axis; a target of 0 wins over a mask."""
    highest, top, rest = _rest(logits)
    logits, targets, _ = behind_barrier((logits, targets, rest))
    huge, least = _each(top, 1 / tiny(top)), _each(top, lowest(top))
    # Of what is -inf below the top, the bound leaves a large number where the target is 0.
    bound = least - jnp.abs(targets) * huge * huge * huge
    own = jnp.sum(targets * -jnp.maximum(_lag(logits, top), bound), axis=-1)
    own, mass = behind_barrier((own, jnp.sum(targets, axis=-1)))
    highest, rest = (jnp.squeeze(x, axis=-1) for x in (highest, rest))
    certain = jnp.where(own > 0, jnp.inf, jnp.where(rest > 0, jnp.nan, 0)) + nan_like(rest)
    return jnp.where(highest == jnp.inf, certain, own + mass * jnp.log1p(rest))


def _rule(
    primals: tuple[Array, Array], tangents: tuple[Array | SymbolicZero, Array | SymbolicZero]
) -> tuple[Array, Array]:
    value = expected_surprise(*primals)
    pairs = zip(_slopes(*primals), tangents, strict=True)
    rates = [jnp.sum(x * rate, axis=-1) for x, rate in pairs if not isinstance(rate, SymbolicZero)]
    return value, sum(rates, jnp.zeros_like(value))


expected_surprise.defjvp(_rule, symbolic_zeros=True)


def _rest(logits: Array) -> tuple[Array, Array, Array]:
    """The largest logit, as it is and as a finite number, and the sum of exp over its own, less 1.

    That sum is 0 if all are masked.
    """
    highest = lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True, initial=-jnp.inf))
    top = clip(highest, lowest(logits), -lowest(logits))
    lag = logits - top  # not bounded above: the bound would lose NaN, or keep an array to hold it
    others = jnp.sum(-jnp.sign(lag) * jnp.exp(lag), axis=-1, keepdims=True)
    logits, top, _ = behind_barrier((logits, top, others))
    # There may be several that are largest, or +inf.
    near = _each(top, 1) + _each(top, _STEEP) * (logits - top)
    is_top = jnp.minimum(jnp.maximum(near, _each(top, 0)), _each(top, 1))
    others, tops = behind_barrier((others, jnp.sum(is_top, axis=-1, keepdims=True)))
    others = jnp.where(highest == jnp.inf, nan_like(others), others)  # nothing beside one of +inf
    return highest, top, positive_part(others + (tops - 1))


def _lag(logits: Array, top: Array) -> Array:
    """How far they are below the top, where one of +inf is as large as the largest number."""
    return jnp.minimum(logits, _each(top, -lowest(top))) - top


def _each(top: Array, number: float) -> Array:
    """The number for each example: as one for all, XLA would hold it for each logit."""
    return 0 * top + number


@jax.custom_jvp
def _slopes(logits: Array, targets: Array) -> Slopes:
    """With all digits also where the probability of a class is nearly 1."""
    highest, top, rest = _rest(logits)
    lag = logits - top  # positive of what is +inf
    mass = jnp.sum(targets, axis=-1, keepdims=True)
    share = mass / (1 + rest)
    of_top = (mass - targets) - rest * share
    own = zero_if_weightless(targets, jnp.log1p(rest) - below(logits, highest))
    return Slopes(jnp.where(lag < 0, jnp.exp(lag) * share - targets, of_top), own)


@_slopes.defjvp
def _slopes_rates(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Slopes, Slopes]:
    return _slopes(*primals), jax.jvp(_plain_slopes, primals, tangents)[1]


def _plain_slopes(logits: Array, targets: Array) -> Slopes:
    """The same, to be differentiated: no logit is left out."""
    highest = lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True, initial=-jnp.inf))
    lag = below(logits, highest)
    powers = jnp.exp(lag)
    total = jnp.sum(powers, axis=-1, keepdims=True)
    total = jnp.where(total == 0, 1, total)
    mass = jnp.sum(targets, axis=-1, keepdims=True)
    own = zero_if_weightless(targets, jnp.log(total) - lag)
    return Slopes(quotient(mass * powers, total) - targets, own)
