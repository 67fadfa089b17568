"""Losses of how far a predicted region overlaps the true one; a region is a set of pixels.

Images are flattened first, to one axis of pixels. What is wrong is summed by itself, never found
as 1 minus what is right, so that small losses keep their digits.
"""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import NonNegative, Positive, Region, Regions
from jaxloss.core.loss import loss
from jaxloss.numerics import divide, quotient, reciprocal
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.norms import magnitude_power

# Overlaps are counted in grains of a pixel: the product of a probability and a target that are both
# small would underflow to 0.
_GRAIN = 2.0**-64


def _overlap(probabilities: Array, targets: Array, where: Array) -> tuple[Array, Array, Array]:
    """How many pixels are rightly inside, in grains, wrongly inside and wrongly outside."""
    grains, outside = targets / _GRAIN, 1 - probabilities
    pairs = (probabilities, grains), (probabilities, 1 - targets), (outside, targets)
    right, extra, missed = (jnp.sum(p * t, axis=-1, where=where) for p, t in pairs)
    return right, extra, missed


# By JAX's rule for w / s with s = w + r + smooth, the derivative in w is 1 / s - w / s², of which
# rounding leaves nothing where little is right. Here it is written as (r + smooth) / s².
@with_partials(
    lambda _, *parts: (
        (divide(parts[1], _size(*parts)) * _GRAIN + divide(parts[2], _size(*parts)))
        * divide(1.0, _size(*parts))
    ),
    lambda share, *parts: -share * divide(_GRAIN, _size(*parts)),
    lambda share, *parts: -share * divide(1.0, _size(*parts)),
)
def _share(wrong: Array, right: Array, smooth: ArrayLike) -> Array:
    """Wrong / (wrong + right + smooth), with `right` in grains; 0 where all three are 0."""
    return divide(wrong, _size(wrong, right, smooth))


def _size(wrong: Array, right: Array, smooth: ArrayLike) -> Array:
    return wrong + right * _GRAIN + smooth


@loss(convex=False, supremum=1.0)
def dice(
    probabilities: Region, targets: Region, *, smooth: NonNegative = 0.0, where: Array
) -> Array:
    """Dice loss: one minus the Dice coefficient of the predicted and the true region.

        1 - (2 I + s) / (P + T + s),   I = Σ p t,   P = Σ p,   T = Σ t,   s = smooth

    Args:
        probabilities: Of each pixel to belong to the region, in [0, 1], shape `[..., pixels]`.
            Several classes are several regions, on an axis before the pixels.
        targets: 1 inside the true region and 0 outside, or between, shape `[..., pixels]`.
        smooth: Pixels that are added to both sides, all of them right. At 0 a true region that is
            empty costs 1 for any prediction but an empty one, and gives no gradient.
        where: Which pixels count, boolean, shape `[..., pixels]` or a prefix; all by default.

    Returns:
        One value per region, shape `[...]`, in [0, 1]; 0 where both regions are empty.

    Use when the region is a small part of the image, and its overlap is what is measured.
    Avoid when probabilities have to be calibrated, or targets are soft: both are driven to 0 and 1,
        and a soft target costs something even where it is met.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.dice([1.0, 0.5, 0.5], [1, 1, 0]))
        0.25

    Limits:
        At smooth = 0, jaccard = 2 dice / (1 + dice). dice(smooth=2 s) = tversky(alpha=1/2,
        beta=1/2, smooth=s): libraries that write it as the latter count `smooth` double.

    References:
        Drozdzal, Vorontsov, Chartrand, Kadoury & Pal (2016), The importance of skip connections in
        biomedical image segmentation, arXiv:1608.04117. Milletari, Navab & Ahmadi (2016), V-Net,
        arXiv:1606.04797, square the probabilities in P and T.
    """
    right, extra, missed = _overlap(probabilities, targets, where)
    wrong = extra + missed
    return _share(wrong, 2 * right, smooth)


