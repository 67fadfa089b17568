"""Class imbalance: a task of classes with some of them made rarer in the training part."""

import dataclasses

import numpy as np

from jaxloss.compare.tasks.populations import Labels
from jaxloss.compare.tasks.sampling import Values
from jaxloss.compare.tasks.task import Data, Generator, Task


def imbalanced(task: Task, ratio: float) -> Task:
    """Return the task with the rarest class `ratio` times as frequent in training as the commonest.

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
    """Indices of training examples whose class frequencies fall geometrically from 1 to `ratio`.

    The order of the classes is random, so that over the seeds no class is always the rare one. The
    sizes depend on the whole data and not on the split: they are equal for all seeds, whose arrays
    are stacked.

    References:
        Cui et al. (2019), Class-balanced loss based on effective number of samples,
        arXiv:1901.05555, where CIFAR is made long-tailed in this way.
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
