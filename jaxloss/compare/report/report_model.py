"""The contents of a report as strings, which the page, the tables and the terminal show."""

import importlib.metadata
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax

import jaxloss as jl
from jaxloss.compare.report import quantities, wording
from jaxloss.compare.report.controls import controls
from jaxloss.compare.report.quantities import NOTHING, NumberFormat, p_value
from jaxloss.compare.statistics.estimates import Comparison
from jaxloss.compare.statistics.standings import Analysis, Standing
from jaxloss.compare.statistics.theory import TheoryPrediction
from jaxloss.compare.sweep.results import Results

# Versions that may change numbers: the compiler, the optimizer, the data and the tests.
_PACKAGES = ("jax", "jaxlib", "optax", "numpy", "scipy", "scikit-learn", "statsmodels")


@dataclass(frozen=True)
class Line:
    """A line of a ranking; cells that do not apply hold an em dash."""

    rank: str
    loss: str
    score: str
    difference: str
    interval: str
    effect: str
    p: str
    kind: str
    verdict: str
    rate: str
    hyperparameters: str
    seeds: str


@dataclass(frozen=True)
class Ranking:
    """The ranking at one level of noise, best first."""

    level: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ReportModel:
    """The contents of a report.

    Attributes:
        title: The number of objectives and the task.
        lead: A sentence on what was done.
        reference: The name of the reference.
        metric: The heading of scores.
        unit: The unit of their differences.
        direction: Whether higher or lower is better.
        findings: Sentences on the results.
        warnings: Sentences on what to distrust.
        rankings: The ranking at each level of noise.
        speed: The table of the speed of learning.
        measures: The tables of further metrics, one per level of noise; empty if there are none.
        temperature: The tables of differences to the tempered reference, one per level of noise.
        theory: The table of theory's predictions; None where the task has none.
        controls: The experimental controls: pairs of a term and its explanation.
        command: The command line that reproduces the run.
        seconds: The duration of the run.
        seeds: The seeds of the run.
        versions: The versions of packages, and the devices, by name.
    """

    title: str
    lead: str
    reference: str
    metric: str
    unit: str
    direction: str
    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    rankings: tuple[Ranking, ...]
    speed: Table
    measures: tuple[Table, ...]
    temperature: tuple[Table, ...]
    theory: Table | None
    controls: tuple[tuple[str, str], ...]
    command: str
    seconds: str
    seeds: str
    versions: dict[str, str]


def build(
    results: Results,
    analysis: Analysis,
    predictions: Sequence[TheoryPrediction],
    command: str,
    seconds: float,
) -> ReportModel:
    """Build the contents of the report of a run.

    Args:
        results: The results of the run.
        analysis: The analysis of the results.
        predictions: The predictions of theory.
        command: The command line that reproduces the run.
        seconds: The duration of the run.
    """
    plan, form = results.plan, wording.number_format(results, analysis)
    return ReportModel(
        title=f"{len(analysis.levels[0])} objectives on {plan.task.title}",
        lead=f"One small model, trained {plan.networks:,} times: does the objective change its "
        f"{form.metric.says}, and is the difference more than chance, temperature or rounding?",
        reference=plan.lineup.reference,
        metric=form.heading,
        unit=form.metric.unit,
        direction=form.direction,
        findings=tuple(wording.findings(results, analysis)),
        warnings=tuple(wording.warnings(results, analysis)),
        rankings=rankings(results, analysis),
        speed=_speed(results, analysis),
        measures=tuple(_measures(results, analysis)),
        temperature=tuple(_temperature(results, analysis, form)),
        theory=_theory(results, predictions, form),
        controls=tuple(controls(plan, analysis)),
        command=command,
        seconds=f"{seconds:.0f}",
        seeds=f"0 to {plan.seeds - 1}",
        versions=versions(),
    )


def rankings(results: Results, analysis: Analysis) -> tuple[Ranking, ...]:
    """Format the ranking at each level of noise."""
    form = wording.number_format(results, analysis)
    return tuple(
        Ranking(
            wording.level_name(results.plan, level),
            tuple(_line(rank, standing, form) for rank, standing in enumerate(ranking, 1)),
        )
        for level, ranking in enumerate(analysis.levels)
    )


