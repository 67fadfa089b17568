"""The comparison: its statistics, the pairing of its cells, its outputs and its errors."""

import argparse
import contextlib
import csv
import io
import json
import re
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxloss.compare import cli, digits, wording
from jaxloss.compare.contenders import CONTROL, REFERENCE, contenders, select
from jaxloss.compare.statistics import Estimate, choose, holm, paired_p, standings
from jaxloss.compare.sweep import Criteria, Curves, Sweep, accuracies

NOISE = (0.0, 0.4)


def _curves(test, validation=None):
    """Curves of one noise level and one epoch, from accuracies [seed, rate]."""
    test = np.asarray(test, float)[:, None, :, None]
    valid = test if validation is None else np.asarray(validation, float)[:, None, :, None]
    return Curves(valid, test)


def _parsed(*options):
    parser = argparse.ArgumentParser(prog="jaxloss compare")
    cli.add_arguments(parser)
    return parser.parse_args([str(option) for option in options])


# statistics


def test_an_estimate_is_the_mean_its_standard_error_and_the_interval_of_student():
    estimate = Estimate.of(np.array([1.0, 2.0, 3.0]))
    assert estimate.mean == 2
    assert estimate.error == pytest.approx(1 / np.sqrt(3))  # deviation 1 over root of 3 seeds
    half = 4.302652729911275 / np.sqrt(3)  # Student's 97.5 % point at 2 degrees of freedom
    assert estimate.interval == pytest.approx((2 - half, 2 + half))


def test_the_paired_test_is_that_of_scipy():
    generator = np.random.default_rng(0)
    first, second = generator.normal(0.9, 0.02, (2, 8))
    expected = stats.ttest_rel(first, second).pvalue
    assert paired_p(first - second) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("constant", [0.0, 1 / 360])
def test_differences_that_do_not_vary_claim_nothing(constant):
    first = np.array([0.9, 0.91, 0.97])
    assert paired_p((first + constant) - first) == 1


def test_holm_multiplies_the_least_by_the_most_and_never_decreases():
    # 4 * 0.005, 3 * 0.01, 2 * 0.03, 1 * 0.04 raised to the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_rate_is_chosen_on_validation_and_ties_go_to_the_least():
    assert choose(np.array([[0.5, 0.9, 0.7], [0.5, 0.7, 0.9]])) == 1
    validation, test = [[0.9, 0.8], [0.9, 0.8]], [[0.1, 0.2], [0.3, 0.2]]
    (level,) = standings({REFERENCE: _curves(test, validation)}, [0.0], [0.01, 0.1])
    assert level[0].rate == 0.01
    assert level[0].accuracy.mean == pytest.approx(0.2)
    assert level[0].at_edge


def test_verdicts_need_more_than_a_difference():
    base = np.array([[0.90], [0.91], [0.92], [0.93]])
    wobble = np.array([[0.04], [-0.02], [0.03], [-0.01]])
    steady = np.array([[0.04], [0.041], [0.039], [0.04]])
    curves = {
        REFERENCE: _curves(base),
        "brier": _curves(base + wobble),
        "tanimoto": _curves(base + steady),
        "hinge": _curves(base - steady),
    }
    (level,) = standings(curves, [0.0], [0.01])
    assert [s.loss for s in level] == ["tanimoto", "brier", REFERENCE, "hinge"]
    found = {s.loss: s for s in level}
    assert found["brier"].verdict == "not significant"
    assert wording.verdict(found["brier"]) == "not significant"
    assert found["tanimoto"].verdict == "better"
    assert wording.verdict(found["hinge"]).startswith("worse, p < 0.001")
    assert found[REFERENCE].verdict == "reference"
    raw = stats.ttest_1samp(steady[:, 0], 0).pvalue
    assert found["tanimoto"].p == pytest.approx(3 * raw, rel=1e-3)
    assert found["tanimoto"].difference.mean == pytest.approx(0.04)
    assert found["tanimoto"].difference.error == pytest.approx(stats.sem(steady[:, 0]))
    assert not level[0].at_edge  # a single rate has no edge


def test_correction_counts_the_comparisons_of_all_noise_levels():
    generator = np.random.default_rng(1)
    base = generator.normal(0.9, 0.01, (6, 2, 1, 1))
    other = base + generator.normal(0.01, 0.01, base.shape)
    curves = {REFERENCE: Curves(base, base), "brier": Curves(other, other)}
    found = [level[0] if level[0].p else level[1] for level in standings(curves, NOISE, [0.1])]
    raw = [paired_p((other - base)[:, level, 0, 0]) for level in range(2)]
    assert [s.p for s in found] == pytest.approx(holm(raw))


# data


@pytest.fixture(scope="module")
def trials():
    return digits.trials(seeds=3, noise=NOISE, epochs=2)


def test_parts_are_disjoint_complete_and_stratified():
    labels = np.repeat(np.arange(10), 20).astype(np.int32)
    parts = digits.split(labels, np.random.default_rng(0))
    assert sorted(np.concatenate(parts)) == list(range(200))
    assert [len(part) for part in parts] == [120, 40, 40]
    for part, count in zip(parts, (12, 4, 4), strict=True):
        assert np.bincount(labels[part]).tolist() == [count] * 10


