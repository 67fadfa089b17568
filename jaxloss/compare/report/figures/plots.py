"""Plots of results on given axes: differences, learning curves, and responses to parameters."""

from collections.abc import Iterator, Sequence

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
from jaxloss.compare.sweep.results import Floats, Results

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
    rates = results.plan.rates
    for level in range(len(results.plan.noise)):
        standing = analysis.standing(loss, level)
        scores = ordinate.of(_by_rate(results, standing, level))
        _response(axes, ordinate, rates, scores, standing.rate_index, level)
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
        chosen = values.index(analysis.standing(loss, level).hyperparameters[name])
        scores = ordinate.of(response(results, loss, name, level))
        _response(axes, ordinate, values, scores, chosen, level)
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
    variants = results.plan.lineup[loss].variants
    names = variants[0].hyperparameters
    return {name: sorted({v.hyperparameters[name] for v in variants}) for name in names}


def response(results: Results, loss: str, name: str, level: int) -> Floats:
    """The mean test score at each value of a hyper-parameter, all others as validation chooses."""
    grid, metric = results.grids[loss], results.plan.task.output.metric
    variants = results.plan.lineup[loss].variants

    def at(value: float) -> float:
        some = [i for i, v in enumerate(variants) if v.hyperparameters[name] == value]
        validation = grid.validation[some, level].mean(-1)
        scores = validation if metric.higher else -validation
        # Chosen on validation data and drawn on test data, as the ranking is.
        best = np.unravel_index(
            np.where(np.isfinite(scores), scores, -np.inf).argmax(), scores.shape
        )
        return float(grid.test[some, level, :, :, -1].mean(-1)[best])

    return np.asarray([at(value) for value in tuned(results, loss)[name]])


def learning_curve(results: Results, standing: Standing, level: int) -> Floats:
    """The mean test score after each epoch, at the choice."""
    chosen = results.grids[standing.loss].test[standing.variant, level, standing.rate_index]
    return np.asarray(chosen.mean(0))


def learning_ordinate(results: Results, analysis: Analysis) -> Ordinate:
    """The ordinate that shows all learning curves."""
    curves = (learning_curve(results, standing, level) for level, standing in _all(analysis))
    return Ordinate(results.plan.task.output.metric, curves)


def rates_ordinate(results: Results, analysis: Analysis) -> Ordinate:
    """The ordinate of scores at all rates, cut before those of the highest, which may diverge."""
    scores = (_by_rate(results, standing, level) for level, standing in _all(analysis))
    return Ordinate(results.plan.task.output.metric, scores, cut=True)


def _response(
    axes: Axes, ordinate: Ordinate, x: Sequence[float], y: Floats, chosen: int, level: int
) -> None:
    axes.plot(x, y, color=colour(level))
    axes.plot(x[chosen], y[chosen], "o", color=colour(level), ms=6)
    ordinate.mark_failures(axes, x, y)
    ordinate.set(axes)


def _by_rate(results: Results, standing: Standing, level: int) -> Floats:
    chosen = results.grids[standing.loss].test[standing.variant, level, :, :, -1]
    return np.asarray(chosen.mean(-1))


def _all(analysis: Analysis) -> Iterator[tuple[int, Standing]]:
    for level, ranking in enumerate(analysis.levels):
        for standing in ranking:
            yield level, standing


def _differences(analysis: Analysis) -> Iterator[Estimate]:
    for _, standing in _all(analysis):
        if standing.to_reference:
            yield standing.to_reference.difference
