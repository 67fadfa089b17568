"""Special functions in forms that cancel nothing, and are smooth where a parameter has its limit.

Differences of log Γ lose all digits at large arguments, exp(x) - 1 - x at small ones. Here they are
series or sums of small terms, so that a rate or a dispersion of 0 is an ordinary point.
"""

import functools
import math
import operator
from itertools import accumulate

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import i0e, i1e
from jax.typing import ArrayLike

from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.elementary import (
    clip,
    expm1,
    machine_epsilon,
    quotient,
    reciprocal,
)
from jaxloss.numerics.nan import nan_like
from jaxloss.numerics.polynomial import polynomial
from jaxloss.numerics.robust_kernels import rational_saturation, receding, sine

_SERIES = 0.5  # below it a series beats the closed form, which cancels
_SINGLE = 1e-10  # between the roundings of single and double precision
_BESSEL_NEAR = 1.0  # below it I0 - 1 is the series of (x²/4)^k / k!², here to 1e-17
_BESSEL_EXCESS = (0.0, *(1 / math.factorial(k) ** 2 for k in range(1, 9)))
_BESSEL_FAR = 50.0  # beyond it 15 terms of the asymptotic series have all digits
_BESSEL_FAR_SINGLE = 10.0  # beyond it those of single precision, in the second derivative 6
_GAUSS = 4.0  # up to this exponent 16 nodes of Gauss' rule have all digits, 8 those of single
_HIGH = 2.0  # a rate from which on terms in its reciprocal are small
_BESSEL = tuple(accumulate(((2 * k - 1) ** 2 / (8 * k) for k in range(1, 16)), operator.mul))


@jax.custom_jvp
def mean_excess(x: Array) -> Array:
    """Arithmetic over logarithmic mean of 1 and 1 + x, less 1, for x >= 0.

    It is (1/x + 1/2) log(1 + x) - 1, whose terms cancel near 0, and those of its slope more so.
    """
    return x * _mean_excess_ratio(x)


mean_excess.defjvps(
    lambda dx, _, x: (
        quotient(x / 4 - (1 + x) * _mean_excess_ratio(x), 1 + x) * (reciprocal(1 + x / 2) * dx)
    )
)


def _mean_excess_ratio(x: Array) -> Array:
    """The same over x, near 0 by as much of a series in x / (2 + x) as the type has digits for."""
    near = x < _SERIES
    small, large = jnp.where(near, x, 0), jnp.where(near, 1, x)
    odd = range(3, 28 if machine_epsilon(x) < _SINGLE else 16, 2)
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


def stirling_remainder(b: Array) -> Array:
    """The excess log Γ(x) - (x - 1/2) log x + x - log(2π) / 2 at x = 1 / b, for b >= 0.

    Gudermann's steps lead from x to x + 8, where the asymptotic series has all digits.
    """
    steps = jnp.stack([quotient(b, 1 + j * b) for j in range(8)])
    last = quotient(b, 1 + 8 * b)
    return jnp.sum(mean_excess(steps), axis=0) + last * polynomial(last * last, _STIRLING)


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
    """`log_rising` less its lead, with all digits at small counts too.

    That is half a logarithm and a difference of two `stirling_remainder`. Each of Gudermann's
    steps and each power of the series is subtracted by itself: the count is a factor of them all.
    """
    count, step = jnp.broadcast_arrays(count, step)
    steps, counts = jnp.stack([quotient(step, 1 + j * step) for j in range(8)]), count[None]
    shares = quotient(counts * steps, 1 + (counts + 1) * steps)
    gaps = log1p_over_rate(shares, steps) + jnp.log1p(shares * steps) / 2
    gaps -= counts * jnp.log1p(quotient(steps, 1 + counts * steps))
    last = quotient(step, 1 + 8 * step)
    after = quotient(last, 1 + count * last)
    slope, power, mixed = jnp.zeros_like(after), after, jnp.ones_like(after)
    for coefficient in _STIRLING:
        slope += coefficient * mixed  # (last^n - after^n) / (last - after) for odd n
        mixed = mixed * last * last + power * (last + after)
        power *= after * after
    return -jnp.log1p(step * count) / 2 - jnp.sum(gaps, axis=0) - count * last * after * slope


