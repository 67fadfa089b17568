"""From one value per example to one number, exact over masks, micro-batches and devices."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.numerics import computing_dtype, divide, poison, weighted

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


def mean_by_count(values: Array, weights: Array | None) -> Array:
    """Sum of weight times value over how many weights are not 0, whatever their size.

    Example:
        >>> import jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.mean_by_count)
        >>> float(error([1.0, 2.0], [0.0, 0.0], weights=[3.0, 6.0]))
        7.5
    """
    counted = Average.of(values, None if weights is None else weights != 0)
    return Average(total(values, weights), counted.mass).value


def mean_by_batch(values: Array, weights: Array | None) -> Array:
    """Sum of weight times value over the length of the first axis, whatever is masked.

    Example:
        >>> import jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.mean_by_batch)
        >>> float(error([[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]))
        5.0
    """
    return Average(total(values, weights), jnp.asarray(values.shape[0], jnp.int32)).value


def mean_of_sequences(values: Array, weights: Array | None) -> Array:
    """The mean over the first axis of the mean over all others, of those that have any mass.

    Each sequence counts the same, however many of its tokens count.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.mean_of_sequences)
        >>> tokens, where = jnp.array([[1.0, 3.0], [6.0, 0.0]]), jnp.array([[1, 1], [1, 0]]) > 0
        >>> float(error(tokens, jnp.zeros((2, 2)), where=where))
        4.0
    """
    if weights is None:
        return mean(values, None)
    sequences = jax.vmap(Average.of)(values, weights)
    return mean(sequences.value, sequences.mass != 0)


def segment_weights(segments: Array, where: Array | None = None) -> Array:
    """Weights under which each segment of a packed sequence counts the same.

    Every token weighs one over the number of tokens that count in its segment, so that the
    weighted mean is the mean over segments of the mean over their tokens.

    Args:
        segments: Which segment each token belongs to, integers in [0, tokens), shape
            `[..., tokens]`; another integer gives NaN, unless it is masked.
        where: Boolean mask of the tokens that count, of the same shape.

    Returns:
        Weights of the same shape, 0 for tokens that do not count, for `weights` of an objective.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> weights = jl.segment_weights(jnp.array([0, 0, 0, 1]))
        >>> float(jl.Objective(jl.absolute_error)([1.0, 2.0, 3.0, 6.0], [0.0] * 4, weights=weights))
        4.0
    """
    counted = jnp.ones(segments.shape, bool) if where is None else where
    sizes = _segment_sizes(counted.astype(jnp.int32), segments).astype(jnp.float32)
    known = (segments >= 0) & (segments < segments.shape[-1])
    return poison(divide(counted.astype(jnp.float32), sizes), known | ~counted)


@functools.partial(jnp.vectorize, signature="(tokens),(tokens)->(tokens)")
def _segment_sizes(counted: Array, segments: Array) -> Array:
    """For each token how many count in its segment."""
    return jax.ops.segment_sum(counted, segments, num_segments=segments.size)[segments]


def _count(values: Array) -> Array:
    exact = values.size <= _LARGEST_COUNT
    return jnp.asarray(values.size, jnp.int32 if exact else jnp.float32)
