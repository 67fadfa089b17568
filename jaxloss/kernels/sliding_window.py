"""Moments of images in a sliding window, and the transpose of their derivative in the pixels."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

Moments = tuple[Array, Array]
HEIGHT, WIDTH = -3, -2
# The window of Wang, Bovik, Sheikh & Simoncelli (2004), doi:10.1109/TIP.2003.819861.
_WINDOW = 11  # pixels along each axis
_SIGMA = 1.5  # of the Gaussian in the window, in pixels


def moments(x: Array) -> tuple[Moments, Callable[[Array, Array], Array]]:
    """Mean and variance in each window that lies inside, and their vector-Jacobian product.

    One axis after the other: the variance in a window is the mean of those of its columns, plus the
    variance of their means. Neither is a difference of squares.
    """
    down = _averaged(x, jnp.zeros_like(x), HEIGHT)
    mean, variance = _averaged(*down, WIDTH)

    def pull(mean_gradient: Array, variance_gradient: Array) -> Array:
        of_columns = _averaged_vjp(mean_gradient, variance_gradient, mean, down[0], WIDTH)
        gradient = _averaged_vjp(*of_columns, down[0], x, HEIGHT)[0]
        # Behind the barrier XLA computes it once, not again in each fusion that uses it.
        once: Array = lax.optimization_barrier(gradient)
        return once

    return (mean, variance), pull


def halved(x: Array) -> Array:
    """Means of 2 by 2 pixels."""
    for axis in (HEIGHT, WIDTH):
        if x.shape[axis] % 2:
            x = jnp.concatenate([x, lax.slice_in_dim(x, -1, None, axis=axis)], axis=axis)
    upper, lower = x[..., ::2, :, :], x[..., 1::2, :, :]
    left, right = ((upper + lower)[..., k::2, :] for k in range(2))
    return (left + right) / 4


def _averaged(mean: Array, variance: Array, axis: int) -> Moments:
    """Mean and variance in windows along an axis of entries that have means and variances."""
    # The law of total variance: V = E[v] + E[(m - E[m])²]. E[m²] - E[m]² would cancel, to negative
    # variances too, in bright and flat regions.
    size = min(_WINDOW, mean.shape[axis])
    means, variances = _shifted(mean, axis, size), _shifted(variance, axis, size)
    overall = _weighted_mean(means)
    total = [v + (m - overall) ** 2 for m, v in zip(means, variances, strict=True)]
    return overall, _weighted_mean(total)


def _averaged_vjp(
    overall_gradient: Array, total_gradient: Array, overall: Array, mean: Array, axis: int
) -> Moments:
    """Gradients in the arguments of `_averaged`, from those in its results."""
    # An entry with mean m lies in the windows around it, and these are weighted as the entries of a
    # window are, for the Gaussian is symmetric. From a window with mean M and the gradients g in M
    # and h in its variance come g + 2 h (m - M) for m, and h for the variance of the entry.
    size = min(_WINDOW, mean.shape[axis])
    edges = [
        (size - 1, size - 1, 0) if k == axis % mean.ndim else (0, 0, 0) for k in range(mean.ndim)
    ]
    zero = jnp.zeros((), mean.dtype)
    padded = (lax.pad(x, zero, edges) for x in (overall_gradient, total_gradient, overall))
    windows = list(zip(*(_shifted(x, axis, size) for x in padded), strict=True))
    mean_gradient = _weighted_mean([g + 2 * h * (mean - m) for g, h, m in windows])
    return mean_gradient, _weighted_mean([h for _, h, _ in windows])


def _shifted(x: Array, axis: int, size: int) -> list[Array]:
    """For each place in the window, the entries that are there as the window slides."""
    length = x.shape[axis]
    return [lax.slice_in_dim(x, k, k + length - size + 1, axis=axis) for k in range(size)]


def _weighted_mean(places: list[Array]) -> Array:
    """Mean over the places in the window, by a Gaussian about its centre."""
    offsets = np.arange(len(places)) - (len(places) - 1) / 2
    weights = np.exp(-((offsets / _SIGMA) ** 2) / 2)
    return sum(
        (float(w) * x for w, x in zip(weights / weights.sum(), places, strict=True)),
        start=jnp.zeros_like(places[0]),
    )
