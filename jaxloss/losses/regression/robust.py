"""Robust distance-based losses with redescending influence: rho' returns to 0 far out.

Near zero they are r² / 2, up to around the error `scale`. Its default keeps 95 % of the efficiency
of the mean where the noise is Gaussian with standard deviation 1: multiply it by an estimate of the
standard deviation. Redescending losses are not convex; `barron` is one for alpha < 1 only.
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import Extended, Positive
from jaxloss.core.loss import distance
from jaxloss.numerics import machine_epsilon, quotient
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.robust_kernels import (
    biweight,
    gaussian_well,
    rational_saturation,
    receding,
    sine,
)
from jaxloss.numerics.special import (
    expm1_over_rate,
    expm1_over_rate_by_parts,
    gaussian_well_scale_partial,
    log1p_square,
    log1p_square_minus_saturation,
    times_exp,
)


# With x = r / c these are c² f(x) / 2, Tukey's a third of that, with partials c f'(x) / 2 in r and
# c (f(x) - x f'(x) / 2) in c. The terms of the latter cancel near x = 0, so that each has a closed
# form of its own. The scale is multiplied in one factor at a time: its square may overflow.
@with_partials(
    lambda _, residual, scale: residual * sine(scale, residual) * sine(scale, residual),
    lambda _, residual, scale: log1p_square_minus_saturation(quotient(residual, scale)) * scale,
)
def _cauchy(residual: Array, scale: Array) -> Array:
    return log1p_square(residual / scale) * scale * scale / 2


@distance(
    convex=False,
    strictly_convex=False,
    symmetric=True,
    lipschitz=lambda scale: scale / 2,
    smooth=1.0,
    supremum=math.inf,
    redescending=True,
)
def cauchy(residual: Array, *, scale: Positive = 2.3849) -> Array:
    """Cauchy (Lorentzian) loss: squared error near zero, logarithmic far out.

        c² / 2 log(1 + (r / c)²),   r = prediction - target,   c = scale

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        scale: The error of the largest influence, in that unit; the default has 95 % efficiency
            at the standard Gaussian.

    Returns:
        One value per element, shape `[...]`, in the unit squared.

    Use when the noise has heavy tails and even far targets should keep some influence.
    Avoid when the start is poor: the loss is not convex.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.cauchy(1.0, 0.0, scale=1.0)), 4)
        0.3466

    Limits:
        scale → ∞ is `half_squared_error`; 2 cauchy / c² is `barron` with alpha 0 and scale c / √2.

    References:
        Holland & Welsch (1977), Robust regression using iteratively reweighted least-squares,
        doi:10.1080/03610927708827533.
    """
    return _cauchy(residual, scale)


@with_partials(
    lambda _, residual, scale: _times_square(residual, receding(quotient(residual, scale))),
    lambda _, residual, scale: rational_saturation(quotient(residual, scale)) ** 2 * scale,
)
def _geman_mcclure(residual: Array, scale: Array) -> Array:
    return rational_saturation(residual / scale) * scale * scale / 2


def _times_square(residual: Array, share: Array) -> Array:
    return residual * share * share  # from the left: the square of the share may underflow


@distance(
    convex=False,
    strictly_convex=False,
    symmetric=True,
    lipschitz=lambda scale: scale * 3 * math.sqrt(3) / 16,
    smooth=1.0,
    supremum=lambda scale: scale**2 / 2,
    redescending=True,
)
def geman_mcclure(residual: Array, *, scale: Positive = 3.7874) -> Array:
    """Geman-McClure loss: squared error near zero that saturates at scale² / 2.

        r² / 2 / (1 + (r / c)²),   r = prediction - target,   c = scale

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        scale: The error that costs half the limit, in that unit; the default has 95 % efficiency
            at the standard Gaussian.

    Returns:
        One value per element, shape `[...]`, in the unit squared, below scale² / 2.

    Use when outliers should be ignored, yet each keep a small gradient.
    Avoid when the start is poor: the loss is not convex.

    Example:
        >>> import jaxloss as jl
        >>> jl.geman_mcclure([1.0, 0.0], [0.0, 0.0], scale=1.0).tolist()
        [0.25, 0.0]

    Limits:
        scale → ∞ is `half_squared_error`; 4 geman_mcclure / c² is `barron` with alpha -2 and
        scale c / 2.

    References:
        Geman & McClure (1985), Bayesian image analysis: an application to single photon emission
        tomography; in this form Barron (2019), arXiv:1701.03077.
    """
    return _geman_mcclure(residual, scale)


@with_partials(
    lambda _, residual, scale: residual * jnp.exp(-(quotient(residual, scale) ** 2)),
    lambda _, residual, scale: gaussian_well_scale_partial(quotient(residual, scale)) * scale,
)
def _welsch(residual: Array, scale: Array) -> Array:
    return gaussian_well(residual / scale) * scale * scale / 2


@distance(
    convex=False,
    strictly_convex=False,
    symmetric=True,
    lipschitz=lambda scale: scale / math.sqrt(2 * math.e),
    smooth=1.0,
    supremum=lambda scale: scale**2 / 2,
    redescending=True,
)
def welsch(residual: Array, *, scale: Positive = 2.9846) -> Array:
    """Welsch loss: an inverted Gaussian, whose influence vanishes exponentially fast far out.

        c² / 2 (1 - exp(-(r / c)²)),   r = prediction - target,   c = scale

    Also known as the correntropy or Leclerc loss.

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        scale: The width of the well, in that unit; the default has 95 % efficiency at the
            standard Gaussian.

    Returns:
        One value per element, shape `[...]`, in the unit squared, below scale² / 2.

    Use when outliers should be ignored and the loss should have all derivatives.
    Avoid when the start is poor: far from every target the gradient vanishes.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.welsch(1.0, 0.0, scale=1.0)), 4)
        0.3161

    Limits:
        scale → ∞ is `half_squared_error`; 2 welsch / c² is `barron` with alpha -∞ and
        scale c / √2.

    References:
        Holland & Welsch (1977), Robust regression using iteratively reweighted least-squares,
        doi:10.1080/03610927708827533.
    """
    return _welsch(residual, scale)


@with_partials(
    lambda _, residual, scale: residual * jnp.maximum(1 - quotient(residual, scale) ** 2, 0) ** 2,
    lambda _, residual, scale: _tukey_by_scale(quotient(residual, scale)) * scale / 3,
)
def _tukey(residual: Array, scale: Array) -> Array:
    return biweight(residual / scale) * scale * scale / 6


def _tukey_by_scale(x: Array) -> Array:
    """1 - (1 - x²)³ - 3 x² (1 - x²)² for |x| <= 1, without the differences from 1."""
    # Multiplied out, it is x⁴ (3 - 2 x²): no terms of order x² are left to cancel.
    square = jnp.minimum(x * x, 1)
    return square * square * (3 - 2 * square)


@distance(
    convex=False,
    strictly_convex=False,
    symmetric=True,
    lipschitz=lambda scale: scale * 16 / (25 * math.sqrt(5)),
    smooth=1.0,
    supremum=lambda scale: scale**2 / 6,
    redescending=True,
)
def tukey(residual: Array, *, scale: Positive = 4.6851) -> Array:
    """Tukey's biweight loss: squared error near zero, constant from `scale` on.

        c² / 6 (1 - (1 - (r / c)²)³)   where |r| <= c,   r = prediction - target,   c = scale
        c² / 6                         elsewhere

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        scale: The error from which on a target has no influence at all, in that unit; the default
            has 95 % efficiency at the standard Gaussian.

    Returns:
        One value per element, shape `[...]`, in the unit squared, at most scale² / 6.

    Use when targets beyond a known error are certainly wrong.
    Avoid when the start is poor: beyond `scale` the gradient is 0.

    Example:
        >>> import jaxloss as jl
        >>> jl.tukey([2.0, 9.0], [0.0, 0.0], scale=3.0**0.5).tolist()
        [0.5, 0.5]

    Limits:
        scale → ∞ is `half_squared_error`.

    References:
        Beaton & Tukey (1974), The fitting of power series, meaning polynomials, illustrated on
        band-spectroscopic data, doi:10.1080/00401706.1974.10489171.
    """
    return _tukey(residual, scale)


def _barron_lipschitz(alpha: float, scale: float) -> float:
    """The derivative at the inflection, (r / c)² = |alpha - 2| / (1 - alpha)."""
    if alpha >= 1:
        return math.inf if alpha > 1 else 1 / scale
    if alpha == -math.inf:
        return math.exp(-0.5) / scale
    return math.exp((alpha - 1) / 2 * math.log1p(1 / (1 - alpha))) / scale


def _barron_supremum(alpha: float) -> float:
    if alpha >= 0:
        return math.inf
    return 1.0 if alpha == -math.inf else 1 - 2 / alpha


@with_partials(
    lambda _, x, alpha: _barron_by_residual(x, alpha),
    lambda _, x, alpha: _barron_by_shape(x, alpha),
)
def _barron(x: Array, alpha: Array) -> Array:
    """With z / b + 1 split off the power from alpha = 1 on: no digits are lost where b is near 0.

    It is (z q + b (q - 1)) / a with q = (z / b + 1)^(a / 2 - 1); the choice is among numbers, of
    one formula, as a choice among arrays would hold both in memory.
    """
    # For b near 0 the power a / 2 of the huge z / b + 1, by its logarithm, would magnify rounding;
    # the power a / 2 - 1, an exponent as small as b, does not.
    whole = alpha >= 1
    b = _b_above_rounding(alpha)
    growth = log1p_square(x / jnp.sqrt(b))
    power = jnp.where(whole, alpha / 2 - 1, alpha / 2)
    divisor = jnp.where(whole, alpha, 1)
    weight = jnp.where(whole, b * power / divisor, b / 2)
    root = times_exp(x, power / 2 * growth)
    return jnp.where(whole, 1 / divisor, 0) * root * root + weight * expm1_over_rate(growth, power)


def _barron_curvature(_: Array, x: Array, alpha: Array) -> Array:
    """The second derivative q (1 + (a - 1) z / b) / (1 + z / b), by parts that cancel nothing."""
    # JAX would differentiate x q into q + x q', whose leading terms cancel far out at a = 1.
    steep = _over_root_of_b(x, alpha)
    growing = receding(steep) + (alpha - 1) * rational_saturation(steep)
    return times_exp(growing, (alpha / 2 - 1) * log1p_square(steep))


@with_partials(
    _barron_curvature,
    lambda value, x, alpha: value / 2 * log1p_square_minus_saturation(_over_root_of_b(x, alpha)),
)
def _barron_by_residual(x: Array, alpha: Array) -> Array:
    """The derivative x q in x."""
    return times_exp(x, (alpha / 2 - 1) * log1p_square(_over_root_of_b(x, alpha)))


def _barron_by_shape(x: Array, alpha: Array) -> Array:
    """The derivative in alpha: the integral over x of that of x q, as its closed form cancels."""
    growth = log1p_square(_over_root_of_b(x, alpha))
    return _b_above_rounding(alpha) / 4 * expm1_over_rate_by_parts(growth, alpha / 2)


def _over_root_of_b(x: Array, alpha: Array) -> Array:
    return quotient(x, jnp.sqrt(_b_above_rounding(alpha)))


def _b_above_rounding(alpha: Array) -> Array:
    """The b of the formula, kept above the rounding error."""
    gap = jnp.abs(alpha - 2)
    return jnp.where(gap < machine_epsilon(alpha), machine_epsilon(alpha), gap)


@distance(
    convex=lambda alpha: alpha >= 1,
    strictly_convex=lambda alpha: alpha >= 1,
    symmetric=True,
    lipschitz=_barron_lipschitz,
    smooth=lambda alpha, scale: 1 / scale**2 if alpha <= 2 else math.inf,
    supremum=_barron_supremum,
    redescending=lambda alpha: alpha < 1,
)
def barron(residual: Array, *, alpha: Extended = 1.0, scale: Positive = 1.0) -> Array:
    """Barron's general robust loss: squared, pseudo-Huber, Cauchy and Welsch loss by one shape.

        b / a ((z / b + 1)^(a / 2) - 1),   z = (r / c)²,   b = |a - 2|,
        r = prediction - target,   a = alpha,   c = scale

    with the limits of this at a = 2, 0 and ±∞.

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        alpha: The shape: the loss grows as |r|^alpha; below 1 it is not convex, below 0 bounded.
        scale: The error around which the parabola ends, in that unit.

    Returns:
        One value per element, shape `[...]`, without unit; `inf` where it overflows (alpha > 2).

    The derivative in alpha diverges, as a logarithm, at alpha = 2, and b is kept above the rounding
    error of 1 there, which makes it large but finite. |alpha| counts as at most the reciprocal of
    that error.

    Use when the degree of robustness should itself be trained or annealed.
    Avoid when alpha is trained alone: the lowest alpha always costs least. Add the log-normaliser
    of the paper, or hold the scale.

    Example:
        >>> import jaxloss as jl
        >>> jl.barron([0.75, 2.0], [0.0, 0.0], alpha=1.0, scale=1.0).round(4).tolist()[0]
        0.25

    Limits:
        alpha = 2 is `half_squared_error`, 1 `pseudo_huber` with delta 1, 0 log(1 + z / 2) as in
        `cauchy`, -2 is 2 z / (z + 4) as in `geman_mcclure`, -∞ is 1 - exp(-z / 2) as in `welsch`,
        ∞ is exp(z / 2) - 1, all of the residual over scale.

    References:
        Barron (2019), A general and adaptive robust loss function, arXiv:1701.03077.
    """
    # Beyond it the loss is its own limit at ±∞ to all digits, and infinity itself would give NaN.
    largest = 1 / machine_epsilon(residual)
    shape = jnp.maximum(jnp.minimum(alpha, largest), -largest)
    return _barron(quotient(residual, scale), shape)
