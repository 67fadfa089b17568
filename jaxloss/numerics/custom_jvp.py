"""Custom derivative rules: partial derivatives by hand, or a jvp recomputed from the inputs.

JAX differentiates operation by operation. That loses digits where the terms of the sum cancel, and
keeps arrays in memory that are quicker to compute again.
"""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
from jax import Array
from jax.custom_derivatives import SymbolicZero

Partial = Callable[..., Array]
Tree = TypeVar("Tree")
Inputs = tuple[Sequence[Array], Mapping[str, Any]]  # arrays, the targets last, and keywords


def with_partials(*partials: Partial) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Give a function its partial derivatives, each a function of the value and the arguments.

    Those of arguments that are held fixed are not computed, as `defjvps` would compute them.
    """

    def decorate(function: Callable[..., Array]) -> Callable[..., Array]:
        ruled = jax.custom_jvp(function)

        def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
            # With its rule, as partials may depend on the value and are differentiated again.
            value = ruled(*primals)
            pairs = zip(partials, tangents, strict=True)
            active = [(partial, tangent) for partial, tangent in pairs if not _is_zero(tangent)]
            terms = [partial(value, *primals) * tangent for partial, tangent in active]
            return value, functools.reduce(operator.add, terms)

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
        # Each part at a depth, and so in a shape, of its own: XLA merges equal subexpressions only.
        tangents_out = [
            _tangent_in_part(derivative, primals, tangents, part, depth)
            for depth, part in enumerate(filter(None, parts), 1)
        ]
        return ruled(*primals), functools.reduce(operator.add, tangents_out)

    ruled.defjvp(rule, symbolic_zeros=True)
    return ruled


def _tangent_in_part(
    function: Callable[..., Array],
    primals: Inputs,
    tangents: Inputs,
    active: Sequence[int],
    depth: int,
) -> Array:
    """The tangent of a function in some of its inputs, recomputed from all of them at a depth."""
    leaves, tree = jax.tree.flatten(behind_barrier(_deepen(primals, depth)))
    tangent_leaves = jax.tree.leaves(_deepen(tangents, depth), is_leaf=_is_zero)

    def of_active(active_leaves: list[Array]) -> Array:
        all_leaves = dict(enumerate(leaves)) | dict(zip(active, active_leaves, strict=True))
        return function(*jax.tree.unflatten(tree, all_leaves.values()))

    point, direction = ([array[i] for i in active] for array in (leaves, tangent_leaves))
    tangent_out: Array = jax.jvp(of_active, (point,), (direction,))[1]
    return tangent_out[(0,) * depth]


def behind_barrier(tree: Tree) -> Tree:
    """The arrays behind an optimization barrier, on CPUs only: XLA simplifies nothing across it."""
    apart: Tree = jax.lax.platform_dependent(
        tree, cpu=jax.lax.optimization_barrier, default=lambda tree: tree
    )
    return apart


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, SymbolicZero)


def _deepen(inputs: Inputs, depth: int) -> Inputs:
    """The arrays with `depth` leading axes of length 1; a scalar beside arrays stays as it is."""
    arrays, keywords = inputs
    rank, axes = max(x.ndim for x in arrays), (None,) * depth
    return [x if _is_zero(x) or x.ndim == 0 < rank else x[axes] for x in arrays], keywords
