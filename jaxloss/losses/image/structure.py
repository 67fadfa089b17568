"""Losses of images: structural similarity, signal-to-noise ratio and total variation.

Two images are represented by their sum p and their difference d. With M the mean and V the variance
in a window, one minus either factor of the structural similarity is

    2 M(d)² / (M(p)² + M(d)² + 2 k1²)   or   2 V(d) / (V(p) + V(d) + 2 k2²),

which keep their digits for nearly equal images: there is no covariance, and nothing cancels.
"""

from collections.abc import Callable
from functools import partial
from math import inf, log, prod, sqrt

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import Image, Positive
from jaxloss.core.loss import loss
from jaxloss.kernels.sliding_window import HEIGHT, WIDTH, Moments, halved, moments
from jaxloss.numerics import abs_zero_grad, divide, expm1, norm, quotient
from jaxloss.numerics import log as log_or_infinite

Combine = Callable[[Array, Array], Array]
Inputs = tuple[Array, ArrayLike, ArrayLike]
# The weight of each scale, the finest first: calibrated with observers by Wang et al. (2003).
_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _pair(images: Array, targets: Array, data_range: ArrayLike) -> Array:
    """Sum and difference, over the range, along a new first axis."""
    return quotient(jnp.stack([images + targets, images - targets]), data_range)


def _of_both(luminance: Array, structure: Array) -> Array:
    # 1 - (1 - l) (1 - s) = l + (1 - l) s: of two small numbers nothing is rounded against 1.
    return luminance + (1 - luminance) * structure


def _of_structure(_: Array, structure: Array) -> Array:
    return structure


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _mean_dissimilarity(combine: Combine, pair: Array, k1: ArrayLike, k2: ArrayLike) -> Array:
    """Mean over all windows of one minus their similarity, for each channel."""
    return _mean_over_windows(combine, moments(pair)[0], k1, k2)


# The rule forms the gradient in the pixels along with the value, while the moments are at hand.
# Differentiated as it is, each slice of the window would leave an array for the backward pass.
@_mean_dissimilarity.defjvp
def _mean_dissimilarity_jvp(
    combine: Combine, primals: Inputs, tangents: Inputs
) -> tuple[Array, Array]:
    (pair, *constants), (pair_tangent, *constants_tangent) = primals, tangents
    in_windows, pull = moments(pair)
    value, pull_moments = jax.vjp(lambda x: _mean_over_windows(combine, x, *constants), in_windows)
    gradient = pull(*pull_moments(jnp.ones_like(value))[0])
    of_constants = partial(_mean_over_windows, combine, in_windows)
    _, tangent = jax.jvp(of_constants, tuple(constants), tuple(constants_tangent))
    return value, tangent + jnp.sum(gradient * pair_tangent, axis=(0, HEIGHT, WIDTH))


def _mean_over_windows(
    combine: Combine, in_windows: Moments, k1: ArrayLike, k2: ArrayLike
) -> Array:
    """Mean of what combines one minus the similarities of the means and of the variances."""
    (sum_mean, mean), (sum_variance, variance) = in_windows
    luminance = divide(2 * mean**2, sum_mean**2 + mean**2 + 2 * k1**2)
    structure = divide(2 * variance, sum_variance + variance + 2 * k2**2)
    return jnp.mean(combine(luminance, structure), axis=(HEIGHT, WIDTH))


