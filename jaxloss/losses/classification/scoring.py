"""How far the softmax of the logits is from the one-hot label, after Janocha & Czarnecki (2017).

All are written in the log-odds log((1 - p_y) / p_y) against the label, in which 1 - p_y and p_y
both keep their digits.
"""

import math

import jax.numpy as jnp
from jax import Array, lax

from jaxloss.core.domains import Label, Logits
from jaxloss.core.loss import loss
from jaxloss.numerics import at_label, is_label, log_odds_against, log_softmax, square_sum
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.logistic import softplus
from jaxloss.numerics.softmax import apart, exceeding, lowest

_FAR = 100.0  # log-odds at which softplus is its argument, to all digits
_SHARPEST = (15 - math.sqrt(33)) / 24  # where the second derivative of (1 - p)² peaks in 1 - p


@loss(
    convex=False,
    strictly_convex=False,
    lipschitz=math.sqrt(2) / 2,
    smooth=2 / math.sqrt(27),
    supremum=2.0,
    calibrated=True,
    proper=False,
    elicits="mode",
)
def expectation(logits: Logits, labels: Label) -> Array:
    """Total absolute difference between the softmax and the one-hot label.

        ||p - e_y||_1 = 2 (1 - p_y),   p = softmax(logits),   e_y = one-hot of the label y

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in [0, 2], without unit.

    Use when labels are wrong at random: noise that spares no class leaves its minimiser.
    Avoid when classes are many or the start is far: examples that are all wrong have no gradient.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.expectation([0.0, 0.0], 1))
        1.0

    Limits:
        Twice `chebyshev`.

    References:
        Janocha & Czarnecki (2017), On loss functions for deep neural networks in classification,
        arXiv:1702.05659.
        Ghosh, Kumar & Sastry (2017), Robust loss functions under label noise, arXiv:1712.09482.
    """
    return 2 * _complement(log_odds_against(logits, labels))


@loss(
    convex=False,
    strictly_convex=False,
    lipschitz=math.sqrt(2) / 4,
    smooth=1 / math.sqrt(27),
    supremum=1.0,
    calibrated=True,
    proper=False,
    elicits="mode",
)
def chebyshev(logits: Logits, labels: Label) -> Array:
    """Largest difference between the softmax and the one-hot label.

        max_j |p_j - e_yj| = 1 - p_y,   p = softmax(logits),   e_y = one-hot of the label y

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in [0, 1], without unit.

    Use when the error rate itself is the aim: it is the error rate of drawing from p.
    Avoid when the start is far: examples that are all wrong have no gradient.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.chebyshev([0.0, 0.0], 1))
        0.5

    Limits:
        Half `expectation`; 1 - exp(-`softmax_cross_entropy_with_integer_labels`).

    References:
        Janocha & Czarnecki (2017), On loss functions for deep neural networks in classification,
        arXiv:1702.05659.
    """
    return _complement(log_odds_against(logits, labels))


