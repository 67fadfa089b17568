"""Negative log-likelihoods of Gaussian, Poisson and categorical predictions, in nats.

Terms that no prediction changes are left out, as log(target!) and log(2π) / 2.
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import Label, LogProbabilities, LogRate, NonNegativeReal, Real, Variance
from jaxloss.core.loss import loss
from jaxloss.numerics import at_label, log, relative_excess, weighted
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.standardise import over_scale


# The partial in the rate is (rate - target) / rate: the terms 1 - target / rate, as JAX has them,
# cancel near the fit. Where both are 0, the partials are 1 and 0, as 0 log 0 is 0.
@with_partials(
    lambda _, rates, targets: relative_excess(rates, targets),
    lambda _, rates, targets: -jnp.where((rates == 0) & (targets == 0), 0, log(rates)),
)
def _poisson(rates: Array, targets: Array) -> Array:
    return rates - weighted(targets, log(rates))


@loss(
    convex=True,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    elicits="mean",
)
def poisson_nll(rates: NonNegativeReal, targets: NonNegativeReal) -> Array:
    """Negative log-likelihood of a count under a Poisson distribution of predicted rate.

        rate - target log(rate)

    Args:
        rates: Expected counts, shape `[...]`, >= 0.
        targets: Counts, shape `[...]`, >= 0; fractions are allowed.

    Returns:
        One value per element, shape `[...]`, in nats, without the constant log(target!). It is
        0 where rate and target are 0, and +inf where only the rate is.

    Use when targets are counts, or positive with a variance that grows as the mean.
    Avoid when rates come from a network without an exponential: `poisson_nll_with_log_rates`.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.poisson_nll([1.0, 2.0, 0.0], [3.0, 2.0, 0.0])]
        [1.0, 0.6137, 0.0]

    Limits:
        -log of the Poisson probability is this + log(target!); least at rate = target, and twice
        the excess over that is the Poisson deviance.

    References:
        McCullagh & Nelder (1989), Generalized linear models, ch. 6,
        doi:10.1007/978-1-4899-3242-6.
    """
    return _poisson(rates, targets)


@loss(
    convex=True,
    strictly_convex=True,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    elicits="log mean",
)
def poisson_nll_with_log_rates(log_rates: LogRate, targets: NonNegativeReal) -> Array:
    """Negative log-likelihood of a count under a Poisson distribution, from the log of its rate.

        exp(s) - target s,   s = log rate

    Args:
        log_rates: Logs of the expected counts, shape `[...]`; -inf is the rate 0.
        targets: Counts, shape `[...]`, >= 0; fractions are allowed.

    Returns:
        One value per element, shape `[...]`, in nats, without the constant log(target!).

    Use when targets are counts: every real prediction is a rate, and the loss is convex in it.
    Avoid when the variance of the counts far exceeds their mean: its size is not modelled.

    Example:
        >>> import jaxloss as jl
        >>> jl.poisson_nll_with_log_rates([0.0, 0.0], [3.0, 0.0]).tolist()
        [1.0, 1.0]

    Limits:
        `poisson_nll` of exp(s); the gradient is rate - target.

    References:
        McCullagh & Nelder (1989), Generalized linear models, ch. 6,
        doi:10.1007/978-1-4899-3242-6.
    """
    return jnp.exp(log_rates) - weighted(targets, log_rates)


@loss(
    convex=True,
    strictly_convex=True,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    elicits="mean",
)
def gaussian_nll(mean: Real, variance: Variance, targets: Real) -> Array:
    """Negative log-likelihood of a Gaussian of predicted mean and variance.

        (log(variance) + (target - mean)² / variance) / 2

    Args:
        mean: Predicted means, shape `[...]`, in the unit of the targets.
        variance: Predicted variances, >= 0, in that unit squared. Shape `[...]`, or shared: a
            scalar, or length 1 in any axis.
        targets: Shape `[...]`.

    Returns:
        One value per element, shape `[...]`, in nats, without the constant log(2π) / 2. At
        variance 0 it is -inf where the mean is exact and +inf elsewhere; nothing is clamped.

    Use when the error differs from example to example and should be predicted too.
    Avoid when the variance can reach 0 (bound it below), or when outliers occur: they are squared.

    Example:
        >>> import jaxloss as jl
        >>> jl.gaussian_nll([1.0, 2.0], [1.0, 1.0], [1.0, 5.0]).tolist()
        [0.0, 4.5]

    Limits:
        `half_squared_error` at variance 1; -log of the density is this + log(2π) / 2; for a given
        error least at variance = (target - mean)².

    References:
        Nix & Weigend (1994), Estimating the mean and variance of the target probability
        distribution, doi:10.1109/ICNN.1994.374138.
    """
    error = targets - mean
    reduced, log_variance = over_scale(error, variance)
    # The square of the error is taken after the division, as it may overflow before.
    return (log_variance + error * reduced) / 2


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=1.0,
    smooth=0.0,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="distribution",
)
def nll(log_probabilities: LogProbabilities, labels: Label) -> Array:
    """Negative log-likelihood of a label, from predicted log-probabilities.

        -log p[label]

    Args:
        log_probabilities: Logs of probabilities that sum to 1, shape `[..., classes]`; -inf is
            the probability 0.
        labels: Shape `[...]`, integers in [0, classes).

    Returns:
        One value per example, shape `[...]`, in nats; +inf at a label of probability 0.

    Use when the log-probabilities exist already, as from a mixture or a normalised model.
    Avoid when there are logits: `softmax_cross_entropy_with_integer_labels` keeps more digits.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> round(float(jl.nll(jnp.log(jnp.array([0.25, 0.75])), 0)), 4)
        1.3863

    Limits:
        `kl_divergence` to the one-hot label; of log_softmax(logits) it is
        `softmax_cross_entropy_with_integer_labels`.

    References:
        Good (1952), Rational decisions, doi:10.1111/j.2517-6161.1952.tb00104.x.
    """
    return -at_label(log_probabilities, labels)
