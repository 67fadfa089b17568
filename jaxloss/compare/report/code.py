"""The chosen objective as Python to paste."""

import re

import jaxloss as jl
from jaxloss.core.domains import Scale
from jaxloss.core.loss import Loss

# A term with a temperature: its loss, which is a name or a maker of a name, and the temperature.
_TEMPERED = re.compile(r"Objective\((?:(\w+)|\w+\(\w+\))(?:, [^()]*)?, temperature=([^,()]+)")
_NAME = re.compile(r"\b[A-Za-z_]\w*\b(?!=)")


def code(objective: jl.Objective, optimizer: str) -> str:
    """Write an objective as Python, beside an optimizer that is Python already.

    Functions that are not in jaxloss are called by their names.
    """
    text = _TEMPERED.sub(_with_temperature, repr(objective))
    qualified = _NAME.sub(lambda m: f"jl.{m[0]}" if hasattr(jl, m[0]) else m[0], text)
    notes = [
        f"# {name} takes probabilities: those of logits that are divided by {temperature}\n"
        for name, temperature in _TEMPERED.findall(repr(objective))
        if _is_of_probabilities(name)
    ]
    return (
        f"import jaxloss as jl\nimport optax\n\n{''.join(notes)}objective = {qualified}\n"
        f"optimizer = {optimizer}\n"
    )


def _with_temperature(term: re.Match[str]) -> str:
    if _is_of_probabilities(term[1] or ""):
        return term[0].replace(f", temperature={term[2]}", "")
    return re.sub(r"\((\w+(?:\(\w+\))?)", r"(with_temperature(\1)", term[0], count=1)


def _is_of_probabilities(name: str) -> bool:
    """Whether a loss has no logits that a temperature could divide."""
    loss = getattr(jl, name, None) if name else None
    if not isinstance(loss, Loss):
        return False
    return next(iter(loss.signature.arrays.values())).scale is Scale.PROBABILITY
