"""What is estimated and claimed, against scipy, statsmodels, baycomp, simulations and by hand."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from jaxloss.compare.comparison import planned
from jaxloss.compare.statistics import posterior
from jaxloss.compare.statistics.estimates import Difference, Estimate, PairedTest
from jaxloss.compare.statistics.power import Resolution
from jaxloss.compare.statistics.standings import NETWORK_SHARE
from jaxloss.compare.statistics.twins import distinct
from jaxloss.compare.sweep.run import run
from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.mnist1d import MNIST1D, generate


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


def _compared(ours, theirs, *, higher=True, **options):
    return PairedTest(higher, **options)(np.asarray(ours, float), np.asarray(theirs, float))


def test_the_paired_test_is_that_of_scipy(generator):
    ours, theirs = generator.normal(0.9, 0.02, (2, 8))
    found, expected = _compared(ours, theirs), stats.ttest_rel(ours, theirs)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.difference.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.effect == pytest.approx(expected.statistic / np.sqrt(8))
    assert found.better == (expected.statistic > 0)
    assert found.on_new_data == found.difference  # each seed has data of its own


def test_the_claim_on_new_data_by_hand():
    # differences 1, 2, 3, 4, 5: mean 3, variance 5/2; 5/2 (1/5 + 1/3) = 4/3, t = 3 / sqrt(4/3)
    found = _compared(np.arange(11, 16), np.full(5, 10), overlap=1 / 3)
    assert found.on_new_data.error == pytest.approx(np.sqrt(4 / 3))
    assert found.on_new_data.p == pytest.approx(2 * stats.t.sf(1.5 * np.sqrt(3), 4))
    assert found.difference.error == pytest.approx(np.sqrt(1 / 2))
    assert found.p == pytest.approx(2 * stats.t.sf(3 * np.sqrt(2), 4))
    assert found.effect == pytest.approx(3 / np.sqrt(2.5))


def test_where_nothing_is_known_of_other_data_nothing_is_claimed_on_them(generator):
    found = _compared(*generator.normal(size=(2, 6)), overlap=None)
    assert found.on_new_data is None
    assert not found.generalises


@pytest.mark.parametrize("overlap", [0.0, 0.05, 1 / 3])
@pytest.mark.parametrize("comparisons", [1, 7, 40])
def test_an_interval_lies_on_one_side_of_nothing_where_its_p_value_is_significant(
    generator, comparisons, overlap
):
    raw = []
    for effect in np.linspace(0, 3, 40):
        sample = generator.normal(effect, 1, 6)
        found = _compared(sample, np.zeros(6), comparisons=comparisons, overlap=overlap)
        for claim in (found.difference, found.on_new_data):
            low, high = claim.interval
            assert claim.significant == (low > 0 or high < 0)
        raw.append(stats.ttest_1samp(sample, 0).pvalue)
        expected = multipletests([raw[-1]] + [1.0] * (comparisons - 1), method="bonferroni")[1][0]
        assert found.p == pytest.approx(expected)


@pytest.mark.parametrize("constant", [0.0, 1 / 360])
@pytest.mark.parametrize("digits", [7, 17])
def test_differences_that_do_not_vary_claim_nothing(constant, digits):
    theirs = np.array([0.9, 0.91234567, 0.97])
    ours = np.array([float(f"{x:.{digits}g}") for x in theirs + constant])
    found = _compared(ours, [float(f"{x:.{digits}g}") for x in theirs], margin=0.001)
    assert found.p == 1
    assert found.on_new_data == found.difference or constant
    if constant:
        assert found.difference.mean == pytest.approx(constant, rel=1e-3)
        assert np.isnan([found.effect, found.difference.error, *found.difference.interval]).all()
        assert not found.is_within(1.0)
    else:
        assert found.difference == Difference(0.0, 0.0, (0.0, 0.0))
        assert found.effect == 0
        assert found.is_within(0.001)
        assert found.probabilities.same == 1


def test_a_comparison_with_something_that_failed_claims_nothing():
    for pair in itertools.permutations([np.array([0.1, np.nan]), np.array([0.2, 0.3])]):
        found = _compared(*pair)
        assert found.failed
        assert (found.p, found.better) == (1.0, False)
        assert np.isnan([found.effect, found.deviation, found.probabilities.better]).all()


def test_lower_is_better_only_turns_the_judgement(generator):
    ours, theirs = generator.normal(size=(2, 5))
    up, down = (_compared(ours, theirs, higher=higher, margin=0.1) for higher in (True, False))
    assert down.difference == up.difference
    assert down.better != up.better
    assert down.probabilities.better == up.probabilities.worse
    assert down.probabilities.worse == up.probabilities.better


# probabilities


# Better, same and worse by `two_on_single` of baycomp 1.0.3, of Benavoli and others. Numbers and no
# calls, as that package installs a package called `tests`, before this one on the path. Its folds
# are disjoint: k of them have an overlap of 1 / (k - 1).
OF_BAYCOMP = [
    (8, 2, 0.3, (0.433492050198393, 0.3374340411198524, 0.22907390868175465)),
    (8, 2, 2.0, (0.011651130385720188, 0.9833641727977943, 0.004984696816485493)),
    (8, 2, 0.0, (0.6156267956507008, 0.0, 0.3843732043492992)),
    (10, 1, 0.3, (0.36658856182743005, 0.5096205727537705, 0.12379086541879951)),
    (30, 3, 0.0, (0.6267856046604998, 0.0, 0.3732143953395002)),
    (30, 3, 0.3, (0.2958384094972146, 0.583337584072251, 0.12082400643053433)),
]


@pytest.mark.parametrize(("seeds", "runs", "rope", "expected"), OF_BAYCOMP)
def test_the_probabilities_are_those_of_baycomp(generator, seeds, runs, rope, expected):
    ours, theirs = generator.normal((0.5, 0), 1, (seeds, 2)).T
    overlap = 1 / (seeds / runs - 1)
    found = _compared(ours, theirs, overlap=overlap, margin=rope).probabilities
    assert (found.better, found.same, found.worse) == pytest.approx(expected, abs=1e-9)


def test_the_probability_to_be_the_best_of_two_is_that_of_their_difference(generator):
    ours, theirs = generator.normal((0.3, 0), 1, (9, 2)).T
    for higher, overlap in itertools.product([True, False], [0.0, 1 / 3]):
        pair = {"ours": ours, "theirs": theirs}
        found = posterior.best(pair, higher=higher, overlap=overlap)
        expected = _compared(ours, theirs, higher=higher, overlap=overlap).probabilities
        assert found["ours"] == pytest.approx(expected.better, abs=0.015)
        assert sum(found.values()) == pytest.approx(1)


def test_equal_contenders_share_their_probability_and_one_that_failed_has_none(generator):
    sample = generator.normal(size=6)
    scores = {"one": sample, "other": sample.copy(), "failed": sample * np.nan, "far": sample - 9}
    found = posterior.best(scores, higher=True, overlap=0.0)
    assert found == pytest.approx({"one": 0.5, "other": 0.5, "failed": 0.0, "far": 0.0}, abs=1e-3)
    assert posterior.best({"failed": scores["failed"]}, higher=True, overlap=0) == {"failed": 0.0}


def test_twins_are_one_hypothesis():
    assert distinct({"chebyshev", "brier", "expectation"}) == 2
    assert distinct({"chebyshev", "brier"}) == 2
    assert distinct({"cauchy_schwarz", "cross_entropy(temperature=0.5)", "tanimoto"}) == 2


# power


@pytest.mark.parametrize("seeds", [3, 8, 50])
def test_the_least_difference_of_so_many_seeds_has_a_power_of_80_percent(seeds):
    resolution = Resolution(deviation=0.013, alpha=0.05 / 36)
    least = resolution.least(seeds)
    power = TTestPower().power(least / 0.013, seeds, 0.05 / 36 / 2, alternative="larger")
    assert power == pytest.approx(0.8, abs=1e-4)
    assert resolution.seeds(1.001 * least) == seeds
    assert resolution.seeds(0.999 * least) == seeds + 1


def test_power_is_how_often_the_test_shows_the_difference(generator):
    seeds, runs = 8, 40_000
    sample = generator.normal(Resolution(1.0, 0.01).least(seeds), 1, (runs, seeds))
    t = sample.mean(-1) / (sample.std(-1, ddof=1) / np.sqrt(seeds))
    assert np.mean(t > stats.t.isf(0.005, seeds - 1)) == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("difference", "deviation"), [(0.0, 1.0), (1.0, 0.0), (np.nan, 1.0), (1.0, np.nan), (1e-3, 1.0)]
)
def test_no_number_of_seeds_where_none_is_known_or_enough(difference, deviation):
    assert Resolution(deviation, 0.05).seeds(difference) is None


# simulations


def _differences(generator, correlation, runs, seeds=8):
    """Differences [run, seed] of mean 0 over data sets, and the mean of each run's data set."""
    data = np.sqrt(correlation) * generator.normal(size=runs)
    own = np.sqrt(1 - correlation) * generator.normal(size=(runs, seeds))
    return data[:, None] + own, data


