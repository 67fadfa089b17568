"""The Python interface: `compare` trains a plan and returns an `Outcome`."""

import functools
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Any, TypedDict, Unpack

import pandas as pd

from jaxloss.compare.folder import PLAN, ROWS, TABLE, claimed
from jaxloss.compare.report import report_model, terminal
from jaxloss.compare.report.figures.panels import page_figures
from jaxloss.compare.report.folder import write_report
from jaxloss.compare.report.headline import headline
from jaxloss.compare.report.summary import summary
from jaxloss.compare.statistics.standings import Analysis, Standing, analyse
from jaxloss.compare.statistics.theory import TheoryPrediction, predictions
from jaxloss.compare.sweep import devices
from jaxloss.compare.sweep.contenders import Lineup, LossLike
from jaxloss.compare.sweep.plan import Phase, Plan
from jaxloss.compare.sweep.records import Record, Store
from jaxloss.compare.sweep.results import Results, spelled
from jaxloss.compare.sweep.run import run
from jaxloss.compare.tasks.assembly import task_of, with_metric, with_model
from jaxloss.compare.tasks.imbalance import imbalanced
from jaxloss.compare.tasks.optimizers import Optimizer
from jaxloss.compare.tasks.registry import find
from jaxloss.compare.tasks.task import Task
from jaxloss.files import decoded, write
from jaxloss.hints import nearest

BUDGET = 60.0  # seconds
_DURATION = "a positive number of seconds, or a text such as '60s', '5min' or '1h'"
_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


@dataclass(frozen=True)
class Outcome:
    """The result of a comparison.

    Attributes:
        results: Every trained network, as rows and as arrays.
        metric: The name of the metric that is tested; by default the task's first, which selects
            hyper-parameters in any case.
        margin: The size up to which a difference counts as none, in displayed units; by default
            half a point, or 2 % of the reference's score where that is not in percent.
    """

    results: Results
    metric: str | None = None
    margin: float | None = None

    @property
    def plan(self) -> Plan:
        """The plan that was trained."""
        return self.results.plan

    @functools.cached_property
    def analysis(self) -> Analysis:
        """The rankings with their statistical tests, computed from the rows alone."""
        return analyse(self.results, self.metric, self.margin)

    @functools.cached_property
    def predictions(self) -> list[TheoryPrediction]:
        """The predictions of theory for the contenders at the strongest noise."""
        return predictions(self.results, self.analysis)

    def judged(self, metric: str | None = None, margin: float | None = None) -> "Outcome":
        """The same results by another metric or with another margin; see the attributes.

        Raises:
            ValueError: The task has no such metric.
        """
        other = replace(self, metric=metric, margin=margin)
        _ = other.analysis  # refuses an unknown metric here
        return other

    @property
    def decision(self) -> str:
        """Which loss to use, by how much it is better, and how sure that is, in a sentence."""
        return headline(self.analysis)

    @property
    def summary(self) -> dict[str, Any]:
        """The decision, the rankings and the plan as JSON values."""
        contents = report_model.of_run(self.results, self.analysis)
        return {**summary(self.analysis, contents), **self.plan.identity}

    def __repr__(self) -> str:
        return terminal.text(report_model.of_run(self.results, self.analysis))

    def report(self, folder: str | Path) -> None:
        """Write the rows and all files of the report: page, Markdown, LaTeX, JSON and figures.

        Raises:
            OSError: A file cannot be written; it is as it was.
            ValueError: The folder cannot be made, or a run writes into it.
        """
        self.write(Path(folder))
        self.write_report(Path(folder))

    def write_report(
        self, folder: Path, command: str = "", seconds: float = math.nan
    ) -> report_model.ReportModel:
        """Write the files of the report, and return its contents.

        Args:
            folder: The folder.
            command: The command line that reproduces the run, if there is one.
            seconds: The duration of the run, if it is known.
        """
        contents = report_model.of_run(
            self.results, self.analysis, self.predictions, command, seconds
        )
        write_report(folder, contents, page_figures(self.results, self.analysis), self.summary)
        return contents

    @property
    def rankings(self) -> dict[float, tuple[Standing, ...]]:
        """The standings at each level of noise, the best first."""
        return dict(zip(self.plan.noise, self.analysis.levels, strict=True))

    def standing(self, loss: str, noise: float) -> Standing:
        """The standing of a contender at a level of noise.

        Raises:
            KeyError: There is no such level or contender.
        """
        by_name = {standing.loss: standing for standing in self.rankings[noise]}
        return by_name[loss]

    def frame(self) -> pd.DataFrame:
        """A table with one row per trained network: its metrics, and whether it is ranked."""
        table = self.results.frame()
        # The rows of a choice are those of all test seeds.
        chosen = {
            (Phase.TEST.value, standing.loss, spelled(standing.hyperparameters), noise)
            for noise, ranking in self.rankings.items()
            for standing in ranking
        }
        columns = table[["phase", "loss", "hyperparameters", "noise"]]
        return table.assign(chosen=[row in chosen for row in columns.itertuples(index=False)])

    def write(self, folder: Path) -> None:
        """Write the rows, as `results.jsonl` with all curves and as `results.csv` without.

        Raises:
            OSError: A file cannot be written; it is as it was.
            ValueError: The folder cannot be made, or a run writes into it.
        """
        with claimed(folder):
            Store(folder / ROWS, self.plan).replace(self.results.rows)
            self.write_table(folder)

    def write_table(self, folder: Path) -> None:
        """Write the rows as `results.csv`, without their curves."""
        write(folder / TABLE, self.frame().to_csv(index=False))


