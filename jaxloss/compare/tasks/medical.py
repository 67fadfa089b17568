"""Tasks of two small medical data sets: classify tumours, and predict the course of diabetes."""

from dataclasses import replace

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes

from jaxloss.compare.tasks import metrics, sampling
from jaxloss.compare.tasks.metrics import Metric
from jaxloss.compare.tasks.models import linear
from jaxloss.compare.tasks.outputs import BINARY, EXPLAINED, MEDIAN_ERROR, values
from jaxloss.compare.tasks.populations import Tails
from jaxloss.compare.tasks.task import Data, Generator, Task

TEMPERATURES = "cross_entropy(temperature=[0.25, 0.5, 2, 4])"  # 1 is the reference itself

# The convex margin losses, then the bounded ones, then those of a probability.
MARGINS = (
    "hinge",
    "squared_hinge",
    "modified_huber",
    "logistic",
    "exponential",
    "squared_margin",
    "dwd",
    "ramp",
    "savage",
    "tangent",
    "sigmoid_focal",
    "binary_cross_entropy",
)

# Convex losses, then redescending ones; targets are standardised, so the ranges of their scales are
# in deviations of the targets and go from well inside the clean errors to beyond them.
RESIDUALS = (
    "absolute_error",
    "epsilon_insensitive(epsilon=[0.05, 0.1, 0.2, 0.5])",
    "log_cosh",
    "huber(delta=0.1..10)",
    "pseudo_huber(delta=0.1..10)",
    "charbonnier(scale=0.01..1)",
    "fair(scale=0.1..10)",
    "barron(alpha=-2..2)",
    "cauchy(scale=0.1..10)",
    "geman_mcclure(scale=0.1..10)",
    "welsch(scale=0.1..10)",
    "tukey(scale=0.5..50)",
)

# Of counts, in whose unit the scales are.
COUNTED = (
    "squared_log_error",
    "squared_error",
    "absolute_error",
    "log_cosh",
    "huber(delta=0.1..10)",
    "pseudo_huber(delta=0.1..10)",
)

# The median error ranks: a few far errors, which squared error minimises, do not decide it.
_METRICS = (
    replace(MEDIAN_ERROR, unit="deviations"),
    Metric("rank_correlation", "Spearman's rank correlation", metrics.rank_correlation),
    EXPLAINED,
)
REAL = values(*_METRICS)


def draw_breast_cancer(generator: Generator) -> Data:
    """Split the 569 tumours: 30 standardised measurements, and the label 1 for benign."""
    inputs, labels = load_breast_cancer(return_X_y=True)
    data = sampling.take(
        inputs, labels.astype(np.int32), sampling.split(len(labels), generator, labels)
    )
    return data._replace(inputs=sampling.standardised(data.inputs))


def draw_diabetes(generator: Generator) -> Data:
    """Split the 442 patients: ten measurements and the progression, all standardised."""
    inputs, targets = load_diabetes(return_X_y=True)
    return sampling.take_standardised(inputs, targets, sampling.split(len(targets), generator))


BREAST_CANCER = Task(
    name="breast_cancer",
    title="breast cancer",
    story="Whether a tumour is benign, from 30 measurements of cell nuclei: the 569 tumours of "
    "Street, Wolberg and Mangasarian (1993) that scikit-learn ships, of which each seed trains on "
    "three fifths, validates on one fifth and tests on one fifth.",
    noise="wrong labels",
    draw=draw_breast_cancer,
    corrupt=sampling.flipped,
    model=linear(),
    convex=True,
    output=BINARY,
    reference="cross_entropy",
    contenders=MARGINS,
    control=TEMPERATURES,
    levels=(0.0, 0.3),
    epochs=60,
)

DIABETES = Task(
    name="diabetes",
    title="progression of diabetes",
    story="How far diabetes has progressed after a year, from ten measurements: the 442 patients "
    "of Efron et al. (2004) that scikit-learn ships, of whom each seed trains on three fifths, "
    "validates on one fifth and tests on one fifth. Errors are in deviations of the targets "
    "trained on; over all patients a deviation is 77 points.",
    noise="gross outliers",
    draw=draw_diabetes,
    corrupt=sampling.contaminated,
    model=linear(),
    convex=True,
    output=REAL,
    reference="squared_error",
    contenders=RESIDUALS,
    levels=(0.0, 0.3),
    epochs=60,
)

HEAVY_TAILS = replace(
    DIABETES,
    name="diabetes-heavy-tails",
    title="progression of diabetes, with heavy tails",
    noise="errors of Cauchy's distribution",
    corrupt=sampling.heavy_tailed,
    output=values(*_METRICS, population=Tails()),
)
