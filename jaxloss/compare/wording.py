"""The same sentences for the terminal and the page."""

from jaxloss.compare.contenders import CONTROL
from jaxloss.compare.experiment import Outcome
from jaxloss.compare.statistics import Estimate, Standing

_LEAST_P = 0.001

TWINS = {
    ("cauchy_schwarz", CONTROL): (
        "The Cauchy-Schwarz divergence to a certain label is half of cross-entropy at temperature "
        "1/2, (log sum exp(2 o) - 2 o_y) / 2 of logits o"
    ),
    ("expectation", "chebyshev"): (
        "No probability is further off than that of the true class, so chebyshev is half of "
        "expectation"
    ),
}


def percent(fraction: float) -> str:
    """A fraction as a percentage, without needless digits."""
    return f"{100 * fraction:g} %"


def points(estimate: Estimate, *, signed: bool = False) -> str:
    """An estimate and its standard error in percentage points."""
    mean = _minus(f"{100 * estimate.mean:{'+' if signed else ''}.2f}")
    return f"{mean} ± {100 * estimate.error:.2f}"


def signed(number: int) -> str:
    """A whole number with its sign, 0 with none."""
    return _minus(f"{number:+d}") if number else "0"


def interval(estimate: Estimate) -> str:
    """The confidence interval in percentage points."""
    low, high = (_minus(f"{100 * end:+.2f}") for end in estimate.interval)
    return f"{low} to {high}"


def p_value(p: float) -> str:
    """A p-value as it is quoted."""
    return f"p < {_LEAST_P}" if p < _LEAST_P else f"p = {p:.2g}"


def verdict(standing: Standing) -> str:
    """The comparison to cross-entropy, with its p-value where it is significant."""
    if standing.p is None or not standing.significant:
        return standing.verdict
    return f"{standing.verdict}, {p_value(standing.p)}"


def findings(outcome: Outcome) -> list[str]:
    """What the ranking says, in sentences."""
    return [
        *[_summary(outcome, level) for level in range(len(outcome.plan.noise))],
        *_temperature(outcome),
        *_twins(outcome),
    ]


def warnings(outcome: Outcome) -> list[str]:
    """What the reader should distrust."""
    if len(outcome.plan.rates) == 1:
        return ["A single learning rate was given, so none was tuned."]
    return [
        f"{standing.loss} at {percent(noise)} noise did best at the "
        f"{'least' if standing.rate_index == 0 else 'greatest'} learning rate, "
        f"{standing.rate:g}: a rate beyond the grid may be better."
        for noise, level in zip(outcome.plan.noise, outcome.standings, strict=True)
        for standing in level
        if standing.at_edge
    ]


def _summary(outcome: Outcome, level: int) -> str:
    noise, ranking = percent(outcome.plan.noise[level]), outcome.standings[level]
    named = {
        f"significantly {word} accurate than cross-entropy": _names(ranking, kind)
        for word, kind in (("more", "better"), ("less", "worse"))
    }
    told = [f"{what}: {names}" for what, names in named.items() if names]
    if not told:
        return f"At {noise} label noise no difference to cross-entropy is significant."
    return f"At {noise} label noise, {'; '.join(told)}. Other differences are not significant."


def _temperature(outcome: Outcome) -> list[str]:
    if CONTROL not in outcome.curves:
        return []
    changes = [
        f"{points(control.difference, signed=True)} points at {percent(noise)} noise "
        f"({verdict(control)})"
        for level, noise in enumerate(outcome.plan.noise)
        if (control := outcome.standing(CONTROL, level)).difference
    ]
    sentence = (
        "Halving the temperature of cross-entropy, and nothing else, changes its accuracy by "
        f"{', '.join(changes)}. A loss that differs by no more may owe it to its scale alone."
    )
    return [sentence]


def _twins(outcome: Outcome) -> list[str]:
    return [
        f"{reason}. The two should tie: what is left between them is rounding."
        for pair, reason in TWINS.items()
        if set(pair) <= set(outcome.curves)
    ]


def _names(ranking: list[Standing], verdict: str) -> str:
    return ", ".join(standing.loss for standing in ranking if standing.verdict == verdict)


def _minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")
