"""Slopes of one's own: written out, or computed afresh from the inputs.

Left to itself, differentiation would lose digits in the one case, memory and time in the other.
"""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
from jax import Array
from jax.custom_derivatives import SymbolicZero

Slope = Callable[..., Array]
Tree = TypeVar("Tree")
Inputs = tuple[Sequence[Array], Mapping[str, Any]]


def with_partials(*slopes: Slope) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Give a function its partial derivatives, each a function of the value and the arguments.

    Those of arguments that are held fixed are not computed, as `defjvps` would compute them.
    """

    def decorate(function: Callable[..., Array]) -> Callable[..., Array]:
        ruled = jax.custom_jvp(function)

        def rule(arguments: tuple[Any, ...], rates: tuple[Any, ...]) -> tuple[Array, Array]:
            value = ruled(*arguments)
            pairs = zip(slopes, rates, strict=True)
            moving = [(slope, rate) for slope, rate in pairs if not _is_zero(rate)]
            changes = [slope(value, *arguments) * rate for slope, rate in moving]
            return value, functools.reduce(operator.add, changes)

        ruled.defjvp(rule, symbolic_zeros=True)
        return ruled

    return decorate


def with_recomputed_jvp(
    value: Callable[..., Array], derivative: Callable[..., Array]
) -> Callable[..., Array]:
    """`value(arrays, keywords)`, elementwise, whose derivative is that of `derivative`.

    XLA keeps what value and derivative have in common in memory, on a CPU even a broadcast number,
    where computing it again is quicker than reading it. In another shape nothing is in common;
    nor have the derivatives in two predictions, each in a shape of its own.
    """
    ruled = jax.custom_jvp(value)

    def rule(primals: Inputs, tangents: Inputs) -> tuple[Array, Array]:
        leaves = jax.tree.leaves(tangents, is_leaf=_is_zero)
        active = [i for i, tangent in enumerate(leaves) if not _is_zero(tangent)]
        further = range(1, len(primals[0]) - 1)  # predictions beside the first
        parts = [[i for i in active if i not in further], *([i] for i in active if i in further)]
        tangents_out = [
            _change(derivative, primals, tangents, part, depth)
            for depth, part in enumerate(filter(None, parts), 1)
        ]
        return ruled(*primals), functools.reduce(operator.add, tangents_out)

    ruled.defjvp(rule, symbolic_zeros=True)
    return ruled


def _change(
    slope: Callable[..., Array], inputs: Inputs, rates: Inputs, moving: Sequence[int], depth: int
) -> Array:
    """How fast `slope` changes with some of its inputs, afresh from all of them at a depth."""
    leaves, tree = jax.tree.flatten(behind_barrier(_deepen(inputs, depth)))
    directions = jax.tree.leaves(_deepen(rates, depth), is_leaf=_is_zero)

    def of_moving(moved: list[Array]) -> Array:
        given = dict(enumerate(leaves)) | dict(zip(moving, moved, strict=True))
        return slope(*jax.tree.unflatten(tree, given.values()))

    point, direction = ([every[i] for i in moving] for every in (leaves, directions))
    change: Array = jax.jvp(of_moving, (point,), (direction,))[1]
    return change[(0,) * depth]


def behind_barrier(tree: Tree) -> Tree:
    """The same, and on a CPU known only once all of it is: nothing is simplified across."""
    apart: Tree = jax.lax.platform_dependent(
        tree, cpu=jax.lax.optimization_barrier, default=lambda tree: tree
    )
    return apart


def _is_zero(rate: Any) -> bool:
    return isinstance(rate, SymbolicZero)


def _deepen(inputs: Inputs, depth: int) -> Inputs:
    """The arrays with more axes, of length 1, that lead; a scalar beside them is for all."""
    arrays, keywords = inputs
    rank, axes = max(x.ndim for x in arrays), (None,) * depth
    return [x if _is_zero(x) or x.ndim == 0 < rank else x[axes] for x in arrays], keywords
