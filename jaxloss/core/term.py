"""One term of an objective: a loss on one part of the prediction, behind a sealed mask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.batch import Batch, Path
from jaxloss.core.foreign import ForeignLoss, as_loss
from jaxloss.core.loss import Loss
from jaxloss.core.masking import as_mask, as_prefix
from jaxloss.core.reduction import (
    ADDITIVE,
    Average,
    Reduction,
    Sum,
    adds_up,
    average_by,
    mass_of,
    mean,
    total,
)
from jaxloss.numerics.broadcasting import Shape, broadcast_prefix, fit_mask, select
from jaxloss.numerics.trees import PyTree


class Inputs(NamedTuple):
    """What a term hands to its loss, and what the values count.

    Attributes:
        arrays: What the loss takes by position.
        keywords: The hyper-parameters, and for a loss of sets `where`.
        mask: Which elements count, or which values; all if `None`.
        counted: Which values count; all if `None`.
        weights: What each value counts, a prefix of their shape; one if `None`.
        mass: The sum of weights, or how many values count.
    """

    arrays: tuple[PyTree, ...]
    keywords: dict[str, Any]
    mask: Array | None
    counted: Array | None
    weights: Array | None
    mass: Array


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["scale", "traced"],
    meta_fields=["loss", "reduction", "static", "path", "label"],
)
@dataclass(frozen=True)
class Term:
    """scale * reduction(loss), on the part of the prediction and target that `path` leads to.

    Attributes:
        scale: The factor, a leaf.
        traced: The hyper-parameters that are leaves.
        loss: A loss, of jaxloss or foreign.
        reduction: From values and weights to the result.
        static: The keywords that are no leaves, as items.
        path: Keys from the whole prediction to the part that the loss sees.
        label: The name that it was given, if any.
    """

    scale: Any
    traced: dict[str, Any]
    loss: Loss[...] | ForeignLoss
    reduction: Reduction = mean
    static: tuple[tuple[str, Any], ...] = ()
    path: Path = ()
    label: str | None = None

    @classmethod
    def of(
        cls, loss: Callable[..., Array], reduction: Reduction, hyperparameters: dict[str, Any]
    ) -> Self:
        """A term of scale 1, after a check that the loss takes these hyper-parameters."""
        taken = as_loss(loss)
        traced, static = taken.signature.leaves(hyperparameters)
        return cls(1.0, traced, taken, reduction, tuple(static.items()))

    @property
    def name(self) -> str:
        """The name that it was given, or where the term acts and which loss it is."""
        return self.label or ".".join([*map(str, self.path), self.loss.__name__])

    @property
    def keywords(self) -> dict[str, Any]:
        """The hyper-parameters, traced or not."""
        return {**self.traced, **dict(self.static)}

    def written(self) -> tuple[str, str]:
        """The sign, and the term without it, as it would be written."""
        sign, scale = signed(self.scale)
        return sign, self._unscaled() if scale == "1.0" else f"{scale} * {self._unscaled()}"

    def _unscaled(self) -> str:
        keywords = [f"{name}={_show(value)}" for name, value in self.traced.items()]
        keywords += [f"{name}={value!r}" for name, value in self.static]
        if self.reduction is not mean:
            keywords.append(f"reduction={_name(self.reduction)}")
        place = f".at({', '.join(map(repr, self.path))})" if self.path else ""
        label = f".called({self.label!r})" if self.label else ""
        return f"Objective({', '.join([self.loss.__name__, *keywords])}){place}{label}"

    def scaled(self, factor: ArrayLike) -> Self:
        """The term times a number."""
        return replace(self, scale=self.scale * factor)

    def within(self, path: Path) -> Self:
        """The term on a part that lies deeper."""
        return replace(self, path=(*path, *self.path))

    def called(self, label: str) -> Self:
        """The term under a name of its own."""
        return replace(self, label=label)

    def value(self, batch: Batch) -> Array:
        """The reduced loss times the scale."""
        if self.reduction in (mean, total):
            return self._scaled(self._sum(batch))
        return self._scaled(self.reduction(*self.measure(batch)))

    def average(self, batch: Batch) -> Average:
        """The reduced loss before any division, unscaled."""
        if self.reduction not in (mean, total):
            return average_by(self.reduction, *self.measure(batch))
        arrays, keywords, _, counted, weights, mass = self.inputs(batch)
        summed = self.loss.sum(*arrays, weights=weights, counted=counted, **keywords)
        return Average(summed, mass) if self.reduction is mean else Sum(summed, mass)

    def share(self, mass: Array, batch: Batch) -> Array:
        """What these examples add to the value over examples of this mass altogether."""
        if not adds_up(self.reduction):
            message = f"Objective.share: {self.name} is no sum over examples but reduced by "
            adding = ", ".join(f"`{name}`" for name in ADDITIVE)
            raise ValueError(f"{message}{_name(self.reduction)}; use one that adds up: {adding}")
        self.refuse_parts("Objective.share", batch)
        if self.reduction in (mean, total):
            return self._scaled(self._sum(batch, mass))
        return self._scaled(replace(self.average(batch), mass=mass).value)

    def _sum(self, batch: Batch, mass: Array | None = None) -> Array:
        """The sum of the loss, for a mean over the mass of these examples or a given one.

        The loss is given the mass, as one that forms gradients beside its sum divides the weights
        beforehand: so nothing is left that the gradients are multiplied with afterwards.
        """
        arrays, keywords, _, counted, weights, own = self.inputs(batch)
        divisor = (own if mass is None else mass) if self.reduction is mean else None
        return self.loss.sum(*arrays, weights=weights, counted=counted, divisor=divisor, **keywords)

    def _scaled(self, reduced: Array) -> Array:
        return jnp.asarray(self.scale).astype(reduced.dtype) * reduced

    def measure(self, batch: Batch) -> tuple[Array, Array | None]:
        """One value per example, 0 behind the mask, and what each counts; one if `None`."""
        arrays, keywords, _, counted, weights, _ = self.inputs(batch)
        values = self.loss.values(*arrays, counted=counted, **keywords)
        amounts = _amounts(counted, weights, values.shape)
        return values if counted is None else select(counted, values, 0), amounts

    def inputs(self, batch: Batch) -> Inputs:
        """What the loss is given of a batch, and what each of its values counts.

        Raises:
            TypeError: The mask is not boolean, or is a structure where one array is wanted.
            ValueError: Mask or weights are no prefix of the shape of what they count.
        """
        part = self.part(batch)
        arrays = self.positional(part)
        keywords = self.keywords
        like = self.loss.value_type(arrays, keywords)
        signature, mask, counted, weights = self.loss.signature, None, None, None
        if part.where is not None:
            shapes = signature.mask_shapes(arrays, like.shape)
            mask = as_mask("Objective", part.where, *shapes)
            if signature.is_set:
                keywords["where"] = mask
            any_element = jnp.any(mask, axis=range(like.ndim, mask.ndim))
            counted = signature.on_any_device(fit_mask(any_element, like.shape))
        if part.weights is not None:
            weights = as_prefix("Objective", "weights", part.weights, like.shape)
            weights = weights.astype(like.dtype)
        mass = mass_of(like, _amounts(counted, weights, like.shape))
        return Inputs(arrays, keywords, mask, counted, weights, mass)

    def part(self, batch: Batch) -> Batch:
        """The part of the batch that the term acts on; no targets of a loss that takes none."""
        return batch.at(self.path, targets=self.loss.signature.takes_targets)

    def positional(self, part: Batch) -> tuple[PyTree, ...]:
        """What the loss takes by position of the part, as it is given."""
        heads = part.predictions if isinstance(part.predictions, tuple) else (part.predictions,)
        return (*heads, part.targets) if self.loss.signature.takes_targets else heads

    def counted_shape(self, arrays: tuple[PyTree, ...]) -> Shape:
        """The shape of what a mask counts: of the values, or of the elements of sets."""
        like = jax.eval_shape(partial(self.loss, **self.keywords), *arrays)
        return self.loss.signature.mask_shapes(arrays, like.shape)[0]

    def refuse_parts(self, owner: str, batch: Batch) -> None:
        """Refuse one event without batch axes, of which these may be a part.

        A part of a set or of a distribution has another loss: the parts' losses do not add up. A
        loss that meets the other devices' elements knows that its arrays are a part.
        """
        if self.loss.signature.axis_name is None and self.loss.signature.event_axes:
            self.refuse_event(owner, self.positional(self.part(batch))[0].shape)

    def refuse_event(self, owner: str, shape: Shape) -> None:
        """Refuse the shape of a first array in which no axis is in front of the event."""
        event = self.loss.signature.event_axes
        if len(shape) <= event > 0:
            raise ValueError(
                f"{owner}: {self.name} takes an array of shape {shape} as one event of "
                f"{event} axes, and the loss of an event is no sum over its parts. If it is "
                "one example, add an axis of length 1 in front; if all examples are one set, take "
                "the gradient in the embeddings by `objective.value_and_grad`, and from there "
                "part by part by `jax.vjp` of the model (see help(jaxloss.training.accumulate))"
            )

    def given(self, hyperparameters: Mapping[str, Any]) -> Self:
        """The term with these hyper-parameters in place of its own of these names."""
        traced, static = self.loss.signature.leaves({**self.keywords, **hyperparameters})
        return replace(self, traced=traced, static=tuple(static.items()))


def _amounts(counted: Array | None, weights: Array | None, shape: Shape) -> Array | None:
    """What each value counts; of a mask alone booleans, so that their sum is exact."""
    if weights is None:
        return None if counted is None else broadcast_prefix(counted, shape)
    amounts = broadcast_prefix(weights, shape)
    return amounts if counted is None else select(counted, amounts, 0)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", None) or repr(function)


def signed(value: Any) -> tuple[str, str]:
    """The sign and the magnitude as they are written; of an array no sign is known."""
    negative = isinstance(value, (float, np.floating)) and value < 0
    return "-" if negative else "+", _show(-value if negative else value)


def _show(value: Any) -> str:
    concrete = isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
    return str(np.asarray(value)) if concrete else str(value)
