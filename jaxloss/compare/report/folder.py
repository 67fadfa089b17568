"""The files of a report."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jaxloss.compare.report import latex, markdown, page
from jaxloss.compare.report.figures.panels import PageFigure
from jaxloss.compare.report.figures.style import standalone
from jaxloss.compare.report.report_model import ReportModel
from jaxloss.files import write

PAGE, TEXT = "report.html", "report.md"
DECISION, PAPER = "decision.json", "rankings.tex"
FILES = PAGE, TEXT, DECISION, PAPER
FIGURES = "figures"


def write_report(
    folder: Path, report: ReportModel, figures: Iterable[PageFigure], summary: dict[str, Any]
) -> None:
    """Write a report: a page, Markdown, LaTeX, JSON, and each figure as an SVG file.

    Args:
        folder: The folder, which is made unless it exists.
        report: The contents.
        figures: The figures.
        summary: The JSON values of the decision.

    Raises:
        OSError: A file cannot be written; it is as it was.
    """
    drawn = list(figures)
    (folder / FIGURES).mkdir(parents=True, exist_ok=True)
    write(folder / PAGE, page.render(report, drawn))
    write(folder / TEXT, markdown.render(report))
    write(folder / PAPER, latex.render(report))
    write(folder / DECISION, to_json(summary, indent=1))
    for panel in (panel for figure in drawn for panel in figure.panels):
        write(folder / FIGURES / f"{panel.name}.svg", standalone(panel.svg))


def to_json(values: dict[str, Any], *, indent: int | None = None) -> str:
    """Write JSON values; numbers that are not finite are null.

    Python would write NaN, which is no JSON and which other parsers refuse.
    """
    return json.dumps(_finite(values), indent=indent, allow_nan=False)


def _finite(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _finite(value) for name, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_finite(value) for value in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
