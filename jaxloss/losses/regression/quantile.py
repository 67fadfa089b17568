"""Distance-based losses for quantiles and expectiles, and losses that ignore small errors."""

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import NonNegative, Number, OpenUnit
from jaxloss.core.loss import distance
from jaxloss.losses.regression.huber import smooth_l1
from jaxloss.numerics import tiny
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.robust_kernels import clipped_linear, excess_magnitude
from jaxloss.numerics.special import expm1_minus_x


def _weight_by_sign(residual: Array, quantile: ArrayLike) -> Array:
    """The weight of the error: 1 - quantile above the target, quantile below."""
    return jnp.where(residual > 0, jnp.subtract(1, quantile), quantile)


# The larger of both lines. At the kink JAX would take the mean of both derivatives; it is 0 here.
@with_partials(
    lambda _, residual, quantile: jnp.sign(residual) * _weight_by_sign(residual, quantile),
    lambda _, residual, __: -residual,
)
def _pinball(residual: Array, quantile: ArrayLike) -> Array:
    return jnp.maximum((1 - quantile) * residual, -(quantile * residual))


@distance(
    convex=True,
    strictly_convex=False,
    symmetric=lambda quantile: quantile == 1 - quantile,
    lipschitz=lambda quantile: max(quantile, 1 - quantile),
    smooth=inf,
    supremum=inf,
    redescending=False,
    elicits="quantile",
)
def pinball(residual: Array, *, quantile: OpenUnit = 0.5) -> Array:
    """Pinball loss: absolute error weighted by its sign, which a quantile of the target minimises.

        (1 - quantile) r   where r > 0,   r = prediction - target
        quantile |r|       elsewhere

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        quantile: The level in (0, 1): the share of targets that lie below the best prediction.

    Returns:
        One value per element, shape `[...]`, in that unit; the gradient is 0 at 0.

    Use when a quantile is wanted, as for an interval or a stock that must not run out.
    Avoid when several levels are fitted at once and may not cross: nothing here orders them.

    Example:
        >>> import jaxloss as jl
        >>> jl.pinball([3.0, 1.0], [1.0, 3.0], quantile=0.75).tolist()
        [0.5, 1.5]

    Limits:
        2 pinball with quantile 1/2 is `absolute_error`.

    References:
        Koenker & Bassett (1978), Regression quantiles, doi:10.2307/1913643.
    """
    return _pinball(residual, quantile)


# |r| times the pinball loss; the partials have none of the kinks of the two factors.
@with_partials(
    lambda _, residual, quantile: 2 * residual * _weight_by_sign(residual, quantile),
    lambda _, residual, __: -residual * jnp.abs(residual),
)
def _expectile(residual: Array, quantile: ArrayLike) -> Array:
    return jnp.abs(residual) * _pinball(residual, quantile)


@distance(
    convex=True,
    strictly_convex=True,
    symmetric=lambda quantile: quantile == 1 - quantile,
    lipschitz=inf,
    smooth=lambda quantile: 2 * max(quantile, 1 - quantile),
    supremum=inf,
    redescending=False,
    elicits="expectile",
)
def expectile(residual: Array, *, quantile: OpenUnit = 0.5) -> Array:
    """Expectile loss: squared error weighted by its sign; an expectile of the target minimises it.

        (1 - quantile) r²   where r > 0,   r = prediction - target
        quantile r²         elsewhere

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        quantile: The level in (0, 1) of the expectile; 1/2 is the mean.

    Returns:
        One value per element, shape `[...]`, in the unit squared.

    Use when the tail should be weighted by how far it reaches, as for risk or a value function.
    Avoid when a given share of the targets should lie below: that is `pinball`.

    Example:
        >>> import jaxloss as jl
        >>> jl.expectile([3.0, 1.0], [1.0, 3.0], quantile=0.75).tolist()
        [1.0, 3.0]

    Limits:
        2 expectile with quantile 1/2 is `squared_error`.

    References:
        Newey & Powell (1987), Asymmetric least squares estimation and testing,
        doi:10.2307/1911031.
    """
    return _expectile(residual, quantile)


@with_partials(
    lambda _, residual, quantile, delta: (
        clipped_linear(residual, delta) * _weight_by_sign(residual, quantile)
    ),
    lambda _, residual, __, delta: -jnp.sign(residual) * smooth_l1.rho(residual, beta=delta),
    lambda _, residual, quantile, delta: (
        -(clipped_linear(residual, delta) ** 2) * _weight_by_sign(residual, quantile) / 2
    ),
)
def _quantile_huber(residual: Array, quantile: ArrayLike, delta: ArrayLike) -> Array:
    """The pinball loss times |r| / (2 delta) within delta, 1 - delta / (2 |r|) beyond."""
    # Both factors in one, of the ratio |r| / delta. At delta 0 the least normal number stands in
    # for it, so that the ratio is 0 at an exact fit, and otherwise so large that the factor is 1.
    widths = jnp.abs(residual) / jnp.maximum(delta, tiny(residual))
    factor = jnp.minimum(widths, 1) * (1 - 0.5 / jnp.maximum(widths, 1))
    return _pinball(residual, quantile) * factor


