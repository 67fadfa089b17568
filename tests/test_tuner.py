"""The search for the best loss with its hyper-parameters: on made-up scores, and on real data."""

import contextlib
import io
import json
import math

import made_up
import numpy as np
import optax
import pytest

import jaxloss as jl
from jaxloss.__main__ import main
from jaxloss.compare import compare, tune
from jaxloss.compare.sweep.expression import ExpressionError, parse_expression
from jaxloss.compare.sweep.plan import Phase
from jaxloss.compare.tasks.outputs import classes

RANGED = "generalized_cross_entropy(q=0.1..0.9)"
SUM = "0.1..10*brier + cross_entropy"


def peaked(network, *, of=RANGED, q=0.55, rate=4e-3):
    """Scores with a peak at one loss, hyper-parameter and rate."""
    *hyper, given = network.point
    score = 0.6 - 0.05 * abs(math.log(given / rate))
    if network.loss == of and hyper:
        score += 2 - abs(hyper[0] - q)
    return score + 0.001 * made_up.noise(network, 1, paired=False)[0]


def searched(score, losses=(RANGED, SUM, "expectation"), **options):
    with made_up.replaced(score) as programs:
        found = tune(losses, seeds=4, epochs=1, **options)
    return found, [network for program in programs for network in program.trained]


@pytest.fixture(scope="module")
def found():
    return searched(peaked)


def test_the_best_loss_is_found_with_its_hyperparameters_and_tested_on_fresh_seeds(found):
    best, trained = found
    assert best.loss == RANGED
    assert best.hyperparameters["q"] == pytest.approx(0.55, abs=0.1)
    assert 1e-3 < best.rate < 2e-2
    tested = {network.loss for network in trained if network.phase is Phase.TEST}
    assert tested == {RANGED, "cross_entropy", "cross_entropy (again)"}
    assert best.results.seeds == 4
    assert [standing.loss for standing in best.rankings[0.0]] == [RANGED, "cross_entropy"]
    assert best.decision.startswith(
        f"Use generalized_cross_entropy(q={best.hyperparameters['q']:g})"
    )
    # 8 settings for each number that is tuned, of four losses, and few of them on further seeds.
    tuning = [network for network in trained if network.phase is Phase.TUNING]
    assert len({(network.loss, network.point) for network in tuning}) >= 8 * (2 + 2 + 1 + 1)
    assert len(tuning) < 5 * 8 * (2 + 2 + 1 + 1)  # all on 16 seeds would be 16 times as many


def test_what_was_tried_is_a_table_and_a_response(found):
    best, _ = found
    table, response = best.tried, best.response("q")
    assert table.loss[0] == RANGED
    assert table.seeds[0] == 16
    assert set(table.columns) == {
        *("loss", "q", "brier.weight", "learning rate", "seeds", "validation")
    }
    assert abs(response.idxmax() - 0.55) < 0.1
    assert response.index.is_monotonic_increasing
    with pytest.raises(ValueError, match="has no 'delta'; tuned were q, learning rate"):
        best.response("delta")


def test_importances_are_shares_of_what_decides(found):
    assert sum(found[0].importances.values()) == pytest.approx(1)
    scores = {
        "q": lambda q, _: q,
        "learning rate": lambda _, rate: math.log(rate),
    }
    for name, score in scores.items():
        of_range = lambda network, score=score: (
            100 + score(*network.point) if network.loss == RANGED else 0.0
        )
        best, _ = searched(of_range, [RANGED], candidates=16)
        assert best.importances[name] > 0.8


def test_the_result_is_code_json_and_text(found):
    best, _ = found
    names = {}
    exec(best.code, names)
    assert repr(names["objective"]) == repr(best.results.objective(RANGED, 0))
    search = json.loads(json.dumps(best.summary))["search"]
    assert (search["loss"], search["hyperparameters"]) == (RANGED, best.hyperparameters)
    assert best.code in repr(best)
    assert best.decision in repr(best).replace("\n", " ")


