"""The statistics of `compare` for the scores of anybody's own training runs."""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from jaxloss.compare.report import report_model, terminal
from jaxloss.compare.report.figures.panels import score_figures
from jaxloss.compare.report.folder import write_report
from jaxloss.compare.report.headline import headline
from jaxloss.compare.report.summary import summary
from jaxloss.compare.statistics.estimates import Floats
from jaxloss.compare.statistics.scores import Level
from jaxloss.compare.statistics.standings import Analysis, analyse_levels
from jaxloss.hints import nearest

_LEVELS = ("noise", "setting")  # the columns that may divide the scores


@dataclass(frozen=True)
class Judgement:
    """The comparison of given scores.

    Attributes:
        analysis: The rankings with their statistical tests.
    """

    analysis: Analysis

    @property
    def decision(self) -> str:
        """Which loss to use, by how much it is better, and how sure that is, in a sentence."""
        return headline(self.analysis)

    @functools.cached_property
    def _contents(self) -> report_model.ReportModel:
        return report_model.of_scores(self.analysis)

    def __repr__(self) -> str:
        return terminal.text(self._contents)

    def report(self, folder: str | Path) -> None:
        """Write a report: a page, Markdown, LaTeX, JSON, and each figure as an SVG file.

        Raises:
            OSError: A file cannot be written; it is as it was.
        """
        values = summary(self.analysis, self._contents)
        write_report(Path(folder), self._contents, score_figures(self.analysis), values)


def judge(
    frame: pd.DataFrame,
    *,
    reference: str,
    metric: str = "score",
    higher: bool = True,
    unit: str = "",
    margin: float | None = None,
    overlap: float | None = None,
) -> Judgement:
    """Test which losses are better than a reference, by the scores of your own training runs.

    Runs of one seed are a pair: give the same data, initial weights and batches to every loss.

    Args:
        frame: One row per trained model, with the columns `loss`, `seed` and that of the scores;
            and maybe `noise`, a fraction, or `setting`, each of which is ranked by itself.
        reference: The loss that all others are compared with.
        metric: The name of the column of scores.
        higher: Whether a higher score is better.
        unit: The unit of scores; "points" for percentages, also where they are given as fractions.
        margin: The size up to which a difference counts as none, in this unit; by default half a
            point, or 2 % of the reference's score in another unit.
        overlap: The number of test over that of training examples if each seed splits one data set,
            and 0 if each has new data. By default the scores are taken to be of one split, and
            nothing is claimed on new data.

    Returns:
        The judgement, whose `report` writes the page.

    Raises:
        TypeError: `frame` is no table.
        ValueError: A column is missing, a score or a pair of them is missing or there twice, or
            there are fewer than two losses or seeds.

    Example:
        >>> import pandas as pd
        >>> from jaxloss.compare import judge
        >>> scores = {"huber": [0.81, 0.83, 0.82, 0.84], "squared_error": [0.78, 0.79, 0.79, 0.80]}
        >>> rows = [(loss, seed, x) for loss in scores for seed, x in enumerate(scores[loss])]
        >>> frame = pd.DataFrame(rows, columns=["loss", "seed", "accuracy"])
        >>> judge(frame, reference="squared_error", metric="accuracy", unit="points").decision
        'Use huber: +3.50 points of accuracy, P(better) > 0.99.'
    """
    if not isinstance(frame, pd.DataFrame):
        message = f"judge: `frame` is a pandas DataFrame, got {type(frame).__name__}"
        raise TypeError(message)
    _require_columns(frame, metric)
    for name, number in {"margin": margin, "overlap": overlap}.items():
        if number is not None and not 0 <= number < math.inf:
            message = f"judge: `{name}` is a number of at least 0, got {number!r}"
            raise ValueError(message)
    _require_losses([str(loss) for loss in frame["loss"].unique()], reference)
    # Fractions are shown as percentages, as those of `compare` are.
    fractions = unit == "points" and frame[metric].abs().max() <= 1
    measured = Column(metric, metric, higher=higher, factor=100 if fractions else 1, unit=unit)
    levels = list(_levels(frame, metric))
    _require_everywhere(levels)
    return Judgement(analyse_levels(levels, measured, reference, overlap=overlap, margin=margin))


@dataclass(frozen=True)
class Column:
    """A metric whose values were given."""

    name: str
    says: str
    higher: bool
    factor: float
    unit: str


def _require_columns(frame: pd.DataFrame, metric: str) -> None:
    for name in ("loss", "seed", metric):
        if name not in frame:
            columns = [str(column) for column in frame.columns]
            message = f"judge: `frame` has no column {name!r}{nearest(name, columns)}"
            raise ValueError(f"{message}; it has {', '.join(columns)}")
    for name in (metric, "noise"):
        if name in frame and not pd.api.types.is_numeric_dtype(frame[name]):
            message = f"judge: the column {name!r} of `frame` has numbers, got {frame[name].dtype}"
            raise ValueError(message)
    if all(name in frame for name in _LEVELS):
        message = "judge: `frame` has a column 'noise' or 'setting', not both"
        raise ValueError(message)


def _require_losses(losses: Sequence[str], reference: str) -> None:
    if reference not in losses:
        message = f"judge: `reference` {reference!r} is none of the losses"
        raise ValueError(f"{message}{nearest(reference, losses)}; they are {', '.join(losses)}")
    if len(losses) < 2:
        message = f"judge: there is no loss beside the reference {reference!r}"
        raise ValueError(message)


def _require_everywhere(levels: Sequence[Level]) -> None:
    everything = {loss for level in levels for loss in level.scores}
    for level in levels:
        missing = everything - set(level.scores)
        if missing:
            message = f"judge: there are no scores of {', '.join(sorted(missing))} at {level.name}"
            raise ValueError(message)


def _levels(frame: pd.DataFrame, metric: str) -> Iterator[Level]:
    """Yield the scores at each level of noise, ascending, or in each setting."""
    if "noise" in frame:
        for noise, part in frame.groupby("noise"):
            fraction = float(part["noise"].iloc[0])
            if not 0 <= fraction <= 1:
                message = f"judge: 'noise' is a fraction in [0, 1], got {noise}"
                raise ValueError(f"{message}; another quantity is a 'setting'")
            yield Level("noise", fraction, _scores(part, metric, f" at noise {noise}"))
    elif "setting" in frame:
        for setting, part in frame.groupby("setting", sort=False):
            yield Level(str(setting), math.nan, _scores(part, metric, f" in setting {setting}"))
    else:
        yield Level("", math.nan, _scores(frame, metric, ""))


def _scores(part: pd.DataFrame, metric: str, where: str) -> dict[str, Floats]:
    """The scores of one level by loss, [seed], with the same seeds for all."""
    pairs = part.assign(loss=part["loss"].astype(str)).set_index(["loss", "seed"])[metric]
    if pairs.index.has_duplicates:
        loss, seed = pairs.index[pairs.index.duplicated()][0]
        message = f"judge: {loss!r} has several scores of seed {seed}{where}; one is wanted"
        raise ValueError(message)
    table = pairs.unstack("loss", sort=False)
    for loss, known in pairs.groupby(level=0):
        missing = set(table.index) - set(known.index.get_level_values("seed"))
        if missing:
            seeds = ", ".join(map(str, sorted(missing)))
            message = f"judge: {loss!r} has no score of seed {seeds}{where}, as another loss has"
            raise ValueError(message)
    if len(table) < 2:
        message = f"judge: there is a single seed{where}; at least 2 are wanted"
        raise ValueError(message)
    return {str(loss): column.to_numpy(np.float64) for loss, column in table.items()}
