"""Gradients over a batch of which only a part is in memory at a time, exact under any mask."""

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.numerics import as_array, computing_dtype
from jaxloss.training.binding import Bound

PyTree = Any


def accumulate(bound: Bound, parts: int) -> Callable[..., tuple[Array, PyTree]]:
    """The value and gradient of a batch, by a scan over parts of it.

        Σ_b s T_b / Σ_b M_b,   T_b = total, M_b = mass of part b, s = scale, summed over terms

    The mean of the parts' means is another number wherever a mask leaves them unequal.

    Args:
        bound: An objective joined to a model by `bind`; its terms are reduced by `mean` or `total`.
        parts: How many parts; it divides the number of examples.

    Returns:
        A function of `(params, inputs, targets, *, where, weights)` that gives the value and the
        gradient in `params` of `bound`, to rounding. Sums are in float32 or wider, gradients come
        back in the types of the parameters.

    Raises:
        ValueError: `parts` is below 1, or does not divide the length of an array.

    Use when activations of the whole batch do not fit in memory.
    Avoid when the model couples examples, as batch normalisation does: parts are other batches.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> from jaxloss import training
        >>> bound = training.bind(jl.Objective(jl.squared_error), lambda w, x: w * x)
        >>> x, y, where = jnp.ones(4), jnp.array([1.0, 2.0, 3.0, 9.0]), jnp.arange(4) < 3
        >>> value, slope = training.accumulate(bound, 2)(jnp.array(0.0), x, y, where=where)
        >>> round(float(value), 4), float(slope)
        (4.6667, -4.0)
    """
    if parts < 1:
        raise ValueError(f"accumulate: `parts` is an integer >= 1, got {parts}")

    def value_and_grad(
        params: PyTree,
        inputs: PyTree,
        targets: PyTree,
        *,
        where: PyTree = None,
        weights: PyTree = None,
    ) -> tuple[Array, PyTree]:
        given = (inputs, targets, where, weights)
        batches = jax.tree.map(partial(_split, parts), given, is_leaf=_is_list)
        masses = _summed(lambda x, y, m, w: bound.masses(params, x, y, where=m, weights=w), batches)
        found = _summed(
            lambda x, y, m, w: jax.value_and_grad(bound.share)(
                params, x, y, masses, where=m, weights=w
            ),
            batches,
        )
        value, gradient = found
        return value, jax.tree.map(lambda g, p: g.astype(jnp.asarray(p).dtype), gradient, params)

    return value_and_grad


def _summed(function: Callable[..., PyTree], batches: tuple[PyTree, ...]) -> PyTree:
    """The sum over batches of what the function gives, in wide types."""

    def add(sums: PyTree, batch: tuple[PyTree, ...]) -> tuple[PyTree, None]:
        return jax.tree.map(operator.add, sums, _widened(function(*batch))), None

    first = jax.tree.map(lambda x: x[0], batches)
    shapes = jax.eval_shape(lambda batch: _widened(function(*batch)), first)
    zeros = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    return jax.lax.scan(add, zeros, batches)[0]


def _widened(tree: PyTree) -> PyTree:
    """Floats in single precision or wider; counts as they are."""
    return jax.tree.map(lambda x: x.astype(_sum_dtype(x)), tree)


def _sum_dtype(array: Array) -> Any:
    return computing_dtype(array) if jnp.issubdtype(array.dtype, jnp.floating) else array.dtype


def _split(parts: int, array: Any) -> Array:
    """The parts along a new first axis, each of every n-th row.

    So all devices have work in each part where the rows are spread over devices.
    """
    rows = as_array(array)
    if not rows.ndim or len(rows) % parts:
        message = f"accumulate: an array of shape {rows.shape} does not fall into {parts} parts"
        raise ValueError(f"{message} of as many examples each")
    return jnp.swapaxes(rows.reshape(-1, parts, *rows.shape[1:]), 0, 1)


def _is_list(node: Any) -> bool:
    return isinstance(node, list)
