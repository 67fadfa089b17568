"""Optimizers as functions of a learning rate."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import jax
import optax

# Losses differ in the scale of their gradients, so a transformation that works for one may be too
# slow or too fast for another.
FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Optimizer:
    """An optimizer with its learning rate left open.

    Attributes:
        of_rate: Maps a learning rate to a transformation of gradients.
        says: A description for the report, as the end of a sentence.
        rates: The learning rates to choose from by default; None for those of the task.
    """

    of_rate: Callable[[Any], optax.GradientTransformation]
    says: str
    rates: tuple[float, ...] | None = None

    @classmethod
    def of(cls, optimizer: Any) -> Self:
        """Make one of a function of the learning rate or of a transformation.

        The updates of a transformation, which has a rate of its own, are multiplied by the rates.

        Raises:
            TypeError: It is neither.
        """
        if isinstance(optimizer, cls):
            return optimizer
        if isinstance(optimizer, optax.GradientTransformation):
            says = "an optimizer of your own, whose updates are multiplied by the rate"
            return cls(lambda rate: optax.chain(optimizer, optax.scale(rate)), says, FACTORS)
        if callable(optimizer):
            return cls(optimizer, getattr(optimizer, "__name__", "an optimizer of your own"))
        message = "an optax transformation, or a function of the learning rate that gives one, as "
        raise TypeError(f"compare: `optimizer` is {message}`optax.adam`; got {optimizer!r}")

    def __call__(self, rate: Any) -> optax.GradientTransformationExtraArgs:
        """The transformation at a rate, which may be traced if `traceable`.

        It takes the `value` of the loss, as `optax.contrib.reduce_on_plateau` asks for.
        """
        made = self.of_rate(rate)
        if isinstance(made, optax.GradientTransformationExtraArgs):
            return made
        return optax.GradientTransformationExtraArgs(
            made.init, lambda updates, state, params=None, **_: made.update(updates, state, params)
        )

    @property
    def traceable(self) -> bool:
        """Whether rates can be arguments of a program; otherwise they are constants in it.

        Some schedules look at their rate: `optax.warmup_cosine_decay_schedule` asks if it is 0.
        """
        try:
            jax.eval_shape(lambda rate: self.of_rate(rate).init(0.0), 1e-3)
        except jax.errors.ConcretizationTypeError:
            return False
        return True

    def __str__(self) -> str:
        return self.says


ADAM = Optimizer(optax.adam, "Adam at a constant rate")
