"""Models: a linear one, and a perceptron with one hidden layer; initialised on the host."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array


class Layer(NamedTuple):
    """A dense layer: weights [inputs, outputs] and biases [outputs]."""

    weights: Any
    biases: Any

    @classmethod
    def initial(cls, generator: np.random.Generator, inputs: int, outputs: int) -> "Layer":
        """Initialise by He et al. (2015), arXiv:1502.01852: variance 2 / inputs, biases of 0."""
        weights = generator.normal(0, np.sqrt(2 / inputs), size=(inputs, outputs))
        return cls(weights.astype(np.float32), np.zeros(outputs, np.float32))

    def __call__(self, inputs: Array) -> Array:
        """Compute inputs @ weights + biases, [example, output]."""
        sums: Array = inputs @ self.weights + self.biases[None]
        return sums


@dataclass(frozen=True)
class Linear:
    """A linear model of flattened inputs, initialised to 0."""

    def initial(
        self, generator: np.random.Generator, inputs: tuple[int, ...], outputs: tuple[int, ...]
    ) -> Layer:
        """Initialise all weights to 0: a convex loss has the same minimum from any start."""
        del generator  # nothing is random
        size = (int(np.prod(inputs)), int(np.prod(outputs)))
        return Layer(np.zeros(size, np.float32), np.zeros(size[1], np.float32))

    def apply(self, parameters: Layer, inputs: Array, outputs: tuple[int, ...]) -> Array:
        """Predictions, [example, *outputs]."""
        return parameters(inputs).reshape(-1, *outputs)

    def __str__(self) -> str:
        return "a linear model"


@dataclass(frozen=True)
class Perceptron:
    """A perceptron with one hidden layer of rectifiers.

    Attributes:
        hidden: The width of the hidden layer.
    """

    hidden: int = 64

    def initial(
        self, generator: np.random.Generator, inputs: tuple[int, ...], outputs: tuple[int, ...]
    ) -> tuple[Layer, Layer]:
        """Initialise both layers."""
        return (
            Layer.initial(generator, int(np.prod(inputs)), self.hidden),
            Layer.initial(generator, self.hidden, int(np.prod(outputs))),
        )

    def apply(
        self, parameters: tuple[Layer, Layer], inputs: Array, outputs: tuple[int, ...]
    ) -> Array:
        """Predictions, [example, *outputs]."""
        inner, outer = parameters
        return outer(jax.nn.relu(inner(inputs))).reshape(-1, *outputs)

    def __str__(self) -> str:
        return f"a network with one hidden layer of {self.hidden} rectifiers"
