"""The task of MNIST-1D: ten classes of short signals, generated in any number.

The shape of a class lies anywhere in its signal, so that a linear model, which knows places and not
shapes, does badly.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.models import perceptron
from jaxloss.compare.tasks.outputs import classes
from jaxloss.compare.tasks.task import Data, DataSplit, Generator, Task

POINTS = 40
# Data are generated at no cost, so a test part is as large as a training part.
SIZES = DataSplit(1000, 400, 1000)

# The horizontal position of a pen that writes each digit from top to bottom, at twelve heights.
TEMPLATES = np.array([
    [0.0, 0.9, 1.5, 1.8, 2.0, 2.0, 2.0, 2.0, 1.8, 1.5, 0.9, 0.0],
    [0.0, -2.1, -1.7, -1.3, -0.9, -0.5, -0.1, 0.3, 0.7, 1.1, 0.6, 0.0],
    [0.0, 1.3, 1.7, 1.5, 1.0, 0.3, -0.5, -1.2, -1.7, -1.6, -0.9, 0.0],
    [0.0, 1.2, 1.8, 1.6, 0.8, 0.1, 0.3, 1.0, 1.7, 1.8, 1.1, 0.0],
    [0.0, -0.5, -1.0, -1.6, -2.1, -2.5, -2.4, 0.0, 0.1, 0.1, 0.1, 0.0],
    [0.0, -1.9, -2.0, -2.0, -1.8, 0.2, 1.1, 1.6, 1.7, 1.2, -0.4, 0.0],
    [0.0, -0.8, -1.4, -1.8, -2.0, -2.1, -2.0, -1.9, -1.7, -1.3, -0.8, 0.0],
    [0.0, 2.0, 2.1, 1.7, 1.3, 0.9, 0.5, 0.0, -0.4, -0.8, -0.9, 0.0],
    [0.0, -1.2, -1.6, -1.3, -0.6, 0.1, -0.5, -1.2, -1.7, -1.7, -1.0, 0.0],
    [0.0, -1.1, -1.8, -1.7, -1.0, -0.1, 0.2, 0.2, 0.1, -0.3, -0.8, 0.0],
])  # fmt: skip


def generate(examples: int, generator: Generator) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Generate signals, with class sizes that differ by at most one.

    A template is padded to between four and six times its length, so that it lies anywhere among
    zeros, and sampled at 40 points; it is scaled by 0.8 to 1.2, sheared by up to 0.4 from end to
    end, and hidden in smooth noise and a little independent noise.

    Returns:
        Signals, [example, point], and their classes, [example].

    References:
        Greydanus & Kobak (2020), Scaling down deep learning with MNIST-1D, arXiv:2011.14439; the
        templates and the numbers are our own.
    """
    labels = generator.permutation(np.arange(examples) % len(TEMPLATES))

    def uniform(low: float, high: float) -> NDArray[np.float64]:
        return generator.uniform(low, high, size=(examples, 1))

    shapes = uniform(0.8, 1.2) * _placed_templates(labels, uniform(4, 6), uniform(0, 1))
    shears = uniform(-0.4, 0.4) * np.linspace(-0.5, 0.5, POINTS)
    rough = generator.normal(0, 0.75, size=(examples, POINTS))
    noise = rough @ _kernel(2.0) + generator.normal(0, 0.02, size=rough.shape)
    return (shapes + shears + noise).astype(np.float32), labels.astype(np.int32)


def draw(generator: Generator) -> Data:
    """Generate new signals for each part, scaled by one deviation for all points."""
    parts = [generate(size, part) for size, part in zip(SIZES, generator.spawn(3), strict=True)]
    signals, labels = (DataSplit(*each) for each in zip(*parts, strict=True))
    scaled = sampling.standardised(signals, together=True)
    return Data(scaled, labels, np.arange(SIZES.training))


def _kernel(width: float) -> NDArray[np.float64]:
    """Matrix [from, to] of a Gaussian moving average, over fewer points at the ends."""
    steps = np.arange(POINTS)
    weights = np.exp(-np.square((steps[:, None] - steps) / width) / 2)
    shares: NDArray[np.float64] = weights / weights.sum(axis=0)
    return shares


def _placed_templates(
    labels: NDArray[Any], padding: NDArray[Any], place: NDArray[Any]
) -> NDArray[Any]:
    """Place padded templates in a signal by linear interpolation, [example, point].

    Args:
        labels: Which template each example has.
        padding: The length of a padded template over that of the template.
        place: Where the template lies in its padding, from 0, at the beginning, to 1, at the end.
    """
    last = TEMPLATES.shape[1] - 1
    at = last * (padding * np.linspace(0, 1, POINTS) - (padding - 1) * place)
    before = np.clip(np.floor(at), 0, last - 1).astype(int)
    share = np.clip(at - before, 0, 1)
    left, right = (TEMPLATES[labels[:, None], before + step] for step in (0, 1))
    between: NDArray[Any] = (1 - share) * left + share * right
    return between


MNIST1D = Task(
    name="mnist1d",
    title="ten kinds of signals",
    story="Which of ten short shapes is hidden, anywhere, in a noisy signal of 40 points: the idea "
    "of MNIST-1D (Greydanus & Kobak 2020), with templates of our own. Each seed draws new signals: "
    f"{SIZES.training} to train on, {SIZES.validation} to validate and {SIZES.test} to test.",
    noise="wrong labels",
    draw=draw,
    corrupt=sampling.flipped,
    model=perceptron((10,), 100),
    output=classes(10),
    reference="cross_entropy",
    contenders=(
        "cross_entropy",
        "poly1_cross_entropy",
        "softmax_focal",
        "brier",
        "generalized_cross_entropy",
        "symmetric_cross_entropy",
        "bi_tempered_logistic",
        "cauchy_schwarz",
        "crammer_singer",
        "hinge",
    ),
    control="cross_entropy(temperature=[0.25, 0.5, 2, 4])",
    overlap=0.0,  # every seed has new data, so the seeds are independent
)
