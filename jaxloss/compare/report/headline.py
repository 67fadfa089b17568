"""The first line of a report: which loss to use, by how much, and how sure that is."""

from collections.abc import Iterator

from jaxloss.compare.report.quantities import capital, listed, probability, setting, used_name
from jaxloss.compare.report.wording import at, margin, number_format
from jaxloss.compare.statistics.decision import Advice, Ground, decide
from jaxloss.compare.statistics.standings import NO_MORE, OPEN, Analysis

_LIKELY = 0.5
_TEMPERATURE = {
    NO_MORE: ", no more than a temperature gives",
    OPEN: ", which temperature alone may give",
}


def headline(analysis: Analysis) -> str:
    """The decision as one sentence.

    Levels at which another loss is better than the reference come first, that of the greatest noise
    before the others.
    """
    advice = decide(analysis)
    better = [each for each in reversed(advice) if each.ground is Ground.BETTER]
    clauses = [
        *_better(analysis, better),
        *_worse_elsewhere(analysis, better),
        *_undecided(analysis, advice),
        *_failed(analysis, advice),
        *_none_better(analysis, advice),
    ]
    opening = "" if better or advice[0].ground is Ground.FAILED else f"Keep {analysis.reference}: "
    return f"{opening}{'; '.join(clauses)}."


def _better(analysis: Analysis, better: list[Advice]) -> Iterator[str]:
    said = ""
    for advice in better:
        name, compared = _name(advice), advice.use.to_reference
        if compared is None:
            continue
        form = number_format(analysis)
        use = "and" if name == said else f"use {name}:" if said else f"Use {name}:"
        what = "" if said else f" of {form.metric.says}"
        gain = f"{form.difference(compared.difference.mean)}{what} {at(analysis, advice.level)}"
        sure = f"P(better) {probability(compared.probabilities.better)}"
        temperature = _TEMPERATURE.get(advice.use.temperature or "", "")
        yield f"{use} {gain.rstrip()}, {sure}{temperature}"
        said = name


def _worse_elsewhere(analysis: Analysis, better: list[Advice]) -> Iterator[str]:
    """Where a recommended loss is shown to be worse than the reference."""
    form = number_format(analysis)
    for loss in dict.fromkeys(each.use.loss for each in better):
        for level in range(len(analysis.levels)):
            standing = analysis.standing(loss, level)
            if standing.to_reference and standing.verdict == "worse":
                size = form.difference(abs(standing.to_reference.difference.mean), signed=False)
                yield f"{at(analysis, level)} {loss} is worse by {size}".lstrip()


def _undecided(analysis: Analysis, advice: tuple[Advice, ...]) -> Iterator[str]:
    form = number_format(analysis)
    for each in advice:
        compared = each.likeliest and each.likeliest.to_reference
        if not (each.likeliest and compared):
            continue
        where, chance = at(analysis, each.level), compared.probabilities.better
        if chance < _LIKELY:
            yield (
                f"{where} nothing is likely to beat {analysis.reference}, P(better) at most "
                f"{probability(chance)}"
            ).lstrip()
        else:
            yield (
                f"{where} nothing is shown to beat {analysis.reference}; likeliest is "
                f"{used_name(each.likeliest)} ({form.difference(compared.difference.mean)}, "
                f"P(better) {probability(chance)})"
            ).lstrip()


def _none_better(analysis: Analysis, advice: tuple[Advice, ...]) -> Iterator[str]:
    levels = [each.level for each in advice if each.ground is Ground.NONE_BETTER]
    if levels:
        where = listed(at(analysis, level) for level in levels)
        sizes = listed(dict.fromkeys(margin(analysis, level) for level in levels))
        yield f"{where} nothing beats {analysis.reference} by {sizes}".lstrip()


def _failed(analysis: Analysis, advice: tuple[Advice, ...]) -> Iterator[str]:
    for each in advice:
        if each.ground is Ground.REFERENCE_FAILED:
            where, form = at(analysis, each.level), number_format(analysis)
            score = form.difference(each.use.score.mean, signed=False)
            yield (
                f"{where} {analysis.reference} failed to train, and the best is {_name(each)} "
                f"({form.metric.says} {score})"
            ).lstrip()
        if each.ground is Ground.FAILED:
            yield capital(f"{at(analysis, each.level)} every objective failed to train".lstrip())


def _name(advice: Advice) -> str:
    name, known = used_name(advice.use), setting(advice.use)
    return f"{name} ({known})" if known else name
