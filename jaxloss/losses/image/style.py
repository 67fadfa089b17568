"""Losses of feature maps: of the style of an image, and of all that a network sees in it."""

from collections.abc import Callable
from math import inf

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import FeatureMap
from jaxloss.core.loss import loss
from jaxloss.numerics.trees import PyTree


@loss(convex=False, supremum=inf)
def gram(features: FeatureMap, targets: FeatureMap) -> Array:
    """Style loss: mean squared difference of the Gram matrices of two feature maps.

        mean over i, j of (G_ij(F) - G_ij(T))²,   G_ij(F) = mean over positions of F_i F_j

    F = features, T = targets. For the loss of Johnson et al. this is the value; that of Gatys et
    al., Σ (ΔG)² / (4 N² M²) with sums G over M positions and N channels, is a quarter of it.

    Args:
        features: Of the image, shape `[..., height, width, channels]`.
        targets: Of the style, shape `[..., height, width, channels]`.

    Returns:
        One value per map, shape `[...]`, in the fourth power of the unit of the features.

    Use when an image should have the texture of another, but not its layout.
    Avoid when positions matter: `squared_error` of the features then compares content.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.gram([[[1.0, 2.0], [3.0, 0.0]]], [[[1.0, 0.0], [1.0, 0.0]]]))
        5.5

    Limits:
        The positions may be permuted, in each map by itself. With one channel, `squared_error` of
        the two mean squares.

    References:
        Gatys, Ecker & Bethge (2015), A neural algorithm of artistic style, arXiv:1508.06576.
        Johnson, Alahi & Fei-Fei (2016), Perceptual losses for real-time style transfer and
        super-resolution, arXiv:1603.08155.
    """
    *_, height, width, _ = features.shape
    # 2 (FᵢFⱼ - TᵢTⱼ) = (F - T)ᵢ (F + T)ⱼ + (F - T)ⱼ (F + T)ᵢ: the difference of two Gram matrices
    # that are nearly equal would lose its digits.
    difference, both = features - targets, features + targets
    highest = jax.lax.Precision.HIGHEST
    product = jnp.einsum("...hwi,...hwj->...ij", difference, both, precision=highest)
    gap = (product + jnp.swapaxes(product, -1, -2)) / (2 * height * width)
    return jnp.mean(gap**2, axis=(-2, -1))


def perceptual(
    features: Callable[[Array], PyTree], objective: Callable[[PyTree, PyTree], Array]
) -> Callable[[Array, Array], Array]:
    """Make a perceptual loss of images from a network and an objective on its features.

        objective(features(image), features(target)),   for each image by itself

    The content loss is `jl.Objective(jl.squared_error).at(layer)`: half of it, and summed, in
    Gatys et al. The style loss is `jl.Objective(jl.gram).at(layer)`.

    Args:
        features: From images `[batch, height, width, channels]` to a map, or to maps by the name
            of their layer, each with the leading axis `batch`; such as a pretrained network.
        objective: Of the maps of one image and those of its target: a sum of terms, each `.at` a
            layer.

    Returns:
        A function of images and targets, each `[batch, height, width, channels]`, that gives one
        value per image, shape `[batch]`. As `jl.Objective(...)` of it, it is added to others;
        masked images are grey to the network. The weights of the network, if they are
        not trained, are not differentiated in; what else is constant goes into
        `jax.lax.stop_gradient`.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> def features(images):
        ...     return {"colour": images, "edges": jnp.diff(images, axis=2)}
        >>> content, style = jl.Objective(jl.squared_error), jl.Objective(jl.gram)
        >>> alike = jl.perceptual(features, content.at("colour") + 4 * style.at("edges"))
        >>> ramps = jnp.array([[[[0.0], [1.0]]], [[[0.0], [2.0]]]])
        >>> alike(ramps, jnp.zeros((2, 1, 2, 1))).tolist()
        [4.5, 66.0]
        >>> objective = jl.Objective(jl.absolute_error) + 0.5 * jl.Objective(alike)
        >>> float(objective(ramps, jnp.zeros((2, 1, 2, 1))))
        18.375

    References:
        Johnson, Alahi & Fei-Fei (2016), Perceptual losses for real-time style transfer and
        super-resolution, arXiv:1603.08155.
        Gatys, Ecker & Bethge (2015), A neural algorithm of artistic style, arXiv:1508.06576.
    """

    def perceptual(images: Array, targets: Array) -> Array:
        return jax.vmap(objective)(features(images), features(targets))

    return perceptual
