"""The comparison as its users meet it: known truths, the call, the command, a killed run."""

import argparse
import contextlib
import dataclasses
import fcntl
import io
import json
import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import time

import made_up
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import jaxloss as jl
from jaxloss.__main__ import main
from jaxloss.cli import compare as command_line
from jaxloss.compare import Outcome, compare
from jaxloss.compare.comparison import budget_of, planned, read_outcome, run_plan
from jaxloss.compare.folder import LOCK, claimed
from jaxloss.compare.sweep.expression import parse_expression
from jaxloss.compare.sweep.plan import LEAST_SEEDS, Phase
from jaxloss.compare.sweep.records import Store
from jaxloss.compare.sweep.results import Results
from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.metrics import Metric, median_error
from jaxloss.compare.tasks.models import linear
from jaxloss.compare.tasks.outputs import BINARY, classes, values
from jaxloss.compare.tasks.populations import Labels, Numbers, covering, displaced
from jaxloss.compare.tasks.registry import TASKS
from jaxloss.compare.tasks.task import Task

LINE = values(Metric("error", "median absolute error", median_error, higher=False))


def line(generator):
    """Five numbers and a tenth of a deviation of noise."""
    inputs = generator.normal(size=(500, 5)).astype(np.float32)
    targets = inputs @ np.arange(1.0, 6.0) / np.sqrt(55) + 0.1 * generator.normal(size=500)
    parts = sampling.split(500, generator)
    return sampling.take(inputs, targets.astype(np.float32), parts)


LINEAR = Task(
    name="line",
    title="a line",
    story="A linear function of five numbers.",
    noise="outliers",
    draw=line,
    corrupt=sampling.contaminated,
    model=linear(),
    output=LINE,
    reference="squared_error",
    contenders=("absolute_error", "huber(delta=0.1..1)", "tukey", "welsch"),
    levels=(0.0, 0.3),
    overlap=0.0,
    epochs=40,
)


# known truths


@pytest.fixture(scope="module")
def noisy():
    """Ten classes, at 60 % wrong labels the right one is still the most frequent label."""
    losses = (
        "cauchy_schwarz",
        "cross_entropy(temperature=0.5)",
        "expectation",
        "chebyshev",
        "one_hot_absolute_error",
        "hinge(margin=0.5)",
    )
    return compare(losses, seeds=8, noise=(0.0, 0.6), rates=(3e-3, 1e-2), epochs=15)


@pytest.mark.slow
@pytest.mark.parametrize(
    "twins", [("cauchy_schwarz", "cross_entropy(temperature=0.5)"), ("expectation", "chebyshev")]
)
def test_losses_that_are_the_same_up_to_scale_differ_by_no_more_than_roundings(noisy, twins):
    for level in range(2):
        one, other = (
            {
                (x.rate, seed): score
                for x in noisy.results.tried(name, level)
                for seed, score in x.test.items()
            }
            for name in twins
        )
        apart = [abs(one[at] - other[at]) for at in set(one) & set(other)]
        assert len(apart) >= 4
        assert np.mean(apart) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["one_hot_absolute_error", "hinge(margin=0.5)"])
def test_what_needs_a_majority_collapses_without_one(noisy, loss):
    clean, spoilt = (noisy.standing(loss, noise).score.mean for noise in (0.0, 0.6))
    reference = noisy.standing("cross_entropy", 0.6)
    assert clean > 0.9
    assert spoilt < reference.score.mean - 0.15
    assert noisy.standing(loss, 0.6).to_reference.significant
    predicted_by_theory = {prediction.loss: prediction.says for prediction in noisy.predictions}
    assert predicted_by_theory[loss] == "ties all classes"
    assert predicted_by_theory["cross_entropy"] == "finds the class"


