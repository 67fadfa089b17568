"""What is chosen and how contenders stand, on runs made by hand."""

import dataclasses
import itertools

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

import jaxloss as jl
from jaxloss.compare.statistics.choice import Choice, choose, edges
from jaxloss.compare.statistics.estimates import LEVEL, Comparison, Estimate
from jaxloss.compare.statistics.power import Resolution
from jaxloss.compare.statistics.standings import analyse
from jaxloss.compare.sweep.contenders import ECHO, Contender, Field
from jaxloss.compare.sweep.expression import Variant
from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.sweep.results import Grid, Results
from jaxloss.compare.tasks.digits import DIGITS

REFERENCE, CONTROL = "cross_entropy", "control"
OBJECTIVE = jl.Objective(jl.squared_error)
METRIC = dataclasses.replace(DIGITS.output.metric, factor=100)
SEEDS = 6


def _task(*, higher=True, overlap=1 / 3):
    metric = dataclasses.replace(METRIC, higher=higher)
    output = dataclasses.replace(DIGITS.output, metrics=(metric,))
    return dataclasses.replace(DIGITS, output=output, overlap=overlap)


def _grid(test, validation=None):
    """Of one or two last epochs, from metrics [variant, noise, rate, seed] or with fewer axes."""
    test, validation = _spread(test), _spread(test if validation is None else validation)
    curve = lambda x: np.stack([x - 0.1, x], -1)
    return Grid(validation, curve(test), {METRIC.name: test})


def _spread(x):
    x = np.asarray(x, float)
    return x.reshape((1,) * (4 - x.ndim) + x.shape)


def _results(grids, tempered=(), values=None, task=None, echo=None):
    """A run with these grids; `values` are the hyper-parameters of the variants, by contender."""
    first = grids[REFERENCE]
    grids = {**grids, REFERENCE + ECHO: echo or first}
    contenders = []
    for name, grid in grids.items():
        given = (values or {}).get(name, [{"x": float(i)} for i in range(len(grid.test))])
        variants = tuple(Variant(hyper if len(given) > 1 else {}, OBJECTIVE) for hyper in given)
        control = name == CONTROL
        contenders.append(
            Contender(name, variants, control or name in tempered, name.endswith(ECHO))
        )
    field = Field(tuple(contenders), REFERENCE, CONTROL if CONTROL in grids else None)
    _, levels, rates, seeds, epochs = first.test.shape
    noise, steps = tuple(np.arange(levels) / 10), tuple(10.0 ** np.arange(-rates, 0))
    return Results(Plan(task or _task(), field, seeds, noise, steps, epochs), (), grids)


@pytest.fixture
def generator():
    return np.random.default_rng(0)


# choice


def test_the_choice_is_the_best_mean_over_seeds_after_training_by_direction():
    grid = _grid([[[[0.9, 0.1], [0.6, 0.7]]], [[[0.5, 0.7], [0.3, 0.2]]]])
    assert choose(grid, 0, higher=True) == Choice(0, 1)  # means 0.5, 0.65; 0.6, 0.25
    assert choose(grid, 0, higher=False) == Choice(1, 1)


def test_ties_go_to_the_least_rate_then_to_the_first_variant():
    assert choose(_grid([[[[0.1], [0.6]]], [[[0.6], [0.1]]]]), 0, higher=True) == Choice(1, 0)
    assert choose(_grid([[[[0.6], [0.1]]], [[[0.6], [0.6]]]]), 0, higher=True) == Choice(0, 0)
    thirds = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1 + 1e-9]]  # equal but for rounding
    assert choose(_grid(thirds), 0, higher=True) == Choice(0, 0)
    small = 1e-9 * np.array([[1.0], [1.1]])  # rounding is relative to the metric's size
    assert choose(_grid(small), 0, higher=True) == Choice(0, 1)


@pytest.mark.parametrize("higher", [True, False])
def test_what_diverged_is_chosen_last(higher):
    grid = _grid([[np.nan, np.nan], [-1.0, np.nan], [5.0, 5.0], [np.inf, 0.0]])
    assert choose(grid, 0, higher=higher) == Choice(0, 2)
    assert choose(_grid(np.full((3, 2), np.nan)), 0, higher=higher) == Choice(0, 0)


def test_the_choice_is_blind_to_test_data(generator):
    grids = {
        name: _grid(*generator.random((2, 3, 2, 5, SEEDS)))
        for name in (REFERENCE, "other", CONTROL)
    }
    shuffled = {
        name: dataclasses.replace(g, test=generator.permuted(g.test)) for name, g in grids.items()
    }
    first, second = analyse(_results(grids)), analyse(_results(shuffled))
    for level, name in itertools.product(range(2), grids):
        a, b = first.standing(name, level), second.standing(name, level)
        assert (a.variant, a.rate, a.at_edge) == (b.variant, b.rate, b.at_edge)
        assert a.score != b.score


