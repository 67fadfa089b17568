"""The search for settings: successive halving over seeds, and ranges that grow at their ends."""

import itertools
import math

import numpy as np
import pytest

from jaxloss.compare.sweep.halving import ROUNDS, halve, mean_scores
from jaxloss.compare.sweep.space import RATE, Axis, Space
from jaxloss.compare.tasks.digits import DIGITS

LAST = ROUNDS[-1]


def searched(start, score, outward=lambda _: (), *, higher=True):
    """Answer what a search lacks until it lacks nothing; returns it and what it cost."""
    known = {}
    for _ in range(100):
        search = halve(start, known, outward, higher=higher)
        if not search.lacking:
            return search, len(known)
        known |= {pair: score(*pair) for pair in search.lacking}
    raise AssertionError


# halving


@pytest.mark.parametrize("higher", [True, False])
def test_the_best_is_found_with_a_fraction_of_the_networks(higher):
    sign = 1 if higher else -1
    score = lambda x, seed: sign * (-abs(x - 17) + 0.1 * seed)
    search, networks = searched(range(27), score, higher=higher)
    assert search.ranked[0] == 17
    assert networks == 27 * 2 + 9 * 2 + 3 * 2
    assert len(search.ranked) == 3
    assert sorted(search.tried) == list(range(27))


def test_luck_of_two_seeds_does_not_decide_among_those_that_are_left():
    score = lambda x, seed: {"lucky": 1.0 if seed < 2 else -1.0, "good": 0.5}.get(x, 0.0)
    search, _ = searched(["lucky", "good", "poor"], score)
    assert search.ranked[0] == "good"


def test_ties_go_to_the_first_and_rounding_errors_decide_nothing():
    assert searched([3, 1, 2], lambda *_: 0.5)[0].ranked[0] == 3
    nearly = lambda x, seed: 0.3 + 1e-9 * x * seed
    assert searched([1, 2, 3], nearly)[0].ranked[0] == 1
    small = lambda x, _: 1e-9 * (1 + x / 10)  # rounding is relative to the metric's size
    assert searched([1, 2, 3], small)[0].ranked[0] == 3


@pytest.mark.parametrize("higher", [True, False])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_diverged_on_any_seed_is_chosen_last(higher, bad):
    score = lambda x, seed: bad if x == "bad" and seed == 1 else {"poor": 5.0}.get(x, bad)
    assert searched(["bad", "poor", "worse"], score, higher=higher)[0].ranked[0] == "poor"
    assert searched(["first", "second"], lambda *_: bad)[0].ranked[0] == "first"


def test_a_search_is_a_function_of_the_scores_whatever_their_order():
    generator = np.random.default_rng(0)
    table = generator.normal(size=(10, LAST))
    score = lambda x, seed: table[x, seed]
    whole, networks = searched(range(10), score)
    every = {(x, seed): score(x, seed) for x in range(10) for seed in range(LAST)}
    assert halve(range(10), every, higher=True) == whole
    known = {}
    while (search := halve(range(10), known, higher=True)).lacking:  # one network at a time
        pair = search.lacking[generator.integers(len(search.lacking))]
        known[pair] = score(*pair)
    assert (search, len(known)) == (whole, networks)


def test_the_mean_is_signed_and_minus_infinity_where_one_is_not_finite():
    samples = [[1.0, 2.0], [1.0, math.nan], [math.inf, 1.0]]
    assert mean_scores(samples, higher=True).tolist() == pytest.approx([1.5, -math.inf, -math.inf])
    assert mean_scores(samples, higher=False).tolist() == pytest.approx(
        [-1.5, -math.inf, -math.inf]
    )


# spaces


def rates(*values):
    return Space((Axis.of_rates(values),))


def found(space, score):
    search, _ = searched(space.start, lambda point, _: score(*point), space.outward)
    return search.ranked[0], space.edges(search.ranked[0], search.tried), search.tried


