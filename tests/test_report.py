"""The report: every number is that of the analysis, whatever the task, and the page is whole."""

import contextlib
import dataclasses
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import made_up
import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from jaxloss.compare.report import markdown, page, report_model, terminal, wording
from jaxloss.compare.report.figures import loss_curves, panels, plots
from jaxloss.compare.report.quantities import NumberFormat, name_parts, p_value, wrapped
from jaxloss.compare.statistics.estimates import Estimate
from jaxloss.compare.statistics.standings import analyse
from jaxloss.compare.statistics.theory import TheoryPrediction
from jaxloss.compare.sweep.contenders import Lineup
from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.tasks.digits import DIGITS
from jaxloss.compare.tasks.metrics import Metric, median_error
from jaxloss.compare.tasks.outputs import BINARY, values

RANGED = "generalized_cross_entropy(q=0.2..0.8)"
COMMAND = "jaxloss compare --loss 'brier' --seeds 2"


@pytest.fixture(scope="module")
def trained():
    """A run of two losses, one over a range, beside the reference."""

    def score(network):
        (*hyper, rate), level = network.point, network.noise
        peak = 0.9 - 0.1 * level - 0.05 * abs(np.log10(rate / 3e-3))
        curve = peak - sum(hyper) / 100 + 0.01 * made_up.noise(network, 3, paired=False)
        return curve - [0.2, 0.1, 0]

    return analysed(["brier", RANGED], score=score, rates=(1e-3, 1e-2))


def analysed(losses, score, noise=(0.0, 0.4), rates=(1e-3, 1e-2), task=DIGITS):
    """The results of a run with made-up curves of three epochs, and their analysis."""
    plan = Plan(task, Lineup.of(task, losses), noise, rates, 3, 6)
    results, _ = made_up.run(plan, score)
    return results, analyse(results)


@pytest.fixture(scope="module")
def trained_page(trained):
    return rendered(*trained)


def made(
    task=DIGITS, given=("brier", "tanimoto"), noise=(0.0, 0.4), rates=(1e-3, 1e-2), score=None
):
    """A run whose scores are those of a function of loss, level and rate, but for noise."""
    usual = lambda _, level, rate: 0.9 - 0.1 * level - 10 * abs(rate - 1e-3)

    def curve(network):
        level, rate = noise.index(network.noise), network.point[-1]
        drawn = made_up.noise(network, 3, paired=False)
        return (score or usual)(network.loss, level, rate) + 0.01 * drawn

    return analysed(given, curve, noise, rates, task)


def failing(loss, *_):
    return math.nan if loss == "tanimoto" else 0.8


def rendered(results, analysis, predictions=()):
    told = report_model.of_run(results, analysis, predictions, COMMAND, 12.0)
    return page.render(told, panels.page_figures(results, analysis))


def warnings(results, analysis):
    return report_model.of_run(results, analysis).warnings


