"""The further tables of a run's report: speed, other metrics, temperature and theory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jaxloss.compare.report import wording
from jaxloss.compare.report.quantities import NOTHING, NumberFormat, capital, p_value, percent
from jaxloss.compare.statistics.standings import Analysis
from jaxloss.compare.statistics.theory import TheoryPrediction
from jaxloss.compare.sweep.results import Results


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """Tables under a heading, with a sentence on how to read them."""

    title: str
    text: str
    tables: tuple[Table, ...]


def sections(
    results: Results, analysis: Analysis, predictions: Sequence[TheoryPrediction]
) -> Iterator[Section]:
    """Yield the further tables that the results allow."""
    yield Section(
        "Speed of learning",
        "On test data: the area under the learning curve, at what was chosen for the end of "
        "training.",
        (_speed(results, analysis),),
    )
    measures = tuple(_measures(results, analysis))
    if measures:
        text = "On clean test data after training, at what was chosen: none of these was tuned."
        yield Section("Further measures", text, measures)
    temperature = tuple(_temperature(analysis))
    if temperature:
        yield Section(
            "Temperature",
            f"The differences to {analysis.reference} as it is, and to the same with another "
            "temperature: its best for what is better, its worst for what is worse, by validation "
            "data. The last p is the largest of those at all temperatures that were tried.",
            temperature,
        )
    if predictions:
        yield Section(
            "What theory predicts",
            "Of a whole population with the strongest noise: where the expected loss is least, "
            "over predictions and not over networks. A network with few examples may do better or "
            "worse than its minimum.",
            (_theory(results, analysis, predictions),),
        )


def _speed(results: Results, analysis: Analysis) -> Table:
    metric = results.plan.task.output.metric
    form = NumberFormat.of(metric, (s.speed for ranking in analysis.levels for s in ranking))
    levels = range(len(analysis.levels))
    # Tables over all levels are in the order of the strongest noise, as the figures are.
    rows = tuple(
        (s.loss, *(form.estimate(analysis.standing(s.loss, level).speed) for level in levels))
        for s in analysis.levels[-1]
    )
    title = f"{capital(form.heading)}, averaged over all epochs"
    return Table(title, ("objective", *analysis.names), rows)


def _measures(results: Results, analysis: Analysis) -> Iterator[Table]:
    forms = [
        NumberFormat.of(
            metric, (s.measures[metric.name] for ranking in analysis.levels for s in ranking)
        )
        for metric in results.plan.task.output.metrics
        if metric.name != analysis.metric.name  # which is in the rankings
    ]
    if not forms:
        return
    headers = ("objective", *(f"{form.heading} ({form.direction})" for form in forms))
    for name, ranking in zip(analysis.names, analysis.levels, strict=True):
        rows = tuple(
            (s.loss, *(form.estimate(s.measures[form.metric.name]) for form in forms))
            for s in ranking
        )
        yield Table(name, headers, rows)


def _temperature(analysis: Analysis) -> Iterator[Table]:
    form = wording.number_format(analysis)
    headers = (
        "objective",
        f"to {analysis.reference}",
        "to the same at its",
        "difference",
        "95 % interval, corrected",
        "corrected p",
        "at every temperature",
        "shown",
    )
    for name, ranking in zip(analysis.names, analysis.levels, strict=True):
        rows = tuple(
            (
                s.loss,
                form.estimate(s.to_reference.difference, signed=True),
                "best temperature" if s.to_reference.better else "worst temperature",
                form.estimate(beside.difference, signed=True),
                form.interval(beside.difference),
                p_value(beside.p),
                p_value(s.p_of_more),
                s.temperature or NOTHING,
            )
            for s in ranking
            if s.to_reference and (beside := s.to_temperature)
        )
        if rows:
            yield Table(name, headers, rows)


def _theory(results: Results, analysis: Analysis, predictions: Sequence[TheoryPrediction]) -> Table:
    form = wording.number_format(analysis)
    rows = tuple(
        (p.loss, p.says, f"{form.estimate(p.standing.score)}, {wording.verdict(p.standing)}")
        for p in predictions
    )
    noise = f"{percent(predictions[0].noise)} {results.plan.task.noise}"
    return Table(noise, ("objective", "its minimum", f"measured {form.heading}"), rows)