@loss(convex=False)
def ssim(
    images: Image,
    targets: Image,
    *,
    data_range: Positive = 1.0,
    k1: Positive = 0.01,
    k2: Positive = 0.03,
) -> Array:
    """SSIM loss: one minus the index of structural similarity of two images.

        1 - mean of (2 m_x m_y + c1) (2 s_xy + c2) / ((m_x² + m_y² + c1) (s_x² + s_y² + c2)),
        c1 = (k1 L)²,   c2 = (k2 L)²,   L = data range

    Means m, variances s² and the covariance s_xy are those in a window of 11 by 11 pixels, weighed
    by a Gaussian with a standard deviation of 1.5 and not corrected for the size of the sample.
    The mean is over channels, and over all places where the window lies inside the image.

    Args:
        images: Intensities, shape `[..., height, width, channels]`. Along an axis of less than 11
            pixels the window is as long as the image.
        targets: Intensities in the same unit, shape `[..., height, width, channels]`.
        data_range: From the least to the largest possible intensity, > 0: 255 for 8 bits.
        k1: Keeps the comparison of means finite in the dark, > 0.
        k2: Keeps the comparison of variances finite where nothing varies, > 0.

    Returns:
        One value per image, shape `[...]`, in [0, 2]; 0 for equal images, 1 for unrelated ones.
        `1 - jl.ssim(...)` is the index.

    Use when edges and texture count more than the exact intensity of a pixel.
    Avoid when colours have to be right: it barely sees a shift of a bright, flat region.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> black, white = jnp.zeros((16, 16, 1)), jnp.ones((16, 16, 1))
        >>> round(float(jl.ssim(black, white)), 4)
        0.9999

    Limits:
        For constant images (x - y)² / (x² + y² + c1). Images and targets may be exchanged. Scaled
        together with the data range, they have the same value.

    References:
        Wang, Bovik, Sheikh & Simoncelli (2004), Image quality assessment: from error visibility to
        structural similarity, doi:10.1109/TIP.2003.819861.
    """
    return jnp.mean(
        _mean_dissimilarity(_of_both, _pair(images, targets, data_range), k1, k2), axis=-1
    )


def _log_similarity(dissimilarity: Array) -> Array:
    """Log of one minus the dissimilarity; -inf, with gradient 0, where it is 1 or more."""
    none = dissimilarity >= 1
    # The inner `where`: the derivative of log1p is infinite at -1, and 0 times it would be NaN.
    return jnp.where(none, -jnp.inf, jnp.log1p(-jnp.where(none, 0, dissimilarity)))


@loss(convex=False, supremum=1.0)
def ms_ssim(
    images: Image,
    targets: Image,
    *,
    data_range: Positive = 1.0,
    k1: Positive = 0.01,
    k2: Positive = 0.03,
) -> Array:
    """MS-SSIM loss: one minus the index of structural similarity of two images at five scales.

        1 - mean over channels of S_5^w_5 Π_j C_j^w_j,   j = 1 ... 4,
        w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333

    S is the mean of the `ssim` index over all places of the window, C that of its second factor,
    (2 s_xy + c2) / (s_x² + s_y² + c2). Each scale is half as large as the one before: its pixels
    are the means of 2 by 2, and the last of an odd number is paired with itself. A mean below 0
    counts as 0, as it has no such power.

    Args:
        images: Intensities, shape `[..., height, width, channels]`. With less than 161 pixels
            along an axis, the window of 11 is cut to the size of the coarse scales.
        targets: Intensities in the same unit, shape `[..., height, width, channels]`.
        data_range: From the least to the largest possible intensity, > 0: 255 for 8 bits.
        k1: Keeps the comparison of means finite in the dark, > 0.
        k2: Keeps the comparison of variances finite where nothing varies, > 0. A larger one keeps
            the means over places positive.

    Returns:
        One value per image, shape `[...]`, in [0, 1]. A channel with a mean of 0 or less has the
        value 1 and the gradient 0.

    Use when images are seen from more than one distance, or are large.
    Avoid when predictions do not yet resemble the targets: where they are anticorrelated at one
        scale nothing pulls them back. Begin with `ssim` or `absolute_error`, or add it.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> black, white = jnp.zeros((16, 16, 1)), jnp.ones((16, 16, 1))
        >>> round(float(jl.ms_ssim(black, white)), 4)
        0.707

    Limits:
        For constant images 1 - (1 - `ssim`)^w_5. Images and targets may be exchanged.

    References:
        Wang, Simoncelli & Bovik (2003), Multiscale structural similarity for image quality
        assessment, doi:10.1109/ACSSC.2003.1292216.
    """
    # The product of powers as a sum of logarithms, and 1 minus it by expm1: both keep their digits.
    *finer, coarsest = _SCALES
    pair, log_similarity = _pair(images, targets, data_range), jnp.zeros((), images.dtype)
    for weight in finer:
        log_similarity += weight * _log_similarity(_mean_dissimilarity(_of_structure, pair, k1, k2))
        pair = halved(pair)
    log_similarity += coarsest * _log_similarity(_mean_dissimilarity(_of_both, pair, k1, k2))
    return jnp.mean(-expm1(log_similarity), axis=-1)


