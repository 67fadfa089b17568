"""The scores that are tested, whether they come from a run or from a table."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from jaxloss.compare.statistics.estimates import Estimate, Floats


class Measure(Protocol):
    """A metric, as far as the statistics and the report need it: without its function."""

    @property
    def name(self) -> str:
        """The name of its column."""

    @property
    def says(self) -> str:
        """A description of a few words."""

    @property
    def higher(self) -> bool:
        """Whether higher is better."""

    @property
    def factor(self) -> float:
        """The factor between the number and its displayed value."""

    @property
    def unit(self) -> str:
        """The unit of the displayed value."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a contender was trained with, and further results; the defaults where it is not known.

    Attributes:
        hyperparameters: The tuned hyper-parameters, as chosen.
        rate: The chosen learning rate.
        at_edge: The names of "learning rate" and hyper-parameters chosen at an end of the values
            tried, beyond which there may be better ones.
        speed: The mean of the metric over all epochs: the area under the learning curve.
        measures: Every metric on test data after training, by name.
    """

    hyperparameters: Mapping[str, float] = field(default_factory=dict)
    rate: float = math.nan
    at_edge: tuple[str, ...] = ()
    speed: Estimate = field(default_factory=Estimate)
    measures: Mapping[str, Estimate] = field(default_factory=dict)


class Temperatures(NamedTuple):
    """The scores [seed] of the reference at its temperatures.

    Attributes:
        best: At the temperature that is best by validation data.
        worst: At the one that is worst by validation data, the reference's own included.
        others: At each other than the reference's own.
    """

    best: Floats
    worst: Floats
    others: tuple[Floats, ...]


@dataclass(frozen=True)
class Level:
    """The scores of all contenders at one level of noise, or in one setting.

    Attributes:
        kind: The kind of noise, such as "wrong labels", or the setting; empty where it is the only
            one.
        noise: The fraction of noise; NaN for a setting.
        scores: The metric on test data by contender, [seed]; the reference is among them.
        control: The name of the reference at other temperatures, if it takes part.
        tempered: The contenders whose differences temperature may explain.
        temperatures: The reference at its temperatures; None without a control.
        temperature_range: The least and greatest mean difference that temperature alone makes to
            the reference; None without a control.
        replicate: The reference repeated with other roundings; None if it was not.
        settings: What each contender was trained with; empty where that is not known.
    """

    kind: str
    noise: float
    scores: Mapping[str, Floats]
    control: str | None = None
    tempered: frozenset[str] = frozenset()
    temperatures: Temperatures | None = None
    temperature_range: tuple[float, float] | None = None
    replicate: Floats | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the level, such as "40 % wrong labels"."""
        return self.kind if math.isnan(self.noise) else f"{100 * self.noise:g} % {self.kind}"
