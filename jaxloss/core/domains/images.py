"""The types of arrays whose events are images, or maps of features over positions."""

from dataclasses import replace
from typing import Annotated

from jax import Array

from jaxloss.core.domains.base import ArrayDomain
from jaxloss.core.domains.plotting import Plot, two_pixels

_TWO_PIXELS = Plot((-4.0, 4.0), two_pixels, "first of 2 pixels of {}", ((((1.0,), (0.0,)),),))

Image = Annotated[
    Array,
    ArrayDomain(
        "Image",
        "intensities over the last three axes, height, width and channels",
        axes=("height", "width", "channels"),
        least=(1, 1, 1),
        ordinary=(0.05, 0.95),
        edges=(0.0, 1e-6, 0.5, 1.0),
        plot=replace(_TWO_PIXELS, along=(-1.0, 2.0)),
        typical=(4, 192, 192, 3),
        few=(1, 16, 16, 1),
    ),
]
FeatureMap = Annotated[
    Array,
    ArrayDomain(
        "FeatureMap",
        "real numbers over the last three axes, height, width and channels",
        axes=("height", "width", "channels"),
        least=(1, 1, 1),
        edges=(0.0, 1.0, -1.0, 1e-6, 10.0, -10.0),
        plot=_TWO_PIXELS,
        typical=(4, 32, 32, 64),
        few=(1, 8, 8, 4),
    ),
]
