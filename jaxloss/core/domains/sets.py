"""The types of arrays whose events are sets or sequences: items, pixels, frames, embeddings."""

from dataclasses import replace
from typing import Annotated

from jax import Array

from jaxloss.core.domains.arrays import SOFT_LABELS, TRUTHS, as_sign
from jaxloss.core.domains.base import ArrayDomain, CountDomain, WholeDomain

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
        accepts=TRUTHS,
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
        accepts=TRUTHS,
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
        accepts=TRUTHS,
        event=1,
        convert=as_sign,
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
        least=(1,),
    ),
]
PixelLabels = Annotated[
    Array,
    WholeDomain(
        "PixelLabels",
        "integers in [0, classes) over the last axis, one a pixel",
        low=0,
        event=1,
        indexes=True,
        likely_fix=SOFT_LABELS,
    ),
]
FrameLogits = Annotated[
    Array,
    ArrayDomain(
        "FrameLogits",
        "unnormalised log-probabilities, frames by classes, -inf for masked classes; then anything "
        "as padding",
        event=2,
        least=(1,),
        padded="FrameCounts",
    ),
]
FrameCounts = Annotated[
    Array,
    CountDomain(
        "FrameCounts",
        "how many frames there are, integers in [0, frames]",
        low=0,
        counted="FrameLogits",
    ),
]
LabelCounts = Annotated[
    Array,
    CountDomain(
        "LabelCounts",
        "how many labels there are, integers in [0, labels]",
        low=0,
        counted="SequenceLabels",
    ),
]
SequenceLabels = Annotated[
    Array,
    WholeDomain(
        "SequenceLabels",
        "integers in [1, classes) over the last axis, then anything as padding",
        low=1,
        event=1,
        indexes=True,
        padded="LabelCounts",
    ),
]
_EMBEDDINGS = ArrayDomain(
    "Embeddings",
    "vectors of any length over the last two axes, elements and features",
    event=2,
    features=1,
    least=(1,),
)
Embeddings = Annotated[Array, _EMBEDDINGS]
Keys = Annotated[Array, replace(_EMBEDDINGS, longer=True)]
Groups = Annotated[
    Array,
    WholeDomain(
        "Groups",
        "integers over the last axis, equal where elements are alike",
        event=1,
        likely_fix="np.unique(labels, return_inverse=True) numbers any labels",
    ),
]
