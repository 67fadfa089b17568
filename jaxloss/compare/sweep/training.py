"""One compiled program that trains a network for each trial and learning rate at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.sharding import NamedSharding, PartitionSpec

import jaxloss as jl
from jaxloss.compare.sweep import devices
from jaxloss.compare.sweep.trials import Trial
from jaxloss.compare.tasks.task import Task

Criterion = Callable[[Array, Array], Array]


class Measured(NamedTuple):
    """How networks did, each [trial, rate, ...].

    Attributes:
        validation: The first metric of the task after each epoch.
        test: Likewise on test data.
        measures: All metrics of the task on test data after training, by name.
    """

    validation: Any
    test: Any
    measures: dict[str, Any]


class Choice(NamedTuple):
    """What selects an objective inside the program, as arrays.

    Attributes:
        branch: Which sum of losses it is.
        numbers: Its factors and hyper-parameters in a row.
        reverse: Whether batches are taken in reverse order.
    """

    branch: Any
    numbers: Any
    reverse: Any


class Criteria:
    """Many objectives as one traced function, so that all of them share one compilation.

    Objectives that differ in numbers only share a branch as well.
    """

    def __init__(self, objectives: Sequence[jl.Objective]) -> None:
        flat = [ravel_pytree(objective) for objective in objectives]
        structures = [jax.tree.structure(objective) for objective in objectives]
        distinct = [i for i, kind in enumerate(structures) if structures.index(kind) == i]
        width = max(vector.size for vector, _ in flat)
        self.branches = [_branch(flat[i][1], flat[i][0].size) for i in distinct]
        self._branch_of = [distinct.index(structures.index(kind)) for kind in structures]
        self._numbers = [np.pad(vector, (0, width - vector.size)) for vector, _ in flat]

    def choice(self, index: int, *, reverse: bool) -> Choice:
        """What selects an objective by its index."""
        return Choice(np.int32(self._branch_of[index]), self._numbers[index], np.bool_(reverse))

    def at(self, choice: Choice) -> Criterion:
        """The objective that is selected, of predictions and targets."""
        return lambda p, t: jax.lax.switch(choice.branch, self.branches, choice.numbers, p, t)


@dataclass(frozen=True)
class Program:
    """A compiled sweep.

    Attributes:
        criteria: The objectives it can train on.
        run: From what selects one to how its networks did.
    """

    criteria: Criteria
    run: Callable[[Choice], Measured]

    @classmethod
    def compiled(
        cls, task: Task, objectives: Sequence[jl.Objective], data: Trial, rates: Sequence[float]
    ) -> "Program":
        """The sweep over these trials and rates, with the trials spread over all devices."""
        criteria, mesh, count = Criteria(objectives), devices.mesh(), len(data.order)

        def every(choice: Choice, rates: Array, data: Trial) -> Measured:
            def one(rate: Array, trial: Trial) -> Measured:
                return train(task, criteria.at(choice), choice.reverse, rate, trial)

            found = jax.vmap(jax.vmap(one, in_axes=(0, None)), in_axes=(None, 0))(rates, data)
            cut: Measured = jax.tree.map(lambda x: x[:count], found)
            return cut

        fixed = (
            devices.everywhere(np.asarray(rates, np.float32), mesh),
            devices.spread(data, mesh),
        )
        first = devices.everywhere(criteria.choice(0, reverse=False), mesh)
        whole = NamedSharding(mesh, PartitionSpec())
        program = jax.jit(every, out_shardings=whole).lower(first, *fixed).compile()

        def run(choice: Choice) -> Measured:
            measured = program(devices.everywhere(choice, mesh), *fixed)
            found: Measured = jax.tree.map(np.asarray, measured)
            return found

        return cls(criteria, run)


def train(task: Task, criterion: Criterion, reverse: Array, rate: Array, trial: Trial) -> Measured:
    """Train one network with Adam, and measure it after each epoch."""
    optimizer = optax.adam(rate)

    def apply(parameters: Any, inputs: Array) -> Array:
        return task.model.apply(parameters, inputs, task.output.shape)

    def value(parameters: Any, batch: Array) -> Array:
        index = jnp.where(reverse, batch[::-1], batch)
        predictions = apply(parameters, trial.inputs.training[index])
        return criterion(predictions, trial.targets.training[index])

    def step(state: Any, batch: Array) -> tuple[Any, None]:
        parameters, moments = state
        updates, moments = optimizer.update(jax.grad(value)(parameters, batch), moments)
        return (optax.apply_updates(parameters, updates), moments), None

    def epoch(state: Any, batches: Array) -> tuple[Any, tuple[Array, Array]]:
        state, _ = jax.lax.scan(step, state, batches)
        ahead = [apply(state[0], inputs) for inputs in trial.inputs[1:]]
        metric = task.output.metric
        return state, (
            metric(ahead[0], trial.targets.validation),
            metric(ahead[1], trial.targets.test),
        )

    start = (trial.parameters, optimizer.init(trial.parameters))
    (parameters, _), (validation, test) = jax.lax.scan(epoch, start, trial.order)
    predictions = apply(parameters, trial.inputs.test)
    measures = {m.name: m(predictions, trial.targets.test) for m in task.output.metrics}
    return Measured(validation, test, measures)


def _branch(unravel: Callable[[Array], Any], size: int) -> Callable[[Array, Array, Array], Array]:
    def value(numbers: Array, predictions: Array, targets: Array) -> Array:
        result: Array = unravel(numbers[:size])(predictions, targets)
        return result

    return value
