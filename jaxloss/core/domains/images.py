"""The types of arrays whose events are images, or maps of features over positions."""

from typing import Annotated

from jax import Array

from jaxloss.core.domains.base import ArrayDomain

Image = Annotated[
    Array,
    ArrayDomain(
        "Image",
        "intensities over the last three axes, height, width and channels",
        axes=("height", "width", "channels"),
        least=(1, 1, 1),
        ordinary=(0.05, 0.95),
        edges=(0.0, 1e-6, 0.5, 1.0),
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
    ),
]
