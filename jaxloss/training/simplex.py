"""The best mixture of terms: weights in the simplex, found from inner products alone."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.numerics import divide, is_diagonal, poison, rounding

_STEPS_PER_TERM = 16
_ROUNDINGS = 4  # that a value may have gone through


def least_mixture(products: Array, linear: Array, radius: Array) -> Array:
    """The weights w in the simplex that minimise <linear, w> + radius sqrt(w' G w).

    Each step goes to the least value along one of many directions: from each term to each other,
    and to where the terms that have weight would be best without the bounds. So of two terms the
    first step is the last, and of more some steps per term reach rounding.
    """
    products, linear, radius = jax.lax.stop_gradient((products, linear, radius))
    terms = len(products)
    pairs = jnp.eye(terms)[:, None, :] - jnp.eye(terms)[None, :, :]
    exchanges = pairs.reshape(-1, terms).astype(products.dtype)

    def going(point: tuple[Array, Array, Array]) -> Array:
        _, step, gains = point
        return gains & (step < _STEPS_PER_TERM * terms)

    def improved(point: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        weights, step, _ = point
        inward = _free_best(weights, products, linear, radius) - weights
        directions = jnp.concatenate([exchanges, inward[None, :]])
        moved, gains = _best_move(weights, directions, products, linear, radius)
        return moved, step + 1, gains

    start = jnp.full(terms, 1 / terms, products.dtype)
    point = start, jnp.zeros((), int), jnp.ones((), bool)
    weights = jax.lax.while_loop(going, improved, point)[0]
    return poison(weights / jnp.sum(weights), jnp.all(jnp.isfinite(products)))


def _best_move(
    weights: Array, directions: Array, products: Array, linear: Array, radius: Array
) -> tuple[Array, Array]:
    """The weights after the best move, and whether it gains more than rounding.

    The last direction goes first: others help where the terms that have weight are at their best.
    """
    norm = norm_of(products, weights)
    t, gain = _along(weights, directions, products, linear, radius)
    gains = gain < -((_ROUNDINGS * rounding(gain)) ** 2) * radius * norm
    chosen = jnp.where(gains[-1], len(gains) - 1, jnp.argmin(jnp.where(gains, gain, 0)))
    moved = weights + t[chosen] * directions[chosen]
    moved = jnp.where(moved > _ROUNDINGS * rounding(moved) * weights, moved, 0)  # on the bound
    return jnp.where(gains[chosen], moved, weights), gains[chosen]


def _along(
    weights: Array, directions: Array, products: Array, linear: Array, radius: Array
) -> tuple[Array, Array]:
    """How far the least value along each direction is, within the simplex, and what it adds.

    After t it is δ t + radius sqrt(a (t - m)² + n), of a line and a hyperbola, up to a constant.
    """
    norm, pull = norm_of(products, weights), with_weights(products, weights)
    # Of the two slopes only the part within the simplex: directions leave it by rounding.
    slopes = jnp.stack([pull, linear], axis=-1)
    b, delta = _highest(directions, slopes - _highest(weights, slopes)[None, :]).T
    a = jnp.maximum(jnp.sum(directions * _highest(directions, products), axis=-1), 0)
    n = jnp.maximum(norm**2 - divide(b * b, a), 0)
    bend = jnp.maximum(radius**2 * a - delta**2, 0)  # 0 where the line is as steep
    reach = jnp.where(bend == 0, jnp.inf, jnp.sqrt(divide(n, a * bend)))
    best = -divide(b, a) - jnp.where(delta == 0, 0, delta * reach)
    room = jnp.where(directions < 0, divide(weights[None, :], -directions), 1)
    t = jnp.clip(best, 0, jnp.min(room, axis=-1, initial=1))
    added = t * (a * t + 2 * b)
    after = jnp.sqrt(jnp.maximum(norm**2 + added, 0))
    return t, delta * t + radius * divide(added, after + norm)


def _free_best(weights: Array, products: Array, linear: Array, radius: Array) -> Array:
    """Where the terms that have weight would be best without bounds, for a parabola as the norm.

    It is tangent to the norm. The ridge keeps gradients apart that depend on each other.
    """
    squares = jnp.diagonal(products)
    free = (weights > 0) & (squares > 0)
    scale = jnp.where(free, jnp.where(free, squares, 1) ** -0.5, 0)
    scaled = scale[:, None] * products * scale[None, :]
    ridge = jnp.where(free, _ROUNDINGS * rounding(weights), 1)
    matrix = scaled + jnp.where(is_diagonal(scaled), ridge[:, None], 0)
    right = scale[:, None] * jnp.stack([jnp.ones_like(linear), linear], axis=-1)
    solved = jax.scipy.linalg.solve(matrix, right, assume_a="pos")
    even, tilted = (scale[:, None] * solved).T
    length = divide(norm_of(products, weights), radius)
    level = divide(1 + length * jnp.sum(tilted), jnp.sum(even))
    best: Array = level * even - length * tilted
    return best


def norm_of(products: Array, weights: Array) -> Array:
    """The norm of the weighted sum of all gradients."""
    return jnp.sqrt(jnp.maximum(jnp.sum(weights * with_weights(products, weights)), 0))


def with_weights(products: Array, weights: Array) -> Array:
    """Of each term, the inner product of its gradient with the weighted sum of all."""
    return _highest(products, weights)


def _highest(x: Array, y: Array) -> Array:
    """Accelerators may by default round factors in float32 to fewer digits."""
    product: Array = jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)
    return product
