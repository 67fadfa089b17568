"""Special functions in forms that cancel nothing, and are smooth where a parameter has its limit.

Differences of log Γ lose all digits at large arguments, exp(x) - 1 - x at small ones. Here they are
series or sums of small terms, so that a rate or a dispersion of 0 is no singular point.
"""

import functools
import math
import operator
from collections.abc import Callable, Sequence
from itertools import accumulate

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import i0e, i1e
from jax.typing import ArrayLike

from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.elementary import (
    expm1,
    machine_epsilon,
    quotient,
    reciprocal,
)
from jaxloss.numerics.polynomial import polynomial
from jaxloss.numerics.robust_kernels import rational_saturation, receding, sine

# Below it a series beats the closed form: there exp(x) - 1 - x, as 0.65 - 0.5, loses two bits.
_SERIES = 0.5
_BETWEEN_EPSILONS = 1e-10  # between the roundings of single and double precision
_BESSEL_NEAR = 1.0  # below it I0 - 1 is the series of (x²/4)^k / k!², here to 1e-17
_BESSEL_EXCESS = (0.0, *(1 / math.factorial(k) ** 2 for k in range(1, 9)))
_BESSEL_FAR = 50.0  # beyond it 15 terms of the asymptotic series have all digits
_BESSEL_FAR_SINGLE = 10.0  # beyond it those of single precision, 6 in the second derivative
_GAUSS = 4.0  # up to this exponent 16 nodes of Gauss' rule have all digits, 8 those of single
_HIGH = 2.0  # a rate from which on terms in its reciprocal are small
_BESSEL = tuple(accumulate(((2 * k - 1) ** 2 / (8 * k) for k in range(1, 16)), operator.mul))


@jax.custom_jvp
def mean_excess(x: Array) -> Array:
    """Arithmetic over logarithmic mean of 1 and 1 + x, less 1, for x >= 0.

    It is (1/x + 1/2) log(1 + x) - 1, whose terms cancel near 0, and those of the derivative more.
    """
    return x * _mean_excess_ratio(x)


# The derivative is (2 + x) / (2 x (1 + x)) - 2 (1 + mean_excess) / (x (2 + x)). Over the common
# denominator x (2 + x) the leading 2 of both is gone, and 1 / x with it.
mean_excess.defjvps(
    lambda dx, _, x: (
        quotient(x / 4 - (1 + x) * _mean_excess_ratio(x), 1 + x) * (reciprocal(1 + x / 2) * dx)
    )
)


def _mean_excess_ratio(x: Array) -> Array:
    """`mean_excess` over x, near 0 by as much of a series as the type has digits for."""
    # With z = x / (2 + x), log(1 + x) = 2 z (1 + z² / 3 + z⁴ / 5 + ...) and 1/x + 1/2 = 1 / (2 z).
    # Up to x = 1/2, z² is at most 1/25: 13 terms leave 1e-18, 7 terms 1e-10.
    near = x < _SERIES
    small, large = jnp.where(near, x, 0), jnp.where(near, 1, x)
    odd = range(3, 28 if machine_epsilon(x) < _BETWEEN_EPSILONS else 16, 2)
    share = quotient(small, 2 + small)
    series = polynomial(share**2, tuple(1 / n for n in odd))
    excess = (reciprocal(large) + 0.5) * jnp.log1p(large) - 1
    return jnp.where(near, share * reciprocal(2 + small) * series, quotient(excess, large))


# Bernoulli numbers over 2k (2k - 1): the asymptotic series of log Γ in odd powers of 1 / x.
_STIRLING = (
    1 / 12,
    -1 / 360,
    1 / 1260,
    -1 / 1680,
    1 / 1188,
    -691 / 360360,
    1 / 156,
    -3617 / 122400,
)


_SINGLE_STEPS = 3  # of Gudermann's, in single precision


def stirling_remainder(b: Array) -> Array:
    """The excess log Γ(x) - (x - 1/2) log x + x - log(2π) / 2 at x = 1 / b, for b >= 0.

    Gudermann's steps lead from x to where the asymptotic series has all digits.
    """
    # A step from x to x + 1 adds (x + 1/2) log(1 + 1/x) - 1 = mean_excess(1/x).
    *steps, last = _gudermann_steps(b)
    return last * polynomial(last * last, _STIRLING) + _over(steps, mean_excess)


def _gudermann_steps(b: Array) -> list[Array]:
    """1 / x, 1 / (x + 1) and so on at x = 1 / b, to where the series `_STIRLING` has all digits."""
    # The first term that it lacks is 0.18 / x^17: from 8 on 8e-17, and 1e-9 from 3 on, where the
    # remainder itself is 0.03; nearer to x = 0, where that is larger, as much is nothing.
    count = 8 if machine_epsilon(b) < _BETWEEN_EPSILONS else _SINGLE_STEPS
    return [quotient(b, 1 + j * b) for j in range(count + 1)]


