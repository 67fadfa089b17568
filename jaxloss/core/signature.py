"""The signature of a loss as data, and the checks that follow from it."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.core.annotations import (
    array_domains,
    domains_of,
    hyper_domains,
    refuse_several_arrays,
    takes_where,
)
from jaxloss.core.axes import batch_of, fitting, lengths, misfit, moved_classes
from jaxloss.core.domains import ArrayDomain, HyperDomain
from jaxloss.core.masking import as_mask, hide
from jaxloss.core.unknown_options import advice
from jaxloss.numerics import as_argument, as_array, computing_dtype, nan_below_zero, poison, unknown
from jaxloss.numerics.broadcasting import Shape, lead, spread

_CONCRETE = (int, float, np.generic, np.ndarray, list, tuple)


@dataclass(frozen=True)
class HyperParameter:
    """A keyword of a loss: its domain, and its default, `None` for a term that may be absent."""

    domain: HyperDomain
    default: float | None


@dataclass(frozen=True)
class Signature:
    """The arrays a loss takes by position, and the hyper-parameters it takes by keyword.

    `is_set` says that the first event axis is a set whose elements depend on each other, so that
    the loss takes `where`, which says which elements count. `axis_name` is the axis of a mesh over
    which an event is spread, so that the arrays of one device are a part of it.
    """

    name: str
    arrays: Mapping[str, ArrayDomain]
    hyperparameters: Mapping[str, HyperParameter]
    is_set: bool = False
    axis_name: str | None = None

    @classmethod
    def of(cls, function: Callable[..., Array], arrays: Mapping[str, Any] | None = None) -> Self:
        """Read a function's annotations; `arrays` are what it is called with, if not its own.

        Raises:
            TypeError: A parameter is no array and no hyper-parameter by its place, its annotation
                and its default.
            ValueError: A default is outside its domain.
        """
        if arrays is None:
            own = array_domains(function)
        else:
            refuse_several_arrays(function)
            own = domains_of(arrays)
        hyper = hyper_domains(function)
        signature = cls(
            name=function.__name__,
            arrays=own,
            hyperparameters={name: HyperParameter(*item) for name, item in hyper.items()},
            is_set=takes_where(function),
        )
        signature.admit({name: default for name, (_, default) in hyper.items()})
        return signature

    def as_inspect(self) -> inspect.Signature:
        """The form that `help` and `inspect.signature` show."""
        positional = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in self.arrays
        ]
        keyword = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=hyper.default)
            for name, hyper in self.hyperparameters.items()
        ]
        if self.takes_where:
            keyword.append(inspect.Parameter("where", inspect.Parameter.KEYWORD_ONLY, default=None))
        return inspect.Signature([*positional, *keyword])

    def bind(self, args: Sequence[Any], keywords: dict[str, Any]) -> Sequence[Array | np.ndarray]:
        """The arrays in order; those given by name are taken out of `keywords`."""
        if len(args) == len(self.arrays) and all(isinstance(x, Array) for x in args):
            return args
        names = list(self.arrays)
        by_name = [keywords.pop(name) for name in names[len(args) :] if name in keywords]
        given = (*args, *by_name)
        if len(given) != len(names):
            wanted = f"{len(names)} arrays ({', '.join(names)})"
            raise TypeError(f"{self.name} takes {wanted}, got {len(given)}")
        return [self._receive(name, value) for name, value in zip(names, given, strict=True)]

    def _receive(self, name: str, value: Any) -> Array | np.ndarray:
        try:
            return as_argument(value)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{self.name}: `{name}` is an array, got {value!r:.60}") from error

    def admit(self, keywords: Mapping[str, Any]) -> None:
        """Refuse unknown hyper-parameters, and concrete numbers outside their domain."""
        for name, value in keywords.items():
            if name == "where" and self.takes_where:
                continue
            if name not in self.hyperparameters:
                raise TypeError(self._unknown(name))
            if value is not None or self.hyperparameters[name].default is not None:
                self._admit_value(name, value)

    def _unknown(self, name: str) -> str:
        known = ", ".join(self.hyperparameters) or "none"
        return f"{self.name} has no hyper-parameter `{name}` (it has: {known}){advice(self, name)}"

    def _admit_value(self, name: str, value: Any) -> None:
        domain = self.hyperparameters[name].domain
        if isinstance(value, float) and domain.low < value < domain.high:
            return  # at once: NumPy's checks below take longer than a small loss
        message = f"{self.name}: `{name}` is {domain.says}, got {value!r}"
        if value is None or isinstance(value, (bool, str)):
            raise TypeError(message)
        if isinstance(value, _CONCRETE) and not np.all(domain.contains(np.asarray(value))):
            raise ValueError(message)

    def check(self, arrays: tuple[Array, ...]) -> None:
        """Raise where a dtype is outside its domain, or where shapes do not fit together."""
        for (name, domain), array in zip(self.arrays.items(), arrays, strict=True):
            if not domain.admits(array.dtype):
                raise TypeError(
                    f"{self.name}: `{name}` holds {domain.says}, got {array.dtype} of shape "
                    f"{array.shape}; {domain.likely_fix}"
                )
        self._check_shapes(arrays)

    def _check_shapes(self, arrays: tuple[Array, ...]) -> None:
        import chex  # here, because importing it takes longer than importing all of jaxloss

        shapes = [array.shape for array in arrays]
        every = zip(self.arrays.items(), shapes, self.wanted(shapes), strict=True)
        for array, ((name, domain), shape, wanted) in zip(arrays, every, strict=True):
            try:
                chex.assert_shape(array, wanted)
            except AssertionError as error:
                raise ValueError(self._does_not_fit(name, shapes, shape, wanted)) from error
            last = shape[len(shape) - len(domain.least) :]
            if any(size < least for size, least in zip(last, domain.least, strict=True)):
                raise ValueError(self._too_small(name, domain, shape))

    def _does_not_fit(self, name: str, shapes: Sequence[Shape], shape: Shape, wanted: Shape) -> str:
        given = ", ".join(f"`{n}` {own}" for n, own in zip(self.arrays, shapes, strict=True))
        domain, axis = self.arrays[name], moved_classes(list(self.arrays.values()), shapes)
        if axis is None:
            fix = _likely_fix(domain, shape, wanted)
        else:
            first = next(iter(self.arrays))
            fix = f"classes are the last axis: jnp.moveaxis({first}, {axis}, -1)"
        why = misfit(domain, shape, wanted)
        return (
            f"{self.name}: `{name}` does not fit in {given}: {why}shapes are equal, never "
            f"broadcast; {fix}"
        )

    def check_value(self, value: Any, leader: Shape) -> None:
        """Raise unless the value is one number an example, or where a set is one, an element."""
        if not isinstance(value, (Array, np.ndarray, np.generic, float, int)):
            size = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
            got = f"a {type(value).__name__}{size}"
            message = "a loss returns one array, which is what is minimised"
            raise TypeError(f"{self.name}: {message}; compute the rest beside it, got {got}")
        batch, shape = batch_of(self.first, leader), np.shape(value)
        if shape != batch and not (self.is_set and shape == self.elements(leader)):
            raise ValueError(
                f"{self.name}: a loss returns one value for each example, here of shape {batch}, "
                f"got {shape}; sum over the axes of one example, and leave the batch to "
                "the reduction of an Objective"
            )

    def cast(self, arrays: Sequence[Array]) -> list[Array]:
        """The arrays as the function wants them: in the computing dtype, or as integers."""
        dtype = computing_dtype(*arrays)
        return [d.cast(x, dtype) for d, x in zip(self.arrays.values(), arrays, strict=True)]

    def _too_small(self, name: str, domain: ArrayDomain, shape: Shape) -> str:
        wanted = " by ".join(map(str, domain.least))
        return (
            f"{self.name}: `{name}` holds {domain.says}, at least {wanted} in the last axes, got "
            f"shape {shape}; nothing has no mean: leave empty ones out"
        )

    def wanted(self, shapes: Sequence[Shape]) -> list[Shape]:
        """The shapes that fit together, for arrays of these shapes."""
        return fitting(list(self.arrays.values()), shapes)

    @property
    def first(self) -> ArrayDomain:
        """The domain of the first array, whose leading axes are the batch."""
        return next(iter(self.arrays.values()))

    def elements(self, leader: Shape) -> Shape:
        """The axes that a mask counts, of the first array's shape: the batch, and that of a set."""
        return leader[: len(batch_of(self.first, leader)) + self.is_set]

    def maskable(self, shapes: Sequence[Shape]) -> list[Shape]:
        """The shapes that a mask of sets is a prefix of: of the elements, and with what follows."""
        own, pairs = self.elements(shapes[0]), zip(self.arrays.values(), shapes, strict=True)
        return [own, *(shape[: len(own)] for domain, shape in pairs if domain.at_least)]

    def conceal(self, where: Array | None, arrays: Sequence[Array]) -> tuple[list[Array], Array]:
        """The arrays, harmless where elements do not count, and which do, one entry for each."""
        if where is None:
            over_features = tuple(range(self.is_set - len(self.first.axes), 0))
            like = jnp.any(arrays[0], axis=over_features)  # for how it is spread over devices
            return list(arrays), jnp.ones_like(like)
        shape, *others = self.maskable([array.shape for array in arrays])
        mask = as_mask(self.name, as_array(where), shape, *others)
        pairs = zip(self.arrays.values(), arrays, strict=True)
        counted = mask if mask.ndim == len(shape) else spread(mask, shape)
        return [
            array if domain.common else hide(mask, domain.benign, array) for domain, array in pairs
        ], counted

    def anywhere(self, counted: Array) -> Array:
        """Which examples count, where they may do so by what is elsewhere too."""
        return counted

    def spread(self, keywords: Mapping[str, Any], shape: Shape, dtype: Any) -> dict[str, Any]:
        """Hyper-parameters in the computing dtype, those per class in the shape of the scores."""
        return {
            name: value
            if value is None or name == "where"
            else self._spread_one(name, jnp.asarray(value).astype(dtype), shape)
            for name, value in keywords.items()
        }

    def _spread_one(self, name: str, value: Array, shape: Shape) -> Array:
        domain = self.hyperparameters[name].domain
        # Here, as no slope leads back to a margin that no example is within.
        value = poison(value, jnp.all(domain.contains(value)))
        if domain.per_class and value.shape in ((), shape[-1:]):
            return jnp.broadcast_to(value, shape)
        if value.shape:
            raise ValueError(
                f"{self.name}: `{name}` has shape {value.shape} where the arrays have {shape}; a "
                "hyper-parameter is a scalar (use jax.vmap for many), or where it is said to be so "
                "one number for each entry of the last axis"
            )
        return value

    def valid(self, arrays: Sequence[Array], numbers: Mapping[str, Any]) -> Array:
        """In which examples all values lie inside their domains: one for each, or one for all."""
        batch = len(batch_of(self.first, arrays[0].shape))
        of_arrays = [lead(check, batch) for check in self._array_checks(arrays)]
        checks = [*of_arrays, *self._number_checks(numbers)]
        return functools.reduce(jnp.logical_and, checks, jnp.ones((), bool))

    @property
    def takes_where(self) -> bool:
        """Whether a call takes a mask of what counts, as an objective does of any loss."""
        return self.is_set

    @property
    def elementwise(self) -> bool:
        """Whether each value depends on one number of each array."""
        return not self.is_set and not any(domain.axes for domain in self.arrays.values())

    @property
    def keeps(self) -> bool:
        """Whether the first array reaches the function as it is, and all slopes by the value."""
        return self.first.kept

    def outside(self, arrays: Sequence[Array], numbers: Mapping[str, Any]) -> Iterator[Array]:
        """0 inside all domains and NaN outside one: of the bounded arrays, of each, of numbers."""
        pairs = zip(self.arrays.values(), arrays, strict=True)
        rooms = [domain.room(array) for domain, array in pairs if domain.bounded]
        if rooms:
            yield nan_below_zero(functools.reduce(jnp.minimum, rooms))
        for array in arrays:  # each by itself, as that minimum may lose NaN
            yield lead(unknown(array), arrays[0].ndim)
        for inside in self._number_checks(numbers):
            yield jnp.where(inside, 0, jnp.nan).astype(arrays[0].dtype)

    def inside(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Of each array, which entries lie in its domain."""
        sizes = self.axis_sizes(arrays)
        pairs = list(zip(self.arrays.items(), arrays, strict=True))
        counts = {domain.counts: array for (_, domain), array in pairs if domain.counts}
        return {name: domain.members(array, sizes, counts) for (name, domain), array in pairs}

    def axis_sizes(self, arrays: Sequence[Array]) -> Mapping[str, int | Array]:
        """How long the axes are, by name, on all devices together."""
        return lengths(list(self.arrays.values()), [array.shape for array in arrays])

    def _array_checks(self, arrays: Sequence[Array]) -> Iterator[Array]:
        """NaN is told from the arrays: on a CPU, XLA's maxima and minima lose it among many."""
        each = zip(self.arrays.values(), arrays, self.inside(arrays).values(), strict=True)
        for domain, array, inside in each:
            axes = tuple(range(-len(domain.axes), 0))
            if domain.kept:
                continue
            if axes and domain.padded is None and jnp.issubdtype(array.dtype, jnp.floating):
                outside = nan_below_zero(domain.room(array)) if domain.bounded else unknown(array)
                yield ~jnp.isnan(jnp.sum(outside, axis=axes))  # as one pass
            else:
                yield jnp.all(inside, axis=axes)

    def _number_checks(self, numbers: Mapping[str, Any]) -> Iterator[Array]:
        for name, value in numbers.items():
            if name != "where" and value is not None:
                yield jnp.all(self.hyperparameters[name].domain.contains(value))


def _likely_fix(domain: ArrayDomain, shape: Shape, wanted: Shape) -> str:
    if domain.axes and len(shape) == len(wanted) - len(domain.axes):
        return f"the last axis holds {domain.says}; {domain.likely_fix}"
    if [n for n in shape if n != 1] == [n for n in wanted if n != 1]:
        return f"reshape it to {wanted}, or squeeze the other"
    return f"give it the shape {wanted}"
