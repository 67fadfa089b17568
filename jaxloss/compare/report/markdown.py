"""The same as the page without its figures, as tables of Markdown."""

import re
from collections.abc import Sequence

from jaxloss.compare.report.report_model import ReportModel
from jaxloss.compare.report.templates import fill


def render(report: ReportModel) -> str:
    """The report of a run as Markdown, with tables as GitHub reads them."""
    filters = {"plain": plain, "row": row}
    return fill("report.md.jinja", html=False, filters=filters, report=report)


def plain(text: str) -> str:
    """Text whose marks are read as themselves."""
    return re.sub(r"([\\`*_|\[\]<>#])", r"\\\1", " ".join(text.split()))


def row(cells: Sequence[str]) -> str:
    """Cells as a line of a table."""
    return f"| {' | '.join(plain(cell) for cell in cells)} |"
