"""The training program: a network for each trial and learning rate, compiled once."""

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
    """The metrics of all networks, each [trial, rate, ...].

    Attributes:
        validation: The first metric of the task on validation data after training.
        test: The first metric of the task on test data after each epoch.
        measures: All metrics of the task on test data after training, by name.
    """

    validation: Any
    test: Any
    measures: dict[str, Any]


class Selector(NamedTuple):
    """Arrays that select an objective inside the compiled program.

    Attributes:
        branch: The index of the objective's structure, a sum of certain losses.
        numbers: Its factors and hyper-parameters as one vector.
        reverse: Whether batches are taken in reverse order.
    """

    branch: Any
    numbers: Any
    reverse: Any


class Criteria:
    """Many objectives as branches of one traced function, so that all share one compilation.

    Objectives that differ only in numbers share a branch: a range of hyper-parameters costs no
    further tracing or compilation.
    """

    def __init__(self, objectives: Sequence[jl.Objective]) -> None:
        flat = [ravel_pytree(objective) for objective in objectives]
        structures = [jax.tree.structure(objective) for objective in objectives]
        distinct = [i for i, kind in enumerate(structures) if structures.index(kind) == i]
        # All selectors have one shape, so that one compiled program takes any of them.
        width = max(vector.size for vector, _ in flat)
        self.branches = [_branch(flat[i][1], flat[i][0].size) for i in distinct]
        self._branch_of = [distinct.index(structures.index(kind)) for kind in structures]
        self._numbers = [np.pad(vector, (0, width - vector.size)) for vector, _ in flat]

    def selector(self, index: int, *, reverse: bool) -> Selector:
        """The selector of the objective with this index."""
        return Selector(np.int32(self._branch_of[index]), self._numbers[index], np.bool_(reverse))

    def at(self, selector: Selector) -> Criterion:
        """The selected objective, as a function of all networks' predictions [trial, rate, ...]."""
        return lambda p, t: jax.lax.switch(selector.branch, self.branches, selector.numbers, p, t)


@dataclass(frozen=True)
class CompiledSweep:
    """A compiled training program.

    Attributes:
        criteria: The objectives that it can train on.
        run: Trains all networks on the selected objective.
    """

    criteria: Criteria
    run: Callable[[Selector], Measured]

    @classmethod
    def compiled(
        cls, task: Task, objectives: Sequence[jl.Objective], data: Trial, rates: Sequence[float]
    ) -> "CompiledSweep":
        """Compile the sweep over these trials and rates; trials are sharded over all devices."""
        criteria, mesh, count = Criteria(objectives), devices.mesh(), len(data.order)

        def sweep(selector: Selector, rates: Array, data: Trial) -> Measured:
            padded = train(task, criteria.at(selector), selector.reverse, rates, data)
            unpadded: Measured = jax.tree.map(lambda x: x[:count], padded)
            return unpadded

        fixed = (
            devices.replicate_on_devices(np.asarray(rates, np.float32), mesh),
            devices.shard_over_devices(data, mesh),
        )
        first = devices.replicate_on_devices(criteria.selector(0, reverse=False), mesh)
        # Results on every device: each process then reads them without further communication.
        whole = NamedSharding(mesh, PartitionSpec())
        # Compiled before the threads of `run` start, which would otherwise each compile it.
        program = jax.jit(sweep, out_shardings=whole).lower(first, *fixed).compile()

        def run(selector: Selector) -> Measured:
            measured = program(devices.replicate_on_devices(selector, mesh), *fixed)
            on_host: Measured = jax.tree.map(np.asarray, measured)
            return on_host

        return cls(criteria, run)


def train(task: Task, criterion: Criterion, reverse: Array, rates: Array, data: Trial) -> Measured:
    """Train a network with Adam for each trial and rate, and test all after each epoch.

    The loops over steps and the switch between objectives are outside the maps over networks, so
    that each is traced once; under `vmap`, a switch by a mapped index would run all branches.
    """
    network = _Network(task)
    apply_all = over_grid(network.apply, "network", "trial")
    update_all = over_grid(_update, "network", "network", "rate")
    score_all = over_grid(network.score, "network", "trial", "trial")

    def batch_of(trial: Trial, index: Array) -> tuple[Array, Array]:
        # The replicate takes each batch backwards: sums over a batch are then rounded otherwise.
        index = jnp.where(reverse, index[::-1], index)
        return trial.inputs.training[index], trial.targets.training[index]

    def step(state: Any, index: Array) -> tuple[Any, None]:
        inputs, targets = jax.vmap(batch_of)(data, index)

        def total(parameters: Any) -> Array:
            """Sum over networks, which share no parameters: its gradient holds that of each."""
            return jnp.sum(criterion(apply_all(parameters, inputs), targets))

        return update_all(state, jax.grad(total)(state[0]), rates), None

    def epoch(state: Any, order: Array) -> tuple[Any, Array]:
        state, _ = jax.lax.scan(step, state, order)
        return state, score_all(state[0], data.inputs.test, data.targets.test)

    # Adam's state at the start does not depend on the rate, but each network needs its own.
    start = over_grid(_initial_state, "trial", "rate")(data.parameters, rates)
    (parameters, _), curve = jax.lax.scan(epoch, start, jnp.moveaxis(data.order, 0, 2))
    validation = score_all(parameters, data.inputs.validation, data.targets.validation)
    measures = over_grid(network.measures, "network", "trial")(parameters, data)
    return Measured(validation, jnp.moveaxis(curve, 0, 2), measures)


@dataclass(frozen=True)
class _Network:
    """Predictions and metrics of a single network of a task."""

    task: Task

    def apply(self, parameters: Any, inputs: Array) -> Array:
        return self.task.model.apply(parameters, inputs, self.task.output.shape)

    def score(self, parameters: Any, inputs: Array, targets: Array) -> Array:
        """The first metric of the task."""
        return self.task.output.metric(self.apply(parameters, inputs), targets)

    def measures(self, parameters: Any, trial: Trial) -> dict[str, Array]:
        """All metrics of the task on test data."""
        predictions = self.apply(parameters, trial.inputs.test)
        return {m.name: m(predictions, trial.targets.test) for m in self.task.output.metrics}


def _initial_state(parameters: Any, rate: Array) -> Any:
    return parameters, optax.adam(rate).init(parameters)


def _update(state: Any, gradients: Any, rate: Array) -> Any:
    parameters, moments = state
    updates, moments = optax.adam(rate).update(gradients, moments)
    return optax.apply_updates(parameters, updates), moments


_AXES = {"trial": (0, None), "rate": (None, 0), "network": (0, 0)}  # of the grid [trial, rate]


def over_grid(function: Callable[..., Any], *kinds: str) -> Callable[..., Any]:
    """Map a function of one network over the grid [trial, rate].

    Args:
        function: The function.
        *kinds: For each argument, whether it differs by "trial", by "rate", or by both: "network".
    """
    over_trials, over_rates = zip(*(_AXES[kind] for kind in kinds), strict=True)
    return jax.vmap(jax.vmap(function, in_axes=over_rates), in_axes=over_trials)


def _branch(unravel: Callable[[Array], Any], size: int) -> Callable[[Array, Array, Array], Array]:
    def value(numbers: Array, predictions: Array, targets: Array) -> Array:
        result: Array = over_grid(unravel(numbers[:size]), "network", "trial")(predictions, targets)
        return result

    return value
