"""The description of a task: its data, model, outputs, metrics and default contenders."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxloss.compare.tasks.models import Model
from jaxloss.compare.tasks.optimizers import ADAM, Optimizer
from jaxloss.compare.tasks.outputs import Output

Generator = np.random.Generator


class DataSplit(NamedTuple):
    """A value for each part of the data: training, validation and test."""

    training: Any
    validation: Any
    test: Any


class Data(NamedTuple):
    """The arrays of a task for one seed, before noise.

    Attributes:
        inputs: Each [example, ...], ready for the model.
        targets: Each [example, ...].
        eligible: The indices of the training examples that are trained on.
    """

    inputs: DataSplit
    targets: DataSplit
    eligible: Any


@dataclass(frozen=True)
class Task:
    """A learning problem: data, noise, a model, and metrics that are none of the losses.

    Attributes:
        name: Its name on the command line.
        title: Its name in the report.
        story: Sentences on target and inputs, the source of the data and the split.
        noise: The kind of noise, such as "wrong labels".
        draw: Draws the data of a seed, with the same shapes for all seeds.
        corrupt: Adds noise to a fraction of the targets. Noise is nested: what is changed at one
            fraction is changed in the same way at every greater one.
        model: The model.
        output: The kind of predictions, with the losses that take them and the metrics.
        reference: The objective that all others are compared with, as an expression.
        contenders: The objectives of a default run, as expressions.
        control: The reference at other temperatures, as an expression; None where the reference
            depends on no temperature.
        levels: The noise levels of a default run.
        rates: The learning rates of a default run.
        overlap: Test over training examples where seeds split one data set; times the share that a
            seed draws of a larger one; 0 where each seed has new data; None where all seeds share
            the parts, so that nothing can be claimed on new data.
        convex: Whether the model is linear, so that a convex loss has the same minimum for all
            initial weights, and seeds differ in nothing but their data.
        optimizer: The optimizer, a function of the learning rate.
        batch: The number of examples per step.
        epochs: The number of passes over the training part in a default run.
    """

    name: str
    title: str
    story: str
    noise: str
    draw: Callable[[Generator], Data]
    corrupt: Callable[[np.ndarray[Any, Any], float, Generator], np.ndarray[Any, Any]]
    model: Model
    output: Output
    reference: str
    contenders: tuple[str, ...]
    control: str | None = None
    levels: tuple[float, ...] = (0.0, 0.4)
    # Three decades in steps of about √10: losses differ in the scale of their gradients, and Adam's
    # best rate still depends on the loss.
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
    overlap: float | None = 1 / 3
    convex: bool = False
    optimizer: Optimizer = ADAM
    batch: int = 64
    epochs: int = 20

    @functools.cached_property
    def example(self) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """The shapes and types of a batch of predictions and targets, to check losses with."""
        drawn = self.draw(np.random.default_rng(0)).targets.training
        # Shapes only: whether a loss fits is known before anything is computed.
        targets = jax.eval_shape(lambda x: x, drawn[: self.batch])
        return jax.ShapeDtypeStruct((len(targets), *self.output.shape), np.float32), targets