# Networks have correlations of -0.04 to 0.03, as measured below; linear ones up to that of the
# correction, 1/4 where a test part is a third of the training part.
@pytest.mark.parametrize("runs", [1000, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("correlation", "overlap"), [(0.0, 0.05), (0.04, 0.05), (0.1, 1 / 3), (0.25, 1 / 3)]
)
def test_both_claims_cover_what_they_are_about(generator, correlation, overlap, runs):
    samples, data = _differences(generator, correlation, runs)
    test, covered = PairedTest(higher=True, overlap=overlap), np.zeros(2)
    for sample, here in zip(samples, data, strict=True):
        found = test(sample, np.zeros_like(sample))
        claims = (found.difference, here), (found.on_new_data, 0.0)
        covered += [c.interval[0] <= truth <= c.interval[1] for c, truth in claims]
    assert covered[0] / runs == pytest.approx(0.95, abs=4 * np.sqrt(0.05 * 0.95 / runs))
    assert 0.93 <= covered[1] / runs <= 0.99


@pytest.mark.slow
def test_the_correction_is_a_bound_for_least_squares_on_splits_of_one_table():
    """Ridge regression beside least squares, on 300 tables of 442 rows that 8 seeds split."""
    weights, penalty = np.random.default_rng(9).normal(0, 0.2, 10), 20 * np.eye(10)

    def errors(generator, inputs, targets):
        order = generator.permutation(len(inputs))
        (x, test_x), (y, test_y) = ((z[order[:265]], z[order[354:]]) for z in (inputs, targets))
        fits = [np.linalg.solve(x.T @ x + size * penalty, x.T @ y) for size in (0, 1)]
        return [np.mean(np.square(test_y - test_x @ fit)) for fit in fits]

    found = []
    for table in range(300):
        generator = np.random.default_rng(table)
        inputs = generator.normal(size=(442, 10)) @ (np.eye(10) + 0.3)
        targets = inputs @ weights + generator.standard_t(4, size=442)
        found.append(np.transpose([errors(generator, inputs, targets) for _ in range(8)]))
    truth = np.mean([ours - theirs for theirs, ours in found])
    test = PairedTest(higher=False, overlap=1 / 3)
    ends = np.array([test(ours, theirs).on_new_data.interval for theirs, ours in found])
    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) >= 0.93


