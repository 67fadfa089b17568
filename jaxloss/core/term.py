"""One term of an objective: a loss on one part of the prediction, behind a sealed mask."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.loss import Loss, SummedLoss
from jaxloss.core.masking import as_mask, as_prefix, hide
from jaxloss.core.batch import Path, PyTree, own_mask, part_of
from jaxloss.core.reduction import (
    ADDITIVE,
    Additive,
    Average,
    Reduction,
    Sum,
    Undivided,
    mean,
    total,
)
from jaxloss.numerics import as_array, computing_dtype, divide
from jaxloss.numerics.broadcasting import Shape, fitted, select, spread


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
        loss: A loss, or any function from arrays to one value per example.
        reduction: From values and weights to the result.
        static: The keywords that are no leaves, as items.
        path: Keys from the whole prediction to the part that the loss sees.
        label: The name that it was given, if any.
    """

    scale: Any
    traced: dict[str, Any]
    loss: Callable[..., Array]
    reduction: Reduction = mean
    static: tuple[tuple[str, Any], ...] = ()
    path: Path = ()
    label: str | None = None

    @classmethod
    def of(
        cls, loss: Callable[..., Array], reduction: Reduction, hyperparameters: dict[str, Any]
    ) -> Self:
        """A term of scale 1, after a check that the loss takes these hyper-parameters."""
        if not isinstance(loss, Loss):
            leaves = {k: v for k, v in hyperparameters.items() if _is_leaf(v)}
            static = tuple((k, v) for k, v in hyperparameters.items() if k not in leaves)
            return cls(1.0, leaves, loss, reduction, static)
        if "where" in hyperparameters:
            message = "`where` comes with the arrays: objective(predictions, targets, where=mask)"
            raise TypeError(f"Objective({loss.__name__}): {message}")
        loss.contract.admit(hyperparameters)
        return cls(1.0, {k: as_leaf(v) for k, v in hyperparameters.items()}, loss, reduction)

    @property
    def name(self) -> str:
        """The name that it was given, or where the term acts and which loss it is."""
        return self.label or ".".join([*map(str, self.path), _name(self.loss)])

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
        return f"Objective({', '.join([_name(self.loss), *keywords])}){place}{label}"

    def scaled(self, factor: ArrayLike) -> Self:
        """The term times a number."""
        return replace(self, scale=self.scale * factor)

    def within(self, path: Path) -> Self:
        """The term on a part that lies deeper."""
        return replace(self, path=(*path, *self.path))

    def called(self, label: str) -> Self:
        """The term under a name of its own."""
        return replace(self, label=label)

    def value(self, predictions: PyTree, targets: PyTree, where: PyTree, weights: PyTree) -> Array:
        """The reduced loss times the scale."""
        given = predictions, targets, where, weights
        if isinstance(self.loss, SummedLoss) and self.reduction in (mean, total):
            return self._scaled(self._swept(self.loss, *given))
        return self._scaled(self.reduction(*self.measure(*given)))

    def _scaled(self, reduced: Array) -> Array:
        return jnp.asarray(self.scale).astype(reduced.dtype) * reduced

    def average(
        self, predictions: PyTree, targets: PyTree, where: PyTree, weights: PyTree
    ) -> Average:
        """The reduced loss before any division, unscaled."""
        given = predictions, targets, where, weights
        if isinstance(self.loss, SummedLoss) and self.reduction in (mean, total):
            arrays, counted, numbers, mass = self._amounts(*given)
            own = self.loss.total(*arrays, weights=numbers, counted=counted, **self.traced)
            return Average(own, mass) if self.reduction is mean else Sum(own, mass)
        if isinstance(self.reduction, Additive):
            return self.reduction.average(*self.measure(*given))
        return Undivided.by(self.reduction, *self.measure(*given))

    def share(
        self,
        mass: Array,
        predictions: PyTree,
        targets: PyTree,
        where: PyTree,
        weights: PyTree,
    ) -> Array:
        """What these examples add to the value over examples of this mass altogether."""
        if not self._adds_up:
            message = f"Objective.share: {self.name} is no sum over examples but reduced by "
            adding = ", ".join(f"`{name}`" for name in ADDITIVE)
            raise ValueError(f"{message}{_name(self.reduction)}; use one that adds up: {adding}")
        self.refuse_parts("Objective.share", predictions, targets)
        parts = predictions, targets, where, weights
        if isinstance(self.loss, SummedLoss) and self.reduction in (mean, total):
            return self._scaled(self._swept(self.loss, *parts, mass=mass))
        return self._scaled(replace(self.average(*parts), mass=mass).value)

    @property
    def _adds_up(self) -> bool:
        """Whether the reduced loss of all examples follows from those of parts."""
        return isinstance(self.reduction, Additive)

    def refuse_parts(self, owner: str, predictions: PyTree, targets: PyTree) -> None:
        """Refuse one event without batch axes, of which these may be a part.

        A part of a set or of a distribution has another loss: the parts' losses do not add up. A
        loss that meets the other devices' elements knows that its arrays are a part.
        """
        if isinstance(self.loss, Loss) and self.loss.contract.axis_name is None:
            (first, *_), _ = self.inputs(predictions, targets, None)
            self.refuse_event(owner, first.shape)

    def refuse_event(self, owner: str, shape: Shape) -> None:
        """Refuse the shape of a first array in which no axis is in front of the event."""
        if len(shape) <= self.event > 0:
            raise ValueError(
                f"{owner}: {self.name} takes an array of shape {shape} as one event of "
                f"{self.event} axes, and the loss of an event is no sum over its parts. If it is "
                "one example, add an axis of length 1 in front; if all examples are one set, take "
                "the gradient in the embeddings by `objective.value_and_grad`, and from there "
                "part by part by `jax.vjp` of the model (see help(jaxloss.training.accumulate))"
            )

    @property
    def event(self) -> int:
        """How many axes of the first array are one example; none, for all that is known, else."""
        contract = self.loss.contract if isinstance(self.loss, Loss) else None
        return len(contract.first.axes) if contract else 0

    def given(self, hyperparameters: Mapping[str, Any]) -> Self:
        """The term with these hyper-parameters in place of its own of these names."""
        keywords = {**self.traced, **dict(self.static), **hyperparameters}
        fresh = type(self).of(self.loss, self.reduction, keywords)
        return replace(fresh, scale=self.scale, path=self.path, label=self.label)

    def inputs(
        self, predictions: PyTree, targets: PyTree, where: PyTree
    ) -> tuple[tuple[PyTree, ...], Array | None]:
        """The arrays that the loss sees, harmless behind the mask, and the mask."""
        predictions, targets, where, _ = self.own(predictions, targets, where, None)
        heads = predictions if isinstance(predictions, tuple) else (predictions,)
        arrays = heads if self._has_no_target else (*heads, targets)
        if where is None:
            return arrays, None
        mask = as_mask("Objective", _single("where", where), *self.maskable(arrays))
        pairs = zip(self._benign(len(arrays)), arrays, strict=True)
        harmless = partial(self._harmless, mask)
        return tuple(jax.tree.map(partial(harmless, benign), x) for benign, x in pairs), mask

    def own(
        self, predictions: PyTree, targets: PyTree, where: PyTree, weights: PyTree
    ) -> tuple[PyTree, PyTree, PyTree, PyTree]:
        """Of each the part that the term acts on; no targets of a loss that takes none."""
        targets = None if self._has_no_target else targets
        for key in self.path:
            predictions = part_of("the predictions", predictions, key)
            where, weights = own_mask(where, key), own_mask(weights, key)
            if not self._has_no_target:
                targets = part_of("the targets", targets, key)
        return predictions, targets, where, weights

    def _harmless(self, mask: Array, benign: float | None, array: Array) -> Array:
        """Of a function that is no Loss, nothing says which axes an array of fewer has."""
        alien = not isinstance(self.loss, Loss) and array.ndim < mask.ndim
        return array if alien else hide(mask, benign, array)

    def measure(
        self, predictions: PyTree, targets: PyTree, where: PyTree, weights: PyTree
    ) -> tuple[Array, Array | None]:
        """One value per example, 0 behind the mask, and what each counts."""
        for key in self.path:
            weights = own_mask(weights, key)
        arrays, mask = self.inputs(predictions, targets, where)
        values = self._per_example(*arrays, **({"where": mask} if self._couples else {}))
        if mask is not None:
            mask = jnp.any(mask, axis=range(values.ndim, mask.ndim))  # a set counts if any of it
            mask = fitted(mask, values.shape)
            mask = self.loss.contract.anywhere(mask) if isinstance(self.loss, Loss) else mask
            values = select(mask, values, 0)
        return values, _mass(mask, weights, values)

    def _amounts(
        self, predictions: PyTree, targets: PyTree, where: PyTree, weights: PyTree
    ) -> tuple[tuple[PyTree, ...], Array, Array, Array]:
        """The arrays, which examples count, how much each of them does, and the sum of that."""
        for key in self.path:
            weights = own_mask(weights, key)
        arrays, mask = self.inputs(predictions, targets, where)
        like = jax.eval_shape(self._per_example, *arrays)
        zeros = jnp.zeros(like.shape, like.dtype)
        amounts = _mass(mask, weights, zeros)
        average = Average.of(zeros, amounts)
        counted = jnp.ones((), bool) if mask is None else mask
        numbers = jnp.ones(()) if amounts is None else amounts
        return arrays, counted, numbers.astype(average.total.dtype), average.mass

    def _swept(self, loss: SummedLoss[...], *given: PyTree, mass: Array | None = None) -> Array:
        """The loss, reduced while it is summed: each weight is divided by the mass beforehand.

        So nothing is left to be multiplied with the gradients, which are formed with the sum.
        """
        arrays, counted, numbers, own = self._amounts(*given)
        if self.reduction is mean:
            mass = jnp.asarray(own if mass is None else mass).astype(numbers.dtype)
            numbers, counted = divide(numbers, mass), counted & (mass != 0)
        return loss.total(*arrays, weights=numbers, counted=counted, **self.traced)

    def _per_example(self, *arrays: PyTree, **where: Array | None) -> Array:
        values = self.loss(*arrays, **self.traced, **dict(self.static), **where)
        if not isinstance(values, (Array, np.ndarray, np.generic, float, int)):
            got = f"got a {type(values).__name__}; what else it finds belongs elsewhere"
            raise TypeError(f"Objective: {_name(self.loss)} gives one array of values, {got}")
        array = as_array(values)
        return array.astype(computing_dtype(array))

    def maskable(self, arrays: tuple[PyTree, ...]) -> list[Shape]:
        """The shapes that a mask is a prefix of: of the examples, or of the elements of sets."""
        if isinstance(self.loss, Loss) and self.loss.contract.is_set:
            return self.loss.contract.maskable([array.shape for array in arrays])
        return [jax.eval_shape(self._per_example, *arrays).shape]

    @property
    def _couples(self) -> bool:
        return isinstance(self.loss, Loss) and self.loss.contract.is_set

    @property
    def _has_no_target(self) -> bool:
        return isinstance(self.loss, Loss) and len(self.loss.contract.arrays) == 1

    def _benign(self, count: int) -> Sequence[float | None]:
        """What each array may hold without harm: `None` for a weight, 1/2 for a foreign loss."""
        if isinstance(self.loss, Loss):
            domains = self.loss.contract.arrays.values()
            return [None if domain.common else domain.benign for domain in domains]
        return [0.5] * count


