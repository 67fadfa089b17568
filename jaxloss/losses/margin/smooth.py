"""Convex losses of the margin without a flat part: every example has a gradient.

Each is a function psi of the margin m, which is sign times score: positive where the sign of the
score is right.
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import Positive
from jaxloss.core.loss import margin
from jaxloss.numerics import quotient
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.logistic import sigmoid, softplus


@margin(
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
def logistic(m: Array) -> Array:
    """Logistic loss: the negative log-likelihood of the label, where the score is its log-odds.

        log(1 + exp(-m)),   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, in nats of log-odds.

    Returns:
        One value per element, shape `[...]`, in nats.

    Use when in doubt: probabilities, a bounded gradient and a unique best fit.
    Avoid when many labels are wrong: the gradient never returns to 0 (`savage`, `ramp`).

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.logistic([0.0, 2.0, -2.0], [1, 1, 1])]
        [0.6931, 0.1269, 2.1269]

    Limits:
        The binary cross-entropy of the score as a logit; logistic(m) - logistic(-m) = -m;
        logistic(k m) / k → `perceptron` as k → ∞.

    References:
        Cox (1958), The regression analysis of binary sequences,
        doi:10.1111/j.2517-6161.1958.tb00292.x.
    """
    return softplus(-m)  # exp(-m) itself overflows from m = -89 on in single precision


@margin(
    convex=True,
    strictly_convex=True,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda score: sigmoid(2 * score),
)
def exponential(m: Array) -> Array:
    """Exponential loss exp(-m), the loss of AdaBoost.

        exp(-m),   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, half the log-odds in nats.

    Returns:
        One value per element, shape `[...]`, a pure number.

    Use when the labels are clean and the hardest examples should dominate.
    Avoid when a label may be wrong: it outweighs all others. Beyond a score that is wrong by 88
        (by 709 in double precision) the value overflows to infinity.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.exponential([0.0, 1.0, -1.0], [1, 1, 1])]
        [1.0, 0.3679, 2.7183]

    Limits:
        exponential(m) exponential(-m) = 1; it is exp(`logistic`(m)) - 1, and `logistic`(2 m)
        has the same link.

    References:
        Freund & Schapire (1997), A decision-theoretic generalization of on-line learning and an
        application to boosting, doi:10.1006/jcss.1997.1504.
        Friedman, Hastie & Tibshirani (2000), Additive logistic regression: a statistical view of
        boosting, doi:10.1214/aos/1016218223.
    """
    return jnp.exp(-m)


def _joint_share(m: Array, q: Array) -> Array:
    """The joint over the margin beyond it, and 1 up to it."""
    joint = quotient(q, q + 1)
    return quotient(joint, jnp.maximum(m, joint))


# q^q / ((q + 1)^(q + 1) m^q) is (joint / m)^q / (q + 1), with the joint q / (q + 1): q^q alone may
# overflow. That ratio is 1 up to the joint, which makes the partials of both branches one formula.
@with_partials(
    lambda _, m, q: -(_joint_share(m, q) ** (q + 1)),
    lambda _, m, q: quotient(_joint_share(m, q) ** q, q + 1) * jnp.log(_joint_share(m, q)),
)
def _dwd(m: Array, q: Array) -> Array:
    """The tail has the value 1 / (q + 1) and the derivative -1 at the joint q / (q + 1)."""
    return jnp.maximum(q / (q + 1) - m, 0) + _joint_share(m, q) ** q / (q + 1)


def _dwd_link(score: Array, joint: Array, power: Array) -> Array:
    """1 / (1 + (joint / s)^power) beyond the joint, from the derivatives there; 1/2 up to it."""
    # By its logarithm, the log-odds: the power would overflow far out.
    steepness = power * jnp.log(jnp.maximum(jnp.abs(score), joint) / joint)
    return sigmoid(jnp.sign(score) * steepness)


@margin(
    convex=True,
    strictly_convex=False,
    lipschitz=1.0,
    smooth=lambda q: (q + 1) ** 2 / q,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda score, q: _dwd_link(score, q / (q + 1), q + 1),
)
def dwd(m: Array, *, q: Positive = 1.0) -> Array:
    """Distance-weighted discrimination (DWD): a hinge whose tail decays as a power of the margin.

        1 - m                               where m <= q / (q + 1),   m = sign * score
        q^q / ((q + 1)^(q + 1) m^q)         elsewhere

    Args:
        m: Sign times score, shape `[...]`, pure numbers.
        q: The power of the tail.

    Returns:
        One value per element, shape `[...]`, a pure number.

    Use when features outnumber examples: all examples count, and none piles up at the margin.
    Avoid when probabilities near 1/2 are wanted: the scores between ±q / (q + 1) all mean 1/2.

    Example:
        >>> import jaxloss as jl
        >>> jl.dwd([-1.0, 0.5, 1.0, 2.0], [1, 1, 1, 1]).tolist()
        [2.0, 0.5, 0.25, 0.125]

    Limits:
        `hinge` as q → ∞; `unhinged` for m <= q / (q + 1); the derivative is continuous.

    References:
        Marron, Todd & Ahn (2007), Distance-weighted discrimination,
        doi:10.1198/016214507000001120.
        Wang & Zou (2018), Another look at distance-weighted discrimination,
        doi:10.1111/rssb.12244.
    """
    return _dwd(m, q)


@margin(
    convex=True,
    strictly_convex=True,
    lipschitz=math.inf,
    smooth=2.0,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda score: jnp.clip((1 + score) / 2, 0, 1),
)
def squared_margin(m: Array) -> Array:
    """Squared margin loss (1 - m)²: least squares on labels of -1 and +1.

        (1 - m)²,   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, pure numbers.

    Returns:
        One value per element, shape `[...]`, a pure number.

    Use when a closed-form fit is wanted.
    Avoid when scores may exceed 1: an example that is very right costs as if it were wrong.

    Example:
        >>> import jaxloss as jl
        >>> jl.squared_margin([3.0, 1.0, -1.0], [1, 1, 1]).tolist()
        [4.0, 0.0, 4.0]

    Limits:
        The square of score - sign; `squared_hinge` for m <= 1; the square of `unhinged`.

    References:
        Bartlett, Jordan & McAuliffe (2006), Convexity, classification, and risk bounds,
        doi:10.1198/016214505000000907.
    """
    gap = 1 - m
    return gap * gap


@margin(
    convex=True,
    strictly_convex=False,
    lipschitz=1.0,
    smooth=0.0,
    supremum=math.inf,
    calibrated=True,
    proper=False,
    elicits="class",
)
def unhinged(m: Array) -> Array:
    """Unhinged loss 1 - m, the only convex loss that symmetric label noise does not bias.

        1 - m,   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, in any unit.

    Returns:
        One value per element, shape `[...]`, in that unit; negative where m > 1.

    Use when labels are flipped at random and the scores are kept bounded.
    Avoid when nothing bounds the scores: the loss has no lower bound, and no minimum.

    Example:
        >>> import jaxloss as jl
        >>> jl.unhinged([2.0, 0.5, -1.0], [1, 1, 1]).tolist()
        [-1.0, 0.5, 2.0]

    Limits:
        `hinge` for m <= 1; unhinged(m) + unhinged(-m) = 2, so that flipping labels at random
        scales the risk and adds a constant.

    References:
        van Rooyen, Menon & Williamson (2015), Learning with symmetric label noise: the importance
        of being unhinged, arXiv:1505.07634.
    """
    return 1 - m
