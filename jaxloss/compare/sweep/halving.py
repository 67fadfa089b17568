"""Successive halving: many candidates on few seeds, then the best of them on more.

References:
    Jamieson & Talwalkar (2016), Non-stochastic best arm identification and hyperparameter
    optimization, arXiv:1502.07943. Here the resource is the number of seeds.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

T = TypeVar("T", bound=Hashable)
Estimate = Callable[[Sequence[T], Mapping[tuple[T, int], float]], NDArray[np.float64]]

# Seeds of each round. Of two or three seeds alone the best rate is often a lucky one, whose loss
# then seems worse than it is.
ROUNDS = (2, 4, 6)
# Neighbours in a range differ by less than values of a list, and take more seeds to distinguish.
FINE_ROUNDS = (2, 4, 8, 16)
_KEPT = 1 / 3  # of the candidates, for the next round
_LEAST_KEPT = 2


@dataclass(frozen=True)
class Search(Generic[T]):
    """The state of a search.

    Attributes:
        ranked: The candidates that are left, the best first.
        tried: All candidates, in the order in which they came.
        lacking: The pairs of a candidate and a seed whose scores decide how the search goes on;
            empty where it has ended.
    """

    ranked: tuple[T, ...]
    tried: tuple[T, ...]
    lacking: tuple[tuple[T, int], ...] = ()


def halve(
    start: Sequence[T],
    scores: Mapping[tuple[T, int], float],
    outward: Callable[[T], Iterable[T]] = lambda _: (),
    estimate: Estimate[T] | None = None,
    *,
    higher: bool,
    rounds: Sequence[int] = ROUNDS,
) -> Search[T]:
    """Search for the best candidate, as far as the scores reach.

    The search is a function of the scores alone: one that was interrupted goes on where it was.

    Args:
        start: The candidates; ties go to the first.
        scores: The scores by candidate and seed. One that is not finite is the worst of all.
        outward: Further candidates beside the best one.
        estimate: Estimates the scores of candidates, signed so that higher is better, from those of
            all networks; by default their means.
        higher: Whether a higher score is better.
        rounds: The number of seeds of each round.
    """
    left, tried = list(start), list(start)
    for seeds in rounds:
        while True:
            wanted = [(candidate, seed) for candidate in left for seed in range(seeds)]
            lacking = tuple(pair for pair in wanted if pair not in scores)
            if lacking:
                return Search(tuple(left), tuple(tried), lacking)
            # Of the rounds so far: what came later must not change how the search came to it.
            pairs = ((candidate, seed) for candidate in tried for seed in range(seeds))
            known = {pair: scores[pair] for pair in pairs if pair in scores}
            if estimate:
                estimates = estimate(left, known)
            else:
                samples = [[known[candidate, seed] for seed in range(seeds)] for candidate in left]
                estimates = mean_scores(samples, higher=higher)
            order = np.argsort(-rounded(estimates), kind="stable")
            left = [left[index] for index in order]
            more = [candidate for candidate in outward(left[0]) if candidate not in tried]
            if not more:
                break
            left, tried = left + more, tried + more
        if seeds < rounds[-1]:
            left = left[: max(math.ceil(_KEPT * len(left)), _LEAST_KEPT)]
    return Search(tuple(left), tuple(tried))


def mean_scores(samples: Sequence[Sequence[float]], *, higher: bool) -> NDArray[np.float64]:
    """Mean scores [candidate], signed so that higher is better; -inf where one is not finite."""
    return rounded(signed(samples, higher=higher).mean(axis=-1))


def signed(scores: ArrayLike, *, higher: bool) -> NDArray[np.float64]:
    """Scores of which higher is better; -inf where one is not finite."""
    values = np.asarray(scores, np.float64)
    return np.where(np.isfinite(values), values if higher else -values, -np.inf)


def rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to 6 digits, so that rounding errors do not decide between equal means."""
    sizes = np.abs(values)
    known = np.isfinite(values)
    unit = 10.0 ** (np.floor(np.log10(np.where(known & (sizes > 0), sizes, 1.0))) - 5)
    return np.where(known, np.round(np.where(known, values, 0) / unit) * unit, values)
