"""Objectives as branches of one traced function."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

import jaxloss as jl

# Maps predictions and targets to the value of an objective and its gradient by the predictions.
Criterion = Callable[[Any, Any], tuple[Array, Any]]


class Criteria:
    """Many objectives as branches of one traced function, so that all share one compilation.

    Objectives that differ only in numbers share a branch: a range of hyper-parameters costs no
    further tracing or compilation. A branch gives value and gradient at once: differentiated from
    outside, each of them would store the intermediate values of all others.
    """

    def __init__(self, objectives: Sequence[jl.Objective]) -> None:
        flat = [ravel_pytree(objective) for objective in objectives]
        structures = [jax.tree.structure(objective) for objective in objectives]
        distinct = [i for i, kind in enumerate(structures) if structures.index(kind) == i]
        self.branches = [_branch(flat[i][1], flat[i][0].size) for i in distinct]
        self._structures = [structures[i] for i in distinct]
        # All vectors have one length, so that one compiled program takes any of them.
        self._width = max(vector.size for vector, _ in flat)
        self._dtype = np.result_type(*(vector.dtype for vector, _ in flat))

    def branch(self, objective: jl.Objective) -> int:
        """The index of the structure of an objective, a sum of certain losses."""
        return self._structures.index(jax.tree.structure(objective))

    def numbers(self, objective: jl.Objective) -> NDArray[Any]:
        """The factors and hyper-parameters of an objective as one vector."""
        leaves = [np.ravel(leaf) for leaf in jax.tree.leaves(objective)]
        padding = np.zeros(self._width - sum(leaf.size for leaf in leaves))
        return np.concatenate([*leaves, padding]).astype(self._dtype)

    def at(self, branch: Array, numbers: Array) -> Criterion:
        """Value and gradient of the selected objective, for predictions and targets."""
        return lambda p, t: jax.lax.switch(branch, self.branches, numbers, p, t)


def _branch(unravel: Callable[[Array], Any], size: int) -> Callable[..., tuple[Array, Any]]:
    def value(predictions: Any, numbers: Array, targets: Any) -> Array:
        result: Array = unravel(numbers[:size])(predictions, targets)
        return result

    def value_and_gradient(numbers: Array, predictions: Any, targets: Any) -> tuple[Array, Any]:
        return jax.value_and_grad(value)(predictions, numbers, targets)

    return value_and_gradient