class Settings(TypedDict, total=False):
    """The keyword arguments of `compare`, each with a default.

    Attributes:
        task: "digits", "mnist1d", "breast_cancer", "diabetes", "diabetes-heavy-tails", "engel",
            "super-resolution", "generation", or a `Task`.
        data: Data of your own in place of a task: a pair of arrays, inputs and targets; a mapping
            of such pairs as "training", "validation" and "test"; a DataFrame or a file, with a
            `target`; or a function of a `numpy.random.Generator` that returns `Data`. Integers as
            targets are labels from 0, texts the names of classes, floats numbers.
        target: The column of a table that is predicted.
        groups: The group of each example of a pair, or the column of a table that has it: no two of
            the training, validation and test parts share one.
        kind: Of the targets of `data`: "classes"; "numbers"; or "counts", of which the model
            predicts the log of the rate. By default recognised, counts never.
        imbalance: The rarest class is so many times as frequent in training as the commonest, a
            number in (0, 1].
        model: A module of Flax Linen; a transformed function of Haiku; a class, or a function of
            `rngs`, that makes a module of Flax NNX; a class, or a function of `key`, that makes one
            of Equinox; a pair `(init, apply)` or a `Model`. By default that of the task.
        optimizer: A function of the learning rate that gives an optax transformation, as
            `optax.sgd`; or a transformation, whose updates the rates multiply.
        metric: What ranks the losses: the name of one of the task's metrics, a `Metric`, or a
            function of all predictions and targets that returns one number.
        better: Whether "higher" or "lower" values are better, where `metric` is a function.
        reference: The objective that all others are compared with, as an expression or as the
            name of one of the losses; by default the task's.
        seeds: The number of test seeds, at least 2, in place of a budget.
        budget: The time for tuning and tests in seconds, or as text such as "60s", "5min" or "1h":
            seeds are tested until it is up, and at least 8. By default 60 seconds.
        noise: Fractions of the training and validation targets that are corrupted, in [0, 1).
        rates: Learning rates that are tried at first. Where the best lies at an end, further ones
            are tried; a single rate is not tuned.
        epochs: Passes over the training part.
        batch: Examples in a step.
        temperatures: Temperatures to choose from, for every loss that depends on one.
        at_once: How many networks are trained at the same time by a call of the vmapped program;
            by default 8 on a CPU and 64 elsewhere, or as many as fit into half the memory.
    """

    task: str | Task
    data: Any
    target: str | None
    groups: Any
    kind: str | None
    imbalance: float | None
    model: Any
    optimizer: Any
    metric: Any
    better: str | None
    reference: str | None
    seeds: int | None
    budget: float | str | None
    noise: Sequence[float]
    rates: Sequence[float]
    epochs: int
    batch: int
    temperatures: Sequence[float]
    at_once: int | None


