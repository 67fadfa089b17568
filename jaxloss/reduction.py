"""From one value per example to one number, exact over masks, micro-batches and devices."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.numerics import computing_dtype, divide, weighted

Reduction = Callable[[Array, Array | None], Array]

_LARGEST_COUNT = np.iinfo(np.int32).max


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Average:
    """A weighted mean that is not yet divided, so that averages add up exactly.

    The mean of means over unequal parts is wrong; the sum of averages is the average of the whole.

    Attributes:
        total: Sum of weight times value, float32 or wider.
        mass: Sum of weights; for a mask, or none, the exact count as int32.

    Example:
        >>> first, second = Average.of(jnp.array([1.0, 2.0, 3.0])), Average.of(jnp.array([6.0]))
        >>> float((first + second).value)
        3.0
    """

    total: Array
    mass: Array

    @classmethod
    def of(cls, values: Array, weights: Array | None = None) -> Self:
        """The average of `values`, each with its weight; boolean weights are a mask."""
        values = values.astype(computing_dtype(values))
        if weights is None:
            return cls(jnp.sum(values), _count(values))
        if weights.dtype == jnp.bool_:
            return cls(jnp.sum(jnp.where(weights, values, 0)), jnp.sum(weights, dtype=jnp.int32))
        numbers = weights.astype(values.dtype)
        return cls(jnp.sum(weighted(numbers, values)), jnp.sum(numbers))

    def __add__(self, other: Self) -> Self:
        """The average over both parts together."""
        return type(self)(self.total + other.total, self.mass + other.mass)

    def psum(self, axis_name: str) -> Self:
        """The average over all devices of a mapped axis, inside `shard_map` or `vmap`."""
        return type(self)(*jax.lax.psum((self.total, self.mass), axis_name))

    @property
    def value(self) -> Array:
        """The mean; 0, with gradient 0, where nothing has mass."""
        return divide(self.total, self.mass.astype(self.total.dtype))


def mean(values: Array, weights: Array | None) -> Array:
    """Sum of weight times value over the sum of weights; 0 where there is no mass."""
    return Average.of(values, weights).value


def total(values: Array, weights: Array | None) -> Array:
    """Sum of weight times value."""
    return Average.of(values, weights).total


def none(values: Array, weights: Array | None) -> Array:
    """Weight times value for each example, unreduced."""
    if weights is None:
        return values
    return weighted(weights.astype(values.dtype), values)


def _count(values: Array) -> Array:
    exact = values.size <= _LARGEST_COUNT
    return jnp.asarray(values.size, jnp.int32 if exact else jnp.float32)