def versions() -> dict[str, str]:
    """The versions of the packages that matter for the numbers, and the devices."""
    device = jax.devices()[0]
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "jaxloss": jl.__version__,
        **packages,
        "Python": platform.python_version(),
        "devices:": f"{jax.device_count()} {device.platform} ({device.device_kind})",
    }


def _line(rank: int, standing: Standing, form: NumberFormat) -> Line:
    # A failed contender has a comparison, of NaN; its line shows dashes instead.
    compared = None if standing.verdict == "failed" else standing.to_reference
    return Line(
        rank=str(rank),
        loss=standing.loss,
        score=form.estimate(standing.score),
        difference=form.estimate(compared.difference, signed=True) if compared else NOTHING,
        interval=form.interval(compared.difference) if compared else NOTHING,
        effect=quantities.effect(compared) if compared else NOTHING,
        p=p_value(compared.p) if compared else NOTHING,
        kind=standing.verdict.replace(" ", "-"),
        verdict=wording.verdict(standing),
        rate=f"{standing.rate:g}",
        hyperparameters=quantities.hyperparameter_text(standing.hyperparameters) or NOTHING,
        seeds=_seeds(compared),
    )


def _seeds(compared: Comparison | None) -> str:
    # Without a difference, or a deviation, there is no number of seeds that would show it.
    known = compared is not None and compared.deviation > 0 and compared.difference.mean
    return quantities.seeds(compared.seeds) if compared and known else NOTHING


def _speed(results: Results, analysis: Analysis) -> Table:
    metric = results.plan.task.output.metric
    form = NumberFormat.of(metric, (s.speed for ranking in analysis.levels for s in ranking))
    levels = range(len(results.plan.noise))
    rows = tuple(
        (loss, *(form.estimate(analysis.standing(loss, level).speed) for level in levels))
        for loss in _names(analysis)
    )
    headers = ("objective", *(wording.level_name(results.plan, level) for level in levels))
    return Table(f"{quantities.capital(form.heading)}, averaged over all epochs", headers, rows)


def _measures(results: Results, analysis: Analysis) -> Iterator[Table]:
    # The first metric is in the rankings.
    further = results.plan.task.output.metrics[1:]
    if not further:
        return
    forms = [
        NumberFormat.of(
            metric, (s.measures[metric.name] for ranking in analysis.levels for s in ranking)
        )
        for metric in further
    ]
    headers = ("objective", *(f"{form.heading} ({form.direction})" for form in forms))
    for level, ranking in enumerate(analysis.levels):
        rows = tuple(
            (s.loss, *(form.estimate(s.measures[form.metric.name]) for form in forms))
            for s in ranking
        )
        yield Table(wording.level_name(results.plan, level), headers, rows)


def _temperature(results: Results, analysis: Analysis, form: NumberFormat) -> Iterator[Table]:
    lineup = results.plan.lineup
    headers = (
        "objective",
        f"to {lineup.reference}",
        "to the same at its",
        "difference",
        "95 % interval",
        "corrected p",
        "shown",
    )
    for level, ranking in enumerate(analysis.levels):
        rows = tuple(
            (
                s.loss,
                form.estimate(s.to_reference.difference, signed=True),
                "best temperature" if s.to_reference.better else "worst temperature",
                form.estimate(beside.difference, signed=True),
                form.interval(beside.difference),
                p_value(beside.p),
                s.temperature or NOTHING,
            )
            for s in ranking
            if s.to_reference and (beside := s.to_temperature)
        )
        if rows:
            yield Table(wording.level_name(results.plan, level), headers, rows)


def _theory(
    results: Results, predictions: Sequence[TheoryPrediction], form: NumberFormat
) -> Table | None:
    if not predictions:
        return None
    rows = tuple(
        (p.loss, p.says, f"{form.estimate(p.standing.score)}, {wording.verdict(p.standing)}")
        for p in predictions
    )
    noise = f"{quantities.percent(predictions[0].noise)} {results.plan.task.noise}"
    return Table(noise, ("objective", "its minimum", f"measured {form.heading}"), rows)


def _names(analysis: Analysis) -> list[str]:
    # Tables over all levels are in the order of the strongest noise, as the figures are.
    return [standing.loss for standing in analysis.levels[-1]]
