"""A loss as a figure: its value and its derivative along a line through its first argument."""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.catalog import Entry
from jaxloss.core.domains import ArrayDomain
from jaxloss.files import write_bytes


def plot(entry: Entry, file: str) -> None:
    """Draw the loss and its derivative as its first argument moves, into an image file.

    Raises:
        ModuleNotFoundError: matplotlib is missing; the extra `compare` has it.
        OSError: The file cannot be written.
        ValueError: The file's suffix names no image format.
    """
    from matplotlib.figure import Figure  # an extra, needed only here

    (first, domain), *others = entry.arrays.items()
    low, high = domain.plot.along or domain.ordinary
    lengths = dict(zip(domain.axes, jax.eval_shape(_event(domain), 0.0).shape, strict=True))
    fixed = _beside(others, lengths)
    label = ", ".join(
        [
            _axis(first, domain),
            *[f"{name} = {value.tolist()}" for name, value in fixed.items()],
        ]
    )

    def along(x: Array) -> Array:
        return jnp.sum(entry.loss(_event(domain)(x), *map(jnp.asarray, fixed.values())))

    points = jnp.linspace(low, high, 801)  # an odd number: the middle, where most bend, is a point
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(along)))(points)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for panel, heights, title in zip(
        figure.subplots(1, 2), (values, slopes), (entry.name, "slope"), strict=True
    ):
        panel.plot(np.asarray(points), np.asarray(heights))
        panel.set(title=title)
        panel.grid(alpha=0.3)
    figure.supxlabel(label, fontsize="medium")  # one for both panels, as it may be wide
    # Drawn whole before the file is opened: what fails leaves a former picture as it was.
    drawn, path = io.BytesIO(), Path(file)
    figure.savefig(drawn, format=path.suffix[1:] or None)
    write_bytes(path, drawn.getvalue())


def _axis(name: str, domain: ArrayDomain) -> str:
    """What the number is that moves."""
    return (domain.plot.label or ("first of 2 {}" if domain.axes else "{}")).format(name)


def _event(domain: ArrayDomain) -> Callable[[Array], Array]:
    """From a number to the event of the first array."""

    def followed(x: Array) -> Array:
        """The number, and along the last of the axes, if there are any, a benign one."""
        if not domain.axes:
            return x
        pair = jnp.stack([x, jnp.full_like(x, domain.benign)])
        return pair.reshape(*[1] * (len(domain.axes) - 1), 2)

    return domain.plot.event or followed


def _beside(
    arrays: Iterable[tuple[str, ArrayDomain]], lengths: Mapping[str | int, int]
) -> dict[str, np.ndarray]:
    """The events of the arrays that stand still, with axes as long as those of the first array."""
    events: dict[str, np.ndarray] = {}
    met: Counter[ArrayDomain] = Counter()
    for name, domain in arrays:
        given = domain.plot.beside
        shape = tuple(lengths.get(axis, 1) for axis in domain.axes)
        # All frames and labels count, and nothing is padding.
        number = lengths.get(domain.counts, 1) if domain.counts else domain.benign
        dtype = int if domain.accepts == ("integer",) else None
        events[name] = np.asarray(
            given[met[domain] % len(given)] if given else np.full(shape, number), dtype
        )
        met[domain] += 1
    return events
