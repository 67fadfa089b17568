"""Pairs of objectives that differ by a factor only: one hypothesis, tested twice."""

from collections.abc import Collection

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
