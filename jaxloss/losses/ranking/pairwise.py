"""Losses of two scores and a label for which should be larger: a margin loss of the difference."""

from math import inf
from typing import Any

from jax import Array

from jaxloss.core.derive import derive
from jaxloss.core.domains import NonNegative, Score, Sign
from jaxloss.core.facts import Facts
from jaxloss.core.loss import Loss, Margin, loss, refuse_unless_margin
from jaxloss.losses.margin.hinge import hinge


@loss(convex=True, strictly_convex=False, lipschitz=1.0, smooth=inf, supremum=inf)
def margin_ranking(
    first: Score, second: Score, labels: Sign, *, margin: NonNegative = 0.0
) -> Array:
    """Margin ranking loss: hinge of the lead of the score that should be larger.

        max(0, margin - s (f - g)),   f = first, g = second, s = sign of the label

    Args:
        first: The score of one item of each pair, shape `[...]`.
        second: The score of the other item, shape `[...]`.
        labels: Whether the first should be larger: bool, {0, 1} or {-1, +1}, shape `[...]`.
        margin: The lead that costs nothing, >= 0, in the unit of the scores.

    Returns:
        One value per pair, shape `[...]`, in the unit of the scores.

    Use when only the order of items is known, and orders that are right should be left alone.
    Avoid when scores may collapse: at margin 0 equal scores cost nothing. `ranking(logistic)`
        also gives the probability of each order.

    Example:
        >>> import jaxloss as jl
        >>> jl.margin_ranking([2.0, 2.0], [1.5, 1.5], [True, False], margin=1.0).tolist()
        [0.5, 1.5]

    Limits:
        margin = 0 is `perceptron`, margin > 0 `hinge`, of the difference of the scores.

    References:
        Joachims (2002), Optimizing search engines using clickthrough data,
        doi:10.1145/775047.775067.
    """
    return hinge.psi(labels * (first - second), margin=margin)


def ranking(psi: Margin[...]) -> Loss[...]:
    """Make a loss of two scores and their order from a margin-based loss.

        psi(s (f - g)),   f = first, g = second, s = sign of the label

    Args:
        psi: A margin-based loss, such as `logistic` or `hinge`.

    Returns:
        A loss of scores `first` and `second` and of `labels`, whether the first should be larger,
        all of shape `[...]`, with the hyper-parameters of `psi`; the same object each time.

    Raises:
        TypeError: `psi` is not margin-based.

    Use when items are compared in pairs; of a reward model, `ranking(logistic)` is the likelihood.
    Avoid when items have grades of their own: regression on them uses more than the order.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.ranking(jl.hinge)(2.0, 1.5, True, margin=2.0))
        1.5

    Limits:
        ranking(perceptron) is `margin_ranking`, and so is ranking(hinge) at the same margin > 0.

    References:
        Burges et al. (2005), Learning to rank using gradient descent,
        doi:10.1145/1102351.1102363.
        Bradley & Terry (1952), Rank analysis of incomplete block designs: I. The method of paired
        comparisons, doi:10.1093/biomet/39.3-4.324.
    """
    refuse_unless_margin("ranking", "psi", psi)

    def function(first: Score, second: Score, labels: Sign, **hyperparameters: Any) -> Array:
        return psi.psi(labels * (first - second), **hyperparameters)

    doc = f"""`{psi.__name__}` of the lead of one score over another.

        psi(s (f - g)),   psi = {psi.__name__},   f = first, g = second, s = sign of the label

    Args:
        first: The score of one item of each pair, shape `[...]`.
        second: The score of the other item, shape `[...]`.
        labels: Whether the first should be larger: bool, {{0, 1}} or {{-1, +1}}, shape `[...]`.
        **hyperparameters: Those of `{psi.__name__}`.

    Returns:
        One value per pair, shape `[...]`.
    """
    facts = Facts(
        convex=psi.facts.convex,
        strictly_convex=psi.facts.strictly_convex,
        lipschitz=psi.facts.lipschitz,
        smooth=psi.facts.smooth,
        supremum=psi.facts.supremum,
    )
    return derive(ranking, psi, function=function, doc=doc, facts=facts)
