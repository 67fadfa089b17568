"""Who takes part: the twelve losses of Janocha & Czarnecki, and a control of temperature alone."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

import jaxloss as jl

REFERENCE = "cross_entropy"
CONTROL = "tempered_cross_entropy"


@dataclass(frozen=True)
class Contender:
    """What a network is trained on, with its numbers as traced leaves.

    Attributes:
        name: How it is called on the command line and in the results.
        symbol: How Janocha & Czarnecki (2017) write it.
        objective: What is minimised, of logits and integer labels.
        temperature: What the logits are divided by before.
    """

    name: str
    symbol: str
    objective: jl.Objective
    temperature: float = 1.0

    @property
    def written(self) -> str:
        """The objective as code."""
        suffix = "" if self.temperature == 1 else f", of logits / {self.temperature:g}"
        return f"{self.objective!r}{suffix}"


def contenders() -> tuple[Contender, ...]:
    """All of them, in the order of the paper's table.

    References:
        Janocha & Czarnecki (2017), On loss functions for deep neural networks in classification,
        arXiv:1702.05659.
    """
    log = jl.Objective(jl.softmax_cross_entropy_with_integer_labels)
    half = 0.5
    return (
        Contender("one_hot_absolute_error", "L₁", jl.Objective(jl.one_hot_absolute_error)),
        Contender("one_hot_squared_error", "L₂", jl.Objective(jl.one_hot_squared_error)),
        Contender("expectation", "L₁ of softmax", jl.Objective(jl.expectation)),
        Contender("brier", "L₂ of softmax", jl.Objective(jl.brier)),
        Contender("chebyshev", "L∞ of softmax", jl.Objective(jl.chebyshev)),
        Contender("hinge", "hinge", jl.Objective(jl.one_vs_all(jl.hinge), margin=half)),
        Contender(
            "squared_hinge", "hinge²", jl.Objective(jl.one_vs_all(jl.squared_hinge), margin=half)
        ),
        Contender(
            "cubed_hinge", "hinge³", jl.Objective(jl.one_vs_all(jl.cubed_hinge), margin=half)
        ),
        Contender(REFERENCE, "log", log),
        Contender("squared_log", "log²", jl.Objective(jl.squared_log)),
        Contender("tanimoto", "tan", jl.Objective(jl.tanimoto)),
        Contender("cauchy_schwarz", "D_CS", jl.Objective(jl.cauchy_schwarz)),
        Contender(CONTROL, "log of 2 o", log, temperature=half),
    )


def select(names: Iterable[str] | None = None) -> tuple[Contender, ...]:
    """The contenders of these names, or all; cross-entropy always stays, as the reference.

    Raises:
        ValueError: A name is unknown; the message has the nearest ones.
    """
    everyone = contenders()
    if not names:
        return everyone
    wanted = {REFERENCE, *names}
    for name in sorted(wanted):
        _known(name, [contender.name for contender in everyone])
    return tuple(contender for contender in everyone if contender.name in wanted)


def _known(name: str, names: list[str]) -> None:
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(names)}"
    message = f"no loss {name!r} takes part; {hint}"
    raise ValueError(message)
