"""The decision and the report of scores that come from anybody's training runs."""

import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import jaxloss as jl
from jaxloss.compare import judge
from jaxloss.compare.comparison import planned
from jaxloss.compare.report.code import code

LUCK = np.array([0.010, -0.020, 0.005, 0.020, -0.010, 0.000, 0.015, -0.005])
OWN = np.array([0.002, -0.001, 0.001, -0.002, 0.000, 0.001, -0.001, 0.000])
BASE = {"cross_entropy": 0.80 + LUCK}


def table(scores, **columns):
    """One row per loss and seed."""
    rows = [(loss, seed, x) for loss, sample in scores.items() for seed, x in enumerate(sample)]
    return pd.DataFrame(rows, columns=["loss", "seed", "score"]).assign(**columns)


def shifted(size, noise=1.0):
    return 0.80 + size + LUCK + noise * OWN


def decision(frame, **options):
    return judge(frame, reference="cross_entropy", unit="points", **options).decision


# statistics


def test_the_tests_are_those_of_scipy_at_the_level_of_all_comparisons():
    scores = BASE | {"brier": shifted(0.01), "focal": shifted(-0.001, 5)}
    found = judge(table(scores), reference="cross_entropy").analysis
    assert found.comparisons == 2
    for name in ("brier", "focal"):
        compared = found.standing(name, 0).to_reference
        expected = stats.ttest_rel(scores[name], BASE["cross_entropy"])
        assert compared.p == pytest.approx(min(1, 2 * expected.pvalue))
        ends = tuple(expected.confidence_interval(1 - 0.05 / 2))
        assert compared.difference.interval == pytest.approx(ends)
        assert compared.on_new_data is None


def test_the_order_of_rows_does_not_matter_nor_does_the_name_of_the_column():
    frame = table(BASE | {"brier": shifted(0.02)}).rename(columns={"score": "accuracy"})
    options = {"reference": "cross_entropy", "metric": "accuracy", "overlap": 0.25}
    found, mixed = (judge(f, **options) for f in (frame, frame.sample(frac=1, random_state=0)))
    ours, theirs = (x.analysis.standing("brier", 0).to_reference for x in (found, mixed))
    assert ours.difference.mean == pytest.approx(theirs.difference.mean)
    assert ours.on_new_data.interval == pytest.approx(theirs.on_new_data.interval)
    assert found.analysis.metric.says == "accuracy"


def test_percentages_and_fractions_in_points_are_judged_alike():
    frame = table(BASE | {"brier": shifted(0.02)})
    percent = frame.assign(score=100 * frame["score"])
    assert decision(frame) == decision(percent)
    assert decision(frame, margin=0.3) == decision(percent, margin=0.3)


def test_what_failed_in_one_seed_is_ranked_last():
    broken = shifted(0.1)
    broken[3] = np.nan
    found = judge(table(BASE | {"a": broken, "b": shifted(0.02)}), reference="cross_entropy")
    assert [s.loss for s in found.analysis.levels[0]] == ["b", "cross_entropy", "a"]
    assert found.analysis.standing("a", 0).verdict == "failed"


# the decision in words


def test_the_decision_names_loss_amount_certainty_and_where_another_is_better():
    noisy = table(BASE | {"brier": shifted(0.054), "mae": shifted(0.02)}, noise=0.4)
    clean = table(BASE | {"brier": shifted(0.001, 0.5), "mae": shifted(-0.03)}, noise=0.0)
    assert decision(pd.concat([noisy, clean])) == (
        "Use brier: +5.40 points of score at 40 % noise, P(better) > 0.99; "
        "at 0 % noise nothing beats cross_entropy by 0.5 points."
    )


