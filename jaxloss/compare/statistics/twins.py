"""Pairs of objectives that differ by a factor only: one hypothesis, tested twice."""

from collections.abc import Collection, Mapping

import numpy as np

from jaxloss.compare.statistics.estimates import Estimate
from jaxloss.compare.sweep.results import Results

# Each pair with the proof. Adam is invariant to the scale of gradients but for its epsilon (Kingma
# & Ba 2015, arXiv:1412.6980): the two train alike.
TWINS = {
    ("cauchy_schwarz", "cross_entropy(temperature=0.5)"): (
        "The Cauchy-Schwarz divergence to a certain label is half of cross-entropy at temperature "
        "1/2, (log sum exp(2 o) - 2 o_y) / 2 of logits o"
    ),
    ("chebyshev", "expectation"): (
        "No probability is further off than that of the true class, so chebyshev is half of "
        "expectation"
    ),
}


def distinct(names: Collection[str]) -> int:
    """The number of hypotheses about contenders of these names: twins are one."""
    return len(names) - sum(set(pair) <= set(names) for pair in TWINS)


def gaps(results: Results, pair: tuple[str, str]) -> list[Estimate] | None:
    """The mean difference of two twins at each level of noise; None unless both were trained.

    They are compared on the seeds of tuning, at the learning rate that was chosen for the first:
    else their difference might be one of rates.
    """
    apart = []
    for level in range(len(results.plan.noise)):
        rate = results.chosen(pair[0], level).rate
        one, other = (_scores(results, name, rate, level) for name in pair)
        shared = sorted(set(one) & set(other))
        if len(shared) < 2:
            return None
        apart.append(Estimate.of(np.asarray([one[seed] - other[seed] for seed in shared])))
    return apart


def _scores(results: Results, name: str, rate: float, level: int) -> Mapping[int, float]:
    """The scores at a learning rate by seed; the control has those of its temperatures."""
    lineup = results.plan.lineup
    named = {contender.name for contender in lineup.contenders}
    for each in results.tried(name if name in named else str(lineup.control), level):
        temperature = each.hyperparameters.get("temperature")
        same = name in named or name == f"{lineup.reference}(temperature={temperature:g})"
        if same and each.rate == rate:
            return each.test
    return {}
