"""Engel's households: how much the tenth that spends most on food spends, at every income."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array
from numpy.typing import NDArray
from statsmodels.datasets import engel

from jaxloss.compare.tasks import metrics, sampling
from jaxloss.compare.tasks.metrics import Metric
from jaxloss.compare.tasks.models import Linear
from jaxloss.compare.tasks.outputs import values
from jaxloss.compare.tasks.populations import Numbers, covering
from jaxloss.compare.tasks.task import Data, Generator, Task

QUANTILE = 0.9


def households() -> tuple[NDArray[Any], NDArray[Any]]:
    """Income, [household, 1], and expenditure on food, [household], in Belgian francs a year."""
    table = engel.load_pandas().data
    return table[["income"]].to_numpy(), table["foodexp"].to_numpy()


def draw(generator: Generator) -> Data:
    """A split of the households, both columns in deviations of the training part."""
    income, food = households()
    data = sampling.take(income, food, sampling.split(len(food), generator))
    return data._replace(
        inputs=sampling.standardised(data.inputs), targets=sampling.standardised(data.targets)
    )


def gap(predictions: Array, targets: Array) -> Array:
    """How far the share of targets at or below the prediction is from the level."""
    return jnp.abs(metrics.coverage(predictions, targets) - QUANTILE)


def tilt(predictions: Array, targets: Array) -> Array:
    """How far the coverages of the lower and the higher half of the predictions are apart.

    A line may cover nine tenths by lying above all of the poor and through the midst of the rich.
    """
    order = jnp.argsort(predictions)
    below = (targets <= predictions)[order].astype(jnp.float32)
    half = len(targets) // 2
    return jnp.abs(below[:half].mean() - below[-half:].mean())


def height(predictions: Array, targets: Array) -> Array:
    """How far the predictions lie above the targets on average."""
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
    model=Linear(),
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
    levels=(0.0, 0.05),
    batch=8,
    epochs=100,
)
