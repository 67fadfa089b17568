"""`optax.losses` of errors, angles and distances."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.compat.optax.axes import Axis, events, keep, with_entry
from jaxloss.losses.embedding import cosine, triplet
from jaxloss.losses.regression import huber, powers
from jaxloss.numerics import as_array, square_sum


def squared_error(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """`jaxloss.squared_error`, of the predictions themselves without targets."""
    return powers.squared_error(*_pair(predictions, targets))


def l2_loss(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """`jaxloss.half_squared_error`, of the predictions themselves without targets."""
    return powers.half_squared_error(*_pair(predictions, targets))


def huber_loss(
    predictions: ArrayLike, targets: ArrayLike | None = None, *, delta: ArrayLike = 1.0
) -> Array:
    """`jaxloss.huber`, of the predictions themselves without targets."""
    return huber.huber(*_pair(predictions, targets), delta=delta)


def log_cosh(predictions: ArrayLike, targets: ArrayLike | None = None) -> Array:
    """`jaxloss.log_cosh`, of the predictions themselves without targets; small errors count."""
    return huber.log_cosh(*_pair(predictions, targets))


def cosine_similarity(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    epsilon: ArrayLike = 0.0,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`jaxloss.cosine_similarity`: 0, not NaN, for a zero vector; no square overflows."""
    u, v = _counted(predictions, targets, axis, where)
    return cosine.cosine_similarity(*_lengthened(u, v, epsilon))


def cosine_distance(
    predictions: ArrayLike,
    targets: ArrayLike,
    *,
    epsilon: ArrayLike = 0.0,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`jaxloss.cosine_distance`: 1, not NaN, for a zero vector; small angles count."""
    u, v = _counted(predictions, targets, axis, where)
    return cosine.cosine_distance(*_lengthened(u, v, epsilon))


def triplet_margin_loss(
    anchors: ArrayLike,
    positives: ArrayLike,
    negatives: ArrayLike,
    axis: int = -1,
    norm_degree: ArrayLike = 2,
    margin: ArrayLike = 1.0,
    eps: ArrayLike = 1e-6,
) -> Array:
    """`jaxloss.triplet`: a norm for odd degrees too; `eps` adds to the sum of powers, and may be 0.

    It is what one more coordinate adds in which positives and negatives differ from the anchor.
    """
    x, y, z = events(axis, anchors, positives, negatives)
    # |x - y|^p + eps is the power of a distance with one coordinate more, in which they are apart.
    apart = jnp.asarray(eps) ** (1 / jnp.asarray(norm_degree))
    points = with_entry(x, 0), with_entry(y, apart), with_entry(z, apart)
    return triplet.triplet(*points, margin=margin, p=norm_degree)


def _pair(predictions: ArrayLike, targets: ArrayLike | None) -> tuple[Array, Array]:
    first = as_array(predictions)
    return first, jnp.zeros_like(first) if targets is None else as_array(targets)


def _counted(
    predictions: ArrayLike, targets: ArrayLike, axis: Axis, where: ArrayLike | None
) -> list[Array]:
    """The vectors, filled with 0 where an entry is masked."""
    return events(axis, keep(where, predictions, 0), keep(where, targets, 0))


def _lengthened(u: Array, v: Array, least: ArrayLike) -> tuple[Array, Array]:
    """Append two entries to the vectors such that their squares sum to at least `least`.

    Each appended entry of one vector meets a 0 of the other, so the inner product does not change.
    This is optax's `epsilon`, a lower bound of squared norms.
    """
    own_u, own_v = with_entry(u, _lack(u, least)), with_entry(v, 0)
    return with_entry(own_u, 0), with_entry(own_v, _lack(v, least))


def _lack(vectors: Array, least: ArrayLike) -> Array:
    # The inner `where` keeps the derivative of the root finite at 0.
    lacks = least - square_sum(vectors)
    return jnp.where(lacks > 0, jnp.sqrt(jnp.where(lacks > 0, lacks, 1)), 0)