@pytest.mark.slow
def test_a_range_at_whose_end_the_best_lies_grows_and_an_end_is_reported():
    best, _ = searched(lambda network: peaked(network, q=2.0, rate=5.0))
    assert best.hyperparameters["q"] > 0.8
    assert best.rate > 0.3
    never, _ = searched(lambda network: peaked(network, rate=1e9))
    assert "learning rate" in never.summary["search"]["at_edge"]
    assert "There may be better beyond what was tried of learning rate" in repr(never)


def test_where_the_reference_is_best_it_is_kept():
    best, trained = searched(lambda network: 0.5 + 0.2 * network.loss.startswith("cross_entropy"))
    assert best.loss == "cross_entropy"
    assert best.decision.startswith("Keep cross_entropy")
    assert len(set(trained)) == len(trained)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"candidates": 0}, ValueError, "`candidates` is at least 1, got 0"),
        ({"candidates": 2.5}, TypeError, "`candidates` is a whole number"),
        ({"noise": [0.0, 0.4]}, ValueError, "`noise` is one level"),
        ({"seedz": 3}, TypeError, "'seedz'; the nearest are seeds"),
    ],
)
def test_a_bad_argument_is_named(options, error, says):
    with pytest.raises(error, match=says):
        tune(["brier"], **options)


def test_candidates_are_of_tune_alone():
    with pytest.raises(TypeError, match="'candidates'"):
        compare(["brier"], candidates=3)


def test_the_weights_of_a_sum_may_be_ranges_and_lists():
    expression = parse_expression("0.1..10*brier - [1, 2]*expectation", classes(10))
    assert [axis.name for axis in expression.axes] == ["brier.weight", "expectation.weight"]
    assert expression.axes[0].values == pytest.approx([0.1, 0.3162, 1, 3.162, 10])
    scores, labels = np.random.default_rng(0).normal(size=(4, 10)), np.arange(4)
    wanted = 3 * jl.brier(scores, labels).mean() - 2 * jl.expectation(scores, labels).mean()
    assert float(expression.build((3.0, 2.0))(scores, labels)) == pytest.approx(float(wanted))
    with pytest.raises(ExpressionError, match="two ranges have the same name"):
        parse_expression("0.1..1*brier + 1..2*brier", classes(10))


@pytest.mark.slow
def test_the_command_writes_what_the_call_returns(tmp_path):
    words = ["tune", "--loss", RANGED, "--seeds", "4", "--epochs", "1", "--out", str(tmp_path)]
    printed = io.StringIO()
    with made_up.replaced(peaked), contextlib.redirect_stdout(printed):
        assert main([*words, "--candidates", "4", "--json"]) == 0
    outcome = json.loads(printed.getvalue())
    assert outcome["search"]["loss"] == RANGED
    assert outcome["candidates"] == 4
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "jaxloss tune --loss" in page
    assert "--candidates 4" in page


@pytest.mark.slow
def test_a_real_search_finds_what_resists_wrong_labels():
    """Zhang & Sabuncu (2018, arXiv:1805.07836), at 40 % wrong labels."""
    losses = ["generalized_cross_entropy(q=0.1..0.95)", "hinge(margin=0.5)"]
    best = tune(losses, task="mnist1d", noise=[0.4], seeds=12)
    assert best.loss == losses[0]
    assert best.standing(losses[0], 0.4).verdict == "better"


@pytest.mark.slow
def test_a_real_search_finds_the_scale_of_outliers():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(300, 4)).astype(np.float32)
    gross = generator.random(300) < 0.2
    targets = inputs.sum(1) + np.where(gross, 20, 0.1 * generator.normal(size=300))
    weights = (lambda _: np.zeros(4, np.float32)), (lambda weights, inputs: inputs @ weights)
    own = {"data": (inputs, targets), "model": weights, "optimizer": optax.adam}
    best = tune(["huber(delta=0.01..100)"], **own, seeds=4, epochs=20, rates=[0.003, 0.3])
    assert best.hyperparameters["delta"] < 3
