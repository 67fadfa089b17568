"""Divergences between distributions over the last axis: 0 where they are equal, positive elsewhere.

p is the prediction and t the target. Each sum is over terms that are none of them negative, so
that nothing cancels where p is near t: t log(t / p) is written t log(t / p) - t + p, which adds up
to the same where p and t both sum to 1, and is off by rounding squared where they do up to
rounding.
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import LogProbabilities, OpenUnit, Simplex
from jaxloss.core.loss import loss
from jaxloss.numerics import divide, expm1, log, square_sum, unit, xlogx
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.special import expm1_minus_x

# Up to this ratio (or log of one) the forms for nearly equal masses keep more digits; at it
# the plain forms lose about two bits, as exp(x) - 1 - x = 0.65 - 0.5 does.
_NEAR = 0.5


def _relative_entropy(mass: Array, log_mass: Array, log_other: Array) -> Array:
    """Sum of mass log(mass / other) - mass + other, from logs and the mass."""
    # Where the mass is 0 both logs are replaced before they meet: -inf + inf would be NaN.
    absent = mass == 0
    gap = jnp.where(absent, 0, log_mass) - jnp.where(absent, 0, log_other)
    return jnp.sum(_excess(mass, gap, jnp.exp(log_other)), axis=-1)


def _excess(mass: Array, gap: Array, other: Array) -> Array:
    """Mass times gap - mass + other, each >= 0, where the gap is log(mass / other)."""
    # Nearly equal masses by other = mass exp(-gap): mass (exp(-gap) - 1 + gap) does not cancel. The
    # gap is replaced in the branch not taken, where NaN or infinity would reach the gradient.
    present = mass > 0
    near = (jnp.abs(gap) < _NEAR) & present
    alike = mass * expm1_minus_x(jnp.where(near, -gap, 0))
    unlike = mass * jnp.where(present, gap, 0) - mass + other
    return jnp.where(near, alike, unlike)


@loss(convex=True, supremum=math.inf, calibrated=True, proper=True, elicits="distribution")
def kl_divergence(log_predictions: LogProbabilities, targets: Simplex) -> Array:
    """Kullback-Leibler divergence of the target distribution from the prediction.

        KL(t || p) = Σ t log(t / p)

    Args:
        log_predictions: Logs of the predicted probabilities p, shape `[..., classes]`.
        targets: Target probabilities t, shape `[..., classes]`, or other weights >= 0; neither
            they nor p are normalised.

    Returns:
        One value per example, shape `[...]`, in nats. A class without target mass adds nothing,
        even where its log-probability is -inf; one with target mass but no predicted mass makes it
        +inf. At target mass 0 the derivative in the target, -inf, is made finite.

    Use when targets are distributions and p has to cover all that they hold.
    Avoid when p cannot hold all of it: it then spreads out between the modes of t.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> round(float(jl.kl_divergence(jnp.log(jnp.array([0.5, 0.5])), [1.0, 0.0])), 4)
        0.6931

    Limits:
        `softmax_cross_entropy` less the entropy of t; `nll` for a one-hot t;
        (p - t)² / (2 t) summed, as p → t. Where p or t do not sum to 1, it is
        Σ t log(t / p) - t + p, the generalised divergence. So its gradient in log p is p - t, that
        of Σ t log(t / p) alone -t; behind `jax.nn.log_softmax` both lead to p - t.

    References:
        Kullback & Leibler (1951), On information and sufficiency, doi:10.1214/aoms/1177729694.
    """
    return _relative_entropy(targets, log(targets), log_predictions)


@loss(convex=True, supremum=math.inf)
def kl_divergence_with_log_targets(
    log_predictions: LogProbabilities, log_targets: LogProbabilities
) -> Array:
    """Kullback-Leibler divergence of the target from the prediction, given logs of both.

        KL(t || p) = Σ t log(t / p)

    Args:
        log_predictions: Logs of the predicted probabilities p, shape `[..., classes]`.
        log_targets: Logs of the target probabilities t, shape `[..., classes]`; -inf is 0.

    Returns:
        One value per example, shape `[...]`, in nats, as of `kl_divergence`.

    Use when the target is the softmax of a teacher: near-equal distributions keep their digits.
    Avoid when p cannot hold all of t: it then spreads out between the modes (`reverse_kl`).

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> half, sure = jnp.log(jnp.array([0.5, 0.5])), jnp.array([0.0, -jnp.inf])
        >>> round(float(jl.kl_divergence_with_log_targets(half, sure)), 4)
        0.6931

    Limits:
        `kl_divergence` to exp(log_targets); `reverse_kl` with the arguments exchanged.

    References:
        Kullback & Leibler (1951), On information and sufficiency, doi:10.1214/aoms/1177729694.
        Hinton, Vinyals & Dean (2015), Distilling the knowledge in a neural network,
        arXiv:1503.02531.
    """
    return _relative_entropy(jnp.exp(log_targets), log_targets, log_predictions)


@loss(convex=False, supremum=math.inf)
def reverse_kl(log_predictions: LogProbabilities, log_targets: LogProbabilities) -> Array:
    """Reverse Kullback-Leibler divergence: that of the prediction from the target.

        KL(p || t) = Σ p log(p / t)

    Args:
        log_predictions: Logs of the predicted probabilities p, shape `[..., classes]`.
        log_targets: Logs of the target probabilities t, shape `[..., classes]`. In logs, because
            a target that rounds to 0 would make it +inf.

    Returns:
        One value per example, shape `[...]`, in nats; +inf where p has mass that t has not.

    Use when p should settle on a mode of t, or stay close to a reference policy.
    Avoid when all that t holds has to be covered: missing a mode costs little (`kl_divergence`).

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> half, sure = jnp.log(jnp.array([0.5, 0.5])), jnp.array([0.0, -jnp.inf])
        >>> round(float(jl.reverse_kl(sure, half)), 4)
        0.6931

    Limits:
        `kl_divergence_with_log_targets` with the arguments exchanged.

    References:
        Gu, Dong, Wei & Huang (2024), MiniLLM: Knowledge distillation of large language models,
        arXiv:2306.08543.
    """
    return _relative_entropy(jnp.exp(log_predictions), log_predictions, log_targets)


@with_partials(lambda _, tilt: jnp.log1p(tilt) - jnp.log1p(-tilt))
def _tilt_entropy(tilt: Array) -> Array:
    """(1 + x) log(1 + x) + (1 - x) log(1 - x), whose terms cancel near 0."""
    # The same terms in pairs: x (log(1 + x) - log(1 - x)) + log(1 + x) + log(1 - x).
    return 2 * tilt * jnp.arctanh(tilt) + jnp.log1p(-tilt * tilt)


@loss(convex=False, supremum=math.log(2), calibrated=True, proper=False)
def jensen_shannon(log_predictions: LogProbabilities, targets: Simplex) -> Array:
    """Jensen-Shannon divergence: the mean divergence of both distributions from their mixture.

        KL(p || m) / 2 + KL(t || m) / 2,   m = (p + t) / 2

    Args:
        log_predictions: Logs of the predicted probabilities p, shape `[..., classes]`.
        targets: Target probabilities t, shape `[..., classes]`, or other weights >= 0; neither
            they nor p are normalised.

    Returns:
        One value per example, shape `[...]`, in nats, between 0 and log 2. At target mass 0 the
        derivative in the target, -inf, is made finite.

    Use when some targets are wrong, or supports differ: it is finite for any two distributions.
    Avoid when calibrated probabilities are wanted: p comes out more certain than t.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> sure = jnp.array([0.0, -jnp.inf])
        >>> [round(float(jl.jensen_shannon(sure, t)), 4) for t in ([0.0, 1.0], [1.0, 0.0])]
        [0.6931, 0.0]

    Limits:
        Symmetric in p and t, and log 2 where they share no class; the square of a metric;
        a quarter of `kl_divergence` as p → t.

    References:
        Lin (1991), Divergence measures based on the Shannon entropy, doi:10.1109/18.61115.
        Englesson & Azizpour (2021), Generalized Jensen-Shannon divergence loss for learning with
        noisy labels, arXiv:2105.04522.
    """
    p, t = jnp.exp(log_predictions), targets
    both = p + t
    # With x = (t - p) / (t + p), the terms of a class are (p + t) / 4 times
    # (1 + x) log(1 + x) + (1 - x) log(1 - x): about x² for small x, of terms of size x.
    tilt = divide(t - p, both)
    near = jnp.abs(tilt) < _NEAR
    small = jnp.where(near, tilt, 0)
    alike = _tilt_entropy(small)
    unlike = xlogx(divide(2 * p, both)) + xlogx(divide(2 * t, both))
    return jnp.sum(both / 4 * jnp.where(near, alike, unlike), axis=-1)


def _entropy_of_two(mixture: float) -> float:
    return -mixture * math.log(mixture) - (1 - mixture) * math.log1p(-mixture)


@loss(convex=False, supremum=_entropy_of_two)
def generalized_jensen_shannon(
    log_predictions: LogProbabilities, log_targets: LogProbabilities, *, mixture: OpenUnit = 0.5
) -> Array:
    """Jensen-Shannon divergence with a weighted mixture, between both Kullback-Leibler divergences.

        β KL(t || m) + (1 - β) KL(p || m),   m = β t + (1 - β) p,   β = mixture

    Args:
        log_predictions: Logs of the predicted probabilities p, shape `[..., classes]`.
        log_targets: Logs of the target probabilities t, shape `[..., classes]`; -inf is 0.
        mixture: The share of the target in the mixture, in (0, 1).

    Returns:
        One value per example, shape `[...]`, in nats, at most the entropy of β and 1 - β.

    Use when a student should cover its teacher's modes (β near 0) or settle on some (near 1), and
        the loss has to stay finite whatever the supports.
    Avoid when β is close to an end, unless the loss is multiplied by 1 / β or 1 / (1 - β).

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> half, sure = jnp.log(jnp.array([0.5, 0.5])), jnp.array([0.0, -jnp.inf])
        >>> round(float(jl.generalized_jensen_shannon(half, sure, mixture=0.25)), 4)
        0.1417

    Limits:
        `jensen_shannon` to exp(log_targets) for β = 1/2; `kl_divergence_with_log_targets` times β
        as β → 0, and `reverse_kl` times 1 - β as β → 1; β (1 - β) `kl_divergence` as p → t.

    References:
        Lin (1991), Divergence measures based on the Shannon entropy, doi:10.1109/18.61115.
        Agarwal et al. (2024), On-policy distillation of language models: learning from
        self-generated mistakes, arXiv:2306.13649.
    """
    absent = (log_predictions == -jnp.inf) & (log_targets == -jnp.inf)
    gap = jnp.where(absent, 0, log_predictions) - jnp.where(absent, 0, log_targets)
    # log(m / larger mass) is at most 0, and log1p of the rest: no exp of a large gap can overflow.
    less = gap <= 0
    weight = jnp.where(less, 1 - mixture, mixture)  # in the mixture, of the smaller mass
    over_larger = jnp.log1p(weight * expm1(jnp.where(less, gap, -gap)))
    over_target = over_larger + jnp.where(less, 0, gap)  # the log of the mixture over it
    over_prediction = over_larger - jnp.where(less, gap, 0)
    p, t = jnp.exp(log_predictions), jnp.exp(log_targets)
    middle: Array = jnp.add(mixture * t, (1 - mixture) * p)
    apart = mixture * _excess(t, -over_target, middle)
    return jnp.sum(apart + (1 - mixture) * _excess(p, -over_prediction, middle), axis=-1)


@loss(
    convex=False,
    supremum=math.inf,
    calibrated=True,
    proper=False,
    elicits="square root of the distribution",
)
def cauchy_schwarz_divergence(probabilities: Simplex, targets: Simplex) -> Array:
    """Cauchy-Schwarz divergence: minus the log of the cosine between two distributions.

        -log(Σ p t / (||p|| ||t||))

    Args:
        probabilities: Predicted probabilities p, shape `[..., classes]`, or other weights >= 0.
        targets: Target probabilities t, shape `[..., classes]`, or other weights >= 0.

    Returns:
        One value per example, shape `[...]`, without unit; +inf, with gradient 0, where p and t
        share no class.

    Use when what counts is the proportion between masses: scaling p or t changes nothing.
    Avoid when calibrated probabilities are wanted: at its best p is the normalised root of t's.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.cauchy_schwarz_divergence([0.5, 0.5], [1.0, 0.0])), 4)
        0.3466

    Limits:
        -log(1 - `cosine_distance`); `cauchy_schwarz` of the logits where p is their softmax and t
        is one-hot.

    References:
        Jenssen, Principe, Erdogmus & Eltoft (2006), The Cauchy-Schwarz divergence and Parzen
        windowing: connections to graph theory and Mercer kernels,
        doi:10.1016/j.jfranklin.2006.03.018.
        Janocha & Czarnecki (2017), On loss functions for deep neural networks in classification,
        arXiv:1702.05659.
    """
    p, t = unit(probabilities), unit(targets)
    gap = square_sum(p - t) / 2  # 1 - cosine, with all digits where it is small
    near = gap < _NEAR
    alike = -jnp.log1p(-jnp.where(near, gap, 0))  # else log of a cosine near 1 loses digits
    return jnp.where(near, alike, -log(jnp.sum(p * t, axis=-1)))
