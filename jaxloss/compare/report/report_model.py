"""The contents of a report as strings, which the page, the tables and the terminal show."""

import importlib.metadata
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax

import jaxloss as jl
from jaxloss.compare.report import wording
from jaxloss.compare.report.code import code
from jaxloss.compare.report.controls import controls, tests
from jaxloss.compare.report.headline import headline
from jaxloss.compare.report.quantities import (
    NOTHING,
    NumberFormat,
    hyperparameter_text,
    p_value,
    probability,
)
from jaxloss.compare.report.sections import Section, sections
from jaxloss.compare.statistics.decision import decide
from jaxloss.compare.statistics.standings import NO_MORE, OPEN, Analysis, Standing
from jaxloss.compare.statistics.theory import TheoryPrediction
from jaxloss.compare.sweep.results import Results

# Versions that may change numbers: the compiler, the optimizer, the data and the tests.
_PACKAGES = ("jax", "jaxlib", "optax", "numpy", "scipy", "scikit-learn")

HEADERS = (
    "#",
    "objective",
    "hyper-parameters",
    "rate",
    "score",
    "difference",
    "95 % interval, corrected",
    "on new data",
    "corrected p",
    "P(better)",
    "P(same)",
    "P(worse)",
    "P(best)",
    "verdict",
)


@dataclass(frozen=True)
class Line:
    """A line of a ranking; cells that do not apply hold an em dash."""

    rank: str
    loss: str
    hyperparameters: str
    rate: str
    score: str
    difference: str
    interval: str
    on_new_data: str
    p: str
    better: str
    same: str
    worse: str
    best: str
    verdict: str
    kind: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells in the order of `HEADERS`."""
        *cells, _ = vars(self).values()
        return tuple(cells)


@dataclass(frozen=True)
class Ranking:
    """The ranking at one level of noise, best first."""

    level: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Origin:
    """The origin of the scores: a run that can be repeated.

    Attributes:
        command: The command line that reproduces the run; empty where there is none.
        seconds: The duration of the run.
        seeds: The seeds of the run.
        versions: The versions of packages, and the devices, by name.
    """

    command: str
    seconds: str
    seeds: str
    versions: dict[str, str]


@dataclass(frozen=True)
class ReportModel:
    """The contents of a report.

    Attributes:
        decision: Which loss to use, in a sentence.
        code: The chosen objective as Python; empty where it is not known.
        title: The number of objectives and the task.
        lead: A sentence on what was done.
        reference: The name of the reference.
        metric: The heading of scores.
        unit: The unit of their differences.
        direction: Whether higher or lower is better.
        findings: Sentences on the results.
        warnings: Sentences on what to distrust.
        rankings: The ranking at each level of noise.
        sections: Further tables.
        controls: The experimental controls: pairs of a term and its explanation.
        origin: How to repeat the run; None for scores that were given.
    """

    decision: str
    code: str
    title: str
    lead: str
    reference: str
    metric: str
    unit: str
    direction: str
    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    rankings: tuple[Ranking, ...]
    sections: tuple[Section, ...]
    controls: tuple[tuple[str, str], ...]
    origin: Origin | None


def of_scores(analysis: Analysis) -> ReportModel:
    """Build the contents of the report of given scores."""
    form, count = wording.number_format(analysis), len(analysis.levels[0])
    return ReportModel(
        decision=headline(analysis),
        code="",
        title=f"{count} objectives by {form.metric.says}",
        lead="Does the objective change the score, and is the difference more than chance?",
        reference=analysis.reference,
        metric=form.heading,
        unit=form.metric.unit,
        direction=form.direction,
        findings=tuple(wording.findings(analysis)),
        warnings=tuple(wording.warnings(analysis)),
        rankings=rankings(analysis),
        sections=(),
        controls=tuple(tests(analysis)),
        origin=None,
    )


def of_run(
    results: Results,
    analysis: Analysis,
    predictions: Sequence[TheoryPrediction] = (),
    command: str = "",
    seconds: float = math.nan,
) -> ReportModel:
    """Build the contents of the report of a run.

    Args:
        results: The results of the run.
        analysis: The analysis of the results.
        predictions: The predictions of theory.
        command: The command line that reproduces the run; empty for a run from Python.
        seconds: The duration of the run; NaN where it is not known.
    """
    plan, form = results.plan, wording.number_format(analysis)
    untuned = ("A single learning rate was given, so none was tuned.",)
    general = of_scores(analysis)
    return replace(
        general,
        code=_code(results, analysis),
        title=f"{len(analysis.levels[0])} objectives on {plan.task.title}",
        lead=f"One small model, trained {len(results.rows):,} times: does the objective change its "
        f"{form.metric.says}, and is the difference more than chance, temperature or rounding?",
        findings=(*general.findings, *wording.twins(results, analysis)),
        warnings=(untuned if len(plan.rates) == 1 else ()) + general.warnings,
        sections=tuple(sections(results, analysis, predictions)),
        controls=tuple(controls(plan, analysis)),
        origin=Origin(
            command=command,
            seconds="" if math.isnan(seconds) else f"{seconds:.0f}",
            seeds=f"0 to {results.seeds - 1}",
            versions=versions(),
        ),
    )


def rankings(analysis: Analysis) -> tuple[Ranking, ...]:
    """Format the ranking at each level of noise."""
    form = wording.number_format(analysis)
    return tuple(
        Ranking(name, tuple(_line(rank, standing, form) for rank, standing in enumerate(level, 1)))
        for name, level in zip(analysis.names, analysis.levels, strict=True)
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


def chosen_code(results: Results, loss: str, level: int) -> str:
    """What was chosen for a contender at the level with this index, as code."""
    rate = results.chosen(loss, level).rate
    return code(results.objective(loss, level), f"optax.adam({rate:g})")


def _code(results: Results, analysis: Analysis) -> str:
    """The objective recommended at the strongest noise as code."""
    return chosen_code(results, decide(analysis)[-1].use.loss, len(analysis.levels) - 1)


def _line(rank: int, standing: Standing, form: NumberFormat) -> Line:
    # A failed contender has a comparison, of NaN; its line shows dashes instead.
    compared = None if standing.verdict == "failed" else standing.to_reference
    new = compared.on_new_data if compared else None
    likely = compared.probabilities if compared else None
    return Line(
        rank=str(rank),
        loss=standing.loss,
        hyperparameters=hyperparameter_text(standing.hyperparameters) or NOTHING,
        rate=NOTHING if math.isnan(standing.rate) else f"{standing.rate:g}",
        score=form.estimate(standing.score),
        difference=form.estimate(compared.difference, signed=True) if compared else NOTHING,
        interval=form.interval(compared.difference) if compared else NOTHING,
        on_new_data=form.interval(new) if new else NOTHING,
        p=p_value(compared.p) if compared else NOTHING,
        better=probability(likely.better) if likely else NOTHING,
        same=probability(likely.same) if likely else NOTHING,
        worse=probability(likely.worse) if likely else NOTHING,
        best=probability(standing.best),
        verdict=wording.verdict(standing),
        # What temperature may explain is no property of the loss, and is not coloured as one.
        kind="doubtful" if standing.temperature in {NO_MORE, OPEN} else standing.verdict,
    )
