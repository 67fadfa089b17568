"""Losses of two sets of embeddings that match one to one, by the moments of their features.

They need no negatives: that features vary, and each in its own way, keeps all elements from being
embedded at one point. Elements that do not count are in none of the moments.
"""

from math import inf

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import Embeddings, NonNegative
from jaxloss.core.loss import loss
from jaxloss.kernels.moments import Batch, centred, products, square_sums
from jaxloss.numerics import is_diagonal, reciprocal


def barlow_twins_of(batch: Batch, first: Array, second: Array, *, redundancy: ArrayLike) -> Array:
    """The value for elements that may be on several devices."""
    matrix = _correlations(batch, first, second)
    shares = jnp.where(is_diagonal(matrix), (1 - matrix) ** 2, redundancy * matrix**2)
    return jnp.where(batch.size() == 0, 0, jnp.sum(shares, axis=(-2, -1)))


def _correlations(batch: Batch, first: Array, second: Array) -> Array:
    """Of each feature of the first with each of the second; 0 where one is constant."""
    x, y = centred(batch, first).values, centred(batch, second).values
    both, *squares = batch.summed((products(x, y), square_sums(x), square_sums(y)))
    rows, columns = (jnp.where(square == 0, 0, reciprocal(_root(square))) for square in squares)
    return both * rows[..., :, None] * columns[..., None, :]


@loss(convex=False, lipschitz=inf, smooth=inf)
def barlow_twins(
    first: Embeddings, second: Embeddings, *, redundancy: NonNegative = 5e-3, where: Array
) -> Array:
    """Barlow Twins: weighted squared distance of two views' feature correlations from the identity.

        Σᵢ (1 - cᵢᵢ)² + redundancy Σᵢ Σⱼ cᵢⱼ²,   j ≠ i,
        cᵢⱼ = correlation of feature i of the first and j of the second, over the elements

    A feature is normalised over the elements of its own set: less its mean, over its standard
    deviation. Units and offsets of features do not matter.

    Args:
        first: One vector for each element, shape `[..., elements, features]`.
        second: The same elements seen otherwise, in this order, `[..., elements, features]`.
        redundancy: What a squared correlation of different features weighs, >= 0.
        where: Which elements count, boolean, shape `[..., elements]` or a prefix; all by default.

    Returns:
        One value per set, shape `[...]`, without unit; 0 for an empty set. A feature that is
        constant over the elements, as all are in a set of one, has correlation 0 and gradient 0.

    Use when two views of each example should be embedded alike, without negatives, by features
        that do not repeat each other; many features are of use, and batches need not be large.
    Avoid when sets hold few elements: correlations over n elements are off by about 1 / √n.

    Example:
        >>> import jaxloss as jl
        >>> first = [[1.0, 2.0], [3.0, 2.0], [1.0, 4.0], [3.0, 4.0]]
        >>> second = [[1.0, 1.0], [3.0, 1.0], [1.0, 1.0], [3.0, 1.0]]
        >>> round(float(jl.barlow_twins(first, second)), 4)
        1.0

    Limits:
        0 where both sets are equal and their features uncorrelated; the number of features, with
        gradient 0, where either set is at one point.

    References:
        Zbontar, Jing, Misra, LeCun & Deny (2021), Barlow Twins: self-supervised learning via
        redundancy reduction, arXiv:2103.03230.
    """
    return barlow_twins_of(Batch(where), first, second, redundancy=redundancy)


def vicreg_of(
    batch: Batch, first: Array, second: Array, *, deviation: ArrayLike, **weights: ArrayLike
) -> Array:
    """The value for elements that may be on several devices."""
    terms = (_variance_and_covariance_terms(batch, x, deviation) for x in (first, second))
    variances, covariances = zip(*terms, strict=True)
    error = weights["invariance"] * _mean_squared_error(batch, first, second)
    value = error + weights["variance"] * sum(variances) + weights["covariance"] * sum(covariances)
    return jnp.where(batch.size() == 0, 0, value)


