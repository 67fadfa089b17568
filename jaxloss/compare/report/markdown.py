"""The report as Markdown: the tables and sentences of the page, without its figures."""

import re
from collections.abc import Sequence

from jaxloss.compare.report.report_model import HEADERS, ReportModel
from jaxloss.compare.report.templates import fill


def render(report: ReportModel) -> str:
    """Render the report as Markdown, with tables in GitHub's syntax."""
    filters = {"plain": plain, "row": row}
    return fill("report.md.jinja", html=False, filters=filters, report=report, headers=HEADERS)


def plain(text: str) -> str:
    """Escape text, so that names such as `a_b*c` are no markup."""
    return re.sub(r"([\\`*_|\[\]<>#])", r"\\\1", " ".join(text.split()))


def row(cells: Sequence[str]) -> str:
    """Write cells as a row of a table."""
    return f"| {' | '.join(plain(cell) for cell in cells)} |"
