"""The best mixture of terms: weights in the simplex, found from inner products alone."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.numerics import divide, is_diagonal, poison, rounding

_STEPS_PER_TERM = 16
_ROUNDINGS = 4  # that a value may have gone through


@jax.jit
def least_mixture(products: Array, linear: Array, radius: Array) -> Array:
    """The weights w in the simplex that minimise <linear, w> + radius sqrt(w' G w).

    Each step goes to the least value along one of many directions, by a closed form: from each term
    to each other, and to where the terms that have weight would be best without the bounds. Two
    terms need one step, and more mostly few per term to get within rounding.
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
        inward = _free_directions(weights, products, linear, radius)
        directions = jnp.concatenate([exchanges, inward])
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
    gain = jnp.where(gain < -((_ROUNDINGS * rounding(gain)) ** 2) * radius * norm, gain, 0)
    exchange, inward = jnp.argmin(gain[:-2]), len(gain) - 2 + jnp.argmin(gain[-2:])
    chosen = jnp.where(gain[inward] < 0, inward, exchange)
    moved = weights + t[chosen] * directions[chosen]
    moved = jnp.where(moved > _ROUNDINGS * rounding(moved) * weights, moved, 0)  # on the bound
    return jnp.where(gain[chosen] < 0, moved, weights), gain[chosen] < 0


def _along(
    weights: Array, directions: Array, products: Array, linear: Array, radius: Array
) -> tuple[Array, Array]:
    """How far the least value along each direction is, within the simplex, and what it adds.

    After t it is δ t + radius sqrt(a (t - m)² + n), of a line and a hyperbola, up to a constant.
    """
    norm, pull = norm_of(products, weights), product(products, weights)
    # Of the two slopes only the part within the simplex: directions leave it by rounding.
    slopes = jnp.stack([pull, linear], axis=-1)
    b, delta = product(directions, slopes - product(weights, slopes)[None, :]).T
    a = jnp.maximum(jnp.sum(directions * product(directions, products), axis=-1), 0)
    n = jnp.maximum(norm**2 - divide(b * b, a), 0)
    bend = jnp.maximum(radius**2 * a - delta**2, 0)  # 0 where the line is as steep
    reach = jnp.where(bend == 0, jnp.inf, jnp.sqrt(divide(n, a * bend)))
    best = -divide(b, a) - jnp.where(delta == 0, 0, delta * reach)
    room = jnp.where(directions < 0, divide(weights[None, :], -directions), 1)
    t = jnp.clip(best, 0, jnp.min(room, axis=-1, initial=1))
    added = t * (a * t + 2 * b)
    after = jnp.sqrt(jnp.maximum(norm**2 + added, 0))
    return t, delta * t + radius * divide(added, after + norm)


def _free_directions(weights: Array, products: Array, linear: Array, radius: Array) -> Array:
    """To where the terms that have weight would be best without bounds, by two models of the norm.

    One is the parabola that is tangent to it. The other is constant: it leads on where the norm is
    0, and no parabola is. The ridge keeps gradients apart that depend on each other.
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
    both = jnp.stack([-tilted, level * even - length * tilted])
    largest = jnp.max(jnp.abs(both), axis=-1, keepdims=True)
    both = divide(both, jnp.broadcast_to(largest, both.shape))
    return both - weights[None, :] * jnp.sum(both, axis=-1, keepdims=True)


def norm_of(products: Array, weights: Array) -> Array:
    """The norm of the weighted sum of all gradients."""
    return jnp.sqrt(jnp.maximum(jnp.sum(weights * product(products, weights)), 0))


def product(x: Array, y: Array) -> Array:
    """The matrix product; accelerators may by default round factors in float32 to fewer digits."""
    result: Array = jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)
    return result
