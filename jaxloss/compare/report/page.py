"""The page: one HTML file that needs nothing else."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from jaxloss.compare.report.canvas import LEVELS
from jaxloss.compare.report.plates import plates
from jaxloss.compare.report.quantities import NOTHING, pieces
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
    """The page of a run.

    Args:
        results: Its results.
        analysis: Theirs.
        predictions: What theory says of the contenders.
        command: What to type to find it again.
        seconds: How long it took.

    Returns:
        HTML that refers to nothing outside itself.
    """
    environment = Environment(
        loader=PackageLoader("jaxloss.compare.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    environment.filters["ours"] = Markup
    return environment.get_template("page.html.jinja").render(
        view=view(results, analysis, predictions, command, seconds),
        plates=list(plates(results, analysis)),
        colours=len(LEVELS),
        nothing=NOTHING,
    )


def breakable(name: str) -> Markup:
    """A name that may be broken between its parts."""
    return Markup("<wbr>").join(escape(part) for part in pieces(name))
