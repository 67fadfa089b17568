"""The task: scikit-learn's digits, with all randomness drawn on the host, once for every loss."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from jaxloss.compare import network

CLASSES = 10
BATCH = 64


class Parts(NamedTuple):
    """Something for each part of the data; three fifths, one fifth and one fifth of it."""

    training: Any
    validation: Any
    test: Any


class Trials(NamedTuple):
    """Everything random, for each seed: the same for all losses, so that they can be paired.

    Attributes:
        images: Each [seed, example, pixel], standardised.
        labels: Each [seed, noise level, example]; those of the test part are always clean.
        parameters: The network before training, each [seed, ...].
        order: Which training examples make a batch, [seed, epoch, step, example].
    """

    images: Any
    labels: Any
    parameters: Any
    order: Any


def trials(seeds: int, noise: Sequence[float], epochs: int) -> Trials:
    """The trials of seeds 0, 1, ..., seeds - 1."""
    images, labels = load_digits(return_X_y=True)
    drawn = [_trial(seed, images, labels.astype(np.int32), noise, epochs) for seed in range(seeds)]
    stacked: Trials = jax.tree.map(lambda *parts: np.stack(parts), *drawn)
    return stacked


def _trial(
    seed: int,
    images: NDArray[np.float64],
    labels: NDArray[np.int32],
    noise: Sequence[float],
    epochs: int,
) -> Trials:
    splits, flips, weights, orders = np.random.default_rng(seed).spawn(4)
    index = split(labels, splits)
    clean = Parts(*[labels[part] for part in index])
    return Trials(
        images=standardise(Parts(*[images[part] for part in index])),
        labels=Parts(
            training=_noisy(clean.training, noise, flips),
            validation=_noisy(clean.validation, noise, flips),
            test=np.stack([clean.test] * len(noise)),
        ),
        parameters=network.initial(weights, inputs=images.shape[1], outputs=CLASSES),
        order=batches(len(index.training), epochs, orders),
    )


def split(labels: NDArray[np.int32], generator: np.random.Generator) -> Parts:
    """The indices of the parts, each with the classes in their proportions."""
    state = np.random.RandomState(generator.integers(2**31))
    everything = np.arange(len(labels))
    rest, test = train_test_split(everything, test_size=0.2, stratify=labels, random_state=state)
    training, validation = train_test_split(
        rest, test_size=0.25, stratify=labels[rest], random_state=state
    )
    return Parts(training, validation, test)


def standardise(images: Parts) -> Parts:
    """Less the mean of each pixel, over one deviation for all; both of the training part.

    A deviation for each pixel would blow up those at the rim, which are almost always blank.
    """
    centre, scale = images.training.mean(axis=0), images.training.std()
    return Parts(*[((part - centre) / scale).astype(np.float32) for part in images])


def flipped(
    labels: NDArray[np.int32], rate: float, rank: NDArray[np.int64], shift: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The labels, with `rate` of them (rounded) replaced by another class: those of least rank."""
    wrong = (labels + shift) % CLASSES
    return np.where(rank < round(rate * len(labels)), wrong, labels).astype(np.int32)


def batches(examples: int, epochs: int, generator: np.random.Generator) -> NDArray[np.int32]:
    """Whole batches of a fresh permutation for each epoch; what does not fill one sits it out."""
    steps = examples // BATCH
    order = np.stack([generator.permutation(examples)[: steps * BATCH] for _ in range(epochs)])
    return order.reshape(epochs, steps, BATCH).astype(np.int32)


def _noisy(
    labels: NDArray[np.int32], noise: Sequence[float], generator: np.random.Generator
) -> NDArray[np.int32]:
    """The labels at each noise level; what is wrong at one is as wrong at every higher one."""
    rank = generator.permutation(len(labels))
    shift = generator.integers(1, CLASSES, size=len(labels), dtype=np.int32)
    return np.stack([flipped(labels, rate, rank, shift) for rate in noise])
