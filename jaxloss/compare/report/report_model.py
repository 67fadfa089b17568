"""Everything the report says, as strings: the page, the tables and the terminal show these."""

import importlib.metadata
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax

import jaxloss as jl
from jaxloss.compare.report import quantities, wording
from jaxloss.compare.report.controls import controls
from jaxloss.compare.report.quantities import NOTHING, Scale, p_value
from jaxloss.compare.statistics.estimates import Comparison
from jaxloss.compare.statistics.standings import Analysis, Standing
from jaxloss.compare.statistics.theory import TheoryPrediction
from jaxloss.compare.sweep.results import Results

_PACKAGES = ("jax", "jaxlib", "optax", "numpy", "scipy", "scikit-learn", "statsmodels")


@dataclass(frozen=True)
class Line:
    """One line of a ranking; what does not apply is an em dash."""

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
    """The lines at one level of noise, best first."""

    level: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """Rows, of which the first cell names the row."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class ReportModel:
    """What the report says.

    Attributes:
        title: What was compared on what.
        lead: What was done, in a sentence.
        reference: What all are compared with.
        metric: The heading of scores.
        unit: That of their differences.
        direction: Which way is good.
        findings: Sentences.
        warnings: Sentences.
        rankings: One for each level of noise.
        speed: The speed of learning.
        measures: The further metrics, a table for each level; none where there are none.
        temperature: Differences to the tempered reference, a table for each level likewise.
        theory: What theory predicts beside what was measured; None where it has no answer.
        controls: What was held equal: terms and their explanations.
        command: What to type to find it again.
        seconds: How long it took.
        seeds: Those of the run.
        versions: Of what it ran on, by name.
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
    """What there is to say of a run.

    Args:
        results: Its results.
        analysis: Theirs.
        predictions: What theory says.
        command: What to type to find it again.
        seconds: How long it took.
    """
    plan, scale = results.plan, wording.scale_of(results, analysis)
    return ReportModel(
        title=f"{len(analysis.levels[0])} objectives on {plan.task.title}",
        lead=f"One small model, trained {plan.networks:,} times: does the objective change its "
        f"{scale.metric.says}, and is the difference more than chance, temperature or rounding?",
        reference=plan.lineup.reference,
        metric=scale.heading,
        unit=scale.metric.unit,
        direction=scale.direction,
        findings=tuple(wording.findings(results, analysis)),
        warnings=tuple(wording.warnings(results, analysis)),
        rankings=rankings(results, analysis),
        speed=_speed(results, analysis),
        measures=tuple(_measures(results, analysis)),
        temperature=tuple(_temperature(results, analysis, scale)),
        theory=_theory(results, predictions, scale),
        controls=tuple(controls(plan, analysis)),
        command=command,
        seconds=f"{seconds:.0f}",
        seeds=f"0 to {plan.seeds - 1}",
        versions=versions(),
    )


def rankings(results: Results, analysis: Analysis) -> tuple[Ranking, ...]:
    """The rankings as they are written."""
    scale = wording.scale_of(results, analysis)
    return tuple(
        Ranking(
            wording.level_name(results.plan, level),
            tuple(_line(rank, standing, scale) for rank, standing in enumerate(ranking, 1)),
        )
        for level, ranking in enumerate(analysis.levels)
    )


def versions() -> dict[str, str]:
    """What it runs on."""
    device = jax.devices()[0]
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "jaxloss": jl.__version__,
        **packages,
        "Python": platform.python_version(),
        "devices:": f"{jax.device_count()} {device.platform} ({device.device_kind})",
    }


def _line(rank: int, standing: Standing, scale: Scale) -> Line:
    compared = None if standing.verdict == "failed" else standing.to_reference
    return Line(
        rank=str(rank),
        loss=standing.loss,
        score=scale.estimate(standing.score),
        difference=scale.estimate(compared.difference, signed=True) if compared else NOTHING,
        interval=scale.interval(compared.difference) if compared else NOTHING,
        effect=quantities.effect(compared) if compared else NOTHING,
        p=p_value(compared.p) if compared else NOTHING,
        kind=standing.verdict.replace(" ", "-"),
        verdict=wording.verdict(standing),
        rate=f"{standing.rate:g}",
        hyperparameters=quantities.hyperparameter_text(standing.hyperparameters) or NOTHING,
        seeds=_seeds(compared),
    )


def _seeds(compared: Comparison | None) -> str:
    known = compared is not None and compared.deviation > 0 and compared.difference.mean
    return quantities.seeds(compared.seeds) if compared and known else NOTHING


def _speed(results: Results, analysis: Analysis) -> Table:
    metric = results.plan.task.output.metric
    scale = Scale.of(metric, (s.speed for ranking in analysis.levels for s in ranking))
    levels = range(len(results.plan.noise))
    rows = tuple(
        (loss, *(scale.estimate(analysis.standing(loss, level).speed) for level in levels))
        for loss in _names(analysis)
    )
    headers = ("objective", *(wording.level_name(results.plan, level) for level in levels))
    return Table(f"{quantities.capital(scale.heading)}, averaged over all epochs", headers, rows)


def _measures(results: Results, analysis: Analysis) -> Iterator[Table]:
    further = results.plan.task.output.metrics[1:]
    if not further:
        return
    scales = [
        Scale.of(metric, (s.measures[metric.name] for ranking in analysis.levels for s in ranking))
        for metric in further
    ]
    headers = ("objective", *(f"{scale.heading} ({scale.direction})" for scale in scales))
    for level, ranking in enumerate(analysis.levels):
        rows = tuple(
            (s.loss, *(scale.estimate(s.measures[scale.metric.name]) for scale in scales))
            for s in ranking
        )
        yield Table(wording.level_name(results.plan, level), headers, rows)


def _temperature(results: Results, analysis: Analysis, scale: Scale) -> Iterator[Table]:
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
                scale.estimate(s.to_reference.difference, signed=True),
                "best temperature" if s.to_reference.better else "worst temperature",
                scale.estimate(beside.difference, signed=True),
                scale.interval(beside.difference),
                p_value(beside.p),
                s.temperature or NOTHING,
            )
            for s in ranking
            if s.to_reference and (beside := s.to_temperature)
        )
        if rows:
            yield Table(wording.level_name(results.plan, level), headers, rows)


def _theory(
    results: Results, predictions: Sequence[TheoryPrediction], scale: Scale
) -> Table | None:
    if not predictions:
        return None
    rows = tuple(
        (p.loss, p.says, f"{scale.estimate(p.standing.score)}, {wording.verdict(p.standing)}")
        for p in predictions
    )
    noise = f"{quantities.percent(predictions[0].noise)} {results.plan.task.noise}"
    return Table(noise, ("objective", "its minimum", f"measured {scale.heading}"), rows)


def _names(analysis: Analysis) -> list[str]:
    return [standing.loss for standing in analysis.levels[-1]]
