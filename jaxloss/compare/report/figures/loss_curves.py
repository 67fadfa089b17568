"""Curves of the losses and of their derivatives for one example, against its prediction."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

import jaxloss as jl
from jaxloss.compare.quick_jit import quick_jit
from jaxloss.compare.report.figures.style import DASHED, INK, MUTED
from jaxloss.compare.report.quantities import minus
from jaxloss.compare.statistics.standings import Analysis
from jaxloss.compare.sweep.results import Floats, Results
from jaxloss.compare.tasks.outputs import Output
from jaxloss.core.domains import Sign

# Logits of -6 to 6 are probabilities of 0.25 % to 99.75 %; points are 0.1 apart, with one at 0.
_HALF_RANGE, _POINTS = 6.0, 121


class PredictionLine(NamedTuple):
    """A line in the space of predictions for one example, along which losses are drawn.

    Attributes:
        says: The coordinate along the line, in words.
        target: The target.
        start: The prediction at coordinate 0.
        direction: The change of the prediction per unit of the coordinate, from -6 to 6.
    """

    says: str
    target: Array
    start: Array
    direction: Array


class Profile(NamedTuple):
    """A loss and its derivative along a line of predictions, each [point]."""

    at: Floats
    values: Floats
    derivatives: Floats


def prediction_line(output: Output) -> PredictionLine | None:
    """The line along which losses of such predictions are drawn; None for losses of images."""
    if len(output.shape) == 1:
        start = jnp.zeros(output.shape)
        return PredictionLine("logit of the true class", jnp.int32(0), start, start.at[0].set(1.0))
    if output.shape:
        return None
    if Sign in output.targets:
        return PredictionLine(
            "logit where the label is 1", jnp.int32(1), jnp.float32(0), jnp.float32(1)
        )
    # A target that losses of relative errors can be divided by.
    return PredictionLine(
        "prediction less target, which is 1", jnp.float32(1), jnp.float32(1), jnp.float32(1)
    )


def profiles(results: Results, analysis: Analysis) -> dict[str, Profile]:
    """The profiles of all contenders, at the hyper-parameters chosen at the strongest noise.

    Empty where the task has no line of predictions.
    """
    line = prediction_line(results.plan.task.output)
    if line is None:
        return {}
    chosen = {
        standing.loss: results.objective(standing.loss, len(analysis.levels) - 1)
        for standing in analysis.levels[-1]
    }
    at = jnp.linspace(-_HALF_RANGE, _HALF_RANGE, _POINTS)
    # All contenders in one program: compiling takes most of the time.
    curves = quick_jit(lambda x: {name: _along(line, o, x) for name, o in chosen.items()})(at)
    return {name: Profile(np.asarray(at), *map(np.asarray, curves[name])) for name in chosen}


def draw_shape(axes: Axes, profile: Profile) -> None:
    """Draw the loss, scaled to 0 to 1, and dashed |derivative|, scaled to at most 1."""
    axes.plot(profile.at, _scaled(profile.values - np.nanmin(_finite(profile.values))), color=INK)
    axes.plot(profile.at, _scaled(np.abs(profile.derivatives)), color=MUTED, ls=DASHED, lw=1.2)
    axes.set(ylim=(-0.04, 1.06), yticks=[0, 1], xticks=[-_HALF_RANGE, 0, _HALF_RANGE])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: minus(f"{x:g}")))


def _along(line: PredictionLine, objective: jl.Objective, at: Array) -> tuple[Array, Array]:
    def value(x: Array) -> Array:
        prediction = line.start + x * line.direction
        result: Array = objective(prediction[None], line.target[None])
        return result

    # Forward mode gives value and derivative of all points in one pass.
    return jax.jvp(jax.vmap(value), (at,), (jnp.ones_like(at),))


def _scaled(values: Floats) -> Floats:
    greatest = np.nanmax(_finite(values))
    return _finite(values) / (greatest or 1.0)


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, np.nan)
