"""Figures as inline SVG whose colours are variables of the page, for light and for dark."""

import io
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
from jax import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from jaxloss.compare import wording
from jaxloss.compare.contenders import REFERENCE, Contender
from jaxloss.compare.digits import CLASSES
from jaxloss.compare.experiment import Outcome

# Placeholders, which `_svg` turns into variables of the page's style sheet.
INK, MUTED, RULE, PAPER = "#010101", "#020202", "#030303", "#040404"
LEVELS = ("#050501", "#050502", "#050503", "#050504")
_VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper"}
_VARIABLES |= {colour: f"level-{i}" for i, colour in enumerate(LEVELS)}

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "jaxloss",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 1.6,
}
_DASHED = (0, (3, 2))
_COLUMNS = 3
_LEAST_ERROR = 1.0  # percent
_WIDTH = 7.0


def figure(name: str, title: str, draw: Callable[[Figure], None]) -> str:
    """What `draw` puts on a figure, as an element for the page; `title` is for those who listen."""
    with mpl.rc_context(_STYLE):
        canvas = Figure(layout="constrained")
        draw(canvas)
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _svg(buffer.getvalue(), name, title)


def differences(outcome: Outcome) -> str:
    """The paired difference of each loss to cross-entropy with its interval, by noise level."""

    def draw(canvas: Figure) -> None:
        levels = len(outcome.plan.noise)
        canvas.set_size_inches(_WIDTH, levels * (0.9 + 0.24 * len(outcome.plan.contenders)))
        axes = canvas.subplots(levels, 1, squeeze=False, sharex=True)[:, 0]
        for level in range(levels):
            _dots(axes[level], outcome, level)
        axes[-1].set_xlabel("test accuracy less that of cross-entropy, percentage points")

    return figure("differences", "Differences to cross-entropy with 95 % intervals", draw)


def responses(outcome: Outcome) -> str:
    """Test error against the learning rate, a panel for each loss."""

    def draw(axes: Axes, contender: Contender) -> None:
        for level in range(len(outcome.plan.noise)):
            error = _error(outcome.curves[contender.name].test[:, level, :, -1])
            chosen = outcome.standing(contender.name, level).rate_index
            colour = _colour(level)
            axes.plot(outcome.plan.rates, error, color=colour)
            axes.plot(outcome.plan.rates[chosen], error[chosen], "o", color=colour, ms=6)
        axes.set_xscale("log")
        _error_axis(axes)

    canvas = _panels(outcome.plan.contenders, draw, "learning rate", _level_keys(outcome))
    return figure("responses", "Test error against learning rate", canvas)


def learning(outcome: Outcome) -> str:
    """Test error against the epoch at the chosen rate, a panel for each loss."""
    epochs = np.arange(1, outcome.plan.epochs + 1)

    def draw(axes: Axes, contender: Contender) -> None:
        for level in range(len(outcome.plan.noise)):
            for name, width, dashes in ((REFERENCE, 0.9, _DASHED), (contender.name, 1.6, "-")):
                rate = outcome.standing(name, level).rate_index
                error = _error(outcome.curves[name].test[:, level, rate])
                axes.plot(epochs, error, color=_colour(level), lw=width, ls=dashes)
        _error_axis(axes)

    canvas = _panels(outcome.plan.contenders, draw, "epoch", _level_keys(outcome))
    return figure("learning", "Test error after each epoch", canvas)


def shapes(outcome: Outcome) -> str:
    """Each loss and its slope against the true class's logit, the other logits being 0."""
    logit = jnp.linspace(-6.0, 6.0, 121)

    def draw(axes: Axes, contender: Contender) -> None:
        values, slopes = (np.asarray(part) for part in _profile(contender, logit))
        axes.plot(logit, (values - values.min()) / np.ptp(values), color=INK)
        axes.plot(logit, np.abs(slopes) / np.abs(slopes).max(), color=MUTED, ls=_DASHED, lw=1.2)
        axes.set(ylim=(-0.04, 1.06), yticks=[0, 1], xticks=[-6, 0, 6])

    keys = [
        Line2D([], [], color=INK, label="loss"),
        Line2D([], [], color=MUTED, ls=_DASHED, label="size of its slope"),
    ]
    canvas = _panels(outcome.plan.contenders, draw, "logit of the true class", keys)
    return figure("shapes", "Shapes of the losses and of their slopes", canvas)


