"""A comparison from Python: one call, and what comes out of it."""

import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from types import NoneType
from typing import Any, TypedDict, Unpack

import pandas as pd

from jaxloss.compare.folder import PLAN, ROWS, TABLE, claimed
from jaxloss.compare.statistics.standings import Analysis, Standing, analyse
from jaxloss.compare.statistics.theory import TheoryPrediction, predictions
from jaxloss.compare.sweep import devices
from jaxloss.compare.sweep.contenders import Lineup, LossLike
from jaxloss.compare.sweep.plan import Plan, Unit
from jaxloss.compare.sweep.records import Store
from jaxloss.compare.sweep.results import Results, spelled
from jaxloss.compare.sweep.run import run
from jaxloss.compare.tasks.registry import find
from jaxloss.compare.tasks.task import Task
from jaxloss.files import decoded, write
from jaxloss.hints import nearest

SEEDS = 8


@dataclass(frozen=True)
class Outcome:
    """What a comparison gave.

    Attributes:
        results: Every trained network, as rows and as arrays.
    """

    results: Results

    @property
    def plan(self) -> Plan:
        """What was trained."""
        return self.results.plan

    @functools.cached_property
    def analysis(self) -> Analysis:
        """The rankings, and what of them chance explains; computed from the rows alone."""
        return analyse(self.results)

    @functools.cached_property
    def predictions(self) -> list[TheoryPrediction]:
        """What theory says of the contenders at the strongest noise."""
        return predictions(self.results, self.analysis)

    @property
    def rankings(self) -> dict[float, tuple[Standing, ...]]:
        """The standings at each level of noise, the best first."""
        return dict(zip(self.plan.noise, self.analysis.levels, strict=True))

    def standing(self, loss: str, noise: float) -> Standing:
        """How a contender did at a level of noise.

        Raises:
            KeyError: There is no such level or contender.
        """
        found = {standing.loss: standing for standing in self.rankings[noise]}
        return found[loss]

    def frame(self) -> pd.DataFrame:
        """One row for each trained network, with its metrics and whether it is ranked."""
        table = self.results.frame()
        chosen = {
            (standing.loss, spelled(standing.hyperparameters), noise, standing.rate)
            for noise, ranking in self.rankings.items()
            for standing in ranking
        }
        columns = table[["loss", "hyperparameters", "noise", "learning_rate"]]
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
    """What `compare` takes by keyword, each with a default.

    Attributes:
        task: "digits", "mnist1d", "breast_cancer", "diabetes", "diabetes-heavy-tails", "engel",
            "super-resolution", or a task, as `table` makes of a file.
        reference: What all are compared with, an expression or the name of one of the losses; by
            default the task's.
        seeds: Repetitions, at least 2.
        noise: Fractions of the training and validation targets that are spoilt, in [0, 1).
        rates: Learning rates of Adam to choose from.
        epochs: Passes over the training part.
        temperatures: What to try, besides the learning rates, for every loss that depends on a
            temperature.
    """

    task: str | Task
    reference: str | None
    seeds: int
    noise: Sequence[float]
    rates: Sequence[float]
    epochs: int
    temperatures: Sequence[float]


def planned(
    losses: Iterable[LossLike] | Mapping[str, LossLike] = (), **settings: Unpack[Settings]
) -> Plan:
    """The plan of `compare` with these arguments, before anything is trained.

    Raises:
        TypeError: An argument is of another kind, or there is none of that name.
        ValueError: An argument is out of range, or a loss or the task cannot be had.
    """
    _require_known(settings)
    named, reference = settings.get("task", "digits"), settings.get("reference")
    task = find(named) if isinstance(named, str) else named
    _of_kind("task", task, Task, "a name or a Task, as `table` makes of a file")
    _of_kind("reference", reference, (str, NoneType), "an expression or the name of a loss")
    seeds, epochs = settings.get("seeds", SEEDS), settings.get("epochs", task.epochs)
    _of_kind("seeds", seeds, Integral, "a whole number of at least 2")
    _of_kind("epochs", epochs, Integral, "a whole number of at least 1")
    _within("seeds", seeds, seeds >= 2, "at least 2")
    _within("epochs", epochs, epochs >= 1, "at least 1")
    levels = _numbers("noise", settings.get("noise", task.levels))
    rates = _numbers("rates", settings.get("rates", task.rates))
    tried = _numbers("temperatures", settings.get("temperatures", ()))
    _within("noise", levels, levels and all(0 <= x < 1 for x in levels), "fractions in [0, 1)")
    _within("rates", rates, rates and all(0 < x < math.inf for x in rates), "positive numbers")
    _within("temperatures", tried, all(0 < x < math.inf for x in tried), "positive numbers")
    lineup = Lineup.of(task, losses, reference, tried)
    return Plan(task, lineup, int(seeds), _ascending(levels), _ascending(rates), int(epochs))


