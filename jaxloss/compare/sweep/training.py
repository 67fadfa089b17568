"""The training of one network, and its measurement."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxloss.compare.sweep.criteria import Criterion
from jaxloss.compare.sweep.trials import Trial
from jaxloss.compare.tasks.models import Model, Weights
from jaxloss.compare.tasks.task import Task

Learner = tuple[Weights, Any]  # the weights of a network, and the state of its optimizer

# As many examples are tested at a time, since the activations of all of them may not fit.
_TESTED = 1024


class Measured(NamedTuple):
    """The metrics of a network; of many networks, each has the axes [seed, level, rate] in front.

    Attributes:
        validation: The first metric of the task on validation data after training.
        test: The first metric of the task on test data after each epoch, [epoch].
        measures: All metrics of the task on test data after training, by name.
    """

    validation: Any
    test: Any
    measures: dict[str, Any]


def train(
    task: Task,
    criterion: Criterion,
    reverse: Array,
    trial: Trial,
    level: Array,
    rate: Array | float,
) -> Measured:
    """Train a network, and test it after each epoch.

    Args:
        task: The task.
        criterion: The objective.
        reverse: Whether batches are taken in reverse order.
        trial: The trial.
        level: The index of the level of noise.
        rate: The learning rate.
    """
    model, optimizer, output = task.model, task.optimizer(rate), task.output
    inputs, targets = trial.inputs, trial.targets

    def step(learner: Learner, batch: tuple[Array, Array]) -> tuple[Learner, None]:
        (weights, moments), (index, number) = learner, batch
        key = jax.random.fold_in(jax.random.key(trial.seed), number)
        # The replicate takes each batch backwards: sums over a batch are then rounded otherwise.
        index = jnp.where(reverse, index[::-1], index)

        def value(parameters: Any) -> tuple[Array, Any]:
            now = weights._replace(parameters=parameters)
            predictions, state = model.train(now, inputs.training[index], key)
            return criterion(predictions, targets.training[level, index]), state

        (loss, state), gradients = jax.value_and_grad(value, has_aux=True)(weights.parameters)
        updates, moments = optimizer.update(gradients, moments, weights.parameters, value=loss)
        return (Weights(optax.apply_updates(weights.parameters, updates), state), moments), None

    def epoch(learner: Learner, batches: tuple[Array, Array]) -> tuple[Learner, Array]:
        learner, _ = jax.lax.scan(step, learner, batches)
        return learner, output.metric(_predictions(model, learner[0], inputs.test), targets.test)

    learner = trial.weights, optimizer.init(trial.weights.parameters)
    epochs, steps, _ = trial.order.shape
    batches = trial.order, jnp.arange(epochs * steps).reshape(epochs, steps)
    (weights, _), curve = jax.lax.scan(epoch, learner, batches)
    validation, test = (_predictions(model, weights, part) for part in inputs[1:])
    return Measured(
        output.metric(validation, targets.validation[level]),
        curve,
        {metric.name: metric(test, targets.test) for metric in output.metrics},
    )


def _predictions(model: Model, weights: Weights, inputs: Array) -> Any:
    """Predictions for all inputs, [example, ...], at most a thousand at a time."""
    whole = len(inputs) - len(inputs) % _TESTED
    if whole == 0 or len(inputs) == _TESTED:
        return model.predict(weights, inputs)
    parts = inputs[:whole].reshape(-1, _TESTED, *inputs.shape[1:])
    first = jax.lax.map(lambda part: model.predict(weights, part), parts)
    found = [jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), first)]
    if whole < len(inputs):
        found.append(model.predict(weights, inputs[whole:]))
    return jax.tree.map(lambda *each: jnp.concatenate(each), *found)
