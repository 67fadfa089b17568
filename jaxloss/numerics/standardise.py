"""An error beside its spread, for negative log-likelihoods whose spread may be 0."""

import jax.numpy as jnp
from jax import Array

from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.elementary import reciprocal, tiny


def over_scale(error: Array, spread: Array) -> tuple[Array, Array]:
    """The error over its spread, and log of the spread: at spread 0 only one is infinite."""
    spread = jnp.broadcast_to(spread, error.shape)
    return _ratio(error, spread), _log_spread(error, spread)


@with_partials(
    lambda _, error, spread: reciprocal(positive_scale(error, spread)),
    lambda ratio, error, spread: -ratio * reciprocal(positive_scale(error, spread)),
)
def _ratio(error: Array, spread: Array) -> Array:
    return error / jnp.maximum(spread, tiny(error) - jnp.abs(error))


@with_partials(
    lambda _, error, __: jnp.zeros_like(error),
    lambda _, error, spread: reciprocal(jnp.where((error != 0) & (spread == 0), jnp.inf, spread)),
)
def _log_spread(error: Array, spread: Array) -> Array:
    return jnp.log(jnp.maximum(spread, jnp.minimum(jnp.abs(error), tiny(error))))


def positive_scale(error: Array, spread: Array) -> Array:
    """The spread, and 1 where the error is 0 too: there their ratio has no slope in it."""
    return jnp.where((error == 0) & (spread == 0), 1, spread)
