"""Losses of one real score a class and the label of the true class; the largest score wins.

`one_vs_all` sums any margin-based loss over the classes, `one_vs_each` over the label's leads over
the other ones. `crammer_singer` and `weston_watkins` compare the true class's score with those of
the others. The one-hot errors regress on the label.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxloss.core.derive import derive
from jaxloss.core.domains import Label, Positive, Scores
from jaxloss.core.facts import Constant, Facts
from jaxloss.core.loss import Loss, Margin, loss, refuse_unless_margin
from jaxloss.losses.margin.hinge import hinge
from jaxloss.numerics import abs_zero_grad, at_label, is_label, square_sum
from jaxloss.numerics.softmax import exceeding


def one_vs_all(binary: Margin[...]) -> Loss[...]:
    """Make a loss over classes of a margin-based loss: each class against all others.

        psi(o_y) + Σ_{j != y} psi(-o_j),   psi = binary.psi,   o = scores,   y = label

    Args:
        binary: A margin-based loss, such as `hinge` or `logistic`.

    Returns:
        A loss of `scores`, shape `[..., classes]`, and integer `labels`, shape `[...]`, with the
        hyper-parameters of `binary`; the same object each time.

    Raises:
        TypeError: `binary` is not margin-based.

    Use when each class is to have a score that makes sense without the other scores.
    Avoid when `binary` does not determine probabilities, as `hinge`, and no class has a majority:
        all scores are then negative, and the largest says nothing.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.one_vs_all(jl.hinge)([1.0, 0.25], 0))
        1.25

    Limits:
        one_vs_all(logistic) is the sum of `sigmoid_binary_cross_entropy` to the one-hot label.

    References:
        Zhang (2004), Statistical behavior and consistency of classification methods based on
        convex risk minimization, doi:10.1214/aos/1079120130.
    """
    refuse_unless_margin("one_vs_all", "binary", binary)

    def function(scores: Scores, labels: Label, **hyperparameters: Any) -> Array:
        signs = jnp.where(is_label(labels, scores), 1.0, -1.0)
        return jnp.sum(binary.psi(signs * scores, **hyperparameters), axis=-1)

    summary = f"Sum of `{binary.__name__}` over classes, each against all others."
    doc = _text(summary, "psi(o_y) + Σ_{j != y} psi(-o_j)", binary)
    facts = _implied(binary.facts)
    return derive(one_vs_all, binary, function=function, doc=doc, facts=facts)


def one_vs_each(binary: Margin[...]) -> Loss[...]:
    """Make a loss over classes of a margin-based loss: the label against each other class.

        Σ_{j != y} psi(o_y - o_j),   psi = binary.psi,   o = scores,   y = label

    Args:
        binary: A margin-based loss, such as `squared_hinge` or `logistic`.

    Returns:
        A loss of `scores`, shape `[..., classes]`, and integer `labels`, shape `[...]`, with the
        hyper-parameters of `binary`; the same object each time.

    Raises:
        TypeError: `binary` is not margin-based.

    Use when only the differences of scores mean something, each with a margin of its own.
    Avoid when classes are very many: all of them count, the hopeless ones too.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.one_vs_each(jl.squared_hinge)([2.0, 1.5, 1.25], 0))
        0.3125

    Limits:
        one_vs_each(hinge) is `weston_watkins`. With two classes, `binary` of the difference of the
        scores.

    References:
        Zhang (2004), Statistical analysis of some multi-category large margin classification
        methods, JMLR 5:1225-1251, section 4.3.
    """
    refuse_unless_margin("one_vs_each", "binary", binary)

    def function(scores: Scores, labels: Label, **hyperparameters: Any) -> Array:
        return _over_other_classes(functools.partial(binary.psi, **hyperparameters), scores, labels)

    summary = f"Sum of `{binary.__name__}` of the label's leads over all other classes."
    doc = _text(summary, "Σ_{j != y} psi(o_y - o_j)", binary)
    facts = Facts(
        convex=binary.facts.convex,
        strictly_convex=False,  # a number added to all scores changes nothing
        lipschitz=_if_infinite(binary.facts.lipschitz),
        smooth=_if_infinite(binary.facts.smooth),
        supremum=_if_infinite(binary.facts.supremum),
    )
    return derive(one_vs_each, binary, function=function, doc=doc, facts=facts)


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=math.sqrt(2),
    smooth=math.inf,
    supremum=math.inf,
    calibrated=False,
    proper=False,
)
def crammer_singer(scores: Scores, labels: Label, *, margin: Positive = 1.0) -> Array:
    """Crammer-Singer multiclass hinge: that of the label's lead over the largest other score.

        max(0, margin + max_{j != y} o_j - o_y),   o = scores,   y = label

    Args:
        scores: One real score a class, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.
        margin: The lead that costs nothing, in the unit of the scores.

    Returns:
        One value per example, shape `[...]`, in the unit of the scores.

    Use when one class nearly always has a majority and sparse support vectors are wanted.
    Avoid when no class has a majority: the largest score can then be the wrong one.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.crammer_singer([2.0, 1.5, 0.0], 0))
        0.5

    Limits:
        With two classes, `weston_watkins` and `hinge` of the difference of the scores.

    References:
        Crammer & Singer (2001), On the algorithmic implementation of multiclass kernel-based
        vector machines, JMLR 2:265-292, doi:10.5555/944790.944813.
    """
    others = jnp.where(is_label(labels, scores), -jnp.inf, scores)
    score_gap = exceeding(jnp.max(others, axis=-1), at_label(scores, labels))
    return jnp.maximum(score_gap + margin, 0)


@loss(
    convex=True,
    strictly_convex=False,
    smooth=math.inf,
    supremum=math.inf,
    calibrated=False,
    proper=False,
)
def weston_watkins(scores: Scores, labels: Label, *, margin: Positive = 1.0) -> Array:
    """Weston-Watkins multiclass hinge: the sum over other classes of that of the label's lead.

        Σ_{j != y} max(0, margin + o_j - o_y),   o = scores,   y = label

    Args:
        scores: One real score a class, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.
        margin: The lead over each other class that costs nothing, in the unit of the scores.

    Returns:
        One value per example, shape `[...]`, in the unit of the scores.

    Use when a margin is wanted and labels are noisy: it orders classes by their probability.
    Avoid when classes are very many: all others count, the hopeless ones too.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.weston_watkins([2.0, 1.5, 1.25], 0))
        0.75

    Limits:
        With two classes, `crammer_singer` and `hinge` of the difference of the scores;
        `one_vs_each(hinge)`.

    References:
        Wang & Scott (2020), Weston-Watkins hinge loss and ordered partitions, arXiv:2006.07346.
    """
    return _over_other_classes(functools.partial(hinge.psi, margin=margin), scores, labels)


@loss(
    convex=True,
    strictly_convex=False,
    smooth=math.inf,
    supremum=math.inf,
    calibrated=False,
    proper=False,
)
def one_hot_absolute_error(scores: Scores, labels: Label) -> Array:
    """Sum of absolute differences between the scores and the one-hot label.

        ||o - e_y||_1,   o = scores,   e_y = one-hot of the label y

    Args:
        scores: One real score a class, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in the unit of the scores.

    Use when scores, not probabilities, are wanted and one class always has a majority.
    Avoid when no class has a majority: it then learns the score 0 for every class.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.one_hot_absolute_error([0.5, 0.25], 0))
        0.75

    Limits:
        The sum over classes of `absolute_error` to the one-hot label.

    References:
        Janocha & Czarnecki (2017), On loss functions for deep neural networks in classification,
        arXiv:1702.05659.
    """
    return jnp.sum(abs_zero_grad(_from_one_hot(scores, labels)), axis=-1)


@loss(
    convex=True,
    strictly_convex=True,
    lipschitz=math.inf,
    smooth=2.0,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="distribution",
)
def one_hot_squared_error(scores: Scores, labels: Label) -> Array:
    """Sum of squared differences between the scores and the one-hot label.

        ||o - e_y||_2²,   o = scores,   e_y = one-hot of the label y

    The scores of least risk are the class probabilities themselves, without a softmax.

    Args:
        scores: One real score a class, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in the squared unit of the scores.

    Use when cross-entropy overfits: with tuned rates it often reaches the same error.
    Avoid when classes are very many: the one term of the label drowns in the others.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.one_hot_squared_error([0.5, 0.25], 0))
        0.3125

    Limits:
        The sum over classes of `squared_error` to the one-hot label.

    References:
        Hui & Belkin (2021), Evaluation of neural architectures trained with square loss vs
        cross-entropy in classification tasks, arXiv:2006.07322.
    """
    return square_sum(_from_one_hot(scores, labels))


def _text(summary: str, formula: str, binary: Margin[...]) -> str:
    return f"""{summary}

        {formula},   psi = {binary.__name__},   o = scores,   y = label

    Args:
        scores: One real score a class, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.
        **hyperparameters: Those of `{binary.__name__}`.

    Returns:
        One value per example, shape `[...]`.
    """


def _over_other_classes(psi: Callable[..., Array], scores: Array, labels: Array) -> Array:
    """The sum of a function of the label's lead over each other class."""
    is_true = is_label(labels, scores)
    others = jnp.where(is_true, -jnp.inf, scores)
    leads = -exceeding(others, at_label(scores, labels)[..., None])
    # Its lead over itself is infinite: where psi or its derivative is not finite there, the outer
    # `where` alone would leave NaN in the gradient.
    return jnp.sum(jnp.where(is_true, 0, psi(jnp.where(is_true, 0, leads))), axis=-1)


def _implied(binary: Facts) -> Facts:
    """What follows for a sum in which each class's score stands in a term of its own."""
    return Facts(
        convex=binary.convex,
        strictly_convex=binary.strictly_convex,
        lipschitz=_if_infinite(binary.lipschitz),  # if finite it grows with the number of classes
        smooth=binary.smooth,
        supremum=_if_infinite(binary.supremum),
        calibrated=True if binary.proper is True else None,
    )


def _if_infinite(constant: Constant) -> Constant:
    return math.inf if constant == math.inf else None


def _from_one_hot(scores: Array, labels: Array) -> Array:
    return scores - is_label(labels, scores).astype(scores.dtype)
