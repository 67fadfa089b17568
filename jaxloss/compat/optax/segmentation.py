"""`optax.losses` of regions of an image."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.compat.optax.axes import Axis, events
from jaxloss.losses.segmentation import overlap
from jaxloss.numerics import as_array, computing_dtype, poison

_ROUNDING = 1e-2  # by how much sums of 16-bit probabilities miss 1
_REDUCTIONS: dict[str, Callable[[Array], Array]] = {
    "mean": lambda losses: jnp.mean(losses, axis=-1),
    "sum": lambda losses: jnp.sum(losses, axis=-1),
    "none": lambda losses: losses,
}


def dice_loss(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    class_weights: ArrayLike | None = None,
    smooth: ArrayLike = 1.0,
    alpha: ArrayLike = 0.5,
    beta: ArrayLike = 0.5,
    apply_softmax: bool = True,
    reduction: str = "mean",
    ignore_background: bool = False,
    axis: Axis = None,
) -> Array:
    """`jaxloss.tversky` of each class: probabilities may be traced, or of one class."""
    if reduction not in _REDUCTIONS:
        raise ValueError(f"`reduction` is one of {', '.join(_REDUCTIONS)}, got {reduction!r}")
    logits, labels = _with_classes(as_array(predictions), as_array(targets))
    probabilities = _softmax(logits) if apply_softmax else _normalised(logits)
    space = tuple(range(1, logits.ndim - 1)) if axis is None else axis
    regions, label_regions = events(space, probabilities, labels)
    weighing = {"alpha": alpha, "beta": beta, "smooth": smooth}
    losses = overlap.tversky(
        regions, label_regions, **weighing, where=jnp.ones(regions.shape, bool)
    )
    if class_weights is not None:
        losses = losses * _of_classes(as_array(class_weights), logits.shape[-1])
    kept = losses[..., 1:] if ignore_background and logits.shape[-1] > 1 else losses
    return _REDUCTIONS[reduction](kept)


def multiclass_generalized_dice_loss(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    smooth: ArrayLike = 1.0,
    apply_softmax: bool = True,
    ignore_background: bool = False,
) -> Array:
    """The mean of `dice_loss` with rare classes weighed up; Sudre's is `jaxloss.generalized_dice`.

    A class absent from the batch weighs what the rarest present does, where it took all weight.
    """
    labels = as_array(targets)
    volumes = jnp.sum(labels, axis=tuple(range(labels.ndim - 1)), dtype=computing_dtype(labels))
    most = float(np.finfo(volumes.dtype).max)
    # The ratio to the rarest present class: 1 / volume² is infinite for an absent one.
    rarest = jnp.min(volumes, where=volumes > 0, initial=most)
    weights = (rarest / jnp.maximum(volumes, rarest)) ** 2
    losses = dice_loss(
        predictions,
        targets,
        class_weights=weights / jnp.mean(weights),
        smooth=smooth,
        apply_softmax=apply_softmax,
        reduction="none",
        ignore_background=ignore_background,
    )
    return jnp.mean(losses)


def binary_dice_loss(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    smooth: ArrayLike = 1.0,
    apply_sigmoid: bool = True,
) -> Array:
    """`jaxloss.tversky` of one class: probabilities are taken too."""
    logits, labels = as_array(predictions), as_array(targets)
    if logits.ndim == labels.ndim and logits.shape[-1] != 1:
        logits, labels = logits[..., None], labels[..., None]
    return dice_loss(logits, labels, smooth=smooth, apply_softmax=apply_sigmoid)


def _with_classes(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Add an axis of classes to the array that lacks it, if one of the two does."""
    if logits.ndim == labels.ndim - 1:
        logits = logits[..., None]
    if labels.ndim == logits.ndim - 1:
        labels = labels[..., None]
    return logits, labels


def _softmax(logits: Array) -> Array:
    single = logits.astype(computing_dtype(logits))
    return jax.nn.sigmoid(single) if logits.shape[-1] == 1 else jax.nn.softmax(single, axis=-1)


def _normalised(probabilities: Array) -> Array:
    """Validate that probabilities of several classes sum to 1; traced ones become NaN if not."""
    if probabilities.shape[-1] == 1:
        return probabilities
    sums = jnp.sum(probabilities, axis=-1, dtype=computing_dtype(probabilities))
    valid = jnp.abs(sums - 1) < _ROUNDING
    if not isinstance(valid, jax.core.Tracer) and not jnp.all(valid):
        message = "predictions must be valid probability distributions with apply_softmax=False"
        raise ValueError(
            f"{message}: over the last axis they sum to between {sums.min()} and {sums.max()}"
        )
    return poison(probabilities, valid)


def _of_classes(weights: Array, classes: int) -> Array:
    if weights.shape != (classes,):
        raise ValueError(f"`class_weights` has shape {weights.shape}, not {(classes,)}")
    return weights