def _is_leaf(value: Any) -> bool:
    return isinstance(value, (float, jax.Array, np.ndarray, np.floating))


def as_leaf(value: Any) -> Any:
    """A float, or an array, of what a hyper-parameter or a number was given as."""
    if isinstance(value, (list, tuple)):
        return np.asarray(value, dtype=float)
    return float(value) if isinstance(value, int) else value


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", None) or repr(function)


def signed(value: Any) -> tuple[str, str]:
    """The sign and the magnitude as they are written; of an array no sign is known."""
    negative = isinstance(value, (float, np.floating)) and value < 0
    return "-" if negative else "+", _show(-value if negative else value)


def _show(value: Any) -> str:
    concrete = isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
    return str(np.asarray(value)) if concrete else str(value)


def _single(name: str, given: PyTree) -> Array:
    """A mask or weight that is one array by now."""
    if isinstance(given, Array):
        return given
    raise TypeError(
        f"Objective: `{name}` of one term is one array, got a {type(given).__name__}; several "
        "belong to the parts of predictions that terms act on by `at`"
    )


def _mass(mask: Array | None, weights: Array | None, like: Array) -> Array | None:
    """What each example counts; a mask by itself stays boolean, so that its sum is exact."""
    if weights is None:
        return None if mask is None else spread(mask, like.shape)
    prefix = as_prefix("Objective", "weights", _single("weights", weights), like.shape)
    numbers = spread(prefix, like.shape).astype(like.dtype)
    return numbers if mask is None else jnp.where(spread(mask, like.shape), numbers, 0)