def _over(steps: Sequence[Array], of_step: Callable[[Array], Array]) -> Array:
    """The sum of a function of each step.

    In single precision one by one: a GPU would hold an array of all of them, several times as large
    as the inputs. In double precision in such an array, as one program compiles and not eight.
    """
    if len(steps) == _SINGLE_STEPS:
        return functools.reduce(operator.add, map(of_step, steps))
    return jnp.sum(jax.vmap(of_step)(jnp.stack(steps)), axis=0)


def log_rising(count: Array, step: Array) -> Array:
    """Sum of log(1 + j step) over j from 0 to count - 1, for any real count and step >= 0.

    It is log(Γ(r + count) / Γ(r)) - count log r at r = 1 / step, free of differences of log Γ.
    """
    return log_rising_integral(count, step) + log_rising_excess(count, step)


def log_rising_integral(count: Array, step: Array) -> Array:
    """The integral of log(1 + t step) over t from 0 to count, by which the sum grows."""
    x = step * count
    return count * quotient(x / 2 + (1 + x) * mean_excess(x), 1 + x / 2)


def log_rising_excess(count: Array, step: Array) -> Array:
    """`log_rising` less `log_rising_integral`, with all digits at small counts too.

    That is half a logarithm and a difference of two `stirling_remainder`. Each of Gudermann's
    steps and each power of the series is subtracted by itself: the count is a factor of them all.
    """
    *steps, last = _gudermann_steps(step)
    after = quotient(last, 1 + count * last)
    divided, power, mixed = jnp.zeros_like(after), after, jnp.ones_like(after)
    for coefficient in _STIRLING:
        divided += coefficient * mixed  # (last^n - after^n) / (last - after) for odd n
        mixed = mixed * last * last + power * (last + after)
        power *= after * after
    series = -jnp.log1p(step * count) / 2 - count * last * after * divided
    return series - _over(steps, functools.partial(_gap, count))


def _gap(count: Array, step: Array) -> Array:
    """`mean_excess` of the step less that after so many counts, with the count as a factor."""
    share = quotient(count * step, 1 + (count + 1) * step)
    gap: Array = log1p_over_rate(share, step) + jnp.log1p(share * step) / 2
    return gap - count * jnp.log1p(quotient(step, 1 + count * step))


def log_i0e(x: Array) -> Array:
    """log(exp(-x) I0(x)) for x >= 0, I0 the modified Bessel function, with exact derivatives.

    Far out by the asymptotic series: the derivative -1 + I1(x) / I0(x) would cancel, and the second
    more.
    """
    start = _BESSEL_FAR if machine_epsilon(x) < _BETWEEN_EPSILONS else _BESSEL_FAR_SINGLE
    far = x > start
    b = reciprocal(jnp.where(far, x, start))
    return jnp.where(
        far,
        jnp.log1p(b * polynomial(b, _BESSEL)) + jnp.log(b / (2 * math.pi)) / 2,
        _log_i0e_near(jnp.where(far, 1, x)),
    )


@jax.custom_jvp
def _log_i0e_near(x: Array) -> Array:
    small = x < _BESSEL_NEAR
    near = polynomial(jnp.where(small, x, 0) ** 2 / 4, _BESSEL_EXCESS)
    return jnp.where(small, jnp.log1p(near) - x, jnp.log(i0e(jnp.where(small, 1, x))))


_log_i0e_near.defjvps(  # the right-hand derivative at 0, where JAX has for i0e the mean of both
    lambda dx, _, x: (i1e(x) / i0e(x) - 1) * dx
)


@with_partials(lambda _, x: receding(x))
def arctan(x: Array) -> Array:
    """The arc tangent: a series once the angle has been halved twice, by arithmetic alone."""
    far = 1 / machine_epsilon(x) ** 2  # where the angle is a right one to all digits
    part = jnp.clip(x, -far, far)
    for _ in range(2):
        part /= 1 + jnp.sqrt(1 + part * part)
    # The angle is at most π/8, its tangent 0.414: terms up to 1/37 leave 1e-16, up to 1/17 1e-8.
    series = jnp.zeros_like(x)
    for n in range(37 if machine_epsilon(x) < _BETWEEN_EPSILONS else 17, 1, -2):
        series = -part * part * (series + 1 / n)
    return 4 * (part + part * series)


@with_partials(lambda _, x: 2 * sine(x, 1.0) * sine(1.0, x))
def log1p_square(x: Array) -> Array:
    """log(1 + x²), also where the square overflows: there the 1 is far below rounding."""
    size, far = jnp.abs(x), 1 / machine_epsilon(x)
    near = jnp.minimum(size, far)
    return jnp.log1p(near * near) + 2 * jnp.log(jnp.maximum(size / far, 1))


