"""Distance-based losses between the squared and the absolute error: convex, with bounded influence.

The influence of an example is the derivative rho'. All of these are parabolas near zero and lines
far out, which makes a fit precise on ordinary noise and robust to a few outliers.
"""

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import NonNegative, Positive
from jaxloss.core.loss import distance
from jaxloss.numerics import quotient, tiny
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.robust_kernels import (
    altitude,
    clipped_linear,
    hypot,
    hypot_excess,
    log_hyperbolic_cosine,
    magnitude_less_log1p,
    softsign,
    versine,
)
from jaxloss.numerics.special import mean_excess


# Both branches in one: inner (|r| - inner / 2) with inner = min(|r|, delta). The partials are
# functions of the inputs alone, so that a gradient is one pass that keeps no |r| and no inner.
@with_partials(
    lambda _, residual, delta: jnp.clip(residual, -delta, delta),
    lambda _, residual, delta: jnp.maximum(jnp.abs(residual) - delta, 0),
)
def _huber(residual: Array, delta: ArrayLike) -> Array:
    size = jnp.abs(residual)
    inner = jnp.minimum(size, delta)
    return inner * (size - inner / 2)


@distance(
    convex=True,
    strictly_convex=False,
    symmetric=True,
    lipschitz=lambda delta: delta,
    smooth=1.0,
    supremum=inf,
    redescending=False,
)
def huber(residual: Array, *, delta: Positive = 1.0) -> Array:
    """Huber loss: squared error near zero, absolute error beyond `delta`.

        r² / 2                    where |r| <= delta,   r = prediction - target
        delta (|r| - delta / 2)   elsewhere

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        delta: The error at which the parabola turns into a line, in that unit.

    Returns:
        One value per element, shape `[...]`, in the unit squared.

    Use when a few targets are far off and the rest carry Gaussian noise.
    Avoid when the size of an ordinary error is unknown: `delta` must be near it.

    Example:
        >>> import jaxloss as jl
        >>> jl.huber([0.5, 3.0], [0.0, 0.0], delta=1.0).tolist()
        [0.125, 2.5]

    Limits:
        delta → ∞ is `half_squared_error`; huber / delta → `absolute_error` as delta → 0.

    References:
        Huber (1964), Robust estimation of a location parameter, doi:10.1214/aoms/1177703732.
    """
    return _huber(residual, delta)


# `huber` over beta, as d (|r| - d beta / 2) with the derivative d = min(|r| / beta, 1) in |r|: by
# dividing first, no square of r or beta can overflow or underflow.
@with_partials(
    lambda _, residual, beta: clipped_linear(residual, beta),
    lambda _, residual, beta: -(clipped_linear(residual, beta) ** 2) / 2,
)
def _smooth_l1(residual: Array, beta: ArrayLike) -> Array:
    size = jnp.abs(residual)
    # At beta 0 the least normal number stands in for it: 0 / 0 would be NaN at an exact fit.
    derivative = jnp.minimum(size / jnp.maximum(beta, tiny(residual)), 1)
    return derivative * (size - derivative * beta / 2)


@distance(
    convex=True,
    strictly_convex=False,
    symmetric=True,
    lipschitz=1.0,
    smooth=lambda beta: 1 / beta if beta else inf,
    supremum=inf,
    redescending=False,
)
def smooth_l1(residual: Array, *, beta: NonNegative = 1.0) -> Array:
    """Smooth L1 loss: absolute error with a quadratic corner within `beta` of zero.

        r² / (2 beta)    where |r| < beta,   r = prediction - target
        |r| - beta / 2   elsewhere

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        beta: The error within which the corner is rounded, in that unit; 0 is no rounding.

    Returns:
        One value per element, shape `[...]`, in that unit.

    Use when absolute error is right but its gradient should vanish at the fit, as for boxes.
    Avoid when the value should agree with `half_squared_error` near zero: that is `huber`.

    Example:
        >>> import jaxloss as jl
        >>> jl.smooth_l1([0.5, 3.0], [0.0, 0.0], beta=1.0).tolist()
        [0.125, 2.5]

    Limits:
        smooth_l1 = `huber` / beta with delta = beta; beta = 0 is `absolute_error` exactly.

    References:
        Girshick (2015), Fast R-CNN, arXiv:1504.08083.
    """
    return _smooth_l1(residual, beta)


