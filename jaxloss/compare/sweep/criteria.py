"""Objectives as branches of one traced function."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

import jaxloss as jl

Criterion = Callable[[Any, Any], Array]


class Selector(NamedTuple):
    """Arrays that select an objective inside the compiled program.

    Attributes:
        branch: The index of the objective's structure, a sum of certain losses.
        numbers: Its factors and hyper-parameters as one vector.
        reverse: Whether batches are taken in reverse order.
    """

    branch: Any
    numbers: Any
    reverse: Any


class Criteria:
    """Many objectives as branches of one traced function, so that all share one compilation.

    Objectives that differ only in numbers share a branch: a range of hyper-parameters costs no
    further tracing or compilation.
    """

    def __init__(self, objectives: Sequence[jl.Objective]) -> None:
        flat = [ravel_pytree(objective) for objective in objectives]
        structures = [jax.tree.structure(objective) for objective in objectives]
        distinct = [i for i, kind in enumerate(structures) if structures.index(kind) == i]
        # All selectors have one shape, so that one compiled program takes any of them.
        width = max(vector.size for vector, _ in flat)
        self.branches = [_branch(flat[i][1], flat[i][0].size) for i in distinct]
        self._branch_of = [distinct.index(structures.index(kind)) for kind in structures]
        self._numbers = [np.pad(vector, (0, width - vector.size)) for vector, _ in flat]

    def selector(self, index: int, *, reverse: bool) -> Selector:
        """The selector of the objective with this index."""
        return Selector(np.int32(self._branch_of[index]), self._numbers[index], np.bool_(reverse))

    def at(self, selector: Selector) -> Criterion:
        """The selected objective, as a function of a network's predictions and targets."""
        return lambda p, t: jax.lax.switch(selector.branch, self.branches, selector.numbers, p, t)


def _branch(unravel: Callable[[Array], Any], size: int) -> Callable[[Array, Any, Any], Array]:
    def value(numbers: Array, predictions: Any, targets: Any) -> Array:
        result: Array = unravel(numbers[:size])(predictions, targets)
        return result

    return value
