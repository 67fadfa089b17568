"""Losses of an anchor, an example like it, and one unlike it, which should be farther away.

Each is a margin-based loss, the hinge where none is named, of the lead of the negative's
distance from the anchor over the positive's. `triplet_of` takes any distance and any margin.
"""

from math import inf
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxloss.core.derive import derive, hyperparameters_of
from jaxloss.core.domains import ArrayDomain, AtLeastOne, Point, Positive
from jaxloss.core.loss import Distance, Loss, Margin, loss, refuse_unless_margin
from jaxloss.core.signature import Signature
from jaxloss.losses.margin.hinge import hinge
from jaxloss.numerics.norms import p_norm_difference


@loss(convex=False, smooth=inf, supremum=inf)
def triplet(
    anchors: Point,
    positives: Point,
    negatives: Point,
    *,
    margin: Positive = 1.0,
    p: AtLeastOne = 2.0,
) -> Array:
    """Triplet loss: hinge of the negative's distance from the anchor less the positive's.

        max(0, margin + |x - y|_p - |x - z|_p),   x = anchor, y = positive, z = negative

    Args:
        anchors: Points over the last axis, shape `[..., n]`.
        positives: Points of examples like the anchors, shape `[..., n]`.
        negatives: Points of examples unlike the anchors, shape `[..., n]`.
        margin: By how much the negative should be farther, > 0, in the unit of the points.
        p: The power of the norm, a number >= 1 or ∞; 2 is the Euclidean distance.

    Returns:
        One value per triplet, shape `[...]`, in the unit of the points. Coincident points have
        distance 0, with gradient 0.

    Use when only the order of distances is known, and triplets that are not easy can be found.
    Avoid when most triplets are easy: their loss and gradient are 0.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.triplet([0.0, 0.0], [3.0, 4.0], [0.0, 5.5], margin=1.0))
        0.5

    Limits:
        triplet = `triplet_of(minkowski_distance)` = `hinge` of the lead of the negative's
        `minkowski_distance` over the positive's; `margin` where all points coincide.

    References:
        Balntas, Riba, Ponsa & Mikolajczyk (2016), Learning local feature descriptors with
        triplets and shallow convolutional neural networks, doi:10.5244/C.30.119.
    """
    # As one function: the difference of two nearly equal norms would have lost its digits.
    return hinge.psi(p_norm_difference(anchors, positives, negatives, p), margin=margin)


@loss(convex=False, smooth=inf, supremum=inf)
def triplet_with_swap(
    anchors: Point,
    positives: Point,
    negatives: Point,
    *,
    margin: Positive = 1.0,
    p: AtLeastOne = 2.0,
) -> Array:
    """Triplet loss with anchor swap: the positive is the anchor where the negative is nearer to it.

        max(0, margin + |x - y|_p - min(|x - z|_p, |y - z|_p)),
        x = anchor, y = positive, z = negative

    Args:
        anchors: Points over the last axis, shape `[..., n]`.
        positives: Points of examples like the anchors, shape `[..., n]`.
        negatives: Points of examples unlike both, shape `[..., n]`.
        margin: By how much the negative should be farther, > 0, in the unit of the points.
        p: The power of the norm, a number >= 1 or ∞; 2 is the Euclidean distance.

    Returns:
        One value per triplet, shape `[...]`, in the unit of the points. Coincident points have
        distance 0, with gradient 0.

    Use when anchor and positive are of one kind: the harder of two triplets costs no new example.
    Avoid when they are not, as a text and its image: the roles then mean something.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.triplet_with_swap([0.0, 0.0], [3.0, 4.0], [3.0, 6.0], margin=1.0))
        4.0

    Limits:
        The larger of `triplet` and of `triplet` with anchors and positives exchanged.

    References:
        Balntas, Riba, Ponsa & Mikolajczyk (2016), Learning local feature descriptors with
        triplets and shallow convolutional neural networks, doi:10.5244/C.30.119.
    """
    lead = p_norm_difference(anchors, positives, negatives, p)
    swapped = p_norm_difference(positives, anchors, negatives, p)
    return hinge.psi(jnp.minimum(lead, swapped), margin=margin)