def test_the_decision_says_where_the_loss_is_worse_and_names_two_losses():
    first = table(BASE | {"a": shifted(0.03), "b": shifted(0.01)}, setting="small")
    second = table(BASE | {"a": shifted(-0.02), "b": shifted(0.04)}, setting="large")
    assert decision(pd.concat([first, second])) == (
        "Use b: +4.00 points of score at large, P(better) > 0.99; "
        "use a: +3.00 points at small, P(better) > 0.99; "
        "at large a is worse by 2.00 points."
    )


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (
            {"a": shifted(0.005, 14)},
            r"none is shown to be better, likeliest a \(\+0\.\d\d points, .*\)",
        ),
        ({"a": shifted(-0.003, 14)}, "no other objective is likely to be better"),
        ({"a": shifted(0.001)}, "nothing beats cross_entropy by 0.5 points"),
        (
            {"cross_entropy": BASE["cross_entropy"] * np.nan, "a": shifted(0.0)},
            r"cross_entropy failed to train, and the best is a \(score 80\..* points\)",
        ),
        (
            dict.fromkeys(("cross_entropy", "a"), BASE["cross_entropy"] * np.nan),
            "every objective failed to train",
        ),
    ],
)
def test_without_a_better_loss_the_reference_stays(others, expected):
    keep = "" if "failed" in expected else "Keep cross_entropy: "
    assert re.fullmatch(rf"{keep}{expected}\.", decision(table(BASE | others)))


def test_a_loss_that_is_best_at_two_levels_is_named_once():
    levels = [table(BASE | {"a": shifted(x)}, noise=x * 10) for x in (0.03, 0.05)]
    assert decision(pd.concat(levels)) == (
        "Use a: +5.00 points of score at 50 % noise, P(better) > 0.99 "
        "and +3.00 points at 30 % noise, P(better) > 0.99."
    )


def test_lower_errors_are_better_with_a_margin_of_two_percent():
    scores = {"squared": 50 + 100 * LUCK, "huber": 46 + 100 * LUCK + 100 * OWN}
    found = judge(table(scores), reference="squared", higher=False, unit="mg")
    assert found.decision == "Use huber: \N{MINUS SIGN}4.00 mg of score, P(better) > 0.99."
    assert found.analysis.levels[0][0].margin == pytest.approx(0.02 * (50 + 100 * LUCK).mean())


# files