def planned(
    losses: Iterable[LossLike] | Mapping[str, LossLike] = (),
    *,
    candidates: int | None = None,
    **settings: Unpack[Settings],
) -> Plan:
    """Return the plan of `compare`, or of `tune` with `candidates`, without training anything.

    Raises:
        TypeError: An argument has the wrong type, or an unknown name.
        ValueError: An argument is out of range, or a loss or the task does not exist.
    """
    _require_known(settings)
    task, reference = _task(losses, settings), settings.get("reference")
    _ = budget_of(settings)  # refuses a wrong one here
    _of_kind("reference", reference, (str, NoneType), "an expression or the name of a loss")
    usual = task.levels if candidates is None else task.levels[:1]
    levels = _numbers("noise", settings.get("noise", usual))
    rates = _numbers("rates", settings.get("rates", task.optimizer.rates or task.rates))
    tried = _numbers("temperatures", settings.get("temperatures", ()))
    _within("noise", levels, levels and all(0 <= x < 1 for x in levels), "fractions in [0, 1)")
    if candidates is not None:
        candidates = _whole("candidates", candidates, 1)
        _within("noise", levels, len(levels) == 1, "one level, as each has a best of its own")
    _within("rates", rates, rates and all(0 < x < math.inf for x in rates), "positive numbers")
    _within("temperatures", tried, all(0 < x < math.inf for x in tried), "positive numbers")
    return Plan(
        task=task,
        lineup=Lineup.of(task, losses, reference, tried, controlled=candidates is None),
        seeds=_whole("seeds", seeds, 2) if (seeds := settings.get("seeds")) is not None else None,
        noise=_ascending(levels),
        rates=_ascending(rates),
        epochs=_whole("epochs", settings.get("epochs", task.epochs), 1),
        at_once=_whole("at_once", at_once, 1) if (at_once := settings.get("at_once")) else None,
        candidates=candidates,
    )


def _task(losses: Any, settings: Settings) -> Task:
    """The task, with what is given of model, optimizer, metric and size of batches."""
    model, metric = settings.get("model"), settings.get("metric")
    if settings.get("data") is not None:
        _require_absent(settings, ("task",), "`data` are a task of their own")
        target, groups = settings.get("target"), settings.get("groups")
        kind, standardise = settings.get("kind"), model is None
        task = task_of(settings["data"], target, groups, kind, standardise=standardise)
    else:
        _require_absent(settings, ("target", "groups", "kind"), "only `data` have such")
        named = settings.get("task", "digits")
        task = find(named) if isinstance(named, str) else named
        _of_kind("task", task, Task, "a name or a Task")
    if (ratio := settings.get("imbalance")) is not None:
        task = imbalanced(task, ratio)
    if "batch" in settings:
        task = replace(task, batch=_whole("batch", settings["batch"], 1))
    if settings.get("optimizer") is not None:
        task = replace(task, optimizer=Optimizer.of(settings["optimizer"]))
    if model is not None:
        task = with_model(task, model)
    if metric is None:
        _require_absent(settings, ("better",), "it is of a `metric`")
        return task
    several = losses if isinstance(losses, (list, tuple)) else [losses]
    each = losses.values() if isinstance(losses, Mapping) else several
    if not isinstance(metric, str) and any(metric is loss for loss in each):
        raise ValueError(f"compare: `metric` is none of the losses, got {metric!r}")
    return with_metric(task, metric, settings.get("better"))


