"""Binary cross-entropy, from log-odds or from probabilities; labels may be soft."""

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import ClassWeights, Logit, Probability, Unit
from jaxloss.core.loss import loss
from jaxloss.numerics import divide, log, weighted
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.logistic import sigmoid, sigmoid_cross_entropy, weighted_cross_entropy


@loss(
    convex=True,
    strictly_convex=True,
    lipschitz=1.0,
    smooth=0.25,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=sigmoid,
)
def sigmoid_binary_cross_entropy(
    logits: Logit,
    labels: Probability,
    *,
    positive_weight: ClassWeights | None = None,
    label_smoothing: Unit | None = None,
) -> Array:
    """Binary cross-entropy of a label, from its predicted log-odds.

        w y softplus(-x) + (1 - y) softplus(x),   softplus(x) = log(1 + exp x),
        x = logit,   w = positive_weight,   y = (1 - s) label + s / 2,   s = label_smoothing

    Args:
        logits: Log-odds of the positive class, ±inf included, shape `[...]`.
        labels: Probability that the true label is positive, or bool or {0, 1}, shape `[...]`.
        positive_weight: Factor of the positive term, a number or one for each entry of the last
            axis, >= 0: the number of negatives over the number of positives balances the two.
        label_smoothing: Share of each label that is replaced by 1/2, in [0, 1].

    Returns:
        One value per element, shape `[...]`, in nats.

    Use when an example has one yes-or-no label, or several that do not exclude each other.
    Avoid when exactly one of several classes is true: `softmax_cross_entropy` makes them sum to 1.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.sigmoid_binary_cross_entropy(0.0, 1.0)), 4)
        0.6931

    Limits:
        The derivative in x is sigmoid(x) - y. With hard labels it is `logistic` of the signed
        logit, and `softmax_cross_entropy` of the two logits [0, x]. A certain logit is 0 where it
        is right and +inf where it is wrong.

    References:
        Good (1952), Rational decisions, doi:10.1111/j.2517-6161.1952.tb00104.x.
    """
    targets = _smoothed(labels, label_smoothing)
    if positive_weight is None:
        return sigmoid_cross_entropy(logits, targets)
    return weighted_cross_entropy(logits, targets * positive_weight, 1 - targets)


# `divide` sets the gradient in p to 0 where its own is infinite, as the docstring says. In y the
# rule is written out because the value's guards depend on y, which JAX would differentiate too.
@with_partials(
    lambda _, p, y: divide(1 - y, 1 - p) - divide(y, p),
    lambda _, p, y: (
        jnp.where((p == 1) & (y == 1), 0, jnp.log1p(-p)) - jnp.where((p == 0) & (y == 0), 0, log(p))
    ),
)
def _binary_cross_entropy(p: Array, y: Array) -> Array:
    """-y log p - (1 - y) log(1 - p), where a factor of 0 wins over an infinite logarithm."""
    return weighted(y, -log(p)) + weighted(1 - y, -jnp.log1p(-p))


@loss(
    convex=True,
    strictly_convex=True,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda probability: probability,
)
def binary_cross_entropy(probabilities: Probability, labels: Probability) -> Array:
    """Binary cross-entropy of a label, from its predicted probability.

        -y log p - (1 - y) log(1 - p),   0 log 0 = 0

    At p = 0 and p = 1 a term whose label has no weight is 0. A term with weight is +inf there,
    and its gradient is set to 0, so that one impossible label cannot make the others NaN.

    Args:
        probabilities: Predicted p of the positive class in [0, 1], shape `[...]`.
        labels: Probability y that the true label is positive, or bool or {0, 1}, shape `[...]`.

    Returns:
        One value per element, shape `[...]`, in nats.

    Use when a model gives probabilities and no logits, as an average of models does.
    Avoid when logits are at hand: `sigmoid_binary_cross_entropy` keeps its gradient far out.

    Example:
        >>> import jaxloss as jl
        >>> jl.binary_cross_entropy([0.0, 1.0, 0.0], [0.0, 1.0, 1.0]).tolist()
        [0.0, 0.0, inf]

    Limits:
        Equals `sigmoid_binary_cross_entropy` at p = sigmoid(x); the entropy of y where p = y.

    References:
        Good (1952), Rational decisions, doi:10.1111/j.2517-6161.1952.tb00104.x.
    """
    return _binary_cross_entropy(probabilities, labels)


def _smoothed(labels: Array, share: ArrayLike | None) -> Array:
    return labels if share is None else labels + (0.5 - labels) * share
