"""Formats of numbers, one for the page, the tables and the terminal."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from jaxloss.compare.statistics.estimates import ALPHA, Estimate
from jaxloss.compare.statistics.scores import Measure
from jaxloss.compare.statistics.standings import Standing

NOTHING = "\N{EM DASH}"
_LEAST_P = 0.001  # below it, digits of a p-value rest on the far tail of an assumed distribution
_SURE = 0.99  # beyond it, digits of a probability rest on that tail as well
_MOST_DECIMALS = 5
_USUAL_DECIMALS = 2
_QUARTER = 0.25
_LARGE = 1e6
# A name breaks after "_", "=", ",", "*" and space, and after the "(" of a call.
_BREAK = re.compile(r"(?<=[_=,* ])(?=\S)|(?<=\w\w\()(?=\S)")


@dataclass(frozen=True)
class NumberFormat:
    """The format of a metric's values.

    Attributes:
        metric: The metric.
        decimals: The digits after the point; above five, numbers are written with exponents.
    """

    metric: Measure
    decimals: int

    @classmethod
    def of(cls, metric: Measure, estimates: Iterable[Estimate]) -> "NumberFormat":
        """Choose the decimals such that all but the least standard errors show two digits.

        The least quarter is ignored: a contender that hardly varies would otherwise give all others
        digits that mean nothing.
        """
        errors = [metric.factor * e.error for e in estimates if math.isfinite(e.error) and e.error]
        if not errors:
            return cls(metric, _USUAL_DECIMALS)
        return cls(metric, max(0, 1 - math.floor(math.log10(float(np.quantile(errors, _QUARTER))))))

    @property
    def unit(self) -> str:
        """The unit of values: percent for fractions, whose differences are in points."""
        return "percent" if self.metric.unit == "points" else self.metric.unit

    @property
    def heading(self) -> str:
        """The metric and its unit."""
        return f"{self.metric.says}, {self.unit}" if self.unit else self.metric.says

    @property
    def direction(self) -> str:
        """Whether higher or lower is better, in words."""
        return "higher is better" if self.metric.higher else "lower is better"

    def number(self, value: float, *, signed: bool = False) -> str:
        """Format a value of the metric."""
        if not math.isfinite(value):
            return NOTHING
        scaled = self.metric.factor * value
        exponents = self.decimals > _MOST_DECIMALS or abs(scaled) >= _LARGE
        form = ".3g" if exponents else f".{self.decimals}f"
        # Rounded first, so that what rounds to 0 has neither a sign nor an exponent.
        shown = float(f"{scaled:{form}}")
        return minus(f"{shown:{'+' if signed and shown else ''}{form}}" if shown else f"{0:{form}}")

    def estimate(self, estimate: Estimate, *, signed: bool = False) -> str:
        """Format a mean and its standard error."""
        if not math.isfinite(estimate.mean):
            return NOTHING
        return f"{self.number(estimate.mean, signed=signed)} ± {self.number(estimate.error)}"

    def interval(self, estimate: Estimate) -> str:
        """Format the ends of a confidence interval of a difference."""
        low, high = (self.number(end, signed=True) for end in estimate.interval)
        return NOTHING if low == high == NOTHING else f"{low} to {high}"

    def difference(self, value: float, *, signed: bool = True) -> str:
        """Format a difference with its unit, for a sentence."""
        return f"{self.number(value, signed=signed)} {self.metric.unit}".rstrip()


def percent(fraction: float) -> str:
    """Format a fraction as a percentage, without trailing zeros."""
    return f"{100 * fraction:g} %"


def p_value(p: float) -> str:
    """Format a p-value with as many digits as show on which side of 0.05 it lies."""
    if not math.isfinite(p):
        return NOTHING
    if p < _LEAST_P:
        return f"p < {_LEAST_P}"
    # 0.0499 must not be quoted as 0.05, which would contradict the verdict.
    written = (f"{p:.{digits}g}" for digits in range(2, 18))
    return f"p = {next(x for x in written if (float(x) < ALPHA) == (p < ALPHA))}"


def probability(p: float) -> str:
    """Format a probability with two digits, which is neither 0 nor 1."""
    if not math.isfinite(p):
        return NOTHING
    return "> 0.99" if p > _SURE else "< 0.01" if p < 1 - _SURE else f"{p:.2f}"


def used_name(standing: Standing) -> str:
    """The name of a contender with what was chosen in the place of what was tried.

    Of `huber(delta=0.1..10)` it is `huber(delta=0.3162)`.
    """
    name = standing.loss
    for parameter, value in standing.hyperparameters.items():
        tried = rf"\b{re.escape(parameter)}=(\[[^\]]*\]|[^,()]*\.\.[^,()]*)"
        name = re.sub(tried, f"{parameter}={value:g}", name)
    return name


def setting(standing: Standing) -> str:
    """The learning rate, and the hyper-parameters that the name of a contender does not hold."""
    named = used_name(standing)
    others = {n: v for n, v in standing.hyperparameters.items() if f"{n}={v:g}" not in named}
    rate = "" if math.isnan(standing.rate) else f"rate {standing.rate:g}"
    return ", ".join(part for part in (rate, hyperparameter_text(others)) if part)


def hyperparameter_text(hyperparameters: Mapping[str, float]) -> str:
    """Format hyper-parameters as an enumeration of `name = value`."""
    return ", ".join(f"{name} = {minus(f'{value:g}')}" for name, value in hyperparameters.items())


def listed(words: Iterable[str]) -> str:
    """Enumerate words in a sentence."""
    *others, last = [*words] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def capital(text: str) -> str:
    """Capitalise the first letter and leave the others, unlike `str.capitalize`."""
    return text[:1].upper() + text[1:]


def minus(number: str) -> str:
    """Replace hyphens of a number by the typographic minus sign."""
    return number.replace("-", "\N{MINUS SIGN}")


def name_parts(name: str) -> list[str]:
    """Split a contender's name where a line may be broken."""
    return _BREAK.split(name)


def wrapped(name: str, width: int) -> str:
    """Wrap a name into lines of at most `width` characters, unless a part is longer."""
    lines = [""]
    for part in name_parts(name):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)
