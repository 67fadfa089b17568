"""One compiled program that trains a network for each seed, noise level and rate at once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from jaxloss.compare import network
from jaxloss.compare.contenders import Contender
from jaxloss.compare.digits import Trials
from jaxloss.compare.network import Parameters

Criterion = Callable[[Array, Array], Array]


class Curves(NamedTuple):
    """How many examples are classified right after each epoch, [seed, noise, rate, epoch]."""

    validation: Any
    test: Any


class Criteria:
    """Many contenders as one traced function, so that all of them share one compilation.

    Contenders that differ in numbers only share a branch as well.
    """

    def __init__(self, contenders: Sequence[Contender]) -> None:
        parts = [(contender.objective, contender.temperature) for contender in contenders]
        flat = [ravel_pytree(part) for part in parts]
        structures = [jax.tree.structure(part) for part in parts]
        distinct = [i for i, kind in enumerate(structures) if structures.index(kind) == i]
        width = max(vector.size for vector, _ in flat)
        self.branches = [_branch(flat[i][1], flat[i][0].size) for i in distinct]
        self._branch_of = [distinct.index(structures.index(kind)) for kind in structures]
        self._numbers = [jnp.pad(vector, (0, width - vector.size)) for vector, _ in flat]

    def leaves(self, contender: int) -> tuple[Array, Array]:
        """What selects a contender: its branch, and its hyper-parameters in a row."""
        return jnp.int32(self._branch_of[contender]), self._numbers[contender]

    def at(self, branch: Array, numbers: Array) -> Criterion:
        """The objective that these leaves select, of logits and labels."""
        return lambda logits, labels: jax.lax.switch(branch, self.branches, numbers, logits, labels)


@dataclass(frozen=True)
class Sweep:
    """The compiled program and what it runs on.

    Attributes:
        contenders: Who is trained.
        criteria: Their objectives.
        program: From a contender's leaves to its curves.
    """

    contenders: tuple[Contender, ...]
    criteria: Criteria
    program: Callable[[Array, Array], Curves]

    @classmethod
    def compiled(
        cls, contenders: Sequence[Contender], trials: Trials, rates: Sequence[float]
    ) -> "Sweep":
        """The sweep over these trials and learning rates, ready to run."""
        criteria = Criteria(contenders)

        def every(branch: Array, numbers: Array, rates: Array, trials: Trials) -> Curves:
            return _over_cells(criteria.at(branch, numbers))(rates, trials)

        data = jax.device_put((np.asarray(rates, np.float32), trials))
        program = jax.jit(every).lower(*criteria.leaves(0), *data).compile()
        return cls(tuple(contenders), criteria, lambda branch, n: program(branch, n, *data))

    def run(self, done: Callable[[Contender], None] = lambda _: None) -> list[Curves]:
        """The curves of each contender; `done` is told of each as it finishes.

        The small matrices of one contender keep one core busy, hence a thread for each core.
        """
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            futures = {pool.submit(self._one, i): i for i in range(len(self.contenders))}
            curves = {}
            for future in as_completed(futures):
                index = futures[future]
                curves[index] = future.result()
                done(self.contenders[index])
        return [curves[index] for index in range(len(self.contenders))]

    def _one(self, contender: int) -> Curves:
        return Curves(*map(np.asarray, self.program(*self.criteria.leaves(contender))))


def _branch(unravel: Callable[[Array], Any], size: int) -> Callable[[Array, Array, Array], Array]:
    def value(numbers: Array, logits: Array, labels: Array) -> Array:
        objective, temperature = unravel(numbers[:size])
        result: Array = objective(logits / temperature, labels)
        return result

    return value


def _over_cells(criterion: Criterion) -> Callable[[Array, Trials], Curves]:
    """Training over rates, noise levels and seeds; images are shared by the cells of a seed."""

    def one(rate: Array, trial: Trials) -> Curves:
        return train(criterion, rate, trial)

    rates = jax.vmap(one, in_axes=(0, None))
    levels = jax.vmap(rates, in_axes=(None, Trials(None, 0, None, None)))
    return jax.vmap(levels, in_axes=(None, 0))


def train(criterion: Criterion, rate: Array, trial: Trials) -> Curves:
    """Train one network with Adam, and count its hits after each epoch."""
    optimizer = optax.adam(rate)

    def step(state: Any, batch: Array) -> tuple[Any, None]:
        parameters, moments = state
        gradient = jax.grad(_value, argnums=1)(criterion, parameters, trial, batch)
        updates, moments = optimizer.update(gradient, moments, parameters)
        return (optax.apply_updates(parameters, updates), moments), None

    def epoch(state: Any, batches: Array) -> tuple[Any, Curves]:
        state, _ = jax.lax.scan(step, state, batches)
        return state, _hits(state[0], trial)

    start = (trial.parameters, optimizer.init(trial.parameters))
    return jax.lax.scan(epoch, start, trial.order)[1]


def _value(criterion: Criterion, parameters: Parameters, trial: Trials, batch: Array) -> Array:
    scores = network.logits(parameters, trial.images.training[batch])
    return criterion(scores, trial.labels.training[batch])


def _hits(parameters: Parameters, trial: Trials) -> Curves:
    def count(images: Array, labels: Array) -> Array:
        decided = jnp.argmax(network.logits(parameters, images), axis=-1)
        return jnp.sum(decided == labels, dtype=jnp.int32)

    return Curves(
        count(trial.images.validation, trial.labels.validation),
        count(trial.images.test, trial.labels.test),
    )


def accuracies(curves: Curves, trials: Trials) -> Curves:
    """The hits as fractions of the examples, in double precision."""
    sizes = trials.labels.validation.shape[-1], trials.labels.test.shape[-1]
    parts = zip(curves, sizes, strict=True)
    return Curves(*[np.asarray(hits, float) / size for hits, size in parts])
