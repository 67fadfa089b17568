"""Gamma and Bessel functions in the forms that likelihoods need, free of cancellation.

Differences of log Γ lose all digits at large arguments. Here they are sums of small terms, smooth
in the reciprocal of the argument, so that dispersion 0 is an ordinary point.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import i0e, i1e

from jaxloss.numerics import rounding

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


def log_compound(x: Array, rate: Array) -> Array:
    """log(1 + rate x) / rate for both >= 0, smooth in the rate: it is x at rate 0."""
    growth = rate * x
    return x * (1 + mean_excess(growth)) / (1 + growth / 2)


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