def triplet_of(distance: Loss[...], psi: Margin[...] = hinge) -> Loss[...]:
    """Make a loss of triplets from a distance and a margin-based loss.

        psi(d(x, z) - d(x, y)),   x = anchor, y = positive, z = negative

    Args:
        distance: A loss of two vectors, such as `cosine_distance`, or a distance-based loss, which
            is summed over the last axis: `squared_error` gives squared Euclidean distances.
        psi: A margin-based loss, such as `hinge`, or `logistic` for the soft margin.

    Returns:
        A loss of `anchors`, `positives` and `negatives`, each of shape `[..., n]`, with the
        hyper-parameters of `distance` and `psi`; the same object each time.

    Raises:
        TypeError: `distance` is neither distance-based nor a loss of two vectors alike, or `psi` is
            not margin-based.
        ValueError: `distance` and `psi` have a hyper-parameter of the same name.

    Use when the distance is not a norm, or triplets beyond the margin should go on counting.
    Avoid when nothing bounds the vectors: with `unhinged` and without a bound they fly apart.

    Example:
        >>> import jaxloss as jl
        >>> facenet = jl.triplet_of(jl.squared_error)
        >>> float(facenet([0.0, 0.0], [1.0, 0.0], [0.0, 1.5], margin=2.0))
        0.75

    Limits:
        triplet_of(minkowski_distance) is `triplet`. triplet_of(squared_error, psi) is convex in
        the anchors if psi is convex: the lead is linear in them.

    References:
        Schroff, Kalenichenko & Philbin (2015), FaceNet: a unified embedding for face recognition
        and clustering, arXiv:1503.03832.
        Hermans, Beyer & Leibe (2017), In defense of the triplet loss for person
        re-identification, arXiv:1703.07737.
    """
    refuse_unless_margin("triplet_of", "psi", psi)
    arrays = dict.fromkeys(triplet.signature.arrays, _space(distance))
    of_both = hyperparameters_of("triplet_of", distance.signature, psi.signature)

    def distance_of(first: Array, second: Array, keywords: dict[str, Any]) -> Array:
        hyper = {n: x for n, x in keywords.items() if n in distance.signature.hyperparameters}
        if isinstance(distance, Distance):
            return jnp.sum(distance.rho(first - second, **hyper), axis=-1)
        return distance.function(first, second, **hyper)

    def function(anchors: Array, positives: Array, negatives: Array, **keywords: Any) -> Array:
        hyper = {n: x for n, x in keywords.items() if n in psi.signature.hyperparameters}
        lead = distance_of(anchors, negatives, keywords) - distance_of(anchors, positives, keywords)
        return psi.psi(lead, **hyper)

    doc = f"""`{psi.__name__}` of the lead of the negative's distance.

        psi(d(x, z) - d(x, y)),   psi = {psi.__name__},   d = {distance.__name__},
        x = anchor, y = positive, z = negative

    Args:
        anchors: Vectors over the last axis, shape `[..., n]`.
        positives: Vectors of examples like the anchors, shape `[..., n]`.
        negatives: Vectors of examples unlike the anchors, shape `[..., n]`.
        **hyperparameters: Those of `{distance.__name__}` and `{psi.__name__}`.

    Returns:
        One value per triplet, shape `[...]`.
    """
    signature = Signature("triplet_of", arrays, of_both)
    return derive(triplet_of, distance, psi, function=function, doc=doc, signature=signature)


def _space(distance: Loss[...]) -> ArrayDomain:
    """The domain of the two vectors that the distance is between."""
    if isinstance(distance, Distance):
        return triplet.signature.arrays["anchors"]
    first, *others = distance.signature.arrays.values() if isinstance(distance, Loss) else (None,)
    if first is None or not first.axes or others != [first]:
        message = "is distance-based or a loss of two vectors, as cosine_distance"
        raise TypeError(f"triplet_of: `distance` {message}, got {distance!r}")
    return first
