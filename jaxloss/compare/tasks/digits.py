"""The task of handwritten digits: ten classes of images of 8 x 8 pixels."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.models import perceptron
from jaxloss.compare.tasks.outputs import classes
from jaxloss.compare.tasks.task import Data, Task

# The twelve losses of Janocha & Czarnecki (2017), arXiv:1702.05659, in the order of their table.
JANOCHA = (
    "one_hot_absolute_error",
    "one_hot_squared_error",
    "expectation",
    "brier",
    "chebyshev",
    "hinge(margin=0.5)",
    "squared_hinge(margin=0.5)",
    "cubed_hinge(margin=0.5)",
    "cross_entropy",
    "squared_log",
    "tanimoto",
    "cauchy_schwarz",
)


def draw(generator: np.random.Generator) -> Data:
    """Split the 1797 images, of 8 x 8 pixels each.

    Each pixel is centred by its own mean and all are scaled by one deviation: a deviation per pixel
    would blow up those at the rim, which are almost always blank.
    """
    images, labels = _load()
    data = sampling.take(images, labels, sampling.split(len(labels), generator, labels))
    return data._replace(inputs=sampling.standardised(data.inputs, together=True))


@functools.cache  # read and parsed once, not for every seed
def _load() -> tuple[NDArray[Any], NDArray[np.int32]]:
    images, labels = load_digits(return_X_y=True)
    return images, labels.astype(np.int32)


DIGITS = Task(
    name="digits",
    title="handwritten digits",
    story="One of ten digits from 8 x 8 grey pixels: the 1797 pictures of scikit-learn, of which "
    "each seed trains on three fifths, validates on one fifth and tests on one fifth.",
    noise="wrong labels",
    draw=draw,
    corrupt=sampling.flipped,
    model=perceptron((10,), 64),
    output=classes(10),
    reference="cross_entropy",
    contenders=JANOCHA,
    control="cross_entropy(temperature=[0.25, 0.5, 2, 4])",
    rates=(3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),  # no loss is best at either end
)
