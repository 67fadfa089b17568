"""The analysis as JSON values, the decision first."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from jaxloss.compare.report.report_model import ReportModel
from jaxloss.compare.statistics.decision import Advice, decide
from jaxloss.compare.statistics.standings import Analysis, Standing


def summary(analysis: Analysis, report: ReportModel) -> dict[str, Any]:
    """The decision, the choice at each level, the rankings and the findings."""
    return {
        "decision": report.decision,
        "use": [_choice(analysis, advice) for advice in decide(analysis)],
        "code": report.code,
        "metric": analysis.metric.name,
        "reference": analysis.reference,
        "levels": list(_levels(analysis)),
        "findings": list(report.findings),
        "warnings": list(report.warnings),
    }


def _choice(analysis: Analysis, advice: Advice) -> dict[str, Any]:
    use = advice.use
    compared = use.to_reference
    return {
        "level": analysis.names[advice.level],
        "noise": analysis.noise[advice.level],
        "loss": use.loss,
        "hyperparameters": dict(use.hyperparameters),
        "learning_rate": use.rate,
        "because": advice.ground.value,
        "margin": use.margin,
        "difference": compared and compared.difference.mean,
        "probabilities": compared and asdict(compared.probabilities),
    }


def _levels(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for name, noise, ranking in zip(analysis.names, analysis.noise, analysis.levels, strict=True):
        yield {"level": name, "noise": noise, "ranking": [_standing(s) for s in ranking]}


def _standing(standing: Standing) -> dict[str, Any]:
    words = {"verdict": standing.verdict, "temperature": standing.temperature}
    return {"loss": standing.loss, **words, **asdict(standing)}
