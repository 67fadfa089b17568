"""Theory: what minimises the expected loss over a noisy population, without data or network."""

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

# Adam's rate falls from 0.1 to 0 along a cosine. Score gaps then agree with those that are known in
# closed form to 0.002, which tests/test_compare.py requires.
_STEPS = 3000
_RATE = 0.1
# A gap between scores, or a displacement in deviations, below this counts as none: it is well above
# what descent and quadrature leave, and too small for a network to show.
_TIE = 0.05
# Four times as many quantiles of the tails nearly double the deviation of a mean, as the outermost
# of n quantiles of Cauchy's distribution lies near 2 n / pi. They hardly change that of a robust
# location.
_GROWTH = 1.03


class Population(Protocol):
    """A distribution of targets, over which the expected loss of a prediction is minimised."""

    def predicted(self, objective: jl.Objective, noise: float) -> str:
        """Return what minimises the expected loss at a level of noise, as the end of a sentence."""


@dataclass(frozen=True)
class Labels:
    """Labels of a single true class, a fraction of them wrong and uniform over the other classes.

    Attributes:
        classes: The number of classes.
        single: Whether a prediction is a single score, as it may be for two classes.
    """

    classes: int
    single: bool = False

    def predicted(self, objective: jl.Objective, noise: float) -> str:
        """Return whether the true class has the greatest score at the minimum, in words."""
        score_gap = float(quick_jit(self.score_gap)(objective, noise))
        if score_gap > _TIE:
            return "finds the class"
        return "ties all classes" if score_gap > -_TIE else "finds another class"

    def score_gap(self, objective: jl.Objective, noise: float) -> Array:
        """The score of the true class less the greatest other, after descent from equal scores."""
        labels = jnp.arange(self.classes)
        weights = jnp.where(labels == self.classes - 1, 1 - noise, noise / (self.classes - 1))
        scores = _descend(
            objective, jnp.zeros(() if self.single else self.classes), labels, weights
        )
        return scores if self.single else scores[-1] - scores[:-1].max()


@dataclass(frozen=True)
class Numbers:
    """A standard normal distribution with a fraction of outliers 5 to 15 deviations above the mean.

    These are the outliers of `sampling.contaminated`.

    Attributes:
        says: Maps the best prediction, in deviations, to words.
    """

    says: Callable[[float], str]

    def predicted(self, objective: jl.Objective, noise: float) -> str:
        """Return where the expected loss is least, in words."""
        return self.says(float(quick_jit(self.location)(objective, noise)))

    def location(self, objective: jl.Objective, noise: float) -> Array:
        """The best prediction on a grid of spacing 0.01, from -3 to the largest outliers.

        The expectation of a bounded loss may have several minima, so descent might end in another.
        """
        levels = _levels(400)
        targets = jnp.asarray(np.concatenate([ndtri(levels), 5 + 10 * levels]), jnp.float32)
        weights = jnp.repeat(jnp.array([1 - noise, noise]), 400)
        candidates = jnp.linspace(-3.0, 15.0, 1801)

        def value(at: Array) -> Array:
            return objective(jnp.full_like(targets, at), targets, weights=weights)

        return candidates[jnp.argmin(jax.lax.map(value, candidates, batch_size=64))]


@dataclass(frozen=True)
class Tails:
    """A standard normal distribution with Cauchy errors added to a fraction of the targets.

    These are the errors of `sampling.heavy_tailed`.
    """

    def predicted(self, objective: jl.Objective, noise: float) -> str:
        """Return the asymptotic deviation of the location fitted to n targets, in words.

        A deviation that grows with the number of quantiles of the tails counts as infinite.
        """
        displacement, some = self.moments(objective, noise, 250)
        if abs(displacement) > _TIE:
            return "does not seek the centre"
        _, more = self.moments(objective, noise, 1000)
        return (
            f"varies by {more:.2f}/√n deviations" if more < _GROWTH * some else "varies unbounded"
        )

    def moments(self, objective: jl.Objective, noise: float, quantiles: int) -> tuple[float, float]:
        """The displacement of the location, to first order, and its deviation times √n.

        The deviation of an M-estimator is √(E ψ²) / |E ψ'|, with ψ the derivative of the loss.

        References:
            Huber (1964), Robust estimation of a location parameter, doi:10.1214/aoms/1177703732.
        """
        # E ψ' is a central difference of E ψ: ψ' itself is 0 almost everywhere for |r|.
        clean, steps = ndtri(_levels(4000)), np.array([-0.1, 0.0, 0.1])
        far = np.add.outer(ndtri(_levels(50)), np.tan(np.pi * (_levels(quantiles) - 0.5))).ravel()
        targets = jnp.asarray(np.concatenate([clean, far]), jnp.float32)
        weights = np.repeat([(1 - noise) / clean.size, noise / far.size], [clean.size, far.size])

        def gradients(at: Array) -> Array:
            gradient: Array = jax.grad(objective)(jnp.full_like(targets, at), targets)
            return gradient * targets.size  # an objective is a mean over the targets

        psi = np.asarray(jax.lax.map(gradients, jnp.asarray(steps, jnp.float32)), np.float64)
        below, force, above = psi @ weights
        curvature = (above - below) / (steps[-1] - steps[0])
        return -force / curvature, np.sqrt(np.square(psi[1]) @ weights) / abs(curvature)


def displaced(location: float) -> str:
    """Return how far outliers move a location, in words."""
    return f"is off by {abs(location):.2f} deviations"


def covering(location: float) -> str:
    """Return the share of clean data below a location, in words."""
    return f"covers {ndtr(location):.0%} of clean data"


def _levels(count: int) -> NDArray[np.float64]:
    """The levels (i + 1/2) / n of n evenly spaced quantiles."""
    return (np.arange(count) + 0.5) / count


def _descend(objective: jl.Objective, start: Array, targets: Array, weights: Array) -> Array:
    """Minimise the weighted mean loss over one prediction for all targets, by Adam."""
    optimizer = optax.adam(optax.cosine_decay_schedule(_RATE, _STEPS))

    def value(prediction: Array) -> Array:
        shared = jnp.broadcast_to(prediction, (*targets.shape, *prediction.shape))
        return objective(shared, targets, weights=weights)

    def step(_: Array, state: Any) -> Any:
        prediction, moments = state
        updates, moments = optimizer.update(jax.grad(value)(prediction), moments)
        return optax.apply_updates(prediction, updates), moments

    final: Array = jax.lax.fori_loop(0, _STEPS, step, (start, optimizer.init(start)))[0]
    return final
