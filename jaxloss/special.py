"""Special functions in forms that cancel nothing, and are smooth where a parameter has its limit.

Differences of log Γ lose all digits at large arguments, exp(x) - 1 - x at small ones. Here they are
series or sums of small terms, so that a rate or a dispersion of 0 is an ordinary point.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import i0e, i1e
from jax.typing import ArrayLike

from jaxloss.numerics import magnitude, rounding

_SERIES = 0.5  # below it a series beats the closed form, which cancels
_SINGLE = 1e-10  # between the roundings of single and double precision
_BESSEL_FAR = 50.0  # beyond it 15 terms of the asymptotic series are exact in double precision


@jax.custom_jvp
def mean_excess(x: Array) -> Array:
    """Arithmetic over logarithmic mean of 1 and 1 + x, less 1, for x >= 0.

    It is (1/x + 1/2) log(1 + x) - 1, whose terms cancel near 0, and those of its slope more so.
    """
    return x * _mean_excess_ratio(x)


mean_excess.defjvps(
    lambda dx, _, x: (x / 4 - (1 + x) * _mean_excess_ratio(x)) / (1 + x) / (1 + x / 2) * dx
)


def _mean_excess_ratio(x: Array) -> Array:
    """The same over x, near 0 by as much of a series in x / (2 + x) as the type has digits for."""
    near = x < _SERIES
    small, large = jnp.where(near, x, 0), jnp.where(near, 1, x)
    square = (small / (2 + small)) ** 2
    series = jnp.zeros_like(x)
    for n in range(27 if rounding(x) < _SINGLE else 15, 2, -2):
        series = square * series + 1 / n
    excess = (1 / large + 0.5) * jnp.log1p(large) - 1
    return jnp.where(near, small / (2 + small) ** 2 * series, excess / large)


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
    steps = jnp.stack([b / (1 + j * b) for j in range(8)])
    last = b / (1 + 8 * b)
    series = jnp.zeros_like(last)
    for coefficient in reversed(_STIRLING):
        series = coefficient + last * last * series
    return jnp.sum(mean_excess(steps), axis=0) + last * series


def log_rising(count: Array, step: Array) -> Array:
    """Sum of log(1 + j step) over j from 0 to count - 1, for any real count and step >= 0.

    It is log(Γ(r + count) / Γ(r)) - count log r at r = 1 / step, free of differences of log Γ.
    """
    x = step * count
    whole = count * (x / 2 + (1 + x) * mean_excess(x)) / (1 + x / 2)
    both = jnp.stack(jnp.broadcast_arrays(step, step / (1 + x)))
    return whole - jnp.log1p(x) / 2 + jnp.diff(stirling_remainder(both), axis=0)[0]


def log_i0e(x: Array) -> Array:
    """log(exp(-x) I0(x)) for x >= 0, I0 the modified Bessel function, with an exact slope.

    Far out by the asymptotic series: the slope -1 + I1(x) / I0(x) would cancel.
    """
    far = x > _BESSEL_FAR
    b = 1 / jnp.where(far, x, _BESSEL_FAR)
    series = jnp.zeros_like(x)
    for k in range(15, 0, -1):
        series = (2 * k - 1) ** 2 / (8 * k) * b * (1 + series)
    return jnp.where(
        far,
        jnp.log1p(series) + jnp.log(b / (2 * math.pi)) / 2,
        _log_i0e_near(jnp.where(far, 1, x)),
    )


@jax.custom_jvp
def _log_i0e_near(x: Array) -> Array:
    return jnp.log(i0e(x))


_log_i0e_near.defjvps(  # the right-hand slope at 0, where that of i0e in JAX is the mean of both
    lambda dx, _, x: (i1e(x) / i0e(x) - 1) * dx
)


def log1p_square(x: Array) -> Array:
    """log(1 + x²), also where the square overflows: there the 1 is far below rounding."""
    far = 1 / rounding(x)
    near = jnp.clip(x, -far, far)
    return jnp.log1p(near * near) + 2 * jnp.log(jnp.maximum(magnitude(x) / far, 1))


def log1p_ratio(x: Array, y: Array) -> Array:
    """log((1 + x) / (1 + y)) for x, y >= 0, exact where they are nearly equal or far apart."""
    return _log_quotient(x - y, 1 + x, 1 + y)


def log_ratio(x: Array, y: Array) -> Array:
    """log(x / y) for x, y > 0, exact where they are nearly equal or far apart."""
    return _log_quotient(x - y, x, y)


def _log_quotient(gap: Array, x: Array, y: Array) -> Array:
    """log(x / y) where their difference is known better than they are."""
    above = gap >= 0
    excess, deficit = jnp.where(above, gap, 0), jnp.where(above, 0, -gap)
    return jnp.where(above, jnp.log1p(excess / y), -jnp.log1p(deficit / x))


@jax.custom_jvp
def compound(x: Array, rate: ArrayLike) -> Array:
    """(exp(rate x) - 1) / rate, smooth in the rate: it is x at rate 0."""
    exponent = rate * x
    near = jnp.abs(exponent) < _SERIES
    series = x * _exp_tail(jnp.where(near, exponent, 0), 2)
    return jnp.where(
        near, series, jnp.expm1(jnp.where(near, 1, exponent)) / jnp.where(near, 1, rate)
    )


def _compound_by_rate(drate: Array, y: Array, x: Array, rate: Array) -> Array:
    """The slope of `compound` in the rate; its series is x² exp(z) (exp(-z) - 1 + z) / z²."""
    exponent = rate * x
    near = jnp.abs(exponent) < _SERIES
    small = jnp.where(near, exponent, 0)
    series = x * x * jnp.exp(small) * exp_bend(-small)
    return jnp.where(near, series, (x * jnp.exp(exponent) - y) / jnp.where(near, 1, rate)) * drate


# The slope of expm1 would be 1 + expm1, of which little is left where exp is small.
compound.defjvps(lambda dx, _, x, rate: jnp.exp(rate * x) * dx, _compound_by_rate)


def saturating(x: Array, rate: ArrayLike) -> Array:
    """(1 - exp(-rate x)) / rate for x >= 0, also where x is infinite: it is x at rate 0."""
    endless = x == jnp.inf
    value = -compound(-jnp.where(endless, 0, x), rate)
    return jnp.where(endless, 1 / jnp.where(endless, rate, 1), value)


@jax.custom_jvp
def exp_remainder(x: Array) -> Array:
    """exp(x) - 1 - x, by its series near 0, where the terms cancel."""
    near = jnp.abs(x) < _SERIES
    small = jnp.where(near, x, 0)
    return jnp.where(near, small * small / 2 * _exp_tail(small, 3), jnp.expm1(x) - x)


exp_remainder.defjvps(lambda dx, _, x: jnp.expm1(x) * dx)


def exp_bend(x: Array) -> Array:
    """(exp(x) - 1 - x) / x², by its series near 0, where it is 1/2."""
    near = jnp.abs(x) < _SERIES
    far = jnp.where(near, 1, x)
    return jnp.where(near, _exp_tail(jnp.where(near, x, 0), 3) / 2, (jnp.expm1(far) - far) / far**2)


@jax.custom_jvp
def log_compound(x: Array, rate: Array) -> Array:
    """log(1 + rate x) / rate for x, rate >= 0, the inverse of `compound`: it is x at rate 0."""
    growth = jnp.asarray(rate * x)
    near = growth < rounding(growth)
    return jnp.where(near, x, jnp.log1p(growth) / jnp.where(near, 1, rate))


log_compound.defjvps(
    lambda dx, _, x, rate: dx / (1 + rate * x),
    lambda drate, y, _, rate: -y * y * exp_bend(-rate * y) * drate,
)


@jax.custom_jvp
def magnitude_less_log1p(x: Array) -> Array:
    """|x| - log(1 + |x|); its curvature at 0 is 1, which |x| would hide from differentiation."""
    size = jnp.abs(x)
    growth = jnp.log1p(size)
    return jnp.where(size < 1, exp_remainder(growth), size - growth)


magnitude_less_log1p.defjvps(lambda dx, _, x: x / (1 + magnitude(x)) * dx)


@jax.custom_jvp
def times_exp(x: Array, exponent: Array) -> Array:
    """The product x exp(exponent), whose slopes overflow no sooner than it does."""
    return x * jnp.exp(exponent)


times_exp.defjvps(
    lambda dx, _, __, exponent: jnp.exp(exponent) * dx,
    lambda dexponent, product, *_: product * dexponent,
)


@jax.custom_jvp
def hypot(x: Array, y: Array) -> Array:
    """sqrt(x² + y²) for y > 0, scaled before squaring; differentiation would undo the scaling."""
    larger = jnp.maximum(jnp.abs(x), y)
    return larger * jnp.sqrt((x / larger) ** 2 + (y / larger) ** 2)


hypot.defjvps(lambda dx, h, x, _: x / h * dx, lambda dy, h, _, y: y / h * dy)


@jax.custom_jvp
def hypot_excess(x: Array, y: Array) -> Array:
    """sqrt(x² + y²) - y for y > 0, without the cancellation at small x."""
    return x * (x / (hypot(x, y) + y))


hypot_excess.defjvps(
    lambda dx, _, x, y: x / hypot(x, y) * dx,
    lambda dy, excess, x, y: -excess / hypot(x, y) * dy,
)


def _exp_tail(x: Array, first: int) -> Array:
    """The series of exp from the power `first` on, over its leading term; for |x| <= `_SERIES`."""
    tail = jnp.ones_like(x)
    for n in range(first + 14, first - 1, -1):
        tail = 1 + x * tail / n
    return tail
