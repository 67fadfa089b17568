"""Minimisation over the simplex: weights of terms from the inner products of their gradients."""

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.numerics import divide, is_diagonal, machine_epsilon, poison

_STEPS_PER_TERM = 16  # a bound on the loop, for inputs on which rounding hides that it is done
_ROUNDINGS = 4  # a bound on the rounding errors of a value, in units of the last place


@jax.jit
def least_mixture(products: Array, linear: Array, radius: Array) -> Array:
    """Find the weights w in the simplex that minimise <linear, w> + radius sqrt(w' G w).

    Each step is an exact line search, by a closed form, along the best of many directions:
    exchanges of weight between two terms, as in pairwise Frank-Wolfe methods, and directions to the
    unbounded optimum of the terms that have weight. Two terms need one step; more terms need a
    few steps per term.
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

    The last two directions, to unbounded optima, come first; exchanges help where they gain
    nothing.
    """
    norm = norm_of(products, weights)
    t, gain = _along(weights, directions, products, linear, radius)
    gain = jnp.where(gain < -((_ROUNDINGS * machine_epsilon(gain)) ** 2) * radius * norm, gain, 0)
    exchange, inward = jnp.argmin(gain[:-2]), len(gain) - 2 + jnp.argmin(gain[-2:])
    chosen = jnp.where(gain[inward] < 0, inward, exchange)
    moved = weights + t[chosen] * directions[chosen]
    moved = jnp.where(
        moved > _ROUNDINGS * machine_epsilon(moved) * weights, moved, 0
    )  # on the bound
    return jnp.where(gain[chosen] < 0, moved, weights), gain[chosen] < 0


def _along(
    weights: Array, directions: Array, products: Array, linear: Array, radius: Array
) -> tuple[Array, Array]:
    """The step to the minimum along each direction in the simplex, and the change of the value.

    After a step t the value is δ t + radius sqrt(a (t - m)² + n) up to a constant: a line plus a
    hyperbola.
    """
    norm, pull = norm_of(products, weights), product(products, weights)
    # Gradients are projected onto the simplex, since directions leave it by rounding.
    gradients = jnp.stack([pull, linear], axis=-1)
    b, delta = product(directions, gradients - product(weights, gradients)[None, :]).T
    a = jnp.maximum(jnp.sum(directions * product(directions, products), axis=-1), 0)
    n = jnp.maximum(norm**2 - divide(b * b, a), 0)
    # Where the line is as steep as the asymptote of the hyperbola, the minimum is at the bound.
    excess = jnp.maximum(radius**2 * a - delta**2, 0)
    offset = jnp.where(excess == 0, jnp.inf, jnp.sqrt(divide(n, a * excess)))
    best = -divide(b, a) - jnp.where(delta == 0, 0, delta * offset)
    bound = jnp.where(directions < 0, divide(weights[None, :], -directions), 1)
    t = jnp.clip(best, 0, jnp.min(bound, axis=-1, initial=1))
    added = t * (a * t + 2 * b)
    after = jnp.sqrt(jnp.maximum(norm**2 + added, 0))
    # after - norm, without cancellation
    return t, delta * t + radius * divide(added, after + norm)


def _free_directions(weights: Array, products: Array, linear: Array, radius: Array) -> Array:
    """Directions to the unbounded optimum of the terms that have weight, by two models of the norm.

    One model is the tangent parabola. The other is a constant norm, which still gives a direction
    where the norm is 0 and no parabola is tangent to it. A ridge makes the system solvable if
    gradients are linearly dependent.
    """
    squares = jnp.diagonal(products)
    free = (weights > 0) & (squares > 0)
    scale = jnp.where(free, jnp.where(free, squares, 1) ** -0.5, 0)
    scaled = scale[:, None] * products * scale[None, :]
    ridge = jnp.where(free, _ROUNDINGS * machine_epsilon(weights), 1)
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
    """The norm of the weighted sum of all gradients, from their inner products."""
    return jnp.sqrt(jnp.maximum(jnp.sum(weights * product(products, weights)), 0))


def product(x: Array, y: Array) -> Array:
    """The matrix product in full precision: by default TPUs round float32 factors to bfloat16."""
    result: Array = jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)
    return result
