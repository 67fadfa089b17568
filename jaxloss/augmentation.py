"""Augmentation of arrays: label smoothing, mixup and CutMix."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.masking import as_mask
from jaxloss.kernels.sorting import spread_as, whole
from jaxloss.numerics import as_array, computing_dtype
from jaxloss.numerics.broadcasting import broadcast_prefix, expand_trailing


def smooth_labels(targets: ArrayLike, amount: ArrayLike) -> Array:
    """Smooth target probabilities by a uniform distribution over all classes.

        (1 - a) t_j + a / K,   t = targets,   a = amount,   K = number of classes

    Args:
        targets: Probabilities over the last axis, shape `[..., classes]`; of integer labels,
            `jax.nn.one_hot(labels, classes)`.
        amount: The share a of the uniform distribution, in [0, 1].

    Returns:
        Probabilities of the same shape, for any loss that takes them.

    Raises:
        TypeError: `targets` are integers.

    Use when a loss of soft targets has no `label_smoothing` of its own.
    Avoid when classes are masked: they too get a share. `softmax_cross_entropy` has
        `label_smoothing`, which leaves them out.

    Example:
        >>> import jax, jaxloss as jl
        >>> jl.smooth_labels(jax.nn.one_hot(2, 4), 0.5).tolist()
        [0.125, 0.125, 0.625, 0.125]

    Limits:
        `softmax_cross_entropy` of smooth labels is that with this `label_smoothing`, where no class
        is masked. Smoothing by a and then by b is smoothing by a + b - a b.

    References:
        Szegedy, Vanhoucke, Ioffe, Shlens & Wojna (2016), Rethinking the Inception architecture for
        computer vision, arXiv:1512.00567.
    """
    given = as_array(targets)
    if jnp.issubdtype(given.dtype, jnp.integer):
        message = "are probabilities; jax.nn.one_hot makes them of integer labels"
        raise TypeError(f"smooth_labels: `targets` {message}, got {given.dtype}")
    soft = given.astype(computing_dtype(given))
    part = jnp.asarray(amount, soft.dtype)
    return (1 - part) * soft + part / soft.shape[-1]


class Mixture(NamedTuple):
    """Inputs mixed in pairs.

    Attributes:
        inputs: The mixed inputs, in the original shape.
        partners: The index of each example's partner, shape `[batch]`: the partners' targets are
            `targets[partners]`.
        share: The share of the example itself, in [0, 1], shape `[batch]`.
    """

    inputs: Array
    partners: Array
    share: Array


def mixup(
    key: Array, inputs: ArrayLike, alpha: ArrayLike, *, where: ArrayLike | None = None
) -> Mixture:
    """Average inputs in random pairs: mixup.

        s x_i + (1 - s) x_j,   s ~ Beta(a, a),   j = a random permutation of i,   a = alpha

    Args:
        key: A random key.
        inputs: Examples along the first axis, shape `[batch, ...]`.
        alpha: The number a > 0: small values keep most pairs nearly pure, 1 makes all shares
            equally likely.
        where: Boolean mask of the examples that count, shape `[batch]`; others are neither mixed
            nor anyone's partner.

    Returns:
        The mixture, for `mixed(loss)` with the targets, those of the partners, and the shares.

    Raises:
        TypeError: `where` is not boolean.
        ValueError: `where` has another shape.

    Use when a network fits the training data but is erratic between the examples.
    Avoid when the mean of two inputs means nothing, as with tokens.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> inputs, labels = jnp.eye(4), jnp.array([0, 1, 2, 3])
        >>> mixture = jl.mixup(jax.random.key(0), inputs, alpha=0.2)
        >>> objective = jl.Objective(jl.mixed(jl.softmax_cross_entropy_with_integer_labels))
        >>> logits = mixture.inputs @ jnp.zeros((4, 4))
        >>> predictions = (logits, labels, labels[mixture.partners])
        >>> round(float(objective(predictions, mixture.share)), 4)
        1.3863

    Limits:
        alpha → 0 leaves each pair pure.

    References:
        Zhang, Cisse, Dauphin & Lopez-Paz (2018), mixup: beyond empirical risk minimization,
        arXiv:1710.09412.
    """
    given, (pairs, shares) = as_array(inputs), jax.random.split(key)
    partners = _partners("mixup", pairs, len(given), where)
    wide = computing_dtype(given)
    share = jax.random.beta(shares, alpha, alpha, (len(given),), wide)
    # Blended in float32 or wider, and rounded to 16 bits once.
    part, own = expand_trailing(share, given.ndim), given.astype(wide)
    blend = part * own + (1 - part) * _at(partners, own)
    return Mixture(blend.astype(_floating(given)), partners, share)


def cutmix(
    key: Array, images: ArrayLike, alpha: ArrayLike, *, where: ArrayLike | None = None
) -> Mixture:
    """Replace a random box of each image by that of another image: CutMix.

        x_j inside the box, x_i outside,   j = a random permutation of i;   the box is √(1 - l) of
        the height and of the width, l ~ Beta(a, a), centred anywhere, and cut off at the border

    Args:
        key: A random key.
        images: Images along the first axis, shape `[batch, height, width, ...]`.
        alpha: The number a > 0; 1 makes all areas equally likely.
        where: Boolean mask of the images that count, shape `[batch]`; others are neither mixed
            nor anyone's partner.

    Returns:
        The mixture, for `mixed(loss)` with the targets, those of the partners, and the shares,
        which are the exact shares of the pixels outside the boxes.

    Raises:
        TypeError: `where` is not boolean.
        ValueError: `where` has another shape.

    Use when a classifier of images looks at one part of the object only.
    Avoid when the decisive object is small: the box may cover it, or miss it.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> images = jnp.stack([jnp.zeros((8, 8, 3)), jnp.ones((8, 8, 3))])
        >>> mixture = jl.cutmix(jax.random.key(1), images, alpha=1.0)
        >>> mixture.inputs.shape, mixture.share.shape
        ((2, 8, 8, 3), (2,))

    Limits:
        An example that is its own partner stays as it is.

    References:
        Yun, Han, Oh, Chun, Choe & Yoo (2019), CutMix: regularization strategy to train strong
        classifiers with localizable features, arXiv:1905.04899.
    """
    given, (pairs, areas, centres) = as_array(images), jax.random.split(key, 3)
    count = len(given)
    partners = _partners("cutmix", pairs, count, where)
    kept = jax.random.beta(areas, alpha, alpha, (count, 1))
    centre = jax.random.uniform(centres, (2, count, 1))
    rows, columns = (
        # The box covers the pixels whose centres lie in it.
        jnp.abs((jnp.arange(size) + 0.5)[None] / size - middle) < jnp.sqrt(1 - kept) / 2
        for size, middle in zip(given.shape[1:3], centre, strict=True)
    )
    box = rows[:, :, None] & columns[:, None, :]
    # Counted, not 1 minus the drawn area: the border cuts boxes off, and pixels are whole.
    share = 1 - jnp.mean(box, axis=(1, 2), dtype=kept.dtype)
    hidden = spread_as(broadcast_prefix(box, given.shape), given)
    return Mixture(jnp.where(hidden, _at(partners, given), given), partners, share)


def _partners(owner: str, key: Array, count: int, where: ArrayLike | None) -> Array:
    """A random permutation of the examples that count; all others stay in place.

    Examples that count get random ranks, the others infinite ones in their order.
    """
    if where is None:
        return jax.random.permutation(key, count)
    counts = broadcast_prefix(whole(as_mask(owner, as_array(where), (count,))), (count,))
    drawn = jnp.where(counts, jax.random.uniform(key, (count,)), jnp.inf)
    # The k-th example that counts, in order, goes with the k-th in random order.
    counted_first = jnp.argsort(~counts)
    return jnp.zeros(count, counted_first.dtype).at[counted_first].set(jnp.argsort(drawn))


def _at(partners: Array, examples: Array) -> Array:
    """The partners' examples, sharded over devices as the examples are."""
    return spread_as(whole(examples)[partners], examples)


def _floating(inputs: Array) -> Any:
    floating = jnp.issubdtype(inputs.dtype, jnp.floating)
    return inputs.dtype if floating else computing_dtype(inputs)
