"""Findings and warnings of a run, in sentences."""

import math
from collections.abc import Iterator

from jaxloss.compare.report.quantities import NumberFormat, capital, listed, p_value, percent, seeds
from jaxloss.compare.statistics.estimates import Estimate
from jaxloss.compare.statistics.standings import MORE, NO_MORE, OPEN, Analysis, Standing
from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.sweep.results import Floats, Results

# Pairs of objectives that differ by a factor only, each with the proof. Adam is invariant to the
# scale of gradients but for its epsilon (Kingma & Ba 2015, arXiv:1412.6980): they train alike.
TWINS = {
    ("cauchy_schwarz", "cross_entropy(temperature=0.5)"): (
        "The Cauchy-Schwarz divergence to a certain label is half of cross-entropy at temperature "
        "1/2, (log sum exp(2 o) - 2 o_y) / 2 of logits o"
    ),
    ("chebyshev", "expectation"): (
        "No probability is further off than that of the true class, so chebyshev is half of "
        "expectation"
    ),
}


def level_name(plan: Plan, level: int) -> str:
    """The name of a level of noise, such as "40 % wrong labels"."""
    return f"{percent(plan.noise[level])} {plan.task.noise}"


def verdict(standing: Standing) -> str:
    """The verdict on a contender, in words."""
    compared = standing.to_reference
    if compared is None or not compared.significant:
        return "failed to train" if standing.verdict == "failed" else standing.verdict
    word = "better" if compared.better else "worse"
    return f"{word}, {standing.temperature}" if standing.temperature else word


def findings(results: Results, analysis: Analysis) -> list[str]:
    """The findings: significant differences, what temperature and rounding explain, and power."""
    form, levels = number_format(results, analysis), range(len(results.plan.noise))
    return [
        *[_summary(results.plan, analysis, form, level) for level in levels],
        *[
            sentence
            for level in levels
            for sentence in _temperature(results.plan, analysis, form, level)
        ],
        _floor(results.plan, analysis),
        *_resolution(results.plan, analysis, form),
        *twins(results, analysis),
    ]


def warnings(results: Results, analysis: Analysis) -> list[str]:
    """The warnings: untuned rates, choices at an edge, failures, and a high noise floor."""
    plan = results.plan
    single = (
        ["A single learning rate was given, so none was tuned."] if len(plan.rates) == 1 else []
    )
    return single + [
        sentence
        for level, ranking in enumerate(analysis.levels)
        for sentence in (
            *_edges(plan, ranking, level),
            *_failures(plan, ranking, level),
            *_unquiet(plan, analysis, level),
        )
    ]


def number_format(results: Results, analysis: Analysis) -> NumberFormat:
    """The format of the task's first metric."""
    estimates = (standing.score for ranking in analysis.levels for standing in ranking)
    return NumberFormat.of(results.plan.task.output.metric, estimates)


def twins(results: Results, analysis: Analysis) -> list[str]:
    """A sentence on each pair of equivalent objectives: how far apart rounding has driven them."""
    sentences = []
    for (first, second), reason in TWINS.items():
        one, other = _networks(results, first), _networks(results, second)
        if one is not None and other is not None:
            # The same rate for both: else the difference might be one of rates.
            gaps = list(_gaps(results.plan, analysis, first, one - other))
            sentences.append(
                f"{reason}. The two should tie; at the learning rate that was chosen for {first} "
                f"they differ by {_by_level(results.plan, gaps)}, which is rounding."
            )
    return sentences


def _networks(results: Results, name: str) -> Floats | None:
    """Scores after training, [noise, rate, seed], of a contender or a variant of the control."""
    if name in results.grids:
        grid = results.grids[name].test
        return grid[0, ..., -1] if len(grid) == 1 else None
    control = results.plan.lineup.control
    if control is None or name != f"{results.plan.lineup.reference}(temperature=0.5)":
        return None
    temperatures = [
        v.hyperparameters.get("temperature") for v in results.plan.lineup[control].variants
    ]
    scores = results.grids[control].test[..., -1]
    return scores[temperatures.index(0.5)] if 0.5 in temperatures else None


def _gaps(plan: Plan, analysis: Analysis, first: str, differences: Floats) -> Iterator[Estimate]:
    """The mean differences for each level of noise, at the rate that was chosen for the first."""
    for level, at_level in enumerate(differences):
        rate = analysis.standing(first, level).rate_index
        yield Estimate.of(at_level[rate], plan.task.overlap)


def _summary(plan: Plan, analysis: Analysis, form: NumberFormat, level: int) -> str:
    """The significant differences at a level, whatever explains them."""
    ranking, reference = analysis.levels[level], plan.lineup.reference
    where, what = level_name(plan, level), form.metric.says
    if math.isnan(analysis.standing(reference, level).score.mean):
        return f"At {where}, {reference} failed to train, so there is nothing to compare with."
    sides = {word: _moved(ranking, form, better=word == "better") for word in ("better", "worse")}
    parts = [
        f"significantly {side} than {reference}: {listed(x)}" for side, x in sides.items() if x
    ]
    if not parts:
        return f"At {where} no difference to {reference} in {what} is significant."
    rest = any(standing.verdict == "not significant" for standing in ranking)
    more = " The other differences are not significant." if rest else ""
    return f"At {where}, by {what}: {'; '.join(parts)}.{more}"


