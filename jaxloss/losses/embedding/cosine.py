"""Losses of the angle between two vectors, whatever their lengths."""

from math import inf

import jax.numpy as jnp
from jax import Array, lax

from jaxloss.core.domains import Vector
from jaxloss.core.loss import loss
from jaxloss.numerics import square_sum, unit


@loss(convex=False, lipschitz=inf, smooth=inf, supremum=1.0)
def cosine_similarity(predictions: Vector, targets: Vector) -> Array:
    """Cosine of the angle between two vectors, least where they point in opposite directions.

        ⟨u, v⟩,   u = t / |t|,   v = y / |y|,   t = prediction, y = target

    Args:
        predictions: Vectors over the last axis, shape `[..., n]`, of any length.
        targets: Vectors, shape `[..., n]`, of any length.

    Returns:
        One value per vector, shape `[...]`, in [-1, 1]; 0, with gradient 0, for a zero vector.

    Use when directions should be driven apart, or reported.
    Avoid when they should be driven together: `cosine_distance` keeps the digits of small angles.

    Example:
        >>> import jaxloss as jl
        >>> jl.cosine_similarity([[3.0, 0.0], [0.0, 0.0]], [[-2.0, 0.0], [1.0, 1.0]]).tolist()
        [-1.0, 0.0]

    Limits:
        cosine_similarity = 1 - `cosine_distance`.

    References:
        Salton, Wong & Yang (1975), A vector space model for automatic indexing,
        doi:10.1145/361219.361220.
    """
    return _within(jnp.sum(unit(predictions) * unit(targets), axis=-1), -1, 1)


@loss(convex=False, lipschitz=inf, smooth=inf, supremum=2.0)
def cosine_distance(predictions: Vector, targets: Vector) -> Array:
    """One minus the cosine of the angle between two vectors.

        1 - ⟨u, v⟩ = |u - v|² / 2,   u = t / |t|,   v = y / |y|,   t = prediction, y = target

    Args:
        predictions: Vectors over the last axis, shape `[..., n]`, of any length.
        targets: Vectors, shape `[..., n]`, of any length.

    Returns:
        One value per vector, shape `[...]`, in [0, 2]; 1, with gradient 0, for a zero vector. Half
        the squared angle where the angle is small, also where 1 - cosine would round to 0.

    Use when only the direction carries meaning, as for embeddings.
    Avoid when lengths matter, or predictions may shrink to 0: the gradient grows as 1 / length.

    Example:
        >>> import jaxloss as jl
        >>> jl.cosine_distance([[3.0, 0.0], [0.0, 0.0]], [[-2.0, 0.0], [1.0, 1.0]]).tolist()
        [2.0, 1.0]

    Limits:
        cosine_distance = 1 - `cosine_similarity` = `squared_error` of the unit vectors, summed and
        halved.

    References:
        Salton, Wong & Yang (1975), A vector space model for automatic indexing,
        doi:10.1145/361219.361220.
    """
    u, v = unit(predictions), unit(targets)
    # A zero vector has no direction; |u - v|² / 2 would be 1/2 there, not 1 - 0.
    empty = (square_sum(u) == 0) | (square_sum(v) == 0)
    apart = _within(square_sum(u - v) / 2, 0, 2)
    return jnp.where(empty, 1 - jnp.sum(u * v, axis=-1), apart)


def _within(x: Array, low: float, high: float) -> Array:
    """The number between bounds that only rounding puts it outside of, with the derivative 1."""
    # JAX's derivative of a clip is 0 beyond a bound, and 1/2 at it.
    return x + lax.stop_gradient(jnp.clip(x, low, high) - x)
