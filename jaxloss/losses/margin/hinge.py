"""Hinge losses of the margin: 0 for every example that is right by a margin.

Each is a function psi of the margin m, which is sign times score: positive where the sign of the
score is right. Examples beyond the margin have no gradient, so that the fit depends on few of
them. Where the derivative varies up to the margin, probabilities follow by the link in the facts.
"""

import math

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import Positive
from jaxloss.core.loss import margin


@margin(
    convex=True,
    strictly_convex=False,
    lipschitz=1.0,
    smooth=math.inf,
    supremum=math.inf,
    calibrated=True,
    proper=False,
    elicits="class",
)
def hinge(m: Array, *, margin: Positive = 1.0) -> Array:
    """Hinge loss: by how much the score misses a margin, as in support vector machines.

        max(margin - m, 0),   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, in any unit.
        margin: By how much a score has to be right to cost nothing, in that unit.

    Returns:
        One value per element, shape `[...]`, in the unit of the scores.

    Use when only the class matters, and few examples should determine the fit.
    Avoid when probabilities are wanted: the best score gives the class and nothing else.

    Example:
        >>> import jaxloss as jl
        >>> jl.hinge([2.0, 0.5, -1.0], [True, True, True]).tolist()
        [0.0, 0.5, 2.0]

    Limits:
        margin → 0 is `perceptron`; hinge(m, margin) = margin hinge(m / margin);
        for m <= margin it is `unhinged` + margin - 1.

    References:
        Cortes & Vapnik (1995), Support-vector networks, doi:10.1007/BF00994018.
    """
    return jnp.maximum(margin - m, 0)


@margin(
    convex=True,
    strictly_convex=False,
    lipschitz=math.inf,
    smooth=2.0,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda score, margin: jnp.clip((1 + score / margin) / 2, 0, 1),
)
def squared_hinge(m: Array, *, margin: Positive = 1.0) -> Array:
    """Squared hinge loss: smooth, and the score determines the probability.

        max(margin - m, 0)²,   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, in any unit.
        margin: By how much a score has to be right to cost nothing, in that unit.

    Returns:
        One value per element, shape `[...]`, in the unit squared.

    Use when the hinge is wanted with a continuous gradient, or with probabilities.
    Avoid when some labels are wrong: the gradient grows with the error.

    Example:
        >>> import jaxloss as jl
        >>> jl.squared_hinge([2.0, 0.5, -1.0], [1, 1, 1]).tolist()
        [0.0, 0.25, 4.0]

    Limits:
        The square of `hinge`; equal to `modified_huber` for m >= -1 and to `squared_margin` for
        m <= 1, at margin 1.

    References:
        Tang (2013), Deep learning using linear support vector machines, arXiv:1306.0239.
    """
    shortfall = jnp.maximum(margin - m, 0)
    return shortfall * shortfall


def _cubed_hinge_link(score: Array) -> Array:
    """(1 + s)² / ((1 + s)² + (1 - s)²), from the derivatives 3 (1 - s)² and 3 (1 + s)²."""
    # p makes p psi'(s) = (1 - p) psi'(-s); beyond ±1 one of the two is 0, and so p is 1 or 0.
    bounded = jnp.clip(score, -1, 1)
    return (1 + bounded) ** 2 / (2 * (1 + bounded**2))


@margin(
    convex=True,
    strictly_convex=False,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda score, margin: _cubed_hinge_link(score / margin),
)
def cubed_hinge(m: Array, *, margin: Positive = 1.0) -> Array:
    """Cubed hinge loss, with a continuous second derivative.

        max(margin - m, 0)³,   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, in any unit.
        margin: By how much a score has to be right to cost nothing, in that unit.

    Returns:
        One value per element, shape `[...]`, in the unit cubed.

    Use when the worst mistakes should be removed first, on clean labels.
    Avoid when some labels are wrong: the gradient grows with the square of the error.

    Example:
        >>> import jaxloss as jl
        >>> jl.cubed_hinge([2.0, 0.5, -1.0], [1, 1, 1]).tolist()
        [0.0, 0.125, 8.0]

    Limits:
        The cube of `hinge`.

    References:
        Janocha & Czarnecki (2017), On loss functions for deep neural networks in classification,
        arXiv:1702.05659.
    """
    shortfall = jnp.maximum(margin - m, 0)
    return shortfall * shortfall * shortfall


