"""What theory says of a loss under noise: what it finds in a population, without a network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from scipy.special import ndtr, ndtri

import jaxloss as jl

_STEPS, _RATE, _TIE = 3000, 0.01, 0.05


class Population(Protocol):
    """A distribution of targets whose best constant prediction is known."""

    def predicted(self, objective: jl.Objective, noise: float) -> str:
        """What the objective finds in it at a level of noise, as the end of a sentence."""


@dataclass(frozen=True)
class Labels:
    """One class, of which a fraction is labelled with each of the others alike.

    Attributes:
        classes: How many; for two, a prediction may be a single score.
        single: Whether it is.
    """

    classes: int
    single: bool = False

    def predicted(self, objective: jl.Objective, noise: float) -> str:
        """Whether the class has the greatest score where the expected loss is least."""
        lead = float(self.lead(objective, noise))
        if lead > _TIE:
            return "finds the class"
        return "ties all classes" if lead > -_TIE else "finds another class"

    def lead(self, objective: jl.Objective, noise: float) -> Array:
        """The score of the class less its best rival's, after descent from equal scores."""
        labels = jnp.arange(self.classes)
        weights = jnp.where(labels == self.classes - 1, 1 - noise, noise / (self.classes - 1))
        scores = _descend(
            objective, jnp.zeros(() if self.single else self.classes), labels, weights
        )
        return scores if self.single else scores[-1] - scores[:-1].max()


@dataclass(frozen=True)
class Numbers:
    """A standard normal distribution, and outliers 5 to 15 deviations above, as in the data.

    Attributes:
        says: From where the prediction lies, in deviations, to words.
    """

    says: Callable[[float], str]

    def predicted(self, objective: jl.Objective, noise: float) -> str:
        """Where the expected loss is least."""
        return self.says(float(self.location(objective, noise)))

    def location(self, objective: jl.Objective, noise: float) -> Array:
        """The best of closely spaced predictions."""
        levels = (np.arange(400) + 0.5) / 400
        targets = jnp.asarray(np.concatenate([ndtri(levels), 5 + 10 * levels]), jnp.float32)
        weights = jnp.repeat(jnp.array([1 - noise, noise]), 400)
        candidates = jnp.linspace(-3.0, 15.0, 1801)

        def value(at: Array) -> Array:
            return objective(jnp.full_like(targets, at), targets, weights=weights)

        return candidates[jnp.argmin(jax.lax.map(value, candidates, batch_size=64))]


def displaced(location: float) -> str:
    """How far outliers move a location."""
    return f"is off by {abs(location):.2f} deviations"


def covering(location: float) -> str:
    """How much of clean data lies below a location."""
    return f"covers {ndtr(location):.0%} of clean data"


def _descend(objective: jl.Objective, start: Array, targets: Array, weights: Array) -> Array:
    """Where Adam leads from a prediction that all targets share."""
    optimizer = optax.adam(optax.cosine_decay_schedule(10 * _RATE, _STEPS))

    def value(prediction: Array) -> Array:
        shared = jnp.broadcast_to(prediction, (*targets.shape, *prediction.shape))
        return objective(shared, targets, weights=weights)

    def step(_: Array, state: Any) -> Any:
        prediction, moments = state
        updates, moments = optimizer.update(jax.grad(value)(prediction), moments)
        return optax.apply_updates(prediction, updates), moments

    final: Array = jax.lax.fori_loop(0, _STEPS, step, (start, optimizer.init(start)))[0]
    return final