def compare(
    losses: Iterable[LossLike] | Mapping[str, LossLike] = (), **settings: Unpack[Settings]
) -> Outcome:
    """Train a small network with each loss, many times over, and tell better from luckier.

    Every loss gets the same data, noise, initial weights and batches, seed by seed. Its learning
    rate, and those of its hyper-parameters that are given as ranges, are chosen on validation data
    by the task's metric, which is none of the losses.

    Args:
        losses: Expressions such as "huber(delta=0.1..10)" or "0.7*huber + 0.3*log_cosh", losses,
            or objectives or functions `(predictions, targets)` of the model's predictions and the
            task's targets, as a function of `Objective` gives one value per example; a mapping
            names them. By default those that the task suggests. Objectives and functions are taken
            as they are, with the hyper-parameters that they have: nothing of them is tuned but the
            learning rate, and no temperature is tried.
        **settings: The task, the reference and the grid; see `Settings`.

    Raises:
        TypeError: An argument is of another kind, or there is none of that name.
        ValueError: An argument is out of range, or a loss or the task cannot be had.

    Example:
        >>> from jaxloss.compare import compare
        >>> few = {"seeds": 2, "noise": [0.0], "rates": [0.01], "epochs": 2}
        >>> outcome = compare(["brier"], **few)
        >>> sorted(standing.loss for standing in outcome.rankings[0.0])[0]
        'brier'
    """
    return Outcome(run(planned(losses, **settings)))


def run_plan(
    plan: Plan, folder: Path, *, resume: bool, done: Callable[[Unit], None] = lambda _: None
) -> Outcome:
    """The outcome of a plan whose rows are kept in a folder as they come.

    Args:
        plan: What to train.
        folder: Where to; it exists, and is `claimed`. Only the process that leads writes.
        resume: Keep what the folder holds, if it is of the same plan, and train what is missing.
        done: Is told of each unit.

    Raises:
        OSError: A file cannot be written; the rows of all units before are whole.
        ValueError: The folder holds another plan, or what cannot be read.
    """
    if devices.is_coordinator():
        if resume:
            _require_same(plan, folder)
        else:
            (folder / ROWS).unlink(missing_ok=True)
        write(folder / PLAN, json.dumps(plan.identity, indent=1))
    return Outcome(run(plan, Store(folder / ROWS, plan), done))


def read(folder: Path, plan: Plan) -> Outcome:
    """The outcome that a folder holds.

    Raises:
        ValueError: It is not complete, or cannot be read.
    """
    return Outcome(Results.of(plan, Store(folder / ROWS, plan).rows()))


def _require_same(plan: Plan, folder: Path) -> None:
    """Refuse to go on with rows of another plan, or of nobody knows which."""
    kept, anew = folder / PLAN, "begin anew without --resume, or give another folder by --out"
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
    ours = json.loads(json.dumps(plan.identity))
    named = [name for name in {**ours, **old} if name not in old or ours.get(name) != old[name]]
    if named:
        differ = f"{', '.join(named)} {'differs' if len(named) == 1 else 'differ'}"
        message = f"{folder} holds another run: its {differ}; {anew}"
        raise ValueError(message)


def _require_known(settings: Iterable[str]) -> None:
    """`Unpack[Settings]` tells type checkers which keywords there are, and Python nothing."""
    known = Settings.__annotations__
    for name in settings:
        if name not in known:
            message = f"compare: no argument is called {name!r}{nearest(name, known)}"
            raise TypeError(f"{message}; it takes `losses` and {', '.join(known)}")


def _of_kind(name: str, value: object, kind: type | tuple[type, ...], wanted: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        message = f"compare: `{name}` is {wanted}, got {value!r}"
        raise TypeError(message)


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    """Several numbers, be they in a list, a tuple or an array."""
    try:
        return tuple(float(x) for x in values)
    except (TypeError, ValueError) as error:
        message = f"compare: `{name}` is a sequence of numbers, got {values!r}"
        raise TypeError(message) from error


def _ascending(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(sorted(set(values)))


def _within(name: str, value: object, valid: object, wanted: str) -> None:
    if not valid:
        message = f"compare: `{name}` is {wanted}, got {value!r}"
        raise ValueError(message)
