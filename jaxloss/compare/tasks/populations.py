"""What theory says of a loss under noise: what it finds in a population, without a network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

import jaxloss as jl
from jaxloss.compare.quick_jit import quick_jit

_STEPS, _RATE, _TIE, _GROWTH = 3000, 0.01, 0.05, 1.03


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
        score_gap = float(quick_jit(self.score_gap)(objective, noise))
        if score_gap > _TIE:
            return "finds the class"
        return "ties all classes" if score_gap > -_TIE else "finds another class"

    def score_gap(self, objective: jl.Objective, noise: float) -> Array:
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
        return self.says(float(quick_jit(self.location)(objective, noise)))

    def location(self, objective: jl.Objective, noise: float) -> Array:
        """The best of closely spaced predictions."""
        levels = _levels(400)
        targets = jnp.asarray(np.concatenate([ndtri(levels), 5 + 10 * levels]), jnp.float32)
        weights = jnp.repeat(jnp.array([1 - noise, noise]), 400)
        candidates = jnp.linspace(-3.0, 15.0, 1801)

        def value(at: Array) -> Array:
            return objective(jnp.full_like(targets, at), targets, weights=weights)

        return candidates[jnp.argmin(jax.lax.map(value, candidates, batch_size=64))]


@dataclass(frozen=True)
class Tails:
    """A standard normal distribution, with Cauchy's added to a fraction, as in the data."""

    def predicted(self, objective: jl.Objective, noise: float) -> str:
        """By how much the location that is found in n targets varies, n being large.

        A variance that grows with how much of the tails is seen is taken for infinite.
        """
        displacement, some = self.moments(objective, noise, 250)
        if abs(displacement) > _TIE:
            return "does not seek the centre"
        _, more = self.moments(objective, noise, 1000)
        return (
            f"varies by {more:.2f}/√n deviations" if more < _GROWTH * some else "varies unbounded"
        )

    def moments(self, objective: jl.Objective, noise: float, quantiles: int) -> tuple[float, float]:
        """How far the location is from the centre, about, and its deviation times √n.

        The latter is the root of E ψ² over |E ψ'|, with ψ the slope of the loss.

        References:
            Huber (1964), Robust estimation of a location parameter, doi:10.1214/aoms/1177703732.
        """
        clean, steps = ndtri(_levels(4000)), np.array([-0.1, 0.0, 0.1])
        far = np.add.outer(ndtri(_levels(50)), np.tan(np.pi * (_levels(quantiles) - 0.5))).ravel()
        targets = jnp.asarray(np.concatenate([clean, far]), jnp.float32)
        weights = np.repeat([(1 - noise) / clean.size, noise / far.size], [clean.size, far.size])

        def gradients(at: Array) -> Array:
            gradient: Array = jax.grad(objective)(jnp.full_like(targets, at), targets)
            return gradient * targets.size

        found = np.asarray(jax.lax.map(gradients, jnp.asarray(steps, jnp.float32)), np.float64)
        below, force, above = found @ weights
        rate = (above - below) / (steps[-1] - steps[0])
        return -force / rate, np.sqrt(np.square(found[1]) @ weights) / abs(rate)


def displaced(location: float) -> str:
    """How far outliers move a location."""
    return f"is off by {abs(location):.2f} deviations"


def covering(location: float) -> str:
    """How much of clean data lies below a location."""
    return f"covers {ndtr(location):.0%} of clean data"


def _levels(count: int) -> NDArray[np.float64]:
    """Levels of evenly spaced quantiles."""
    return (np.arange(count) + 0.5) / count


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