@loss(
    convex=False,
    strictly_convex=False,
    lipschitz=16 * math.sqrt(2) / 27,
    smooth=8 * _SHARPEST**2 * (1 - _SHARPEST) * (2 - 3 * _SHARPEST),
    supremum=2.0,
    calibrated=True,
    proper=True,
    elicits="distribution",
)
def brier(logits: Logits, labels: Label) -> Array:
    """Squared distance between the softmax and the one-hot label.

        ||p - e_y||_2²,   p = softmax(logits),   e_y = one-hot of the label y

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in [0, 2], without unit.

    Use when calibrated probabilities are wanted and no single example may cost much.
    Avoid when rare classes matter by their log-probability: 1e-3 and 1e-6 cost nearly the same.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.brier([0.0, 0.0], 1))
        0.5

    Limits:
        With two classes 2 (1 - p_y)², twice `savage` of the difference of the logits.

    References:
        Brier (1950), Verification of forecasts expressed in terms of probability,
        doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    # Σ_{j != y} p_j² is (1 - p_y)² times that of the softmax over the wrong classes alone, so
    # that all that is needed of p_y is 1 - p_y, with all its digits.
    wrong = _complement(log_odds_against(logits, labels))
    return wrong**2 * (1 + _concentration(logits, labels))


# The derivative 2 x of an infinite cross-entropy is a finite number instead: further back it is
# multiplied by the derivative of a masked class, which is 0, and 0 * inf would be NaN.
@with_partials(lambda _, x: jnp.minimum(2 * x, -lowest(x)))
def _squared(x: Array) -> Array:
    return x * x


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    calibrated=True,
    proper=False,
)
def squared_log(logits: Logits, labels: Label) -> Array:
    """Squared cross-entropy against integer class labels.

        (log p_y)²,   p = softmax(logits),   y = label

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in nats squared.

    Use when the worst predicted examples should be fitted first.
    Avoid when labels may be wrong: a mistake weighs by its square.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.squared_log([0.0, 0.0], 1)), 4)
        0.4805

    Limits:
        The square of `softmax_cross_entropy_with_integer_labels`.

    References:
        Janocha & Czarnecki (2017), On loss functions for deep neural networks in classification,
        arXiv:1702.05659.
    """
    return _squared(softplus(log_odds_against(logits, labels)))


@loss(
    convex=False,
    strictly_convex=False,
    supremum=0.0,
    calibrated=True,
    proper=False,
)
def tanimoto(logits: Logits, labels: Label) -> Array:
    """Negative Tanimoto coefficient of the softmax and the one-hot label: overlap over union.

        -p_y / (||p||_2² + 1 - p_y),   p = softmax(logits),   y = label

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in [-1, 0], without unit.

    Use when a bounded similarity of distributions is wanted that stays sharp near 1.
    Avoid when probabilities are read off: its minimiser is more certain than the labels are.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.tanimoto([0.0, 0.0], 1)), 4)
        -0.5

    Limits:
        -p_y / (p_y + `brier`).

    References:
        Janocha & Czarnecki (2017), On loss functions for deep neural networks in classification,
        arXiv:1702.05659.
    """
    against = log_odds_against(logits, labels)
    log_ratio = against - softplus(-against) + jnp.log1p(_concentration(logits, labels))
    # -1 / (1 + ratio) with ratio = brier / p_y = (1 - p)² (1 + c) / p, c the `_concentration`, in
    # logarithms: log((1 - p)² / p) = against - softplus(-against) for the log-odds against.
    return -jnp.exp(-softplus(log_ratio))


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=math.sqrt(2),
    smooth=1.0,
    supremum=math.inf,
    calibrated=True,
    proper=False,
    elicits="square root of the distribution",
)
def cauchy_schwarz(logits: Logits, labels: Label) -> Array:
    """Cauchy-Schwarz divergence of the softmax from the one-hot label.

        -log(p_y / ||p||_2) = -log softmax(2 o)_y / 2,   p = softmax(o),   o = logits,   y = label

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in nats.

    Use when cross-entropy should be sharper at the start: it is that of doubled logits, halved.
    Avoid when probabilities are read off without doubling the logits first.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.cauchy_schwarz([0.0, 0.0], 1)), 4)
        0.3466

    Limits:
        Half of `softmax_cross_entropy_with_integer_labels` at doubled logits.

    References:
        Janocha & Czarnecki (2017), On loss functions for deep neural networks in classification,
        arXiv:1702.05659.
    """
    top = lax.stop_gradient(jnp.max(logits, axis=-1, keepdims=True, initial=-jnp.inf))
    # A shift of all logits changes nothing; after this one no logit doubles to +inf.
    shifted = logits - jnp.clip(top, lowest(logits), -lowest(logits))
    doubled = apart(2 * shifted, labels)
    against = exceeding((doubled.others + doubled.shift) / 2, at_label(shifted, labels))
    # softplus(2 x) / 2, where 2 x may overflow: far out it is x.
    far = against > _FAR
    return jnp.where(far, against, softplus(2 * jnp.where(far, 0, against)) / 2)


def _complement(log_odds_against: Array) -> Array:
    """1 - p_y as exp of its logarithm: the subtraction loses all digits where p_y is near 1."""
    return jnp.exp(-softplus(-log_odds_against))


def _concentration(logits: Array, labels: Array) -> Array:
    """Squared norm of the softmax over the wrong classes; 0 where all of them are masked."""
    wrong = jnp.where(is_label(labels, logits), -jnp.inf, logits)
    return square_sum(jnp.exp(log_softmax(wrong)))
