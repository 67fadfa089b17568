"""What makes a function a loss: its signature is read once, checked while tracing, and compiled.

`@loss` takes a function of arrays, `@distance` a function rho of the residual, prediction minus
target, and `@margin` a function psi of the margin, sign times score (Steinwart & Christmann 2008,
Support Vector Machines, ch. 2, doi:10.1007/978-0-387-77242-4).
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, TypeAlias, overload

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.axes import refuse_misfits
from jaxloss.core.domains import Real, Score, Sign
from jaxloss.core.facts import Facts
from jaxloss.core.masking import as_mask
from jaxloss.core.reduction import sum_of, weigh
from jaxloss.core.signature import Signature
from jaxloss.core.validity import all_in_domain, cast_numbers
from jaxloss.kernels.blocks import map_by_blocks, sum_by_blocks
from jaxloss.numerics import as_array, computing_dtype, nan_gradient
from jaxloss.numerics.broadcasting import broadcast_prefix, expand_trailing
from jaxloss.numerics.trees import PyTree

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
        signature: Its arrays and hyper-parameters as data.
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

    def __init__(self, function: Callable[..., Array], signature: Signature, facts: Facts) -> None:
        """Compile the function."""
        functools.update_wrapper(self, function)
        own = re.sub(*self._passed, inspect.cleandoc(function.__doc__ or ""))
        self.__doc__ = f"{own}\n\n{_RAISES}"
        self.__signature__ = signature.as_inspect()
        self.function = function
        self.signature = signature
        self.facts = facts
        self._arrays = len(signature.arrays)
        self._compiled: Callable[..., Array] = jax.jit(self._trace, inline=True)

    # The first form is what an editor shows; the second is what else is accepted: a type cannot say
    # "the same parameters, each of a wider type".
    @overload
    def __call__(self, *args: P.args, **keywords: P.kwargs) -> Array: ...
    @overload
    def __call__(self, *args: ArrayOrList, **keywords: ArrayOrList | None) -> Array: ...
    def __call__(self, *args: Any, **keywords: Any) -> Array:
        """Check the hyper-parameters, then run the compiled function."""
        arrays: Sequence[Any] = args
        if len(args) != self._arrays or not all(isinstance(x, Array) for x in args):
            arrays = self.signature.bind(args, keywords)
        if keywords:
            self.signature.validate(keywords)
            # `jit` would take a list for as many arguments as it has entries.
            keywords = {
                name: jnp.asarray(x) if isinstance(x, (list, tuple)) else x
                for name, x in keywords.items()
            }
        return self._compiled(*arrays, **keywords)

    def __repr__(self) -> str:
        return f"<loss {self.__name__}{self.__signature__}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self.made_by or self.__qualname__

    def compute(self, *arrays: Array, **hyperparameters: Any) -> Array:
        """The value at arrays that fit, without checks, casts or compilation."""
        return self.function(*arrays, **hyperparameters)

    def value_type(
        self, arrays: Sequence[Any], keywords: Mapping[str, Any]
    ) -> jax.ShapeDtypeStruct:
        """The shape and the dtype of the values, after a check of the arrays.

        Named axes tell the shape without a trace, but for a set, of which a loss has one value or
        one for each element.
        """
        if self.signature.is_set:
            like: jax.ShapeDtypeStruct = jax.eval_shape(
                functools.partial(self, **keywords), *arrays
            )
            return like
        bound = [jnp.asarray(x) for x in self.signature.bind(arrays, {})]
        refuse_misfits(self.__name__, self.signature.arrays, bound)
        batch = self.signature.batch_of(bound[0].shape)
        return jax.ShapeDtypeStruct(batch, computing_dtype(*bound))

    def sum(
        self,
        *arrays: Array,
        weights: Array | None,
        counted: Array | None,
        divisor: Array | None = None,
        **keywords: Any,
    ) -> Array:
        """Sum of weight times value over the examples that count.

        Args:
            *arrays: Those of a call.
            weights: What each example counts, a prefix of the values' shape; 1 if `None`.
            counted: Which examples count at all, likewise; all if `None`. What is not counted adds
                nothing, whatever its arrays hold.
            divisor: What the sum is divided by, if anything; where it is 0, so is the result.
            **keywords: The hyper-parameters, and for a set `where`.
        """
        if not self.signature.by_blocks:
            values = self.values(*arrays, counted=counted, **keywords)
            return sum_of(values, weights, counted, divisor)
        batch = self.signature.batch_of(arrays[0].shape)
        if self.signature.elementwise and any(np.ndim(x) for x in keywords.values()):
            batch = batch[:-1]  # the last axis meets the numbers of classes, uncut

        def of_block(block: PyTree, keywords: Mapping[str, Any]) -> Array:
            rows, weights, counted = block
            return weigh(self.values(*rows, counted=counted, **keywords), weights, counted)

        examples = arrays, weights, counted
        return sum_by_blocks(of_block, batch, examples, keywords, divisor)

    def values(self, *arrays: Array, counted: Array | None, **keywords: Any) -> Array:
        """One value for each example: where it does not count, any finite number."""
        if counted is not None and not self.signature.is_set:
            arrays = self.signature.fill_masked(counted, arrays)
        return self(*arrays, **keywords)

    def _trace(self, *arrays: Array, **keywords: Any) -> Array:
        """The checked value, while it is traced for the compiler."""
        refuse_misfits(self.__name__, self.signature.arrays, arrays)
        with jax.named_scope(self.__name__):
            if not (self.signature.by_blocks and self.signature.event_axes):
                return self._checked_value(arrays, keywords)
            batch = self.signature.batch_of(arrays[0].shape)
            return map_by_blocks(self._checked_value, batch, arrays, keywords)

    def _checked_value(self, arrays: Sequence[Array], keywords: Mapping[str, Any]) -> Array:
        """The value, NaN with a NaN gradient where an array or a number is outside its domain."""
        signature, dtype = self.signature, computing_dtype(*arrays)
        cast = signature.cast(arrays, dtype)
        numbers = cast_numbers(signature, keywords, arrays[0].shape, dtype)
        if signature.is_set:
            cast, numbers["where"] = self._count_elements(keywords.get("where"), cast)
        valid = all_in_domain(signature, cast, numbers)
        if not signature.first.unchecked:
            # In the input too: no gradient leads back to logits that no label points at.
            cast[0] = nan_gradient(cast[0], valid)
        value = self._value(cast, numbers)
        inside = expand_trailing(valid, value.ndim)
        known = inside if signature.elementwise else inside & ~jnp.isnan(value)
        return jnp.where(inside, nan_gradient(value, known), jnp.nan)

    def _count_elements(
        self, where: Array | None, arrays: Sequence[Array]
    ) -> tuple[list[Array], Array]:
        """The arrays, harmless where elements do not count, and which do, one entry for each."""
        signature, shape = self.signature, self.signature.elements_of(arrays[0].shape)
        if where is None:
            beyond = tuple(range(len(shape), arrays[0].ndim))
            like = jnp.any(arrays[0], axis=beyond)  # has the sharding of the elements
            return list(arrays), jnp.ones_like(like)
        mask = as_mask(signature.name, as_array(where), *signature.mask_shapes(arrays, shape))
        filled = signature.fill_masked(mask, arrays)
        return list(filled), mask if mask.ndim == len(shape) else broadcast_prefix(mask, shape)

    def _value(self, arrays: Sequence[Array], numbers: Mapping[str, Any]) -> Array:
        """The value, once it is one number an example, or where a set is one, an element."""
        value, leader = self.compute(*arrays, **numbers), arrays[0].shape
        if not isinstance(value, (Array, np.ndarray, np.generic, float, int)):
            size = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
            got = f"a {type(value).__name__}{size}"
            message = "a loss returns one array, which is what is minimised"
            raise TypeError(f"{self.__name__}: {message}; compute the rest beside it, got {got}")
        batch, shape = self.signature.batch_of(leader), np.shape(value)
        if shape != batch and not (
            self.signature.is_set and shape == self.signature.elements_of(leader)
        ):
            raise ValueError(
                f"{self.__name__}: a loss returns one value for each example, here of shape "
                f"{batch}, got {shape}; sum over the axes of one example, and leave the batch to "
                "the reduction of an Objective"
            )
        return value


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
        signature = Signature.of(rho, {"predictions": Real, "targets": Real})
        return Distance(rho, signature, Facts(**facts))

    return decorate


def margin(
    *bare: object, **facts: Any
) -> Callable[[Callable[Concatenate[Array, P], Array]], Margin[P]]:
    """Make a loss of `(scores, labels)` of a function psi of the margin.

    The arguments are those of `loss`.
    """
    _refuse_bare("margin", bare)

    def decorate(psi: Callable[Concatenate[Array, P], Array]) -> Margin[P]:
        signature = Signature.of(psi, {"scores": Score, "labels": Sign})
        return Margin(psi, signature, Facts(**facts))

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
