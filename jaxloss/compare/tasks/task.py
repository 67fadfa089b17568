"""What a task is: data drawn for a seed, a model, what its predictions are, and who competes."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from jax import Array

from jaxloss.compare.tasks.outputs import Output

Generator = np.random.Generator


class DataSplit(NamedTuple):
    """Something for each part of the data."""

    training: Any
    validation: Any
    test: Any


class Data(NamedTuple):
    """The arrays of a task for one seed, before noise.

    Attributes:
        inputs: Each [example, ...], ready for the model.
        targets: Each [example, ...].
        eligible: The training examples that are trained on.
    """

    inputs: DataSplit
    targets: DataSplit
    eligible: Any


class Model(Protocol):
    """A network as two functions."""

    def initial(
        self, generator: Generator, inputs: tuple[int, ...], outputs: tuple[int, ...]
    ) -> Any:
        """The parameters before training, arrays of single precision, for examples so shaped."""

    def apply(self, parameters: Any, inputs: Array, outputs: tuple[int, ...]) -> Array:
        """Predictions, [example, *outputs]."""


@dataclass(frozen=True)
class Task:
    """Something to train on, and a measure of success that is none of the losses.

    Attributes:
        name: How the command line calls it.
        title: What it is, in a few words.
        story: What is predicted from what, where it comes from and how it is split: sentences.
        noise: What `--noise` makes a fraction of, as "wrong labels".
        draw: The data of a seed, of the same shapes for all seeds.
        corrupt: Targets with a fraction replaced by noise, which grows with the fraction: what is
            changed at one fraction is changed likewise at every greater one.
        model: What is trained.
        output: What the predictions are, which losses take them, and how they are measured.
        reference: The objective that all others are compared with, as an expression.
        contenders: Those that take part unless others are asked for.
        control: The reference at other temperatures, where that is of sense.
        levels: The noise of a default run.
        rates: The learning rates of a default run.
        overlap: Examples tested over examples trained on, where seeds split one data set anew; less
            by as much as they draw from a larger one, down to 0 where each seed has new data.
        batch: Examples a step.
        epochs: Passes over the training part in a default run.
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
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
    overlap: float = 1 / 3
    batch: int = 64
    epochs: int = 20

    @functools.cached_property
    def example(self) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
        """The shapes and types of a batch of predictions and of its targets."""
        drawn = self.draw(np.random.default_rng(0)).targets.training
        targets = jax.eval_shape(lambda x: x, drawn[: self.batch])
        return jax.ShapeDtypeStruct((len(targets), *self.output.shape), np.float32), targets