@loss(convex=False, supremum=1.0)
def jaccard(
    probabilities: Region, targets: Region, *, smooth: NonNegative = 0.0, where: Array
) -> Array:
    """Jaccard loss: one minus intersection over union of the predicted and the true region.

        1 - (I + s) / (P + T - I + s),   I = Σ p t,   P = Σ p,   T = Σ t,   s = smooth

    Args:
        probabilities: Of each pixel to belong to the region, in [0, 1], shape `[..., pixels]`.
        targets: 1 inside the true region and 0 outside, or between, shape `[..., pixels]`.
        smooth: Pixels that are added to both sides, all of them right.
        where: Which pixels count, boolean, shape `[..., pixels]` or a prefix; all by default.

    Returns:
        One value per region, shape `[...]`, in [0, 1]; 0 where both regions are empty.

    Use when intersection over union is what is measured, and a smooth stand-in is enough.
    Avoid when the loss has to be convex in the errors: `lovasz_hinge` and `lovasz_softmax` are.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.jaccard([1.0, 0.5, 1.0, 0.5], [1, 1, 1, 1]))
        0.25

    Limits:
        At smooth = 0, 2 dice / (1 + dice). With any smooth, tversky(alpha=1, beta=1).

    References:
        Rahman & Wang (2016), Optimizing intersection-over-union in deep neural networks for image
        segmentation, doi:10.1007/978-3-319-50835-1_22.
    """
    right, extra, missed = _overlap(probabilities, targets, where)
    wrong = extra + missed
    return _share(wrong, right, smooth)


@loss(convex=False, supremum=lambda alpha, beta: float(max(alpha, beta) > 0))
def tversky(
    probabilities: Region,
    targets: Region,
    *,
    alpha: NonNegative = 0.3,
    beta: NonNegative = 0.7,
    smooth: NonNegative = 0.0,
    where: Array,
) -> Array:
    """Tversky loss: one minus an overlap that weighs false positives and false negatives.

        1 - (I + s) / (I + alpha Σ p (1 - t) + beta Σ (1 - p) t + s),   I = Σ p t,   s = smooth

    Args:
        probabilities: Of each pixel to belong to the region, in [0, 1], shape `[..., pixels]`.
        targets: 1 inside the true region and 0 outside, or between, shape `[..., pixels]`.
        alpha: What a false positive counts.
        beta: What a false negative counts.
        smooth: Pixels that are added to both sides, all of them right.
        where: Which pixels count, boolean, shape `[..., pixels]` or a prefix; all by default.

    Returns:
        One value per region, shape `[...]`, in [0, 1]; 0 where both regions are empty.

    Use when missing a part of the region is worse, or better, than taking too much.
    Avoid when both mistakes are alike: `dice` and `jaccard` have nothing to choose.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.tversky([1.0, 0.0, 1.0], [1, 1, 0], alpha=0.25, beta=0.75))
        0.5

    Limits:
        At alpha = beta = 1/2, `dice` with twice the smooth; at alpha = beta = 1, `jaccard`.
        Exchanging probabilities and targets exchanges alpha and beta.

    References:
        Salehi, Erdogmus & Gholipour (2017), Tversky loss function for image segmentation using 3D
        fully convolutional deep networks, arXiv:1706.05721.
    """
    right, extra, missed = _overlap(probabilities, targets, where)
    wrong = extra * alpha + missed * beta
    return _share(wrong, right, smooth)