@loss(convex=False)
def psnr(images: Image, targets: Image, *, data_range: Positive = 1.0) -> Array:
    """Minus the peak signal-to-noise ratio of two images, in decibels.

        10 log10(mean of (x - y)² / L²),   x = image, y = target, L = data range

    Args:
        images: Intensities, shape `[..., height, width, channels]`.
        targets: Intensities in the same unit, shape `[..., height, width, channels]`.
        data_range: From the least to the largest possible intensity, > 0: 255 for 8 bits.

    Returns:
        One value per image, shape `[...]`, in decibels: -30 is an error of about 3 % of the range.
        For equal images -∞, with gradient 0.

    Use when each image should count by the ratio, not the size, of its error.
    Avoid when images can be fitted exactly: the gradient grows without bound as the error shrinks.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> round(float(jl.psnr(jnp.full((4, 4, 3), 0.5), jnp.full((4, 4, 3), 0.6))), 4)
        -20.0

    Limits:
        10 log10 of the mean of `squared_error` over an image, for the range 1. Half the error is
        6.02 less.

    References:
        Huynh-Thu & Ghanbari (2008), Scope of validity of PSNR in image/video quality assessment,
        doi:10.1049/el:20080522.
    """
    *batch, height, width, channels = images.shape
    numbers = prod((height, width, channels))
    error = norm((images - targets).reshape(*batch, numbers))  # scaled: no square vanishes
    return 20 / log(10) * log_or_infinite(quotient(error / sqrt(numbers), data_range))


@loss(convex=True, supremum=inf)
def total_variation(images: Image) -> Array:
    """Anisotropic total variation of an image: absolute differences of neighbouring pixels.

        Σ |x(i + 1, j) - x(i, j)| + |x(i, j + 1) - x(i, j)|,   x = intensity

    The sum is over all pairs of neighbours, and over channels. This is the anisotropic total
    variation; an edge costs most along a diagonal.

    Args:
        images: Intensities, shape `[..., height, width, channels]`. There is no target: an
            objective gives it the predictions alone.

    Returns:
        One value per image, shape `[...]`, in the unit of the intensities: a sum, so that it grows
        with the size of the image. For constant images 0, with gradient 0.

    Use when predicted images should be smooth but keep their edges: as a small term beside others.
    Avoid when diagonal and curved edges matter: `isotropic_total_variation` turns no edge.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.total_variation([[[0.0], [3.0]], [[4.0], [4.0]]]))
        8.0
        >>> denoise = jl.Objective(jl.squared_error) + 0.1 * jl.Objective(jl.total_variation)

    Limits:
        For one row, the sum of the rises and falls. Between `isotropic_total_variation` and √2
        times that. That of `images - targets` compares gradients.

    References:
        Rudin, Osher & Fatemi (1992), Nonlinear total variation based noise removal algorithms,
        doi:10.1016/0167-2789(92)90242-F.
    """
    return jnp.sum(abs_zero_grad(_steps(images)), axis=(-4, -3, -2, -1))


@loss(convex=True, supremum=inf)
def isotropic_total_variation(images: Image) -> Array:
    """Isotropic total variation of an image: the lengths of its discrete gradients.

        Σ √((x(i + 1, j) - x(i, j))² + (x(i, j + 1) - x(i, j))²),   x = intensity

    The sum is over all pixels and channels. Beyond the last row and column x is continued.

    Args:
        images: Intensities, shape `[..., height, width, channels]`. There is no target: an
            objective gives it the predictions alone.

    Returns:
        One value per image, shape `[...]`, in the unit of the intensities: a sum, so that it grows
        with the size of the image. For constant images 0, with gradient 0.

    Use when predicted images should be smooth but keep their edges, in whatever direction.
    Avoid when edges run along rows and columns anyway: `total_variation` is cheaper.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.isotropic_total_variation([[[0.0], [3.0]], [[4.0], [4.0]]]))
        6.0

    Limits:
        For one row, `total_variation`, which is else at most √2 times as large.

    References:
        Rudin, Osher & Fatemi (1992), Nonlinear total variation based noise removal algorithms,
        doi:10.1016/0167-2789(92)90242-F.
    """
    return jnp.sum(norm(_steps(images)), axis=(-3, -2, -1))


def _steps(images: Array) -> Array:
    """From each pixel to the next one down and to the right, along a new last axis."""
    return jnp.stack([_step(images, axis) for axis in (HEIGHT, WIDTH)], axis=-1)


def _step(x: Array, axis: int) -> Array:
    length = x.shape[axis]
    return jnp.diff(x, axis=axis, append=jax.lax.slice_in_dim(x, length - 1, length, axis=axis))