def compare(
    losses: Iterable[LossLike] | Mapping[str, LossLike] = (),
    *,
    margin: float | None = None,
    **settings: Unpack[Settings],
) -> Outcome:
    """Train a network with each loss, many times over, and test which differences are real.

    Every loss gets the same data, noise, initial weights and batches, seed by seed. First its
    learning rate, and those of its hyper-parameters that are given as ranges, are chosen by
    successive halving, on validation data and by the task's metric, which is none of the losses.
    Then what was chosen is tested on fresh seeds until the budget is used up.

    Args:
        losses: Expressions such as "huber(delta=0.1..10)" or "0.7*huber + 0.3*log_cosh", losses,
            or objectives or functions `(predictions, targets)` of the model's predictions and the
            task's targets, as a function of `Objective` gives one value per example; a mapping
            names them. By default those that the task suggests. Objectives and functions are taken
            as they are: only their learning rate is tuned, and no temperature is tried.
        margin: The size up to which a difference counts as none, in displayed units; by default
            half a point, or 2 % of the reference's score where that is not in percent.
        **settings: The task or the data, the model, the reference and the grid; see `Settings`.

    Raises:
        TypeError: An argument has the wrong type, or an unknown name.
        ValueError: An argument is out of range; a loss or the task does not exist; the data cannot
            be used, or the model not be called with them.

    Example:
        >>> import numpy as np, optax
        >>> from jaxloss.compare import compare
        >>> inputs = np.random.default_rng(0).normal(size=(60, 3))
        >>> weights = (lambda key, x: np.zeros(3, np.float32)), (lambda w, x: x @ w)
        >>> own = {"data": (inputs, inputs.sum(1)), "model": weights, "optimizer": optax.sgd}
        >>> outcome = compare(["huber"], **own, seeds=2, rates=[0.1])
        >>> outcome.standing("huber", noise=0.0).score.mean < 0.1
        True
    """
    require_margin(margin)
    _require_known(settings)  # `candidates` would pass, which `planned` takes for `tune`
    start = time.perf_counter()
    plan = planned(losses, **settings)
    return Outcome(run(plan, until=start + budget_of(settings)), margin=margin)


def run_plan(
    plan: Plan,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    done: Callable[[Sequence[Record]], None] = lambda _: None,
    until: float = 0.0,
) -> Outcome:
    """Train a plan, storing the rows in a folder as soon as they exist.

    Args:
        plan: The plan.
        folder: An existing folder that is `claimed`. Only the coordinator writes into it.
        resume: Keep the rows that the folder holds, and train only what is missing: after an
            interruption, or of more seeds or losses.
        overwrite: Discard the rows that the folder holds.
        done: Called with the rows of finished networks.
        until: The time of `time.perf_counter` after which no test is begun, where the plan has no
            number of seeds.

    Raises:
        OSError: A file cannot be written; the rows of earlier networks are intact.
        ValueError: The folder holds another plan or unreadable rows, or rows that are neither to be
            kept nor discarded.
    """
    if devices.is_coordinator():
        if resume:
            _require_same(plan, folder)
        elif overwrite:
            (folder / ROWS).unlink(missing_ok=True)  # before the plan that they do not belong to
        elif (folder / ROWS).exists():
            message = f"{folder} holds the results of a run: go on with it by --resume, replace it "
            raise ValueError(f"{message}by --overwrite, or give another folder by --out")
        write(folder / PLAN, json.dumps(plan.identity, indent=1))
    return Outcome(run(plan, Store(folder / ROWS, plan), done, until))


def read_outcome(folder: Path, plan: Plan) -> Outcome:
    """Read the outcome that a folder holds.

    Raises:
        ValueError: The rows are incomplete or unreadable.
    """
    return Outcome(Results.of(plan, Store(folder / ROWS, plan).rows()))


