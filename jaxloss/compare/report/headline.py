"""The first line of a report: which loss to use, by how much, and how sure that is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jaxloss.compare.report.quantities import (
    NumberFormat,
    listed,
    probability,
    setting,
    used_name,
)
from jaxloss.compare.report.wording import at, margin, number_format
from jaxloss.compare.statistics.decision import Advice, Ground, decide
from jaxloss.compare.statistics.standings import NO_MORE, OPEN, Analysis, Standing

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
    by_ground = {ground: [x for x in advice if x.ground is ground] for ground in Ground}
    clauses = _Clauses(analysis, number_format(analysis))
    better = by_ground[Ground.BETTER][::-1]
    others = [
        *clauses.worse(dict.fromkeys(each.use.loss for each in better)),
        *map(clauses.reference_failed, by_ground[Ground.REFERENCE_FAILED]),
        *map(clauses.all_failed, by_ground[Ground.FAILED]),
        *map(clauses.undecided, by_ground[Ground.UNDECIDED]),
        *clauses.none_better(by_ground[Ground.NONE_BETTER]),
    ]
    if better:
        return f"Use {'; use '.join(clauses.better(better))}{''.join(f'; {x}' for x in others)}."
    trained = not by_ground[Ground.REFERENCE_FAILED] and not by_ground[Ground.FAILED]
    return f"{f'Keep {analysis.reference}: ' if trained else ''}{'; '.join(others)}."


@dataclass(frozen=True)
class _Clauses:
    """The clauses of the sentence.

    Attributes:
        analysis: The analysis.
        form: The format of its numbers.
    """

    analysis: Analysis
    form: NumberFormat

    def better(self, advice: Iterable[Advice]) -> Iterator[str]:
        """Yield the recommended losses, each with its gain at every level where it is the best."""
        by_name: dict[str, list[Advice]] = {}
        for each in advice:
            by_name.setdefault(used_name(each.use), []).append(each)
        what = f" of {self.form.metric.says}"
        for name, several in by_name.items():
            known = listed(dict.fromkeys(filter(None, (setting(each.use) for each in several))))
            gains = []
            for each in several:
                gains.append(self._gain(each.use, f"{what} {at(self.analysis, each.level)}"))
                what = ""  # the metric is named once
            yield f"{name}{f' ({known})' if known else ''}: {' and '.join(gains)}"

    def worse(self, losses: Iterable[str]) -> Iterator[str]:
        """Yield where these losses are shown to be worse than the reference."""
        for loss in losses:
            for level in range(len(self.analysis.levels)):
                standing = self.analysis.standing(loss, level)
                if standing.verdict == "worse" and standing.to_reference:
                    size = abs(standing.to_reference.difference.mean)
                    loses = f"{loss} is worse by {self.form.difference(size, signed=False)}"
                    yield f"{self._where(level)}{loses}"

    def undecided(self, advice: Advice) -> str:
        """The loss that is likeliest to be better, where none is shown to be."""
        where, likeliest = self._where(advice.level), advice.likeliest
        compared = likeliest and likeliest.to_reference
        if not (likeliest and compared) or compared.probabilities.better < _LIKELY:
            return f"{where}no other objective is likely to be better"
        return (
            f"{where}none is shown to be better, likeliest {used_name(likeliest)} "
            f"({self._gain(likeliest)})"
        )

    def none_better(self, advice: Iterable[Advice]) -> Iterator[str]:
        """Yield where no loss is better by the margin."""
        by_margin: dict[str, list[int]] = {}
        for each in advice:
            by_margin.setdefault(margin(self.analysis, each.level), []).append(each.level)
        for size, levels in by_margin.items():
            where = listed(at(self.analysis, level) for level in levels)
            yield f"{where} nothing beats {self.analysis.reference} by {size}".lstrip()

    def reference_failed(self, advice: Advice) -> str:
        """The best of the others, where the reference failed."""
        where, use = self._where(advice.level), advice.use
        score = self.form.difference(use.score.mean, signed=False)
        best = f"{used_name(use)} ({self.form.metric.says} {score})"
        return f"{where}{self.analysis.reference} failed to train, and the best is {best}"

    def all_failed(self, advice: Advice) -> str:
        """Where no loss trained."""
        return f"{self._where(advice.level)}every objective failed to train"

    def _gain(self, standing: Standing, where: str = "") -> str:
        """The difference to the reference with its probability, and what temperature explains."""
        compared = standing.to_reference
        if compared is None:
            return ""
        explained = None if standing.rescaled else standing.temperature
        return (
            f"{self.form.difference(compared.difference.mean)}{where.rstrip()}, "
            f"P(better) {probability(compared.probabilities.better)}"
            + _TEMPERATURE.get(explained or "", "")
        )

    def _where(self, level: int) -> str:
        return f"{at(self.analysis, level)} ".lstrip()
