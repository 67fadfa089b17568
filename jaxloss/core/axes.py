"""The rule of named axes: those of one name are equally long, and before them is the batch."""

from collections.abc import Sequence

from jaxloss.core.domains import ArrayDomain
from jaxloss.numerics.broadcasting import Shape
from jaxloss.numerics.sizes import is_known

UNKNOWN = -1  # the length of an axis that no array tells


def lengths(domains: Sequence[ArrayDomain], shapes: Sequence[Shape]) -> dict[str, int]:
    """How long the axes of each name are, by the first array that has one.

    An array that contradicts the ones before it, or has too few axes, tells nothing more.
    """
    known: dict[str, int] = {}
    for domain, shape in zip(domains, shapes, strict=True):
        if len(shape) < len(domain.axes) or (domain.common and len(shape) > len(domain.axes)):
            continue
        event = shape[len(shape) - len(domain.axes) :]
        own = {n: size for n, size in zip(domain.axes, event, strict=True) if isinstance(n, str)}
        if all(known.get(name, size) == size for name, size in own.items()):
            known = own | known
    return known


def fitting(domains: Sequence[ArrayDomain], shapes: Sequence[Shape]) -> list[Shape]:
    """The shapes that fit together, beside arrays of these shapes."""
    known = lengths(domains, shapes)
    batch = batch_of(domains[0], shapes[0])
    return [
        _fitting(domain, shape, batch, known) for domain, shape in zip(domains, shapes, strict=True)
    ]


def batch_of(first: ArrayDomain, shape: Shape) -> Shape:
    """The axes before those of the event, of the first array."""
    return shape[: max(len(shape) - len(first.axes), 0)]


def _fitting(domain: ArrayDomain, shape: Shape, batch: Shape, known: dict[str, int]) -> Shape:
    event = tuple(
        known.get(name, UNKNOWN) if isinstance(name, str) else name for name in domain.axes
    )
    wanted = event if domain.common else (*batch, *event)
    if domain.shared and _stretches(shape, wanted):
        return shape
    if domain.prefix and shape == wanted[: len(shape)]:
        return shape
    if domain.at_least is not None and len(shape) == len(wanted):
        place = len(batch) + domain.axes.index(domain.at_least[0])
        own, least = shape[place], known.get(domain.at_least[1], UNKNOWN)
        longer = own if is_known(own, least) and own > least else least
        return (*wanted[:place], longer, *wanted[place + 1 :])
    return wanted


def _stretches(shape: Shape, wanted: Shape) -> bool:
    """Whether a shared array is a scalar, or has axes of length 1 where it could be longer."""
    same_rank = len(shape) == len(wanted)
    return not shape or (same_rank and all(a in (1, b) for a, b in zip(shape, wanted, strict=True)))


def misfit(domain: ArrayDomain, shape: Shape, wanted: Shape) -> str:
    """Which named axis of an array is too long or too short, in words; empty if none is."""
    if len(shape) != len(wanted):
        return ""
    batch = len(shape) - len(domain.axes)
    for name, own, other in zip(domain.axes, shape[batch:], wanted[batch:], strict=True):
        if own != other != UNKNOWN:
            return f"it has {own} {name} for {other}; "
    return ""


def moved_classes(domains: Sequence[ArrayDomain], shapes: Sequence[Shape]) -> int | None:
    """The axis of the first array that seems to hold the classes, if it is not the last."""
    first, *others = shapes
    if domains[0].axes != ("classes",):
        return None
    labels = [shape for domain, shape in zip(domains[1:], others, strict=True) if domain.indexes]
    places = range(1, len(first) - 1)
    return next((i for i in places if (*first[:i], *first[i + 1 :]) in labels[:1]), None)
