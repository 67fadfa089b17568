"""What is estimated and claimed, against scipy, statsmodels, simulations and by hand."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from jaxloss.compare.statistics.estimates import ALPHA, Comparison, Estimate, corrected
from jaxloss.compare.statistics.power import Resolution, power, seeds_to_resolve


@pytest.fixture
def generator():
    return np.random.default_rng(0)


# estimates


def test_an_estimate_of_independent_seeds_is_the_mean_with_the_interval_of_scipy(generator):
    sample = generator.normal(size=7)
    found = Estimate.of(sample)
    assert found.mean == pytest.approx(sample.mean())
    assert found.error == pytest.approx(stats.sem(sample))
    low, high = stats.t.interval(0.95, 6, sample.mean(), stats.sem(sample))
    assert found.interval == pytest.approx((low, high))


def test_the_corrected_error_is_that_of_nadeau_and_bengio_by_hand():
    # deviation 1, three seeds, a test part a third of the training part: sqrt(1/3 + 1/3)
    found = Estimate.of(np.array([1.0, 2.0, 3.0]), overlap=1 / 3)
    assert found.error == pytest.approx(np.sqrt(2 / 3))
    half = 4.302652729911275 * np.sqrt(2 / 3)  # Student's 97.5 % point at 2 degrees of freedom
    assert found.interval == pytest.approx((2 - half, 2 + half))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_an_estimate_with_a_seed_that_failed_is_nan(wrong):
    found = Estimate.of(np.array([1.0, wrong, 3.0]))
    assert np.isnan([found.mean, found.error, *found.interval]).all()


def _compared(ours, theirs, *, overlap=0.0, level=ALPHA, higher=True):
    pair = (np.asarray(ours, float), np.asarray(theirs, float))
    return Comparison.of(pair, overlap=overlap, level=level, higher=higher)


def test_the_paired_test_is_that_of_scipy(generator):
    ours, theirs = generator.normal(0.9, 0.02, (2, 8))
    found, expected = _compared(ours, theirs, level=0.01), stats.ttest_rel(ours, theirs)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.difference.interval == pytest.approx(tuple(expected.confidence_interval(0.99)))
    assert found.effect == pytest.approx(expected.statistic / np.sqrt(8))
    assert found.better == (expected.statistic > 0)


def test_the_corrected_test_by_hand():
    # differences 1, 2, 3, 4, 5: mean 3, variance 5/2; 5/2 (1/5 + 1/3) = 4/3, t = 3 / sqrt(4/3)
    found = _compared(np.arange(11, 16), np.full(5, 10), overlap=1 / 3)
    assert found.difference.error == pytest.approx(np.sqrt(4 / 3))
    assert found.p == pytest.approx(2 * stats.t.sf(1.5 * np.sqrt(3), 4))
    assert found.effect == pytest.approx(3 / np.sqrt(2.5))


def _rejections(overlap, generator, runs=4000, seeds=10):
    """How often a true hypothesis is rejected, of the mean over splits of one fixed sample.

    In each run there are 60 examples for which a zero-mean difference between two fixed models is
    given, and each seed tests on 15 drawn from them: a quarter, or a third of the other 45.
    """
    examples = generator.normal(size=(runs, 60))
    order = generator.random((runs, seeds, 60)).argsort(-1)[..., :15]
    means = np.take_along_axis(examples[:, None], order, axis=-1).mean(-1)
    error = means.std(axis=-1, ddof=1) * np.sqrt(1 / seeds + overlap)
    return np.mean(2 * stats.t.sf(np.abs(means.mean(-1) / error), seeds - 1) < ALPHA), means


@pytest.mark.slow
def test_on_splits_of_one_sample_the_corrected_test_keeps_its_level_and_the_plain_one_does_not(
    generator,
):
    plain, means = _rejections(0.0, generator)
    kept = [_compared(m, np.zeros(10), overlap=1 / 3).p < ALPHA for m in means]
    assert plain > 0.25
    assert np.mean(kept) == pytest.approx(ALPHA, abs=4 * np.sqrt(ALPHA * 0.95 / 4000))


@pytest.mark.parametrize("constant", [0.0, 1 / 360])
@pytest.mark.parametrize("digits", [7, 17])
def test_differences_that_do_not_vary_claim_nothing(constant, digits):
    theirs = np.array([0.9, 0.91234567, 0.97])
    ours = np.array([float(f"{x:.{digits}g}") for x in theirs + constant])
    found = _compared(ours, [float(f"{x:.{digits}g}") for x in theirs])
    assert found.p == 1
    assert found.seeds is None
    if constant:
        assert found.difference.mean == pytest.approx(constant, rel=1e-3)
        assert np.isnan([found.effect, found.difference.error, *found.difference.interval]).all()
    else:
        assert found.difference == Estimate(0.0, 0.0, (0.0, 0.0))
        assert found.effect == 0


def test_a_comparison_with_something_that_failed_claims_nothing():
    for pair in itertools.permutations([np.array([0.1, np.nan]), np.array([0.2, 0.3])]):
        found = _compared(*pair)
        assert found.failed
        assert (found.p, found.better, found.seeds) == (1.0, False, None)
        assert np.isnan([found.effect, found.deviation]).all()


def test_lower_is_better_only_turns_the_judgement(generator):
    ours, theirs = generator.normal(size=(2, 5))
    up, down = (_compared(ours, theirs, higher=higher) for higher in (True, False))
    assert dataclasses.replace(down, better=up.better) == up
    assert down.better != up.better


def test_the_correction_is_that_of_holm(generator):
    raw = [_compared(*generator.normal(0, 1, (2, 5))) for _ in range(6)]
    found = corrected(dict(enumerate(raw)))
    expected = multipletests([c.p for c in raw], method="holm")[1]
    assert [found[i].p for i in range(6)] == pytest.approx(list(expected))
    least = min(range(6), key=lambda i: raw[i].p)
    assert found[least].p == pytest.approx(min(6 * raw[least].p, 1))
    assert corrected({}) == {}


# power


@pytest.mark.parametrize("overlap", [0.0, 1 / 3])
def test_power_is_how_often_the_test_shows_the_difference(generator, overlap):
    seeds, runs, mean, deviation = 8, 40_000, 1.4, 1.1
    # equally correlated seeds: the correlation that gives the mean a variance s² (1/n + overlap)
    correlation = overlap / (1 + overlap)
    shared = generator.normal(size=(runs, 1)) * np.sqrt(correlation)
    own = generator.normal(size=(runs, seeds)) * np.sqrt(1 - correlation)
    sample = mean + deviation * np.sqrt(1 + overlap) * (shared + own)
    error = sample.std(axis=-1, ddof=1) * np.sqrt(1 / seeds + overlap)
    shown = np.mean(sample.mean(-1) / error > stats.t.isf(0.005, seeds - 1))
    assert power(seeds, mean, deviation, overlap, 0.01) == pytest.approx(shown, abs=0.01)


@pytest.mark.parametrize(("effect", "alpha"), [(0.5, 0.05), (1.2, 0.05 / 36), (0.2, 0.01)])
def test_independent_seeds_are_as_many_as_statsmodels_solves_for(effect, alpha):
    solved = TTestPower().solve_power(effect, alpha=alpha, power=0.8)
    assert seeds_to_resolve(effect, 1.0, 0.0, alpha) == int(np.ceil(solved))
    assert seeds_to_resolve(-3 * effect, 3.0, 0.0, alpha) == int(np.ceil(solved))


def test_seeds_that_share_data_do_not_resolve_what_is_small():
    # however many seeds, the t-value is noncentral by at most d / (s sqrt(1/3))
    limit = (stats.norm.isf(0.025) + stats.norm.isf(0.2)) * np.sqrt(1 / 3)
    assert seeds_to_resolve(0.95 * limit, 1.0, 1 / 3, 0.05) is None
    assert seeds_to_resolve(1.05 * limit, 1.0, 1 / 3, 0.05) > 10
    assert seeds_to_resolve(0.95 * limit, 1.0, 0.0, 0.05) < 10


@pytest.mark.parametrize(
    ("difference", "deviation"), [(0.0, 1.0), (1.0, 0.0), (np.nan, 1.0), (1.0, np.nan), (1e-3, 1.0)]
)
def test_no_number_of_seeds_where_none_is_known_or_enough(difference, deviation):
    assert seeds_to_resolve(difference, deviation, 0.0, 0.05) is None


@pytest.mark.parametrize("overlap", [0.0, 1 / 3])
@pytest.mark.parametrize("seeds", [2, 3, 10, 50])
def test_the_least_difference_of_so_many_seeds_needs_that_many(overlap, seeds):
    resolution = Resolution(0.013, overlap, 0.05 / 36, factor=100)
    least = resolution.least(seeds)
    assert power(seeds, least / 100, 0.013, overlap, 0.05 / 36) == pytest.approx(0.8, abs=1e-4)
    assert resolution.seeds(1.001 * least) == seeds
    assert resolution.seeds(0.999 * least) == seeds + 1


def test_the_table_of_resolution_has_round_differences_about_the_deviation():
    table = Resolution(0.013, 0.0, 0.05, factor=100).table()
    assert list(table) == [0.5, 1, 2, 5]
    assert table[1] == int(np.ceil(TTestPower().solve_power(1 / 1.3, alpha=0.05, power=0.8)))
    assert Resolution(np.nan, 0.0, 0.05).table() == {}
    assert np.isnan(Resolution(np.nan, 0.0, 0.05).least(5))
