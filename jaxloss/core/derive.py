"""`derive`: losses made from losses, functions, names and counts.

A maker is a function from losses, functions, names and counts to a loss. It checks its arguments,
defines the bare function, and leaves to `derive` what all made losses have in common.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from jax import Array

from jaxloss.core.annotations import hyper_domains
from jaxloss.core.facts import Facts
from jaxloss.core.loss import Loss
from jaxloss.core.signature import HyperParameter, Signature

Made = TypeVar("Made", bound=Loss[...])

_PLAIN: Any = Loss  # `Any`, as type checkers reject the class as a default for any `Made`
_REST = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_made: dict[tuple[Any, ...], Any] = {}


def derive(
    maker: Callable[..., Any],
    *arguments: Any,
    function: Callable[..., Array],
    doc: str,
    facts: Facts | None = None,
    signature: Signature | None = None,
    kind: Callable[[Callable[..., Array], Any, Facts], Made] = _PLAIN,
    options: Mapping[str, Any] | None = None,
) -> Made:
    """Make a loss inside a maker, a function that is given losses and returns a loss.

        loss = maker(*arguments, **options)

    The loss is called `maker(arguments)`, as `one_vs_all(hinge)` is. The same maker and arguments
    give the same object each time, so that `jit` compiles it once. It is copied and pickled as the
    call of its maker, which `loss.made_by` holds.

    Args:
        maker: The maker itself, defined at the top of a module if the loss is to be pickled.
        *arguments: All that the maker was given: losses, functions, strings, whole numbers,
            tuples. An array, or what is learnt, is a hyper-parameter and not an argument.
        function: The formula: one value for each example of arrays that fit. Its positional
            parameters are annotated with domains, as for `jl.loss`; its keyword-only ones are
            hyper-parameters of its own; its `**hyperparameters` stand for those of all losses among
            the arguments.
        doc: What `help` shows: a sentence, the formula, Args and Returns.
        facts: What is known of the loss; by default nothing is claimed.
        signature: A signature in place of the function's annotations, such as that of another loss:
            its arrays are taken, and its hyper-parameters instead of those of the arguments, but
            not its name.
        kind: What makes the loss of the named function, its signature and its facts: `Loss`, or a
            subclass that calls the function with something else than the arrays.
        options: What the maker was given by keyword, and the name leaves out.

    Returns:
        The loss, of the class that `kind` makes.

    Raises:
        TypeError: An argument of the maker is missing or not hashable; or a parameter of the
            function is no array and no hyper-parameter by its place, annotation and default; or
            maker or function is no function.
        ValueError: Two losses, or a loss and the function, have a hyper-parameter of the same name;
            or a default is outside its domain.

    Use when a loss follows from another one, a function, or a count that is the program's length.
    Avoid when it follows from a number: a hyper-parameter changes without compiling again.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> from jaxloss.core.domains import PositiveReal
        >>> def of_logarithms(loss):
        ...     def function(predictions: PositiveReal, targets: PositiveReal, **hyperparameters):
        ...         return loss.compute(jnp.log(predictions), jnp.log(targets), **hyperparameters)
        ...     doc = f"`{loss.__name__}` of the logarithms of predictions and targets."
        ...     return jl.derive(of_logarithms, loss, function=function, doc=doc)
        >>> of_logarithms(jl.huber)
        <loss of_logarithms(huber)(predictions, targets, *, delta=1.0)>
        >>> of_logarithms(jl.huber) is of_logarithms(jl.huber)
        True
        >>> of_logarithms(jl.huber)([1.0, -1.0], [1.0, 1.0], delta=0.5).tolist()
        [0.0, nan]
    """
    for role, argument in (("maker", maker), ("function", function)):
        if not callable(argument) or not hasattr(argument, "__name__"):
            message = "is a function that is defined by `def`"
            raise TypeError(f"derive: `{role}` {message}, got {argument!r:.60}")
    key = _key(maker, arguments, options or {})
    if key in _made:
        known: Made = _made[key]
        return known
    _refuse_incomplete(maker, arguments, options or {})
    named = _named(function, maker, f"{maker.__name__}({', '.join(map(_title, arguments))})", doc)
    losses = [x.signature for x in arguments if isinstance(x, Loss)]
    loss = kind(named, _read(maker.__name__, named, signature, losses), facts or Facts())
    loss.made_by = functools.partial(maker, **options) if options else maker, arguments
    made: Made = _made.setdefault(key, loss)  # of two threads, the first
    return made


def hyperparameters_of(maker: str, *sources: Signature) -> dict[str, HyperParameter]:
    """The hyper-parameters of all signatures, none of which have one of the same name.

    Raises:
        ValueError: Two of them do.
    """
    merged: dict[str, HyperParameter] = {}
    for i, source in enumerate(sources):
        for other in sources[:i]:
            if shared := sorted(other.hyperparameters.keys() & source.hyperparameters.keys()):
                names = ", ".join(shared)
                raise ValueError(f"{maker}: {other.name} and {source.name} both have `{names}`")
        merged |= source.hyperparameters
    return merged


def _key(
    maker: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any]
) -> tuple[Any, ...]:
    """The key of a made loss: maker and arguments, with their types."""
    # 2 == 2.0 and True == 1 hash alike, but make losses of different names.
    for value in (*arguments, *options.values()):
        try:
            hash(value)
        except TypeError as error:
            message = (
                "is hashable, as equal ones give the same loss: a tuple in place of a list, and a "
                "hyper-parameter in place of an array"
            )
            raise TypeError(
                f"{maker.__name__}: each argument {message}, got {value!r:.60}"
            ) from error
    typed = ((type(x), x) for x in arguments)
    return maker, *typed, *((name, type(x), x) for name, x in sorted(options.items()))


def _refuse_incomplete(
    maker: Callable[..., Any], arguments: tuple[Any, ...], options: Mapping[str, Any]
) -> None:
    """Raise unless these are all arguments of the maker: else two losses would be taken for one."""
    signature = inspect.signature(maker)
    wanted = f"`derive` is given all arguments of {maker.__name__}{signature}, defaults too"
    try:
        bound = signature.bind(*arguments, **options).arguments
    except TypeError as error:
        raise TypeError(f"{maker.__name__}: {wanted}: {error}") from error
    named = {name: p for name, p in signature.parameters.items() if p.kind not in _REST}
    if missing := ", ".join(f"`{name}`" for name in named if name not in bound):
        raise TypeError(f"{maker.__name__}: {wanted}, and {missing} is missing")


def _title(argument: Any) -> str:
    """An argument as the name of a loss shows it."""
    if callable(argument):
        return str(getattr(argument, "__name__", type(argument).__name__))
    return repr(argument)


def _named(
    function: Callable[..., Array], maker: Callable[..., Any], name: str, doc: str
) -> Callable[..., Array]:
    """The same function under this name: itself it may be one that others use too."""

    @functools.wraps(function, updated=())  # a jitted function holds its name in its `__dict__`
    def named(*arrays: Array, **hyperparameters: Any) -> Array:
        return function(*arrays, **hyperparameters)

    named.__module__, named.__doc__ = maker.__module__, doc
    named.__name__ = named.__qualname__ = name
    return named


def _read(
    maker: str, function: Callable[..., Array], signature: Signature | None, losses: list[Signature]
) -> Signature:
    """The given signature, or that of the annotations, with all hyper-parameters."""
    new, parameters = hyper_domains(function), inspect.signature(function).parameters.values()
    passed_on = losses if any(p.kind is p.VAR_KEYWORD for p in parameters) else []
    sources = passed_on if signature is None else [signature]
    for source in sources:
        if taken := new.keys() & source.hyperparameters.keys():
            raise ValueError(f"{maker}: {source.name} has `{min(taken)}` already")
    inherited = hyperparameters_of(maker, *sources)
    if signature is None:
        _write_out(function, inherited)
        return Signature.of(function)
    added = {name: HyperParameter(*item) for name, item in new.items()}
    read = replace(signature, name=function.__name__, hyperparameters=inherited | added)
    read.validate({name: item.default for name, item in added.items()})
    return read


def _write_out(function: Callable[..., Array], inherited: Mapping[str, HyperParameter]) -> None:
    """Write each hyper-parameter that `**hyperparameters` stands for into the signature."""
    signature = inspect.signature(function)
    named = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    others = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=item.default,
            annotation=Annotated[Array, item.domain],
        )
        for name, item in inherited.items()
    ]
    parameters = sorted([*others, *named], key=lambda p: p.kind)
    vars(function).update(__signature__=signature.replace(parameters=parameters))
