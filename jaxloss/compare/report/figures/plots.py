"""Plots of results on given axes: differences, learning curves, and responses to parameters."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jaxloss.compare.report import wording
from jaxloss.compare.report.figures.style import (
    DASHED,
    INK,
    LEVEL_COLOURS,
    MUTED,
    PAPER,
    RULE,
    Ordinate,
    colour,
    tooltip,
)
from jaxloss.compare.report.quantities import minus, wrapped
from jaxloss.compare.statistics.estimates import Estimate
from jaxloss.compare.statistics.standings import MORE, Analysis, Standing
from jaxloss.compare.sweep.halving import mean_scores
from jaxloss.compare.sweep.results import Floats, Results, Tried

NAME_WIDTH = 27  # characters of a name beside the axes, before it is wrapped
_CLAIMS = {"better", "worse"}
_LOG_FROM = 3.0  # ratio of the ends from which an axis is logarithmic
_MAX_TICKS = 6  # on each side of 0


def draw_differences(axes: Axes, analysis: Analysis, level: int) -> None:
    """Draw the paired difference of each contender to the reference, with its interval."""
    metric, ranking = analysis.metric, analysis.levels[level]
    form = wording.number_format(analysis)
    names = [wrapped(standing.loss, NAME_WIDTH) for standing in ranking]
    heights = np.asarray([0.4 + 0.6 * len(name.splitlines()) for name in names])
    rows = np.cumsum(heights) - heights / 2
    for row, standing in zip(rows, ranking, strict=True):
        if standing.to_reference is None:
            axes.plot(0, row, "|", color=INK, ms=9, mew=1.6)
            continue
        if standing.to_reference.failed:
            axes.text(0, row, " failed to train", va="center", color=MUTED)
            continue
        difference = standing.to_reference.difference
        claimed = standing.verdict in _CLAIMS and standing.temperature in {None, MORE}
        ends = metric.factor * np.asarray(difference.interval)
        shown = f"{form.estimate(difference, signed=True)}, {wording.verdict(standing)}"
        gid = tooltip(f"{standing.loss}: {shown}")
        axes.plot(ends, [row, row], color=colour(level), solid_capstyle="butt", gid=gid)
        fill = colour(level) if claimed else PAPER
        mean = metric.factor * difference.mean
        axes.plot(mean, row, "o", color=colour(level), mfc=fill, ms=6, mew=1.4, gid=gid)
    margin = metric.factor * ranking[0].margin
    axes.axvspan(-margin, margin, color=RULE, lw=0, alpha=0.6, zorder=0)
    axes.axvline(0, color=MUTED, lw=1, zorder=0)
    axes.set(yticks=rows, yticklabels=names)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(heights.sum(), 0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_title(analysis.names[level], loc="left")


def scale_differences(axes: Axes, analysis: Analysis) -> None:
    """Scale the abscissa of differences: linear about 0, logarithmic beyond if they vary much."""
    factor = analysis.metric.factor
    known = [factor * np.asarray(d.interval) for d in _differences(analysis)]
    ends = np.abs(np.asarray([ends for ends in known if np.isfinite(ends).all()]).ravel())
    if not ends.size or not ends.max():
        return
    # Linear up to the power of ten at or below the median end, so that usual differences are drawn
    # to scale and a contender that fails to learn does not squeeze them into a point.
    usual, farthest = float(np.median(ends)), float(ends.max())
    step = 10.0 ** np.floor(np.log10(usual or farthest))
    if farthest <= _LOG_FROM * step:
        return
    axes.set_xscale("symlog", linthresh=step, linscale=0.7)
    powers = step * 10.0 ** np.arange(np.ceil(np.log10(farthest / step)) + 1)
    sizes = sorted({*powers, *(3 * powers)})
    if len([size for size in sizes if size <= farthest]) > _MAX_TICKS:
        sizes = sorted(powers)
    shown = [size for size in sizes if size <= farthest]
    ticks = [*(-size for size in reversed(shown)), 0.0, *shown]
    axes.set_xticks(ticks, [minus(f"{tick:+.4g}") if tick else "0" for tick in ticks])
    axes.minorticks_off()


def draw_learning(
    axes: Axes, results: Results, analysis: Analysis, loss: str, ordinate: Ordinate | None = None
) -> None:
    """Draw the mean score after each epoch, and dashed that of the reference, as chosen."""
    ordinate = ordinate or learning_ordinate(results, analysis)
    epochs = list(range(1, results.plan.epochs + 1))
    for level in range(len(results.plan.noise)):
        for name, width, dashes in ((results.plan.lineup.reference, 0.9, DASHED), (loss, 1.6, "-")):
            curve = ordinate.of(learning_curve(results, analysis.standing(name, level), level))
            gid = tooltip(f"{name}, {analysis.names[level]}")
            axes.plot(epochs, curve, color=colour(level), lw=width, ls=dashes, gid=gid)
            ordinate.mark_failures(axes, epochs[-1:], curve[-1:])
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    ordinate.set(axes)


def draw_rates(
    axes: Axes, results: Results, analysis: Analysis, loss: str, ordinate: Ordinate | None = None
) -> None:
    """Draw the mean score after training against the learning rate, with a dot at the choice."""
    ordinate = ordinate or rates_ordinate(results, analysis)
    for level in range(len(results.plan.noise)):
        standing = analysis.standing(loss, level)
        _response(axes, ordinate, _by_rate(results, standing, level), standing.rate, level)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: minus(f"{x:g}")))
    axes.minorticks_off()


def draw_hyperparameter(
    axes: Axes,
    results: Results,
    analysis: Analysis,
    loss: str,
    name: str,
    ordinate: Ordinate | None = None,
) -> None:
    """Draw the mean score against a hyper-parameter, all others at their best for each value."""
    ordinate = ordinate or rates_ordinate(results, analysis)
    values = tuned(results, loss)[name]
    for level in range(len(results.plan.noise)):
        chosen = analysis.standing(loss, level).hyperparameters[name]
        _response(axes, ordinate, response(results, loss, name, level), chosen, level)
    if min(values) > 0 and max(values) / min(values) >= _LOG_FROM:
        axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.minorticks_off()


def draw_robustness(axes: Axes, analysis: Analysis, *, linear: bool = False) -> None:
    """Draw the mean scores against the noise, with the best and the reference highlighted."""
    levels = range(len(analysis.levels))
    names = [standing.loss for standing in analysis.levels[-1]]
    scores = {n: np.asarray([analysis.standing(n, v).score.mean for v in levels]) for n in names}
    ordinate = Ordinate(analysis.metric, scores.values(), linear=linear)
    marked = highlighted(analysis)
    for name in names:
        shade = marked.get(name, MUTED)
        width, order = (2.2, 3) if name in marked else (0.8, 2)
        axes.plot(
            [100 * noise for noise in analysis.noise],
            ordinate.of(scores[name]),
            color=shade,
            lw=width,
            zorder=order,
            marker="o",
            ms=2 * width,
            gid=tooltip(name),
        )
    ordinate.set(axes)
    axes.set(xlabel=f"{analysis.kind}, percent", ylabel=ordinate.label)


def highlighted(analysis: Analysis) -> dict[str, str]:
    """The highlighted contenders with their colours: the reference, the best and the last."""
    best = [next(iter(ranking)).loss for ranking in analysis.levels]
    finite = [s.loss for s in analysis.levels[-1] if np.isfinite(s.score.mean)]
    others = [n for n in dict.fromkeys([*best, *finite[-1:]]) if n != analysis.reference]
    return {analysis.reference: INK} | dict(zip(others, LEVEL_COLOURS, strict=False))


def tuned(results: Results, loss: str) -> dict[str, list[float]]:
    """The tried values, ascending, of each tuned hyper-parameter of a contender."""
    axes = results.plan.lineup[loss].expression.axes
    every = [x for level in range(len(results.plan.noise)) for x in results.tried(loss, level)]
    return {a.name: sorted({x.hyperparameters[a.name] for x in every}) for a in axes if every}


def response(results: Results, loss: str, name: str, level: int) -> dict[float, float]:
    """The mean test score by value of a hyper-parameter, all others as validation chooses."""
    by_value: dict[float, list[Tried]] = {}
    for each in results.tried(loss, level):
        by_value.setdefault(each.hyperparameters[name], []).append(each)
    higher = results.plan.task.output.metric.higher
    # Chosen on validation data and drawn on test data, as the ranking is.
    return {x: _mean(best(by_value[x], higher=higher).test) for x in sorted(by_value)}


def best(tried: Sequence[Tried], *, higher: bool) -> Tried:
    """What is best by validation data."""
    scores = mean_scores([[_mean(each.validation)] for each in tried], higher=higher)
    return tried[int(np.argmax(scores))]


def learning_curve(results: Results, standing: Standing, level: int) -> Floats:
    """The mean test score after each epoch, at the choice."""
    return np.asarray(results.chosen(standing.loss, level).curves.mean(0))


def learning_ordinate(results: Results, analysis: Analysis) -> Ordinate:
    """The ordinate that shows all learning curves."""
    curves = (learning_curve(results, standing, level) for level, standing in _all(analysis))
    return Ordinate(results.plan.task.output.metric, curves)


def rates_ordinate(results: Results, analysis: Analysis) -> Ordinate:
    """The ordinate of scores at all rates, cut before those of the highest, which may diverge."""
    scores = (
        np.asarray([*_by_rate(results, standing, level).values()], np.float64)
        for level, standing in _all(analysis)
    )
    return Ordinate(results.plan.task.output.metric, scores, cut=True)


def _response(
    axes: Axes, ordinate: Ordinate, scores: Mapping[float, float], chosen: float, level: int
) -> None:
    x, y = list(scores), ordinate.of(np.asarray([*scores.values()], np.float64))
    axes.plot(x, y, color=colour(level))
    if chosen in x:
        axes.plot(chosen, y[x.index(chosen)], "o", color=colour(level), ms=6)
    ordinate.mark_failures(axes, x, y)
    ordinate.set(axes)


def _by_rate(results: Results, standing: Standing, level: int) -> dict[float, float]:
    """The mean test score by learning rate, at the chosen hyper-parameters."""
    tried = [
        each
        for each in results.tried(standing.loss, level)
        if each.hyperparameters == standing.hyperparameters
    ]
    return {each.rate: _mean(each.test) for each in sorted(tried, key=lambda each: each.rate)}


def _mean(scores: Mapping[int, float]) -> float:
    return float(np.mean([*scores.values()]))


def _all(analysis: Analysis) -> Iterator[tuple[int, Standing]]:
    for level, ranking in enumerate(analysis.levels):
        for standing in ranking:
            yield level, standing


def _differences(analysis: Analysis) -> Iterator[Estimate]:
    for _, standing in _all(analysis):
        if standing.to_reference:
            yield standing.to_reference.difference
