"""Trials: all randomness of a run, drawn once and shared by all losses, so that they are paired.

Data and initial weights vary results markedly (Bouthillier et al. 2021, arXiv:2103.03098). The part
of this variance that two losses have in common on the same trial is not in their difference.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxloss.compare.quick_jit import quick_jit
from jaxloss.compare.sweep.plan import Phase, Plan
from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.models import Model, Weights
from jaxloss.compare.tasks.task import DataSplit, Task


class Trial(NamedTuple):
    """The data, batches and random numbers of one seed, at all levels of noise.

    Attributes:
        inputs: Each part [example, ...].
        targets: The training and the validation part [level, example, ...]; the test part, which is
            always clean, [example, ...].
        order: The indices of the training examples of each batch, [epoch, step, example].
        weights: The initial weights of the model.
        seed: The seed of what the model draws in training.
    """

    inputs: DataSplit
    targets: DataSplit
    order: Any
    weights: Weights
    seed: Any


def trials(plan: Plan, phase: Phase, seeds: Sequence[int]) -> Trial:
    """Draw the trials of these seeds of a phase, stacked along a first axis."""
    drawn = [_of_seed(plan, phase, seed) for seed in seeds]
    stacked: Trial = jax.tree.map(lambda *parts: np.stack(parts), *drawn)
    return stacked


def _of_seed(plan: Plan, phase: Phase, seed: int) -> Trial:
    # Independent streams for data, weights, batches and noise: one more number drawn for the one
    # does not change the others. Those of the two phases are independent as well.
    sequence = np.random.SeedSequence(seed, spawn_key=(list(Phase).index(phase),))
    generator = np.random.default_rng(sequence)
    task, (data_stream, model, batches, *noise) = plan.task, generator.spawn(5)
    data = task.draw(data_stream)
    start, later = model.integers(2**32, size=2, dtype=np.uint32)
    weights = _initial(task.model)(start, data.inputs.training[: task.batch])
    training, validation = (
        _noisy(task, part, plan.noise, int(stream.integers(2**63)))
        for part, stream in zip(data.targets[:2], noise, strict=True)
    )
    return Trial(
        data.inputs,
        DataSplit(training, validation, data.targets.test),
        sampling.batches(data.eligible, task.batch, plan.epochs, batches),
        jax.tree.map(np.asarray, weights),
        later,
    )


@functools.lru_cache(maxsize=1)
def _initial(model: Model) -> Callable[[Any, Any], Weights]:
    """The initial weights of a model, for a seed and inputs.

    In a program of their own, which need not be fast: as a part of that of the training, random
    numbers took as long to compile as all the rest (10 s of 20, 2 cores, jax 0.10.2).
    """
    return quick_jit(lambda seed, inputs: model.initial(jax.random.key(seed), inputs))


def _noisy(task: Task, targets: Any, levels: Iterable[float], seed: int) -> Any:
    """Corrupt targets, [level, example, ...], from one seed at every level: noise is nested."""
    return np.stack([task.corrupt(targets, x, np.random.default_rng(seed)) for x in levels])
