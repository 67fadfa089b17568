"""The types of arrays whose events are sets or sequences: items, pixels, frames, embeddings."""

import math
from dataclasses import replace
from typing import Annotated

from jax import Array

from jaxloss.core.domains.arrays import SOFT_LABELS, TRUTHS, as_sign
from jaxloss.core.domains.base import ArrayDomain, WholeDomain

ItemScores = Annotated[
    Array,
    ArrayDomain(
        "ItemScores",
        "real scores over the last axis, one an item",
        axes=("items",),
        edges=(0.0, 1.0, -1.0, 1e4, -1e4),
    ),
]
Relevance = Annotated[
    Array,
    ArrayDomain(
        "Relevance",
        "relevance >= 0 over the last axis, one an item",
        low=0.0,
        axes=("items",),
        benign=0.0,
        ordinary=(0.1, 2.0),
        edges=(0.0, 1.0),
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
        axes=("pixels",),
        benign=0.0,
        ordinary=(0.05, 0.95),
        edges=(0.0, 1.0),
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
        axes=("pixels", "classes"),
        benign=0.0,
        ordinary=(0.05, 0.95),
        edges=(0.0, 1.0),
    ),
]
PixelScores = Annotated[
    Array,
    ArrayDomain(
        "PixelScores",
        "real scores over the last axis, one a pixel, positive inside",
        axes=("pixels",),
        edges=(0.0, 1.0, -1.0, 1e4, -1e4),
    ),
]
PixelSigns = Annotated[
    Array,
    ArrayDomain(
        "PixelSigns",
        "bool, {0, 1} or {-1, +1} over the last axis, one a pixel: positive is inside",
        accepts=TRUTHS,
        axes=("pixels",),
        convert=as_sign,
        whole=(0, 1),
    ),
]
PixelLogits = Annotated[
    Array,
    ArrayDomain(
        "PixelLogits",
        "unnormalised log-probabilities over the last two axes, pixels and classes, -inf for "
        "masked classes",
        axes=("pixels", "classes"),
        least=(1,),
        ordinary=(-4.0, 4.0),
        edges=(0.0, 1e4, -1e4, -math.inf),
    ),
]
PixelLabels = Annotated[
    Array,
    WholeDomain(
        "PixelLabels",
        "integers in [0, classes) over the last axis, one a pixel",
        low=0,
        axes=("pixels",),
        indexes="classes",
        likely_fix=SOFT_LABELS,
    ),
]
FrameLogits = Annotated[
    Array,
    ArrayDomain(
        "FrameLogits",
        "unnormalised log-probabilities, frames by classes, -inf for masked classes; then anything "
        "as padding",
        axes=("frames", "classes"),
        least=(1,),
        padded="frames",
        ordinary=(-4.0, 4.0),
        edges=(0.0, 1e4, -1e4, -math.inf),
    ),
]
FrameCounts = Annotated[
    Array,
    WholeDomain(
        "FrameCounts",
        "how many frames there are, integers in [0, frames]",
        low=0,
        counts="frames",
    ),
]
LabelCounts = Annotated[
    Array,
    WholeDomain(
        "LabelCounts",
        "how many labels there are, integers in [0, labels]",
        low=0,
        counts="labels",
        whole=(0, 1, 2),
    ),
]
SequenceLabels = Annotated[
    Array,
    WholeDomain(
        "SequenceLabels",
        "integers in [1, classes) over the last axis, then anything as padding",
        low=1,
        axes=("labels",),
        indexes="classes",
        padded="labels",
    ),
]
_EMBEDDINGS = ArrayDomain(
    "Embeddings",
    "vectors of any length over the last two axes, elements and features",
    axes=("elements", "features"),
    least=(1,),
    edges=(0.0, 1e-12, 1.0, -1.0, 1e12),
)
Embeddings = Annotated[Array, _EMBEDDINGS]
Keys = Annotated[
    Array, replace(_EMBEDDINGS, axes=("keys", "features"), at_least=("keys", "elements"))
]
Groups = Annotated[
    Array,
    WholeDomain(
        "Groups",
        "integers over the last axis, equal where elements are alike",
        axes=("elements",),
        likely_fix="np.unique(labels, return_inverse=True) numbers any labels",
        whole=(0, -1, 7),
    ),
]
