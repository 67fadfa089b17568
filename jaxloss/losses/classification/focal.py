"""Cross-entropies that weigh an example by how wrong it is: focal losses and the first PolyLoss.

All are written in the log-odds log((1 - p) / p) against the label, in which 1 - p and p both keep
their digits, and no power is taken of a difference.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import (
    ClassWeights,
    Label,
    Logit,
    Logits,
    NonNegative,
    Number,
    Probability,
    Unit,
)
from jaxloss.core.loss import loss
from jaxloss.numerics import at_label, log_odds_against, weighted
from jaxloss.numerics.logistic import focal_cross_entropy, focal_softplus, softplus


def _focal_link(score: Array, gamma: ArrayLike, alpha: ArrayLike = 0.5) -> Array:
    """The probability q of the positive class for which the score minimises the expected loss."""
    # That loss is q a F(-x) + (1 - q) (1 - a) F(x), so at its minimum q a F'(-x) is
    # (1 - q) (1 - a) F'(x).
    right = _focal_derivative(-score, gamma) * alpha
    wrong = _focal_derivative(score, gamma) * (1 - alpha)
    return wrong / (wrong + right)


def _focal_derivative(against: Array, gamma: ArrayLike) -> Array:
    derivative: Array = jax.jvp(
        lambda x: focal_softplus(x, gamma), (against,), (jnp.ones_like(against),)
    )[1]
    return derivative


@loss(
    convex=lambda gamma: gamma == 0,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=_focal_link,
)
def sigmoid_focal(
    logits: Logit,
    labels: Probability,
    *,
    gamma: NonNegative = 2.0,
    alpha: Unit | None = None,
) -> Array:
    """Focal loss for binary labels: cross-entropy times (1 - p)^gamma, with p of the label.

        a y (1 - p)^g (-log p) + (1 - a) (1 - y) p^g (-log(1 - p)),   p = sigmoid(x),
        x = logit,   y = label,   g = gamma,   a = alpha, and without it no such factors

    Labels between 0 and 1 give the expectation over hard labels drawn from them.

    Args:
        logits: Log-odds of the positive class, ±inf included, shape `[...]`.
        labels: Probability that the true label is positive, or bool or {0, 1}, shape `[...]`.
        gamma: The power of 1 - p, >= 0: the larger, the less examples count that are right.
        alpha: Share in [0, 1] of the positive term, 1 - alpha that of the negative one.

    Returns:
        One value per element, shape `[...]`, in nats.

    Use when easy negatives are so many that they drown the rest, as in dense detection.
    Avoid when sigmoid(x) is read as a probability: it is too close to 1/2; use `facts.link`.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.sigmoid_focal(0.0, 1.0)), 4)
        0.1733

    Limits:
        gamma = 0 is `sigmoid_binary_cross_entropy`; alpha = 1/2 halves the loss.

    References:
        Lin et al. (2017), Focal loss for dense object detection, arXiv:1708.02002.
        Charoenphakdee et al. (2021), On focal loss for class-posterior probability estimation: a
        theoretical perspective, arXiv:2011.09172.
    """
    positive, negative = labels, 1 - labels
    if alpha is not None:
        positive, negative = positive * alpha, negative * (1 - alpha)
    return focal_cross_entropy(logits, positive, negative, gamma)


@loss(
    convex=lambda gamma: gamma == 0,
    strictly_convex=False,
    supremum=math.inf,
    calibrated=True,
    proper=lambda gamma: gamma == 0,
)
def softmax_focal(
    logits: Logits,
    labels: Label,
    *,
    gamma: NonNegative = 2.0,
    class_weights: ClassWeights | None = None,
) -> Array:
    """Focal loss over classes: cross-entropy times (1 - p)^gamma, with p of the label.

        w_y (1 - p_y)^g (-log p_y),   p = softmax(logits),   y = label,
        g = gamma,   w = class_weights

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.
        gamma: The power of 1 - p, >= 0: the larger, the less examples count that are right.
        class_weights: Factor for examples of each class, a number or shape `[classes]`, >= 0:
            the alpha of the paper.

    Returns:
        One value per example, shape `[...]`, in nats.

    Use when a few hard or rare examples matter among many that are easy.
    Avoid when the softmax is read as probabilities, which only gamma = 0 gives.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.softmax_focal([0.0, 0.0], 1)), 4)
        0.1733

    Limits:
        gamma = 0 is `softmax_cross_entropy_with_integer_labels`; gamma = 1 is it times
        `chebyshev`. With two classes, `sigmoid_focal` of the difference of the logits.

    References:
        Lin et al. (2017), Focal loss for dense object detection, arXiv:1708.02002.
        Charoenphakdee et al. (2021), On focal loss for class-posterior probability estimation: a
        theoretical perspective, arXiv:2011.09172.
    """
    value = focal_softplus(log_odds_against(logits, labels), gamma)
    if class_weights is None:
        return value
    return weighted(at_label(jnp.asarray(class_weights), labels), value)


@loss(
    convex=lambda epsilon: abs(epsilon) <= 1,
    strictly_convex=False,
    lipschitz=lambda epsilon: (
        math.sqrt(2) * max(1, (1 + epsilon) ** 2 / (4 * max(abs(epsilon), 1)))
    ),
    supremum=math.inf,
    calibrated=lambda epsilon: epsilon > -2,
    proper=lambda epsilon: epsilon == 0,
)
def poly1_cross_entropy(logits: Logits, labels: Label, *, epsilon: Number = 1.0) -> Array:
    """PolyLoss of order 1: cross-entropy plus epsilon (1 - p), with p of the label.

        -log p_y + ε (1 - p_y),   p = softmax(logits),   y = label,   ε = epsilon

    Cross-entropy is Σ_i (1 - p_y)^i / i; here the first coefficient is 1 + ε.

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.
        epsilon: What is added to the first coefficient. From -1 on, being right is best; from -1
            to 1 the loss is convex.

    Returns:
        One value per example, shape `[...]`, in nats.

    Use when cross-entropy leaves predictions too uncertain (epsilon > 0) or too certain (< 0).
    Avoid when the softmax is read as probabilities, which only epsilon = 0 gives.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.poly1_cross_entropy([0.0, 0.0], 1)), 4)
        1.1931

    Limits:
        `softmax_cross_entropy_with_integer_labels` plus epsilon times `chebyshev`.

    References:
        Leng et al. (2022), PolyLoss: a polynomial expansion perspective of classification loss
        functions, arXiv:2204.12511.
    """
    # softplus(-against) is -log(1 - p): 1 - p by its logarithm, as the difference loses digits.
    against = log_odds_against(logits, labels)
    return softplus(against) + jnp.exp(-softplus(-against)) * epsilon
