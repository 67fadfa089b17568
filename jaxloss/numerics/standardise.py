"""An error over its scale and the log of the scale, for likelihoods whose scale may be 0.

Divided by once, not by a quotient of two scales: of a quotient of quotients XLA makes one division
by a product, which may overflow or underflow.
"""

import jax.numpy as jnp
from jax import Array

from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.elementary import reciprocal, tiny


def over_scale(error: Array, scale: Array) -> tuple[Array, Array]:
    """The error over its scale, and the log of the scale: at scale 0 only one is infinite."""
    scale = jnp.broadcast_to(scale, error.shape)
    return _ratio(error, scale), _log_scale(error, scale)


@with_partials(
    lambda _, error, scale: reciprocal(positive_scale(error, scale)),
    lambda ratio, error, scale: -ratio * reciprocal(positive_scale(error, scale)),
)
def _ratio(error: Array, scale: Array) -> Array:
    # The bound is above 0 beside errors of 0 only: there 0 / 0 becomes 0, elsewhere it is infinite.
    return error / jnp.maximum(scale, tiny(error) - jnp.abs(error))


@with_partials(
    lambda _, error, __: jnp.zeros_like(error),
    lambda _, error, scale: reciprocal(jnp.where((error != 0) & (scale == 0), jnp.inf, scale)),
)
def _log_scale(error: Array, scale: Array) -> Array:
    # Finite at scale 0 beside an error other than 0, where infinity less infinity would be NaN.
    return jnp.log(jnp.maximum(scale, jnp.minimum(jnp.abs(error), tiny(error))))


def positive_scale(error: Array, scale: Array) -> Array:
    """The scale, and 1 where both are 0: there the partials of their ratio are taken as 1 and 0."""
    return jnp.where((error == 0) & (scale == 0), 1, scale)
