"""Parser of objectives on the command line, such as `0.7*huber(delta=0.1..10) + 0.3*log_cosh`."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
from lark import Lark, Token, Transformer, UnexpectedInput
from lark.exceptions import VisitError

import jaxloss as jl
from jaxloss.catalog import called_here, public_losses
from jaxloss.compare.sweep.space import Axis
from jaxloss.compare.tasks.outputs import Fitted, Output
from jaxloss.hints import nearest

_WEIGHT = "weight"  # the factor of a term; no hyper-parameter of a loss has this name
MAX_COMBINATIONS = 64  # each is trained at several seeds, levels of noise and learning rates

# A NUMBER may end in a point, but not where another point follows: `1..2` is an interval from 1.
_GRAMMAR = Lark(
    r"""
    total: [SIGN] term (SIGN term)*
    term: [factor "*"] loss
    factor: NUMBER [".." NUMBER] | "[" NUMBER ("," NUMBER)* "]" -> factors
    loss: NAME ["(" [argument ("," argument)*] ")"]
    argument: NAME "=" (interval | several | number)
    interval: number ".." number
    several: "[" number ("," number)* "]"
    number: [SIGN] NUMBER

    SIGN: "+" | "-"
    NAME: /[A-Za-z_][A-Za-z_0-9]*/
    NUMBER: /(\d+\.(?!\.)\d*|\.?\d+)([eE][+-]?\d+)?/
    %ignore /\s+/
    """,
    start="total",
    parser="lalr",
)
# The terminals, by the names that Lark gives them, in the words of messages.
_SAYS = {
    "SIGN": "a sign",
    "NAME": "a name",
    "NUMBER": "a number",
    "STAR": "'*'",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "COMMA": "','",
    "EQUAL": "'='",
    "__ANON_0": "'..'",
    "$END": "the end",
}


class ExpressionError(ValueError):
    """A mistake in an expression; the message shows the text with a pointer below the place."""

    def __init__(self, text: str, column: int, message: str) -> None:
        super().__init__(f"{message}\n  {text}\n  {' ' * (column - 1)}^")
        self.column = column


@dataclass(frozen=True)
class Variant:
    """An objective at one combination of its tuned hyper-parameters.

    Attributes:
        hyperparameters: The tuned hyper-parameters by name.
        objective: The objective.
    """

    hyperparameters: Mapping[str, float]
    objective: jl.Objective


@dataclass(frozen=True)
class Expression:
    """A parsed expression: an objective with some of its hyper-parameters left open.

    Attributes:
        axes: The hyper-parameters that are tuned.
        build: Maps a value for each axis to the objective.
        tempered: Whether it depends on a temperature.
    """

    axes: tuple[Axis, ...]
    build: Callable[[Sequence[float]], jl.Objective]
    tempered: bool = False

    @property
    def variants(self) -> list[Variant]:
        """The objective at every combination of the values that are tried at first."""
        names = [axis.name for axis in self.axes]
        return [
            Variant(dict(zip(names, values, strict=True)), self.build(values))
            for values in itertools.product(*(axis.values for axis in self.axes))
        ]


@dataclass(frozen=True)
class _Term:
    """A term of a sum: a loss, with the values to try of its weight and each hyper-parameter."""

    weight: Axis
    name: str
    fitted: Fitted
    arguments: Mapping[str, Axis]
    sign: int = 1


def parse_expression(text: str, output: Output, temperatures: Sequence[float] = ()) -> Expression:
    """Parse an expression.

    `a..b` is a range, of which five values are tried at first, and `[a, b, c]` is these values; see
    `Axis`.

    Args:
        text: A sum of losses of the catalog, each with an optional factor and hyper-parameters.
        output: The predictions and targets that the losses are adapted to.
        temperatures: Temperatures to try if the expression is a single loss that depends on one
            and does not name it.

    Raises:
        ExpressionError: The text is no such sum; or a loss, a hyper-parameter or a value is unknown
            or invalid.
    """
    try:
        terms = _Builder(text, output).transform(_GRAMMAR.parse(text))
    except UnexpectedInput as error:
        raise ExpressionError(text, _column(error, text), _unexpected(error, text)) from None
    except VisitError as error:  # in which Lark wraps what `_Builder` raises
        raise error.orig_exc from None
    tempered = any(term.fitted.tempered for term in terms)
    # The terms of a sum may need different temperatures, which are only tried where they are given.
    if temperatures and tempered and len(terms) == 1:
        tried = {"temperature": Axis("temperature", tuple(temperatures))}
        terms = [replace(terms[0], arguments=tried | terms[0].arguments)]
    axes = tuple(axis for _, _, axis in _open(terms))
    combinations = math.prod(len(axis.values) for axis in axes)
    if combinations > MAX_COMBINATIONS:
        message = f"{combinations} combinations of hyper-parameters are too many, at most "
        raise ExpressionError(text, 1, f"{message}{MAX_COMBINATIONS}")
    if len({axis.name for axis in axes}) < len(axes):
        raise ExpressionError(text, 1, "two ranges have the same name: the terms are of one loss")
    return Expression(axes, functools.partial(_objective, terms), tempered)


def _open(terms: Sequence[_Term]) -> Iterator[tuple[int, str, Axis]]:
    """Yield the axes of several values, each with the index of its term and its keyword."""
    for index, term in enumerate(terms):
        for keyword, axis in {_WEIGHT: term.weight, **term.arguments}.items():
            if len(axis.values) > 1:
                name = keyword if len(terms) == 1 else f"{term.name}.{keyword}"
                yield index, keyword, replace(axis, name=name)


def _objective(terms: Sequence[_Term], values: Sequence[float]) -> jl.Objective:
    """The objective at a value for each axis of several."""
    arguments = [
        {_WEIGHT: term.weight.values[0]} | {n: axis.values[0] for n, axis in term.arguments.items()}
        for term in terms
    ]
    for (index, keyword, _), value in zip(_open(terms), values, strict=True):
        arguments[index][keyword] = value
    parts = [
        term.sign * hyper.pop(_WEIGHT) * jl.Objective(term.fitted.function, **dict[str, Any](hyper))
        for term, hyper in zip(terms, arguments, strict=True)
    ]
    return sum(parts[1:], start=parts[0])


class _Builder(Transformer[Token, Any]):
    """Visitor that turns the syntax tree into terms and locates mistakes of meaning.

    Each method handles the rule of the grammar that has its name.
    """

    def __init__(self, text: str, output: Output) -> None:
        super().__init__()
        self.text, self.output = text, output

    def number(self, children: list[Any]) -> float:
        sign, digits = children
        return -float(digits) if sign == "-" else float(digits)

    def interval(self, children: list[float]) -> tuple[float, ...]:
        return tuple(children)

    def several(self, children: list[float]) -> list[float]:
        return children

    def argument(self, children: list[Any]) -> tuple[Token, Any]:
        name, value = children
        return name, value

    def loss(self, children: list[Any]) -> _Term:
        name, *arguments = children
        fitted = self._fitted(name)
        axes: dict[str, Axis] = {}
        for argument in filter(None, arguments):
            keyword, value = argument
            if keyword in axes:
                self._fail(keyword, f"{keyword} is given twice")
            axes[str(keyword)] = self._axis(name, keyword, value, fitted)
        return _Term(Axis(_WEIGHT, (1.0,)), str(name), fitted, axes)

    def factor(self, children: list[Token | None]) -> Axis:
        low, high = children
        if high is None:
            return Axis(_WEIGHT, (float(low or 1),))
        return Axis.between(_WEIGHT, float(low or 0), float(high), _is_positive)

    def factors(self, children: list[Token]) -> Axis:
        return Axis(_WEIGHT, tuple(map(float, children)))

    def term(self, children: list[Any]) -> _Term:
        weight, loss = children
        weighted: _Term = loss if weight is None else replace(loss, weight=weight)
        return weighted

    def total(self, children: list[Any]) -> list[_Term]:
        signed = zip(children[::2], children[1::2], strict=True)
        return [_negated(term) if sign == "-" else term for sign, term in signed]

    def _fitted(self, name: Token) -> Fitted:
        known = public_losses()
        loss = known.get(self.output.aliases.get(name, name))
        if loss is None:
            ours = " or ".join(called_here(name))
            hint = nearest(name, [*known, *self.output.aliases]) or "; see `jaxloss list`"
            advice = f"; here there is {ours}" if ours else hint
            self._fail(name, f"no loss is called {str(name)!r}{advice}")
        try:
            return self.output.fit(loss)
        except TypeError as error:
            self._fail(name, str(error))

    def _axis(self, loss: Token, keyword: Token, value: Any, fitted: Fitted) -> Axis:
        item = fitted.hyperparameters.get(keyword)
        if item is None:
            names = ", ".join(fitted.hyperparameters) or "none"
            self._fail(keyword, f"{loss} has no {str(keyword)!r}; its hyper-parameters: {names}")
        domain = item.domain

        def contains(x: float) -> bool:
            return bool(domain.contains(np.asarray(x)))

        values = tuple(np.atleast_1d(value).tolist())
        wrong = [x for x in values if not contains(x)]
        if wrong:
            self._fail(keyword, f"{keyword} of {loss} is {domain.says}, not {wrong[0]:g}")
        if isinstance(value, tuple):
            low, high = value
            return Axis.between(str(keyword), low, high, contains)
        return Axis(str(keyword), values, contains=contains)

    def _fail(self, token: Token, message: str) -> NoReturn:
        raise ExpressionError(self.text, token.column or 1, message)


def _negated(term: _Term) -> _Term:
    return replace(term, sign=-term.sign)


def _is_positive(x: float) -> bool:
    return 0 < x < math.inf


def _column(error: UnexpectedInput, text: str) -> int:
    # Lark has no column for the end of the text.
    ended = getattr(getattr(error, "token", None), "type", "") == "$END"
    return len(text) + 1 if ended else error.column


def _unexpected(error: UnexpectedInput, text: str) -> str:
    position = _column(error, text) - 1
    actual = f"{text[position]!r}" if position < len(text) else "the end"
    names = sorted(getattr(error, "accepts", None) or getattr(error, "allowed", None) or ())
    wanted = " or ".join(_SAYS.get(name, name) for name in names)
    return f"{wanted} is wanted here, not {actual}"
