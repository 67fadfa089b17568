"""The figures of the page: panels with titles, and captions."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxloss.compare.report.figures import loss_curves, plots
from jaxloss.compare.report.figures.style import VARIABLES, WIDTH, Ordinate, colour, svg
from jaxloss.compare.report.quantities import capital, wrapped
from jaxloss.compare.statistics.standings import Analysis
from jaxloss.compare.sweep.results import Results

_PANEL = 2.35, 1.75  # inches


class Panel(NamedTuple):
    """A panel of a figure.

    Attributes:
        title: The title; "" where that of the figure suffices.
        name: Its name, as that of a file.
        svg: The SVG element. It is made here, of escaped text, so the page does not escape it.
        linear: The same on a linear scale, if the reader can choose.
    """

    title: str
    name: str
    svg: str
    linear: str = ""


class PageFigure(NamedTuple):
    """A figure of the page.

    Attributes:
        title: The heading of its section.
        panels: Its panels; none where there is nothing to draw.
        caption: How to read it, or why it is empty.
        keys: The legend: pairs of a variable of the style sheet, a colour, and its meaning.
    """

    title: str
    panels: tuple[Panel, ...]
    caption: str
    keys: tuple[tuple[str, str], ...] = ()


def page_figures(results: Results, analysis: Analysis) -> Iterator[PageFigure]:
    """Yield all figures that the results allow, in the order of the page."""
    yield from score_figures(analysis)
    yield learning(results, analysis)
    if len(results.plan.rates) > 1:
        yield rates(results, analysis)
    if tuned_panels(results, analysis):
        yield hyperparameters(results, analysis)
    yield losses(results, analysis)


def score_figures(analysis: Analysis) -> Iterator[PageFigure]:
    """Yield the figures that need nothing but scores."""
    yield differences(analysis)
    if len(analysis.levels) > 1 and np.isfinite(analysis.noise).all():
        yield robustness(analysis)


def differences(analysis: Analysis) -> PageFigure:
    """The figure of the differences to the reference at all levels of noise."""
    metric = analysis.metric

    def draw(figure: Figure, *, linear: bool) -> None:
        levels = len(analysis.levels)
        names = [wrapped(s.loss, plots.NAME_WIDTH) for s in analysis.levels[0]]
        lines = sum(name.count("\n") + 1 for name in names)
        # A level has a title and ticks, a gap between contenders, and the lines of their names.
        figure.set_size_inches(WIDTH, levels * (0.7 + 0.08 * len(names) + 0.14 * lines))
        every = figure.subplots(levels, 1, squeeze=False, sharex=True)[:, 0]
        for level, axes in enumerate(every):
            plots.draw_differences(axes, analysis, level)
        if not linear:
            plots.scale_differences(every[-1], analysis)
        unit = f", {metric.unit}" if metric.unit else ""
        every[-1].set_xlabel(f"difference in {metric.says}{unit}")

    title = f"Differences to {analysis.reference}"
    better = "right" if metric.higher else "left"
    caption = (
        "Mean difference with its interval, corrected for all comparisons of this page. "
        f"Further {better} is better. Filled: shown to be better or worse, by more than a "
        "temperature may do. The band is the margin. Where differences are of very different "
        "sizes, the scale is logarithmic but for a part about 0."
    )
    return PageFigure(title, (_toggled("differences", title, draw),), caption)


def robustness(analysis: Analysis) -> PageFigure:
    """The figure of scores against noise."""

    def draw(figure: Figure, *, linear: bool) -> None:
        figure.set_size_inches(WIDTH, 3.4)
        plots.draw_robustness(figure.subplots(), analysis, linear=linear)

    caption = (
        "Scores at what was chosen for each level. Named: the reference, the best at each level, "
        "and the last at the strongest; thin: all others."
    )
    keys = tuple((VARIABLES[shade], name) for name, shade in plots.highlighted(analysis).items())
    panel = _toggled("robustness", "Score against noise", draw)
    return PageFigure("Robustness", (panel,), caption, keys)


def learning(results: Results, analysis: Analysis) -> PageFigure:
    """The figure of learning curves, with a panel per contender."""
    ordinate = plots.learning_ordinate(results, analysis)

    def one(axes: Axes, loss: str) -> None:
        plots.draw_learning(axes, results, analysis, loss, ordinate)

    caption = (
        f"{capital(ordinate.label)}, on test data after each epoch, at what was chosen; dashed, "
        f"{results.plan.lineup.reference} at its own. {_reading(ordinate)}"
    )
    return _by_contender(analysis, "Learning curves", "epoch", one, caption)


def rates(results: Results, analysis: Analysis) -> PageFigure:
    """The figure of scores against the learning rate, with a panel per contender."""
    ordinate = plots.rates_ordinate(results, analysis)

    def one(axes: Axes, loss: str) -> None:
        plots.draw_rates(axes, results, analysis, loss, ordinate)

    caption = (
        f"{capital(ordinate.label)}, on test data after training. {_reading(ordinate)} The "
        "dot is what was chosen, on validation data. A loss that needs its rate just so has a "
        "narrow optimum."
    )
    return _by_contender(analysis, "Learning rate", "learning rate", one, caption)


def hyperparameters(results: Results, analysis: Analysis) -> PageFigure:
    """The figure of scores against hyper-parameters, with a panel for each."""
    ordinate = plots.rates_ordinate(results, analysis)

    def one(axes: Axes, loss: str, name: str) -> None:
        plots.draw_hyperparameter(axes, results, analysis, loss, name, ordinate)
        axes.set_xlabel(name)

    tuned = tuned_panels(results, analysis)
    draw = [(loss, functools.partial(one, loss=loss, name=name)) for loss, name in tuned]
    caption = (
        f"{capital(ordinate.label)}, on test data after training, at the best of all else for "
        f"each value. {_reading(ordinate)} The dot is what was chosen, on validation data."
    )
    title = "Hyper-parameters"
    return PageFigure(title, _panels("hyperparameter", draw), caption, _level_keys(analysis))


def losses(results: Results, analysis: Analysis) -> PageFigure:
    """The figure of the losses themselves, with a panel per contender."""
    line, title = loss_curves.prediction_line(results.plan.task.output), "Shapes of the losses"
    if line is None:
        return PageFigure(title, (), "A loss of whole pictures has no curve to show.")

    def one(axes: Axes, profile: loss_curves.Profile) -> None:
        loss_curves.draw_shape(axes, profile)
        axes.set_xlabel(line.says)

    profiles = loss_curves.profiles(results, analysis)
    draw = [(loss, functools.partial(one, profile=profile)) for loss, profile in profiles.items()]
    caption = (
        "Solid, what one example costs; dashed, its derivative: each scaled to 1, at the "
        "hyper-parameters chosen at the strongest noise, all else that is predicted being 0. A "
        "loss whose derivative vanishes far from the target ignores an example that looks wrong."
    )
    return PageFigure(title, _panels("shape", draw), caption)


def tuned_panels(results: Results, analysis: Analysis) -> list[tuple[str, str]]:
    """Pairs of a contender and one of its hyper-parameters of which several values were tried."""
    return [
        (standing.loss, name)
        for standing in analysis.levels[-1]
        for name in plots.tuned(results, standing.loss)
    ]


def _by_contender(
    analysis: Analysis,
    title: str,
    label: str,
    one: Callable[[Axes, str], None],
    caption: str,
) -> PageFigure:
    """A figure with a panel per contender, in the order of the ranking at the strongest noise."""

    def labelled(axes: Axes, loss: str) -> None:
        one(axes, loss)
        axes.set_xlabel(label)

    names = [standing.loss for standing in analysis.levels[-1]]
    draw = [(loss, functools.partial(labelled, loss=loss)) for loss in names]
    return PageFigure(title, _panels(label.replace(" ", "-"), draw), caption, _level_keys(analysis))


def _panels(kind: str, draw: Sequence[tuple[str, Callable[[Axes], None]]]) -> tuple[Panel, ...]:
    """Small panels, which the page arranges in as many columns as fit."""

    def fill(figure: Figure, one: Callable[[Axes], None]) -> None:
        figure.set_size_inches(_PANEL)
        one(figure.subplots())

    def panel(index: int, title: str, one: Callable[[Axes], None]) -> Panel:
        name = f"{kind}-{index}"
        return Panel(title, name, svg(name, f"{title}, {kind}", functools.partial(fill, one=one)))

    return tuple(panel(index, *each) for index, each in enumerate(draw))


def _toggled(name: str, title: str, draw: Callable[..., None]) -> Panel:
    """A panel as it is drawn, and on a linear scale if that is different."""
    drawn = svg(name, title, functools.partial(draw, linear=False))
    other, scale = "-linear", ", linear scale"
    linear = svg(f"{name}{other}", f"{title}{scale}", functools.partial(draw, linear=True))
    same = linear.replace(scale, "").replace(other, "") == drawn
    return Panel("", name, drawn, "" if same else linear)


def _level_keys(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    return tuple((VARIABLES[colour(level)], name) for level, name in enumerate(analysis.names))


def _reading(ordinate: Ordinate) -> str:
    crosses = " A cross marks networks that gave no finite numbers."
    return ("Higher is better." if ordinate.rises else "Lower is better.") + crosses
