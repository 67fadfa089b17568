"""Distance-based losses that are powers of the error: squared, absolute, and any other power."""

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import Positive
from jaxloss.core.loss import distance
from jaxloss.numerics import abs_zero_grad
from jaxloss.numerics.custom_jvp import with_partials


@distance(
    convex=True,
    strictly_convex=True,
    symmetric=True,
    lipschitz=inf,
    smooth=2.0,
    supremum=inf,
    redescending=False,
    elicits="mean",
)
def squared_error(residual: Array) -> Array:
    """Squared error, which the mean of the target minimises.

        r²,   r = prediction - target

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.

    Returns:
        One value per element, shape `[...]`, in the unit squared.

    Use when the mean is wanted, or the noise is Gaussian.
    Avoid when some targets are far off: influence grows in proportion to the error.

    Example:
        >>> import jaxloss as jl
        >>> jl.squared_error([0.5, 3.0], [0.0, 1.0]).tolist()
        [0.25, 4.0]

    Limits:
        squared_error = 2 `half_squared_error` = `lp` with p = 2 = 2 `expectile` with quantile 1/2.

    References:
        Gneiting (2011), Making and evaluating point forecasts, doi:10.1198/jasa.2011.r10138.
    """
    return residual * residual


@distance(
    convex=True,
    strictly_convex=True,
    symmetric=True,
    lipschitz=inf,
    smooth=1.0,
    supremum=inf,
    redescending=False,
    elicits="mean",
)
def half_squared_error(residual: Array) -> Array:
    """Half the squared error, whose derivative is the error itself.

        r² / 2,   r = prediction - target

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.

    Returns:
        One value per element, shape `[...]`, in the unit squared.

    Use when the mean is wanted and the value should agree with `huber` and the robust losses.
    Avoid when some targets are far off: influence grows in proportion to the error.

    Example:
        >>> import jaxloss as jl
        >>> jl.half_squared_error([0.5, 3.0], [0.0, 1.0]).tolist()
        [0.125, 2.0]

    Limits:
        Up to a constant the negative log-likelihood of a Gaussian with variance 1.

    References:
        Gneiting (2011), Making and evaluating point forecasts, doi:10.1198/jasa.2011.r10138.
    """
    return residual * residual / 2


@distance(
    convex=True,
    strictly_convex=False,
    symmetric=True,
    lipschitz=1.0,
    smooth=inf,
    supremum=inf,
    redescending=False,
    elicits="median",
)
def absolute_error(residual: Array) -> Array:
    """Absolute error, which the median of the target minimises.

        |r|,   r = prediction - target

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.

    Returns:
        One value per element, shape `[...]`, in that unit; the gradient is 0 at 0.

    Use when the median is wanted, or every error, however large, should have the same influence.
    Avoid when the last digits of a fit matter: the gradient does not shrink with the error.

    Example:
        >>> import jaxloss as jl
        >>> jl.absolute_error([0.5, 3.0], [0.0, 5.0]).tolist()
        [0.5, 2.0]

    Limits:
        absolute_error = 2 `pinball` with quantile 1/2 = `smooth_l1` with beta 0 = `lp` with p = 1.

    References:
        Gneiting (2011), Making and evaluating point forecasts, doi:10.1198/jasa.2011.r10138.
    """
    return abs_zero_grad(residual)


# At an exact fit 0^(p - 1) and log 0 are infinite, and times the 0 beside them NaN. There the size
# counts as 1, and the factors sign(0) and 0^p make both partials 0.
@with_partials(
    lambda _, residual, p: p * jnp.sign(residual) * _size_or_one(residual) ** (p - 1),
    lambda power, residual, _: power * jnp.log(_size_or_one(residual)),
)
def _power(residual: Array, p: ArrayLike) -> Array:
    return jnp.abs(residual) ** p


def _size_or_one(residual: Array) -> Array:
    """The size of the error, 1 in place of 0."""
    return jnp.abs(jnp.where(residual == 0, 1, residual))


@distance(
    convex=lambda p: p >= 1,
    strictly_convex=lambda p: p > 1,
    symmetric=True,
    lipschitz=lambda p: 1.0 if p == 1 else inf,
    smooth=lambda p: 2.0 if p == 2 else inf,
    supremum=inf,
    redescending=lambda p: p < 1,
)
def lp(residual: Array, *, p: Positive = 1.5) -> Array:
    """Absolute error to the power `p`.

        |r|^p,   r = prediction - target

    The default lies halfway between absolute and squared error.

    Args:
        residual: `predictions - targets`, shape `[...]`, in the unit of the targets.
        p: The power: above 2 the largest errors dominate, below 1 they lose influence.

    Returns:
        One value per element, shape `[...]`, in the unit to the power p. At 0 all derivatives are
        taken as 0, also where they are infinite (the first for p < 1, the second for p < 2).

    Use when the trade between mean and median should itself be tuned or trained.
    Avoid when p < 1 and the start is poor: the loss is not convex.

    Example:
        >>> import jaxloss as jl
        >>> jl.lp([4.0, -0.25], [0.0, 0.0], p=0.5).tolist()
        [2.0, 0.5]

    Limits:
        p = 1 is `absolute_error`, p = 2 `squared_error`.

    References:
        Steinwart & Christmann (2008), Support Vector Machines, ch. 2,
        doi:10.1007/978-0-387-77242-4.
    """
    return _power(residual, p)
