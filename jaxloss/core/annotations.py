"""The domains in the annotations of a function that becomes a loss, and errors in them."""

import inspect
import typing
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, TypeVar

from jaxloss.core.domains import ArrayDomain, HyperDomain

Kind = TypeVar("Kind", ArrayDomain, HyperDomain)
Function = Callable[..., Any]

_UNKNOWN = (NameError, SyntaxError, AttributeError, TypeError)


def domain_in(annotation: Any, kind: type[Kind]) -> Kind | None:
    """The domain of this kind in an annotation, also in one that allows `None`."""
    inner = getattr(annotation, "__metadata__", None) or typing.get_args(annotation)
    domains = (x if isinstance(x, kind) else domain_in(x, kind) for x in inner)
    return next(filter(None, domains), None)


def domains_of(annotations: Mapping[str, Any]) -> dict[str, ArrayDomain]:
    """The domains of arrays, by name, of the annotations that hold them."""
    domains = {name: domain_in(hint, ArrayDomain) for name, hint in annotations.items()}
    return {name: domain for name, domain in domains.items() if domain is not None}


def array_domains(function: Function) -> dict[str, ArrayDomain]:
    """The domains of the arrays that the function takes, which are its positional parameters."""
    arrays = _positional(function)
    if not arrays:
        example = f"`def {function.__name__}(predictions: Real, targets: Real)`"
        raise _error(function, f"takes no array; write its arrays first, as {example}")
    wanted = (
        "is an array; annotate it with a domain of arrays from jaxloss.core.domains, as `{}: Real`"
    )
    return {p.name: _domain(function, p, ArrayDomain, wanted.format(p.name)) for p in arrays}


def refuse_several_arrays(function: Function) -> None:
    """Raise if the function takes anything else by position than one array."""
    names = [p.name for p in _positional(function)]
    if len(names) != 1:
        message = (
            f"takes one array by position, got ({', '.join(names)}); write hyper-parameters after "
            "`*`, as `(x, *, c: Positive = 1.0)`, or use `jl.loss` for a function of several arrays"
        )
        raise _error(function, message)


def hyper_domains(function: Function) -> dict[str, tuple[HyperDomain, Any]]:
    """The domains and defaults of the hyper-parameters, which are given by keyword."""
    keywords = [p for p in _parameters(function) if p.kind is p.KEYWORD_ONLY and p.name != "where"]
    wanted = (
        "is a hyper-parameter; annotate it with a domain of numbers from jaxloss.core.domains, as "
        "`{}: Positive = 1.0`"
    )
    domains = {p.name: _domain(function, p, HyperDomain, wanted.format(p.name)) for p in keywords}
    for p in keywords:
        if p.default is p.empty:
            example = f"`{p.name}: {domains[p.name].name} = 1.0`, or None for what may be absent"
            raise _error(function, f"`{p.name}` has no default; give it one, as {example}")
    return {p.name: (domains[p.name], p.default) for p in keywords}


def takes_where(function: Function) -> bool:
    """Whether the function takes the mask of the elements of a set."""
    return any(p.name == "where" for p in _parameters(function))


def _positional(function: Function) -> list[inspect.Parameter]:
    positional = [p for p in _parameters(function) if p.kind is not p.KEYWORD_ONLY]
    for p in positional:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            example = "as `(predictions: Real, targets: Real, *, c: Positive = 1.0)`"
            raise _error(function, f"`{p}` stands for any arguments; name each, {example}")
        if p.default is not p.empty:
            example = f"as `*, {p.name}: Positive = 1.0`"
            message = (
                f"`{p.name}` has a default, which only hyper-parameters have; they stand after"
            )
            raise _error(function, f"{message} `*`, {example}")
    return positional


def _parameters(function: Function) -> list[inspect.Parameter]:
    if not callable(function) or not hasattr(function, "__name__"):
        message = "is made of a function that is defined by `def`"
        raise TypeError(f"A loss {message}, got {function!r:.80}")
    return list(inspect.signature(function).parameters.values())


def _domain(
    function: Function, parameter: inspect.Parameter, kind: type[Kind], wanted: str
) -> Kind:
    annotation = _resolved(function, parameter)
    domain = domain_in(annotation, kind)
    if domain is None:
        bare = annotation is parameter.empty
        got = "no annotation" if bare else f"`{inspect.formatannotation(annotation)}`"
        raise _error(function, f"`{parameter.name}` {wanted}, got {got}")
    return domain


def _resolved(function: Function, parameter: inspect.Parameter) -> Any:
    """The annotation, evaluated if it is a string."""
    # With `from __future__ import annotations` all of them are strings. Only this one is evaluated:
    # others may name what is imported under `TYPE_CHECKING` alone.
    text = parameter.annotation
    if not isinstance(text, str):
        return text
    holder, known = SimpleNamespace(__annotations__={parameter.name: text}), _names_around(function)
    try:
        hints = typing.get_type_hints(holder, known, include_extras=True)
    except _UNKNOWN as error:
        message = f"the annotation `{parameter.name}: {text}` cannot be read: {error}"
        raise _error(function, f"{message}; import what it names at the top of the file") from error
    return hints[parameter.name]


def _names_around(function: Function) -> dict[str, Any]:
    """The names in scope where the function is defined, also inside another that still runs."""
    # A string annotation in a nested function may name locals of the outer one, which only the
    # frame of its running call has.
    bare = inspect.unwrap(function)
    known = getattr(bare, "__globals__", {})
    outer = bare.__qualname__.rpartition(".<locals>.")[0].rpartition(".")[2]
    frame = inspect.currentframe() if outer else None
    while frame is not None:
        if frame.f_globals is known and frame.f_code.co_name == outer:
            return {**known, **frame.f_locals}
        frame = frame.f_back
    return dict(known)


def _error(function: Function, message: str) -> TypeError:
    return TypeError(f"{function.__name__}: {message}")
