"""What methods that balance terms share: inner products of gradients, and sums with weights.

A gradient of each term is one pytree whose leaves have a leading axis of terms, as `jax.jacrev`
gives it. It is read once for the inner products of all pairs, in which every method finds its
weights, and once for the weighted sum.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.masking import lead
from jaxloss.numerics import computing_dtype, divide, poison, rounding

PyTree = Any
_STEPS_PER_TERM = 16
_ROUNDINGS = 4  # that a value is allowed to have gone through


def gram(per_term: PyTree) -> Array:
    """Inner products of the gradients of all pairs of terms.

        G_ij = <g_i, g_j>

    Args:
        per_term: A gradient of each term: leaves of floats with a leading axis of terms.

    Returns:
        A matrix of shape `[terms, terms]`, summed in float32 or wider. Norms of gradients outside
        about 1e-19 to 1e19 leave the range of their squares in float32.

    Raises:
        TypeError: A leaf holds no real floats.
        ValueError: Leaves differ in the number of terms, or there are none.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxloss import training
        >>> training.gram({"w": jnp.array([[3.0, 4.0], [0.0, 1.0]]), "b": jnp.zeros(2)}).tolist()
        [[25.0, 4.0], [4.0, 1.0]]
    """
    leaves = stacked("gram", per_term)
    wide = computing_dtype(*leaves)
    return sum((_products(x).astype(wide) for x in leaves), start=jnp.zeros((), wide))


def combine(per_term: PyTree, weights: Array) -> PyTree:
    """The weighted sum of the gradients of all terms.

        Σ_i w_i g_i

    Args:
        per_term: A gradient of each term: leaves of floats with a leading axis of terms.
        weights: A number of each term, shape `[terms]`. One of 0 keeps a NaN.

    Returns:
        A tree without the axis of terms, in the types of `per_term`, summed in float32 or wider.

    Raises:
        TypeError: A leaf holds no real floats.
        ValueError: Leaves differ in the number of terms, or it is not that of the weights.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxloss import training
        >>> training.combine(jnp.array([[3.0, 4.0], [0.0, 1.0]]), jnp.array([1.0, 2.0])).tolist()
        [3.0, 6.0]
    """
    leaves = stacked("combine", per_term)
    wanted = leaves[0].shape[:1]
    if weights.shape != wanted:
        raise ValueError(f"combine: `weights` has shape {weights.shape}, wanted {wanted}")

    def total(x: Array) -> Array:
        wide = computing_dtype(x, weights)
        return jnp.sum(lead(weights, x.ndim).astype(wide) * x.astype(wide), axis=0).astype(x.dtype)

    return jax.tree.map(total, jax.tree.map(jnp.asarray, per_term))


def stacked(owner: str, per_term: PyTree, params: PyTree = None) -> list[Array]:
    """The leaves, once they are floats with one leading axis, before the axes of the parameters."""
    leaves = [jnp.asarray(x) for x in jax.tree.leaves(per_term)]
    for leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(f"{owner}: `per_term` holds floats, got a leaf of {leaf.dtype}")
    shapes = [leaf.shape for leaf in leaves]
    if len({shape[:1] for shape in shapes} | {()}) != len([(), ()]):  # one length, and no scalar
        message = f"{owner}: `per_term` has one leading axis of terms in all leaves"
        raise ValueError(f"{message}, as jax.jacrev gives it, got leaves of shapes {shapes}")
    if params is not None:
        _check_rest(owner, per_term, params)
    return leaves


def _check_rest(owner: str, per_term: PyTree, params: PyTree) -> None:
    """That there is a gradient for each parameter."""
    given = jax.tree.map(lambda x: jnp.shape(x)[1:], per_term)
    wanted = jax.tree.map(jnp.shape, params)
    if given != wanted:
        message = f"{owner}: `per_term` has the shapes of `params` after its axis of terms"
        raise ValueError(f"{message}, got {given}, wanted {wanted}")


def _products(x: Array) -> Array:
    """Accelerators may by default round factors in float32 to fewer digits."""
    axes = list(range(1, x.ndim))
    highest, wide = jax.lax.Precision.HIGHEST, computing_dtype(x)
    product = jnp.tensordot(x, x, axes=(axes, axes), precision=highest, preferred_element_type=wide)
    return product


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

    By t along a direction the value is δ t + radius sqrt(a (t - m)² + n): a line and a hyperbola.
    """
    pull = with_weights(products, weights)
    square = jnp.maximum(jnp.sum(weights * pull), 0)
    a = jnp.maximum(jnp.sum(directions * _highest(directions, products), axis=-1), 0)
    b, delta = _highest(directions, pull), _highest(directions, linear)
    n = jnp.maximum(square - divide(b * b, a), 0)
    bend = jnp.maximum(radius**2 * a - delta**2, 0)  # 0 where the line is as steep
    reach = jnp.where(bend == 0, jnp.inf, jnp.sqrt(divide(n, a * bend)))
    room = jnp.where(directions < 0, divide(weights[None, :], -directions), 1)
    best = -divide(b, a) - jnp.where(delta == 0, 0, delta * reach)
    t = jnp.clip(best, 0, jnp.min(room, axis=-1))
    added, norm = t * (a * t + 2 * b), jnp.sqrt(square)
    after = jnp.sqrt(jnp.maximum(square + added, 0))
    gain = delta * t + radius * divide(added, after + norm)
    gains = gain < -((_ROUNDINGS * rounding(gain)) ** 2) * radius * norm
    chosen = jnp.where(gains[-1], len(gains) - 1, jnp.argmin(jnp.where(gains, gain, 0)))
    moved = weights + t[chosen] * directions[chosen]
    moved = jnp.where(moved > _ROUNDINGS * rounding(moved) * weights, moved, 0)  # on the bound
    return jnp.where(gains[chosen], moved, weights), gains[chosen]


def _free_best(weights: Array, products: Array, linear: Array, radius: Array) -> Array:
    """Where the terms that have weight would be best without bounds, for the norm's tangent parabola.

    A small multiple of the squares keeps gradients that depend on each other apart.
    """
    free = weights > 0
    scale = jnp.where(free, jnp.diagonal(products), 1) ** -0.5
    both = free[:, None] & free[None, :]
    matrix = jnp.where(both, scale[:, None] * products * scale[None, :], 0)
    unit = jnp.eye(len(weights), dtype=weights.dtype)
    ridge = jnp.where(free, _ROUNDINGS * rounding(weights), 1)
    right = jnp.stack([jnp.ones_like(linear), linear], axis=-1) * jnp.where(free, scale, 0)[:, None]
    solved = jax.scipy.linalg.solve(matrix + unit * ridge[:, None], right, assume_a="pos")
    even, tilted = (solved * scale[:, None]).T
    length = divide(jnp.sqrt(jnp.maximum(jnp.sum(weights * with_weights(products, weights)), 0)), radius)
    level = (1 + length * jnp.sum(tilted)) / jnp.sum(even)
    return level * even - length * tilted


def with_weights(products: Array, weights: Array) -> Array:
    """Of each term, the inner product of its gradient with the weighted sum of all."""
    return _highest(products, weights)


def _highest(x: Array, y: Array) -> Array:
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)