def test_an_edge_is_an_end_of_several_rates_or_of_three_values():
    values = [{"q": q, "two": two} for q in (0.1, 0.5, 0.9) for two in (1.0, 2.0)]
    results = _results({REFERENCE: _grid(np.zeros((6, 1, 3, 2)))}, values={REFERENCE: values})
    found = [edges(results.plan, REFERENCE, Choice(v, r)) for v, r in [(0, 0), (2, 1), (5, 1)]]
    assert found == [("learning rate", "q"), (), ("q",)]
    single = dataclasses.replace(results.plan, rates=(0.1,))
    assert edges(single, REFERENCE, Choice(3, 0)) == ()


# standings

BASE = np.array([0.80, 0.83, 0.81, 0.86, 0.79, 0.84])
WOBBLE = np.array([0.001, -0.002, 0.0, 0.002, -0.001, 0.001])


def test_a_standing_tells_what_was_chosen_and_its_estimates():
    other = np.stack([BASE - 0.2, BASE + WOBBLE])
    grids = {
        REFERENCE: _grid(np.stack([BASE, BASE])),
        "other": _grid(np.stack([other, other + 0.1])[:, None], np.stack([other, other])[:, None]),
    }
    values = {"other": [{"q": 1.0}, {"q": 2.0}]}
    analysis = analyse(_results(grids, values=values))
    found = analysis.standing("other", 0)
    assert (found.variant, found.rate_index, found.rate) == (0, 1, 0.1)
    assert found.hyperparameters == {"q": 1.0}
    assert found.at_edge == ("learning rate",)
    assert found.score == found.measures[METRIC.name] == Estimate.of(BASE + WOBBLE, 1 / 3)
    assert found.speed.mean == pytest.approx((BASE + WOBBLE).mean() - 0.05)
    assert found.to_reference.difference.mean == pytest.approx(WOBBLE.mean())
    assert found.to_control is None
    assert analysis.reach == (None,)


def test_all_comparisons_of_the_run_are_one_family(generator):
    names = (REFERENCE, "tempered", "other", CONTROL)
    grids = {name: _grid(generator.normal(0.8, 0.1, (1, 2, 1, SEEDS))) for name in names}
    echo = _grid(generator.normal(0.8, 0.1, (1, 2, 1, SEEDS)))
    analysis = analyse(_results(grids, tempered=(REFERENCE, "tempered"), echo=echo))
    pairs = [("tempered", 0), ("tempered", 3), ("other", 0), (CONTROL, 0)]
    assert analysis.comparisons == 8
    raw, found, intervals = [], [], []
    for level, (name, opponent) in itertools.product(range(2), pairs):
        ours, theirs = (grids[x].test[0, level, 0, :, -1] for x in (name, names[opponent]))
        t = (ours - theirs).mean() / (stats.tstd(ours - theirs) * np.sqrt(1 / SEEDS + 1 / 3))
        raw.append(2 * stats.t.sf(abs(t), SEEDS - 1))
        standing = analysis.standing(name, level)
        compared = standing.to_control if opponent else standing.to_reference
        found.append(compared.p)
        intervals.append((compared.difference, (ours - theirs).mean() / t))
    assert found == pytest.approx(list(multipletests(raw, method="holm")[1]))
    for difference, error in intervals:
        expected = stats.t.interval(1 - 0.05 / 8, SEEDS - 1, difference.mean, error)
        assert difference.interval == pytest.approx(expected)
    for level in range(2):
        assert [s.loss for s in analysis.levels[level] if s.to_control] == ["tempered"]
        assert analysis.standing(REFERENCE, level).to_reference is None
        assert REFERENCE + ECHO not in [s.loss for s in analysis.levels[level]]
        ours, theirs = (g.test[0, level, 0, :, -1] for g in (echo, grids[REFERENCE]))
        expected = Comparison.of((ours, theirs), overlap=1 / 3, level=LEVEL, higher=True)
        assert analysis.floor[level] == expected
    deviations = [c.deviation for s in sum(analysis.levels, ()) for c in _both(s)]
    expected = Resolution(np.median(deviations), 1 / 3, 0.05 / 8, 100)
    assert analysis.resolution == expected


def _both(standing):
    return [c for c in (standing.to_reference, standing.to_control) if c]


def test_the_echo_is_compared_at_the_choice_of_the_reference():
    echo = _grid([BASE + 1, BASE + WOBBLE], [BASE + 1, BASE - 1])
    reference = _grid([BASE, BASE], [BASE, BASE + 0.1])
    analysis = analyse(_results({REFERENCE: reference}, echo=echo))
    assert analysis.standing(REFERENCE, 0).rate_index == 1
    assert analysis.floor[0].difference.mean == pytest.approx(WOBBLE.mean())
    assert analysis.comparisons == 0
    assert analysis.resolution.table() == {}


@pytest.mark.parametrize(
    ("higher", "order"), [(True, ["best", "worst"]), (False, ["worst", "best"])]
)
def test_the_best_mean_comes_first_and_what_failed_last(higher, order):
    failed = np.full(SEEDS, np.nan)
    grids = {
        "failed": _grid(failed),
        "middle": _grid(BASE),
        REFERENCE: _grid(BASE),
        "worst": _grid(BASE - 0.1),
        "inf": _grid(np.where(BASE.max() > BASE, BASE, np.inf)),
        "best": _grid(BASE + 0.1),
    }
    analysis = analyse(_results(grids, task=_task(higher=higher)))
    ranked = [s.loss for s in analysis.levels[0]]
    assert ranked == [order[0], "middle", REFERENCE, order[1], "failed", "inf"]
    assert [s.verdict for s in analysis.levels[0][-2:]] == ["failed", "failed"]
    assert analysis.comparisons == 5  # what failed still counts
    assert analysis.standing("best", 0).to_reference.better == higher