def log_i0e(x: Array) -> Array:
    """log(exp(-x) I0(x)) for x >= 0, I0 the modified Bessel function, with an exact slope.

    Far out by the asymptotic series: the slope -1 + I1(x) / I0(x) would cancel, its own slope more.
    """
    start = _BESSEL_FAR if machine_epsilon(x) < _SINGLE else _BESSEL_FAR_SINGLE
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


_log_i0e_near.defjvps(  # the right-hand slope at 0, where that of i0e in JAX is the mean of both
    lambda dx, _, x: (i1e(x) / i0e(x) - 1) * dx
)


@with_partials(lambda _, x: receding(x))
def arctan(x: Array) -> Array:
    """The arc tangent: a series once the angle has been halved twice, by arithmetic alone."""
    far = 1 / machine_epsilon(x) ** 2  # where the angle is a right one to all digits
    part = clip(x, -far, far)
    for _ in range(2):
        part /= 1 + jnp.sqrt(1 + part * part)
    series = jnp.zeros_like(x)
    for n in range(37 if machine_epsilon(x) < _SINGLE else 17, 1, -2):
        series = -part * part * (series + 1 / n)
    return 4 * (part + part * series)


@with_partials(lambda _, x: 2 * sine(x, 1.0) * sine(1.0, x))
def log1p_square(x: Array) -> Array:
    """log(1 + x²), also where the square overflows: there the 1 is far below rounding."""
    size, far = jnp.abs(x), 1 / machine_epsilon(x)
    near = jnp.minimum(size, far)
    return jnp.log1p(near * near) + 2 * jnp.log(jnp.maximum(size / far, 1 + nan_like(x)))


@with_partials(lambda _, x: 2 * sine(x, 1.0) * sine(1.0, x) * rational_saturation(x))
def log1p_square_minus_saturation(x: Array) -> Array:
    """log(1 + x²) - x² / (1 + x²), whose terms cancel near 0: it is x⁴ / 2."""
    size, far = jnp.abs(x), 1 / machine_epsilon(x)
    near = jnp.minimum(size, far) ** 2
    share = near / (2 + near)
    excess = rational_saturation(x) * share + 2 * share * mean_excess(near)
    return excess + 2 * jnp.log(jnp.maximum(size / far, 1 + nan_like(x)))


@with_partials(lambda _, x: 2 * x * x * x * jnp.exp(-x * x))
def gaussian_well_scale_partial(x: Array) -> Array:
    """1 - exp(-x²) - x² exp(-x²), whose terms cancel near 0: it is x⁴ / 2."""
    square = jnp.minimum(jnp.abs(x), 1 / machine_epsilon(x) + nan_like(x)) ** 2
    near = jnp.minimum(square, 1)
    far = -jnp.expm1(-square) - square * jnp.exp(-square)
    return jnp.where(square < 1, jnp.exp(-near) * expm1_minus_x(near), far)


@with_partials(
    lambda _, x, y: quotient(2 * log1p_ratio(x, y), 1 + x),
    lambda _, x, y: -quotient(2 * log1p_ratio(x, y), 1 + y),
)
def square_of_log1p_ratio(x: Array, y: Array) -> Array:
    """The square of log((1 + x) / (1 + y)) for x, y >= 0."""
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
    above, below = jnp.maximum(gap, 0), jnp.maximum(-gap, 0)
    return jnp.log1p(quotient(above, y)) - jnp.log1p(quotient(below, x))


def _compound_by_rate(y: Array, x: Array, rate: ArrayLike) -> Array:
    """The derivative of `expm1_over_rate` in the rate: x² exp(z) (exp(-z) - 1 + z) / z²."""
    exponent = rate * x
    near = jnp.abs(exponent) < _SERIES
    small = jnp.where(near, exponent, 0)
    series = x * x * jnp.exp(small) * phi2(-small)
    return jnp.where(near, series, quotient(x * jnp.exp(exponent) - y, jnp.where(near, 1, rate)))


# The slope of expm1 would be 1 + expm1, of which little is left where exp is small.
@with_partials(lambda _, x, rate: jnp.exp(rate * x), _compound_by_rate)
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
    """The product x exp(exponent), whose slopes overflow no sooner than it does."""
    root = jnp.exp(exponent / 2)
    return x * root * root