def test_a_report_holds_the_decision_in_every_file(tmp_path):
    frame = pd.concat(
        [
            table(BASE | {"a_b": shifted(0.03), "c": shifted(0.0, 20)}, noise=noise)
            for noise in (0, 0.4)
        ]
    )
    found = judge(frame, reference="cross_entropy", unit="points")
    found.report(tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    names = {"report.html", "report.md", "decision.json", "rankings.tex", "figures"}
    assert {path.name for path in folder.iterdir()} == names
    values = json.loads((folder / "decision.json").read_text())
    assert next(iter(values)) == "decision"
    assert values["decision"] == found.decision
    assert [use["loss"] for use in values["use"]] == ["a_b", "a_b"]
    assert values["use"][0]["probabilities"]["better"] > 0.99
    assert {s["verdict"] for s in values["levels"][1]["ranking"]} == {"reference", "better", "open"}
    assert (
        found.decision.replace("_", "\\_").replace(">", "\\>") in (folder / "report.md").read_text()
    )
    paper = (folder / "rankings.tex").read_text()
    assert paper.startswith(f"% {found.decision}")
    assert paper.count(r"\begin{tabular}{lrrrl}") == 2
    assert r"a\_b &" in paper
    text = re.sub(r"\$[<>-]\$|\$\\pm\$", "", paper.split("\n", 1)[1])
    assert not re.search("[<>±—\N{MINUS SIGN}]|(?<!\\\\)[_%]", text)
    for path in (folder / "figures").iterdir():
        drawing = ET.fromstring(path.read_text())
        assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(" not in path.read_text()
    assert {path.stem for path in (folder / "figures").iterdir()} == {"differences", "robustness"}


def test_the_summary_fits_eighty_columns_less_than_a_screen():
    found = repr(judge(table(BASE | {"brier": shifted(0.03)}), reference="cross_entropy"))
    first, *_ = found.splitlines()
    assert first.startswith("Use brier: +0.0300 of score, P(better) > 0.99")
    assert max(map(len, found.splitlines())) <= 100
    assert "reference" in found


# errors


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        ([1, 2], {}, "`frame` is a pandas DataFrame, got list"),
        (table(BASE).drop(columns="seed"), {}, "no column 'seed'; it has loss, score"),
        (table(BASE), {"metric": "scor"}, "no column 'scor'; the nearest are score; it has"),
        (table(BASE).astype({"score": str}), {}, "the column 'score' of `frame` has numbers, got"),
        (
            table(BASE),
            {"reference": "brier"},
            "`reference` 'brier' is none of the losses; they are",
        ),
        (table(BASE), {}, "there is no loss beside the reference 'cross_entropy'"),
        (table(BASE | {"a": shifted(0)}), {"margin": -1}, "`margin` is a number of at least 0"),
        (table(BASE | {"a": shifted(0)}), {"overlap": np.nan}, "`overlap` is a number of at least"),
        (
            table(BASE | {"a": shifted(0)[:7]}),
            {},
            "'a' has no score of seed 7, as another loss has",
        ),
        (
            pd.concat([table(BASE | {"a": shifted(0)}), table({"a": [0.5]})]),
            {},
            "'a' has several scores of seed 0; one is wanted",
        ),
        (table({"cross_entropy": [0.1], "a": [0.2]}), {}, "there is a single seed; at least 2"),
        (
            table(BASE | {"a": shifted(0)}, noise=3.0),
            {},
            "'noise' is a fraction in [0, 1], got 3.0; another quantity is a 'setting'",
        ),
        (table(BASE | {"a": shifted(0)}, noise="low"), {}, "the column 'noise' of `frame` has num"),
        (
            table(BASE | {"a": shifted(0)}, noise=0.0, setting="x"),
            {},
            "`frame` has a column 'noise' or 'setting', not both",
        ),
        (
            pd.concat(
                [
                    table(BASE | {"a": shifted(0)}, setting="x"),
                    table(BASE, setting="y"),
                ]
            ),
            {},
            "there are no scores of a at y",
        ),
    ],
)
def test_a_table_that_cannot_be_judged_is_refused_by_name(frame, options, message):
    options = {"reference": "cross_entropy"} | options
    with pytest.raises((TypeError, ValueError), match=f"^judge: .*{re.escape(message)}"):
        judge(frame, **options)


# the choice as code


def variants(plan):
    return [each for c in plan.lineup.contenders for each in c.expression.variants]


@pytest.mark.parametrize("task", ["digits", "mnist1d", "diabetes", "breast_cancer", "engel"])
def test_the_choice_is_code_that_gives_the_objective(task):
    plan = planned(task=task, temperatures=[0.5])
    for variant in variants(plan):
        names, text = {}, code(variant.objective, "optax.adam(0.003)")
        exec(text, names)
        pasted, wanted = names["objective"], repr(variant.objective)
        assert isinstance(pasted, jl.Objective)
        if "takes probabilities" in text:
            assert "logits that are divided by 0.5" in text
            wanted = wanted.replace(", temperature=0.5", "")
        assert re.sub(r"with_temperature\((\w+|\w+\(\w+\))\)", r"\1", repr(pasted)) == wanted


def test_sums_and_temperatures_are_code_too():
    plan = planned(["0.7*brier + 0.3*cross_entropy(temperature=2)", "hinge(margin=0.5)"])
    texts = [code(variant.objective, "optax.adam(0.01)") for variant in variants(plan)]
    assert (
        "objective = 0.7 * jl.Objective(jl.brier) + 0.3 * jl.Objective("
        "jl.with_temperature(jl.softmax_cross_entropy_with_integer_labels), temperature=2.0)\n"
        "optimizer = optax.adam(0.01)\n"
    ) in texts[1]
    assert "jl.Objective(jl.one_vs_all(jl.hinge), margin=0.5)" in texts[2]
