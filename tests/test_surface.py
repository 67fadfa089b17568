"""The smooth estimate of scores: beside Gaussian processes of scikit-learn, and its use."""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from jaxloss.compare.sweep.surface import Site, smoothed

GENERATOR = np.random.default_rng(0)


def observed(function, sites, seeds, noise):
    """Sites, seeds and scores of networks."""
    luck = GENERATOR.normal(size=seeds) * noise
    pairs = [(site, seed) for site in sites for seed in range(seeds)]
    drawn = [luck[seed] + noise * GENERATOR.normal() for _, seed in pairs]
    scores = (function(*site.coordinates) + x for (site, _), x in zip(pairs, drawn, strict=True))
    return *zip(*pairs, strict=True), tuple(scores)


def peak(x):
    return -np.square(x - 0.6)


def test_the_estimate_is_that_of_a_gaussian_process_where_seeds_have_no_luck():
    """One seed a site, so that the noise is unknown and taken for nothing."""
    sites = tuple(Site("a", (x,)) for x in np.linspace(0, 1, 6))
    scores = tuple(x for _, (x,) in sites)  # of which none is far from the median
    kernel = ConstantKernel(np.var(scores), "fixed") * RBF(0.25, "fixed")
    peer = GaussianProcessRegressor(kernel, alpha=1e-12, optimizer=None)
    peer.fit([site.coordinates for site in sites], scores - np.mean(scores))
    wanted = tuple(Site("a", (x,)) for x in (0.1, 0.5, 0.9))
    expected = peer.predict([site.coordinates for site in wanted]) + np.mean(scores)
    found = smoothed(wanted, sites, tuple(range(6)), scores, higher=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    negated = smoothed(wanted, sites, tuple(range(6)), tuple(-x for x in scores), higher=False)
    np.testing.assert_allclose(negated, found, atol=1e-9)


def test_neighbours_find_the_best_better_than_means_over_seeds():
    sites = tuple(Site("a", (x,)) for x in np.linspace(0, 1, 16))
    values = np.array([peak(*site.coordinates) for site in sites])
    lost = np.zeros(2)
    for _ in range(50):
        networks = observed(peak, sites, 2, noise=0.1)
        means = np.reshape(networks[2], (16, 2)).mean(1)
        smooth = smoothed(sites, *networks, higher=True)
        lost += [-values[means.argmax()], -values[smooth.argmax()]]
    assert lost[1] < 0.7 * lost[0]


def test_what_failed_is_worst_and_leaves_its_neighbours_alone():
    sites = tuple(Site("a", (x,)) for x in (0.0, 0.3, 0.6, 0.9))
    networks = observed(peak, sites, 2, noise=0.01)
    usual = smoothed(sites, *networks, higher=True)
    where, seeds, scores = networks
    found = smoothed(sites, where, seeds, (*scores[:7], np.nan), higher=True)
    assert found[3] == -np.inf
    assert found[:3].argmax() == usual[:3].argmax() == 2
    failed = smoothed(sites, where, seeds, (np.nan,) * 8, higher=True)
    assert failed.tolist() == [-np.inf] * 4


def test_contenders_do_not_inform_each_other_and_missing_seeds_are_fair():
    """Seeds that only some have are as lucky for those as for others."""
    a, b = Site("a", (0.5,)), Site("b", (0.5,))
    sites, seeds = (a, a, b, b, a, a), (0, 1, 0, 1, 2, 3)
    scores = (1.0, 1.1, 0.5, 0.6, 5.0, 5.1)  # the later seeds are easy
    found = smoothed((a, b), sites, seeds, scores, higher=True)
    alone = smoothed((b,), sites[:4], seeds[:4], scores[:4], higher=True)
    assert found[0] > found[1]
    assert alone[0] == pytest.approx(0.55, abs=0.3)