def printed(results, analysis, width=80):
    """What the terminal shows."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terminal, "Console", lambda **_: Console(file=out, width=width))
        terminal.announce(results.plan)
        terminal.show(report_model.of_run(results, analysis))
    return out.getvalue()


class Page(HTMLParser):
    """What a page consists of; fails on tags that are not balanced."""

    VOID = frozenset({"meta", "link", "wbr", "br", "input"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.rows = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"script", "style"} & set(self.open):
            return
        self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def ids(self):
        return [attributes["id"] for _, attributes in self.attributes if "id" in attributes]


def tables(text):
    """The tables of Markdown, as lists of rows of cells."""
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    split = [[re.split(r"(?<!\\)\|", line)[1:-1] for line in b.splitlines()] for b in blocks]
    return [[[cell.strip() for cell in row] for row in block] for block in split]


def number(text):
    return float(text.replace("\N{MINUS SIGN}", "-"))


# numbers


def test_digits_are_those_that_standard_errors_warrant():
    accuracy, error = DIGITS.output.metric, Metric("mae", "error", median_error, higher=False)

    def written(metric, mean, deviation):
        estimate = Estimate(mean, deviation, (mean - deviation, mean + deviation))
        return NumberFormat.of(metric, [estimate]).estimate(estimate)

    assert written(accuracy, 0.97812, 0.0042) == "97.81 ± 0.42"
    assert written(error, 43.2109, 1.23) == "43.2 ± 1.2"
    assert written(error, 43210.9, 123.0) == "43211 ± 123"
    assert written(error, 1.234e-7, 2e-9) == "1.23e\N{MINUS SIGN}07 ± 2e\N{MINUS SIGN}09"
    assert written(error, -2e9, 3e8) == "\N{MINUS SIGN}2e+09 ± 3e+08"
    assert written(error, math.nan, math.nan) == "—"


def test_what_rounds_to_nothing_has_no_sign():
    scale = NumberFormat(DIGITS.output.metric, 1)
    assert scale.number(-0.0001, signed=True) == scale.number(0.0001) == "0.0"
    assert scale.number(0.012, signed=True) == "+1.2"


def test_names_are_broken_between_their_parts_and_lose_nothing():
    name = "cross_entropy(temperature=[0.25, 0.5, 2, 4])"
    assert "".join(name_parts(name)) == name
    lines = wrapped(name, 20).split("\n")
    assert max(map(len, lines)) <= 20
    assert "".join(lines).replace(" ", "") == name.replace(" ", "")


# the table of a real run


@pytest.mark.slow
def test_every_number_of_the_ranking_is_that_of_the_analysis(trained):
    _, analysis = trained
    for ranking, level in zip(report_model.rankings(analysis), analysis.levels, strict=True):
        assert [line.loss for line in ranking.lines] == [standing.loss for standing in level]
        for line, standing in zip(ranking.lines, level, strict=True):
            mean, error = map(number, line.score.split(" ± "))
            assert mean == pytest.approx(100 * standing.score.mean, abs=0.051)
            assert error == pytest.approx(100 * standing.score.error, abs=0.051)
            assert float(line.rate) == standing.rate
            if standing.to_reference:
                shown = number(line.difference.split(" ± ")[0])
                low, high = map(number, line.interval.split(" to "))
                ends = standing.to_reference.difference.interval
                assert shown == pytest.approx(
                    100 * standing.to_reference.difference.mean, abs=0.051
                )
                assert (low, high) == pytest.approx(tuple(100 * e for e in ends), abs=0.051)


@pytest.mark.slow
def test_page_markdown_and_terminal_show_the_same_numbers(trained, trained_page):
    results, analysis = trained
    shown = Page(trained_page)
    rows = {(row[1], row[2]): row for row in shown.rows if len(row) == 7}
    texts = (
        markdown.render(report_model.of_run(results, analysis, (), COMMAND, 12.0)),
        printed(results, analysis),
    )
    for ranking in report_model.rankings(analysis):
        for line in ranking.lines:
            (row,) = [
                row
                for row in rows.values()
                if row[2].startswith(line.score) and line.loss in row[1]
            ]
            tuned = "" if line.hyperparameters == "—" else line.hyperparameters
            assert row[1] == line.loss + tuned
            assert row[3].startswith(line.difference)
            assert row[6].startswith(line.verdict)
            for text in texts:
                assert line.score in text
                assert line.difference in text
            assert line.interval in texts[0]
            assert f"| {line.better} | {line.same} | {line.worse} |" in texts[0].replace("\\", "")


@pytest.mark.slow
def test_a_range_is_reported_with_what_was_chosen(trained, trained_page):
    results, analysis = trained
    chosen = analysis.standing(RANGED, 1).hyperparameters["q"]
    for text in (
        trained_page,
        markdown.render(report_model.of_run(results, analysis, (), COMMAND, 12.0)),
        printed(results, analysis),
    ):
        assert f"q = {chosen:g}" in text


@pytest.mark.slow
def test_the_further_measures_are_in_the_tables(trained):
    results, analysis = trained
    text = markdown.render(report_model.of_run(results, analysis, (), COMMAND, 12.0))
    for standing in analysis.levels[1]:
        nll = standing.measures["nll"].mean
        cells = [
            row
            for table in tables(text)
            for row in table
            if row[0] == markdown.plain(standing.loss)
        ]
        found = [number(cell.split(" ± ")[0]) for row in cells for cell in row[1:] if " ± " in cell]
        assert min(abs(value - nll) for value in found) < 0.01


# the page


@pytest.mark.slow
def test_the_page_is_whole_and_refers_to_nothing(trained_page):
    text = trained_page
    shown = Page(text)
    ids = shown.ids()
    assert len(ids) == len(set(ids)) > 10
    assert not re.search(r"https?:|<iframe|@import|src=", text)
    assert len(re.findall(r"<script>", text)) == text.count("<script") == 1
    used = set(re.findall(r"(?:href=\"|url\()#([^\"')]+)", text))
    assert used <= set(ids)
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"(--[\w-]+):", text))


@pytest.mark.slow
def test_the_page_can_be_heard(trained_page):
    shown = Page(trained_page)
    drawings = [attributes for tag, attributes in shown.attributes if tag == "svg"]
    assert (
        len(drawings) == 2 * 2 + 3 * 4 + 2
    )  # both whole on two scales, by loss, and what is tuned
    assert all(a["role"] == "img" and a["aria-label"] for a in drawings)
    assert len({a["aria-label"] for a in drawings}) == len(drawings)
    headers = [attributes for tag, attributes in shown.attributes if tag == "th"]
    assert headers
    assert all(a["scope"] in {"col", "row"} for a in headers)
    assert {"lang": "en"} in [a for tag, a in shown.attributes if tag == "html"]


@pytest.mark.slow
def test_the_page_says_how_to_find_it_again(trained_page):
    text = "".join(Page(trained_page).text)
    for wanted in (COMMAND, "0 to 5", "results.jsonl", "jaxlib", "validation data", "Bonferroni"):
        assert wanted in text


@pytest.mark.slow
def test_names_and_titles_are_text_and_no_markup():
    task = dataclasses.replace(DIGITS, title="<i>mine</i> & yours")
    name = "<b>$bold$</b> | `x`"
    results, analysis = made(task, {name: "brier"})
    text = rendered(results, analysis)
    assert "<b>" not in text
    assert "<i>" not in text
    assert name in "".join(Page(text).text)
    told = markdown.render(report_model.of_run(results, analysis, (), COMMAND, 12.0))
    assert "\\<b\\>$bold$\\</b\\> \\| \\`x\\`" in told
    assert name in printed(results, analysis, 200)


@pytest.mark.slow
def test_theory_stands_beside_what_was_measured(trained, trained_page):
    results, analysis = trained
    standing = analysis.standing("brier", 1)
    predicted = [TheoryPrediction("brier", 0.4, "finds the class", standing)]
    measured = report_model.rankings(analysis)[1].lines
    score = next(line.score for line in measured if line.loss == "brier")
    row = next(
        r for r in Page(rendered(results, analysis, predicted)).rows if "finds the class" in r
    )
    assert row[0] == "brier"
    assert row[2].startswith(score)
    assert "What theory predicts" not in trained_page


# other shapes of results


@pytest.mark.slow
def test_a_contender_that_failed_breaks_nothing():
    results, analysis = made(score=failing)
    shown = Page(rendered(results, analysis))
    row = next(row for row in shown.rows if row[1:2] == ["tanimoto"])
    assert row[2].startswith("—")
    assert row[6] == "failed to train"
    assert "nan" not in " ".join(shown.text).lower()
    assert "not finite" in " ".join(warnings(results, analysis))
    assert "failed to train" in " ".join(printed(results, analysis).split())


@pytest.mark.slow
def test_one_level_and_one_rate_have_no_curves_over_them():
    results, analysis = made(noise=(0.0,), rates=(1e-2,))
    titles = [plate.title for plate in panels.page_figures(results, analysis)]
    assert "Robustness" not in titles
    assert "Learning rate" not in titles
    assert "Learning curves" in titles
    assert any("single learning rate" in text for text in warnings(results, analysis))
    Page(rendered(results, analysis))


@pytest.mark.slow
def test_metrics_of_which_less_is_better_are_told_so():
    error = Metric("median_error", "median absolute error", median_error, higher=False, unit="mg")
    task = dataclasses.replace(
        DIGITS, output=values(error, population=None), reference="squared_error", control=None
    )

    def score(loss, *_):
        return {"huber(delta=1)": 30.0, "log_cosh": 70.0}.get(loss, 50.0)

    results, analysis = made(task, ("huber(delta=1)", "log_cosh"), score=score)
    first = report_model.rankings(analysis)[0].lines
    assert first[0].loss == "huber(delta=1)"
    verdicts = ["better on new data", "reference", "worse on new data"]
    assert [line.verdict for line in first] == verdicts
    assert number(first[0].difference.split(" ± ")[0]) == pytest.approx(-20, abs=0.1)
    text = "".join(Page(rendered(results, analysis)).text)
    assert "lower is better" in text
    assert "mg" in text
    assert "Further left is better" in text
    assert "better than squared_error: huber(delta=1) (\N{MINUS SIGN}20.0" in " ".join(
        wording.findings(analysis)
    )


@pytest.mark.slow
def test_many_levels_and_contenders_have_a_line_each():
    given = [f"cross_entropy(temperature={t / 10})" for t in range(1, 5)]
    results, analysis = made(given=given, noise=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    shown = Page(rendered(results, analysis))
    ranked = [row for row in shown.rows if len(row) == 7 and row[0].isdigit()]
    assert len(ranked) == 7 * len(analysis.levels[0])


@pytest.mark.slow
def test_markdown_tables_have_as_many_cells_in_every_row(trained):
    found = tables(markdown.render(report_model.of_run(*trained, (), COMMAND, 12.0)))
    assert len(found) >= 5
    for table in found:
        assert len({len(row) for row in table}) == 1
        assert set(table[1]) == {"---"}


@pytest.mark.parametrize("width", [30, 40])
def test_a_narrow_terminal_shows_every_name_and_number_whole(trained, width):
    results, analysis = trained
    text = printed(results, analysis, width)
    assert max(len(line) for line in text.splitlines()) <= width
    for ranking in report_model.rankings(analysis):
        for line in ranking.lines:
            spaced = text.replace("\N{NO-BREAK SPACE}", " ")
            assert line.score in spaced
            assert line.difference in spaced or line.difference == "—"
            assert line.verdict.replace(" ", "") in re.sub(r"\s", "", text)
            assert line.loss.replace(" ", "") in re.sub(r"\s", "", text)


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_cuts_no_number_and_fits(trained, width):
    results, analysis = trained
    text = printed(results, analysis, width)
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= width
    for ranking in report_model.rankings(analysis):
        for line in ranking.lines:
            assert any(
                line.score in row
                and line.difference in row
                and (width < 100 or f" {line.rate} " in row)
                for row in text.splitlines()
            )


def test_progress_is_silent_where_nobody_watches(trained, capsys):
    with terminal.progress() as done:
        done(trained[0].rows)
    with terminal.status("waiting"):
        pass
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "\x1b" not in captured.err


def test_progress_counts_networks_and_seeds(trained, monkeypatch):
    out, rows = io.StringIO(), trained[0].rows
    monkeypatch.setattr(
        terminal, "Console", lambda **_: Console(file=out, force_terminal=True, width=100)
    )
    with terminal.progress() as done:
        done(rows[:10])
        done(rows[10:])
    tests = 6 * 2 * (1 + 2 + 1 + 4)
    assert f"{len(rows) - tests} networks to tune, {tests} to test, of 6 seeds" in out.getvalue()
    out.truncate(0)
    with terminal.progress(quiet=True) as done:
        done(rows)
    assert "networks" not in out.getvalue()


def test_the_end_says_where_everything_is(capsys):
    terminal.finish(Path("some") / "[folder]", 61.4)
    assert "some/[folder]/report.html" in capsys.readouterr().out.replace("\n", "")


# sentences


def test_temperature_and_rounding_are_told_in_points():
    _, analysis = made()
    temperature_range, floor = ((-0.02, 0.031),) * 2, analysis.floor
    told = " ".join(
        wording.findings(dataclasses.replace(analysis, temperature_range=temperature_range))
    )
    assert "temperature alone moves cross_entropy by \N{MINUS SIGN}2.0" in told
    assert "+3.1" in told
    gap = 100 * floor[1].difference.mean
    said = re.search(r"reverse order differs by .* and (\S+) ± \S+ points at 40 %", told)
    assert number(said[1]) == pytest.approx(gap, abs=0.06)


def test_the_resolution_is_told_without_any_difference_that_was_measured():
    _, analysis = made()
    for deviation, more in (
        (0.01, "; one of 0.5 points takes [0-9]+ seeds"),
        (9.0, "; one of 0.5 points takes more than 1,000 seeds"),
        (1e-4, ""),
    ):
        known = dataclasses.replace(analysis.resolution, deviation=deviation)
        told = wording.findings(dataclasses.replace(analysis, resolution=known))[-1]
        least = f"{100 * known.least(6):.2f} points"
        assert re.fullmatch(f"6 seeds find .* where it is {least}{more}\\.", told)
    hidden = dataclasses.replace(analysis.resolution, deviation=math.nan)
    told = wording.findings(dataclasses.replace(analysis, resolution=hidden))
    assert not any("seeds find" in sentence for sentence in told)


def test_what_was_chosen_at_the_end_of_the_grid_is_warned_of():
    results, analysis = made(score=lambda _, __, rate: 0.5 + 0.1 * np.log10(rate))
    told = " ".join(warnings(results, analysis))
    assert "learning rate chosen for cross_entropy, " in told
    assert max(row.learning_rate for row in results.rows) == 100.0  # four steps beyond
    assert "at the end of" in told


def test_no_difference_is_told_in_words():
    _, analysis = made(given=["brier"], score=lambda *_: 0.8)
    assert wording.findings(analysis)[0].startswith("At 0 % wrong labels, by accuracy: open: ")


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.04962, "p = 0.0496"),
        (0.049996, "p = 0.049996"),
        (0.05, "p = 0.05"),
        (0.0504, "p = 0.05"),
        (0.2345, "p = 0.23"),
        (0.0004, "p < 0.001"),
        (math.nan, "—"),
    ],
)
def test_a_p_value_is_written_on_its_side_of_the_level(p, text):
    assert p_value(p) == text


def test_a_reference_that_failed_is_said_to_have():
    def score(loss, *_):
        return math.nan if loss.startswith("cross_entropy") else 0.8

    results, analysis = made(score=score)
    said = wording.findings(analysis)[0]
    assert said.endswith("cross_entropy failed to train: nothing to compare with.")
    told = " ".join(warnings(results, analysis))
    assert re.search(r"labels, cross_entropy .* gave scores that are not finite", told)


def test_the_table_of_temperature_shows_what_its_verdicts_rest_on():
    level = {"cross_entropy": 0.5, "brier": 0.7, "tanimoto": 0.53}

    def score(loss, *_):
        return level.get(loss.removesuffix(" (again)"), 0.52)

    results, analysis = made(noise=(0.0,), rates=(1e-3,), score=score)
    text = markdown.render(report_model.of_run(results, analysis, (), COMMAND, 12.0))
    (table,) = (t for t in tables(text) if t[0][-1] == "shown")
    rows = {row[0]: row[1:] for row in table[2:]}
    assert set(rows) == {"brier", "tanimoto"}
    assert rows["brier"][1] == "best temperature"
    assert rows["brier"][-1] == "more than temperature"
    beside = analysis.standing("brier", 0).to_control
    assert rows["brier"][4] == markdown.plain(p_value(beside.p))
    assert number(rows["brier"][3].split(" to ")[0]) > 0
    assert rows["tanimoto"][-1] == "open"  # better than the reference, perhaps than the control
    told = " ".join(wording.findings(analysis))
    assert "More than temperature: brier. Open, as neither is shown: tanimoto." in told
    assert re.search(r"better than cross_entropy: brier \(.*\) and tanimoto \(.*\); open", told)


def test_twins_are_compared_at_one_rate():
    results, analysis = made(given=("chebyshev", "expectation", "cauchy_schwarz"))
    told = wording.twins(results, analysis)
    assert len(told) == 2  # the control has a variant at temperature 1/2
    rate = analysis.standing("cauchy_schwarz", 0).rate
    ours, theirs = (
        each.test
        for name in ("cauchy_schwarz", results.plan.lineup.control)
        for each in results.tried(name, 0)
        if each.rate == rate and each.hyperparameters.get("temperature", 0.5) == 0.5
    )
    gap = np.mean([ours[seed] - theirs[seed] for seed in set(ours) & set(theirs)])
    said = re.search(r"cauchy_schwarz they differ by (\S+) ±", told[0])
    assert number(said[1]) == pytest.approx(100 * gap, abs=0.06)


# figures


def lines(axes):
    return [
        (np.asarray(x.get_xdata(), float), np.asarray(x.get_ydata(), float)) for x in axes.lines
    ]


def test_differences_are_drawn_where_they_are(trained):
    _, analysis = trained
    axes = Figure().subplots()
    plots.draw_differences(axes, analysis, 1)
    drawn = [float(x[0]) for x, _ in lines(axes) if len(x) == 1]
    means = [s.to_reference.difference.mean if s.to_reference else 0 for s in analysis.levels[1]]
    assert drawn == pytest.approx([100 * mean for mean in means])


def test_the_response_to_a_hyperparameter_is_that_of_its_best_rate(trained):
    results, analysis = trained
    drawn, mean = plots.response(results, RANGED, "q", 1), lambda x: np.mean([*x.values()])
    for q, score in drawn.items():
        tried = [x for x in results.tried(RANGED, 1) if x.hyperparameters == {"q": q}]
        assert score == mean(max(tried, key=lambda each: mean(each.validation)).test)
    assert plots.tuned(results, "brier") == {}
    axes = Figure().subplots()
    plots.draw_hyperparameter(axes, results, analysis, RANGED, "q")
    assert list(drawn) in [at.tolist() for at, _ in lines(axes)]
    assert {0.2, 0.35, 0.5, 0.65, 0.8} < set(plots.tuned(results, RANGED)["q"])


def test_networks_that_failed_are_crosses_at_the_bad_end():
    results, analysis = made(score=lambda _, __, rate: math.nan if rate > 5e-3 else 0.8)
    axes = Figure().subplots()
    plots.draw_rates(axes, results, analysis, "brier")
    crosses = [x for x in axes.lines if x.get_marker() == "x" and len(x.get_xdata())]
    assert [list(x.get_xdata()) for x in crosses] == [[1e-2], [1e-2]]
    assert min(lines(axes)[0][0]) < 1e-3  # beyond the end at which the best was


def test_the_shape_of_cross_entropy_is_that_of_its_formula(trained):
    profile = loss_curves.profiles(*trained)["cross_entropy"]
    np.testing.assert_allclose(profile.values, np.log(9 * np.exp(-profile.at) + 1), rtol=1e-4)
    np.testing.assert_allclose(profile.derivatives, -9 / (9 + np.exp(profile.at)), rtol=1e-4)


def test_losses_are_seen_along_what_they_are_given():
    task = dataclasses.replace(DIGITS, output=BINARY, control=None, contenders=("margin_savage",))
    logistic = loss_curves.profiles(*made(task, ("sigmoid_binary_cross_entropy",)))["cross_entropy"]
    np.testing.assert_allclose(logistic.values, np.log1p(np.exp(-logistic.at)), rtol=1e-4)
    numbers = values(Metric("m", "error", median_error, higher=False))
    task = dataclasses.replace(DIGITS, output=numbers, control=None, reference="squared_error")
    squared = loss_curves.profiles(*made(task, ("log_cosh",)))["squared_error"]
    np.testing.assert_allclose(np.abs(squared.derivatives), 2 * np.abs(squared.at), atol=1e-4)
    pictures = dataclasses.replace(numbers, shape=(8, 8))
    assert loss_curves.prediction_line(pictures) is None


@pytest.mark.slow
def test_drawing_what_failed_is_no_error():
    results, analysis = made(score=lambda *_: math.nan)
    with contextlib.redirect_stderr(io.StringIO()):
        assert len(list(panels.page_figures(results, analysis))) == 6
    assert json.dumps(wording.findings(analysis)).count("nan") == 0
