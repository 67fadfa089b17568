"""The types of hyper-parameters."""

from typing import Annotated

from jax.typing import ArrayLike

from jaxloss.core.domains.base import HyperDomain

Number = Annotated[
    ArrayLike, HyperDomain("Number", "a real number", open=True, ordinary=(0.5, -1.0, 2.0))
]
Extended = Annotated[
    ArrayLike, HyperDomain("Extended", "a real number or ±inf", ordinary=(0.5, -1.5, 3.0))
]
Positive = Annotated[
    ArrayLike, HyperDomain("Positive", "a number > 0", low=0.0, open=True, ordinary=(0.5, 1.0, 2.0))
]
NonNegative = Annotated[
    ArrayLike, HyperDomain("NonNegative", "a number >= 0", low=0.0, ordinary=(0.25, 0.5, 2.0))
]
AtLeastOne = Annotated[
    ArrayLike, HyperDomain("AtLeastOne", "a number >= 1", low=1.0, ordinary=(1.2, 1.5, 3.0))
]
Unit = Annotated[
    ArrayLike,
    HyperDomain("Unit", "a number in [0, 1]", low=0.0, high=1.0, ordinary=(0.1, 0.5, 0.8)),
]
OpenUnit = Annotated[
    ArrayLike,
    HyperDomain(
        "OpenUnit", "a number in (0, 1)", low=0.0, high=1.0, open=True, ordinary=(0.2, 0.5, 0.9)
    ),
]
ZeroToTwo = Annotated[
    ArrayLike,
    HyperDomain("ZeroToTwo", "a number in [0, 2]", low=0.0, high=2.0, ordinary=(0.5, 1.0, 1.5)),
]
ClassWeights = Annotated[
    ArrayLike,
    HyperDomain(
        "ClassWeights",
        "a number >= 0, or one for each entry of the last axis",
        low=0.0,
        per_class=True,
        ordinary=(1.0, 2.0, 3.0),
    ),
]