# With the hypotenuse h = √(r² + delta²) the loss is delta (h - delta), where h - delta cancels for
# small r unless it is written as r² / (h + delta). Its partials are r delta / h and, factored,
# (h - delta) (1 - delta / h); the terms of JAX's own derivative in delta would cancel.
@with_partials(
    lambda _, residual, delta: altitude(residual, delta),
    lambda _, residual, delta: hypot_excess(residual, delta) * versine(residual, delta),
)
def _pseudo_huber(residual: Array, delta: ArrayLike) -> Array:
    return hypot_excess(residual, delta) * delta


@distance(
    convex=True,
    strictly_convex=True,
    symmetric=True,
    lipschitz=lambda delta: delta,
    smooth=1.0,
    supremum=inf,
    redescending=False,
)
def pseudo_huber(residual: Array, *, delta: Positive = 1.0) -> Array:
    """Pseudo-Huber loss: a smooth, strictly convex Huber loss, whose graph is a hyperbola.

        delta² (√(1 + (r / delta)²) - 1),   r = prediction - target

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        delta: The derivative far out, and the error around which the curve bends, in that unit.

    Returns:
        One value per element, shape `[...]`, in the unit squared.

    Use when `huber` is right but second derivatives are used, or strict convexity.
    Avoid when errors below `delta` should count as plain squares: the bend reaches everywhere.

    Example:
        >>> import jaxloss as jl
        >>> jl.pseudo_huber([0.75, 2.0], [0.0, 2.0], delta=1.0).tolist()
        [0.25, 0.0]

    Limits:
        delta → ∞ is `half_squared_error`; pseudo_huber / delta → `absolute_error` as delta → 0,
        and = `charbonnier` less its value at 0. With delta 1 it is `barron` with alpha 1.

    References:
        Hartley & Zisserman (2004), Multiple View Geometry, A6.8, doi:10.1017/CBO9780511811685.
    """
    return _pseudo_huber(residual, delta)


@distance(
    convex=True,
    strictly_convex=True,
    symmetric=True,
    lipschitz=1.0,
    smooth=lambda scale: 1 / scale,
    supremum=inf,
    redescending=False,
)
def charbonnier(residual: Array, *, scale: Positive = 1e-3) -> Array:
    """Charbonnier loss √(r² + scale²): a smooth absolute error.

        √(r² + scale²),   r = prediction - target

    The papers write ε for `scale`. Nothing is subtracted: an exact fit has the value `scale`.

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        scale: The value at an exact fit, and the width of the rounded corner, in that unit.

    Returns:
        One value per element, shape `[...]`, in that unit.

    Use when absolute error is right but a smooth gradient is needed, as in image restoration.
    Avoid when an exact fit must cost 0: `pseudo_huber` over its delta does.

    Example:
        >>> import jaxloss as jl
        >>> jl.charbonnier([0.75, 0.0], [0.0, 0.0], scale=1.0).tolist()
        [1.25, 1.0]

    Limits:
        charbonnier - scale = `pseudo_huber` / delta with delta = scale; scale → 0 is
        `absolute_error`.

    References:
        Charbonnier, Blanc-Féraud, Aubert & Barlaud (1994), Two deterministic half-quadratic
        regularization algorithms for computed imaging, doi:10.1109/ICIP.1994.413553;
        in this form Lai, Huang, Ahuja & Yang (2017), arXiv:1704.03915.
    """
    return hypot(residual, scale)