def test_a_reference_or_a_control_that_failed_explains_nothing():
    failed, up = _grid(np.full(SEEDS, np.nan)), _grid(BASE + 0.2 + WOBBLE)
    analysis = analyse(_results({REFERENCE: failed, "other": up}))
    assert [s.verdict for s in analysis.levels[0]] == ["not significant", "reference"]
    grids = {REFERENCE: _grid(BASE), "other": up, CONTROL: failed}
    analysis = analyse(_results(grids, tempered=("other",)))
    assert analysis.reach == ((0.0, 0.0),)
    assert [s.verdict for s in analysis.levels[0]] == ["better", "reference", "failed"]
    assert analysis.standing("other", 0).to_control.failed


def test_the_reach_is_of_every_temperature_at_its_own_best_rate_and_of_none():
    test = [[BASE + 0.05, BASE + 9], [BASE - 9, BASE - 0.15], [BASE + np.nan, BASE + np.nan]]
    valid = [[BASE, BASE - 1], [BASE - 2, BASE - 1], [BASE + np.nan, BASE + np.nan]]
    control = _grid(np.array(test)[:, None], np.array(valid)[:, None])
    both = {REFERENCE: _grid([BASE, BASE - 1]), CONTROL: control}
    assert analyse(_results(both)).reach[0] == pytest.approx((-0.15, 0.05))
    below = {REFERENCE: _grid([BASE, BASE - 1]), CONTROL: _grid([BASE - 0.2, BASE - 1])}
    assert analyse(_results(below)).reach[0] == pytest.approx((-0.2, 0.0))


def test_a_twin_of_a_temperature_is_within_its_reach_but_for_rounding():
    control, beyond = BASE - 0.1 + WOBBLE, 1e-4
    grids = {
        REFERENCE: _grid(BASE),
        "twin": _grid(control - 1e-7),
        "more": _grid(control - beyond),
        CONTROL: _grid(control),
    }
    analysis = analyse(_results(grids, tempered=("twin", "more")))
    assert [analysis.standing(x, 0).within_temperature for x in ("twin", "more")] == [True, False]


def test_what_is_infinite_failed_as_what_is_not_a_number():
    def verdicts(value):
        failed, names = _grid(np.full(SEEDS, value)), (REFERENCE, "other", CONTROL)
        analysis = analyse(_results(dict.fromkeys(names, failed), tempered=names))
        assert analysis.reach == ((0.0, 0.0),)
        return [(s.loss, s.verdict, s.within_temperature) for s in analysis.levels[0]]

    assert verdicts(np.inf) == verdicts(-np.inf) == verdicts(np.nan)


@pytest.mark.parametrize("higher", [True, False])
def test_verdicts(higher):
    sign = 1 if higher else -1
    shift = lambda size, wobble: _grid(BASE + sign * (size + wobble))
    # the control's temperatures reach from 0.05 worse to 0.05 better, where it stands
    variants = sign * (np.array([-0.05, 0.05])[:, None] + np.roll(WOBBLE, 1))
    grids = {
        REFERENCE: _grid(BASE),
        "noisy": shift(0.005, 30 * WOBBLE),
        "margin up": shift(0.04, WOBBLE),
        "margin down": shift(-0.04, WOBBLE),
        "less than the control": shift(0.04, WOBBLE),
        "as the control": shift(0.0501, WOBBLE),
        "more than the control": shift(0.2, WOBBLE),
        "within": shift(-0.04, WOBBLE),
        "twin": _grid(BASE + variants[0]),
        "beyond": shift(-0.2, WOBBLE),
        CONTROL: _grid((BASE + variants)[:, None, None]),
    }
    tempered = (REFERENCE, *list(grids)[4:-1])
    analysis = analyse(_results(grids, tempered=tempered, task=_task(higher=higher)))
    assert {s.loss: s.verdict for s in analysis.levels[0]} == {
        REFERENCE: "reference",
        "noisy": "not significant",
        "margin up": "better",
        "margin down": "worse",
        "less than the control": "temperature",
        "as the control": "temperature",
        "more than the control": "better",
        "within": "temperature",
        "twin": "temperature",
        "beyond": "worse",
        CONTROL: "temperature",
    }
    inside = {s.loss for s in analysis.levels[0] if s.within_temperature}
    assert inside == {"less than the control", "within", "twin", CONTROL}


def test_without_a_control_a_temperature_explains_nothing():
    grids = {REFERENCE: _grid(BASE), "other": _grid(BASE + 0.2 + WOBBLE)}
    analysis = analyse(_results(grids, tempered=(REFERENCE, "other")))
    assert analysis.standing("other", 0).verdict == "better"
    assert analysis.comparisons == 1
