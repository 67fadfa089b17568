"""A task with some classes rarer in training than others."""

import dataclasses

import numpy as np

from jaxloss.compare.tasks.populations import Labels
from jaxloss.compare.tasks.sampling import Values
from jaxloss.compare.tasks.task import Data, Generator, Task


def imbalanced(task: Task, ratio: float) -> Task:
    """The task with the rarest class only `ratio` as frequent in training as the commonest.

    Raises:
        ValueError: The ratio is not in (0, 1], or the task has no classes.
    """
    if not 0 < ratio <= 1:
        message = f"an imbalance in (0, 1] is needed, not {ratio:g}"
        raise ValueError(message)
    has_classes = isinstance(task.output.population, Labels)
    if not has_classes:
        message = f"the task {task.name} cannot be imbalanced: it has no classes"
        raise ValueError(message)

    def draw(generator: Generator) -> Data:
        data = task.draw(generator)
        return data._replace(eligible=thinned(data, ratio, generator))

    story = (
        f"{task.story} In training the rarest class is {ratio:g} as frequent as the commonest, "
        "which classes these are depending on the seed; validation and test stay as they are."
    )
    return dataclasses.replace(task, draw=draw, story=story)


def thinned(data: Data, ratio: float, generator: Generator) -> Values:
    """Indices of training examples whose classes fall geometrically in frequency, from 1 to ratio.

    The classes come in an order of the generator's choice. How many there are of each depends on
    the whole data, not on the split, and is thus the same for all seeds.
    """
    labels = data.targets.training
    classes, counts = np.unique(np.concatenate(data.targets), return_counts=True)
    most = np.floor(counts.min() * len(labels) / counts.sum())
    falling = ratio ** (np.arange(len(classes)) / max(len(classes) - 1, 1))
    sizes = np.maximum(np.floor(most * falling), 1).astype(int)
    shuffled = [generator.permutation(np.flatnonzero(labels == c)) for c in classes]
    ranked = [shuffled[i] for i in generator.permutation(len(classes))]
    kept = [members[:size] for members, size in zip(ranked, sizes, strict=True)]
    return np.sort(np.concatenate(kept))