def _moved(ranking: tuple[Standing, ...], form: NumberFormat, *, better: bool) -> list[str]:
    """The contenders that differ significantly to one side, each with its difference."""
    return [
        f"{standing.loss} ({form.difference(compared.difference.mean)})"
        for standing in ranking
        if (compared := standing.to_reference)
        and compared.significant
        and compared.better == better
    ]


def _temperature(plan: Plan, analysis: Analysis, form: NumberFormat, level: int) -> Iterator[str]:
    temperature_range = analysis.temperature_range[level]
    if temperature_range is None:
        return
    low, high = (form.number(end, signed=True) for end in temperature_range)
    yield (
        f"At {level_name(plan, level)}, temperature alone moves {plan.lineup.reference} by "
        f"{low} to {high} {form.metric.unit}".rstrip()
        + f". {' '.join(_explained(plan, analysis, form, level))}"
    )


def _explained(plan: Plan, analysis: Analysis, form: NumberFormat, level: int) -> Iterator[str]:
    """Sentences on whether temperature explains the significant differences."""
    ranking, reference = analysis.levels[level], plan.lineup.reference
    margin = form.difference(analysis.standing(reference, level).margin, signed=False)
    says = {
        MORE: capital(MORE),
        NO_MORE: f"{capital(NO_MORE)}, to within {margin}",
        OPEN: f"{capital(OPEN)}, as neither is shown",
    }
    losses_by_conclusion = {
        conclusion: [s.loss for s in ranking if s.temperature == conclusion and not s.rescaled]
        for conclusion in says
    }
    yield from (
        f"{says[conclusion]}: {listed(losses)}."
        for conclusion, losses in losses_by_conclusion.items()
        if losses
    )
    if not any(losses_by_conclusion.values()):
        yield "No other significant difference could be one of temperature."


def _floor(plan: Plan, analysis: Analysis) -> str:
    gaps = [floor.difference for floor in analysis.floor]
    return (
        f"{plan.lineup.reference} repeated with batches in reverse order differs by "
        f"{_by_level(plan, gaps)}: rounding alone does that."
    )


def _by_level(plan: Plan, gaps: list[Estimate]) -> str:
    """Differences at each level of noise, each with digits of its own, as it may be very small."""
    metric = plan.task.output.metric
    return listed(
        f"{NumberFormat.of(metric, [gap]).estimate(gap, signed=True)} {metric.unit}".rstrip()
        + f" at {level_name(plan, level)}"
        for level, gap in enumerate(gaps)
    )


def _resolution(plan: Plan, analysis: Analysis, form: NumberFormat) -> Iterator[str]:
    """A sentence on the least difference that the run can show, and on the seeds for others."""
    resolution, unit = analysis.resolution, form.metric.unit
    least, sizes = resolution.least(plan.seeds), resolution.table()
    if not math.isfinite(least):
        return
    shown = form.number(least / form.metric.factor)
    # Differences that take equally many seeds are named together.
    counts = {count: [f"{d:g}" for d in sizes if sizes[d] == count] for count in sizes.values()}
    others = [
        f"{listed(many)} would take {seeds(count).replace('> ', 'more than ')}"
        for count, many in counts.items()
    ]
    sizes_by_seeds = f"; {listed(others)}" if others else ""
    shared = ", as all of them split one data set" if None in counts and plan.task.overlap else ""
    yield (
        f"The {plan.seeds} seeds of this run show a typical difference in four of five cases where "
        f"it is {shown} {unit}".rstrip()
        + f"{sizes_by_seeds}{shared}."
    )


def _edges(plan: Plan, ranking: tuple[Standing, ...], level: int) -> Iterator[str]:
    chosen = {standing.loss: standing.at_edge for standing in ranking if standing.at_edge}
    # One sentence for all contenders with the same edges, not one for each.
    for names in dict.fromkeys(chosen.values()):
        losses = listed(loss for loss in chosen if chosen[loss] == names)
        yield (
            f"At {level_name(plan, level)}, the {listed(names)} chosen for {losses} lies at the "
            "end of what was tried: beyond it there may be better."
        )


def _failures(plan: Plan, ranking: tuple[Standing, ...], level: int) -> Iterator[str]:
    failed = [standing.loss for standing in ranking if math.isnan(standing.score.mean)]
    if failed:
        yield (
            f"At {level_name(plan, level)}, networks trained on {listed(failed)} gave numbers that "
            "are not finite, at what was chosen."
        )


def _unquiet(plan: Plan, analysis: Analysis, level: int) -> Iterator[str]:
    floor = analysis.floor[level]
    if floor.significant:
        yield (
            f"At {level_name(plan, level)}, {plan.lineup.reference} differs significantly from its "
            f"own repetition ({p_value(floor.p)}): differences of that size mean nothing here."
        )
