"""The task of Engel's households: the 0.9 quantile of food expenditure at every income."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array
from numpy.typing import NDArray
from statsmodels.datasets import engel

from jaxloss.compare.tasks import metrics, sampling
from jaxloss.compare.tasks.metrics import Metric
from jaxloss.compare.tasks.models import linear
from jaxloss.compare.tasks.outputs import values
from jaxloss.compare.tasks.populations import Numbers, covering
from jaxloss.compare.tasks.task import Data, Generator, Task

QUANTILE = 0.9


def households() -> tuple[NDArray[Any], NDArray[Any]]:
    """Income, [household, 1], and expenditure on food, [household], in Belgian francs a year."""
    table = engel.load_pandas().data
    return table[["income"]].to_numpy(), table["foodexp"].to_numpy()


def draw(generator: Generator) -> Data:
    """Split the households; both columns are standardised by the training part."""
    income, food = households()
    return sampling.take_standardised(income, food, sampling.split(len(food), generator))


def gap(predictions: Array, targets: Array) -> Array:
    """Distance of the coverage, the share of targets at or below the prediction, from 0.9."""
    return jnp.abs(metrics.coverage(predictions, targets) - QUANTILE)


def tilt(predictions: Array, targets: Array) -> Array:
    """Difference in coverage between the lower and the higher half of the predictions.

    A line can cover nine tenths in all while it lies above all poor households and through the
    middle of the rich ones, which the coverage alone does not show.
    """
    order = jnp.argsort(predictions)
    below = (targets <= predictions)[order].astype(jnp.float32)
    half = len(targets) // 2
    return jnp.abs(below[:half].mean() - below[-half:].mean())


def height(predictions: Array, targets: Array) -> Array:
    """Mean of prediction less target."""
    return jnp.mean(predictions - targets)


def _points(name: str, says: str, function: Callable[[Array, Array], Array]) -> Metric:
    return Metric(name, says, function, higher=False, factor=100, unit="points")


METRICS = (
    _points("coverage_gap", f"distance of the coverage from {QUANTILE:.0%}", gap),
    Metric(
        "coverage",
        "households at or below the line",
        metrics.coverage,
        factor=100,
        unit="%",
    ),
    _points("tilt", "difference in coverage between the lower and the higher predictions", tilt),
    Metric("height", "mean of prediction less target", height, higher=False, unit="deviations"),
)

ENGEL = Task(
    name="engel",
    title="Engel's food expenditure",
    story="A line below which nine of ten households lie, whatever their income: food expenditure "
    "of the 235 Belgian households of Engel (1857), as in Koenker & Bassett (1982), "
    "doi:10.2307/1912528. Each seed trains on three fifths, validates on one fifth and tests on "
    "one fifth, 47 households: a share of them can only be known to about 4 points.",
    noise="gross outliers in the targets",
    draw=draw,
    corrupt=sampling.contaminated,
    model=linear(),  # as in Koenker & Bassett's analysis of these data
    convex=True,
    output=values(*METRICS, population=Numbers(covering)),
    reference=f"pinball(quantile={QUANTILE})",
    contenders=(
        f"pinball(quantile={QUANTILE})",
        f"quantile_huber(quantile={QUANTILE}, delta=[0.05, 0.2, 1])",
        f"expectile(quantile={QUANTILE})",
        "expectile(quantile=[0.95, 0.98])",
        "linex(a=[-4, -2, -1])",
        "absolute_error",
        "huber",
        "squared_error",
        "welsch",
    ),
    levels=(0.0, 0.05),  # a tenth of all lies above the line: outliers are half of it
    batch=8,  # of 141 households to train on: 17 steps an epoch
    epochs=100,
)
