"""How data are split, scaled and spoilt, on the host, once for every loss."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from jaxloss.compare.tasks.task import Data, DataSplit

Generator = np.random.Generator
Values = NDArray[Any]


def split(examples: int, generator: Generator, classes: Values | None = None) -> DataSplit:
    """The indices of three fifths, one fifth and one fifth, with classes in their proportions."""
    state = np.random.RandomState(generator.integers(2**31))

    def within(part: Values) -> Values | None:
        return None if classes is None else classes[part]

    everything = np.arange(examples)
    rest, test = train_test_split(
        everything, test_size=0.2, stratify=within(everything), random_state=state
    )
    training, validation = train_test_split(
        rest, test_size=0.25, stratify=within(rest), random_state=state
    )
    return DataSplit(training, validation, test)


def take(inputs: Values, targets: Values, index: DataSplit) -> Data:
    """The data of these indices, all of the training part being trained on."""
    return Data(
        inputs=DataSplit(*[inputs[part] for part in index]),
        targets=DataSplit(*[targets[part] for part in index]),
        eligible=np.arange(len(index.training)),
    )


def standardised(parts: DataSplit, *, together: bool = False) -> DataSplit:
    """Less the mean of each column, over its deviation, or over one deviation for all of them.

    Both are of the training part. A column that does not vary there is 0 throughout.
    """
    training = np.asarray(parts.training, np.float64)
    centre = training.mean(axis=0)
    spread = training.std() if together else training.std(axis=0)
    varies = spread > 1e-12 * np.maximum(np.abs(centre), 1e-300)
    scale = np.where(varies, spread, np.inf)
    return DataSplit(*[((part - centre) / scale).astype(np.float32) for part in parts])


def flipped(labels: Values, rate: float, generator: Generator) -> Values:
    """The labels, with `rate` of them (rounded) replaced by another of those that occur."""
    classes, index = np.unique(labels, return_inverse=True)
    shift = generator.integers(1, len(classes), size=len(labels))
    wrong = classes[(index + shift) % len(classes)]
    return np.where(_some(labels, rate, generator), wrong, labels).astype(labels.dtype)


def contaminated(targets: Values, rate: float, generator: Generator) -> Values:
    """The targets, `rate` of them (rounded) replaced by gross outliers, all to one side.

    They lie 5 to 15 deviations above the mean: such errors do not cancel, as they would were they
    symmetric.
    """
    centre, scale = targets.mean(), targets.std()
    gross = centre + scale * generator.uniform(5, 15, size=targets.shape)
    return np.where(_some(targets, rate, generator), gross, targets).astype(targets.dtype)


def heavy_tailed(targets: Values, rate: float, generator: Generator) -> Values:
    """The targets, `rate` of them (rounded) with an error of Cauchy's distribution added.

    It is symmetric, half of it is within one deviation of the targets, and it has no mean.
    """
    far = targets + targets.std() * generator.standard_cauchy(size=targets.shape)
    return np.where(_some(targets, rate, generator), far, targets).astype(targets.dtype)


def batches(eligible: Values, size: int, epochs: int, generator: Generator) -> Values:
    """Indices [epoch, step, example]: whole batches of a fresh permutation for each epoch.

    What does not fill a batch sits the epoch out; fewer examples than a batch are one batch.
    """
    size = min(size, len(eligible))
    steps = len(eligible) // size
    order = [generator.permutation(eligible)[: steps * size] for _ in range(epochs)]
    return np.stack(order).reshape(epochs, steps, size).astype(np.int32)


def _some(values: Values, rate: float, generator: Generator) -> Values:
    """Which of the values, `rate` of them (rounded), the same and more at a greater rate."""
    return generator.permutation(len(values)) < round(rate * len(values))
