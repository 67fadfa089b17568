"""Models as two pure functions, and those of the built-in tasks: a linear one and a perceptron."""

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.numerics.trees import PyTree

# The names of a training flag, and its value in training.
FLAGS = {
    "training": True,
    "train": True,
    "is_training": True,
    "deterministic": False,
    "inference": False,
    "use_running_average": False,
}
_ROLES = {"state": "state", "key": "key", "rng": "key", **dict.fromkeys(FLAGS, "flag")}


class Weights(NamedTuple):
    """What a network consists of.

    Attributes:
        parameters: The arrays that the optimizer trains.
        state: The arrays that a call in training replaces, such as the statistics of batches.
    """

    parameters: PyTree
    state: PyTree = ()


@dataclass(frozen=True)
class Model:
    """A model as two pure functions, whose options are recognised by their names.

    Attributes:
        init: Maps a key, and inputs [example, ...] if it takes a second argument, to parameters; if
            `apply` takes a state, to a pair of parameters and state.
        apply: Maps parameters and inputs to predictions [example, ...]. It may also take, by these
            names: `state`, and then returns a pair of predictions and new state; `key` or `rng`, as
            for dropout; and whether it is in training: `training`, `train` or `is_training`, or the
            opposite as `deterministic`, `inference` or `use_running_average`.
        says: A description for the report.

    Raises:
        TypeError: `apply` takes no inputs, or an argument that is none of these.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxloss.compare import Model
        >>> def apply(weights, inputs, key, training):
        ...     kept = jax.random.bernoulli(key, 0.5, inputs.shape) | (not training)
        ...     return (inputs * kept) @ weights
        >>> model = Model(lambda key, inputs: jnp.zeros(inputs.shape[1:]), apply)
        >>> weights = model.initial(jax.random.key(0), jnp.ones((4, 3)))
        >>> model.predict(weights, jnp.ones((4, 3))).shape
        (4,)
    """

    init: Callable[..., PyTree]
    apply: Callable[..., PyTree]
    says: str = "a model of your own"

    def __post_init__(self) -> None:
        if "inputs" not in self._names:
            message = f"a model's `apply` takes parameters and inputs, not {self._signature}"
            raise TypeError(f"compare: {message}")

    def initial(self, key: Array, inputs: Array) -> Weights:
        """The weights before training, for inputs of the shape [example, ...]."""
        _, *others = inspect.signature(self.init).parameters
        # Statistics of batches, as of Haiku, exist after a call in training only.
        flags = {name: FLAGS[name] for name in others if name in FLAGS}
        wanted = [inputs] if others and others[0] not in FLAGS else []
        made = self.init(key, *wanted, **flags)
        return Weights(*made) if "state" in self._names else Weights(made)

    def train(self, weights: Weights, inputs: Array, key: Array) -> tuple[PyTree, PyTree]:
        """Predictions [example, ...] in training, and the new state."""
        return self._called(weights, inputs, key, training=True)

    def predict(self, weights: Weights, inputs: Array) -> PyTree:
        """Predictions [example, ...] outside of training."""
        # A model with dropout takes a key outside of training too, and does not use it.
        return self._called(weights, inputs, jax.random.key(0), training=False)[0]

    def mapped(self, function: Callable[[PyTree], PyTree]) -> "Model":
        """The model with a function applied to its predictions."""

        def init(key: Array, inputs: Array) -> tuple[PyTree, PyTree]:
            return tuple(self.initial(key, inputs))

        def apply(
            parameters: PyTree, inputs: Array, *, state: PyTree, key: Array, training: bool
        ) -> tuple[PyTree, PyTree]:
            weights = Weights(parameters, state)
            predictions, state = self._called(weights, inputs, key, training=training)
            return function(predictions), state

        return Model(init, apply, self.says)

    def __str__(self) -> str:
        return self.says

    def _called(
        self, weights: Weights, inputs: Array, key: Array, *, training: bool
    ) -> tuple[PyTree, PyTree]:
        given: dict[str, Any] = {"inputs": inputs, "state": weights.state, "key": key}
        names = self._names
        if "flag" in names:
            given["flag"] = FLAGS[names["flag"]] == training
        options = {name: given[role] for role, name in names.items()}
        made = self.apply(weights.parameters, **options)
        return made if "state" in names else (made, weights.state)

    @functools.cached_property
    def _names(self) -> dict[str, str]:
        """The names that `apply` has for inputs, state, key and flag, as far as it takes them."""
        _, *others = self._signature.parameters.values()
        roles = {_ROLES[p.name]: p.name for p in others if p.name in _ROLES}
        rest = [p for p in others if p.name not in _ROLES and p.kind is not p.VAR_KEYWORD]
        unknown = [p.name for p in rest[1:] if p.default is p.empty]
        if unknown:
            message = f"a model's `apply` takes {', '.join(unknown)}, which nothing is known of; "
            raise TypeError(f"compare: {message}it may take, by these names, {', '.join(_ROLES)}")
        return {**roles, **({"inputs": rest[0].name} if rest else {})}

    @property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.apply)


class Layer(NamedTuple):
    """A dense layer: weights [inputs, outputs] and biases [outputs]."""

    weights: Array
    biases: Array

    @classmethod
    def initial(cls, key: Array, inputs: int, outputs: int) -> "Layer":
        """Initialise by He et al. (2015), arXiv:1502.01852: variance 2 / inputs, biases of 0."""
        weights = jax.random.normal(key, (inputs, outputs)) * math.sqrt(2 / inputs)
        return cls(weights, jnp.zeros(outputs))

    def __call__(self, inputs: Array) -> Array:
        """Compute inputs @ weights + biases, [example, output]."""
        return inputs @ self.weights + self.biases[None]


def linear(outputs: tuple[int, ...] = ()) -> Model:
    """A linear model of flattened inputs, whose weights are 0 at first.

    A convex loss has the same minimum from any start.
    """

    def init(key: Array, inputs: Array) -> Layer:
        del key  # nothing is random
        size = math.prod(inputs.shape[1:]), math.prod(outputs)
        return Layer(jnp.zeros(size), jnp.zeros(size[1]))

    def apply(layer: Layer, inputs: Array) -> Array:
        return layer(_flat(inputs)).reshape(-1, *outputs)

    return Model(init, apply, "a linear model")


def perceptron(outputs: tuple[int, ...] = (), hidden: int = 64) -> Model:
    """A perceptron with one hidden layer of rectifiers.

    Args:
        outputs: The shape of the predictions for one example.
        hidden: The width of the hidden layer.
    """

    def init(key: Array, inputs: Array) -> tuple[Layer, Layer]:
        first, second = jax.random.split(key)
        return (
            Layer.initial(first, math.prod(inputs.shape[1:]), hidden),
            Layer.initial(second, hidden, math.prod(outputs)),
        )

    def apply(layers: tuple[Layer, Layer], inputs: Array) -> Array:
        inner, outer = layers
        return outer(jax.nn.relu(inner(_flat(inputs)))).reshape(-1, *outputs)

    return Model(init, apply, f"a network with one hidden layer of {hidden} rectifiers")


def _flat(inputs: Array) -> Array:
    return inputs.reshape(len(inputs), -1)