def _profile(contender: Contender, logit: Array) -> tuple[Array, Array]:
    def value(z: Array) -> Array:
        logits = jnp.zeros(CLASSES).at[0].set(z) / contender.temperature
        result: Array = contender.objective(logits[None], jnp.zeros(1, jnp.int32))
        return result

    return jax.vmap(jax.value_and_grad(value))(logit)


def _error(accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean error over seeds, the first axis, in percent; at least what a log scale can show."""
    error: NDArray[np.float64] = 100 * (1 - accuracy.mean(axis=0))
    return error.clip(_LEAST_ERROR)


def _error_axis(axes: Axes) -> None:
    axes.set(yscale="log", ylim=(1, 100))
    axes.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    axes.minorticks_off()


def _dots(axes: Axes, outcome: Outcome, level: int) -> None:
    ranking = outcome.standings[level]
    colour = _colour(level)
    for row, standing in enumerate(ranking):
        if standing.difference is None:
            axes.plot(0, row, "|", color=INK, ms=9, mew=1.6)
            continue
        low, high = (100 * end for end in standing.difference.interval)
        axes.plot([low, high], [row, row], color=colour, solid_capstyle="butt")
        fill = colour if standing.significant else PAPER
        axes.plot(100 * standing.difference.mean, row, "o", color=colour, mfc=fill, ms=6, mew=1.4)
    axes.axvline(0, color=MUTED, lw=1, zorder=0)
    axes.set(yticks=range(len(ranking)), yticklabels=[standing.loss for standing in ranking])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(ranking) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xscale("symlog", linthresh=1, linscale=0.7)
    reach = 100 * max(abs(end) for s in ranking if s.difference for end in s.difference.interval)
    ticks = [tick for tick in (-30, -10, -3, -1, 0, 1, 3, 10, 30) if abs(tick) <= max(reach, 1)]
    axes.set_xticks(ticks, [wording.signed(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_title(f"{wording.percent(outcome.plan.noise[level])} label noise", loc="left")


def _level_keys(outcome: Outcome) -> list[Line2D]:
    return [
        Line2D([], [], color=_colour(level), label=f"{wording.percent(noise)} label noise")
        for level, noise in enumerate(outcome.plan.noise)
    ]


def _panels(
    contenders: tuple[Contender, ...],
    draw: Callable[[Axes, Contender], None],
    label: str,
    keys: list[Line2D],
) -> Callable[[Figure], None]:
    """A panel for each contender, all on the same scales, in as many rows as it takes."""
    rows = -(-len(contenders) // _COLUMNS)

    def fill(canvas: Figure) -> None:
        canvas.set_size_inches(_WIDTH, 0.7 + 1.45 * rows)
        grid = canvas.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
        panels = list(grid.flat)
        for axes, contender in zip(panels, contenders, strict=False):
            draw(axes, contender)
            axes.set_title(contender.name, loc="left")
        for axes in panels[len(contenders) :]:
            axes.remove()
        for axes in panels[: len(contenders)][-_COLUMNS:]:
            axes.tick_params(labelbottom=True)
        canvas.supxlabel(label, color=MUTED, fontsize=10)
        canvas.legend(handles=keys, loc="outside upper left", ncols=len(keys), frameon=False)

    return fill


def _colour(level: int) -> str:
    return LEVELS[level % len(LEVELS)]


def _svg(source: str, name: str, title: str) -> str:
    """The bare element: no header, no metadata, ids of its own, colours from the page."""
    body = source[source.index("<svg") :]
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    body = re.sub(r"\bid=\"", f'id="{name}-', body)
    body = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", body)
    body = re.sub(r"(font:[^;\"]*?px) [^;\"]*", r"\1 var(--sans)", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    size = re.search(r'viewBox="[^"]*"', body)
    opening = f'<svg {size[0] if size else ""} role="img" aria-label="{title}">'
    return re.sub(r"<svg[^>]*>", opening, body, count=1)
