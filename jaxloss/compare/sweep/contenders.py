"""The lineup: the objectives that are compared, each with the space of its hyper-parameters."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import jaxloss as jl
from jaxloss.compare.sweep.expression import Expression, parse_expression
from jaxloss.compare.sweep.space import Axis, Point, Space
from jaxloss.compare.tasks.task import Task
from jaxloss.core.loss import Loss

REPLICATE_SUFFIX = " (again)"
# A loss in any form that `compare` takes.
LossLike = str | Loss[Any] | jl.Objective | Callable[..., Array]
_WANTED = (
    "an expression as 'huber(delta=0.1..10)', a loss, an objective, or a function "
    "`(predictions, targets)` that gives one value per example"
)


@dataclass(frozen=True)
class Contender:
    """An objective that takes part, with a space of which validation data choose a point.

    Attributes:
        name: Its name in the results; for an expression, its text.
        expression: The objective with its tuned hyper-parameters left open.
        replicate: Whether it repeats the reference with each batch in reverse order: the same
            mathematics, rounded differently.
    """

    name: str
    expression: Expression
    replicate: bool = False

    @property
    def tempered(self) -> bool:
        """Whether it depends on a temperature, so that scale alone may explain a difference."""
        return self.expression.tempered

    def space(self, rates: Iterable[float], *, fine: bool = False) -> Space:
        """The space of its hyper-parameters and of learning rates; see `Space`."""
        return Space((*self.expression.axes, Axis.of_rates(rates)), fine)

    def objective(self, point: Point) -> jl.Objective:
        """The objective at a point of its space."""
        return self.expression.build(point[:-1])

    def hyperparameters(self, point: Point) -> dict[str, float]:
        """The tuned hyper-parameters at a point of its space, by name."""
        names = [axis.name for axis in self.expression.axes]
        return dict(zip(names, point[:-1], strict=True))


@dataclass(frozen=True)
class Lineup:
    """The contenders of a comparison.

    Attributes:
        contenders: The reference, the others in the order given, the replicate and the control.
        reference: The name of the contender that all others are compared with.
        control: The name of the reference with a tuned temperature, if it takes part.
    """

    contenders: tuple[Contender, ...]
    reference: str
    control: str | None

    @classmethod
    def of(
        cls,
        task: Task,
        losses: Iterable[LossLike] | Mapping[str, LossLike] = (),
        reference: str | None = None,
        temperatures: Sequence[float] = (),
        *,
        controlled: bool = True,
    ) -> "Lineup":
        """Assemble the lineup of these losses, or of the task's contenders if there are none.

        Args:
            task: The task.
            losses: Expressions, losses, objectives or functions; a mapping names them.
            reference: An expression, or the name of one of the losses; by default the task's.
            temperatures: Temperatures to try for every loss that depends on one, except the
                reference.
            controlled: Whether the reference at other temperatures takes part, where it says
                something.

        Raises:
            TypeError: One of the losses is no expression, loss, objective or function.
            ValueError: One of the losses does not fit the task, or two have the same name.
        """
        first = reference or task.reference
        named = _named(losses or task.contenders)
        compared = _contender(first, named.pop(first, first), task)
        others = [_contender(name, what, task, temperatures) for name, what in named.items()]
        everyone = [
            compared,
            *others,
            replace(compared, name=first + REPLICATE_SUFFIX, replicate=True),
        ]
        # A control only says something where another loss depends on a temperature, too.
        scaled = task.control if controlled and first == task.reference else None
        if scaled and any(contender.tempered for contender in others):
            everyone.append(_contender(scaled, named.get(scaled, scaled), task))
        # The reference and the control may be among the losses as well: one name, one contender.
        distinct = {contender.name: contender for contender in everyone}
        return cls(tuple(distinct.values()), first, scaled if scaled in distinct else None)

    @property
    def replicate(self) -> str:
        """The name of the reference's replicate."""
        return self.reference + REPLICATE_SUFFIX

    def __getitem__(self, name: str) -> Contender:
        return next(contender for contender in self.contenders if contender.name == name)


def _named(losses: Iterable[LossLike] | Mapping[str, LossLike]) -> dict[str, LossLike]:
    if isinstance(losses, Mapping):
        return {str(name): loss for name, loss in losses.items()}
    if isinstance(losses, str) or callable(losses):
        losses = [losses]
    if not isinstance(losses, Iterable):
        message = f"compare: `losses` are several, each {_WANTED}; got {losses!r}"
        raise TypeError(message)
    pairs = [(_name(loss), loss) for loss in losses]
    named = dict(pairs)
    # The same loss twice is harmless; two different ones of one name would hide one another.
    if len(named) < len({id(loss) for _, loss in pairs}):
        twice = next(name for i, (name, _) in enumerate(pairs) if name in dict(pairs[:i]))
        message = f"compare: two of `losses` are called {twice!r}; give a mapping to name them"
        raise ValueError(message)
    return named


def _name(loss: LossLike) -> str:
    if isinstance(loss, str):
        return " ".join(loss.split())
    return getattr(loss, "__name__", None) or repr(loss)


def _contender(
    name: str, loss: LossLike, task: Task, temperatures: Sequence[float] = ()
) -> Contender:
    return Contender(name, _expression(name, loss, task, temperatures))


def _expression(name: str, loss: LossLike, task: Task, temperatures: Sequence[float]) -> Expression:
    """Expand an expression or adapt a loss; an objective or a function is taken as it is."""
    if isinstance(loss, str):
        return parse_expression(loss, task.output, temperatures)
    if isinstance(loss, Loss):
        try:
            fitted = task.output.fit(loss)
        except TypeError as error:
            raise ValueError(f"compare: {error}") from error
        return _fixed(jl.Objective(fitted.function), tempered=fitted.tempered)
    if not callable(loss):
        message = f"compare: {name!r} of `losses` is {loss!r}; wanted is {_WANTED}"
        raise TypeError(message)
    objective = loss if isinstance(loss, jl.Objective) else jl.Objective(loss)
    _require_number(name, objective, task)
    return _fixed(objective)


def _fixed(objective: jl.Objective, *, tempered: bool = False) -> Expression:
    """The expression of an objective with nothing to tune."""
    return Expression((), lambda _: objective, tempered)


def _require_number(name: str, objective: jl.Objective, task: Task) -> None:
    """Refuse, before training, an objective that does not return one number for a batch."""
    predictions, targets = task.example
    arguments = (
        f"predictions {predictions.dtype}{list(predictions.shape)} and targets "
        f"{targets.dtype}{list(targets.shape)} ({task.output.says})"
    )
    try:
        value = jax.eval_shape(objective, predictions, targets)
    except (TypeError, ValueError, LookupError, AttributeError) as error:  # of a user's function
        message = f"compare: {name!r} cannot be trained on {arguments}: {error}"
        raise ValueError(message) from error
    if value.shape or not jnp.issubdtype(value.dtype, jnp.floating):
        message = (
            f"compare: {name!r} gives {value.dtype}{list(value.shape)} where one real number is "
            f"wanted; it was given {arguments}"
        )
        raise ValueError(message)
