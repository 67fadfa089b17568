"""All randomness, drawn on the host once for every loss, so that losses can be paired."""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.task import DataSplit, Task


class Trial(NamedTuple):
    """One seed at one level of noise.

    Attributes:
        inputs: For each part, [example, ...].
        targets: For each part, [example, ...]; those of the test part are always clean.
        parameters: The network before training.
        order: Which training examples make a batch, [epoch, step, example].
    """

    inputs: DataSplit
    targets: DataSplit
    parameters: Any
    order: Any


def trials(plan: Plan) -> Trial:
    """The trials of all seeds and, within each, all levels of noise, stacked on a first axis."""
    drawn = [trial for seed in range(plan.seeds) for trial in _of_seed(plan, seed)]
    stacked: Trial = jax.tree.map(lambda *parts: np.stack(parts), *drawn)
    return stacked


def _of_seed(plan: Plan, seed: int) -> list[Trial]:
    """The trials of one seed: they share all but the noisy targets."""
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
    """The targets at a level; generators start anew, so that the levels are nested."""
    training, validation = (
        task.corrupt(part, level, np.random.default_rng(seed))
        for part, seed in zip(targets[:2], seeds, strict=True)
    )
    return DataSplit(training, validation, targets.test)
