"""The types in the signatures of losses: which values an argument takes, in which layout.

An array type says how many trailing axes form one event; the axes before them are the batch.
A hyper-parameter type says in which interval the number lies. Both are read by the check in
`contract`, by the tests that draw inputs, and by the catalog.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Annotated, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

Values = TypeVar("Values", Array, np.ndarray)


@dataclass(frozen=True)
class Domain:
    """An interval of numbers, open or closed at each end."""

    name: str
    says: str
    low: float = -inf
    high: float = inf
    open: bool = False

    @property
    def bounded(self) -> bool:
        """Whether some number lies outside."""
        return self.open or self.low > -inf or self.high < inf

    def contains(self, value: Values) -> Values:
        """Elementwise membership; NaN is nowhere a member."""
        if self.open:
            return (value > self.low) & (value < self.high)
        return (value >= self.low) & (value <= self.high)


@dataclass(frozen=True)
class ArrayDomain(Domain):
    """What an array holds: its dtypes, its event axes, and a harmless value for behind a mask.

    Where a loss couples the elements of a set, an event is a set, and the last `features` of its
    axes describe one element. Where a loss was made for so many entries, they are its `width`.
    What all examples have in common, such as a weight, has no batch axes and nothing `benign`.
    """

    accepts: tuple[str, ...] = ("floating", "integer")
    event: int = 0
    features: int = 0
    benign: float | None = 0.0
    shared: bool = False
    indexes: bool = False
    width: int | None = None
    convert: Callable[[Array], Array] = jnp.asarray
    likely_fix: str = "cast it to a floating type"

    def admits(self, dtype: jnp.dtype) -> bool:
        """Whether arrays of this dtype are accepted."""
        return any(jnp.issubdtype(dtype, getattr(jnp, kind)) for kind in self.accepts)


@dataclass(frozen=True)
class NonZeroDomain(ArrayDomain):
    """What may be divided by."""

    @property
    def bounded(self) -> bool:
        """Whether some number lies outside: 0 does."""
        return True

    def contains(self, value: Values) -> Values:
        """Elementwise membership; NaN is nowhere a member."""
        return (value < 0) | (value > 0)


@dataclass(frozen=True)
class BinaryDomain(ArrayDomain):
    """0 and 1, and nothing between."""

    def contains(self, value: Values) -> Values:
        """Elementwise membership; NaN is nowhere a member."""
        between = (value > self.low) & (value < self.high)
        return super().contains(value) & ~between


@dataclass(frozen=True)
class WholeDomain(ArrayDomain):
    """Integers, which stay so: as floats, large ones would be rounded to others."""

    accepts: tuple[str, ...] = ("integer",)
    likely_fix: str = "cast it to int32"

    def contains(self, value: Values) -> Values:
        """Elementwise membership."""
        limits = np.iinfo(value.dtype)
        low, high = max(self.low, limits.min), min(self.high, limits.max)
        return (value >= int(low)) & (value <= int(high))


@dataclass(frozen=True)
class HyperDomain(Domain):
    """What a hyper-parameter may be: a number, or `per_class` one for each class (last axis)."""

    per_class: bool = False


def _as_sign(truths: Array) -> Array:
    """+1 where positive, -1 elsewhere, NaN where NaN."""
    return jnp.where(jnp.isnan(truths), truths, jnp.where(truths > 0, 1, -1))


_TRUTHS = ("bool_", "floating", "integer")
_INTEGER_LABELS = (
    "integer labels belong to a function that takes labels, such as "
    "softmax_cross_entropy_with_integer_labels"
)
_SOFT_LABELS = (
    "probabilities over classes belong to a function that takes them, such as "
    "softmax_cross_entropy; cast true labels to int32"
)

Real = Annotated[Array, ArrayDomain("Real", "real numbers")]
NonNegativeReal = Annotated[
    Array, ArrayDomain("NonNegativeReal", "numbers >= 0", low=0.0, benign=1.0)
]
PositiveReal = Annotated[
    Array, ArrayDomain("PositiveReal", "numbers > 0", low=0.0, open=True, benign=1.0)
]
NonZeroReal = Annotated[Array, NonZeroDomain("NonZeroReal", "numbers other than 0", benign=1.0)]
Variance = Annotated[
    Array,
    ArrayDomain(
        "Variance",
        "variances >= 0; a scalar or an axis of length 1 is shared",
        low=0.0,
        benign=1.0,
        shared=True,
    ),
]
Spread = Annotated[
    Array,
    ArrayDomain(
        "Spread",
        "scales or dispersions >= 0; a scalar or an axis of length 1 is shared",
        low=0.0,
        benign=1.0,
        shared=True,
    ),
]
Concentration = Annotated[
    Array,
    ArrayDomain(
        "Concentration",
        "concentrations >= 0; a scalar or an axis of length 1 is shared",
        low=0.0,
        benign=1.0,
        shared=True,
    ),
]
Angle = Annotated[Array, ArrayDomain("Angle", "angles in radians, of any turn")]
Vector = Annotated[Array, ArrayDomain("Vector", "vectors over the last axis", event=1, benign=1.0)]
Point = Annotated[Array, ArrayDomain("Point", "points over the last axis, in one unit", event=1)]
Score = Annotated[Array, ArrayDomain("Score", "real scores, positive for the class +1")]
Sign = Annotated[
    Array,
    ArrayDomain(
        "Sign",
        "bool, {0, 1} or {-1, +1}: positive is +1, all else -1",
        accepts=_TRUTHS,
        convert=_as_sign,
    ),
]
Logit = Annotated[Array, ArrayDomain("Logit", "log-odds, ±inf included")]
Probability = Annotated[
    Array,
    ArrayDomain(
        "Probability", "probabilities in [0, 1]", low=0.0, high=1.0, accepts=_TRUTHS, benign=0.5
    ),
]
OpenProbability = Annotated[
    Array,
    ArrayDomain("OpenProbability", "numbers in (0, 1)", low=0.0, high=1.0, open=True, benign=0.5),
]
Logits = Annotated[
    Array,
    ArrayDomain(
        "Logits",
        "unnormalised log-probabilities over the last axis, -inf for masked classes",
        event=1,
    ),
]
Scores = Annotated[
    Array, ArrayDomain("Scores", "real scores over the last axis, one a class", event=1)
]
LogProbabilities = Annotated[
    Array,
    ArrayDomain(
        "LogProbabilities", "log-probabilities over the last axis, in [-inf, 0]", high=1e-3, event=1
    ),
]
Simplex = Annotated[
    Array,
    ArrayDomain(
        "Simplex",
        "probabilities over the last axis, each >= 0, summing to 1",
        low=0.0,
        accepts=_TRUTHS,
        event=1,
        benign=1.0,
        likely_fix=_INTEGER_LABELS,
    ),
]
MultiHot = Annotated[
    Array,
    BinaryDomain(
        "MultiHot",
        "0 or 1 over the last axis, 1 for each class that is present",
        low=0.0,
        high=1.0,
        accepts=_TRUTHS,
        event=1,
        likely_fix="jax.nn.one_hot makes it of integer labels",
    ),
]
Label = Annotated[
    Array,
    ArrayDomain(
        "Label",
        "integers in [0, classes)",
        accepts=("integer",),
        indexes=True,
        likely_fix=_SOFT_LABELS,
    ),
]
ItemScores = Annotated[
    Array, ArrayDomain("ItemScores", "real scores over the last axis, one an item", event=1)
]
Relevance = Annotated[
    Array,
    ArrayDomain(
        "Relevance", "relevance >= 0 over the last axis, one an item", low=0.0, event=1, benign=0.0
    ),
]
Region = Annotated[
    Array,
    ArrayDomain(
        "Region",
        "probabilities in [0, 1] over the last axis, one a pixel",
        low=0.0,
        high=1.0,
        accepts=_TRUTHS,
        event=1,
        benign=0.0,
    ),
]
Regions = Annotated[
    Array,
    ArrayDomain(
        "Regions",
        "probabilities in [0, 1] over the last two axes, pixels and classes",
        low=0.0,
        high=1.0,
        accepts=_TRUTHS,
        event=2,
        features=1,
        benign=0.0,
    ),
]
PixelScores = Annotated[
    Array,
    ArrayDomain(
        "PixelScores", "real scores over the last axis, one a pixel, positive inside", event=1
    ),
]
PixelSigns = Annotated[
    Array,
    ArrayDomain(
        "PixelSigns",
        "bool, {0, 1} or {-1, +1} over the last axis, one a pixel: positive is inside",
        accepts=_TRUTHS,
        event=1,
        convert=_as_sign,
    ),
]
PixelLogits = Annotated[
    Array,
    ArrayDomain(
        "PixelLogits",
        "unnormalised log-probabilities over the last two axes, pixels and classes, -inf for "
        "masked classes",
        event=2,
        features=1,
    ),
]
PixelLabels = Annotated[
    Array,
    ArrayDomain(
        "PixelLabels",
        "integers in [0, classes) over the last axis, one a pixel",
        accepts=("integer",),
        event=1,
        indexes=True,
        likely_fix=_SOFT_LABELS,
    ),
]
FrameLogits = Annotated[
    Array,
    ArrayDomain(
        "FrameLogits",
        "unnormalised log-probabilities, frames by classes, -inf for masked classes",
        event=2,
    ),
]
FrameCounts = Annotated[
    Array,
    WholeDomain("FrameCounts", "how many frames there are, integers in [0, frames]", low=0),
]
LabelCounts = Annotated[
    Array,
    WholeDomain("LabelCounts", "how many labels there are, integers in [0, labels]", low=0),
]
SequenceLabels = Annotated[
    Array,
    WholeDomain(
        "SequenceLabels",
        "integers in [1, classes) over the last axis, then anything as padding",
        event=1,
    ),
]
Embeddings = Annotated[
    Array,
    ArrayDomain(
        "Embeddings",
        "vectors of any length over the last two axes, elements and features",
        event=2,
        features=1,
    ),
]
Groups = Annotated[
    Array,
    WholeDomain(
        "Groups",
        "integers over the last axis, equal where elements are alike",
        event=1,
        likely_fix="np.unique(labels, return_inverse=True) numbers any labels",
    ),
]

Number = Annotated[ArrayLike, HyperDomain("Number", "a real number", open=True)]
Extended = Annotated[ArrayLike, HyperDomain("Extended", "a real number or ±inf")]
Positive = Annotated[ArrayLike, HyperDomain("Positive", "a number > 0", low=0.0, open=True)]
NonNegative = Annotated[ArrayLike, HyperDomain("NonNegative", "a number >= 0", low=0.0)]
AtLeastOne = Annotated[ArrayLike, HyperDomain("AtLeastOne", "a number >= 1", low=1.0)]
Unit = Annotated[ArrayLike, HyperDomain("Unit", "a number in [0, 1]", low=0.0, high=1.0)]
OpenUnit = Annotated[
    ArrayLike, HyperDomain("OpenUnit", "a number in (0, 1)", low=0.0, high=1.0, open=True)
]
ClassWeights = Annotated[
    ArrayLike,
    HyperDomain(
        "ClassWeights",
        "a number >= 0, or one for each entry of the last axis",
        low=0.0,
        per_class=True,
    ),
]
