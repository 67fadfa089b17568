"""Bounded losses of the margin, which no single wrong label can dominate.

Each is a function psi of the margin m, which is sign times score: positive where the sign of the
score is right. None is convex, so the fit depends on where it starts.
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxloss.core.loss import margin
from jaxloss.numerics.logistic import sigmoid
from jaxloss.numerics.special import arctan


@margin(
    convex=False,
    strictly_convex=False,
    lipschitz=0.5,
    smooth=math.inf,
    supremum=1.0,
    calibrated=True,
    proper=False,
    elicits="class",
)
def ramp(m: Array) -> Array:
    """Ramp loss: half the hinge, clipped at 1.

        min(max((1 - m) / 2, 0), 1),   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, pure numbers.

    Returns:
        One value per element, shape `[...]`, between 0 and 1.

    Use when labels are flipped at random, after a start with a convex loss.
    Avoid when starting from far off: beyond scores of ±1 the gradient is 0.

    Example:
        >>> import jaxloss as jl
        >>> jl.ramp([2.0, 0.5, -0.5, -2.0], [1, 1, 1, 1]).tolist()
        [0.0, 0.25, 0.75, 1.0]

    Limits:
        ramp(m) + ramp(-m) = 1, so that flipping labels at random scales the risk and adds a
        constant; half the difference of `hinge`(m) and `perceptron`(m + 1).

    References:
        Collobert, Sinz, Weston & Bottou (2006), Trading convexity for scalability,
        doi:10.1145/1143844.1143870.
        Ghosh, Manwani & Sastry (2015), Making risk minimization tolerant to label noise,
        doi:10.1016/j.neucom.2014.09.081.
    """
    return jnp.clip((1 - m) / 2, 0, 1)


@margin(
    convex=False,
    strictly_convex=False,
    lipschitz=0.25,
    smooth=1 / (6 * math.sqrt(3)),
    supremum=1.0,
    calibrated=True,
    proper=False,
    elicits="class",
)
def sigmoid_margin(m: Array) -> Array:
    """Sigmoid loss: the probability of the other label, a smooth zero-one loss.

        1 / (1 + exp(m)),   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, in nats of log-odds.

    Returns:
        One value per element, shape `[...]`, between 0 and 1.

    Use when labels are flipped at random, after a start with a convex loss.
    Avoid when probabilities are wanted: the best score is plus or minus infinity.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.sigmoid_margin([0.0, 2.0, -2.0], [1, 1, 1])]
        [0.5, 0.1192, 0.8808]

    Limits:
        sigmoid_margin(m) + sigmoid_margin(-m) = 1, so that flipping labels at random scales the
        risk and adds a constant; 1 - exp(-`logistic`(m)); sigmoid_margin(k m) counts mistakes as
        k → ∞.

    References:
        Ghosh, Manwani & Sastry (2015), Making risk minimization tolerant to label noise,
        doi:10.1016/j.neucom.2014.09.081.
    """
    return sigmoid(-m)


@margin(
    convex=False,
    strictly_convex=False,
    lipschitz=8 / 27,
    smooth=0.1540585701213505,  # s² (1 - s) (4 - 6 s) at s = (15 - √33) / 24
    supremum=1.0,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=sigmoid,
)
def savage(m: Array) -> Array:
    """Savage loss: the squared probability of the other label; bounded and proper.

        1 / (1 + exp(m))²,   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, in nats of log-odds. The paper writes 2 m for m.

    Returns:
        One value per element, shape `[...]`, between 0 and 1.

    Use when some labels are wrong and probabilities are wanted all the same.
    Avoid when starting from far off: the gradient vanishes where scores are very wrong.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.savage([0.0, 2.0, -2.0], [1, 1, 1])]
        [0.25, 0.0142, 0.7758]

    Limits:
        (p - y)² for the label y in {0, 1} and its probability p, the logistic function of the
        score: half the Brier score; the square of `sigmoid_margin`.

    References:
        Masnadi-Shirazi & Vasconcelos (2008), On the design of loss functions for classification:
        theory, robustness to outliers, and SavageBoost, NIPS 21.
        Brier (1950), Verification of forecasts expressed in terms of probability,
        doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    return sigmoid(-m) ** 2


@margin(
    convex=False,
    strictly_convex=False,
    lipschitz=6.168571308828052,  # at the root m = -0.5132 of m (2 atan(m) - 1) = 1
    smooth=8.484612157278836,  # at m = 0.1210
    supremum=(math.pi + 1) ** 2,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda score: jnp.clip(jnp.arctan(score) + 0.5, 0, 1),
)
def tangent(m: Array) -> Array:
    """Tangent loss (2 atan(m) - 1)²: bounded, also for scores that are far too right.

        (2 atan(m) - 1)²,   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, pure numbers.

    Returns:
        One value per element, shape `[...]`, between 0 and (π + 1)² = 17.15.

    Use when outliers occur on both sides of the boundary, as in images.
    Avoid when large scores are right: beyond m = tan(1/2) = 0.546 the loss rises again, to 4.59.

    Example:
        >>> import jaxloss as jl
        >>> [round(float(x), 4) for x in jl.tangent([0.0, 0.5, -2.0], [1, 1, 1])]
        [1.0, 0.0053, 10.3317]

    Limits:
        `squared_margin` of 2 atan(m); 0 at m = tan(1/2); (π + 1)² as m → -∞ and (π - 1)² as
        m → ∞.

    References:
        Masnadi-Shirazi, Mahadevan & Vasconcelos (2010), On the design of robust classifiers for
        computer vision, doi:10.1109/CVPR.2010.5540136.
    """
    gap = 2 * arctan(m) - 1
    return gap * gap
