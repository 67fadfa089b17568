"""The page: one HTML file that needs nothing else."""

import importlib.metadata
import platform
from dataclasses import dataclass

import jax
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import jaxloss as jl
from jaxloss.compare import digits, figures, network, wording
from jaxloss.compare.experiment import Outcome
from jaxloss.compare.statistics import Standing

_PACKAGES = ("jax", "jaxlib", "optax", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Line:
    """One line of a ranking, as it is printed."""

    rank: int
    loss: str
    written: str
    symbol: str
    rate: str
    accuracy: str
    difference: str
    interval: str
    verdict: str
    p: str


def render(outcome: Outcome, command: str, seconds: float) -> str:
    """The page of an outcome.

    Args:
        outcome: What was found.
        command: What to type to find it again.
        seconds: How long it took.

    Returns:
        HTML that refers to nothing outside itself.
    """
    environment = Environment(
        loader=PackageLoader("jaxloss.compare", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(
        plan=outcome.plan,
        noise=[wording.percent(level) for level in outcome.plan.noise],
        rankings=[_lines(outcome, level) for level in range(len(outcome.plan.noise))],
        findings=wording.findings(outcome),
        warnings=wording.warnings(outcome),
        figures={
            draw.__name__: Markup(draw(outcome))  # ours, not a reader's
            for draw in (figures.differences, figures.responses, figures.learning, figures.shapes)
        },
        hidden=network.HIDDEN,
        batch=digits.BATCH,
        command=command,
        seconds=f"{seconds:.0f}",
        versions=_versions(),
    )


def _lines(outcome: Outcome, level: int) -> list[Line]:
    return [_line(rank, s, outcome) for rank, s in enumerate(outcome.standings[level], 1)]


def _line(rank: int, standing: Standing, outcome: Outcome) -> Line:
    contender = next(c for c in outcome.plan.contenders if c.name == standing.loss)
    difference = standing.difference
    return Line(
        rank=rank,
        loss=contender.name,
        written=contender.written,
        symbol=contender.symbol,
        rate=f"{standing.rate:g}",
        accuracy=wording.points(standing.accuracy),
        difference=wording.points(difference, signed=True) if difference else "",
        interval=wording.interval(difference) if difference else "",
        verdict=standing.verdict,
        p="" if standing.p is None else wording.p_value(standing.p),
    )


def _versions() -> dict[str, str]:
    device = jax.devices()[0]
    found = {name: importlib.metadata.version(name) for name in _PACKAGES}
    python = {
        "Python": platform.python_version(),
        "device": f"{device.platform} {device.device_kind}",
    }
    return {"jaxloss": jl.__version__, **found, **python}