def test_exactly_the_asked_fraction_of_labels_is_wrong(trials):
    for part in (trials.labels.training, trials.labels.validation):
        clean, noisy = part[:, 0], part[:, 1]
        wrong = (clean != noisy).sum(axis=-1)
        assert wrong.tolist() == [round(0.4 * part.shape[-1])] * 3
        assert noisy.min() >= 0
        assert noisy.max() < digits.CLASSES
    assert np.array_equal(trials.labels.test[:, 0], trials.labels.test[:, 1])


def test_wrong_labels_spread_evenly_over_the_other_classes():
    (noisy,) = digits.flipped(
        np.zeros((1, 9000), np.int32)[0],
        1.0,
        np.arange(9000),
        np.random.default_rng(0).integers(1, 10, 9000, dtype=np.int32),
    )[None]
    counts = np.bincount(noisy, minlength=10)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 0.01


def test_more_noise_keeps_the_wrong_labels_of_less():
    less, more = digits.trials(seeds=1, noise=(0.2, 0.6), epochs=1).labels.training[0]
    clean = digits.trials(seeds=1, noise=(0.0,), epochs=1).labels.training[0, 0]
    assert np.array_equal(less[less != clean], more[less != clean])


def test_standardisation_uses_the_training_part_only(trials):
    training = trials.images.training.astype(float)
    np.testing.assert_allclose(training.mean(axis=1), 0, atol=1e-5)
    assert abs(trials.images.test.astype(float).mean(axis=1)).max() > 1e-3


def test_an_epoch_meets_no_example_twice(trials):
    order = trials.order.reshape(3, 2, -1)
    for epoch in order.reshape(6, -1):
        assert len(set(epoch.tolist())) == epoch.size
    assert not np.array_equal(order[0, 0], order[0, 1])


def test_a_seed_is_the_same_whatever_else_is_asked_for(trials):
    again = digits.trials(seeds=1, noise=(0.4,), epochs=2)
    assert np.array_equal(again.images.training[0], trials.images.training[0])
    assert np.array_equal(again.labels.training[0, 0], trials.labels.training[0, 1])
    assert np.array_equal(again.order[0], trials.order[0])
    np.testing.assert_array_equal(
        again.parameters.inner_weights, trials.parameters.inner_weights[:1]
    )
    assert not np.array_equal(trials.order[0], trials.order[1])


# contenders and sweep


def test_thirteen_take_part_and_the_control_shares_the_branch_of_the_reference():
    everyone = contenders()
    criteria = Criteria(everyone)
    assert len(everyone) == 13
    assert len(criteria.branches) == 12
    names = [contender.name for contender in everyone]
    branches = [int(criteria.leaves(names.index(name))[0]) for name in (REFERENCE, CONTROL)]
    assert branches[0] == branches[1]


def test_each_contender_is_the_objective_that_it_names():
    logits = jnp.array(np.random.default_rng(0).normal(size=(5, 10)), jnp.float32)
    labels = jnp.arange(5)
    everyone = contenders()
    criteria = Criteria(everyone)
    for index, contender in enumerate(everyone):
        expected = contender.objective(logits / contender.temperature, labels)
        found = criteria.at(*criteria.leaves(index))(logits, labels)
        assert float(found) == pytest.approx(float(expected), rel=1e-6), contender.name


def test_identical_contenders_give_identical_cells_so_cells_are_paired(trials):
    (reference,) = select([REFERENCE])
    sweep = Sweep.compiled([reference, reference], trials, (1e-3, 1e-2))
    first, second = sweep.run()
    assert np.array_equal(first.test, second.test)
    assert first.test.shape == (3, 2, 2, 2)
    accuracy = accuracies(first, trials)
    assert accuracy.test[:, 0, 1, -1].mean() > 0.8
    assert accuracy.validation[:, 1, 1, -1].mean() < 0.65  # 40 % of these labels are wrong
    assert accuracy.test[:, 1, 1, -1].mean() > accuracy.validation[:, 1, 1, -1].mean()


@pytest.mark.parametrize(
    ("wrong", "near"), [("hing", "hinge"), ("tanimotto", "tanimoto"), ("crossentropy", REFERENCE)]
)
def test_an_unknown_loss_is_answered_with_the_nearest_names(wrong, near, tmp_path, capsys):
    assert cli.run(_parsed("--loss", wrong, "--out", tmp_path / "none")) == 2
    message = capsys.readouterr().err
    assert repr(wrong) in message
    assert near in message
    assert not (tmp_path / "none").exists()


def test_a_name_like_no_other_is_answered_with_all_names():
    with pytest.raises(ValueError, match=r"there are one_hot_absolute_error, .*cauchy_schwarz"):
        select(["zzz"])


# command line


