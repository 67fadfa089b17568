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
    ),
]
FeatureMap = Annotated[
    Array,
    ArrayDomain(
        "FeatureMap",
        "real numbers over the last three axes, height, width and channels",
        axes=("height", "width", "channels"),
        least=(1, 1, 1),
    ),
]