@with_partials(lambda _, x: 2 * sine(x, 1.0) * sine(1.0, x) * rational_saturation(x))
def log1p_square_minus_saturation(x: Array) -> Array:
    """log(1 + x²) - x² / (1 + x²), whose terms cancel near 0: it is x⁴ / 2."""
    # By log(1 + n) = 2 n / (2 + n) (1 + mean_excess(n)) with n = x², of which n / (1 + n) is taken
    # exactly: n² / ((1 + n) (2 + n)) is left, and both terms are positive.
    size, far = jnp.abs(x), 1 / machine_epsilon(x)
    near = jnp.minimum(size, far) ** 2
    share = near / (2 + near)
    excess = rational_saturation(x) * share + 2 * share * mean_excess(near)
    return excess + 2 * jnp.log(jnp.maximum(size / far, 1))


@with_partials(lambda _, x: 2 * x * x * x * jnp.exp(-x * x))
def gaussian_well_scale_partial(x: Array) -> Array:
    """1 - exp(-x²) - x² exp(-x²), whose terms cancel near 0: it is x⁴ / 2."""
    # With n = x² it is exp(-n) (exp(n) - 1 - n), which would overflow for large n.
    square = jnp.minimum(jnp.abs(x), 1 / machine_epsilon(x)) ** 2
    near = jnp.minimum(square, 1)
    far = -jnp.expm1(-square) - square * jnp.exp(-square)
    return jnp.where(square < 1, jnp.exp(-near) * expm1_minus_x(near), far)


@with_partials(
    lambda _, x, y: quotient(2 * log1p_ratio(x, y), 1 + x),
    lambda _, x, y: -quotient(2 * log1p_ratio(x, y), 1 + y),
)
def square_of_log1p_ratio(x: Array, y: Array) -> Array:
    """The square of log((1 + x) / (1 + y)) for x, y >= 0."""
    # By the difference: logarithms of nearly equal numbers would cancel.
    size = jnp.log1p(jnp.abs(x - y) / (1 + jnp.minimum(x, y)))
    return size * size


@with_partials(lambda _, x, __: reciprocal(1 + x), lambda _, __, y: -reciprocal(1 + y))
def log1p_ratio(x: Array, y: Array) -> Array:
    """log((1 + x) / (1 + y)) for x, y >= 0, exact where they are nearly equal or far apart."""
    return log_quotient(x - y, 1 + x, 1 + y)


@with_partials(lambda _, x, __: reciprocal(x), lambda _, __, y: -reciprocal(y))
def log_ratio(x: Array, y: Array) -> Array:
    """log(x / y) for x, y > 0, exact where they are nearly equal or far apart."""
    return log_quotient(x - y, x, y)


def log_quotient(gap: Array, x: Array, y: Array) -> Array:
    """log(x / y) where their difference is known better than they are."""
    # The larger over the smaller: log1p of numbers near -1 would lose digits.
    above, below = jnp.maximum(gap, 0), jnp.maximum(-gap, 0)
    return jnp.log1p(quotient(above, y)) - jnp.log1p(quotient(below, x))


def _expm1_over_rate_by_rate(y: Array, x: Array, rate: ArrayLike) -> Array:
    """The partial of `expm1_over_rate` in the rate: x² exp(z) phi2(-z) with z = rate x."""
    exponent = rate * x
    near = jnp.abs(exponent) < _SERIES
    small = jnp.where(near, exponent, 0)
    series = x * x * jnp.exp(small) * phi2(-small)
    return jnp.where(near, series, quotient(x * jnp.exp(exponent) - y, jnp.where(near, 1, rate)))


# JAX's derivative of expm1 is 1 + expm1, of which little is left where exp is small.
@with_partials(lambda _, x, rate: jnp.exp(rate * x), _expm1_over_rate_by_rate)
def expm1_over_rate(x: Array, rate: ArrayLike) -> Array:
    """(exp(rate x) - 1) / rate, smooth in the rate: it is x at rate 0."""
    straight = jnp.abs(rate) < machine_epsilon(x) ** 2  # chosen before it meets an array
    over_rate = jnp.where(straight, 0, 1 / jnp.where(straight, 1, rate))
    return jnp.where(straight, 1, 0) * x + over_rate * jnp.expm1(rate * x)


@with_partials(
    lambda _, __, exponent: jnp.exp(exponent),
    lambda product, *_: product,
)
def times_exp(x: Array, exponent: Array) -> Array:
    """The product x exp(exponent), whose derivatives overflow no sooner than it does."""
    # By half the exponent twice: exp may overflow where the product with a small x is finite.
    root = jnp.exp(exponent / 2)
    return x * root * root