@pytest.mark.parametrize(
    "options",
    [
        ("--seeds", "1"),
        ("--seeds", "two"),
        ("--noise", "1"),
        ("--noise", "-0.1"),
        ("--rates", "0"),
        ("--rates", "inf"),
        ("--epochs", "0"),
    ],
)
def test_numbers_out_of_range_are_refused_and_the_message_says_what_is_needed(options, capsys):
    with pytest.raises(SystemExit) as stop:
        _parsed(*options)
    assert stop.value.code == 2
    assert "is needed, not" in capsys.readouterr().err


def test_the_command_in_the_report_gives_the_same_arguments():
    assert cli.command(_parsed()) == "jaxloss compare"
    given = ("--loss", "brier", "--seeds", "3", "--noise", "0.1", "--rates", "0.01", "0.02")
    written = cli.command(_parsed(*given)).split()
    assert written[:2] == ["jaxloss", "compare"]
    assert vars(_parsed(*written[2:])) == vars(_parsed(*given))


def test_a_missing_extra_says_what_to_install(monkeypatch, capsys):
    def absent(name):
        raise ModuleNotFoundError(name=name.split(".")[0])

    monkeypatch.setattr(cli.importlib, "import_module", lambda _: absent("sklearn"))
    assert cli.run(_parsed()) == 1
    assert "pip install 'jaxloss[compare]'" in capsys.readouterr().err


def test_help_names_every_contender():
    for contender in contenders():
        assert contender.name in cli.EPILOG


# end to end


class Page(HTMLParser):
    """Collects what a page refers to, and its text."""

    def __init__(self):
        super().__init__()
        self.links, self.ids, self.tags, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in {"src", "href", "xlink:href", "srcset", "data"}]
        self.ids += [v for k, v in attrs if k == "id"]

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def run_twice(tmp_path_factory):
    folders = [tmp_path_factory.mktemp("report") / str(i) for i in range(2)]
    options = ("--loss", "brier", "--loss", CONTROL, "--seeds", 2, "--epochs", 1)
    for folder in folders:
        arguments = _parsed(*options, "--rates", 0.01, 0.001, "--out", folder)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert cli.run(arguments) == 0
        (folder / "printed").write_text(printed.getvalue(), encoding="utf-8")
    return folders


def test_results_are_complete_and_the_same_in_both_files(run_twice):
    with (run_twice[0] / "results.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    lines = (run_twice[0] / "results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [{k: str(v) for k, v in row.items()} for row in rows] == table
    cells = {(r["loss"], r["noise"], r["learning_rate"], r["seed"]) for r in rows}
    assert len(cells) == len(rows) == 3 * 2 * 2 * 2
    assert {r["loss"] for r in rows} == {REFERENCE, "brier", CONTROL}
    for row in rows:
        assert row["test_accuracy"] * 360 == pytest.approx(round(row["test_accuracy"] * 360))
    assert sum(row["chosen"] for row in rows) == len(rows) / 2


def test_the_chosen_rate_has_the_best_mean_validation_accuracy(run_twice):
    lines = (run_twice[0] / "results.jsonl").read_text(encoding="utf-8").splitlines()
    means = {}
    for row in map(json.loads, lines):
        cell = means.setdefault((row["loss"], row["noise"]), {})
        cell.setdefault((row["learning_rate"], row["chosen"]), []).append(
            row["validation_accuracy"]
        )
    for cell in means.values():
        (_, chosen) = max(cell, key=lambda key: np.mean(cell[key]))
        assert chosen


def test_two_runs_give_the_same_results(run_twice):
    first, second = (folder / "results.csv" for folder in run_twice)
    assert first.read_bytes() == second.read_bytes()


def test_the_page_needs_nothing_else_and_agrees_with_the_results(run_twice):
    source = (run_twice[0] / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(source)
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert "http" not in source
    assert "@import" not in source
    assert page.tags.count("svg") == 4
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]*)\)", source)) <= set(page.ids)
    text = " ".join(page.text)
    assert "not significant" in text
    assert "jaxloss compare --loss brier" in text
    lines = (run_twice[0] / "results.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for loss in ("brier", REFERENCE):
        accuracy = [
            r["test_accuracy"]
            for r in rows
            if r["loss"] == loss and r["noise"] == 0 and r["chosen"]
        ]
        assert wording.points(Estimate.of(np.array(accuracy))) in text


def test_colours_follow_the_page(run_twice):
    source = (run_twice[0] / "report.html").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in source
    body = source[source.index("<main>") :]
    assert "var(--level-1)" in body
    assert not re.findall(r"(?:fill|stroke): ?#[0-9a-f]{6}", body)


def test_the_terminal_shows_ranking_findings_and_warnings(run_twice):
    printed = (run_twice[0] / "printed").read_text(encoding="utf-8")
    assert "24 networks" in printed
    assert "40 % label noise" in printed
    assert "not significant" in printed
    assert "Halving the temperature of cross-entropy" in printed
    assert "a rate beyond the grid may be better" in " ".join(printed.split())
    assert max(map(len, printed.splitlines())) <= 80
    assert "…" not in printed


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_trained(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert cli.run(_parsed("--out", tmp_path / "file")) == 2
    assert capsys.readouterr().err.startswith("jaxloss compare: error: ")
