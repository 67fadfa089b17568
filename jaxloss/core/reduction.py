"""From one value per example to one number, exact over masks, micro-batches and devices.

Most reductions are a sum over examples divided by a mass: `Additive`, an `Average` of any part of
the examples, which adds up to that of the whole. The others need all values at once.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Self, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.kernels.sorting import spread_as, whole
from jaxloss.numerics import as_array, computing_dtype, divide, poison, weighted
from jaxloss.numerics.broadcasting import broadcast_prefix, select
from jaxloss.numerics.sizes import is_known

Reduction = Callable[[Array, Array | None], Array]

_LARGEST_COUNT = np.iinfo(np.int32).max  # of an exact count: without x64, JAX has no int64
_NOT_OF_PARTS = (
    "a reduction such as `cvar` makes its result of all values at once; results of parts of them "
    "do not add up"
)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Average:
    """A weighted mean that is not yet divided, so that averages add up exactly.

    The mean of means over unequal parts is wrong; the sum of averages is the average of the whole.

    Attributes:
        total: Sum of weight times value, float32 or wider.
        mass: Sum of weights; for a mask, or none, the exact count as int32.

    Example:
        >>> first, second = Average.of([1.0, 2.0, 3.0]), Average.of([6.0])
        >>> float((first + second).value)
        3.0
    """

    total: Array
    mass: Array

    @classmethod
    def of(cls, values: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """The average of `values`, each with its weight; boolean weights are a mask."""
        array = as_array(values)
        array = array.astype(computing_dtype(array))
        amounts = None if weights is None else as_array(weights)
        return cls(sum_of(array, amounts), mass_of(array, amounts))

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


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sum(Average):
    """A weighted sum: of parts it adds up, and it is divided by nothing.

    Attributes:
        total: Sum of weight times value, float32 or wider.
        mass: Sum of weights, or how many examples count.

    Example:
        >>> float((Sum.of([1.0, 2.0, 3.0]) + Sum.of([6.0])).value)
        12.0
    """

    @property
    def value(self) -> Array:
        """The sum."""
        return self.total


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Undivided(Average):
    """The result of a reduction of all values at once, such as the mean of the worst.

    That of the whole does not follow from those of parts, so adding two is an error.

    Attributes:
        total: The result of the reduction.
        mass: 1.
    """

    @classmethod
    def by(cls, reduction: Reduction, values: Array, weights: Array | None) -> Self:
        """The result of the reduction."""
        return cls(reduction(values, weights), jnp.ones((), jnp.int32))

    def __add__(self, _: Average) -> NoReturn:
        raise TypeError(f"Average: {_NOT_OF_PARTS}")

    def psum(self, axis_name: str) -> NoReturn:
        """Refuse, as there is no sum over devices either."""
        raise TypeError(f"Average.psum over {axis_name!r}: {_NOT_OF_PARTS}")

    @property
    def value(self) -> Array:
        """The result of the reduction."""
        return self.total


class Additive:
    """A reduction whose value follows from the averages of parts: their sum, divided once.

    Attributes:
        average: From values and weights of some examples to their `Average`.
    """

    __name__: str
    __qualname__: str

    def __init__(self, average: Callable[[Array, Array | None], Average]) -> None:
        """Make a reduction from a function that gives the average of a part."""
        functools.update_wrapper(self, average)
        self.average = average

    def __call__(self, values: ArrayLike, weights: ArrayLike | None = None) -> Array:
        """Reduce the values; boolean weights are a mask."""
        amounts = None if weights is None else as_array(weights)
        return self.average(as_array(values), amounts).value

    def __repr__(self) -> str:
        return f"<reduction {self.__name__}>"

    def __reduce__(self) -> str:
        return self.__qualname__


@Additive
def mean(values: Array, weights: Array | None = None) -> Average:
    """Sum of weight times value over the sum of weights; 0 where there is no mass."""
    return Average.of(values, weights)


@Additive
def total(values: Array, weights: Array | None = None) -> Average:
    """Sum of weight times value."""
    return Sum.of(values, weights)


def none(values: ArrayLike, weights: ArrayLike | None = None) -> Array:
    """Weight times value for each example, unreduced."""
    array = as_array(values)
    if weights is None:
        return array
    return weighted(as_array(weights).astype(array.dtype), array)


@Additive
def mean_by_count(values: Array, weights: Array | None = None) -> Average:
    """Sum of weight times value over how many weights are not 0, whatever their size.

    Example:
        >>> import jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.mean_by_count)
        >>> float(error([1.0, 2.0], [0.0, 0.0], weights=[3.0, 6.0]))
        7.5
    """
    counted = Average.of(values, None if weights is None else weights != 0)
    return Average(Average.of(values, weights).total, counted.mass)


@Additive
def mean_by_batch(values: Array, weights: Array | None = None) -> Average:
    """Sum of weight times value over the length of the first axis, whatever is masked.

    Raises:
        ValueError: The values have no axis.

    Example:
        >>> import jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.mean_by_batch)
        >>> float(error([[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]))
        5.0
    """
    _refuse_scalar("mean_by_batch", values)
    return Average(Average.of(values, weights).total, jnp.asarray(values.shape[0], jnp.int32))


@Additive
def mean_of_sequences(values: Array, weights: Array | None = None) -> Average:
    """The mean over the first axis of the mean over all others, of those that have any mass.

    Each sequence counts the same, however many of its tokens count.

    Raises:
        ValueError: The values have no axis.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.mean_of_sequences)
        >>> tokens, where = jnp.array([[1.0, 3.0], [6.0, 0.0]]), jnp.array([[1, 1], [1, 0]]) > 0
        >>> float(error(tokens, jnp.zeros((2, 2)), where=where))
        4.0
    """
    _refuse_scalar("mean_of_sequences", values)
    sequences = jax.vmap(Average.of)(values, weights)
    return Average.of(sequences.value, sequences.mass != 0)


def segment_weights(segments: ArrayLike, where: ArrayLike | None = None) -> Array:
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
        >>> import jaxloss as jl
        >>> weights = jl.segment_weights([0, 0, 0, 1])
        >>> float(jl.Objective(jl.absolute_error)([1.0, 2.0, 3.0, 6.0], [0.0] * 4, weights=weights))
        4.0
    """
    array = as_array(segments)
    # The tokens of a segment may be on several devices: their number needs the whole sequence.
    members = whole(array)
    counted = jnp.ones(members.shape, bool) if where is None else whole(as_array(where))
    sizes = _segment_sizes(counted.astype(jnp.int32), members).astype(jnp.float32)
    known = (members >= 0) & (members < members.shape[-1])
    weights = poison(divide(counted.astype(jnp.float32), sizes), known | ~counted)
    return spread_as(weights, array)


