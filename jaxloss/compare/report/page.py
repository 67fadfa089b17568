"""The page: one HTML file that needs nothing else."""

from collections.abc import Iterable

from markupsafe import Markup, escape

from jaxloss.compare.report.figures.panels import Plate
from jaxloss.compare.report.figures.style import LEVELS
from jaxloss.compare.report.quantities import NOTHING, pieces
from jaxloss.compare.report.report_model import View
from jaxloss.compare.report.templates import fill


def render(view: View, plates: Iterable[Plate]) -> str:
    """The report of a run, with figures, as HTML that refers to nothing outside itself."""
    return fill(
        "page.html.jinja",
        html=True,
        filters={"breakable": breakable, "ours": Markup},
        view=view,
        plates=list(plates),
        colours=len(LEVELS),
        nothing=NOTHING,
    )


def breakable(name: str) -> Markup:
    """A name that may be broken between its parts."""
    return Markup("<wbr>").join(escape(part) for part in pieces(name))
