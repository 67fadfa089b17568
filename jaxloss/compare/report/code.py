"""The chosen objective as Python to paste."""

import re

import jaxloss as jl

# The loss of a term that has a temperature: a name, or a maker and the name within it.
_TEMPERED = re.compile(r"Objective\((\w+(?:\(\w+\))?)(?=(?:, [^()]*)?, temperature=)")
_NAME = re.compile(r"\b[A-Za-z_]\w*\b(?!=)")


def code(objective: jl.Objective, rate: float) -> str:
    """Write an objective and its optimizer as Python.

    Functions that are not in jaxloss are called by their names.
    """
    tempered = _TEMPERED.sub(r"Objective(with_temperature(\1)", repr(objective))
    qualified = _NAME.sub(lambda m: f"jl.{m[0]}" if hasattr(jl, m[0]) else m[0], tempered)
    return (
        "import jaxloss as jl\n"
        "import optax\n"
        "\n"
        f"objective = {qualified}\n"
        f"optimizer = optax.adam({rate:g})\n"
    )
