"""The same as the page without its figures, as tables of Markdown."""

import re
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from jaxloss.compare.report.view import view
from jaxloss.compare.statistics.standings import Analysis
from jaxloss.compare.statistics.theory import Prediction
from jaxloss.compare.sweep.results import Results


def render(
    results: Results,
    analysis: Analysis,
    predictions: Sequence[Prediction],
    command: str,
    seconds: float,
) -> str:
    """The report of a run.

    Args:
        results: Its results.
        analysis: Theirs.
        predictions: What theory says of the contenders.
        command: What to type to find it again.
        seconds: How long it took.

    Returns:
        Markdown with tables as GitHub reads them.
    """
    environment = Environment(
        loader=PackageLoader("jaxloss.compare.report", package_path=""),
        autoescape=False,  # of HTML; what Markdown reads as its own is escaped by `plain`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = plain
    environment.filters["row"] = row
    template = environment.get_template("report.md.jinja")
    return template.render(view=view(results, analysis, predictions, command, seconds))


def plain(text: str) -> str:
    """Text whose marks are read as themselves."""
    return re.sub(r"([\\`*_|\[\]<>#])", r"\\\1", " ".join(text.split()))


def row(cells: Sequence[str]) -> str:
    """Cells as a line of a table."""
    return f"| {' | '.join(plain(cell) for cell in cells)} |"