@pytest.mark.slow
def test_gross_outliers_break_squared_error_and_not_what_redescends():
    outcome = compare(task=LINEAR, seeds=3, rates=(1e-2, 1e-1))
    error = {s.loss: s.score.mean for s in outcome.rankings[0.3]}
    assert error["squared_error"] > 0.5
    assert error["tukey"] < 0.15
    assert error["welsch"] < 0.15
    assert error["tukey"] < error["absolute_error"] < error["squared_error"]
    predicted_by_theory = {p.loss: p.says for p in outcome.predictions}
    assert predicted_by_theory["squared_error"] == "is off by 3.00 deviations"
    assert predicted_by_theory["tukey"] == "is off by 0.00 deviations"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "noise", "lead"),
    [
        ("cross_entropy", 0.6, np.log(0.4 / (0.6 / 9))),
        ("cauchy_schwarz", 0.6, np.log(0.4 / (0.6 / 9)) / 2),
        ("one_hot_squared_error", 0.6, 0.4 - 0.6 / 9),
        ("hinge(margin=0.5)", 0.6, 0.0),
        ("hinge(margin=0.5)", 0.4, 1.0),
    ],
)
def test_what_a_population_of_labels_is_fitted_by(text, noise, lead):
    (variant,) = parse_expression(text, classes(10)).variants
    assert float(Labels(10).score_gap(variant.objective, noise)) == pytest.approx(lead, abs=2e-3)


def test_a_single_score_follows_the_majority():
    (variant,) = parse_expression("logistic", BINARY).variants
    of_two = Labels(2, single=True)
    assert float(of_two.score_gap(variant.objective, 0.2)) == pytest.approx(np.log(4), abs=1e-3)
    assert of_two.predicted(variant.objective, 0.7) == "finds another class"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "noise", "location"),
    [
        ("squared_error", 0.3, 3.0),
        ("absolute_error", 0.3, norm.ppf(0.5 / 0.7)),
        ("pinball(quantile=0.9)", 0.0, norm.ppf(0.9)),
        ("tukey", 0.3, 0.0),
    ],
)
def test_what_a_population_of_numbers_is_fitted_by(text, noise, location):
    (variant,) = parse_expression(text, LINE).variants
    found = float(Numbers(displaced).location(variant.objective, noise))
    assert found == pytest.approx(location, abs=0.011)
    assert Numbers(covering).predicted(variant.objective, noise).startswith("covers")


# the call


@pytest.mark.slow
def test_losses_objectives_and_expressions_take_part_side_by_side():
    mixed = 0.5 * jl.Objective(jl.brier) + 0.5 * jl.Objective(jl.expectation)
    few = {"seeds": 2, "noise": [0.0], "rates": [1e-2], "epochs": 2}
    outcome = compare({"mixed": mixed, "brier": jl.brier, "text": "hinge(margin=0.5)"}, **few)
    assert isinstance(outcome, Outcome)
    assert {"mixed", "brier", "text"} < {s.loss for s in outcome.rankings[0.0]}
    table = outcome.frame()
    assert len(table) == len(outcome.results.rows)
    # What was chosen of all but the replicate, with one of the temperatures.
    assert table.chosen.sum() == 2 * len(outcome.rankings[0.0])
    with pytest.raises(KeyError):
        outcome.standing("nobody", 0.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seeds": 1}, "`seeds` is at least 2, got 1"),
        ({"noise": [1.0]}, r"`noise` is fractions in \[0, 1\)"),
        ({"noise": []}, "`noise`"),
        ({"rates": [0.0]}, "`rates` is positive numbers"),
        ({"epochs": 0}, "`epochs`"),
        ({"task": "digit"}, "digits"),
        ({"losses": "hubr"}, "huber"),
        ({"temperatures": [-1.0]}, "`temperatures` is positive numbers"),
        ({"budget": 0}, "`budget` is a positive number of seconds, .* got 0"),
        ({"budget": "soon"}, "`budget` is a positive number of seconds, or a text such as '60s'"),
        ({"budget": "1..5s"}, "`budget`"),
    ],
)
def test_a_bad_argument_is_named(options, says):
    with pytest.raises(ValueError, match=says):
        planned(**options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seedz": 3}, "'seedz'; the nearest are seeds; it takes `losses` and task, data"),
        ({"optimiser": "sgd"}, "no argument is called 'optimiser'; the nearest are optimizer"),
        ({"optimizer": "sgd"}, "`optimizer` is an optax transformation, or a function .*'sgd'"),
        ({"target": "y"}, "leave out `target`: only `data` have such"),
        ({"better": "higher"}, "leave out `better`: it is of a `metric`"),
        ({"data": (np.ones((9, 2)), np.ones(9)), "task": "digits"}, "leave out `task`"),
        ({"data": 3}, "`data` is a pair of inputs and targets; a mapping .*; got int"),
        ({"model": 3}, "`model` is a module of Flax Linen; .*; got 3"),
        ({"metric": 3}, "`metric` is the name of one, a `Metric`, or a function"),
        ({"metric": jl.brier, "better": "lower"}, "`metric` is none of the losses"),
        ({"at_once": 0.5}, "`at_once` is a whole number of at least 1"),
        ({"budget": [60]}, "`budget` is a positive number of seconds"),
        ({"budget": "60s", "seeds": 3}, "leave out `seeds`: a `budget` says how long to test"),
        ({"seeds": "3"}, "`seeds` is a whole number of at least 2, got '3'"),
        ({"epochs": 2.5}, "`epochs` is a whole number of at least 1, got 2.5"),
        ({"noise": 0.1}, "`noise` is a sequence of numbers, got 0.1"),
        ({"task": 3}, "`task` is a name or a Task"),
        ({"reference": jl.brier}, "`reference` is an expression or the name of a loss"),
    ],
)
def test_an_argument_that_is_unknown_or_of_another_kind_is_named(options, says):
    for call in (planned, compare):
        with pytest.raises(TypeError, match=says):
            call(**options)


