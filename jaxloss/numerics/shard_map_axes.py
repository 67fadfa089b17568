"""Meshes of devices: over which axes an array varies inside `jax.shard_map`, part of its type."""

from collections.abc import Iterable
from typing import Any

import jax
from jax import Array, lax

Axes = frozenset[str]


def axes_of(tree: Any) -> Axes:
    """The axes that any of the arrays varies over; none outside `shard_map`."""
    every = (jax.typeof(x).manual_axis_type.varying for x in jax.tree.leaves(tree))
    return frozenset().union(*every)


def vary(tree: Any, axes: Iterable[str]) -> Any:
    """The same arrays, said to vary over these axes too."""
    return jax.tree.map(lambda x: _vary(x, frozenset(axes) - axes_of(x)), tree)


def sum_but_over(axes: Axes, x: Array) -> Array:
    """The sum over all axes that it varies over, but for these."""
    others = tuple(axes_of(x) - axes)
    summed: Array = lax.psum(x, others) if others else x
    return summed


def is_on_one_device() -> bool:
    """Whether no array can be spread over devices: there is but one, and no mesh."""
    return jax.device_count() == 1 and jax.sharding.get_abstract_mesh().empty


def _vary(x: Array, axes: Axes) -> Array:
    return lax.pcast(x, tuple(axes), to="varying") if axes else x
