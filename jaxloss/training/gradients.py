"""Inner products and weighted sums of the gradients of several terms.

The gradients of all terms are one pytree whose leaves have a leading axis of terms, as `jax.jacrev`
returns it. It is read once for the inner products of all pairs, from which every rule computes its
weights, and once for the weighted sum.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

from jaxloss.numerics import computing_dtype
from jaxloss.numerics.broadcasting import expand_trailing
from jaxloss.numerics.trees import PyTree

Rule = Callable[[PyTree, Any, Array | None], tuple[Array, Any]]


def gram(per_term: PyTree) -> Array:
    """Compute the inner products of the gradients of all pairs of terms.

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
        >>> from jaxloss.training.gradients import gram
        >>> gram({"w": jnp.array([[3.0, 4.0], [0.0, 1.0]]), "b": jnp.zeros(2)}).tolist()
        [[25.0, 4.0], [4.0, 1.0]]
    """
    leaves = stacked("gram", per_term)
    wide = computing_dtype(*leaves)
    return sum((_products(x).astype(wide) for x in leaves), start=jnp.zeros((), wide))


def combine(per_term: PyTree, weights: Array) -> PyTree:
    """Compute the weighted sum of the gradients of all terms.

        Σ_i w_i g_i

    Args:
        per_term: A gradient of each term: leaves of floats with a leading axis of terms.
        weights: A weight for each term, shape `[terms]`. A weight of 0 keeps a NaN.

    Returns:
        A tree without the axis of terms, in the types of `per_term`, summed in float32 or wider.

    Raises:
        TypeError: A leaf holds no real floats.
        ValueError: Leaves differ in the number of terms, or it is not that of the weights.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxloss.training.gradients import combine
        >>> combine(jnp.array([[3.0, 4.0], [0.0, 1.0]]), jnp.array([1.0, 2.0])).tolist()
        [3.0, 6.0]
    """
    leaves = stacked("combine", per_term)
    wanted = leaves[0].shape[:1]
    if weights.shape != wanted:
        raise ValueError(f"combine: `weights` has shape {weights.shape}, wanted {wanted}")

    def total(x: Array) -> Array:
        wide = computing_dtype(x, weights)
        return jnp.sum(
            expand_trailing(weights, x.ndim).astype(wide) * x.astype(wide), axis=0
        ).astype(x.dtype)

    return jax.tree.map(total, jax.tree.map(jnp.asarray, per_term))


def gradient_transformation(
    name: str, start: Callable[[PyTree], Any], rule: Rule
) -> optax.GradientTransformationExtraArgs:
    """Make an optax transformation: the sum of the gradients with the weights of a rule."""

    def init(params: PyTree) -> Any:
        return start(params)

    def update(
        updates: PyTree,
        state: Any,
        params: PyTree = None,
        *,
        values: Array | None = None,
        **_: Any,
    ) -> tuple[PyTree, Any]:
        stacked(name, updates, params)
        weights, state = rule(updates, state, values)
        return combine(updates, weights), state

    return optax.GradientTransformationExtraArgs(init, update)


def stacked(owner: str, per_term: PyTree, params: PyTree = None) -> list[Array]:
    """Validate the gradients of all terms, and return their leaves as arrays."""
    leaves = [jnp.asarray(x) for x in jax.tree.leaves(per_term)]
    for leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise TypeError(f"{owner}: `per_term` holds floats, got a leaf of {leaf.dtype}")
    shapes = [leaf.shape for leaf in leaves]
    if () in shapes or len({shape[0] for shape in shapes}) != 1:
        message = f"{owner}: `per_term` has one leading axis of terms in all leaves"
        raise ValueError(f"{message}, as jax.jacrev gives it, got leaves of shapes {shapes}")
    if params is not None:
        _check_rest(owner, per_term, params)
    return leaves


def _check_rest(owner: str, per_term: PyTree, params: PyTree) -> None:
    """Refuse gradients whose shapes, without the axis of terms, are not those of the parameters."""
    given = jax.tree.map(lambda x: jnp.shape(x)[1:], per_term)
    wanted = jax.tree.map(jnp.shape, params)
    if given != wanted:
        message = f"{owner}: `per_term` has the shapes of `params` after its axis of terms"
        raise ValueError(f"{message}, got {given}, wanted {wanted}")


def _products(x: Array) -> Array:
    """The inner products of one leaf, replicated on all devices over which it is sharded."""
    axes = list(range(1, x.ndim))
    return jnp.tensordot(
        x,
        x,
        axes=(axes, axes),
        precision=jax.lax.Precision.HIGHEST,  # by default TPUs round float32 factors to bfloat16
        preferred_element_type=computing_dtype(x),
        out_sharding=NamedSharding(jax.typeof(x).sharding.mesh, PartitionSpec()),
    )