@with_partials(
    lambda _, x, rate: times_exp(expm1_minus_x(-x), rate * x),
    lambda _, x, rate: _expm1_by_parts_by_rate(x, rate),
)
def expm1_over_rate_by_parts(x: Array, rate: Array) -> Array:
    """The integral of exp(rate t) (exp(-t) - 1 + t) over t from 0 to x >= 0.

    With E = `expm1_over_rate` it is ∂E/∂rate - E(rate) + E(rate - 1), whose terms cancel near 0,
    where it is x³ / 6, and at high rates.
    """
    return _expm1_by_parts(x, rate)


def _expm1_by_parts_by_rate(x: Array, rate: Array) -> Array:
    formula = functools.partial(_expm1_by_parts, x)
    partial: Array = jax.jvp(formula, (rate,), (jnp.ones_like(rate),))[1]
    return partial


def _expm1_by_parts(x: Array, rate: Array) -> Array:
    """Near 0 by Gauss' rule, else by the closed form that is best at the rate."""
    near, high = x * (1 + jnp.abs(rate)) < _GAUSS, jnp.abs(rate) > _HIGH
    # Every branch gets an ordinary point where it is not taken: NaN there would reach gradients.
    small, large = jnp.where(near, x, 0), jnp.where(near, 1, x)
    low, fast = jnp.where(high, 0, rate), jnp.where(high, rate, 2 * _HIGH)
    places, weights = np.polynomial.legendre.leggauss(
        16 if machine_epsilon(x) < _BETWEEN_EPSILONS else 8
    )
    points = jnp.stack([small * float((1 + place) / 2) for place in places], axis=-1)
    shares = jnp.broadcast_to(jnp.asarray(weights / 2, x.dtype), points.shape)
    inner = jnp.exp(rate * points) * expm1_minus_x(-points) * shares
    value = expm1_over_rate(large, low)
    slow = _expm1_over_rate_by_rate(value, large, low) - value + expm1_over_rate(large, low - 1)
    # At high rates the three terms over their common denominator rate² (rate - 1).
    root = fast * fast * expm1_minus_x(-large) - fast * large + 1
    quick = quotient(quotient(times_exp(root, fast * large) - 1, fast * fast), fast - 1)
    return jnp.where(near, small * jnp.sum(inner, axis=-1), jnp.where(high, quick, slow))


def one_minus_exp_over_rate(x: Array, rate: ArrayLike) -> Array:
    """(1 - exp(-rate x)) / rate for x >= 0, also where x is infinite: it is x at rate 0."""
    infinite = x == jnp.inf
    value = -expm1_over_rate(-jnp.where(infinite, 0, x), rate)
    return jnp.where(infinite, reciprocal(jnp.where(infinite, rate, 1)), value)


@with_partials(lambda _, x: expm1(x))
def expm1_minus_x(x: Array) -> Array:
    """exp(x) - 1 - x, by its series near 0, where the terms cancel.

    With x = near + far it is exp(far) times the series plus what far adds.
    """
    near = jnp.minimum(jnp.maximum(x, -_SERIES) / _SERIES, 1) * _SERIES  # quicker than a clip
    far = x - near
    series = near * near * _phi2_series(near)
    return jnp.expm1(far) * (series + near + 1) - far + series


def phi2(x: Array) -> Array:
    """(exp(x) - 1 - x) / x², by its series near 0, where it is 1/2."""
    near = jnp.abs(x) < _SERIES
    far = jnp.where(near, 1, x)
    closed = quotient(expm1(far) - far, far) * reciprocal(far)  # x² may overflow
    return jnp.where(near, _phi2_series(jnp.where(near, x, 0)), closed)


@with_partials(
    lambda _, x, rate: reciprocal(1 + rate * x),
    lambda y, _, rate: -y * y * phi2(-rate * y),
)
def log1p_over_rate(x: Array, rate: Array) -> Array:
    """log(1 + rate x) / rate for x, rate >= 0, the inverse of `expm1_over_rate`; x at rate 0."""
    growth = jnp.asarray(rate * x)
    near = growth < machine_epsilon(growth)  # below it log1p(growth) is growth to all digits
    return jnp.where(near, x, jnp.log1p(growth) / jnp.where(near, 1, rate))


def _phi2_series(x: Array) -> Array:
    """The series of (exp(x) - 1 - x) / x² for |x| <= `_SERIES`."""
    # Terms fall as 1 / (2^n n!): 15 of them leave 2e-19, 8 of them 2e-9.
    powers = range(2, 17 if machine_epsilon(x) < _BETWEEN_EPSILONS else 10)
    return polynomial(x, tuple(1 / math.factorial(n) for n in powers))
