"""Distance-based losses: a function rho of the residual `prediction - target`.

The influence of an example is the slope rho'. Bounded influence makes a fit robust; influence that
returns to 0 (redescending) lets it forget outliers, at the price of convexity.
"""

import jax.numpy as jnp
from jax import Array

from jaxloss.contract import distance
from jaxloss.domains import Positive
from jaxloss.numerics import magnitude


@distance(
    convex=True,
    strictly_convex=False,
    symmetric=True,
    lipschitz=lambda delta: delta,
    smooth=1.0,
    supremum=jnp.inf,
    redescending=False,
)
def huber(residual: Array, *, delta: Positive = 1.0) -> Array:
    """Squared error near zero, absolute error beyond `delta`.

        r² / 2             where |r| <= delta,   r = prediction - target
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
    error = magnitude(residual)
    inner = jnp.minimum(error, delta)  # min, not where: one branch, so one gradient at the kink
    return inner * (error - inner / 2)
