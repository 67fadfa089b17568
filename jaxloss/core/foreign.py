"""Functions that are no losses, such as those of other libraries, as an objective takes them.

A function becomes a `ForeignLoss` where it enters an objective, so that nothing beyond has to
distinguish it from a `Loss`: it has the same `sum`, and a signature that restricts nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.core.domains.base import Domain
from jaxloss.core.loss import Loss
from jaxloss.core.masking import fill
from jaxloss.core.reduction import sum_of
from jaxloss.numerics import computing_dtype
from jaxloss.numerics.broadcasting import Shape
from jaxloss.numerics.trees import PyTree

_BENIGN = 0.5  # inside each usual domain: real, positive, a probability; as a label it is class 0


class ForeignSignature:
    """The signature of a function without domains: any arrays of any shape, the last a target.

    Its members are those that `Signature` has for a term of an objective.
    """

    axis_name = None
    is_set = False
    takes_targets = True
    event_axes = 0  # of the first array, for all that is known

    def leaves(self, hyperparameters: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The keywords that are traced, which are floats and arrays, and the others."""
        traced = {name: x for name, x in hyperparameters.items() if _is_leaf(x)}
        return traced, {name: x for name, x in hyperparameters.items() if name not in traced}

    def domain_of(self, name: str) -> Domain:
        """All numbers, as the domain of any keyword."""
        return Domain(name, "a real number")

    def mask_shapes(self, _: Sequence[PyTree], value: Shape) -> list[Shape]:
        """The shape of the values, of which a mask is a prefix."""
        return [value]

    def fill_masked(self, mask: Array, arrays: Sequence[PyTree]) -> tuple[PyTree, ...]:
        """The arrays, harmless behind the mask.

        What has fewer axes than the mask stays as it is: nothing says which axes those are.
        """

        def filled(x: Array) -> Array:
            return x if x.ndim < mask.ndim else fill(mask, _BENIGN, x)

        return tuple(jax.tree.map(filled, tree) for tree in arrays)

    def on_any_device(self, counted: Array) -> Array:
        """Which examples count: those that do here."""
        return counted


@dataclass(frozen=True)
class ForeignLoss:
    """A function `(*predictions, targets, **hyperparameters)` that gives one value per example.

    Attributes:
        function: The function.
    """

    function: Callable[..., Any]
    signature = ForeignSignature()

    @property
    def __name__(self) -> str:
        return getattr(self.function, "__name__", None) or repr(self.function)

    def __call__(self, *arrays: PyTree, **keywords: Any) -> Array:
        """The values in a computing dtype.

        Raises:
            TypeError: The function gives something else than one array.
        """
        values: Any = self.function(*arrays, **keywords)
        if not isinstance(values, (Array, np.ndarray, np.generic, float, int)):
            got = f"got a {type(values).__name__}; what else it finds belongs elsewhere"
            raise TypeError(f"Objective: {self.__name__} gives one array of values, {got}")
        array = jnp.asarray(values)
        return array.astype(computing_dtype(array))

    def value_type(
        self, arrays: Sequence[PyTree], keywords: Mapping[str, Any]
    ) -> jax.ShapeDtypeStruct:
        """The shape and the dtype of the values, of which only a trace can tell."""
        like: jax.ShapeDtypeStruct = jax.eval_shape(partial(self, **keywords), *arrays)
        return like

    def sum(
        self,
        *arrays: PyTree,
        weights: Array | None,
        counted: Array | None,
        divisor: Array | None = None,
        **keywords: Any,
    ) -> Array:
        """Sum of weight times value over the examples that count, as `Loss.sum`."""
        values = self.values(*arrays, counted=counted, **keywords)
        return sum_of(values, weights, counted, divisor)

    def values(self, *arrays: PyTree, counted: Array | None, **keywords: Any) -> Array:
        """One value for each example, of arrays that are harmless where it does not count."""
        if counted is not None:
            arrays = self.signature.fill_masked(counted, arrays)
        return self(*arrays, **keywords)


def as_loss(function: Callable[..., Any]) -> Loss[...] | ForeignLoss:
    """The loss itself, or any other function as one."""
    return function if isinstance(function, Loss) else ForeignLoss(function)


def _is_leaf(value: Any) -> bool:
    return isinstance(value, (float, jax.Array, np.ndarray, np.floating))
