"""The findings and warnings of an analysis, in sentences."""

import math
from collections.abc import Iterator, Sequence

from jaxloss.compare.report.quantities import NumberFormat, capital, listed, p_value
from jaxloss.compare.statistics.estimates import Estimate
from jaxloss.compare.statistics.scores import Measure
from jaxloss.compare.statistics.standings import MORE, NO_MORE, OPEN, Analysis, Standing
from jaxloss.compare.statistics.twins import TWINS, gaps
from jaxloss.compare.sweep.results import Results


def verdict(standing: Standing) -> str:
    """The verdict on a contender, in words."""
    compared = standing.to_reference
    if compared is None or standing.verdict not in {"better", "worse"}:
        return {"failed": "failed to train"}.get(standing.verdict, standing.verdict)
    scope = "" if compared.on_new_data is None else " on this data"
    scope = " on new data" if compared.generalises else scope
    temperature = {OPEN: "temperature open"}.get(standing.temperature or "", standing.temperature)
    return f"{standing.verdict}{scope}" + (f", {temperature}" if temperature else "")


def findings(analysis: Analysis) -> list[str]:
    """The findings: differences, what temperature and rounding explain, and the resolution."""
    form, levels = number_format(analysis), range(len(analysis.levels))
    return [
        *[_summary(analysis, form, level) for level in levels],
        *[sentence for level in levels for sentence in _temperature(analysis, form, level)],
        *_floor(analysis),
        *_resolution(analysis, form),
    ]


def warnings(analysis: Analysis) -> list[str]:
    """The warnings: choices at an edge, failures, and a high noise floor."""
    return [
        sentence
        for level in range(len(analysis.levels))
        for sentence in (
            *_edges(analysis, level),
            *_failures(analysis, level),
            *_unquiet(analysis, level),
        )
    ]


def number_format(analysis: Analysis) -> NumberFormat:
    """The format of the metric."""
    estimates = (standing.score for ranking in analysis.levels for standing in ranking)
    return NumberFormat.of(analysis.metric, estimates)


def margin(analysis: Analysis, level: int) -> str:
    """The margin at a level, with its unit."""
    size = analysis.levels[level][0].margin
    return f"{analysis.metric.factor * size:.2g} {analysis.metric.unit}".rstrip()


def at(analysis: Analysis, level: int) -> str:
    """The name of a level as an adverbial; empty where it is the only one."""
    name = analysis.names[level]
    return f"at {name}" if name else ""


def twins(results: Results, analysis: Analysis) -> list[str]:
    """A sentence on each pair of equivalent objectives: how far apart rounding has driven them."""
    sentences, metric = [], results.plan.task.output.metric
    for (first, second), reason in TWINS.items():
        apart = gaps(results, (first, second)) if (first, 0) in results.tested else None
        if apart is not None:
            sentences.append(
                f"{reason}. The two should tie; at the learning rate that was chosen for {first} "
                f"they differ by {_by_level(analysis, metric, apart)}, which is rounding."
            )
    return sentences


def _summary(analysis: Analysis, form: NumberFormat, level: int) -> str:
    """All contenders of a level by their verdicts."""
    ranking, reference = analysis.levels[level], analysis.reference
    where = f"{capital(at(analysis, level))}, by" if at(analysis, level) else "By"
    if math.isnan(analysis.standing(reference, level).score.mean):
        return f"{where} {form.metric.says}: {reference} failed to train: nothing to compare with."
    says = {
        "better": f"better than {reference}",
        "worse": f"worse than {reference}",
        "same": f"the same within {margin(analysis, level)}",
        "open": "open",
    }
    groups = {word: [_moved(s, form) for s in ranking if s.verdict == word] for word in says}
    parts = [f"{says[word]}: {listed(losses)}" for word, losses in groups.items() if losses]
    return f"{where} {form.metric.says}: {'; '.join(parts) or 'nothing to compare'}."


def _moved(standing: Standing, form: NumberFormat) -> str:
    """A contender with its difference, where that is significant."""
    compared = standing.to_reference
    if compared is None or standing.verdict in {"same", "open"}:
        return standing.loss
    return f"{standing.loss} ({form.difference(compared.difference.mean)})"


