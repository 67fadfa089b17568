"""The rule of named axes: those of one name are equally long, and before them is the batch."""

from collections.abc import Mapping, Sequence

from jax import Array

from jaxloss.core.domains import ArrayDomain
from jaxloss.numerics.broadcasting import Shape
from jaxloss.numerics.sizes import is_known

UNKNOWN = -1  # the length of an axis that no array determines


def refuse_misfits(owner: str, domains: Mapping[str, ArrayDomain], arrays: Sequence[Array]) -> None:
    """Raise where a dtype is outside its domain, or where shapes do not fit together.

    Raises:
        TypeError: An array's dtype is none that its domain accepts.
        ValueError: Axes of one name differ in length, batch axes differ, or an axis is too short.
    """
    import chex  # here, because importing it takes longer than importing all of jaxloss

    shapes = [array.shape for array in arrays]
    for (name, domain), array in zip(domains.items(), arrays, strict=True):
        if not domain.accepts_dtype(array.dtype):
            raise TypeError(
                f"{owner}: `{name}` holds {domain.says}, got {array.dtype} of shape "
                f"{array.shape}; {domain.likely_fix}"
            )
    fitting = wanted_shapes(list(domains.values()), shapes)
    for (name, domain), array, wanted in zip(domains.items(), arrays, fitting, strict=True):
        try:
            chex.assert_shape(array, wanted)
        except AssertionError as error:
            raise ValueError(f"{owner}: {_misfit(name, domains, shapes, wanted)}") from error
        last = array.shape[len(array.shape) - len(domain.least) :]
        if any(size < least for size, least in zip(last, domain.least, strict=True)):
            raise ValueError(f"{owner}: `{name}` {_too_small(domain, array.shape)}")


def wanted_shapes(domains: Sequence[ArrayDomain], shapes: Sequence[Shape]) -> list[Shape]:
    """For each array the shape that would fit, which is its own if it does."""
    known = lengths(domains, shapes) if any(domain.axes for domain in domains) else {}
    first = domains[0]
    batch = shapes[0][: max(len(shapes[0]) - len(first.axes), 0)]
    wanted = []
    for domain, shape in zip(domains, shapes, strict=True):
        event = tuple(
            known.get(name, UNKNOWN) if isinstance(name, str) else name for name in domain.axes
        )
        full = event if domain.common else (*batch, *event)
        is_prefix = domain.prefix and shape == full[: len(shape)]
        if is_prefix or (domain.shared and _stretches(shape, full)):
            wanted.append(shape)
        elif domain.at_least is not None and len(shape) == len(full):
            place = len(batch) + domain.axes.index(domain.at_least[0])
            size, least = shape[place], known.get(domain.at_least[1], UNKNOWN)
            longer = size if is_known(size, least) and size > least else least
            wanted.append((*full[:place], longer, *full[place + 1 :]))
        else:
            wanted.append(full)
    return wanted


def lengths(domains: Sequence[ArrayDomain], shapes: Sequence[Shape]) -> dict[str, int]:
    """How long the axes of each name are, by the first array that has one.

    An array that contradicts the ones before it, or has too few axes, is left out.
    """
    known: dict[str, int] = {}
    for domain, shape in zip(domains, shapes, strict=True):
        if len(shape) < len(domain.axes) or (domain.common and len(shape) > len(domain.axes)):
            continue
        event = shape[len(shape) - len(domain.axes) :]
        sizes = {n: size for n, size in zip(domain.axes, event, strict=True) if isinstance(n, str)}
        if all(known.get(name, size) == size for name, size in sizes.items()):
            known = sizes | known
    return known


def _stretches(shape: Shape, wanted: Shape) -> bool:
    """Whether a shared array is a scalar, or has axes of length 1 where it could be longer."""
    same_rank = len(shape) == len(wanted)
    return not shape or (same_rank and all(a in (1, b) for a, b in zip(shape, wanted, strict=True)))


def _misfit(
    name: str, domains: Mapping[str, ArrayDomain], shapes: Sequence[Shape], wanted: Shape
) -> str:
    """Which array does not fit, by which axis, and what most likely helps."""
    all_shapes = ", ".join(f"`{n}` {size}" for n, size in zip(domains, shapes, strict=True))
    domain, shape = domains[name], dict(zip(domains, shapes, strict=True))[name]
    axis = _moved_classes(list(domains.values()), shapes)
    if axis is None:
        fix = _likely_fix(domain, shape, wanted)
    else:
        fix = f"classes are the last axis: jnp.moveaxis({next(iter(domains))}, {axis}, -1)"
    why = _uneven_axis(domain, shape, wanted)
    return f"`{name}` does not fit in {all_shapes}: {why}shapes are equal, never broadcast; {fix}"


def _uneven_axis(domain: ArrayDomain, shape: Shape, wanted: Shape) -> str:
    """Which named axis of an array is too long or too short, in words; empty if none is."""
    if len(shape) != len(wanted):
        return ""
    batch = len(shape) - len(domain.axes)
    for name, size, other in zip(domain.axes, shape[batch:], wanted[batch:], strict=True):
        if size != other != UNKNOWN:
            return f"it has {size} {name} for {other}; "
    return ""


def _moved_classes(domains: Sequence[ArrayDomain], shapes: Sequence[Shape]) -> int | None:
    """The axis of the first array that seems to hold the classes, if it is not the last."""
    first, *others = shapes
    if domains[0].axes != ("classes",):
        return None
    labels = [shape for domain, shape in zip(domains[1:], others, strict=True) if domain.indexes]
    places = range(1, len(first) - 1)
    return next((i for i in places if (*first[:i], *first[i + 1 :]) in labels[:1]), None)


def _likely_fix(domain: ArrayDomain, shape: Shape, wanted: Shape) -> str:
    if domain.axes and len(shape) == len(wanted) - len(domain.axes):
        return f"the last axis holds {domain.says}; {domain.likely_fix}"
    if [n for n in shape if n != 1] == [n for n in wanted if n != 1]:
        return f"reshape it to {wanted}, or squeeze the other"
    return f"give it the shape {wanted}"


def _too_small(domain: ArrayDomain, shape: Shape) -> str:
    least = " by ".join(map(str, domain.least))
    return (
        f"holds {domain.says}, at least {least} in the last axes, got shape {shape}; nothing has "
        "no mean: leave empty ones out"
    )
