"""`optax.losses` of binary labels and of classes."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.compat.optax.axes import Axis, events, keep, last, mask, of_examples
from jaxloss.core.objective import Objective
from jaxloss.core.reduction import none
from jaxloss.losses.classification import (
    binary,
    cross_entropy,
    fenchel_young,
    focal,
    multiclass_margin,
)
from jaxloss.losses.margin import hinge
from jaxloss.numerics import as_array, divide, log_softmax, weighted

_with_integer_labels = Objective(
    cross_entropy.softmax_cross_entropy_with_integer_labels, reduction=none
)


def sigmoid_binary_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """`jaxloss.sigmoid_binary_cross_entropy`: 0, not NaN, for an infinite logit that is right."""
    return binary.sigmoid_binary_cross_entropy(as_array(logits), as_array(labels))


def hinge_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """`jaxloss.hinge`: labels may be boolean or {0, 1} too."""
    return hinge.hinge(as_array(predictor_outputs), as_array(targets))


def perceptron_loss(predictor_outputs: ArrayLike, targets: ArrayLike) -> Array:
    """`jaxloss.perceptron`: labels may be boolean or {0, 1} too."""
    return hinge.perceptron(as_array(predictor_outputs), as_array(targets))


def sparsemax_loss(logits: ArrayLike, labels: ArrayLike) -> Array:
    """`jaxloss.sparsemax`: a label of -1 is negative, not positive as all but 0 were."""
    return fenchel_young.sparsemax(as_array(logits), as_array(labels))


def safe_softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Array:
    """`jaxloss.softmax_cross_entropy`: derivatives are finite too at logits of -inf."""
    return softmax_cross_entropy(logits, labels)


def softmax_cross_entropy(
    logits: ArrayLike, labels: ArrayLike, axis: Axis = -1, where: ArrayLike | None = None
) -> Array:
    """`jaxloss.softmax_cross_entropy`: 0, not NaN, for a logit of -inf whose label is 0."""
    return _cross_entropy(*_counted(logits, labels, axis, where))


def softmax_cross_entropy_with_integer_labels(
    logits: ArrayLike,
    labels: ArrayLike,
    axis: int | tuple[int, ...] = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`jaxloss.softmax_cross_entropy_with_integer_labels`: NaN for no class, +inf for a masked."""
    where = of_examples(where, logits, axis)
    (scores,) = events(axis, keep(where, logits, -jnp.inf))
    if where is None:
        return cross_entropy.softmax_cross_entropy_with_integer_labels(scores, as_array(labels))
    # An example without any class left does not count, and is 0 and not NaN.
    present = jnp.any(last(mask(where, np.shape(logits)), axis), axis=-1)
    return _with_integer_labels(scores, labels, where=present)


def multiclass_hinge_loss(scores: ArrayLike, labels: ArrayLike) -> Array:
    """`jaxloss.crammer_singer`: a label that is no class is NaN."""
    return multiclass_margin.crammer_singer(as_array(scores), as_array(labels))


def multiclass_perceptron_loss(scores: ArrayLike, labels: ArrayLike) -> Array:
    """`jaxloss.multiclass_perceptron`: a label that is no class is NaN."""
    return fenchel_young.multiclass_perceptron(as_array(scores), as_array(labels))


def multiclass_sparsemax_loss(scores: ArrayLike, labels: ArrayLike) -> Array:
    """`jaxloss.multiclass_sparsemax`: any batch axes; a label that is no class is NaN."""
    return fenchel_young.multiclass_sparsemax(as_array(scores), as_array(labels))


def poly_loss_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    epsilon: ArrayLike = 2.0,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`jaxloss.poly1_cross_entropy`, expected over labels drawn from a distribution."""
    scores, targets = _counted(logits, labels, axis, where)
    # 1 - p, without cancellation where p is near 1.
    mistaken = -jnp.expm1(log_softmax(scores))
    return _cross_entropy(scores, targets) + jnp.sum(targets * mistaken, axis=-1) * epsilon


def sigmoid_focal_loss(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    alpha: ArrayLike | None = None,
    gamma: ArrayLike = 2.0,
) -> Array:
    """`jaxloss.sigmoid_focal`: a soft label gives the expectation over hard ones."""
    return focal.sigmoid_focal(as_array(logits), as_array(labels), gamma=gamma, alpha=alpha)


def make_fenchel_young_loss(max_fun: Callable[..., ArrayLike]) -> Callable[..., Array]:
    """`jaxloss.fenchel_young` where the maximum is not over the simplex; arguments pass through."""

    def fenchel_young_loss(
        scores: ArrayLike, targets: ArrayLike, *args: object, **kwargs: object
    ) -> Array:
        best = jnp.vectorize(lambda row: max_fun(row, *args, **kwargs), signature="(n)->()")
        theta, y = events(-1, scores, targets)
        return jnp.asarray(best(theta)) - jnp.sum(weighted(y, theta), axis=-1)

    return fenchel_young_loss


def smooth_labels(
    labels: ArrayLike,
    alpha: ArrayLike,
    *,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """Smoothed labels, as of `label_smoothing`: masked classes get 0, the others sum to 1."""
    kept = keep(where, labels, 0)
    counted = mask(True if where is None else where, kept.shape).astype(jnp.float32)
    classes = jnp.sum(counted, axis=axis, keepdims=True)
    evenly = divide(counted, jnp.broadcast_to(classes, counted.shape))
    return kept * (1 - alpha) + evenly.astype(kept.dtype) * alpha


def _counted(
    logits: ArrayLike, labels: ArrayLike, axis: Axis, where: ArrayLike | None
) -> list[Array]:
    """Logits and soft labels, filled with -inf and 0 for masked classes."""
    where = of_examples(where, logits, axis)
    return events(axis, keep(where, logits, -jnp.inf), keep(where, labels, 0))


def _cross_entropy(logits: Array, labels: Array) -> Array:
    """Cross-entropy with labels of any sign, such as advantages: it is linear in the labels."""
    ours = cross_entropy.softmax_cross_entropy  # whose labels are probabilities: none is negative
    return ours(logits, jnp.maximum(labels, 0)) - ours(logits, jnp.maximum(-labels, 0))