@pytest.mark.parametrize(
    ("values", "best", "chosen"),
    [
        ((1e-3, 1e-2, 1e-1), 1e-2, 1e-2),
        ((1e-3, 1e-2, 1e-1), 9.0, 10.0),
        ((1e-3, 1e-2, 1e-1), 1e-6, 1e-6),
        (DIGITS.rates, 1e-9, 2.43e-6),  # four steps, of a ratio of 3.3
        (DIGITS.rates, 1e9, 0.1 * (10 / 3) ** 4),
    ],
)
def test_rates_are_tried_beyond_an_end_until_the_best_is_inside(values, best, chosen):
    point, edges, _ = found(rates(*values), lambda rate: -abs(math.log(rate / best)))
    assert point[0] == pytest.approx(chosen, rel=0.01)
    assert edges == ((RATE,) if best in {1e-9, 1e9} else ())


def test_a_single_rate_is_not_tuned():
    assert found(rates(0.1), lambda _: 0.0) == ((0.1,), (), ((0.1,),))


def test_ties_go_to_the_least_rate_then_to_the_first_values():
    space = Space((Axis("a", (3.0, 1.0)), Axis.of_rates([0.1, 0.01])))
    assert space.start == [(3.0, 0.01), (1.0, 0.01), (3.0, 0.1), (1.0, 0.1)]


@pytest.mark.parametrize(
    ("ends", "values", "beyond"),
    [
        ((0.1, 10.0), [0.1, 0.3162, 1, 3.162, 10], [31.63, 0.03162]),
        ((10.0, 0.1), [0.1, 0.3162, 1, 3.162, 10], [31.63, 0.03162]),
        ((0.1, 0.9), [0.1, 0.3, 0.5, 0.7, 0.9], [1.1, -0.1]),
        ((-2.0, 2.0), [-2, -1, 0, 1, 2], [3, -3]),
    ],
)
def test_a_range_is_spaced_by_ratios_where_it_spans_a_power_of_ten(ends, values, beyond):
    axis = Axis.between("x", *ends)
    assert axis.values == pytest.approx(values)
    steps = dict(axis.outer(max(values))) | dict(axis.outer(min(values)))
    assert [value for value, far in steps.items() if far > 0.5] == pytest.approx(beyond, rel=1e-3)
    assert [far for _, far in axis.outer(values[2], 0.5)] == pytest.approx([-1.5, -1.5], abs=0.01)


def test_a_range_ends_with_its_domain_and_a_list_with_its_values():
    bounded = Axis.between("q", 0.1, 0.9, contains=lambda q: 0 < q <= 1)
    best, edges, tried = found(Space((bounded, Axis.of_rates([0.1]))), lambda q, _: q)
    assert (best, edges) == ((0.9, 0.1), ())
    for values, at_end in (((1.0, 2.0, 4.0), ("x",)), ((1.0, 2.0), ())):
        listed = Axis("x", values)
        best, edges, tried = found(Space((listed, Axis.of_rates([0.1]))), lambda x, _: x)
        assert (best, edges) == ((max(values), 0.1), at_end)
        assert len(tried) == len(values)


def test_several_axes_grow_one_by_one():
    space = Space(
        (Axis.between("a", 1.0, 3.0), Axis.between("b", 0.1, 10.0), Axis.of_rates([1.0, 0.1]))
    )
    best, edges, tried = found(space, lambda a, b, rate: a - abs(math.log(rate * 1e3)) + b / 1e9)
    assert best[0] == 5.0
    assert best[2] == pytest.approx(1e-3)
    assert edges == ("a",)  # four steps beyond its end; along `b` nothing is to be had
    assert len(tried) < 1.5 * len(space.start)


def test_a_space_is_fixed_at_every_combination_of_hyperparameters():
    space = Space((Axis("t", (1.0, 2.0)), Axis("u", (3.0,)), Axis.of_rates([0.1, 0.01])))
    starts = [each.start for each in space.fixed()]
    assert starts == [[(t, 3.0, rate) for rate in (0.01, 0.1)] for t in (1.0, 2.0)]
    assert sorted(itertools.chain(*starts)) == sorted(space.start)