def test_numbers_may_come_in_arrays():
    plan = planned("brier", seeds=np.int64(3), noise=np.array([0.5, 0.0]), rates=(1, 0.1))
    assert (plan.seeds, plan.noise, plan.rates) == (3, (0.0, 0.5), (0.1, 1.0))


# the command

FEW = ("--loss", "brier(temperature=[1, 2])", "--seeds", "2", "--rates", "0.01", "--epochs", "2")


def options(*words):
    parser = argparse.ArgumentParser()
    command_line.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a run, and what it printed."""
    folder, printed = tmp_path_factory.mktemp("run") / "out", io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(["compare", *FEW, "--out", str(folder)]) == 0
    return folder, printed.getvalue()


@pytest.mark.slow
def test_the_folder_holds_page_text_and_rows(written):
    folder, printed = written
    names = {"plan.json", "report.html", "report.md", "results.csv", "results.jsonl"}
    names |= {"decision.json", "rankings.tex", "figures"}
    assert {path.name for path in folder.iterdir()} == names
    assert "brier" in printed
    table, rows = pd.read_csv(folder / "results.csv"), (folder / "results.jsonl").read_text()
    # On each of two seeds and levels: reference, loss, replicate and four temperatures.
    assert sum(table.phase == "test") == 2 * 2 * (1 + 1 + 1 + 4)
    # The reference and its temperatures on six seeds, of two temperatures of the loss both.
    assert len(table) == len(rows.splitlines()) == 2 * (2 * 7 + 6 * (1 + 4 + 2))


@pytest.mark.slow
def test_every_number_of_the_report_is_recomputed_from_the_rows(written):
    folder, printed = written
    again = read_outcome(folder, planned([FEW[1]], seeds=2, rates=[0.01], epochs=2))
    text = (folder / "report.md").read_text()
    for ranking in again.rankings.values():
        for standing in ranking:
            assert f"{100 * standing.score.mean:.2f}" in text
            assert f"{100 * standing.score.mean:.2f}" in printed


@pytest.mark.slow
def test_two_runs_give_the_same_rows_and_json_is_all_that_is_printed(written, tmp_path, capsys):
    assert main(["compare", *FEW, "--out", str(tmp_path), "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["task"] == "digits"
    assert {s["verdict"] for level in outcome["levels"] for s in level["ranking"]}
    for name in ("results.csv", "results.jsonl", "plan.json"):
        assert (tmp_path / name).read_bytes() == (written[0] / name).read_bytes()


@pytest.mark.slow
def test_resuming_another_run_is_refused(written, capsys):
    other = ["compare", *FEW, "--epochs", "3", "--resume", "--out", str(written[0])]
    assert main(other) == 2
    assert "another run: its epochs differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--loss", "hing"], "the nearest are hinge"),
        (["--loss", "huber(delta=0)"], "      ^"),
        (["--task", "digit"], "digits"),
        (["--target", "y"], "--data FILE"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--data", "nowhere.csv", "--target", "y"], "nowhere.csv"),
        (["--data", "x.csv", "--target", "y", "--task", "engel"], "--task engel"),
        (["--task", "diabetes", "--imbalance", "0.1"], "diabetes"),
        (["--processes", "2"], "--coordinator"),
        (["--coordinator", "localhost:1"], "--processes N"),
    ],
)
def test_a_request_that_cannot_be_met_exits_with_2_and_says_why(words, says, tmp_path, capsys):
    assert main(["compare", *words, "--out", str(tmp_path / "none")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--seeds", "1"),
        ("--seeds", "two"),
        ("--noise", "1"),
        ("--noise", "-0.1"),
        ("--rates", "0"),
        ("--rates", "inf"),
        ("--epochs", "0"),
        ("--imbalance", "1"),
    ],
)
def test_a_number_out_of_range_is_refused_with_what_is_needed(words, capsys):
    with pytest.raises(SystemExit) as stop:
        options(*words)
    assert stop.value.code == 2
    assert "is needed, not" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--loss", "huber(delta=0.1..10)", "--loss", "brier", "--noise", "0", "0.25"),
        ("--budget", "90s", "--loss", "brier"),
        ("--task", "engel", "--margin", "0.3", "--seeds", "3", "--rates", "0.001", "--epochs", "7"),
        ("--data", "my table.csv", "--target", "a b", "--groups", "c", "--out", "else where"),
        ("--model", "a.py:cnn", "--optimizer", "adamw(weight_decay=0.1)", "--batch", "8"),
        ("--metric", "a:score", "--better", "lower", "--at-once", "3", "--target", "digits"),
        ("--thorough", "--imbalance", "0.1", "--reference", "brier", "--temperatures", "1", "2"),
    ],
)
def test_the_command_in_the_report_gives_the_same_arguments(words):
    said = shlex.split(command_line.command(options(*words)))
    assert said[:2] == ["jaxloss", "compare"]
    assert vars(options(*said[2:])) == vars(options(*words))


def test_thorough_is_a_default_that_other_options_override():
    seeds = command_line.options(options("--thorough", "--seeds", "4"))
    assert (seeds["seeds"], "budget" in seeds) == (4, False)
    assert command_line.options(options("--thorough"))["budget"] == "30min"
    assert command_line.options(options("--thorough"))["temperatures"] == (0.25, 0.5, 1, 2, 4)
    assert command_line.options(options()) == {}


def test_a_missing_extra_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jaxloss.compare.session", None)
    monkeypatch.setitem(sys.modules, "jaxloss.compare", None)
    assert main(["compare"]) == 1
    assert "is not installed; pip install 'jaxloss[compare]'" in capsys.readouterr().err


def test_help_names_every_task():
    assert all(name in command_line.EPILOG for name in TASKS)


def test_help_names_how_long_a_run_takes_by_default(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert f"(default: {budget_of({}):g}s)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(90, 90), (0.5, 0.5), ("60s", 60), (" 5 min", 300), ("1.5h", 5400), ("7", 7)],
)
def test_a_budget_is_a_number_of_seconds_or_a_text(given, seconds):
    assert budget_of({"budget": given}) == seconds


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_trained(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["compare", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("jaxloss compare: error: ")


@pytest.mark.parametrize("name", ["report.html", "results.jsonl", "plan.json", ".lock"])
def test_a_folder_where_a_file_is_to_be_written_is_said_before_anything_is_trained(
    name, tmp_path, capsys
):
    (tmp_path / name).mkdir()
    assert main(["compare", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert "give another folder by --out" in said
    assert [path.name for path in tmp_path.iterdir()] == [name]


# a folder and the runs in it

HOLD = """
import sys, pathlib
from jaxloss.files import locked  # without `jaxloss.compare`, which takes seconds to import
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a folder."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / LOCK)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_a_folder_that_another_run_writes_into_is_refused_and_left_alone(
    more, holder, tmp_path, capsys
):
    (tmp_path / "results.jsonl").write_text("what the other wrote")
    assert main(["compare", "--out", str(tmp_path), *more]) == 2
    said = capsys.readouterr().err
    assert f"another run writes into {tmp_path}: wait until it ends, or give another" in said
    assert (tmp_path / "results.jsonl").read_text() == "what the other wrote"
    assert holder.poll() is None


