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


class Lane(NamedTuple):
    """What distinguishes one of the networks that are trained at the same time.

    Attributes:
        trial: The index of its trial among those that are loaded.
        level: The index of its level of noise.
        rate: Its learning rate.
        numbers: The factors and hyper-parameters of its objective, as one vector.
        reverse: Whether it takes each batch in reverse order.
    """

    trial: Any
    level: Any
    rate: Any
    numbers: Any
    reverse: Any


class Measured(NamedTuple):
    """The metrics of a network; of many networks, each has the axis [lane] in front.

    Attributes:
        validation: The first metric of the task on validation data after training.
        test: The first metric of the task on test data after each epoch, [epoch].
        measures: All metrics of the task on test data after training, by name.
    """

    validation: Any
    test: Any
    measures: dict[str, Any]


def train(task: Task, criterion: Criterion, trials: Trial, lane: Lane) -> Measured:
    """Train a network, and test it after each epoch.

    Networks share the trials, of which they take their examples batch by batch: in memory are the
    inputs of each seed once, however many levels of noise and rates there are.

    Args:
        task: The task.
        criterion: The objective.
        trials: The trials that are loaded, along a first axis.
        lane: The network.
    """
    model, optimizer, output = task.model, task.optimizer(lane.rate), task.output
    (inputs, targets, order, start, seeds), trial = trials, lane.trial
    initial: Weights = jax.tree.map(lambda x: x[trial], start)
    _, epochs, steps, _ = order.shape

    def step(learner: Learner, number: Array) -> tuple[Learner, None]:
        weights, moments = learner
        key = jax.random.fold_in(jax.random.key(seeds[trial]), number)
        index = order[trial, number // steps, number % steps]
        # The replicate takes each batch backwards: sums over a batch are then rounded otherwise.
        index = jnp.where(lane.reverse, index[::-1], index)

        def predict(parameters: Any) -> tuple[Any, Any]:
            now = weights._replace(parameters=parameters)
            return model.train(now, inputs.training[trial, index], key)

        predictions, pull_back, state = jax.vjp(predict, weights.parameters, has_aux=True)
        loss, direction = criterion(predictions, targets.training[trial, lane.level, index])
        (gradients,) = pull_back(direction)
        updates, moments = optimizer.update(gradients, moments, weights.parameters, value=loss)
        return (Weights(optax.apply_updates(weights.parameters, updates), state), moments), None

    def epoch(learner: Learner, number: Array) -> tuple[Learner, Array]:
        learner, _ = jax.lax.scan(step, learner, number * steps + jnp.arange(steps))
        predictions = _predictions(model, learner[0], inputs.test, trial)
        return learner, output.metric(predictions, targets.test[trial])

    learner = initial, optimizer.init(initial.parameters)
    (weights, _), curve = jax.lax.scan(epoch, learner, jnp.arange(epochs))
    validation, test = (_predictions(model, weights, part, trial) for part in inputs[1:])
    return Measured(
        output.metric(validation, targets.validation[trial, lane.level]),
        curve,
        {metric.name: metric(test, targets.test[trial]) for metric in output.metrics},
    )


def _predictions(model: Model, weights: Weights, inputs: Array, trial: Array) -> Any:
    """Predictions for all inputs of a trial, [example, ...], at most a thousand at a time."""
    size = inputs.shape[1]

    def predict(index: Array) -> Any:
        return model.predict(weights, inputs[trial, index])

    if size <= _TESTED:
        return predict(jnp.arange(size))
    whole = size - size % _TESTED
    parts = jax.lax.map(predict, jnp.arange(whole).reshape(-1, _TESTED))
    every = [jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), parts)]
    if whole < size:
        every.append(predict(jnp.arange(whole, size)))
    return jax.tree.map(lambda *each: jnp.concatenate(each), *every)