@pytest.mark.slow
def test_networks_on_splits_of_one_data_set_need_a_small_share_of_the_correction():
    """The claim on new data covers the mean over data sets, of which 16 are drawn."""
    sets, seeds, size = 16, 8, 1800
    pools = [generate(size, np.random.default_rng(1000 + index)) for index in range(sets)]

    def draw(generator):
        seed = generator.bit_generator.seed_seq.entropy
        signals, labels = pools[seed // seeds % sets]
        data = sampling.take(signals, labels, sampling.split(size, generator, labels))
        return data._replace(inputs=sampling.standardised(data.inputs, together=True))

    task = dataclasses.replace(MNIST1D, draw=draw, overlap=1 / 3, control=None)
    others = ["brier", "crammer_singer", "softmax_focal"]
    plan = planned(others, task=task, seeds=sets * seeds, noise=[0.4], rates=[1e-2], epochs=15)
    tested = run(plan).tested
    shape = sets, seeds
    scores = {name: each.curves[:, -1].reshape(shape) for (name, _), each in tested.items()}
    test, covered = PairedTest(higher=True, overlap=NETWORK_SHARE / 3), []
    for name in others:
        pairs = list(zip(scores[name], scores["cross_entropy"], strict=True))
        truth = np.mean(np.subtract(*zip(*pairs, strict=True)))
        ends = [test(*pair).on_new_data.interval for pair in pairs]
        covered += [low <= truth <= high for low, high in ends]
    assert np.mean(covered) >= 0.9
