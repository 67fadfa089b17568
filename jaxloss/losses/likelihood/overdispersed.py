"""Negative log-likelihoods of counts, positive numbers and proportions, with a dispersion.

Terms that no prediction changes are left out; each loss says which.
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import Dispersion, NonNegativeReal, OpenProbability, PositiveReal
from jaxloss.core.loss import loss
from jaxloss.numerics import (
    log,
    quotient,
    reciprocal,
    relative_excess,
    weighted,
    zero_if_weightless,
)
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.special import (
    expm1_minus_x,
    log1p_over_rate,
    log1p_ratio,
    log_quotient,
    log_ratio,
    log_rising_excess,
    log_rising_integral,
    phi2,
    stirling_remainder,
)
from jaxloss.numerics.standardise import over_scale

_HALF_LOG_2PI = math.log(2 * math.pi) / 2


def _scattered_by_dispersion(_: Array, mean: Array, dispersion: Array, targets: Array) -> Array:
    """The partial of `_scattered` in the dispersion, of which r is the reciprocal."""
    # With u = log((m + r) / (y + r)) it is -r² (u + exp(-u) - 1), whose terms are infinite at
    # dispersion 0; with the gap g = r u, finite there, it is -g² phi2(-dispersion g).
    excess = quotient(jnp.abs(mean - targets), 1 + dispersion * jnp.minimum(mean, targets))
    gap = jnp.sign(mean - targets) * log1p_over_rate(excess, dispersion)
    return -gap * gap * phi2(-dispersion * gap)


@with_partials(
    lambda _, mean, dispersion, targets: (
        relative_excess(mean, targets) * reciprocal(1 + dispersion * mean)
    ),
    _scattered_by_dispersion,
    lambda _, mean, dispersion, targets: (
        log1p_ratio(dispersion * mean, dispersion * targets)
        - zero_if_weightless(targets, log(mean))
    ),
)
def _scattered(mean: Array, dispersion: Array, targets: Array) -> Array:
    """(r + y) log((m + r) / (y + r)) + y - y log m: all but the remainder of Stirling's formula."""
    # In terms that are finite at dispersion 0, where r is not: there it is m - y log m, Poisson's.
    share = log(mean) - jnp.log1p(dispersion * mean)
    thinned = log1p_over_rate(mean, dispersion) - weighted(targets, share)
    return thinned - log_rising_integral(targets, dispersion)


@loss(
    convex=False,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    elicits="mean",
)
def negative_binomial_nll(
    mean: NonNegativeReal, dispersion: Dispersion, targets: NonNegativeReal
) -> Array:
    """Negative log-likelihood of a count under a negative binomial distribution (NB2).

        log Γ(r) - log Γ(target + r) - target log(mean / (mean + r)) + r log(1 + mean / r)

        with r = 1 / dispersion: the variance is mean + dispersion mean² (known as NB2)

    Args:
        mean: Expected counts, shape `[...]`, >= 0.
        dispersion: Squared variation of the rate, >= 0, without unit. Shape `[...]`, or shared: a
            scalar, or length 1 in any axis.
        targets: Counts, shape `[...]`, >= 0; fractions are allowed.

    Returns:
        One value per element, shape `[...]`, in nats, without the constant log(target!). It is 0
        where mean and target are 0, and +inf where only the mean is.

    Use when counts scatter more than `poisson_nll` allows, by a dispersion that is learned.
    Avoid when counts scatter less than a Poisson distribution does: no dispersion fits.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.negative_binomial_nll([1.0, 3.0], 1.0, [0.0, 1.0])]
        [0.6931, 1.674]

    Limits:
        `poisson_nll` at dispersion 0, where it is smooth; -log of the probability is this +
        log(target!); least at mean = target.

    References:
        Cameron & Trivedi (1986), Econometric models based on count data,
        doi:10.1002/jae.3950010104.
    """
    dispersion = jnp.broadcast_to(dispersion, mean.shape)
    return _scattered(mean, dispersion, targets) - log_rising_excess(targets, dispersion)


