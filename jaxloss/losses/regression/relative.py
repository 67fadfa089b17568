"""Losses of the error relative to the target, so that large targets do not dominate small."""

from math import inf

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import NonNegativeReal, NonZeroReal, Real
from jaxloss.core.loss import loss
from jaxloss.numerics import quotient, reciprocal, tiny
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.special import square_of_log1p_ratio


# JAX's rule of division has y² in it, which may overflow or underflow; and the two terms of the
# derivative in y cancel for small x, where their sum is this product.
@with_partials(
    lambda _, x, y: quotient(jnp.sign(x - y), jnp.abs(y)),
    lambda _, x, y: quotient(jnp.sign(y - x), jnp.abs(y)) * quotient(x, y),
)
def _share(x: Array, y: Array) -> Array:
    return jnp.abs(x - y) / jnp.abs(y)


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=inf,
    smooth=inf,
    supremum=inf,
    elicits="inversely weighted median",
)
def absolute_percentage_error(predictions: Real, targets: NonZeroReal) -> Array:
    """Absolute percentage error: the absolute error as a fraction of the size of the target.

        |t - y| / |y|,   t = prediction, y = target

    Its best prediction is the median after weighting each target with 1 / |target|: too low. A
    fraction, not times 100. A target of 0 has no such error: NaN, in value and gradient (Keras
    divides by a small number instead, and multiplies by 100).

    Args:
        predictions: Real numbers, shape `[...]`, in the unit of the targets.
        targets: Numbers other than 0, shape `[...]`.

    Returns:
        One value per element, shape `[...]`, without unit; the gradient is 0 at an exact fit.

    Use when a report asks for it and the targets stay clear of 0.
    Avoid when fitting is meant to be unbiased: `squared_log_error`, or logarithms of both, are.

    Example:
        >>> import jaxloss as jl
        >>> jl.absolute_percentage_error([3.0, -1.0], [2.0, -4.0]).tolist()
        [0.5, 0.75]

    Limits:
        absolute_percentage_error = `absolute_error` / |target|, unchanged if both are multiplied.

    References:
        Gneiting (2011), Making and evaluating point forecasts, doi:10.1198/jasa.2011.r10138.
    """
    return _share(predictions, targets)


def _share_by_first(_: Array, x: Array, y: Array) -> Array:
    """The partial in x: 0 where the signs differ, or both are 0."""
    # With the mean size m it is sign(x - y) (m - sign(x) (x - y) / 2) / m², in which |x| cancels
    # exactly: |y| + sign(x) y over 2 m² is left. Where both are 0, a size of 1 keeps NaN away.
    size = jnp.where((x == 0) & (y == 0), 1, _mean_size(x, y))
    return jnp.sign(x - y) * (quotient(jnp.abs(y) + jnp.sign(x) * y, size) / 2 * reciprocal(size))


@with_partials(_share_by_first, lambda _, x, y: _share_by_first(_, y, x))
def _symmetric_share(x: Array, y: Array) -> Array:
    return jnp.abs(x - y) / _mean_size(x, y)


def _mean_size(x: Array, y: Array) -> Array:
    # Halved before they are added, as the sum may overflow; above 0, so that 0 / 0 becomes 0.
    return jnp.maximum(jnp.abs(x) / 2 + jnp.abs(y) / 2, tiny(x))


@loss(convex=False, lipschitz=inf, smooth=inf, supremum=2.0)
def symmetric_absolute_percentage_error(predictions: Real, targets: Real) -> Array:
    """Symmetric absolute percentage error: relative to the mean size of prediction and target.

        2 |t - y| / (|t| + |y|),   t = prediction, y = target;   0 where both are 0

    A fraction in [0, 2], not times 100 or 1/2 as elsewhere.

    Args:
        predictions: Real numbers, shape `[...]`, in the unit of the targets.
        targets: Real numbers, shape `[...]`; prediction and target may be exchanged.

    Returns:
        One value per element, shape `[...]`, without unit, in [0, 2].

    Use when a report asks for it, or a bounded relative error of series that touch 0.
    Avoid when training: every prediction of the wrong sign costs the same 2.

    Example:
        >>> import jaxloss as jl
        >>> jl.symmetric_absolute_percentage_error([3.0, 0.0, 1.0], [1.0, 0.0, -1.0]).tolist()
        [1.0, 0.0, 2.0]

    Limits:
        Near a fit it is `absolute_percentage_error`; unchanged if both arguments are multiplied.

    References:
        Makridakis (1993), Accuracy measures: theoretical and practical concerns,
        doi:10.1016/0169-2070(93)90079-3.
    """
    return _symmetric_share(predictions, targets)


@loss(
    convex=False,
    lipschitz=inf,
    smooth=inf,
    supremum=inf,
    elicits="shifted geometric mean",
)
def squared_log_error(predictions: NonNegativeReal, targets: NonNegativeReal) -> Array:
    """Squared log error, of log(1 + x): relative for large numbers, absolute for small.

        (log(1 + t) - log(1 + y))²,   t = prediction, y = target

    Its best prediction is exp(E log(1 + target)) - 1.

    Args:
        predictions: Numbers >= 0, shape `[...]`, in units in which 1 is small; what is below 0
            gives NaN, so let a model predict through softplus or exp.
        targets: Numbers >= 0, shape `[...]`, in the same unit.

    Returns:
        One value per element, shape `[...]`, without unit.

    Use when targets are counts or amounts over several orders of magnitude, 0 included.
    Avoid when totals matter: the geometric mean lies below the mean.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.squared_log_error(2.0, 0.0)), 4)
        1.2069

    Limits:
        squared_log_error = `squared_error` of log(1 + t) and log(1 + y).

    References:
        Tofallis (2015), A better measure of relative prediction accuracy for model selection and
        model estimation, doi:10.1057/jors.2014.103.
    """
    return square_of_log1p_ratio(predictions, targets)
