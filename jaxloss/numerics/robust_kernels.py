"""Parts of robust losses, to all digits: functions quadratic near 0 that flatten far out."""

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.elementary import (
    machine_epsilon,
    quotient,
    reciprocal,
    tanh,
)
from jaxloss.numerics.polynomial import polynomial

_NEAR = 0.5  # below it a series, whose terms fall by 1/25, beats the closed form, which cancels
_NEARER = 0.25  # where the terms of the series fall by 1/40, and at _NEAR by 1/10 only
_BETWEEN_EPSILONS = 1e-10  # between the roundings of single and double precision

# The integral of the series of tanh, in even powers: for single precision the first five.
_LOG_COSH = (
    1 / 2,
    -1 / 12,
    1 / 45,
    -17 / 2520,
    31 / 14175,
    -691 / 935550,
    10922 / 42567525,
    -929569 / 10216206000,
    6404582 / 195384939750,
    -443861162 / 37123138552500,
)
_HALF_SIDE = 1 / (1 + math.exp(2 * _NEARER))  # the weight of exp(-x) in 2 cosh(x) there


def clipped_linear(x: Array, width: ArrayLike) -> Array:
    """sign(x), within `width` >= 0 of 0 the straight line x / width."""
    linear = jnp.abs(x) < width
    # A width of 0 is replaced before the division: the branch not taken would be NaN in gradients.
    return jnp.where(linear, quotient(x, jnp.where(linear, width, 1)), jnp.sign(x))


@with_partials(
    lambda _, x, width: jnp.where(jnp.abs(x) > width, jnp.sign(x), jnp.zeros_like(x)),
    lambda _, x, width: jnp.where(jnp.abs(x) > width, -1, 0),
)
def excess_magnitude(x: Array, width: ArrayLike) -> Array:
    """By how much |x| exceeds the width."""
    return jnp.maximum(jnp.abs(x) - width, 0)


@with_partials(lambda _, x, y: sine(x, y), lambda _, x, y: sine(y, x))
def hypot(x: Array, y: ArrayLike) -> Array:
    """sqrt(x² + y²), not both 0, scaled before squaring; differentiation would undo the scaling."""
    size, other = jnp.abs(x), jnp.abs(y)
    larger = jnp.maximum(size, other)
    share = jnp.minimum(size, other) / larger
    return larger * jnp.sqrt(1 + share * share)


# The derivative of a sine is by the cosine, cos² / length, and not 1 / length - x² / length³, whose
# terms cancel far out.
@with_partials(
    lambda _, x, y: reciprocal(hypot(x, y)) * sine(y, x) * sine(y, x),
    lambda _, x, y: -reciprocal(hypot(x, y)) * sine(y, x) * sine(x, y),
)
def sine(x: ArrayLike, y: ArrayLike) -> Array:
    """The ratio x / sqrt(x² + y²): the sine of the angle whose cosine is `sine(y, x)`."""
    return jnp.divide(x, hypot(x, y))


@with_partials(
    lambda _, x, y: reciprocal(hypot(x, y)) * sine(y, x) * sine(x, y),
    lambda _, x, y: -reciprocal(hypot(x, y)) * sine(x, y) * sine(x, y),
)
def versine(x: Array, y: ArrayLike) -> Array:
    """1 - y / sqrt(x² + y²) for y > 0: 1 less the cosine, without the cancellation at small x."""
    return hypot_excess(x, y) / hypot(x, y)


@with_partials(lambda _, x, y: sine(x, y), lambda _, x, y: -versine(x, y))
def hypot_excess(x: Array, y: ArrayLike) -> Array:
    """sqrt(x² + y²) - y for y > 0, without the cancellation at small x."""
    # x² = hypot² - y² = (hypot - y) (hypot + y); divided before it is squared.
    return x * (x / (hypot(x, y) + y))


@with_partials(lambda _, x, y: sine(y, x) ** 3, lambda _, x, y: sine(x, y) ** 3)
def altitude(x: Array, y: ArrayLike) -> Array:
    """The ratio x y / sqrt(x² + y²): the altitude of a right triangle with these legs."""
    return x * sine(y, x)


@with_partials(
    lambda _, x, y: quotient(y, y + jnp.abs(x)) ** 2,
    lambda _, x, y: jnp.sign(x) * quotient(x, y + jnp.abs(x)) ** 2,
)
def softsign(x: Array, y: ArrayLike) -> Array:
    """The product x y / (|x| + y) for y > 0: x near 0, and y times its sign far out."""
    return x / (y + jnp.abs(x)) * y


@with_partials(lambda _, x: softsign(x, 1.0))
def magnitude_less_log1p(x: Array) -> Array:
    """|x| - log(1 + |x|), near 0 by the series of log(1 + x) in x / (2 + x)."""
    size = jnp.abs(x)
    near = jnp.minimum(size, _NEAR)
    far, z = size - near, near / (2 + near)
    square = z * z
    # log(1 + x) = 2 (z + z³ / 3 + ...) with z = x / (2 + x), and x - 2 z = x z: nothing cancels.
    # The rest of |x| adds log(1 + far / (1 + near)).
    odd = range(3, 25 if machine_epsilon(x) < _BETWEEN_EPSILONS else 10, 2)
    series = polynomial(square, tuple(-2 / n for n in odd))
    return z * (near + square * series) + (far - jnp.log1p(far / (1 + near)))


@with_partials(lambda _, x: tanh(x))
def log_hyperbolic_cosine(x: Array) -> Array:
    """log(cosh(x)), near 0 by its series, and from there by what the rest of |x| adds."""
    size = jnp.abs(x)
    near = jnp.minimum(size, _NEARER)
    # cosh(n + f) = cosh(n) exp(f) (1 + h (exp(-2 f) - 1)), with the share h = 1 / (1 + exp(2 n)).
    square, far = near * near, size - near
    series = square * polynomial(
        square, _LOG_COSH if machine_epsilon(x) < _BETWEEN_EPSILONS else _LOG_COSH[:5]
    )
    return series + (far + jnp.log1p(_HALF_SIDE * jnp.expm1(-2 * far)))


@with_partials(lambda share, x: -2 * sine(x, 1.0) * sine(1.0, x) * share)
def receding(x: Array) -> Array:
    """1 / (1 + x²)."""
    # As the square of a sine, whose derivatives neither cancel nor overflow.
    return sine(1.0, x) ** 2


@with_partials(lambda _, x: 2 * x * receding(x) * receding(x))
def rational_saturation(x: Array) -> Array:
    """x² / (1 + x²), whose square stops where the limit is reached, so as not to overflow."""
    near = jnp.minimum(jnp.abs(x), 1 / machine_epsilon(x))
    return near * near / (1 + near * near)


@with_partials(lambda _, x: 2 * x * jnp.exp(-x * x))
def gaussian_well(x: Array) -> Array:
    """1 - exp(-x²)."""
    return -jnp.expm1(-x * x)


@with_partials(lambda _, x: 6 * x * jnp.maximum(1 - x * x, 0) ** 2)
def biweight(x: Array) -> Array:
    """1 - (1 - x²)³ for |x| <= 1, without the differences from 1."""
    size = jnp.minimum(jnp.abs(x), 1)
    square = size * size
    return square * (3 - square * (3 - square))
