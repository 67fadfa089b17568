"""Convex surrogates of intersection over union: the Lovász extension of the Jaccard loss.

To each set of wrong pixels belongs a Jaccard loss. Its Lovász extension is the piecewise linear
function of the pixels' errors that agrees with it where all errors are 0 or 1. On a mesh with
explicit axes the pixels of a region have to be on one device, as they are sorted.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import PixelLabels, PixelLogits, PixelScores, PixelSigns
from jaxloss.core.loss import loss
from jaxloss.kernels.sorting import descending_order, in_order
from jaxloss.numerics import divide, expm1, is_label, log_softmax


def _jaccard_extension(errors: Array, inside: Array, counts: Array) -> Array:
    """Lovász extension of the Jaccard loss at errors >= 0 of the pixels that count."""
    # Σ_k e_k (J_k - J_{k-1}) with the errors e in falling order. Each J_k - J_{k-1} is written in
    # closed form, as the two losses are close where pixels are many: a missed pixel leaves the
    # union and adds 1 / union, one wrongly inside adds intersection / (union before * union after).
    order = descending_order(jnp.where(counts, errors, -1))  # what does not count comes last
    descending, inside = in_order(errors, order), in_order(inside, order)
    total = jnp.sum(counts, axis=-1, keepdims=True, dtype=jnp.int32)
    place = jax.lax.broadcasted_iota(jnp.int32, errors.shape, errors.ndim - 1)
    miss, extra = inside & (place < total), ~inside & (place < total)
    misses = jnp.cumsum(miss, axis=-1, dtype=jnp.int32)  # integers: float32 counts up to 2**24
    true_size = misses[..., -1:]
    union = (true_size + (place + 1 - misses)).astype(errors.dtype)
    before = jnp.where(extra, union - 1, union)
    intersection = (true_size - misses).astype(errors.dtype)
    # Without a true pixel the first wrong one makes the loss 1, from 0 of two empty sets.
    growth = jnp.where(before == 0, 1, divide(intersection, before * union))
    steps = jnp.where(miss, divide(jnp.ones_like(union), union), jnp.where(extra, growth, 0))
    return jnp.sum(descending * steps, axis=-1)


@loss(convex=True, strictly_convex=False, lipschitz=1.0, smooth=math.inf, supremum=math.inf)
def lovasz_hinge(scores: PixelScores, labels: PixelSigns, *, where: Array) -> Array:
    """Lovász hinge: convex surrogate of the Jaccard loss of a region, from hinges of the pixels.

        Σ_k max(0, m_k) (J_k - J_{k-1}),   m = 1 - s o sorted from the largest,   o = scores

    s = ±1 is the label. J_k is the Jaccard loss, 1 - intersection / union, of the prediction that
    is wrong in the first k pixels of that order; J_0 = 0.

    Args:
        scores: One real score a pixel, positive inside the region, shape `[..., pixels]`.
        labels: Which pixels are inside, bool, {0, 1} or {-1, +1}, shape `[..., pixels]`.
        where: Which pixels count, boolean, shape `[..., pixels]` or a prefix; all by default.

    Returns:
        One value per region, shape `[...]`, in the unit of the scores; 0 for no pixels.

    Use when one class against the rest is judged by intersection over union per image.
    Avoid when true regions are empty: only the worst pixel of the image then learns.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.lovasz_hinge([2.0, 0.5, -1.0], [1, 0, 1]))
        1.25

    Limits:
        Of one pixel, `hinge`; without a pixel inside, the largest `hinge` of all pixels. Where each
        margin s o is 1 or 0, `jaccard` of the prediction that is wrong where it is 0.

    References:
        Berman, Rannen Triki & Blaschko (2018), The Lovász-Softmax loss, arXiv:1705.08790.
        Yu & Blaschko (2018), The Lovász hinge, arXiv:1512.07797.
    """
    return _jaccard_extension(jnp.maximum(1 - labels * scores, 0), labels > 0, where)


@loss(convex=False, supremum=1.0)
def lovasz_softmax(logits: PixelLogits, labels: PixelLabels, *, where: Array) -> Array:
    """Lovász-Softmax: surrogate of the mean Jaccard loss over classes, from softmax errors.

        mean over the classes c that occur of  Σ_k e_k (J_k - J_{k-1}),   p = softmax(logits)

    e = |[y = c] - p_c| are the errors of the pixels for class c, sorted from the largest. J_k is
    the Jaccard loss, 1 - intersection / union, of a prediction of c that is wrong in the first k
    pixels of that order; J_0 = 0.

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape
            `[..., pixels, classes]`.
        labels: The true class of each pixel, an integer in [0, classes), shape `[..., pixels]`.
        where: Which pixels count, boolean, shape `[..., pixels]` or a prefix; all by default.

    Returns:
        One value per image, shape `[...]`, in [0, 1]; 0 for no pixels.

    Use when segmentation is judged by mean intersection over union, after a start with
        cross-entropy.
    Avoid when images show few of many classes: what is given to a class that does not occur costs
        only as a miss of the true one.

    Example:
        >>> import jaxloss as jl
        >>> logits = [[50.0, 0.0], [50.0, 0.0], [50.0, 0.0], [0.0, 50.0]]
        >>> round(float(jl.lovasz_softmax(logits, [0, 0, 1, 1])), 4)
        0.4167

    Limits:
        Where the softmax is one-hot, the mean of `jaccard` over the classes that occur.

    References:
        Berman, Rannen Triki & Blaschko (2018), The Lovász-Softmax loss, arXiv:1705.08790.
    """
    log_p, is_true = log_softmax(logits), is_label(labels, logits)
    errors = jnp.where(is_true, -expm1(log_p), jnp.exp(log_p))  # 1 - p keeps its digits near p = 1
    inside = jnp.swapaxes(is_true, -1, -2)
    counts = jnp.broadcast_to(where[..., None, :], inside.shape)
    values = _jaccard_extension(jnp.swapaxes(errors, -1, -2), inside, counts)
    occurs = jnp.any(inside & counts, axis=-1)
    total = jnp.sum(values, axis=-1, where=occurs)
    return divide(total, jnp.sum(occurs, axis=-1, dtype=total.dtype))
