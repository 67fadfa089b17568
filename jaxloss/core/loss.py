"""What makes a function a loss: its signature is read once, checked while tracing, and compiled.

`@loss` takes a function of arrays, `@distance` a function rho of the residual, prediction minus
target, and `@margin` a function psi of the margin, sign times score (Steinwart & Christmann 2008,
Support Vector Machines, ch. 2, doi:10.1007/978-0-387-77242-4).
"""

import functools
import inspect
import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeAlias, overload

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import Real, Score, Sign
from jaxloss.core.facts import Facts
from jaxloss.core.signature import Signature
from jaxloss.numerics import computing_dtype, poison
from jaxloss.numerics.broadcasting import lead
from jaxloss.numerics.custom_jvp import by_slope

P = ParamSpec("P")

ArrayOrList: TypeAlias = (
    ArrayLike
    | Sequence[ArrayLike]
    | Sequence[Sequence[ArrayLike]]
    | Sequence[Sequence[Sequence[ArrayLike]]]
)
"""What a loss is called with: arrays of JAX or NumPy, numbers, or lists of these, up to three deep.

`ArrayLike` of JAX has no lists, which `jax.numpy` refuses. The depth is written out, as a string
would be a sequence of sequences without end.
"""


def _as_one(value: Any) -> Any:
    """A list as one array: `jit` would take it for as many arguments as it has entries."""
    return jnp.asarray(value) if isinstance(value, (list, tuple)) else value


def _of_objectives(form: str) -> Callable[..., NoReturn]:
    """An operator of losses, which says what it would be of objectives."""

    def refuse(loss: "Loss[...]", *other: object) -> NoReturn:
        written = form.format(_as_objective(loss), *map(_as_objective, other))
        message = "is a function of arrays; what is added and scaled is an objective of it"
        raise TypeError(f"{loss.__name__} {message}: `{written}`")

    return refuse


def _as_objective(operand: object) -> str:
    """How an operand would be written beside objectives."""
    if not isinstance(operand, Loss):
        return f"{operand!r:.80}"
    is_exported = operand.__module__.startswith("jaxloss.") and operand.__name__.isidentifier()
    return f"jl.Objective({'jl.' if is_exported else ''}{operand.__name__})"


