"""The report as one self-contained HTML file."""

import re
from collections.abc import Iterable

from markupsafe import Markup, escape

from jaxloss.compare.report.figures.panels import PageFigure
from jaxloss.compare.report.figures.style import LEVEL_COLOURS
from jaxloss.compare.report.quantities import NOTHING, name_parts
from jaxloss.compare.report.report_model import ReportModel
from jaxloss.compare.report.templates import fill

_UNIT = re.compile(r"(?<=\d) (?=%)|(?<=[<>=)]) (?=[<>\d])")  # the spaces of "40 %" and "p < 0.1"


def render(report: ReportModel, page_figures: Iterable[PageFigure]) -> str:
    """Render the report with its figures as HTML that refers to no other file or site."""
    return fill(
        "page.html.jinja",
        html=True,
        # `ours` marks the SVG, which is made here, as safe; all else is escaped.
        filters={"breakable": breakable, "ours": Markup},
        report=report,
        page_figures=list(page_figures),
        colours=len(LEVEL_COLOURS),
        nothing=NOTHING,
    )


def breakable(name: str) -> Markup:
    """Escape a text and allow line breaks between the parts of its names, but within no number."""
    tied = _UNIT.sub("\N{NO-BREAK SPACE}", name)
    return Markup("<wbr>").join(escape(part) for part in name_parts(tied))