@loss(
    convex=False,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    elicits="mean",
)
def gamma_nll(mean: PositiveReal, dispersion: Dispersion, targets: PositiveReal) -> Array:
    """Negative log-likelihood of a positive target under a gamma distribution of predicted mean.

        k (q - log(q)) + log Γ(k) - k log(k),   q = target / mean,   k = 1 / dispersion

        k is the shape, k / mean the rate: the variance is dispersion mean²

    Args:
        mean: Predicted means, shape `[...]`, > 0, in the unit of the targets.
        dispersion: Squared coefficients of variation, >= 0, without unit. Shape `[...]`, or
            shared: a scalar, or length 1 in any axis.
        targets: Shape `[...]`, > 0.

    Returns:
        One value per element, shape `[...]`, in nats, without the constant log(target). At
        dispersion 0 it is -inf where the mean is exact and +inf elsewhere; nothing is clamped.

    Use when targets are positive and their error grows in proportion: durations, costs, powers.
    Avoid when targets can be 0.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.gamma_nll([1.0, 1.0], [1.0, 0.5], [1.0, 2.0])]
        [1.0, 1.2274]

    Limits:
        At dispersion 1 the exponential distribution: target / mean - log(target / mean); -log of
        the density is this + log(target); least at mean = target; unchanged when mean and target
        are scaled together.

    References:
        McCullagh & Nelder (1989), Generalized linear models, ch. 8,
        doi:10.1007/978-1-4899-3242-6.
    """
    # By Stirling's formula log Γ(k) - k log k is -k - log(k) / 2 + log(2π) / 2 + a remainder. With
    # -k in the first term, k (q - 1 - log q), no two large terms cancel where k is large.
    deviance, log_dispersion = over_scale(expm1_minus_x(log_ratio(targets, mean)), dispersion)
    return deviance + log_dispersion / 2 + (stirling_remainder(dispersion) + _HALF_LOG_2PI)


@with_partials(
    lambda _, alpha, beta, targets: _log_share_ratio(alpha, beta, targets, 1 - targets),
    lambda _, alpha, beta, targets: _log_share_ratio(beta, alpha, 1 - targets, targets),
    lambda _, alpha, beta, targets: (
        -quotient(_excess(alpha, beta, targets, 1 - targets), targets) * reciprocal(1 - targets)
    ),
)
def _information(alpha: Array, beta: Array, targets: Array) -> Array:
    """The total times the KL divergence of the mean from the target."""
    # By Stirling's formula this is what is left of log B and the two logarithms, which are huge for
    # large concentrations and cancel; neither of these two terms is negative.
    total = alpha + beta
    above = alpha * expm1_minus_x(log_ratio(total * targets, alpha))
    return above + beta * expm1_minus_x(log_ratio(total * (1 - targets), beta))


def _log_share_ratio(alpha: Array, beta: Array, target: Array, rest: Array) -> Array:
    """Log of the mean alpha / (alpha + beta) over its target, by their difference."""
    total = alpha + beta
    difference = quotient(_excess(alpha, beta, target, rest), total)
    return log_quotient(difference, quotient(alpha, total), target)


def _excess(alpha: Array, beta: Array, target: Array, rest: Array) -> Array:
    """What alpha exceeds target (alpha + beta) by, without rounding the sum; rest is 1 - target."""
    return alpha * rest - beta * target


@loss(
    convex=True,
    strictly_convex=True,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
)
def beta_nll(alpha: PositiveReal, beta: PositiveReal, targets: OpenProbability) -> Array:
    """Negative log-likelihood of a proportion under a beta distribution.

        log B(alpha, beta) - alpha log(target) - beta log(1 - target)

        with B(a, b) = Γ(a) Γ(b) / Γ(a + b): the mean is alpha / (alpha + beta)

    Args:
        alpha: Concentrations at 1, shape `[...]`, > 0, without unit.
        beta: Concentrations at 0, shape `[...]`, > 0, without unit.
        targets: Proportions, shape `[...]`, in (0, 1).

    Returns:
        One value per element, shape `[...]`, in nats, without the constant
        log(target (1 - target)).

    Use when targets are proportions or probabilities whose scatter should be predicted too.
    Avoid when targets can be exactly 0 or 1: `binary_cross_entropy` takes those.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.beta_nll([1.0, 2.0], [1.0, 1.0], [0.5, 0.5])]
        [1.3863, 1.3863]

    Limits:
        -log(target (1 - target)) at alpha = beta = 1, the uniform distribution; -log of the
        density is this + log(target (1 - target)); unchanged when alpha and beta, target and
        1 - target change places.

    References:
        Ferrari & Cribari-Neto (2004), Beta regression for modelling rates and proportions,
        doi:10.1080/0266476042000214501.
    """
    # log Γ(less) by Stirling's formula, and Γ(more + less) / Γ(more) as a rising factorial.
    less, more = jnp.minimum(alpha, beta), jnp.maximum(alpha, beta)
    norm = stirling_remainder(reciprocal(less)) - jnp.log(less) / 2 + _HALF_LOG_2PI
    # A difference of Stirling's remainders of `more` and of the total would lose that of `less`.
    norm -= log_rising_excess(less, reciprocal(more))
    return _information(alpha, beta, targets) + norm
