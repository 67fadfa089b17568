"""The types of arrays whose events are single numbers, vectors or classes."""

import math
from dataclasses import replace
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.core.domains.base import (
    ArrayDomain,
    BinaryDomain,
    NonZeroDomain,
    Scale,
    WholeDomain,
)
from jaxloss.core.domains.plotting import (
    LOGIT_LINE,
    POSITIVE_LINE,
    REAL_LINE,
    UNIT_LINE,
    Plot,
    log_of_two_classes,
    on_circle,
    two_classes,
)
from jaxloss.numerics import tiny


def as_sign(truths: Array) -> Array:
    """+1 where positive, -1 elsewhere, NaN where NaN; quicker in a sum than `where` or `sign`."""
    steep = 2 / tiny(truths)
    unknown = 0 * truths  # in a sum on a CPU, XLA's maximum and minimum lose NaN
    return jnp.minimum(jnp.maximum(truths, 0) * steep - 1, 1) + unknown


def random_signs(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """-1 and +1 as floats, as most have them."""
    return 2 * rng.integers(0, 2, shape, np.int32).astype(np.float32) - 1


def _log_softmax(x: np.ndarray) -> np.ndarray:
    return np.asarray(x - np.logaddexp.reduce(x, axis=-1, keepdims=True))


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(_log_softmax(x)))


OPPOSITE = ((1.0, 0.0), (-1.0, 0.0))  # a positive, and a negative as far away as can be
MANY_CLASSES = (4096, 100)
TRUTHS = ("bool_", "floating", "integer")
_INTEGER_LABELS = (
    "integer labels belong to a function that takes labels, such as "
    "softmax_cross_entropy_with_integer_labels"
)
SOFT_LABELS = (
    "probabilities over classes belong to a function that takes them, such as "
    "softmax_cross_entropy; cast true labels to int32"
)

