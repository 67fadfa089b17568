"""Where a loss is drawn: along which members of a domain, beside which of the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array


@dataclass(frozen=True)
class Plot:
    """A line through the domain of the array that moves, and points in those of the others.

    Attributes:
        along: The range of the number that moves; that of ordinary numbers by default.
        event: The event at that number; by default the number itself, which a benign one follows
            where there is an axis.
        label: What the number is of the array, whose name replaces `{}`.
        beside: Events that stand still while another array moves: the first array of the domain is
            at the first of them, the second at the second, and so on in turn; benign by default.
    """

    along: tuple[float, float] | None = None
    event: Callable[[Array], Array] | None = None
    label: str | None = None
    beside: tuple[Any, ...] = ()


def on_circle(angle: Array) -> Array:
    """The vector of length 1 at an angle."""
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)])


def circle_of_three(angle: Array) -> Array:
    """A set of three vectors, the first of them at an angle."""
    return jnp.stack([on_circle(angle), *jnp.eye(2)])


def two_classes(probability: Array) -> Array:
    """The probabilities of two classes."""
    return jnp.stack([probability, 1 - probability])


def pixel_of_two_classes(probability: Array) -> Array:
    """The probabilities of two classes at a single pixel."""
    return two_classes(probability)[None]


def log_of_two_classes(log_probability: Array) -> Array:
    """The log-probabilities of two classes."""
    return jnp.stack([log_probability, jnp.log1p(-jnp.exp(log_probability))])


def two_pixels(x: Array) -> Array:
    """A picture of two pixels beside each other in one channel, of which the second is 0."""
    return jnp.stack([x, jnp.zeros_like(x)])[None, :, None]


def two_frames(x: Array) -> Array:
    """Two frames of two classes, where the second favours what the first does not."""
    frame = jnp.stack([x, jnp.zeros_like(x)])
    return jnp.stack([frame, -frame])


ORDINARY_LINE = Plot()
"""Along ordinary numbers, beside what is benign."""

REAL_LINE = Plot(along=(-4.0, 4.0))
"""Four units each way, in which most losses show their bend and their slope far out."""

LOGIT_LINE = Plot(along=(-6.0, 6.0))
"""Probabilities of two classes from 0.0025 to 0.9975."""

POSITIVE_LINE = Plot(along=(0.02, 5.0))
"""Near 0, but off it, as many losses of positive numbers are infinite there."""

UNIT_LINE = Plot(along=(0.01, 0.99))
"""Off the ends, where a negative log-likelihood is infinite."""