@distance(
    convex=True,
    strictly_convex=True,
    symmetric=True,
    lipschitz=1.0,
    smooth=1.0,
    supremum=inf,
    redescending=False,
)
def log_cosh(residual: Array) -> Array:
    """Log-cosh loss log(cosh(r)): squared error near zero, absolute error far out.

        log cosh r,   r = prediction - target

    Args:
        residual: `predictions - targets`, shape `[...]`, in units of an ordinary error.

    Returns:
        One value per element, shape `[...]`, without unit.

    Use when errors are of order 1 and a smooth robust loss without a parameter is wanted.
    Avoid when the targets are not standardised: divide both by a scale first.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.log_cosh(1.0, 0.0)), 4)
        0.4338

    Limits:
        r² / 2 for small r and |r| - log 2 for large; 2 log_cosh(r / 2) = -log(4 e^r / (1 + e^r)²),
        the logistic loss for regression.

    References:
        Steinwart & Christmann (2008), Support Vector Machines, ch. 2,
        doi:10.1007/978-0-387-77242-4.
    """
    return log_hyperbolic_cosine(residual)


@with_partials(
    lambda _, residual, scale: softsign(residual, scale),
    lambda _, residual, scale: _fair_by_scale(residual, scale),
)
def _fair(residual: Array, scale: ArrayLike) -> Array:
    # Multiplied by the scale twice: its square alone may overflow or underflow.
    return magnitude_less_log1p(residual / scale) * scale * scale


@with_partials(
    lambda _, residual, scale: jnp.sign(residual) * _squared_share(jnp.abs(residual) / scale),
    lambda _, residual, scale: _fair_by_scale_twice(jnp.abs(residual) / scale),
)
def _fair_by_scale(residual: Array, scale: ArrayLike) -> Array:
    return _fair_by_scale_over_scale(jnp.abs(residual) / scale) * scale


@with_partials(lambda _, x: _squared_share(x))
def _fair_by_scale_over_scale(x: Array) -> Array:
    """2 (x - log(1 + x)) - x² / (1 + x) for x >= 0, whose terms cancel near 0: it is x³ / 3."""
    # By log(1 + x) = 2 x / (2 + x) (1 + mean_excess(x)), the terms of order x² are gone exactly:
    # what is left is x³ / ((1 + x) (2 + x)) - 4 x / (2 + x) mean_excess(x), about x³ / 2 - x³ / 6.
    share = x / (2 + x)
    return x * (x / (1 + x) * share - 4 / (2 + x) * mean_excess(x))


def _squared_share(x: Array) -> Array:
    """The square of x / (1 + x)."""
    return quotient(x, 1 + x) ** 2


def _fair_by_scale_twice(x: Array) -> Array:
    """`_fair_by_scale_over_scale` less x times its derivative: for large x, x itself cancels."""
    # There it is x (2 + 3 x) / (1 + x)² - 2 log(1 + x).
    small = x < 1
    near, far = jnp.where(small, x, 0), jnp.where(small, 1, x)
    below = _fair_by_scale_over_scale(near) - near * _squared_share(near)
    above = quotient(far, 1 + far) * quotient(2 + 3 * far, 1 + far) - 2 * jnp.log1p(far)
    return jnp.where(small, below, above)


@distance(
    convex=True,
    strictly_convex=True,
    symmetric=True,
    lipschitz=lambda scale: scale,
    smooth=1.0,
    supremum=inf,
    redescending=False,
)
def fair(residual: Array, *, scale: Positive = 1.3998) -> Array:
    """Fair loss: squared error near zero, absolute error less a logarithm far out.

        c² (|r| / c - log(1 + |r| / c)),   r = prediction - target,   c = scale

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        scale: The error at which the influence is half its limit, in that unit; the default has
            95 % efficiency at the standard Gaussian.

    Returns:
        One value per element, shape `[...]`, in the unit squared.

    Use when robustness is wanted with a unique minimum.
    Avoid when some targets are absurd: their influence is bounded but never fades.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.fair(1.0, 0.0, scale=1.0)), 4)
        0.3069

    Limits:
        scale → ∞ is `half_squared_error`; fair / scale → `absolute_error` as scale → 0.

    References:
        Fair (1974), On the robust estimation of econometric models; with this default Holland &
        Welsch (1977), Robust regression using iteratively reweighted least-squares,
        doi:10.1080/03610927708827533.
    """
    return _fair(residual, scale)
