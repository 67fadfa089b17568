"""Losses as textbooks write them, in jax.numpy and in PyTorch: what a user would write first.

Where no library has a loss, this is measured in its place. They hold the whole matrix of pairs.
"""

import importlib
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array


def symmetric_info_nce(first: Array, second: Array, temperature: float = 0.07) -> Array:
    """Both directions of the softmax over all pairs."""
    logits = _cosines(first, second) / temperature
    rows, columns = jax.nn.log_softmax(logits, axis=1), jax.nn.log_softmax(logits, axis=0)
    return jnp.divide(jnp.diagonal(rows) + jnp.diagonal(columns), -2)


def siglip(first: Array, second: Array, scale: float = 10.0, bias: float = -10.0) -> Array:
    """The logistic loss of all pairs."""
    # Scale and bias are those at the start of training: Zhai et al. (2023), arXiv:2303.15343.
    signs = 2 * jnp.eye(len(first), dtype=first.dtype) - 1
    logits = scale * _cosines(first, second) + bias
    return -jnp.sum(jax.nn.log_sigmoid(signs * logits), axis=-1)


def lovasz_hinge(scores: Array, labels: Array) -> Array:
    """Errors in the order of `jnp.argsort`, times the growth of the Jaccard loss."""
    errors = 1 - labels * scores
    order = jnp.argsort(-errors, axis=-1)
    descending, inside = (jnp.take_along_axis(x, order, -1) for x in (errors, labels > 0))
    inside = inside.astype(errors.dtype)
    size = jnp.sum(inside, axis=-1, keepdims=True)
    kept, union = size - jnp.cumsum(inside, axis=-1), size + jnp.cumsum(1 - inside, axis=-1)
    growth = jnp.diff(1 - kept / union, axis=-1, prepend=0)
    value: Array = jnp.sum(jax.nn.relu(descending) * growth, axis=-1)
    return value


def ssim(images: Any, targets: Any) -> Any:
    """One minus the structural similarity of PyTorch tensors, by convolutions along either axis."""
    torch = importlib.import_module("torch")
    x, y = (tensor.permute(0, 3, 1, 2) for tensor in (images, targets))
    channels = x.shape[1]
    # A Gaussian of standard deviation 1.5, cut at 11 pixels, and the constants 0.01² and 0.03² for
    # images in [0, 1]: Wang et al. (2004), doi:10.1109/TIP.2003.819861.
    window = torch.tensor([math.exp(-(i**2) / 4.5) for i in range(-5, 6)]).to(x)
    window = (window / window.sum()).expand(channels, 1, 11)
    maps = torch.cat([x, y, x * x, y * y, x * y])
    convolve = torch.nn.functional.conv2d
    blurred = convolve(maps, window[..., None], groups=channels)
    blurred = convolve(blurred, window[:, :, None], groups=channels)
    mx, my, xx, yy, xy = blurred.chunk(5)
    luminance = (2 * mx * my + 1e-4) / (mx * mx + my * my + 1e-4)
    structure = (2 * (xy - mx * my) + 9e-4) / (xx - mx * mx + yy - my * my + 9e-4)
    return 1 - (luminance * structure).mean(dim=(1, 2, 3))


def _cosines(first: Array, second: Array) -> Array:
    rows, columns = (x / jnp.linalg.norm(x, axis=-1, keepdims=True) for x in (first, second))
    return jnp.matmul(rows, columns.T)