@loss(convex=False, supremum=lambda alpha, beta: float(max(alpha, beta) > 0))
def focal_tversky(
    probabilities: Region,
    targets: Region,
    *,
    alpha: NonNegative = 0.3,
    beta: NonNegative = 0.7,
    gamma: Positive = 4 / 3,
    smooth: NonNegative = 0.0,
    where: Array,
) -> Array:
    """Focal Tversky loss (1 - TI)^(1 / gamma), a root of the Tversky loss.

        tversky(p, t)^(1 / gamma),   p = probabilities,   t = targets

    Args:
        probabilities: Of each pixel to belong to the region, in [0, 1], shape `[..., pixels]`.
        targets: 1 inside the true region and 0 outside, or between, shape `[..., pixels]`.
        alpha: What a false positive counts. (The paper calls this beta.)
        beta: What a false negative counts. (The paper calls this alpha.)
        gamma: The root. Above 1 good fits keep a large gradient, below 1 bad fits get more of it.
        smooth: Pixels that are added to both sides, all of them right.
        where: Which pixels count, boolean, shape `[..., pixels]` or a prefix; all by default.

    Returns:
        One value per region, shape `[...]`, in [0, 1]. At 0 the gradient is 0, though with
        gamma > 1 it grows without bound nearby.

    Use when regions of very different difficulty are averaged.
    Avoid when gamma > 1 and regions fit exactly: the steps never get small.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.focal_tversky([1.0, 0.0, 1.0], [1, 1, 0], gamma=2.0)), 4)
        0.7071

    Limits:
        At gamma = 1, `tversky`.

    References:
        Abraham & Khan (2018), A novel focal Tversky loss function with improved attention U-Net for
        lesion segmentation, arXiv:1810.07842.
    """
    right, extra, missed = _overlap(probabilities, targets, where)
    wrong = extra * alpha + missed * beta
    return magnitude_power(_share(wrong, right, smooth), reciprocal(gamma))


def _inverse_square(volumes: Array) -> Array:
    """In proportion to 1 / volume²; the smallest volume gets 1, as do those that are 0."""
    # A common factor of all weights cancels in the loss; with this one no square overflows.
    some = volumes > 0
    smallest = jnp.min(jnp.where(some, volumes, jnp.inf), axis=-1, keepdims=True, initial=jnp.inf)
    return jnp.where(some, quotient(smallest, jnp.where(some, volumes, 1)), 1) ** 2


@loss(convex=False, supremum=1.0)
def generalized_dice(probabilities: Regions, targets: Regions, *, where: Array) -> Array:
    """Generalized Dice loss: of all classes, each weighted by the inverse square of its size.

        1 - 2 Σ_c w_c I_c / Σ_c w_c (P_c + T_c),   w_c = 1 / T_c²

    I_c = Σ p_c t_c, P_c = Σ p_c and T_c = Σ t_c are sums over the pixels. The weights are applied
    before the division: within one class they would cancel.

    Args:
        probabilities: Of each pixel to belong to each class, in [0, 1], shape
            `[..., pixels, classes]`. They need not sum to 1.
        targets: One-hot labels, or numbers between 0 and 1, shape `[..., pixels, classes]`.
        where: Which pixels count, boolean, shape `[..., pixels]` or a prefix; all by default.

    Returns:
        One value per image, shape `[...]`, in [0, 1]. A class without a true pixel weighs what the
        rarest class with one weighs; where there is none all weigh the same.

    Use when classes differ in size by orders of magnitude.
    Avoid when classes are often absent, or have a pixel or two: these then weigh most.

    Example:
        >>> import jaxloss as jl
        >>> predictions = [[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]]
        >>> round(float(jl.generalized_dice(predictions, [[1, 0], [1, 0], [0, 1]])), 4)
        0.2381

    Limits:
        With one class, `dice`; so too with several of the same true size, as one region.

    References:
        Sudre, Li, Vercauteren, Ourselin & Cardoso (2017), Generalised Dice overlap as a deep
        learning loss function for highly unbalanced segmentations, arXiv:1707.03237.
    """
    p, t = (jnp.swapaxes(x, -1, -2) for x in (probabilities, targets))
    right, extra, missed = _overlap(p, t, where[..., None, :])
    weight = _inverse_square(jnp.sum(t, axis=-1, where=where[..., None, :]))
    wrong, right = (jnp.sum(weight * x, axis=-1) for x in (extra + missed, 2 * right))
    return _share(wrong, right, 0.0)
