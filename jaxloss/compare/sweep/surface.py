"""A smooth estimate of scores over the space of candidates: those of few seeds are noisy."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxloss.compare.sweep.halving import signed

Floats = NDArray[np.float64]

_LENGTH = 0.25  # of the range of a number, within which scores are alike
_LEAST_SIGNAL = 0.1  # of the variance of the noise


class Site(NamedTuple):
    """The place of a candidate: the name of its contender, and coordinates from 0 to 1."""

    name: str
    coordinates: tuple[float, ...]


# A search is gone through from its start whenever there are new scores, and asks the same again.
@functools.lru_cache(maxsize=256)
def smoothed(
    wanted: tuple[Site, ...],
    sites: tuple[Site, ...],
    seeds: tuple[int, ...],
    scores: tuple[float, ...],
    *,
    higher: bool,
) -> Floats:
    """Estimates for some sites, of which each network's score is one observation.

    A score is the sum of a smooth function of the site, the luck of the seed and noise, all normal:
    the estimate is the mean of the function given the scores (kriging). Unlike a mean over seeds,
    it uses the scores of the neighbours.

    Args:
        wanted: The sites to estimate.
        sites: The site of each network.
        seeds: Its seed.
        scores: Its score; one that is not finite counts as the worst.
        higher: Whether a higher score is better.

    Returns:
        Estimates [site], signed so that higher is better; -inf where a score of a site is not
        finite.

    References:
        Rasmussen & Williams (2006), Gaussian processes for machine learning, chapter 2.
    """
    values = signed(scores, higher=higher)
    failed = np.isneginf(values)
    if failed.all():
        return np.full(len(wanted), -np.inf)
    # What diverges says nothing about the shape of the function where it is best.
    finite = values[~failed]
    middle = float(np.median(finite))
    values = np.where(failed, -np.inf, values).clip(2 * middle - float(finite.max()))
    distinct = {site: index for index, site in enumerate(dict.fromkeys(sites))}
    index = np.asarray([distinct[site] for site in sites])
    count = np.bincount(index)
    means = np.bincount(index, values) / count
    freedom = max(len(values) - len(count), 1)
    noise = max(float(np.square(values - means[index]).sum()) / freedom, 1e-12)
    signal = max(float(means.var()) - noise * float((1 / count).mean()), _LEAST_SIGNAL * noise)
    same = np.equal.outer(np.asarray(seeds), np.asarray(seeds))
    # Half of what differs between the seeds of a site is the luck of the seed, shared by all.
    covariance = signal * _kernel(sites, sites) + noise / 2 * (same + np.eye(len(values)))
    weights = np.linalg.solve(covariance, values - values.mean())
    estimates = values.mean() + signal * _kernel(wanted, sites) @ weights
    bad = {site for site, lost in zip(sites, failed, strict=True) if lost}
    return np.where([site in bad for site in wanted], -np.inf, estimates)


def _kernel(rows: Sequence[Site], columns: Sequence[Site]) -> Floats:
    """The correlation of the function at two sites; 0 for those of two contenders."""
    result = np.zeros((len(rows), len(columns)))
    for name in {site.name for site in rows}:
        ours, theirs = (
            [index for index, site in enumerate(sites) if site.name == name]
            for sites in (rows, columns)
        )
        if theirs:
            x, y = (
                np.asarray([sites[index].coordinates for index in some], np.float64)
                for sites, some in ((rows, ours), (columns, theirs))
            )
            squares = np.square((x[:, None] - y[None]) / _LENGTH).sum(-1)
            result[np.ix_(ours, theirs)] = np.exp(-squares / 2)
    return result