def _require_same(plan: Plan, folder: Path) -> None:
    """Refuse to resume rows of another plan, or rows without a plan beside them."""
    kept, anew = folder / PLAN, "begin anew by --overwrite, or give another folder by --out"
    if not kept.exists():
        if (folder / ROWS).exists():
            message = f"{folder} holds {ROWS} and no {PLAN}, which says what they are of; {anew}"
            raise ValueError(message)
        return
    try:
        old = dict(json.loads(decoded(kept, kept.read_bytes())))
    except (ValueError, TypeError) as error:
        message = f"{kept} is no plan of a run ({error}); {anew}"
        raise ValueError(message) from error
    ours = json.loads(json.dumps(plan.identity))  # as the file has it: tuples are lists
    differing = [name for name in {**ours, **old} if name not in old or ours.get(name) != old[name]]
    named = [name for name in differing if name not in _grown(ours, old)]
    if named:
        differ = f"{', '.join(named)} {'differs' if len(named) == 1 else 'differ'}"
        message = f"{folder} holds another run: its {differ}; {anew}"
        raise ValueError(message)


def require_margin(margin: float | None) -> None:
    """Refuse a margin that is no number of at least 0."""
    if margin is not None:
        _of_kind("margin", margin, Real, "a number of at least 0")
        _within("margin", margin, 0 <= margin < math.inf, "a number of at least 0")


def _grown(ours: Mapping[str, Any], old: Mapping[str, Any]) -> set[str]:
    """The settings by which a plan has all that another one has, and more."""
    try:
        losses = set(old["contenders"]) < set(ours["contenders"])
    except (TypeError, KeyError):  # of a plan that somebody has edited
        return set()
    return {"contenders", "ranges"} if losses else set()


def _require_known(settings: Iterable[str]) -> None:
    """Refuse unknown keywords: `Unpack[Settings]` is checked by type checkers, not by Python."""
    known = Settings.__annotations__
    for name in settings:
        if name not in known:
            message = f"compare: no argument is called {name!r}{nearest(name, known)}"
            raise TypeError(f"{message}; it takes `losses` and {', '.join(known)}")


def _require_absent(settings: Settings, names: Iterable[str], why: str) -> None:
    """Refuse arguments that would change nothing beside the others."""
    for name in names:
        if settings.get(name) is not None:
            raise TypeError(f"compare: leave out `{name}`: {why}")


def budget_of(settings: Settings) -> float:
    """The time for tuning and tests, in seconds.

    Raises:
        TypeError: It is neither a number nor a text.
        ValueError: It is no duration, or stands beside a number of seeds.
    """
    budget = settings.get("budget")
    if budget is None:
        return BUDGET
    _require_absent(
        {"seeds": settings.get("seeds")}, ("seeds",), "a `budget` says how long to test"
    )
    _of_kind("budget", budget, (Real, str), _DURATION)
    text = re.fullmatch(r"\s*([\d.]+)\s*(s|sec|m|min|h)?\s*", str(budget))
    try:
        seconds = float(text[1]) * _UNITS[text[2] or "s"] if text else math.nan
    except ValueError:
        seconds = math.nan
    _within("budget", budget, 0 < seconds < math.inf, _DURATION)
    return seconds


def _whole(name: str, value: Any, least: int) -> int:
    _of_kind(name, value, Integral, f"a whole number of at least {least}")
    _within(name, value, value >= least, f"at least {least}")
    return int(value)


def _of_kind(name: str, value: object, kind: type | tuple[type, ...], wanted: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):  # `True` is an `Integral`
        message = f"compare: `{name}` is {wanted}, got {value!r}"
        raise TypeError(message)


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    """Convert a list, tuple or array of numbers to a tuple of floats."""
    try:
        return tuple(float(x) for x in values)
    except (TypeError, ValueError) as error:
        message = f"compare: `{name}` is a sequence of numbers, got {values!r}"
        raise TypeError(message) from error


def _ascending(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted(set(values)))  # an equal value twice would be trained twice


def _within(name: str, value: object, valid: object, wanted: str) -> None:
    if not valid:
        message = f"compare: `{name}` is {wanted}, got {value!r}"
        raise ValueError(message)
