"""Pairs of objectives that differ by a factor only: one hypothesis, tested twice."""

from collections.abc import Collection, Sequence

from jaxloss.compare.statistics.estimates import Estimate, Floats
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


def gaps(results: Results, pair: tuple[str, str], rates: Sequence[int]) -> list[Estimate] | None:
    """The mean difference of two twins at each level of noise; None unless both were trained.

    Args:
        results: The results of the run.
        pair: The names of the twins.
        rates: The index of the learning rate at each level, one for both: else their difference
            might be one of rates.
    """
    one, other = (_scores(results, name) for name in pair)
    if one is None or other is None:
        return None
    return [Estimate.of(at[rate]) for at, rate in zip(one - other, rates, strict=True)]


def _scores(results: Results, name: str) -> Floats | None:
    """Scores after training, [noise, rate, seed], of a contender or a variant of the control."""
    if name in results.grids:
        grid = results.grids[name].test
        return grid[0, ..., -1] if len(grid) == 1 else None
    lineup = results.plan.lineup
    variants = lineup[lineup.control].variants if lineup.control else ()
    for index, variant in enumerate(variants):
        if name == f"{lineup.reference}(temperature={variant.hyperparameters['temperature']:g})":
            scores: Floats = results.grids[str(lineup.control)].test[index, ..., -1]
            return scores
    return None
