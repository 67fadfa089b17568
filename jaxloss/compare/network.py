"""The network that every loss trains: one hidden layer, drawn on the host."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

HIDDEN = 64


class Parameters(NamedTuple):
    """Weights [inputs, outputs] and biases [outputs] of both layers."""

    inner_weights: Any
    inner_biases: Any
    outer_weights: Any
    outer_biases: Any


def initial(generator: np.random.Generator, inputs: int, outputs: int) -> Parameters:
    """Weights that keep the variance through the rectifier (He et al. 2015), biases of 0."""
    return Parameters(
        inner_weights=_normal(generator, inputs, HIDDEN),
        inner_biases=np.zeros(HIDDEN, np.float32),
        outer_weights=_normal(generator, HIDDEN, outputs),
        outer_biases=np.zeros(outputs, np.float32),
    )


def logits(parameters: Parameters, images: Array) -> Array:
    """Scores of the classes, [example, class]."""
    hidden = jax.nn.relu(images @ parameters.inner_weights + parameters.inner_biases[None])
    scores: Array = hidden @ parameters.outer_weights + parameters.outer_biases[None]
    return scores


def _normal(generator: np.random.Generator, inputs: int, outputs: int) -> Any:
    return generator.normal(0, np.sqrt(2 / inputs), size=(inputs, outputs)).astype(np.float32)
