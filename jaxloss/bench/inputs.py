"""Plausible inputs of a loss at a shape, drawn from the domains in its signature."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import jaxloss
from jaxloss.bench import cases
from jaxloss.bench.cases import Case
from jaxloss.catalog import UnknownNameError, look_up
from jaxloss.core.domains import ArrayDomain
from jaxloss.core.loss import Loss
from jaxloss.numerics.broadcasting import Shape

_FRAMES_PER_LABEL = 5
_MADE = re.compile(r"(\w+)\((\w+)\)")


def find(name: str) -> Loss[...]:
    """The loss of this name, or the one that a call such as `linear_head(crammer_singer)` makes.

    Raises:
        ValueError: There is none of that name.
    """
    made = _MADE.fullmatch(name)
    try:
        loss: Loss[...] = look_up(made[2] if made else name).loss
    except UnknownNameError as error:
        raise ValueError(str(error)) from error
    return getattr(jaxloss, made[1])(loss) if made else loss


def usual(loss: str) -> Case:
    """The case of a loss that has none in the list."""
    leader = _leader(find(loss))
    return Case(loss, cases.SHAPES[leader.name] if leader.axes else cases.ELEMENTWISE)


def few(loss: str) -> Case:
    """The case of about 256 numbers."""
    leader = _leader(find(loss))
    return Case(loss, cases.FEW.get(leader.name) or cases.FEW_NUMBERS[len(leader.axes)])


def draw(case: Case) -> dict[str, np.ndarray]:
    """Arrays for a case, by name: float32 and int32.

    Raises:
        ValueError: The shape does not fit the loss.
    """
    loss, rng = find(case.loss), np.random.default_rng(0)
    domains, shapes = loss.contract.arrays, fitting(case)
    leader = (case.shape[0], case.shape[-1]) if _is_head(loss) else case.shape
    last = list(domains)[-1] if len(domains) > 1 else None
    return {
        name: _drawn(rng, domain, shape, leader, target=name == last)
        for (name, domain), shape in zip(domains.items(), shapes, strict=True)
    }


def moving(loss: Loss[...]) -> list[str]:
    """The arrays that are trained: the predictions, or all embeddings, or the whole head."""
    if _is_head(loss):
        return ["hidden", "weight"]
    domains = loss.contract.arrays
    floating = [name for name, domain in domains.items() if domain.accepts != ("integer",)]
    paired = {domain.name for domain in domains.values()} == {"Embeddings"}
    return floating if paired or len(domains) == 1 else [n for n in floating if n != [*domains][-1]]


def _leader(loss: Loss[...]) -> ArrayDomain:
    return next(iter(loss.contract.arrays.values()))


def _is_head(loss: Loss[...]) -> bool:
    return {"hidden", "weight"} <= loss.contract.arrays.keys()


def fitting(case: Case) -> list[Shape]:
    """The shape of each array.

    Raises:
        ValueError: That of the case does not fit the loss.
    """
    loss = find(case.loss)
    leader, *others = loss.contract.arrays.values()
    axes = 3 if _is_head(loss) else len(leader.axes)
    fits = len(case.shape) == axes if _is_head(loss) else len(case.shape) >= max(axes, 1)
    if not fits or min(case.shape) < 1:
        wanted = "tokens, features and classes" if _is_head(loss) else f"at least {axes} axes"
        message = f"case `{case.name}`: the shape of {case.loss} has {wanted}"
        raise ValueError(message)
    if _is_head(loss):
        tokens, features, classes = case.shape
        rest = [(tokens, classes)[: 1 + len(domain.axes)] for domain in others[2:]]
        return [(tokens, features), (features, classes), (), *rest]
    batch = case.shape[: len(case.shape) - axes]
    sizes = dict(zip(leader.axes, case.shape[len(batch) :], strict=True))
    sizes |= {"labels": max(sizes.get("frames", 0) // _FRAMES_PER_LABEL, 1)}
    sizes |= {"keys": sizes.get("elements", 0)}
    return [case.shape, *((*batch, *(sizes[name] for name in x.axes)) for x in others)]


def _drawn(
    rng: np.random.Generator, domain: ArrayDomain, shape: Shape, leader: Shape, *, target: bool
) -> np.ndarray:
    """Whole where nothing else is accepted, 0 or 1 for a target in [0, 1], else as it says."""
    if domain.name in _COUNTED:
        return np.asarray(_COUNTED[domain.name](rng, shape, leader), np.int32)
    if domain.name in _SPECIAL:
        return np.asarray(_SPECIAL[domain.name](rng, shape), np.float32)
    if (domain.low, domain.high) == (0, 1) and target and not domain.open:
        return rng.integers(0, 2, shape, np.int32).astype(np.float32)
    return domain.draw(rng, shape, {"classes": leader[-1]})


def _signs(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    return 2 * rng.integers(0, 2, shape, np.int32).astype(np.float32) - 1


def _pairs(_: Any, shape: Shape, __: Any) -> np.ndarray:
    """Each group has two elements, far apart as two views of one batch are."""
    return np.broadcast_to(np.arange(shape[-1]) % max(shape[-1] // 2, 1), shape)


_COUNTED: dict[str, Callable[[np.random.Generator, Shape, Shape], Any]] = {
    "Groups": _pairs,
    "FrameCounts": lambda _, shape, leader: np.full(shape, leader[-2]),
    "LabelCounts": lambda _, shape, leader: np.full(shape, max(leader[-2] // _FRAMES_PER_LABEL, 1)),
    "SequenceLabels": lambda rng, shape, leader: rng.integers(1, max(leader[-1], 2), shape),
}
_SPECIAL: dict[str, Callable[[np.random.Generator, Shape], Any]] = {
    "Sign": _signs,
    "PixelSigns": _signs,
    "Weight": lambda rng, shape: rng.standard_normal(shape, np.float32) / math.sqrt(shape[0]),
    "Bias": lambda _, shape: np.zeros(shape),
}
