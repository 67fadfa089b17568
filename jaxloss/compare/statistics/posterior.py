"""The posterior probability of each contender to be the best."""

from collections.abc import Mapping

import numpy as np

from jaxloss.compare.statistics.estimates import Floats

_DRAWS = 10_000  # a standard error of at most 0.005


def best(scores: Mapping[str, Floats], *, higher: bool, overlap: float) -> dict[str, float]:
    """The probability that each contender has the best mean; 0 where one has failed.

    The means are drawn from the multivariate t-distribution with the covariance of the seeds. Every
    paired difference of such draws has the distribution of the correlated Bayesian t-test. Equal
    contenders share their probability.

    Args:
        scores: The metric by contender, [seed].
        higher: Whether a higher metric is better.
        overlap: r / (1 - r) of the correlation r of two seeds over data sets.
    """
    known = {name: sample for name, sample in scores.items() if np.isfinite(sample).all()}
    if not known:
        return dict.fromkeys(scores, 0.0)
    samples = np.stack(list(known.values()))
    seeds = samples.shape[1]
    generator = np.random.default_rng(0)  # equal runs give equal reports
    centred = samples - samples.mean(axis=1, keepdims=True)
    scale = np.sqrt((1 / seeds + overlap) / generator.chisquare(seeds - 1, _DRAWS))
    draws = scale[:, None] * generator.normal(size=(_DRAWS, seeds))
    # `einsum` and not `@`: starting the threads of a BLAS takes longer than this.
    means = samples.mean(axis=1, keepdims=True) + np.einsum("cs,ds->cd", centred, draws)
    signed = means if higher else -means
    winners = signed == signed.max(axis=0)
    shares = (winners / winners.sum(axis=0)).mean(axis=1)
    return dict.fromkeys(scores, 0.0) | dict(zip(known, shares.tolist(), strict=True))
