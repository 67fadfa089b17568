"""The shape of one loss as a figure: its values and its slope as its first argument moves."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.catalog import Entry
from jaxloss.core.domains import ArrayDomain
from jaxloss.files import write_bytes


def plot(entry: Entry, file: str) -> None:
    """Draw the loss and its slope as its first argument moves, into an image file.

    Raises:
        ModuleNotFoundError: matplotlib is missing; the extra `compare` has it.
        OSError: The file cannot be written.
        ValueError: The file's suffix names no image format.
    """
    from matplotlib.figure import Figure  # an extra, needed only here

    (first, domain), *others = entry.arrays.items()
    (low, high), moving = _MOVING[domain.name]
    fixed = {name: _FIXED.get(name, _FIXED[other.name]) for name, other in others}
    label = ", ".join(
        [_axis(first, domain), *[f"{name} = {value}" for name, value in fixed.items()]]
    )

    def along(x: Array) -> Array:
        return jnp.sum(entry.loss(moving(x), *map(jnp.asarray, fixed.values())))

    points = jnp.linspace(low, high, 801)
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(along)))(points)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for panel, heights, title in zip(
        figure.subplots(1, 2), (values, slopes), (entry.name, "slope"), strict=True
    ):
        panel.plot(np.asarray(points), np.asarray(heights))
        panel.set(title=title)
        panel.grid(alpha=0.3)
    figure.supxlabel(label, fontsize="medium")  # one for both panels, as it may be wide
    drawn, path = io.BytesIO(), Path(file)
    figure.savefig(drawn, format=path.suffix[1:] or None)
    write_bytes(path, drawn.getvalue())


def _axis(name: str, domain: ArrayDomain) -> str:
    if domain.name in ("Image", "FeatureMap"):
        return f"first of 2 pixels of {name}"
    if domain.name in ("Vector", "Embeddings"):
        return f"angle of {name}" if len(domain.axes) == 1 else f"angle of the first of 3 {name}"
    return f"first of 2 {name}" if domain.axes else name


def _two_classes(x: Array) -> Array:
    return jnp.stack([x, jnp.zeros_like(x)])


def _two_pixels(x: Array) -> Array:
    return _two_classes(x)[None, :, None]


# How the first argument moves: the range of a number, and the array at that number.
_MOVING: dict[str, tuple[tuple[float, float], Callable[[Array], Array]]] = {
    "Real": ((-4, 4), jnp.asarray),
    "NonNegativeReal": ((0.02, 5), jnp.asarray),
    "PositiveReal": ((0.02, 5), jnp.asarray),
    "Angle": ((-6.28, 6.28), jnp.asarray),
    "Score": ((-4, 4), jnp.asarray),
    "Logit": ((-6, 6), jnp.asarray),
    "Probability": ((0.01, 0.99), jnp.asarray),
    "Logits": ((-6, 6), _two_classes),
    "Scores": ((-4, 4), _two_classes),
    "Vector": ((-3.14, 3.14), lambda angle: jnp.stack([jnp.cos(angle), jnp.sin(angle)])),
    "Point": ((-4, 4), _two_classes),
    "Simplex": ((0.01, 0.99), lambda p: jnp.stack([p, 1 - p])),
    "Region": ((0.01, 0.99), _two_classes),
    "Regions": ((0.01, 0.99), lambda p: jnp.stack([p, 1 - p])[None]),
    "PixelScores": ((-4, 4), _two_classes),
    "ItemScores": ((-4, 4), _two_classes),
    "PixelLogits": ((-6, 6), lambda x: _two_classes(x)[None]),
    "Embeddings": (
        (-3.14, 3.14),
        lambda x: jnp.asarray([[jnp.cos(x), jnp.sin(x)], [1, 0], [0, 1]]),
    ),
    "Image": ((-1, 2), _two_pixels),
    "FeatureMap": ((-4, 4), _two_pixels),
    "FrameLogits": ((-6, 6), lambda x: jnp.stack([_two_classes(x), _two_classes(-x)])),
    "LogProbabilities": ((-5, -0.01), lambda log_p: jnp.stack([log_p, jnp.log1p(-jnp.exp(log_p))])),
}

# What stands beside it, by the name of its domain or, where that is not enough, by its own.
_FIXED: dict[str, Any] = {
    "Real": 0.0,
    "SharedReal": 0.0,
    "NonNegativeReal": 1.0,
    "LogSnr": 0.0,
    "NonZeroReal": 1.0,
    "PositiveReal": 1.0,
    "Variance": 1.0,
    "Spread": 1.0,
    "Concentration": 1.0,
    "Angle": 0.0,
    "Score": 0.0,
    "Sign": 1,
    "Probability": 1.0,
    "OpenProbability": 0.3,
    "Label": 0,
    "MultiHot": [1, 0],
    "Vector": [1.0, 0.0],
    "Point": [1.0, 0.0],
    "negatives": [-1.0, 0.0],
    "Simplex": [0.75, 0.25],
    "LogProbabilities": [-0.2877, -1.3863],
    "Region": [1.0, 1.0],
    "Regions": [[1.0, 0.0]],
    "PixelSigns": [1, 0],
    "Relevance": [1.0, 0.0],
    "PixelLabels": [0],
    "FrameCounts": 2,
    "LabelCounts": 1,
    "SequenceLabels": [1],
    "Embeddings": [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
    "Groups": [0, 0, 1],
    "Image": [[[1.0], [0.0]]],
    "FeatureMap": [[[1.0], [0.0]]],
}
