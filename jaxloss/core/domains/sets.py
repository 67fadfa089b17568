"""The types of arrays whose events are sets or sequences: items, pixels, frames, embeddings."""

import math
from dataclasses import replace
from typing import Annotated

import numpy as np
from jax import Array

from jaxloss.core.domains.arrays import SOFT_LABELS, TRUTHS, as_sign, random_signs
from jaxloss.core.domains.base import ArrayDomain, Scale, WholeDomain
from jaxloss.core.domains.plotting import (
    LOGIT_LINE,
    REAL_LINE,
    UNIT_LINE,
    Plot,
    circle_of_three,
    pixel_of_two_classes,
    two_frames,
)


def _pairs(_: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Groups of two elements, far apart as two views of one batch are."""
    size = shape[-1]
    return np.broadcast_to(np.arange(size, dtype=np.int32) % max(size // 2, 1), shape)


ItemScores = Annotated[
    Array,
    ArrayDomain(
        "ItemScores",
        "real scores over the last axis, one an item",
        axes=("items",),
        edges=(0.0, 1.0, -1.0, 1e4, -1e4),
        scale=Scale.SCORE,
        plot=REAL_LINE,
        typical=(64, 1024),
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
        plot=Plot(beside=((1.0, 0.0),)),
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
        scale=Scale.PROBABILITY,
        plot=replace(UNIT_LINE, beside=((1.0, 1.0),)),
        typical=(8, 65536),
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
        scale=Scale.PROBABILITY,
        plot=replace(UNIT_LINE, event=pixel_of_two_classes, beside=(((1.0, 0.0),),)),
        typical=(8, 16384, 4),
        few=(2, 32, 4),
    ),
]
PixelScores = Annotated[
    Array,
    ArrayDomain(
        "PixelScores",
        "real scores over the last axis, one a pixel, positive inside",
        axes=("pixels",),
        edges=(0.0, 1.0, -1.0, 1e4, -1e4),
        scale=Scale.SCORE,
        plot=REAL_LINE,
        typical=(8, 16384),  # fewer than of regions: a Lovász loss sorts them
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
        plot=Plot(beside=((1, 0),)),
        realistic=random_signs,
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
        scale=Scale.LOGIT,
        plot=LOGIT_LINE,
        typical=(4, 16384, 4),
        few=(2, 32, 4),
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
        scale=Scale.LOGIT,
        plot=replace(LOGIT_LINE, event=two_frames),
        typical=(16, 100, 32),
        few=(2, 16, 8),
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
        plot=Plot(beside=((1,),)),
    ),
]
_EMBEDDINGS = ArrayDomain(
    "Embeddings",
    "vectors of any length over the last two axes, elements and features",
    axes=("elements", "features"),
    least=(1,),
    edges=(0.0, 1e-12, 1.0, -1.0, 1e12),
    plot=Plot(
        (-3.14, 3.14),
        circle_of_three,
        "angle of the first of 3 {}",
        (((1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),),
    ),
    typical=(512, 64),
    few=(32, 8),
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
        plot=Plot(beside=((0, 0, 1),)),
        realistic=_pairs,
    ),
]