class Loss(Generic[P]):
    """A pure compiled function from arrays to one value for each example.

    Attributes:
        function: The bare function, without checks, casts or compilation.
        contract: Its signature as data.
        facts: What is known of it.
        made_by: The maker and the arguments of a loss that `derive` made, else `None`.
    """

    __name__: str
    __qualname__: str
    made_by: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
    _passed = (r"$^", "")  # what `help` says in place of the function's own array: nothing else

    __array_ufunc__ = None  # leaves `numpy_number * loss` to `__rmul__`
    __add__, __radd__ = _of_objectives("{0} + {1}"), _of_objectives("{1} + {0}")
    __sub__, __rsub__ = _of_objectives("{0} - {1}"), _of_objectives("{1} - {0}")
    __mul__, __rmul__ = _of_objectives("{0} * {1}"), _of_objectives("{1} * {0}")
    __truediv__, __neg__ = _of_objectives("{0} / {1}"), _of_objectives("-{0}")

    def __init__(self, function: Callable[..., Array], contract: Signature, facts: Facts) -> None:
        """Compile the function."""
        functools.update_wrapper(self, function)
        own = re.sub(*self._passed, inspect.cleandoc(function.__doc__ or ""))
        self.__doc__ = f"{own}\n\n{_RAISES}"
        self.__signature__ = contract.as_inspect()
        self.function = function
        self.contract = contract
        self.facts = facts
        self._compiled: Callable[..., Array] = jax.jit(self._trace, inline=True)

    # The first form is what an editor shows; the second is what else is accepted: a type cannot say
    # "the same parameters, each of a wider type".
    @overload
    def __call__(self, *args: P.args, **keywords: P.kwargs) -> Array: ...
    @overload
    def __call__(self, *args: ArrayOrList, **keywords: ArrayOrList | None) -> Array: ...
    def __call__(self, *args: Any, **keywords: Any) -> Array:
        """Check the hyper-parameters, then run the compiled function."""
        arrays = self.contract.bind(args, keywords)
        if keywords:
            self.contract.admit(keywords)
            keywords = {name: _as_one(value) for name, value in keywords.items()}
        return self._compiled(*arrays, **keywords)

    def __repr__(self) -> str:
        return f"<loss {self.__name__}{self.__signature__}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self.made_by or self.__qualname__

    def compute(self, *arrays: Array, **hyperparameters: Any) -> Array:
        """The value at arrays that fit, without checks, casts or compilation."""
        return self.function(*arrays, **hyperparameters)

    def _one_each(self, arrays: Sequence[Array], numbers: Mapping[str, Any]) -> Array:
        """The value, once it is one number for each example."""
        value = self.compute(*arrays, **numbers)
        self.contract.check_value(value, arrays[0].shape)
        return value

    def _trace(self, *given: Array, **keywords: Any) -> Array:
        self.contract.check(given)
        with jax.named_scope(self.__name__):
            if self.contract.elementwise:
                return by_slope(self._plain, self._sloped, given, keywords)
            return self._poisoned(given, keywords)

    def _prepare(
        self, given: Sequence[Array], keywords: Mapping[str, Any]
    ) -> tuple[list[Array], dict[str, Any]]:
        """The arrays and hyper-parameters as the function wants them."""
        dtype, arrays = computing_dtype(*given), self.contract.cast(given)
        if self.contract.is_set:
            arrays, where = self.contract.conceal(keywords.get("where"), arrays)
            keywords = {**keywords, "where": where}
        return arrays, self.contract.spread(keywords, given[0].shape, dtype)

    def _poisoned(self, given: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
        """The value, NaN with NaN slopes where an array or a hyper-parameter is out of bounds."""
        arrays, numbers = self._prepare(given, keywords)
        valid = self.contract.valid(arrays, numbers)
        if not self.contract.keeps:
            # The input is poisoned too: no slope leads back to logits that no label points at.
            arrays[0] = poison(arrays[0], valid)
        value = self._one_each(arrays, numbers)
        return poison(value, lead(valid, value.ndim) & ~jnp.isnan(value))

    def _sloped(self, given: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
        """Likewise of one number each, told from the inputs: slopes alone need no value."""
        arrays, numbers = self._prepare(given, keywords)
        valid = self.contract.valid(arrays, numbers)
        return poison(self._one_each([poison(arrays[0], valid), *arrays[1:]], numbers), valid)

    def _plain(self, given: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
        """The same value by arithmetic alone, which compilers put into one pass with its sum."""
        arrays, numbers = self._prepare(given, keywords)
        value = self._one_each(arrays, numbers)
        return functools.reduce(operator.add, self.contract.outside(arrays, numbers), value)


class Distance(Loss[Concatenate[Array, Array, P]]):
    """A loss that is a function rho of the residual `prediction - target`."""

    _passed = (
        r"(?m)^    \w+: `predictions - targets`, (.*)$",
        r"    predictions: Real numbers, \1\n    targets: What they are to be, likewise.",
    )

    @property
    def rho(self) -> Callable[..., Array]:
        """The bare function of the residual."""
        return self.function

    def compute(self, *arrays: Array, **hyperparameters: Any) -> Array:
        """The value at arrays that fit, without checks, casts or compilation."""
        predictions, targets = arrays
        return self.function(predictions - targets, **hyperparameters)


class Margin(Loss[Concatenate[Array, Array, P]]):
    """A loss that is a function psi of the margin `sign * score`."""

    _passed = (
        r"(?m)^    \w+: Sign times score, (.*)$",
        r"    scores: Positive for the class +1, \1\n    labels: 1 or True for it, 0 or -1 else.",
    )

    @property
    def psi(self) -> Callable[..., Array]:
        """The bare function of the margin."""
        return self.function

    def compute(self, *arrays: Array, **hyperparameters: Any) -> Array:
        """The value at arrays that fit, without checks, casts or compilation."""
        scores, signs = arrays
        return self.function(signs * scores, **hyperparameters)


def refuse_unless_margin(maker: str, argument: str, given: object) -> None:
    """Raise unless what a maker of losses was given is a margin-based loss."""
    if not isinstance(given, Margin):
        message = f"`{argument}` is a margin-based loss, as hinge, got {given!r}"
        raise TypeError(f"{maker}: {message}")


class SummedLoss(Loss[P], ABC):
    """A loss whose sum over examples is quicker, with its gradients, than its values are."""

    @abstractmethod
    def total(self, *arrays: Array, weights: Array, counted: Array, **keywords: Any) -> Array:
        """Sum of weight times value over the examples that count.

        Args:
            *arrays: Those of a call.
            weights: What each example counts, one number for each.
            counted: Which examples count at all, likewise; what is not counted adds nothing.
            **keywords: The hyper-parameters.
        """


def loss(*bare: object, **facts: Any) -> Callable[[Callable[P, Array]], Loss[P]]:
    """Make a loss of a function whose arrays are annotated with their domains.

    Args:
        *bare: Nothing; it tells that the parentheses of `@loss()` were forgotten.
        **facts: What is known of the loss, as `Facts` names it.

    Returns:
        A decorator of functions that give one value for each example.

    Raises:
        TypeError: The parentheses were forgotten; or, at the function, a parameter is no array and
            no hyper-parameter by its place, its annotation and its default.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> from jaxloss.core.domains import Positive, PositiveReal
        >>> @jl.loss(convex=False)
        ... def log_ratio(predictions: PositiveReal, targets: PositiveReal, *, c: Positive = 1.0):
        ...     return c * jnp.abs(jnp.log(predictions / targets))
        >>> log_ratio([2.0, -1.0], [2.0, 1.0]).tolist()
        [0.0, nan]
    """
    _refuse_bare("loss", bare)

    def decorate(function: Callable[P, Array]) -> Loss[P]:
        return Loss(function, Signature.of(function), Facts(**facts))

    return decorate


def distance(
    *bare: object, **facts: Any
) -> Callable[[Callable[Concatenate[Array, P], Array]], Distance[P]]:
    """Make a loss of `(predictions, targets)` of a function rho of their residual.

    The arguments are those of `loss`.
    """
    _refuse_bare("distance", bare)

    def decorate(rho: Callable[Concatenate[Array, P], Array]) -> Distance[P]:
        contract = Signature.of(rho, {"predictions": Real, "targets": Real})
        return Distance(rho, contract, Facts(**facts))

    return decorate


def margin(
    *bare: object, **facts: Any
) -> Callable[[Callable[Concatenate[Array, P], Array]], Margin[P]]:
    """Make a loss of `(scores, labels)` of a function psi of the margin.

    The arguments are those of `loss`.
    """
    _refuse_bare("margin", bare)

    def decorate(psi: Callable[Concatenate[Array, P], Array]) -> Margin[P]:
        contract = Signature.of(psi, {"scores": Score, "labels": Sign})
        return Margin(psi, contract, Facts(**facts))

    return decorate


def _refuse_bare(decorator: str, given: tuple[object, ...]) -> None:
    if given:
        name = getattr(given[0], "__name__", repr(given[0]))
        message = f"takes facts by keyword, and none is `@{decorator}()` with its parentheses"
        raise TypeError(f"{decorator}: the decorator of {name} {message}")


_RAISES = """Raises:
    TypeError: An array's dtype is outside its domain, or a hyper-parameter is unknown.
    ValueError: Shapes differ, or a hyper-parameter is outside its domain. Values that are known
        only inside `jit` give NaN, in value and gradient, where they are outside their domain.
"""