def _smoothed_hinge_link(score: Array) -> Array:
    """1 / (2 - s) for s >= 0, and 1 less that of -s for s < 0, in one formula."""
    # For s >= 0, psi'(s) = -(1 - s) and psi'(-s) = -1, so that p (1 - s) = 1 - p.
    return 0.5 + score / (2 * (2 - jnp.abs(score)))


@margin(
    convex=True,
    strictly_convex=False,
    lipschitz=1.0,
    smooth=1.0,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda score: _smoothed_hinge_link(jnp.clip(score, -1, 1)),
)
def smoothed_hinge(m: Array) -> Array:
    """Smoothed hinge loss: quadratic for margins between 0 and 1, linear below.

        0               where m >= 1,   m = sign * score
        (1 - m)² / 2    where 0 < m < 1
        1/2 - m         where m <= 0

    Args:
        m: Sign times score, shape `[...]`, pure numbers.

    Returns:
        One value per element, shape `[...]`, a pure number.

    Use when the hinge is wanted with a gradient that is continuous and bounded.
    Avoid when probabilities near 0 and 1 are wanted: beyond a score of 1 all are the same.

    Example:
        >>> import jaxloss as jl
        >>> jl.smoothed_hinge([2.0, 0.5, -1.0], [1, 1, 1]).tolist()
        [0.0, 0.125, 1.5]

    Limits:
        `huber` with delta 1 of max(1 - m, 0); `hinge` - 1/2 for m <= 0.

    References:
        Rennie & Srebro (2005), Loss functions for preference levels: regression with discrete
        ordered labels, IJCAI workshop on advances in preference handling.
        Shalev-Shwartz & Zhang (2013), Stochastic dual coordinate ascent methods for regularized
        loss minimization, arXiv:1209.1873.
    """
    # Both branches in one product, as in `huber`: min(half, 1/2) stands for either.
    half = jnp.maximum(1 - m, 0) / 2
    inner = jnp.minimum(half, 0.5)
    return inner * (half - inner / 2) * 4


@margin(
    convex=True,
    strictly_convex=False,
    lipschitz=4.0,
    smooth=2.0,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda score: jnp.clip((1 + score) / 2, 0, 1),
)
def modified_huber(m: Array) -> Array:
    """Modified Huber loss: squared hinge, linear where a score is wrong by more than 1.

        max(1 - m, 0)²    where m >= -1,   m = sign * score
        -4 m              where m < -1

    Args:
        m: Sign times score, shape `[...]`, pure numbers.

    Returns:
        One value per element, shape `[...]`, a pure number.

    Use when probabilities are wanted and some labels are wrong.
    Avoid when probabilities near 0 and 1 are wanted: beyond a score of 1 all are the same.

    Example:
        >>> import jaxloss as jl
        >>> jl.modified_huber([2.0, 0.5, -1.0, -2.0], [1, 1, 1, 1]).tolist()
        [0.0, 0.25, 4.0, 8.0]

    Limits:
        Twice `huber` with delta 2 of max(1 - m, 0); `squared_hinge` for m >= -1.

    References:
        Zhang (2004), Statistical behavior and consistency of classification methods based on
        convex risk minimization, doi:10.1214/aos/1079120130.
    """
    # As in `smoothed_hinge`: min(half, 1) makes one product of the parabola and its tangent.
    half = jnp.maximum(1 - m, 0) / 2
    inner = jnp.minimum(half, 1)
    return inner * (2 * half - inner) * 4


@margin(
    convex=True,
    strictly_convex=False,
    lipschitz=1.0,
    smooth=math.inf,
    supremum=math.inf,
    calibrated=False,
    proper=False,
)
def perceptron(m: Array) -> Array:
    """Perceptron loss: the size of the score where its sign is wrong, or 0.

        max(-m, 0),   m = sign * score

    Args:
        m: Sign times score, shape `[...]`, in any unit.

    Returns:
        One value per element, shape `[...]`, in that unit.

    Use when scores are kept from shrinking by other means, such as a structured prediction.
    Avoid when they are not: a score of 0 costs nothing, whatever the label.

    Example:
        >>> import jaxloss as jl
        >>> jl.perceptron([2.0, 0.5, -1.0], [1, 1, 1]).tolist()
        [0.0, 0.0, 1.0]

    Limits:
        `hinge` as its margin → 0; perceptron(m) - perceptron(-m) = -m.

    References:
        Rosenblatt (1958), The perceptron: a probabilistic model for information storage and
        organization in the brain, doi:10.1037/h0042519.
    """
    return jnp.maximum(-m, 0)
