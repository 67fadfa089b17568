"""Losses over classes that are robust to wrong labels.

All are functions of the probability p_y of the label, written in the cross-entropy -log p_y and
in 1 - p_y, each with all its digits.
"""

import math
import operator

import jax.numpy as jnp
from jax import Array

from jaxloss.core.derive import derive
from jaxloss.core.domains import Label, Logits, NonNegative, Unit
from jaxloss.core.facts import Facts
from jaxloss.core.loss import Loss, loss
from jaxloss.numerics import log_odds_against, weighted
from jaxloss.numerics.logistic import softplus
from jaxloss.numerics.special import one_minus_exp_over_rate


@loss(
    convex=lambda q: q == 0,
    strictly_convex=False,
    lipschitz=lambda q: math.sqrt(2) * (q / (1 + q)) ** q / (1 + q),
    supremum=lambda q: 1 / q if q else math.inf,
    calibrated=True,
    proper=lambda q: q == 0,
)
def generalized_cross_entropy(logits: Logits, labels: Label, *, q: Unit = 0.7) -> Array:
    """Generalized cross-entropy (1 - p_y^q) / q, between cross-entropy and 1 - p_y.

        (1 - p_y^q) / q,   p = softmax(logits),   y = label

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.
        q: How little a confident mistake counts, in [0, 1].

    Returns:
        One value per example, shape `[...]`, in [0, 1 / q].

    Use when a share of the labels is wrong and it is not known which.
    Avoid when the softmax is read as probabilities: it is more certain than the labels are.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.generalized_cross_entropy([0.0, 0.0], 1, q=1.0))
        0.5

    Limits:
        q → 0 is `softmax_cross_entropy_with_integer_labels`, q = 1 is `chebyshev`. With the
        cross-entropy n it is (1 - exp(-q n)) / q.

    References:
        Zhang & Sabuncu (2018), Generalized cross entropy loss for training deep neural networks
        with noisy labels, arXiv:1805.07836.
    """
    return one_minus_exp_over_rate(softplus(log_odds_against(logits, labels)), q)


def _symmetric_lipschitz(alpha: float, beta: float, ceiling: float) -> float:
    """The largest norm of the gradient in the logits."""
    # With a = alpha and r = beta ceiling, the derivative in the log-odds against the label is
    # a (1 - p) + r p (1 - p): at most a, or (a + r)² / (4 r) at p = (r - a) / (2 r) where that is
    # positive. The gradient of the log-odds in the logits has a norm of at most √2.
    reverse = beta * ceiling
    largest = (alpha + reverse) ** 2 / (4 * reverse) if reverse > alpha else alpha
    return math.sqrt(2) * largest


@loss(
    convex=lambda alpha, beta, ceiling: beta * ceiling <= alpha,
    strictly_convex=False,
    lipschitz=_symmetric_lipschitz,
    calibrated=lambda alpha, beta, ceiling: alpha + beta * ceiling > 0,
    proper=lambda alpha, beta, ceiling: alpha > beta * ceiling == 0,
)
def symmetric_cross_entropy(
    logits: Logits,
    labels: Label,
    *,
    alpha: NonNegative = 0.1,
    beta: NonNegative = 1.0,
    ceiling: NonNegative = 4.0,
) -> Array:
    """Symmetric cross-entropy: cross-entropy plus its reverse, in which log 0 is bounded.

        a (-log p_y) + b c (1 - p_y),   p = softmax(logits),   y = label,
        a = alpha,   b = beta,   c = ceiling

    The reverse is -Σ_j p_j log e_yj with the one-hot label e_y, in which log 0 is read as -c.

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.
        alpha: Factor of the cross-entropy, >= 0, which keeps the start from being slow.
        beta: Factor of the reverse cross-entropy, >= 0, which bears wrong labels.
        ceiling: The number c >= 0, in nats, that stands for -log 0; the paper's -A.

    Returns:
        One value per example, shape `[...]`, in nats.

    Use when a share of the labels is wrong and easy classes are learnt long before hard ones.
    Avoid when the softmax is read as probabilities: it is more certain than the labels are.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.symmetric_cross_entropy([0.0, 0.0], 1, alpha=0.0))
        2.0

    Limits:
        alpha `softmax_cross_entropy_with_integer_labels` + beta ceiling `chebyshev`; with
        alpha = 1 it is `poly1_cross_entropy` with epsilon = beta ceiling.

    References:
        Wang et al. (2019), Symmetric cross entropy for robust learning with noisy labels,
        arXiv:1908.06112.
    """
    against = log_odds_against(logits, labels)
    return weighted(alpha, softplus(against)) + _complement(against) * ceiling * beta


def taylor_cross_entropy(order: int = 2) -> Loss[...]:
    """Make the Taylor polynomial of cross-entropy in 1 - p_y, the probability of a mistake.

        Σ_i (1 - p_y)^i / i,   i = 1 ... order,   p = softmax(logits),   y = label

    It is a maker because the order is the length of the program, not a number in it.

    Args:
        order: How many terms, >= 1. More fit faster, fewer bear more wrong labels.

    Returns:
        A loss of `logits`, shape `[..., classes]`, and integer `labels`, shape `[...]`; the same
        object each time.

    Raises:
        ValueError: The order is below 1.

    Use when a share of the labels is wrong; `generalized_cross_entropy` has a trainable degree.
    Avoid when the softmax is read as probabilities: it is more certain than the labels are.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.taylor_cross_entropy(order=2)([0.0, 0.0], 1))
        0.625

    Limits:
        order = 1 is `chebyshev`, order → ∞ is `softmax_cross_entropy_with_integer_labels`.

    References:
        Feng et al. (2020), Can cross entropy loss be robust to label noise?,
        doi:10.24963/ijcai.2020/305.
    """
    if order < 1:
        raise ValueError(f"taylor_cross_entropy: `order` is at least 1, got {order}")
    order = operator.index(order)

    def function(logits: Logits, labels: Label) -> Array:
        wrong = _complement(log_odds_against(logits, labels))
        value = jnp.zeros_like(wrong)
        # Horner's scheme: all terms are positive, so nothing cancels.
        for i in range(order, 0, -1):
            value = (value + 1 / i) * wrong
        return value

    doc = f"""Taylor polynomial of cross-entropy, of order {order}.

        Σ_i (1 - p_y)^i / i,   i = 1 ... {order},   p = softmax(logits),   y = label

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in nats.
    """
    peak = (1 / (order + 1)) ** (1 / order)  # where c (1 - c^order) is largest
    facts = Facts(
        convex=False,
        strictly_convex=False,
        lipschitz=math.sqrt(2) * peak * order / (order + 1),
        supremum=math.fsum(1 / i for i in range(1, order + 1)),
        calibrated=True,
        proper=False,
    )
    return derive(taylor_cross_entropy, order, function=function, doc=doc, facts=facts)


def _complement(log_odds_against: Array) -> Array:
    """1 - p_y as exp of its logarithm: the subtraction loses all digits where p_y is near 1."""
    return jnp.exp(-softplus(-log_odds_against))