@with_partials(
    lambda _, x, rate: times_exp(expm1_minus_x(-x), rate * x),
    lambda _, x, rate: _lagging_compound_by_rate(x, rate),
)
def expm1_over_rate_by_parts(x: Array, rate: Array) -> Array:
    """The integral of exp(rate t) (exp(-t) - 1 + t) over t from 0 to x >= 0.

    It is the derivative of `expm1_over_rate` in the rate less its lead over that at rate - 1, which
    near 0, where it is x³ / 6, and at high rates is nothing beside its terms.
    """
    return _lagging_compound(x, rate)


def _lagging_compound_by_rate(x: Array, rate: Array) -> Array:
    formula = functools.partial(_lagging_compound, x)
    slope: Array = jax.jvp(formula, (rate,), (jnp.ones_like(rate),))[1]
    return slope


def _lagging_compound(x: Array, rate: Array) -> Array:
    """Near 0 by Gauss' rule, else by the closed form that is best at the rate."""
    near, high = x * (1 + jnp.abs(rate)) < _GAUSS, jnp.abs(rate) > _HIGH
    small, large = jnp.where(near, x, 0), jnp.where(near, 1, x)
    low, fast = jnp.where(high, 0, rate), jnp.where(high, rate, 2 * _HIGH)
    places, weights = np.polynomial.legendre.leggauss(16 if machine_epsilon(x) < _SINGLE else 8)
    points = jnp.stack([small * float((1 + place) / 2) for place in places], axis=-1)
    shares = jnp.broadcast_to(jnp.asarray(weights / 2, x.dtype), points.shape)
    inner = jnp.exp(rate * points) * expm1_minus_x(-points) * shares
    value = expm1_over_rate(large, low)
    slow = _compound_by_rate(value, large, low) - value + expm1_over_rate(large, low - 1)
    root = fast * fast * expm1_minus_x(-large) - fast * large + 1
    quick = quotient(quotient(times_exp(root, fast * large) - 1, fast * fast), fast - 1)
    return jnp.where(near, small * jnp.sum(inner, axis=-1), jnp.where(high, quick, slow))


def one_minus_exp_over_rate(x: Array, rate: ArrayLike) -> Array:
    """(1 - exp(-rate x)) / rate for x >= 0, also where x is infinite: it is x at rate 0."""
    endless = x == jnp.inf
    value = -expm1_over_rate(-jnp.where(endless, 0, x), rate)
    return jnp.where(endless, reciprocal(jnp.where(endless, rate, 1)), value)


@with_partials(lambda _, x: expm1(x))
def expm1_minus_x(x: Array) -> Array:
    """exp(x) - 1 - x, by its series near 0, where the terms cancel.

    With x = near + far it is exp(far) times the series plus what far adds.
    """
    near = jnp.minimum(jnp.maximum(x, -_SERIES) / _SERIES, 1) * _SERIES  # quicker than a clip
    far = x - near
    series = near * near * _exp_bend_series(near)
    return jnp.expm1(far) * (series + near + 1) - far + series


def phi2(x: Array) -> Array:
    """(exp(x) - 1 - x) / x², by its series near 0, where it is 1/2."""
    near = jnp.abs(x) < _SERIES
    far = jnp.where(near, 1, x)
    bend = quotient(expm1(far) - far, far) * reciprocal(far)
    return jnp.where(near, _exp_bend_series(jnp.where(near, x, 0)), bend)


@with_partials(
    lambda _, x, rate: reciprocal(1 + rate * x),
    lambda y, _, rate: -y * y * phi2(-rate * y),
)
def log1p_over_rate(x: Array, rate: Array) -> Array:
    """log(1 + rate x) / rate for x, rate >= 0, the inverse of `expm1_over_rate`; x at rate 0."""
    growth = jnp.asarray(rate * x)
    near = growth < machine_epsilon(growth)
    return jnp.where(near, x, jnp.log1p(growth) / jnp.where(near, 1, rate))


def _exp_bend_series(x: Array) -> Array:
    """The series of (exp(x) - 1 - x) / x² for |x| <= `_SERIES`."""
    powers = range(2, 17 if machine_epsilon(x) < _SINGLE else 10)
    return polynomial(x, tuple(1 / math.factorial(n) for n in powers))