@distance(
    convex=True,
    strictly_convex=False,
    symmetric=lambda quantile: quantile == 1 - quantile,
    lipschitz=lambda quantile: max(quantile, 1 - quantile),
    smooth=lambda quantile, delta: max(quantile, 1 - quantile) / delta if delta else inf,
    supremum=inf,
    redescending=False,
)
def quantile_huber(residual: Array, *, quantile: OpenUnit = 0.5, delta: NonNegative = 1.0) -> Array:
    """Quantile Huber loss: the pinball loss with a quadratic corner within `delta` of zero.

        (1 - quantile) h(r)   where r > 0,   r = prediction - target
        quantile h(r)         elsewhere,     h(r) = r² / (2 delta) where |r| < delta,
                                                    |r| - delta / 2 elsewhere

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        quantile: The level in (0, 1).
        delta: The error within which the corner is rounded (κ in the paper), in that unit.

    Returns:
        One value per element, shape `[...]`, in that unit.

    Use when quantiles are fitted by gradient steps, as in distributional reinforcement learning.
    Avoid when the exact quantile is wanted: the rounding moves it towards the expectile.

    Example:
        >>> import jaxloss as jl
        >>> jl.quantile_huber([3.0, 1.0], [1.0, 3.0], quantile=0.75, delta=2.0).tolist()
        [0.25, 0.75]

    Limits:
        delta = 0 is `pinball`; quantile 1/2 is `smooth_l1` / 2; 2 delta quantile_huber →
        `expectile` as delta → ∞.

    References:
        Dabney, Rowland, Bellemare & Munos (2018), Distributional reinforcement learning with
        quantile regression, arXiv:1710.10044.
    """
    return _quantile_huber(residual, quantile, delta)


@distance(
    convex=True,
    strictly_convex=False,
    symmetric=True,
    lipschitz=1.0,
    smooth=inf,
    supremum=inf,
    redescending=False,
)
def epsilon_insensitive(residual: Array, *, epsilon: NonNegative = 0.1) -> Array:
    """Epsilon-insensitive loss: the excess of the absolute error over `epsilon`, or 0.

        max(0, |r| - epsilon),   r = prediction - target

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        epsilon: The error that is free, in that unit.

    Returns:
        One value per element, shape `[...]`, in that unit.

    Use when errors within a tolerance are as good as none, as in support vector regression.
    Avoid when a unique best fit is needed: every prediction in the tube costs 0.

    Example:
        >>> import jaxloss as jl
        >>> jl.epsilon_insensitive([0.25, 2.0], [0.0, 0.0], epsilon=0.5).tolist()
        [0.0, 1.5]

    Limits:
        epsilon = 0 is `absolute_error`.

    References:
        Vapnik (1995), The Nature of Statistical Learning Theory, doi:10.1007/978-1-4757-2440-0.
    """
    return excess_magnitude(residual, epsilon)


@distance(
    convex=True,
    strictly_convex=lambda epsilon: epsilon == 0,
    symmetric=True,
    lipschitz=inf,
    smooth=2.0,
    supremum=inf,
    redescending=False,
)
def squared_epsilon_insensitive(residual: Array, *, epsilon: NonNegative = 0.1) -> Array:
    """Squared epsilon-insensitive loss: the square of the error in excess of `epsilon`.

        max(0, |r| - epsilon)²,   r = prediction - target

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        epsilon: The error that is free, in that unit.

    Returns:
        One value per element, shape `[...]`, in the unit squared.

    Use when errors within a tolerance are as good as none and a continuous gradient is needed.
    Avoid when some targets are far off: influence grows in proportion to the error.

    Example:
        >>> import jaxloss as jl
        >>> jl.squared_epsilon_insensitive([0.25, 2.0], [0.0, 0.0], epsilon=0.5).tolist()
        [0.0, 2.25]

    Limits:
        epsilon = 0 is `squared_error`; it is the square of `epsilon_insensitive`.

    References:
        Lee, Hsieh & Huang (2005), ε-SSVR: a smooth support vector machine for ε-insensitive
        regression, doi:10.1109/TKDE.2005.77.
    """
    excess = excess_magnitude(residual, epsilon)
    return excess * excess


@distance(
    convex=True,
    strictly_convex=lambda a: a != 0,
    symmetric=lambda a: a == 0,
    lipschitz=lambda a: inf if a else 0.0,
    smooth=lambda a: inf if a else 0.0,
    supremum=lambda a: inf if a else 0.0,
    redescending=False,
    elicits="certainty equivalent",
)
def linex(residual: Array, *, a: Number = 1.0) -> Array:
    """LINEX loss: exponential in the error on one side of zero, linear on the other.

        exp(a r) - a r - 1,   r = prediction - target

    The best prediction is -log E[exp(-a target)] / a, the certainty equivalent.

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        a: How much worse over-prediction is than under-prediction, per unit; negative for the
            opposite, 0 for no loss at all.

    Returns:
        One value per element, shape `[...]`, without unit; `inf` where the exponential overflows.

    Use when erring on one side is a nuisance and on the other a disaster.
    Avoid when errors beyond 80 / a occur on the exponential side: float32 ends there.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.linex([1.0, -1.0], [0.0, 0.0], a=2.0)]
        [4.3891, 1.1353]

    Limits:
        2 linex / a² → `squared_error` as a → 0; changing the sign of a mirrors the residual.

    References:
        Zellner (1986), Bayesian estimation and prediction using asymmetric loss functions,
        doi:10.1080/01621459.1986.10478289.
    """
    return expm1_minus_x(residual * a)