ADDITIVE = [name for name, made in list(globals().items()) if isinstance(made, Additive)]


def _refuse_scalar(name: str, values: Array) -> None:
    if not values.ndim:
        raise ValueError(f"{name}: `values` has a first axis, got a single number; use `mean`")


@functools.partial(jnp.vectorize, signature="(tokens),(tokens)->(tokens)")
def _segment_sizes(counted: Array, segments: Array) -> Array:
    """For each token how many count in its segment."""
    return jax.ops.segment_sum(counted, segments, num_segments=segments.size)[segments]


def sum_of(
    values: Array,
    weights: Array | None = None,
    counted: Array | None = None,
    divisor: Array | None = None,
) -> Array:
    """Sum of weight times value over what counts, divided by the divisor, if any.

    Args:
        values: Of a computing dtype.
        weights: As of `weigh`.
        counted: As of `weigh`.
        divisor: A scalar; where it is 0, so is the result, with gradient 0.
    """
    summed = jnp.sum(weigh(values, weights, counted))
    return summed if divisor is None else divide(summed, divisor.astype(summed.dtype))


def weigh(values: Array, weights: Array | None, counted: Array | None) -> Array:
    """Weight times value, 0 for what does not count.

    Args:
        values: Of a computing dtype.
        weights: Numbers or booleans, a prefix of the shape of the values; 1 if `None`.
        counted: Boolean, likewise. What does not count is dropped before it is weighted, so that
            NaN in it, or in its weight, adds nothing.
    """
    if counted is not None:
        values = select(counted, values, 0)
    if weights is None:
        return values
    amounts = broadcast_prefix(weights, values.shape)
    if weights.dtype == jnp.bool_:
        return jnp.where(amounts, values, 0)
    if counted is not None:
        amounts = select(counted, amounts, 0)
    return weighted(amounts.astype(values.dtype), values)


def mass_of(values: Array | jax.ShapeDtypeStruct, weights: Array | None) -> Array:
    """The sum of weights; for a mask, or none, the exact count of `values` as int32."""
    if weights is None:
        exact = not is_known(values.size) or values.size <= _LARGEST_COUNT
        return jnp.asarray(values.size, jnp.int32 if exact else jnp.float32)
    if weights.dtype == jnp.bool_:
        return jnp.sum(weights, dtype=jnp.int32)
    return jnp.sum(weights.astype(values.dtype))


def adds_up(reduction: Reduction) -> TypeGuard[Additive]:
    """Whether the result of all examples follows from those of parts."""
    return isinstance(reduction, Additive)


def average_by(reduction: Reduction, values: Array, weights: Array | None) -> Average:
    """The result of a reduction before any division, if it divides at all."""
    if adds_up(reduction):
        return reduction.average(values, weights)
    return Undivided.by(reduction, values, weights)