def _temperature(analysis: Analysis, form: NumberFormat, level: int) -> Iterator[str]:
    temperature_range = analysis.temperature_range[level]
    if temperature_range is None:
        return
    low, high = (form.number(end, signed=True) for end in temperature_range)
    yield (
        f"{capital(at(analysis, level))}, temperature alone moves {analysis.reference} by "
        f"{low} to {high} {form.metric.unit}".rstrip()
        + f". {' '.join(_explained(analysis, level))}"
    )


def _explained(analysis: Analysis, level: int) -> Iterator[str]:
    """Sentences on whether temperature explains the differences."""
    says = {
        MORE: capital(MORE),
        NO_MORE: f"{capital(NO_MORE)}, to within {margin(analysis, level)}",
        OPEN: f"{capital(OPEN)}, as neither is shown",
    }
    losses_by_conclusion = {
        conclusion: [
            s.loss for s in analysis.levels[level] if s.temperature == conclusion and not s.rescaled
        ]
        for conclusion in says
    }
    yield from (
        f"{says[conclusion]}: {listed(losses)}."
        for conclusion, losses in losses_by_conclusion.items()
        if losses
    )
    if not any(losses_by_conclusion.values()):
        yield "No other difference that was shown could be one of temperature."


def _floor(analysis: Analysis) -> Iterator[str]:
    apart = [floor.difference for floor in analysis.floor if floor]
    if apart:
        yield (
            f"{analysis.reference} repeated with batches in reverse order differs by "
            f"{_by_level(analysis, analysis.metric, apart)}: rounding alone does that."
        )


def _by_level(analysis: Analysis, metric: Measure, apart: Sequence[Estimate]) -> str:
    """Differences at each level of noise, each with digits of its own, as it may be very small."""
    return listed(
        f"{NumberFormat.of(metric, [gap]).estimate(gap, signed=True)} {metric.unit}".rstrip()
        + f" {at(analysis, level)}".rstrip()
        for level, gap in enumerate(apart)
    )


def _resolution(analysis: Analysis, form: NumberFormat) -> Iterator[str]:
    """A sentence on the least difference that the run can show, and the seeds for the margin."""
    resolution, seeds = analysis.resolution, min(analysis.seeds)
    margins = [m for ranking in analysis.levels if math.isfinite(m := ranking[0].margin)]
    least = resolution.least(seeds)
    if not math.isfinite(least) or not margins:
        return
    wanted = min(margins)
    enough = resolution.seeds(wanted)
    more = f"{enough:,} seeds" if enough else "more than 1,000 seeds"
    size = f"{analysis.metric.factor * wanted:.2g} {analysis.metric.unit}".rstrip()
    yield (
        f"{seeds} seeds find a typical difference, on this data, in four of five cases where it is "
        f"{form.difference(least, signed=False)}"
        + (f"; one of {size} takes {more}." if least > wanted else ".")
    )


def _edges(analysis: Analysis, level: int) -> Iterator[str]:
    chosen = {s.loss: s.at_edge for s in analysis.levels[level] if s.at_edge}
    # One sentence for all contenders with the same edges, not one for each.
    for names in dict.fromkeys(chosen.values()):
        losses = listed(loss for loss in chosen if chosen[loss] == names)
        yield capital(
            f"{at(analysis, level)}, the {listed(names)} chosen for {losses} lies at the end of "
            "what was tried: beyond it there may be better."
        )


def _failures(analysis: Analysis, level: int) -> Iterator[str]:
    failed = [s.loss for s in analysis.levels[level] if math.isnan(s.score.mean)]
    if failed:
        where = f"{capital(at(analysis, level))}, " if analysis.names[level] else ""
        yield f"{where}{listed(failed)} gave scores that are not finite."


def _unquiet(analysis: Analysis, level: int) -> Iterator[str]:
    floor = analysis.floor[level]
    if floor and floor.significant:
        yield (
            f"{capital(at(analysis, level))}, {analysis.reference} differs significantly from its "
            f"own repetition ({p_value(floor.p)}): differences of that size mean nothing here."
        )