Real = Annotated[
    Array,
    ArrayDomain(
        "Real",
        "real numbers",
        plot=REAL_LINE,
    ),
]
LogRate = Annotated[
    Array, ArrayDomain("LogRate", "logs of rates, any real numbers", plot=REAL_LINE)
]
SharedReal = Annotated[
    Array,
    ArrayDomain(
        "SharedReal", "real numbers; a scalar or an axis of length 1 is shared", shared=True
    ),
]
NonNegativeReal = Annotated[
    Array,
    ArrayDomain(
        "NonNegativeReal",
        "numbers >= 0",
        low=0.0,
        benign=1.0,
        ordinary=(0.1, 5.0),
        edges=(0.0, 1e-6, 1.0, 1e4),
        plot=POSITIVE_LINE,
    ),
]
PositiveReal = Annotated[
    Array,
    ArrayDomain(
        "PositiveReal",
        "numbers > 0",
        low=0.0,
        open=True,
        benign=1.0,
        ordinary=(0.1, 5.0),
        edges=(1e-4, 1.0, 1e4),
        plot=POSITIVE_LINE,
    ),
]
NonZeroReal = Annotated[
    Array,
    NonZeroDomain(
        "NonZeroReal",
        "numbers other than 0",
        benign=1.0,
        ordinary=(0.2, 4.0),
        edges=(1e-4, -1.0, 1e4),
    ),
]
_DISPERSION = ArrayDomain(
    "Dispersion",
    "scales or dispersions >= 0; a scalar or an axis of length 1 is shared",
    low=0.0,
    benign=1.0,
    shared=True,
    ordinary=(0.2, 3.0),
    edges=(1e-4, 1.0, 1e4),
)
Variance = Annotated[
    Array,
    replace(
        _DISPERSION,
        name="Variance",
        says="variances >= 0; a scalar or an axis of length 1 is shared",
    ),
]
Dispersion = Annotated[Array, _DISPERSION]
Concentration = Annotated[
    Array,
    replace(
        _DISPERSION,
        name="Concentration",
        says="concentrations >= 0; a scalar or an axis of length 1 is shared",
        ordinary=(0.2, 5.0),
        edges=(0.0, 1e-4, 1e4),
    ),
]
Angle = Annotated[
    Array,
    ArrayDomain(
        "Angle",
        "angles in radians, of any turn",
        edges=(0.0, 1e-6, 1.0, math.pi, -math.pi),
        plot=Plot(along=(-6.28, 6.28)),
    ),
]
Vector = Annotated[
    Array,
    ArrayDomain(
        "Vector",
        "vectors over the last axis",
        axes=("features",),
        benign=1.0,
        edges=(0.0, 1e-12, 1.0, -1.0, 1e12),
        plot=Plot((-3.14, 3.14), on_circle, "angle of {}", beside=OPPOSITE),
    ),
]
Point = Annotated[
    Array,
    ArrayDomain(
        "Point",
        "points over the last axis, in one unit",
        axes=("features",),
        edges=(0.0, 1e-6, 1.0, -1.0, 4.0, -4.0),
        plot=replace(REAL_LINE, beside=OPPOSITE),
    ),
]
Score = Annotated[
    Array,
    ArrayDomain(
        "Score",
        "real scores, positive for the class +1",
        edges=(0.0, 1.0, -1.0, 0.5, 1e4, -1e4),
        scale=Scale.SCORE,
        plot=REAL_LINE,
    ),
]
Sign = Annotated[
    Array,
    ArrayDomain(
        "Sign",
        "bool, {0, 1} or {-1, +1}: positive is +1, all else -1",
        accepts=TRUTHS,
        convert=as_sign,
        whole=(0, 1),
        plot=Plot(beside=(1,)),
        realistic=random_signs,
    ),
]
Logit = Annotated[
    Array,
    ArrayDomain(
        "Logit",
        "log-odds, ±inf included",
        ordinary=(-4.0, 4.0),
        edges=(0.0, 1e4, -1e4, math.inf, -math.inf),
        scale=Scale.LOGIT,
        plot=LOGIT_LINE,
    ),
]
Probability = Annotated[
    Array,
    ArrayDomain(
        "Probability",
        "probabilities in [0, 1]",
        low=0.0,
        high=1.0,
        accepts=TRUTHS,
        benign=0.5,
        ordinary=(0.05, 0.95),
        edges=(0.0, 1.0),
        scale=Scale.PROBABILITY,
        plot=replace(UNIT_LINE, beside=(1.0,)),
    ),
]
OpenProbability = Annotated[
    Array,
    ArrayDomain(
        "OpenProbability",
        "numbers in (0, 1)",
        low=0.0,
        high=1.0,
        open=True,
        benign=0.5,
        ordinary=(0.05, 0.95),
        edges=(1e-6, 0.5, 1 - 1e-6),
        scale=Scale.PROBABILITY,
        plot=replace(UNIT_LINE, beside=(0.3,)),
    ),
]
_LOGITS = ArrayDomain(
    "Logits",
    "unnormalised log-probabilities over the last axis, -inf for masked classes",
    axes=("classes",),
    least=(1,),
    ordinary=(-4.0, 4.0),
    edges=(0.0, 1e4, -1e4, -math.inf),
    scale=Scale.LOGIT,
    plot=LOGIT_LINE,
    typical=MANY_CLASSES,
)
# A finite logit is a number, however low: `finfo.min` has the probability 0 beside larger ones, and
# rows of it alone are uniform. One of +inf is the limit as it grows; of two of them, NaN or +inf.
Logits = Annotated[Array, _LOGITS]
UncheckedLogits = Annotated[Array, replace(_LOGITS, unchecked=True)]
Scores = Annotated[
    Array,
    ArrayDomain(
        "Scores",
        "real scores over the last axis, one a class",
        axes=("classes",),
        least=(1,),
        edges=(0.0, 1.0, -1.0, 1e4, -1e4),
        scale=Scale.SCORE,
        plot=REAL_LINE,
        typical=MANY_CLASSES,
    ),
]
LogProbabilities = Annotated[
    Array,
    ArrayDomain(
        "LogProbabilities",
        "log-probabilities over the last axis, in [-inf, 0.001], as rounding leads above 0",
        high=1e-3,
        axes=("classes",),
        least=(1,),
        ordinary=(-4.0, 4.0),
        edges=(0.0, 1e4, -math.inf),
        normalised=_log_softmax,
        scale=Scale.LOG_PROBABILITY,
        plot=Plot((-5.0, -0.01), log_of_two_classes, beside=((-0.2877, -1.3863),)),
        typical=MANY_CLASSES,
    ),
]
Simplex = Annotated[
    Array,
    ArrayDomain(
        "Simplex",
        "probabilities over the last axis, or other weights >= 0, which are not normalised",
        low=0.0,
        accepts=TRUTHS,
        axes=("classes",),
        least=(1,),
        benign=1.0,
        likely_fix=_INTEGER_LABELS,
        edges=(0.0, 1e4, -math.inf),
        normalised=_softmax,
        scale=Scale.PROBABILITY,
        plot=replace(UNIT_LINE, event=two_classes, beside=((0.75, 0.25),)),
        typical=MANY_CLASSES,
    ),
]
MultiHot = Annotated[
    Array,
    BinaryDomain(
        "MultiHot",
        "0 or 1 over the last axis, 1 for each class that is present",
        low=0.0,
        high=1.0,
        accepts=TRUTHS,
        axes=("classes",),
        least=(1,),
        likely_fix="jax.nn.one_hot makes it of integer labels",
        whole=(0, 1),
        plot=Plot(beside=((1, 0),)),
    ),
]
Label = Annotated[
    Array,
    WholeDomain(
        "Label",
        "integers in [0, classes)",
        low=0,
        indexes="classes",
        likely_fix=SOFT_LABELS,
    ),
]
