"""The signature of a loss as data: what binds the arguments of a call, and refuses wrong ones."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from jax import Array

from jaxloss.core.annotations import (
    array_domains,
    domains_of,
    hyper_domains,
    refuse_several_arrays,
    takes_where,
)
from jaxloss.core.axes import lengths
from jaxloss.core.domains import ArrayDomain, HyperDomain
from jaxloss.core.masking import fill
from jaxloss.core.unknown_options import advice, own_names
from jaxloss.numerics import as_argument
from jaxloss.numerics.broadcasting import Shape

_CONCRETE = (int, float, np.generic, np.ndarray, list, tuple)


@dataclass(frozen=True)
class HyperParameter:
    """A keyword of a loss: its domain, and its default, `None` for a term that may be absent."""

    domain: HyperDomain
    default: float | None


@dataclass(frozen=True)
class Signature:
    """The arrays a loss takes by position, and the hyper-parameters it takes by keyword.

    Attributes:
        name: That of the loss.
        arrays: The domain of each array, in order, by name.
        hyperparameters: The domain and the default of each, by name.
        is_set: Whether the first event axis is a set whose elements depend on each other, so that
            the loss takes `where`, which says which elements count.
        axis_name: The axis of a mesh over which an event is spread, if any, so that the arrays of
            one device are a part of it.
        domains: The domains of the arrays, in order.
        first: That of the first array, whose leading axes are the batch.
        event_axes: How many axes of the first array are one example.
        takes_targets: Whether there is another array beside the predictions.
        elementwise: Whether each value depends on one number of each array.
        by_blocks: Whether an example is a number or a row, so that sums may be formed by blocks.
    """

    name: str
    arrays: Mapping[str, ArrayDomain]
    hyperparameters: Mapping[str, HyperParameter]
    is_set: bool = False
    axis_name: str | None = None
    domains: tuple[ArrayDomain, ...] = field(init=False, repr=False, compare=False)
    first: ArrayDomain = field(init=False, repr=False, compare=False)
    event_axes: int = field(init=False, repr=False, compare=False)
    takes_targets: bool = field(init=False, repr=False, compare=False)
    elementwise: bool = field(init=False, repr=False, compare=False)
    by_blocks: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive from the arrays what is asked at each call."""
        domains = tuple(self.arrays.values())
        first, alone = domains[0], not self.is_set and self.axis_name is None
        vars(self).update(
            domains=domains,
            first=first,
            event_axes=len(first.axes),
            takes_targets=len(domains) > 1,
            elementwise=not self.is_set and not any(domain.axes for domain in domains),
            by_blocks=alone and len(first.axes) <= 1,
        )

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
        signature.validate({name: default for name, (_, default) in hyper.items()})
        return signature

    @property
    def takes_where(self) -> bool:
        """Whether a call takes a mask of what counts, as an objective does of any loss."""
        return self.is_set

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
        names = list(self.arrays)
        by_name = [keywords.pop(name) for name in names[len(args) :] if name in keywords]
        values = (*args, *by_name)
        if len(values) != len(names):
            wanted = f"{len(names)} arrays ({', '.join(names)})"
            found = f"{self.name} takes {wanted}, got {len(values)}"
            raise TypeError(f"{found}{own_names(self, keywords)}")
        arrays = []
        for name, value in zip(names, values, strict=True):
            try:
                arrays.append(as_argument(value))
            except (TypeError, ValueError) as error:
                message = f"{self.name}: `{name}` is an array, got {value!r:.60}"
                raise TypeError(message) from error
        return arrays

    def validate(self, keywords: Mapping[str, Any]) -> None:
        """Refuse unknown hyper-parameters, and concrete numbers outside their domain."""
        for name, value in keywords.items():
            if name == "where" and self.takes_where:
                continue
            hyper = self.hyperparameters.get(name)
            if hyper is None:
                known = ", ".join(self.hyperparameters) or "none"
                message = f"{self.name} has no hyper-parameter `{name}` (it has: {known})"
                raise TypeError(f"{message}{advice(self, name)}")
            if isinstance(value, float) and hyper.domain.low < value < hyper.domain.high:
                continue  # at once: NumPy's checks below take longer than a small loss
            if isinstance(value, Array):
                continue  # NaN, if it is outside: inside `jit` its value is not known
            if value is not None or hyper.default is not None:
                self._refuse_outside(name, hyper.domain, value)

    def _refuse_outside(self, name: str, domain: HyperDomain, value: Any) -> None:
        message = f"{self.name}: `{name}` is {domain.says}, got {value!r}"
        if value is None or isinstance(value, (bool, str)):
            raise TypeError(message)
        if isinstance(value, _CONCRETE) and not np.all(domain.contains(np.asarray(value))):
            raise ValueError(message)

    def leaves(self, hyperparameters: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The hyper-parameters that are traced, once they are valid, and the others: none are.

        Raises:
            TypeError: There is no such hyper-parameter, or it is the mask, which is none.
            ValueError: One is outside its domain.
        """
        if "where" in hyperparameters:
            message = "`where` comes with the arrays: objective(predictions, targets, where=mask)"
            raise TypeError(f"Objective({self.name}): {message}")
        self.validate(hyperparameters)
        return {name: as_leaf(value) for name, value in hyperparameters.items()}, {}

    def domain_of(self, name: str) -> HyperDomain:
        """The domain of a hyper-parameter.

        Raises:
            TypeError: There is no such hyper-parameter.
        """
        self.validate({name: np.array([])})  # which no domain refuses
        return self.hyperparameters[name].domain

    def cast(self, arrays: Sequence[Array], dtype: Any) -> list[Array]:
        """The arrays in the computing dtype, or as integers."""
        return [d.cast(x, dtype) for d, x in zip(self.domains, arrays, strict=True)]

    def batch_of(self, leader: Shape) -> Shape:
        """The axes of the first array's shape that are in front of the event."""
        return leader[: max(len(leader) - self.event_axes, 0)]

    def elements_of(self, leader: Shape) -> Shape:
        """The axes of the first array's shape that a mask counts: the batch, and those of a set."""
        return leader[: len(self.batch_of(leader)) + self.is_set]

    def axis_sizes(self, shapes: Sequence[Shape]) -> Mapping[str, int | Array]:
        """How long the axes are, by name, on all devices together."""
        return lengths(self.domains, shapes)

    def on_all_devices(self, of_arrays: Array, of_numbers: Array | None) -> Array:
        """What holds of arrays and numbers, where devices may hold others that matter too."""
        return of_arrays if of_numbers is None else of_arrays & of_numbers

    def on_any_device(self, counted: Array) -> Array:
        """Which examples count, where they may do so by what other devices hold of them."""
        return counted

    def mask_shapes(self, arrays: Sequence[Array], value: Shape) -> list[Shape]:
        """The shapes that a mask is a prefix of: of the values, or of a set's elements.

        Then also those of a set that goes on where its partners end, and of what follows.
        """
        if not self.is_set:
            return [value]
        own = self.elements_of(arrays[0].shape)
        pairs = zip(self.domains, arrays, strict=True)
        return [own, *(x.shape[: len(own)] for domain, x in pairs if domain.at_least)]

    def fill_masked(self, mask: Array, arrays: Sequence[Array]) -> tuple[Array, ...]:
        """The arrays, harmless behind the mask; what all examples share stays as it is."""
        pairs = zip(self.domains, arrays, strict=True)
        return tuple(x if domain.common else fill(mask, domain.benign, x) for domain, x in pairs)


def as_leaf(value: Any) -> Any:
    """A float, or an array, of what a hyper-parameter or a number was given as."""
    if isinstance(value, (list, tuple)):
        return np.asarray(value, dtype=float)
    return float(value) if isinstance(value, int) else value
