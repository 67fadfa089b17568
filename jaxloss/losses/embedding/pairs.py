"""Losses of two vectors, or of their distance, for pairs that are labelled alike or unlike.

Pairs labelled +1 are drawn together; those labelled -1 are driven apart until a margin is reached.
"""

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import AtLeastOne, NonNegativeReal, Number, Point, Positive, Sign, Vector
from jaxloss.core.loss import loss
from jaxloss.losses.embedding.cosine import cosine_distance, cosine_similarity
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.norms import p_norm


@loss(convex=True, smooth=inf, supremum=inf)
def minkowski_distance(predictions: Point, targets: Point, *, p: AtLeastOne = 2.0) -> Array:
    """Minkowski distance of two points, in the p-norm: the Euclidean one for p = 2.

        (Σ_i |t_i - y_i|^p)^(1/p),   t = prediction, y = target

    Args:
        predictions: Points over the last axis, shape `[..., n]`.
        targets: Points, shape `[..., n]`, in the same unit.
        p: The power, a number >= 1; 1 sums the differences, ∞ takes the largest.

    Returns:
        One value per point, shape `[...]`, in that unit; 0, with gradient 0, for equal points. No
        power overflows, and none vanishes.

    Use when a distance itself should be small, or is what `hinge_embedding` and `triplet_of` take.
    Avoid when the mean of the targets is wanted: `squared_error`, summed, elicits it.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.minkowski_distance([3.0, 1.0], [0.0, 5.0]))
        5.0

    Limits:
        p = 1 is the sum of `absolute_error`, p = 2 the root of the sum of `squared_error`, p = ∞
        the largest `absolute_error`.

    References:
        Hardy, Littlewood & Pólya (1934), Inequalities, ch. 2, ISBN 978-0-521-35880-4.
    """
    return p_norm(predictions - targets, p)


# At distance 0 the derivative is 1, that from the right, as there is no left: JAX's derivative of
# the maximum is 1/2 there. The sign is a label, and has the derivative 0.
@with_partials(
    lambda _, distance, sign, margin: jnp.where(sign > 0, 1, -_within(distance, margin)),
    lambda loss, *_: jnp.zeros_like(loss),
    lambda _, distance, sign, margin: jnp.where(sign > 0, 0, _within(distance, margin)),
)
def _hinge_embedding(distance: Array, sign: Array, margin: ArrayLike) -> Array:
    # sign d + (1 - sign) margin / 2 is d, or margin - d: one formula, and no branch.
    return jnp.maximum(sign * distance + (1 - sign) * (margin / 2), 0)


def _within(distance: Array, margin: ArrayLike) -> Array:
    """1 where the distance is below the margin, else 0."""
    return (distance < margin).astype(distance.dtype)


@loss(convex=True, strictly_convex=False, lipschitz=1.0, smooth=inf, supremum=inf)
def hinge_embedding(distances: NonNegativeReal, labels: Sign, *, margin: Positive = 1.0) -> Array:
    """Hinge embedding loss: a like pair's distance d, or max(0, margin - d) of an unlike pair.

        d                    where s = +1,   d = distance, s = sign of the label
        max(0, margin - d)   where s = -1

    Args:
        distances: Any distance >= 0 of two examples, shape `[...]`.
        labels: Whether they are alike: bool, {0, 1} or {-1, +1}, shape `[...]`.
        margin: The distance beyond which unlike pairs cost nothing, > 0, in the unit of distances.

    Returns:
        One value per pair, shape `[...]`, in the unit of the distances.

    Use when pairs are labelled and the distance is your own, such as `minkowski_distance`.
    Avoid when only the order of distances is known: `triplet` needs no absolute margin.

    Example:
        >>> import jaxloss as jl
        >>> jl.hinge_embedding([0.25, 0.25, 2.0], [True, False, False]).tolist()
        [0.25, 0.75, 0.0]

    Limits:
        For s = -1 it is `hinge` of a right score of this size; hinge_embedding(d, margin) =
        margin hinge_embedding(d / margin).

    References:
        Mobahi, Collobert & Weston (2009), Deep learning from temporal coherence in video,
        doi:10.1145/1553374.1553469; squared in Hadsell, Chopra & LeCun (2006), Dimensionality
        reduction by learning an invariant mapping, doi:10.1109/CVPR.2006.100.
    """
    return _hinge_embedding(distances, labels, margin)


@loss(
    convex=False,
    lipschitz=inf,
    smooth=inf,
    supremum=lambda margin: max(2.0, 1.0 - margin),
)
def cosine_embedding(first: Vector, second: Vector, labels: Sign, *, margin: Number = 0.0) -> Array:
    """Cosine embedding loss: 1 - cos of a like pair, or max(0, cos - margin) of an unlike one.

        1 - cos(f, g)                where s = +1,   f = first, g = second, s = sign of the label
        max(0, cos(f, g) - margin)   where s = -1

    Args:
        first: Vectors over the last axis, shape `[..., n]`, of any length.
        second: Vectors, shape `[..., n]`, of any length.
        labels: Whether they are alike: bool, {0, 1} or {-1, +1}, shape `[...]`.
        margin: The cosine below which unlike pairs cost nothing; it has an effect in [-1, 1].

    Returns:
        One value per pair, shape `[...]`, without unit. A zero vector has cosine 0, gradient 0.

    Use when pairs are labelled and only the direction of an embedding carries meaning.
    Avoid when lengths matter, or vectors may shrink to 0: the gradient grows as 1 / length.

    Example:
        >>> import jaxloss as jl
        >>> first, second = [[2.0, 0.0], [2.0, 0.0]], [[0.0, 1.0], [4.0, 0.0]]
        >>> jl.cosine_embedding(first, second, [True, False], margin=0.25).tolist()
        [1.0, 0.75]

    Limits:
        `cosine_distance` where s = +1; where s = -1 and margin = -1, `cosine_similarity` + 1.

    References:
        Bromley, Guyon, LeCun, Säckinger & Shah (1993), Signature verification using a siamese
        time delay neural network, doi:10.1142/S0218001493000339.
    """
    excess = jnp.maximum(cosine_similarity.function(first, second) - margin, 0)
    return jnp.where(labels > 0, cosine_distance.function(first, second), excess)
