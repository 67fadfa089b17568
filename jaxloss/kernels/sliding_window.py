"""Moments of images in a window that slides over them, and what their slopes are in the pixels."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Moments = tuple[Array, Array]
HEIGHT, WIDTH = -3, -2
_WINDOW = 11  # pixels along each axis
_SIGMA = 1.5  # of the Gaussian in the window, in pixels


def moments(x: Array) -> tuple[Moments, Callable[[Array, Array], Array]]:
    """Mean and variance in each window that lies inside, and what turns slopes in these to `x`.

    One axis after the other: the variance in a window is the mean of those of its columns, and the
    variance of their means. None is a difference of squares.
    """
    down = _averaged(x, jnp.zeros_like(x), HEIGHT)
    mean, variance = _averaged(*down, WIDTH)

    def pull(by_mean: Array, by_variance: Array) -> Array:
        slopes = _spread_back(by_mean, by_variance, mean, down[0], WIDTH)
        return _spread_back(*slopes, down[0], x, HEIGHT)[0]

    return (mean, variance), pull


def halved(x: Array) -> Array:
    """Means of 2 by 2 pixels."""
    for axis in (HEIGHT, WIDTH):
        if x.shape[axis] % 2:
            x = jnp.concatenate([x, jax.lax.slice_in_dim(x, -1, None, axis=axis)], axis=axis)
    upper, lower = x[..., ::2, :, :], x[..., 1::2, :, :]
    left, right = ((upper + lower)[..., k::2, :] for k in range(2))
    return (left + right) / 4


def _averaged(mean: Array, variance: Array, axis: int) -> Moments:
    """Mean and variance of what has these along an axis, as the window slides."""
    size = min(_WINDOW, mean.shape[axis])
    means, variances = _slid(mean, axis, size), _slid(variance, axis, size)
    overall = _blurred(means)
    apart = [v + (m - overall) ** 2 for m, v in zip(means, variances, strict=True)]
    return overall, _blurred(apart)


def _spread_back(
    by_overall: Array, by_spread: Array, overall: Array, mean: Array, axis: int
) -> Moments:
    """Slopes in the mean and in the variance, of those in what `_averaged` makes of them.

    The window is symmetric: an entry is in as many windows, with the same weights.
    """
    size = min(_WINDOW, mean.shape[axis])
    edges = [
        (size - 1, size - 1, 0) if k == axis % mean.ndim else (0, 0, 0) for k in range(mean.ndim)
    ]
    zero = jnp.zeros((), mean.dtype)
    padded = (jax.lax.pad(x, zero, edges) for x in (by_overall, by_spread, overall))
    places = list(zip(*(_slid(x, axis, size) for x in padded), strict=True))
    by_mean = _blurred([slope + 2 * spread * (mean - m) for slope, spread, m in places])
    return by_mean, _blurred([spread for _, spread, _ in places])


def _slid(x: Array, axis: int, size: int) -> list[Array]:
    """For each place in the window, the entries that are there as the window slides."""
    length = x.shape[axis]
    return [jax.lax.slice_in_dim(x, k, k + length - size + 1, axis=axis) for k in range(size)]


def _blurred(places: list[Array]) -> Array:
    """Mean over the places in the window, by a Gaussian about its centre."""
    offsets = np.arange(len(places)) - (len(places) - 1) / 2
    weights = np.exp(-((offsets / _SIGMA) ** 2) / 2)
    return sum(
        (float(w) * x for w, x in zip(weights / weights.sum(), places, strict=True)),
        start=jnp.zeros_like(places[0]),
    )
