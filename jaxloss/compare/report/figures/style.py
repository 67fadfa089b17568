"""The style of all figures: colours, the ordinate of a metric, and inline SVG for the page."""

import html
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from jaxloss.compare.report.quantities import minus
from jaxloss.compare.statistics.scores import Measure

# The colours of the page in its light theme. In the SVG they become variables of the style sheet,
# so that figures follow the reader's theme.
INK, MUTED, RULE, PAPER = "#1d2431", "#5d6879", "#dde2e9", "#fefefe"
LEVEL_COLOURS = ("#14708f", "#c8452f", "#7a5bb5", "#a87900", "#2f7d4f", "#b0447f")
VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper"}
VARIABLES |= {colour: f"level-{i}" for i, colour in enumerate(LEVEL_COLOURS)}
DASHED = (0, (3, 2))
WIDTH = 5.4  # inches

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the fonts of the page, and can be searched
    "svg.hashsalt": "jaxloss",  # else ids are random, and two runs differ
    "text.parse_math": False,  # a name with two "$" is no formula
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.6,
}
_TOOLTIP = "tooltip: "
_LEAST_COMPLEMENT = 0.1  # percent: an accuracy of 100 % has no logarithm of its complement
_CUT_FACTOR = 4.0  # the way from the best value to the cut, over that to the median
_NARROW = 4.0  # ratio of the ends up to which a logarithmic axis has evenly spaced ticks


class Ordinate:
    """The ordinate of a metric.

    Scores such as accuracies are drawn as 100 % less their value on a logarithmic scale, where 98 %
    and 99 % are as far apart as 80 % and 90 %.

    Args:
        metric: The metric.
        pooled: The values to show.
        cut: Whether the axis ends before values that are far worse than most.
        linear: Whether the axis is linear throughout.
    """

    def __init__(
        self,
        metric: Measure,
        pooled: Iterable[NDArray[np.float64]],
        *,
        cut: bool = False,
        linear: bool = False,
    ) -> None:
        self.metric, self.cut = metric, cut
        self.complement = metric.higher and metric.unit == "points" and not linear
        values = np.concatenate([np.ravel(self.of(part)) for part in pooled])
        values = values[np.isfinite(values)]
        positive = not metric.higher and not linear and (values > 0).all()
        self.logarithmic = bool(self.complement or positive)
        self.ends = self._ends(values) if values.size else (0.1, 1.0)

    @property
    def label(self) -> str:
        """The label of the axis."""
        metric = self.metric
        if self.complement:
            return minus(f"100 - {metric.says}, percent")
        return f"{metric.says}, {metric.unit}" if metric.unit else metric.says

    @property
    def rises(self) -> bool:
        """Whether higher positions on this axis are better."""
        return self.metric.higher and not self.complement

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The positions of values on the axis."""
        scaled = self.metric.factor * np.asarray(values, np.float64)
        return (100 - scaled).clip(_LEAST_COMPLEMENT) if self.complement else scaled

    def set(self, axes: Axes) -> None:
        """Set the scale, limits and ticks of axes."""
        low, high = self.ends
        if self.logarithmic:
            axes.set_yscale("log")
        axes.set_ylim(low, high)
        wide = self.logarithmic and high / low > _NARROW
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)) if wide else MaxNLocator(4))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: minus(f"{y:g}")))
        axes.yaxis.set_minor_locator(NullLocator())

    def mark_failures(self, axes: Axes, x: Sequence[float], y: NDArray[np.float64]) -> None:
        """Draw a cross at the bad end of the axis for each value that is not finite."""
        # In axes coordinates along y, so that the cross is inside whatever the limits are.
        failed = [at for at, value in zip(x, y, strict=True) if not np.isfinite(value)]
        end = 0.04 if self.rises else 0.96
        blended = axes.get_xaxis_transform()
        axes.plot(failed, [end] * len(failed), "x", color=MUTED, ms=5, transform=blended)

    def _ends(self, values: NDArray[np.float64]) -> tuple[float, float]:
        """The ends of the axis, from the best to the worst value or to the cut, with a margin."""
        drawn = np.log(values) if self.logarithmic else values
        best, worst = (drawn.max(), drawn.min()) if self.rises else (drawn.min(), drawn.max())
        farthest = (_CUT_FACTOR * abs(np.median(drawn) - best) if self.cut else 0) or np.inf
        worst = np.clip(worst, best - farthest, best + farthest)
        margin = 0.06 * abs(best - worst) or 0.1 * abs(best) or 0.1
        low, high = min(best, worst) - margin, max(best, worst) + margin
        ends = (np.exp(low), np.exp(high)) if self.logarithmic else (low, high)
        return float(ends[0]), float(ends[1])


@contextmanager
def styled() -> Iterator[None]:
    """Context in which figures have the style of the page."""
    with mpl.rc_context(_STYLE):
        yield


def svg(name: str, title: str, draw: Callable[[Figure], None]) -> str:
    """Draw a figure as an inline SVG element; screen readers read out `title`."""
    with styled():
        figure = Figure(layout="constrained")
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), name, html.escape(title))


def tooltip(text: str) -> str:
    """The id of an artist that shows a text when the pointer is over it."""
    return f"{_TOOLTIP}{text}"


def standalone(inline: str) -> str:
    """Turn an inline SVG element into a file of its own, with the colours of the light theme."""
    for shade, variable in VARIABLES.items():
        inline = inline.replace(f"var(--{variable})", shade)
    inline = inline.replace("var(--sans)", "sans-serif")
    return inline.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def colour(level: int) -> str:
    """The colour of the level of noise with this index."""
    return LEVEL_COLOURS[level % len(LEVEL_COLOURS)]


def _inline(source: str, name: str, title: str) -> str:
    """Reduce an SVG file to an element for the page.

    Header, metadata and style go, as they would apply to the whole page; ids get the name of the
    figure in front, as those of two figures would be equal; colours become variables.
    """
    body = source[source.index("<svg") :]
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    # A title within a group is what browsers show under the pointer, without a script.
    body = re.sub(rf'<g id="{_TOOLTIP}([^"]*)">', r"<g><title>\1</title>", body)
    body = re.sub(r"\bid=\"", f'id="{name}-', body)
    body = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", body).replace("xlink:href", "href")
    # Sizes stay as drawn, the family becomes that of the page.
    body = re.sub(r"(font:[^;\"]*?px) [^;\"]*", r"\1 var(--sans)", body)
    # The colours above occur nowhere else in an SVG, so that plain replacement is enough.
    for shade, variable in VARIABLES.items():
        body = body.replace(shade, f"var(--{variable})")
    size = re.search(r'viewBox="[^"]*"', body)
    opening = f'<svg {size[0] if size else ""} role="img" aria-label="{title}">'
    return re.sub(r"<svg[^>]*>", lambda _: opening, body, count=1)
