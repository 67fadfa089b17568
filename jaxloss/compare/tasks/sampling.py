"""Splits, standardisation, noise and batches: drawn on the host, once for all losses."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from jaxloss.compare.tasks.task import Data, DataSplit

Generator = np.random.Generator
Values = NDArray[Any]


def split(examples: int, generator: Generator, classes: Values | None = None) -> DataSplit:
    """Draw a split into three, one and one fifths of the examples, stratified by classes."""
    # scikit-learn takes the legacy generator only.
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


def split_groups(groups: Values, generator: Generator) -> DataSplit:
    """Draw a split of about three, one and one fifths, of which no two parts share a group.

    Groups differ in size and parts must not, as the arrays of all seeds are stacked: of the groups
    that fill a part some examples are left out at random.

    Args:
        groups: The group of each example.
        generator: The source of the split.

    Raises:
        ValueError: The groups are so large that less than a fifth would be left to train on.
    """
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    fifth = len(groups) // 5
    training = len(groups) - 2 * (fifth + int(counts.max()) - 1)
    if training < fifth or not fifth:
        message = f"one of {len(counts)} groups has {counts.max()} of {len(groups)} examples, too "
        raise ValueError(f"compare: {message}many for parts that do not share it")
    order = generator.permutation(len(counts))
    ends = np.cumsum(counts[order])  # examples in the groups up to each
    tested = np.searchsorted(ends, fifth) + 1
    validated = np.searchsorted(ends, ends[tested - 1] + fifth) + 1
    place = np.argsort(order)[index]
    sizes = {(validated, len(counts)): training, (tested, validated): fifth, (0, tested): fifth}
    return DataSplit(
        *[
            np.sort(generator.permutation(np.flatnonzero((start <= place) & (place < end)))[:size])
            for (start, end), size in sizes.items()
        ]
    )


def take(inputs: Values, targets: Values, index: DataSplit) -> Data:
    """Return the examples with these indices as data, all training examples being eligible."""
    return Data(
        inputs=DataSplit(*[inputs[part] for part in index]),
        targets=DataSplit(*[targets[part] for part in index]),
        eligible=np.arange(len(index.training)),
    )


def take_standardised(inputs: Values, targets: Values, index: DataSplit) -> Data:
    """Return the examples with these indices, inputs and targets standardised."""
    data = take(inputs, targets, index)
    return data._replace(inputs=standardised(data.inputs), targets=standardised(data.targets))


def standardised(parts: DataSplit, *, together: bool = False) -> DataSplit:
    """Subtract the training mean of each column and divide by its training deviation.

    A column that is constant in the training part becomes 0 in all parts.

    Args:
        parts: The columns of each part, [example, ...].
        together: Divide by one deviation over all columns instead.
    """
    training = np.asarray(parts.training, np.float64)
    centre = training.mean(axis=0)
    deviation = training.std() if together else training.std(axis=0)
    # The computed deviation of a constant column is not 0 but of the size of rounding errors.
    varies = deviation > 1e-12 * np.maximum(np.abs(centre), 1e-300)
    scale = np.where(varies, deviation, np.inf)
    return DataSplit(*[((part - centre) / scale).astype(np.float32) for part in parts])


def flipped(labels: Values, rate: float, generator: Generator) -> Values:
    """Replace a fraction of the labels, rounded to whole labels, by uniformly drawn other classes.

    This is symmetric label noise, as in Ghosh et al. (2017), arXiv:1712.09482.
    """
    classes, index = np.unique(labels, return_inverse=True)
    # Wrong labels are drawn for all examples, so that those of two rates are the same where both
    # change a label.
    shift = generator.integers(1, len(classes), size=labels.shape)
    wrong = classes[(index.reshape(labels.shape) + shift) % len(classes)]
    return np.where(_some(labels, rate, generator), wrong, labels).astype(labels.dtype)


def contaminated(targets: Values, rate: float, generator: Generator) -> Values:
    """Replace a fraction of the targets by gross outliers, 5 to 15 deviations above the mean.

    All lie to one side, since symmetric outliers would cancel in the mean.
    """
    centre, scale = targets.mean(), targets.std()
    gross = centre + scale * generator.uniform(5, 15, size=targets.shape)
    return np.where(_some(targets, rate, generator), gross, targets).astype(targets.dtype)


def miscounted(counts: Values, rate: float, generator: Generator) -> Values:
    """Replace a fraction of the counts by whole numbers 5 to 15 deviations above their mean."""
    return np.round(contaminated(counts, rate, generator))


def heavy_tailed(targets: Values, rate: float, generator: Generator) -> Values:
    """Add errors of a Cauchy distribution to a fraction of the targets.

    The distribution is symmetric, its quartiles are one deviation of the targets away, and it has
    no mean.
    """
    far = targets + targets.std() * generator.standard_cauchy(size=targets.shape)
    return np.where(_some(targets, rate, generator), far, targets).astype(targets.dtype)


def batches(eligible: Values, size: int, epochs: int, generator: Generator) -> Values:
    """Draw the indices of all batches, [epoch, step, example], with a new permutation per epoch.

    Examples that do not fill a batch are left out of the epoch, so that all steps have one shape;
    fewer examples than a batch form a single smaller one.
    """
    size = min(size, len(eligible))
    steps = len(eligible) // size
    order = [generator.permutation(eligible)[: steps * size] for _ in range(epochs)]
    return np.stack(order).reshape(epochs, steps, size).astype(np.int32)


def _some(values: Values, rate: float, generator: Generator) -> Values:
    """Mask of a random fraction of the values; a greater rate includes those of a smaller one."""
    return generator.permutation(values.size).reshape(values.shape) < round(rate * values.size)