@pytest.mark.parametrize("farewell", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_holds_its_folder_no_longer(farewell, holder, tmp_path):
    holder.send_signal(farewell)
    holder.wait()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    with claimed(tmp_path), pytest.raises(ValueError, match="another run"), claimed(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_that_was_removed_meanwhile_holds_nobody_off(tmp_path, monkeypatch):
    """Between opening the file and locking it, the run that had it may have ended."""
    path, taken = tmp_path / ".lock", []
    real = fcntl.flock

    def late(file, how):
        if not taken:
            path.unlink()
        taken.append(real(file, how))

    monkeypatch.setattr(fcntl, "flock", late)
    with claimed(tmp_path):
        assert len(taken) == 2
        assert path.exists()


@pytest.mark.slow
def test_of_two_runs_at_once_in_one_folder_one_is_refused_and_the_other_loses_no_row(tmp_path):
    words = [sys.executable, "-m", "jaxloss", "compare", *FEW, "--out", str(tmp_path)]
    runs = [subprocess.Popen(words, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [run.communicate(timeout=300)[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2]
    refused = next(text for run, text in zip(runs, said, strict=True) if run.returncode)
    assert f"another run writes into {tmp_path}" in refused
    plan = planned([FEW[1]], seeds=2, rates=[0.01], epochs=2)
    assert read_outcome(tmp_path, plan).results.seeds == 2


@pytest.fixture(scope="module")
def rows():
    """A plan and rows of it that nobody trained."""
    plan = planned(["brier"], seeds=2, noise=[0.0], rates=[0.01], epochs=2)
    results, _ = made_up.run(plan, lambda _: [0.4, 0.5])
    return plan, list(results.rows)


GRID = ("--loss", "brier", "--seeds", "2", "--noise", "0", "--rates", "0.01", "--epochs", "2")


def kept(path, plan, lines):
    (path / "plan.json").write_text(json.dumps(plan.identity, indent=1))
    (path / "results.jsonl").write_text("".join(lines))


def resumed(path, capsys):
    """What a resumed run says to a folder that it refuses."""
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    assert main(["compare", *GRID, "--out", str(path), "--resume"]) == 2
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    return capsys.readouterr().err


DAMAGES = {
    "no JSON": lambda _: "garbage\n",
    "half a line": lambda line: line[:40] + "\n",
    "two halves": lambda line: line[:40] + line,
    "empty": lambda _: "\n",
    "a number": lambda _: "3\n",
    "a list": lambda _: "[]\n",
    "deep": lambda _: "[" * 100_000 + "\n",
    "no seed": lambda line: line.replace('"seed"', '"sead"'),
    "another seed": lambda line: re.sub('"seed": .', '"seed": 7', line),
    "a seed that is there": lambda line: re.sub('"seed": .', '"seed": 0', line),
    "no phase": lambda line: line.replace('"phase": "tuning", ', ""),
    "another phase": lambda line: line.replace('"tuning"', '"testing"'),
    "no level of the plan": lambda line: line.replace('"noise": 0.0', '"noise": 0.1'),
    "another hyper-parameter": lambda line: line.replace("{}", '{"q": 0.5}'),
    "another loss": lambda line: line.replace("brier", "huber").replace("cross_", "x_"),
    "a short curve": lambda line: line.replace("[0.4, 0.5]", "[0.5]"),
    "words": lambda line: line.replace("[0.4, 0.5]", '["a", "b"]'),
    "no metric": lambda line: line.replace('"accuracy"', '"precision"'),
    "no names": lambda line: line.replace('"hyperparameters": {}', '"hyperparameters": 3'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_line_of_the_rows_that_is_no_row_is_named(damage, rows, tmp_path):
    plan, made = rows
    lines = [row.to_json() for row in made]
    lines[3] = damage(lines[3])
    kept(tmp_path, plan, lines)
    with pytest.raises(ValueError, match=r"results\.jsonl, line 4: this "):
        read_outcome(tmp_path, plan)


def test_a_resumed_run_names_the_file_the_line_and_what_to_do(rows, tmp_path, capsys):
    plan, made = rows
    kept(tmp_path, plan, [row.to_json() for row in made])
    file = tmp_path / "results.jsonl"
    before, _, after = file.read_bytes().rpartition(b"cross_entropy")
    file.write_bytes(before + b"cross_\xffentropy" + after)
    said = resumed(tmp_path, capsys)
    assert f"{file}, line {len(made)}: this is no row of a run (UnicodeDecodeError" in said
    assert "take out that line and go on with --resume, or begin anew" in said


def test_rows_that_are_whole_are_read_and_a_last_line_that_was_cut_off_is_left_out(rows, tmp_path):
    plan, made = rows
    kept(tmp_path, plan, [*(row.to_json() for row in made), made[0].to_json()[:50]])
    assert read_outcome(tmp_path, plan).results.rows == tuple(made)


@pytest.mark.parametrize("text", ["", "{", "null", "[3]", "3", '"text"', "\xff", '{"task": "dig'])
def test_a_plan_that_is_none_is_refused(text, rows, tmp_path, capsys):
    plan, made = rows
    kept(tmp_path, plan, [row.to_json() for row in made])
    (tmp_path / "plan.json").write_text(text, encoding="latin-1")
    said = resumed(tmp_path, capsys)
    assert str(tmp_path / "plan.json") in said
    assert "begin anew by --overwrite, or give another folder" in said


def test_rows_without_a_plan_are_refused_and_not_deleted(rows, tmp_path, capsys):
    plan, made = rows
    kept(tmp_path, plan, [row.to_json() for row in made])
    (tmp_path / "plan.json").unlink()
    assert "holds results.jsonl and no plan.json" in resumed(tmp_path, capsys)


def test_a_plan_of_another_run_is_refused_by_what_differs(rows, tmp_path, capsys):
    kept(tmp_path, dataclasses.replace(rows[0], epochs=3), [])
    assert "another run: its epochs differs; begin anew" in resumed(tmp_path, capsys)


def test_fewer_seeds_than_there_are_rows_of_are_refused(rows, tmp_path):
    plan, made = rows
    kept(tmp_path, plan, [row.to_json() for row in made])
    with pytest.raises(ValueError, match="has the seed 1, of 1 that are asked for"):
        read_outcome(tmp_path, dataclasses.replace(plan, seeds=1))


@contextlib.contextmanager
def disk_of(size):
    """No file of this process can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_the_disk_is_full_files_stay_whole_and_the_file_is_named(rows, tmp_path):
    plan, made = rows
    store = Store(tmp_path / "results.jsonl", plan)
    store.append(made[:2])
    before = store.path.read_bytes()
    for write in (store.append, store.replace):
        with disk_of(len(before) + 100), pytest.raises(OSError, match=r"results\.jsonl"):
            write(made)
        assert store.path.read_bytes() == before
    outcome = Outcome(Results.of(plan, made))
    with disk_of(50), pytest.raises(OSError, match=r"results\.csv"):
        outcome.write_table(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


def test_a_full_disk_is_said_with_the_file_and_what_to_do(tmp_path, capsys):
    with disk_of(10):
        assert main(["compare", *GRID, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'plan.json'}'; once that is mended: jaxloss compare --loss brier" in said
    assert said.rstrip().endswith("--resume")
    assert not list(tmp_path.iterdir())


def test_a_run_is_not_replaced_without_a_word(rows, tmp_path, capsys):
    plan, made = rows
    kept(tmp_path, plan, [row.to_json() for row in made])
    before = (tmp_path / "results.jsonl").read_bytes()
    assert main(["compare", *GRID, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "holds the results of a run: go on with it by --resume, replace it by --over" in said
    assert (tmp_path / "results.jsonl").read_bytes() == before
    with pytest.raises(SystemExit):
        options("--resume", "--overwrite")


def lucky(network):
    """Scores of which nothing is known but that equal networks have equal ones."""
    return made_up.noise(network, 2, paired=False)


STEPS = [
    ({"losses": ["brier"], "seeds": 2}, 0.0),
    ({"losses": ["brier"], "seeds": 5}, 0.0),
    ({"losses": ["brier"]}, 0.0),  # at least 8 seeds
    ({"losses": ["brier", "huber(delta=0.1..10)"]}, 0.0),
    ({"losses": ["brier", "huber(delta=0.1..10)"]}, 4.0),
]


def test_a_run_grows_by_seeds_losses_and_time_to_what_a_larger_one_is(tmp_path):
    """No network is trained a second time, and the bytes are the same."""
    grid, trained = {"noise": [0.0, 0.4], "rates": [1e-3, 1e-2, 0.1], "epochs": 2}, []
    (tmp_path / "grown").mkdir()
    for index, (options, until) in enumerate(STEPS):
        plan = planned(**options, **grid)
        with made_up.replaced(lucky) as programs:
            outcome = run_plan(plan, tmp_path / "grown", resume=index > 0, until=until)
        trained += [network for program in programs for network in program.trained]
    assert len(set(trained)) == len(trained) == len(outcome.results.rows)
    assert outcome.results.seeds == LEAST_SEEDS + made_up.MadeUp.seeds
    (tmp_path / "whole").mkdir()
    whole = planned(STEPS[-1][0]["losses"], seeds=outcome.results.seeds, **grid)
    with made_up.replaced(lucky):
        run_plan(whole, tmp_path / "whole")
    for name in ("results.jsonl", "plan.json"):
        ours, theirs = ((tmp_path / path / name).read_bytes() for path in ("grown", "whole"))
        assert ours == theirs


def test_tuning_and_tests_share_no_network_and_all_contenders_their_seeds():
    plan = planned(["brier", "huber(delta=0.1..10)"], seeds=3, rates=[1e-3, 1e-2, 0.1], epochs=2)
    results, _ = made_up.run(plan, lucky)
    seeds = {}
    for row in results.rows:
        if row.phase is Phase.TEST:
            seeds.setdefault((row.loss, row.noise, row.point), []).append(row.seed)
    assert set(map(tuple, seeds.values())) == {(0, 1, 2)}
    per_level = 1 + 2 + 1 + 4  # reference, losses, replicate and temperatures
    assert len(seeds) == 2 * per_level


def test_an_outcome_is_not_written_where_a_run_writes(rows, holder, tmp_path):
    plan, made = rows
    outcome = Outcome(Results.of(plan, made))
    with pytest.raises(ValueError, match="another run writes into"):
        outcome.write(tmp_path)
    holder.kill()
    holder.wait()
    outcome.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"results.jsonl", "results.csv"}


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_run_ends_well_on_a_terminal_of_few_characters(encoding, tmp_path):
    words = [sys.executable, "-m", "jaxloss", "compare", *GRID, "--out", "größe"]
    old = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": encoding}
    environment = {**os.environ, **old}
    done = subprocess.run(words, capture_output=True, cwd=tmp_path, env=environment, check=True)
    shown = done.stdout.decode(encoding)
    assert "Wrote gr" in shown
    assert ("+- standard errors" if encoding == "ascii" else "± standard errors") in shown
    assert "± standard error" in (tmp_path / "größe" / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_results(tmp_path):
    def words(name):
        return [sys.executable, "-m", "jaxloss", "compare", *FEW, "--out", str(tmp_path / name)]

    subprocess.run(words("whole"), check=True)
    running, rows = subprocess.Popen(words("killed")), tmp_path / "killed" / "results.jsonl"
    while running.poll() is None and not (rows.exists() and rows.stat().st_size):
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "killed" / "report.html").exists()
    subprocess.run([*words("killed"), "--resume"], check=True)
    assert rows.read_bytes() == (tmp_path / "whole" / "results.jsonl").read_bytes()


def together(folder, *more):
    """Two processes that share a run, each with two devices."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        address = f"localhost:{probe.getsockname()[1]}"
    words = [sys.executable, "-m", "jaxloss", "compare", *FEW, *more, "--out", str(folder)]
    words += ["--coordinator", address, "--processes", "2", "--process-id"]
    flags = f"{os.getenv('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    environment = {**os.environ, "XLA_FLAGS": flags}
    return [
        subprocess.Popen([*words, index], stderr=subprocess.PIPE, text=True, env=environment)
        for index in "01"
    ]


@pytest.fixture
def processes():
    """A list of processes, none of which outlives the test."""
    started = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_two_processes_with_two_devices_each_find_what_one_does(tmp_path, processes):
    processes += together(tmp_path / "two")
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    one = [sys.executable, "-m", "jaxloss", "compare", *FEW, "--out", str(tmp_path / "one")]
    subprocess.run(one, check=True)
    ours, theirs = (pd.read_csv(tmp_path / name / "results.csv") for name in ("two", "one"))
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-5)


@pytest.mark.slow
def test_a_process_that_dies_is_missed_by_the_other(tmp_path, processes):
    processes += together(tmp_path, "--epochs", "20")  # of four contenders, one after another
    rows = tmp_path / "results.jsonl"
    while not (rows.exists() and rows.stat().st_size):
        assert processes[0].poll() is None
        time.sleep(0.05)
    processes[1].kill()
    _, said = processes[0].communicate(timeout=150)
    assert processes[0].returncode == 3
    assert "error: another process is gone: " in said
    assert said.rstrip().endswith("go on in each process with --resume")
