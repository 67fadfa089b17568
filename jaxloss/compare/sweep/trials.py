"""Trials: all randomness of a run, drawn once and shared by all losses, so that they are paired.

Data and initial weights vary results markedly (Bouthillier et al. 2021, arXiv:2103.03098). The part
of this variance that two losses have in common on the same trial is not in their difference.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.task import DataSplit, Task


class Trial(NamedTuple):
    """The data, initial weights and batches of one seed at one level of noise.

    Attributes:
        inputs: Each part [example, ...].
        targets: Each part [example, ...]; those of the test part are always clean.
        parameters: The initial parameters.
        order: The indices of the training examples of each batch, [epoch, step, example].
    """

    inputs: DataSplit
    targets: DataSplit
    parameters: Any
    order: Any


def trials(plan: Plan) -> Trial:
    """Draw the trials of all seeds and, within each seed, all levels of noise, stacked in front."""
    drawn = [trial for seed in range(plan.seeds) for trial in _of_seed(plan, seed)]
    stacked: Trial = jax.tree.map(lambda *parts: np.stack(parts), *drawn)
    return stacked


def _of_seed(plan: Plan, seed: int) -> list[Trial]:
    """Draw the trials of one seed, which differ in their noisy targets only."""
    # Independent streams for data, weights, batches and noise: one more number drawn for the one
    # does not change the others.
    task, spawned = plan.task, np.random.default_rng(seed).spawn(5)
    data = task.draw(spawned[0])
    shape = data.inputs.training.shape[1:]
    parameters = task.model.initial(spawned[1], shape, task.output.shape)
    order = sampling.batches(data.eligible, task.batch, plan.epochs, spawned[2])
    seeds = [int(generator.integers(2**63)) for generator in spawned[3:]]
    return [
        Trial(data.inputs, _noisy(task, data.targets, level, seeds), parameters, order)
        for level in plan.noise
    ]


def _noisy(task: Task, targets: DataSplit, level: float, seeds: list[int]) -> DataSplit:
    """Corrupt targets at a level, from the same seeds at every level, so that noise is nested."""
    training, validation = (
        task.corrupt(part, level, np.random.default_rng(seed))
        for part, seed in zip(targets[:2], seeds, strict=True)
    )
    return DataSplit(training, validation, targets.test)
