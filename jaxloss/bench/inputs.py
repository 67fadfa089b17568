"""Plausible inputs of a loss at a shape, drawn from the domains in its signature."""

import math
import re
from collections.abc import Mapping

import numpy as np

import jaxloss
from jaxloss.bench import cases
from jaxloss.bench.cases import Case
from jaxloss.catalog import UnknownNameError, look_up
from jaxloss.core.domains import ArrayDomain
from jaxloss.core.loss import Loss
from jaxloss.numerics.broadcasting import Shape

_FRAMES_PER_LABEL = 5  # CTC needs at least as many frames as labels
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
    return Case(loss, leader.typical or _shape(leader, cases.TYPICAL_NUMBERS))


def few(loss: str) -> Case:
    """The case of about 256 numbers, which shows what a call costs by itself."""
    leader = _leader(find(loss))
    return Case(loss, leader.few or _shape(leader, cases.FEW_NUMBERS))


def _shape(domain: ArrayDomain, numbers: int) -> Shape:
    """Of a batch of so many numbers, with axes of one length while they are not too long."""
    axes = len(domain.axes)
    event = (min(cases.LONGEST, round(numbers ** (1 / (1 + axes)))),) * axes
    return (numbers // math.prod(event), *event)


def draw(case: Case) -> dict[str, np.ndarray]:
    """Arrays for a case, by name: float32 and int32.

    Raises:
        ValueError: The shape does not fit the loss.
    """
    domains, rng = find(case.loss).signature.arrays, np.random.default_rng(0)
    _, lengths = _lengths(case)
    last = list(domains)[-1] if len(domains) > 1 else None
    return {
        name: _drawn(rng, domain, shape, lengths, target=name == last)
        for (name, domain), shape in zip(domains.items(), fitting(case), strict=True)
    }


def shaped(case: Case) -> dict[str, np.ndarray]:
    """Arrays like those of `draw` in shape and dtype, of zeros that take no memory.

    Raises:
        ValueError: The shape does not fit the loss.
    """
    domains = find(case.loss).signature.arrays
    return {
        name: np.broadcast_to(_zero(domain), shape)
        for (name, domain), shape in zip(domains.items(), fitting(case), strict=True)
    }


def _zero(domain: ArrayDomain) -> np.ndarray:
    return np.zeros((), np.int32 if domain.accepts == ("integer",) else np.float32)


def moving(loss: Loss[...]) -> list[str]:
    """The arrays that a gradient is taken in: predictions, all embeddings, or the whole head."""
    if _is_head(loss):
        return ["hidden", "weight"]
    domains = loss.signature.arrays
    floating = [name for name, domain in domains.items() if domain.accepts != ("integer",)]
    # All are learnt, as in a contrastive loss; else the last array is a target, which is not.
    embeddings = all(domain.axes[1:] == ("features",) for domain in domains.values())
    if embeddings or len(domains) == 1:
        return floating
    return [name for name in floating if name != [*domains][-1]]


def _leader(loss: Loss[...]) -> ArrayDomain:
    return next(iter(loss.signature.arrays.values()))


def _is_head(loss: Loss[...]) -> bool:
    return {"hidden", "weight"} <= loss.signature.arrays.keys()


def fitting(case: Case) -> list[Shape]:
    """The shape of each array.

    Raises:
        ValueError: That of the case does not fit the loss.
    """
    loss, (batch, lengths) = find(case.loss), _lengths(case)
    _, *others = loss.signature.arrays.values()
    if _is_head(loss):
        tokens, features, classes = case.shape
        # The bias is a scalar 0, as those of GPT-2 and Llama have none.
        rest = [(tokens, classes)[: 1 + len(domain.axes)] for domain in others[2:]]
        return [(tokens, features), (features, classes), (), *rest]
    return [case.shape, *((*batch, *(lengths[str(axis)] for axis in x.axes)) for x in others)]


def _lengths(case: Case) -> tuple[Shape, dict[str, int]]:
    """The shape of a batch, and how long the axes of events are, by name.

    Raises:
        ValueError: The shape of the case does not fit the loss.
    """
    loss = find(case.loss)
    leader = _leader(loss)
    axes = 3 if _is_head(loss) else len(leader.axes)
    fits = len(case.shape) == axes if _is_head(loss) else len(case.shape) >= max(axes, 1)
    if not fits or min(case.shape) < 1:
        wanted = "tokens, features and classes" if _is_head(loss) else f"at least {axes} axes"
        message = f"case `{case.name}`: the shape of {case.loss} has {wanted}"
        raise ValueError(message)
    if _is_head(loss):
        return case.shape[:1], {"classes": case.shape[-1]}
    batch = case.shape[: len(case.shape) - axes]
    lengths = dict(zip(map(str, leader.axes), case.shape[len(batch) :], strict=True))
    lengths |= {"labels": max(lengths.get("frames", 0) // _FRAMES_PER_LABEL, 1)}
    return batch, lengths | {"keys": lengths.get("elements", 0)}


def _drawn(
    rng: np.random.Generator,
    domain: ArrayDomain,
    shape: Shape,
    lengths: Mapping[str, int],
    *,
    target: bool,
) -> np.ndarray:
    """As in use where the domain says how, else ordinary; of what may be padding, all counts."""
    if domain.realistic:
        return domain.realistic(rng, shape)
    if domain.common:  # a weight, whose products with features of size 1 are of size 1, or no bias
        weight = rng.standard_normal(shape, np.float32) / math.sqrt(shape[0]) if shape else 0
        return np.asarray(weight, np.float32)
    if domain.counts:
        return np.full(shape, lengths[domain.counts], np.int32)
    if (domain.low, domain.high) == (0, 1) and target and not domain.open:
        return rng.integers(0, 2, shape, np.int32).astype(np.float32)  # labels are 0 or 1
    return domain.draw(rng, shape, lengths)
