"""One loss for the eye: its entry in the catalog as text, and its shape as a figure."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.catalog import Entry
from jaxloss.domains import ArrayDomain


def describe(entry: Entry) -> str:
    """The entry as text for a terminal."""
    hyper = [
        f"{name}: {item.domain.says}; default {item.default}"
        for name, item in entry.hyperparameters.items()
    ]
    facts = [f"{name.replace('_', ' ')}: {_fact(value)}" for name, value in entry.facts.items()]
    parts = [
        f"jaxloss.{entry.name}{entry.loss.contract.as_inspect()}",
        f"{entry.summary} (family: {entry.family})",
        _titled("Formula", entry.formula.splitlines()),
        _titled("Arrays", [_array(name, item) for name, item in entry.arrays.items()]),
        _titled("Hyper-parameters", hyper),
        _titled("Facts, at the defaults", facts),
        entry.use_when,
        entry.avoid_when,
        _titled("Limits", entry.limits.splitlines()),
        _titled("References", entry.references.splitlines()),
    ]
    return "\n\n".join(part for part in parts if part)


def plot(entry: Entry, file: str) -> None:
    """Draw the loss and its slope as its first argument moves, into an image file.

    Raises:
        ModuleNotFoundError: matplotlib is missing.
        ValueError: The file's suffix names no image format.
    """
    from matplotlib.figure import Figure  # an extra, needed only here

    first, *others = entry.arrays.values()
    label, (low, high), moving = _MOVING[first.name]
    fixed = [jnp.asarray(_FIXED[domain.name]) for domain in others]

    def along(x: Array) -> Array:
        return jnp.sum(entry.loss(moving(x), *fixed))

    points = jnp.linspace(low, high, 801)
    values, slopes = jax.vmap(jax.value_and_grad(along))(points)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for panel, heights, title in zip(
        figure.subplots(1, 2), (values, slopes), (entry.name, "slope"), strict=True
    ):
        panel.plot(np.asarray(points), np.asarray(heights))
        panel.set(xlabel=label, title=title)
        panel.grid(alpha=0.3)
    figure.savefig(file)


def _titled(title: str, lines: list[str]) -> str:
    return "\n    ".join([f"{title}:", *lines]) if lines else ""


def _array(name: str, domain: ArrayDomain) -> str:
    layout = "[..., classes]" if domain.event else "[...]"
    return f"{name} {layout}: {domain.says}"


def _fact(value: Any) -> str:
    if callable(value):
        return "known"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


Curve = tuple[str, tuple[float, float], Callable[[Array], Array]]

# How the first argument moves: the axis label, the range, and the array at one point.
_MOVING: dict[str, Curve] = {
    "Real": ("prediction, for the target 0", (-4, 4), lambda x: x),
    "NonNegativeReal": ("prediction, for the target 1", (0.02, 5), lambda x: x),
    "Score": ("score, for the class +1", (-4, 4), lambda x: x),
    "Logit": ("logit, for the class 1", (-6, 6), lambda x: x),
    "Probability": ("probability, for the class 1", (0.01, 0.99), lambda x: x),
    "Logits": (
        "logit of the true one of 3 classes",
        (-6, 6),
        lambda x: jnp.stack([x, 0 * x, 0 * x]),
    ),
    "Scores": (
        "score of the true one of 3 classes",
        (-4, 4),
        lambda x: jnp.stack([x, 0 * x, 0 * x]),
    ),
    "Vector": ("angle to the target", (-3.14, 3.14), lambda x: jnp.stack([jnp.cos(x), jnp.sin(x)])),
    "Simplex": ("p, for the target (0.3, 0.7)", (0.01, 0.99), lambda p: jnp.stack([p, 1 - p])),
    "LogProbabilities": (
        "p, for the target (0.3, 0.7)",
        (0.01, 0.99),
        lambda p: jnp.log(jnp.stack([p, 1 - p])),
    ),
}

_FIXED: dict[str, Any] = {
    "Real": 0.0,
    "NonNegativeReal": 1.0,
    "Variance": 1.0,
    "Sign": 1,
    "Probability": 1.0,
    "Label": 0,
    "Vector": [1.0, 0.0],
    "Simplex": [0.3, 0.7],
    "LogProbabilities": [-1.2039728, -0.35667494],
}
