"""Trees of arrays of which some leaves are differentiated, and the others are held fixed."""

import jax
from jax.custom_derivatives import SymbolicZero

from jaxloss.numerics.trees import PyTree


def activity(tangents: PyTree) -> PyTree:
    """For each tangent that a rule is given whether it is there, and not 0 by its kind."""
    return jax.tree.map(lambda x: not isinstance(x, SymbolicZero), tangents)


def none_active(tree: PyTree) -> PyTree:
    """Flags of a tree of which nothing is differentiated."""
    return jax.tree.map(lambda _: False, tree)


def only(active: PyTree, tree: PyTree) -> PyTree:
    """The active leaves, and None for the others."""
    return jax.tree.map(lambda is_active, x: x if is_active else None, active, tree)


def with_active(some: PyTree, tree: PyTree) -> PyTree:
    """The tree with these active leaves in place of its own."""
    return jax.tree.map(
        lambda new, old: old if new is None else new, some, tree, is_leaf=lambda x: x is None
    )