def _variance_and_covariance_terms(
    batch: Batch, x: Array, deviation: ArrayLike
) -> tuple[Array, Array]:
    """V and c of one set: hinges of the deviations, and squares of the covariances."""
    # In units of the range of each feature, so that no square overflows or vanishes.
    values, units = centred(batch, x)
    squares, both = batch.summed((square_sums(values), products(values, values)))
    freedom = jnp.maximum(batch.size() - 1, 1)[..., None].astype(x.dtype)
    deviations = jnp.where(squares == 0, 0, _root(squares)) / jnp.sqrt(freedom) * units
    others = jnp.where(is_diagonal(both), 0, both) / freedom[..., None]
    covariances = others * units[..., :, None] * units[..., None, :]
    hinges = jnp.mean(jnp.maximum(deviation - deviations, 0), axis=-1)
    return hinges, jnp.sum(covariances**2, axis=(-2, -1)) / x.shape[-1]


def _mean_squared_error(batch: Batch, first: Array, second: Array) -> Array:
    """Over the elements that count and over features."""
    gaps = jnp.where(batch.counted[..., None], first - second, 0)
    total = batch.summed(jnp.sum(gaps * gaps, axis=(-2, -1)))
    return total / jnp.maximum(batch.size(), 1).astype(total.dtype) / first.shape[-1]


@loss(convex=False, lipschitz=inf, smooth=inf, supremum=inf)
def vicreg(
    first: Embeddings,
    second: Embeddings,
    *,
    invariance: NonNegative = 25.0,
    variance: NonNegative = 25.0,
    covariance: NonNegative = 1.0,
    deviation: NonNegative = 1.0,
    where: Array,
) -> Array:
    """VICReg: invariance, variance and covariance terms of two views' embeddings.

        invariance mean (fₖᵢ - sₖᵢ)² + variance (v(f) + v(s)) + covariance (c(f) + c(s)),
        v = meanᵢ max(0, deviation - √Cᵢᵢ),   c = Σᵢ Σⱼ Cᵢⱼ² / features,   j ≠ i,
        f, s = first, second; C = covariance matrix of the features, over elements k

    C is unbiased, over elements - 1, and of each set by itself; nothing is normalised. The error
    is the mean over elements and features, which the weights 25, 25 and 1 belong to; the text of
    the paper sums it over features. Code of the authors halves the variance term.

    Args:
        first: One vector for each element, shape `[..., elements, features]`.
        second: The same elements seen otherwise, in this order, `[..., elements, features]`.
        invariance: The weight of the squared error, >= 0.
        variance: The weight of what deviations are short of `deviation`, >= 0.
        covariance: The weight of squared covariances, >= 0.
        deviation: The standard deviation that suffices, >= 0, in the unit of the embeddings.
        where: Which elements count, boolean, shape `[..., elements]` or a prefix; all by default.

    Returns:
        One value per set, shape `[...]`; 0 for an empty set. A feature that is constant over the
        elements, as all are in a set of one, has deviation 0, and there v has gradient 0.

    Use when two views of each example should be embedded alike, without negatives, also by
        networks of different kinds: no moment joins one set to the other.
    Avoid when embeddings have a given length, as a deviation of 1 is then out of reach:
        `barlow_twins` has no unit.

    Example:
        >>> import jaxloss as jl
        >>> first, second = [[0.0, 0.0], [2.0, 2.0]], [[0.0, 1.0], [2.0, 1.0]]
        >>> float(jl.vicreg(first, second))
        29.0

    Limits:
        With invariance alone, the mean of `squared_error`. With variance alone, twice the mean of
        `deviation` over all features, with gradient 0, where each set is at one point.

    References:
        Bardes, Ponce & LeCun (2022), VICReg: variance-invariance-covariance regularization for
        self-supervised learning, arXiv:2105.04906.
    """
    return vicreg_of(
        Batch(where),
        first,
        second,
        invariance=invariance,
        variance=variance,
        covariance=covariance,
        deviation=deviation,
    )


def _root(square: Array) -> Array:
    """The square root, and 1 instead of 0, where its derivative is infinite."""
    return jnp.sqrt(jnp.where(square == 0, 1, square))
