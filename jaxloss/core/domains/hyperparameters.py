"""The types of hyper-parameters."""

from typing import Annotated

from jax.typing import ArrayLike

from jaxloss.core.domains.base import HyperDomain

Number = Annotated[ArrayLike, HyperDomain("Number", "a real number", open=True)]
Extended = Annotated[ArrayLike, HyperDomain("Extended", "a real number or ±inf")]
Positive = Annotated[ArrayLike, HyperDomain("Positive", "a number > 0", low=0.0, open=True)]
NonNegative = Annotated[ArrayLike, HyperDomain("NonNegative", "a number >= 0", low=0.0)]
AtLeastOne = Annotated[ArrayLike, HyperDomain("AtLeastOne", "a number >= 1", low=1.0)]
Unit = Annotated[ArrayLike, HyperDomain("Unit", "a number in [0, 1]", low=0.0, high=1.0)]
OpenUnit = Annotated[
    ArrayLike, HyperDomain("OpenUnit", "a number in (0, 1)", low=0.0, high=1.0, open=True)
]
ZeroToTwo = Annotated[ArrayLike, HyperDomain("ZeroToTwo", "a number in [0, 2]", low=0.0, high=2.0)]
ClassWeights = Annotated[
    ArrayLike,
    HyperDomain(
        "ClassWeights",
        "a number >= 0, or one for each entry of the last axis",
        low=0.0,
        per_class=True,
    ),
]
