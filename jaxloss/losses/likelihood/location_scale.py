"""Negative log-likelihoods of symmetric distributions, on the line and on the circle.

Terms that no prediction changes are left out; each loss says which.
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import Angle, Concentration, Dispersion, Positive, Real
from jaxloss.core.loss import loss
from jaxloss.numerics import abs_zero_grad, quotient, reciprocal
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.robust_kernels import hypot, rational_saturation, sine
from jaxloss.numerics.special import (
    log1p_square,
    log1p_square_minus_saturation,
    log_i0e,
    log_rising,
)
from jaxloss.numerics.standardise import over_scale, positive_scale


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    elicits="median",
)
def laplace_nll(location: Real, scale: Dispersion, targets: Real) -> Array:
    """Negative log-likelihood of a Laplace distribution of predicted location and scale.

        log(scale) + |target - location| / scale

    Args:
        location: Predicted medians, shape `[...]`, in the unit of the targets.
        scale: Predicted mean absolute errors, >= 0, in that unit. Shape `[...]`, or shared: a
            scalar, or length 1 in any axis.
        targets: Shape `[...]`.

    Returns:
        One value per element, shape `[...]`, in nats, without the constant log(2). At scale 0 it
        is -inf where the location is exact and +inf elsewhere; nothing is clamped.

    Use when the error differs from example to example, should be predicted, and has outliers.
    Avoid when the scale can reach 0 (bound it below).

    Example:
        >>> import jaxloss as jl
        >>> jl.laplace_nll([1.0, 2.0], [1.0, 1.0], [1.0, 5.0]).tolist()
        [0.0, 3.0]

    Limits:
        `absolute_error` at scale 1; -log of the density is this + log(2); for a given error least
        at scale = |target - location|.

    References:
        Kendall & Gal (2017), What uncertainties do we need in Bayesian deep learning for computer
        vision?, arXiv:1703.04977.
    """
    # Both at once: at scale 0 only one of them is infinite, as their sum would else be inf - inf.
    ratio, log_scale = over_scale(abs_zero_grad(targets - location), scale)
    return log_scale + ratio


# Partials in error and scale, not in their ratio: where the scale is 0 the ratio is infinite, the
# derivative in it 0, and their product NaN. With length = √(error² + n scale²) and
# sine = error / length they are (n + 1) sine / length and -(n + 1) sine² / scale, without squares
# that may overflow.
@with_partials(
    lambda _, error, scale, freedom: (
        (freedom + 1) * _sine(error, scale, freedom) * reciprocal(_length(error, scale, freedom))
    ),
    lambda _, error, scale, freedom: (
        -(freedom + 1)
        * _sine(error, scale, freedom)
        * _sine(error, scale, freedom)
        * reciprocal(positive_scale(error, scale))
    ),
    lambda _, error, scale, freedom: (
        (
            log1p_square_minus_saturation(_standardised(error, scale, freedom))
            - quotient(rational_saturation(_standardised(error, scale, freedom)), freedom)
        )
        / 2
    ),
)
def _tail(error: Array, scale: Array, freedom: Array) -> Array:
    return (freedom + 1) / 2 * log1p_square(_standardised(error, scale, freedom))


def _standardised(error: Array, scale: Array, freedom: Array) -> Array:
    return quotient(over_scale(error, scale)[0], jnp.sqrt(freedom))


def _sine(error: Array, scale: Array, freedom: Array) -> Array:
    return sine(error, jnp.sqrt(freedom) * positive_scale(error, scale))


def _length(error: Array, scale: Array, freedom: Array) -> Array:
    return hypot(error, jnp.sqrt(freedom) * positive_scale(error, scale))


@loss(
    convex=False,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
)
def student_t_nll(
    location: Real, scale: Dispersion, targets: Real, *, degrees_of_freedom: Positive = 4.0
) -> Array:
    """Negative log-likelihood of Student's t distribution of predicted location and scale.

        log(scale) + (n + 1) / 2 log(1 + r² / n) + log(Γ(n / 2) / Γ((n + 1) / 2) sqrt(n / 2))

        with r = (target - location) / scale, n = degrees_of_freedom

    Args:
        location: Predicted centres, shape `[...]`, in the unit of the targets.
        scale: Predicted scales, >= 0, in that unit. Shape `[...]`, or shared: a scalar, or length
            1 in any axis.
        targets: Shape `[...]`.
        degrees_of_freedom: The weight of the tails, > 0: 1 is Cauchy's, many are Gaussian.

    Returns:
        One value per element, shape `[...]`, in nats, without the constant log(2π) / 2. At scale 0
        it is -inf where the location is exact and +inf elsewhere; nothing is clamped.

    Use when the error should be predicted too and outliers are far: they cost only their logarithm.
    Avoid when the start is far from the data: the gradient fades with the distance.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.student_t_nll([0.0, 0.0], 1.0, [0.0, 2.0])]
        [0.0619, 1.7948]

    Limits:
        `gaussian_nll` of variance scale² for many degrees of freedom; -log of the density is this
        + log(2π) / 2; at one degree of freedom `cauchy` up to a constant.

    References:
        Lange, Little & Taylor (1989), Robust statistical modeling using the t distribution,
        doi:10.1080/01621459.1989.10478852.
    """
    error = targets - location
    scale = jnp.broadcast_to(scale, error.shape)
    freedom, half = (jnp.asarray(x, error.dtype) for x in (degrees_of_freedom, 0.5))
    return (
        over_scale(error, scale)[1]
        + _tail(error, scale, freedom)
        - log_rising(half, quotient(2, freedom))
    )


@loss(convex=False, elicits="mean direction")
def von_mises_nll(location: Angle, concentration: Concentration, targets: Angle) -> Array:
    """Negative log-likelihood of an angle under a von Mises distribution of predicted location.

        log I0(c) - c cos(target - location),   c = concentration, I0 the Bessel function

    Args:
        location: Predicted mean directions, shape `[...]`, in radians.
        concentration: Predicted concentrations, >= 0, without unit; large ones are one over the
            variance. Shape `[...]`, or shared: a scalar, or length 1 in any axis.
        targets: Angles, shape `[...]`, in radians.

    Returns:
        One value per element, shape `[...]`, in nats, without the constant log(2π).

    Use when targets are angles, and how sure the prediction is differs between examples.
    Avoid when angles are known modulo half a turn, as of lines: double them first.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.von_mises_nll([0.0, 0.0], 1.0, [0.0, 3.0])]
        [-0.7641, 1.2259]

    Limits:
        0 at concentration 0, the uniform distribution; `gaussian_nll` of variance 1 /
        concentration, less log(2π) / 2, for large ones; -log of the density is this + log(2π);
        unchanged by whole turns.

    References:
        Mardia & Jupp (1999), Directional statistics, doi:10.1002/9780470316979.
    """
    # log I0(c) - c cos(d) = log(exp(-c) I0(c)) + 2 c sin(d / 2)²: the two terms of order c, which
    # would cancel for large concentrations, are gone.
    half = jnp.sin((targets - location) / 2)
    return 2 * concentration * half * half + log_i0e(concentration)
