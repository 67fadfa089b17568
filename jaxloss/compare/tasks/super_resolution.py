"""The task of super-resolution: photographs at twice the resolution, in small patches."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

import jaxloss as jl
from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.metrics import Metric
from jaxloss.compare.tasks.models import Layer, Model
from jaxloss.compare.tasks.outputs import numbers
from jaxloss.compare.tasks.task import Data, Generator, Task

SIDE = 16
RADIUS = 2
_LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601


class Filters(NamedTuple):
    """Weights of the network on 5 x 5 pixels.

    Attributes:
        inner: Weights from pixels to rectifiers, [25, rectifier].
        outer: Weights from rectifiers to the four new pixels, [rectifier, 4].
        direct: Weights from pixels to the four new pixels, past the rectifiers, [25, 4].
    """

    inner: Any
    outer: Any
    direct: Any


def upsampler(hidden: int = 16) -> Model:
    """A model that replaces each pixel by four: its value plus a small network's output.

    The inputs of the network are the differences of 5 x 5 pixels to the one in their centre, and it
    has no biases, so the model commutes with adding a constant to an image and with scaling it by a
    positive factor. It starts as nearest-neighbour interpolation.

    Args:
        hidden: The number of rectifiers.

    References:
        Mohan et al. (2020), Robust and interpretable blind image denoising via bias-free
        convolutional neural networks, arXiv:1906.05478.
    """

    def init(key: Array) -> Filters:
        """Initialise the rectifiers at random and all output weights to 0."""
        seen = (2 * RADIUS + 1) ** 2
        inner = Layer.initial(key, seen, hidden).weights
        return Filters(inner, jnp.zeros((hidden, 4)), jnp.zeros((seen, 4)))

    def apply(filters: Filters, inputs: Array) -> Array:
        """Predict images, [example, 2 height, 2 width, 1], from [example, height, width]."""
        around = neighbourhoods(inputs) - inputs[..., None]
        nonlinear = jax.nn.relu(around @ filters.inner) @ filters.outer
        fours = inputs[..., None] + around @ filters.direct + nonlinear
        blocks = fours.reshape(*inputs.shape, 2, 2).swapaxes(2, 3)
        images: Array = blocks.reshape(-1, *(2 * length for length in inputs.shape[1:]), 1)
        return images

    says = f"a network of {hidden} rectifiers that slides over the picture"
    return Model(init, apply, says)


def neighbourhoods(images: Array) -> Array:
    """The 5 x 5 pixels around each pixel, [..., height, width, 25]; edge pixels are repeated."""
    *batch, height, width = images.shape
    padded = jnp.pad(images, [(0, 0)] * len(batch) + [(RADIUS, RADIUS)] * 2, mode="edge")
    offsets = range(2 * RADIUS + 1)
    shifted = [padded[..., i : i + height, j : j + width] for i in offsets for j in offsets]
    return jnp.stack(shifted, axis=-1)


@functools.cache
def patches() -> NDArray[np.float32]:
    """Patches of the photographs, [patch, side, side, 1], in grey from 0 to 1.

    The photographs are JPEG files: at a quarter of their size, the means of 4 x 4 pixels show
    little of the artefacts of compression.
    """
    grey = [halved(halved(p @ _LUMA / 255)) for p in load_sample_images().images]
    return np.concatenate([_squares(image) for image in grey])[..., None].astype(np.float32)


def halved(images: NDArray[Any]) -> NDArray[Any]:
    """Average 2 x 2 pixels over the last two axes; an odd last row or column is left out."""
    *batch, height, width = (*images.shape[:-2], *(n // 2 for n in images.shape[-2:]))
    even = images[..., : 2 * height, : 2 * width]
    means: NDArray[Any] = even.reshape(*batch, height, 2, width, 2).mean(axis=(-3, -1))
    return means


def draw(generator: Generator) -> Data:
    """Split the patches: the targets are the patches, and the inputs their halves."""
    sharp = patches()
    coarse = halved(sharp[..., 0])
    return sampling.take(coarse, sharp, sampling.split(len(sharp), generator))


def salt_and_pepper(images: NDArray[Any], rate: float, generator: Generator) -> NDArray[Any]:
    """Replace a fraction of all pixels by black or white: salt-and-pepper noise."""
    # Ranks and colours are drawn for all pixels, so that noise is nested: more of it adds pixels.
    rank = generator.permutation(images.size).reshape(images.shape)
    extreme = generator.integers(2, size=images.shape)
    return np.where(rank < round(rate * images.size), extreme, images).astype(images.dtype)


def peak_ratio(images: Array, targets: Array) -> Array:
    """Peak signal-to-noise ratio of each image, in decibels, averaged over images."""
    errors = jnp.mean(jnp.square(images - targets), axis=(1, 2, 3))  # the peak is 1
    return -10 * jnp.mean(jnp.log10(errors))


def similarity(images: Array, targets: Array) -> Array:
    """Structural similarity (SSIM) index, averaged over images."""
    return 1 - jnp.mean(jl.ssim(images, targets))


def _squares(image: NDArray[Any]) -> NDArray[Any]:
    """Cut an image into squares, from its upper left corner on; incomplete ones are left out."""
    rows, columns = (length // SIDE for length in image.shape)
    whole = image[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE)
    return whole.swapaxes(1, 2).reshape(-1, SIDE, SIDE)


SUPER_RESOLUTION = Task(
    name="super-resolution",
    title="photographs at twice the resolution",
    story=f"A picture of {SIDE} x {SIDE} grey pixels from the means of 2 x 2 of them: squares, "
    "none over another, of the two photographs that scikit-learn ships, at a quarter of their "
    "size. Each seed trains on three fifths of the squares, validates on one fifth and tests on "
    "one fifth. The ratio of peak to noise is taken for each square, in decibels, so that a smooth "
    "one counts as much as a rough one, where a mean of squared errors is ruled by the rough.",
    noise="black or white pixels in the targets",
    draw=draw,
    corrupt=salt_and_pepper,
    model=upsampler(),
    output=numbers(
        (SIDE, SIDE, 1),
        Metric("psnr", "peak signal-to-noise ratio", peak_ratio, unit="dB"),
        Metric("ssim", "structural similarity", similarity, factor=100, unit="points"),
        says="a picture and its target, in grey from 0 to 1",
    ),
    reference="squared_error",
    contenders=(
        "squared_error",
        "absolute_error",
        "charbonnier(scale=[0.001, 0.01])",
        "huber(delta=[0.01, 0.1])",
        "cauchy(scale=[0.01, 0.1])",
        "welsch(scale=[0.05, 0.2])",
        "ssim",
        "0.8*absolute_error + 0.2*ssim",
        "cosine_distance",
    ),
    levels=(0.0, 0.1),
    batch=8,  # patches: 2048 pixels a step
    epochs=20,
)
