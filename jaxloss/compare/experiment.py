"""What is compared, on what, and what came out: from a plan to one row for each trained network."""

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from jaxloss.compare.contenders import Contender
from jaxloss.compare.digits import trials
from jaxloss.compare.statistics import Standing, standings
from jaxloss.compare.sweep import Curves, Sweep, accuracies


@dataclass(frozen=True)
class Plan:
    """The grid that every contender is trained on.

    Attributes:
        contenders: Who takes part.
        seeds: How many repetitions, each with its own split, noise, start and order.
        noise: Fractions of wrong labels.
        rates: Learning rates.
        epochs: Passes over the training part.
    """

    contenders: tuple[Contender, ...]
    seeds: int
    noise: tuple[float, ...]
    rates: tuple[float, ...]
    epochs: int

    @property
    def networks(self) -> int:
        """How many are trained."""
        return len(self.contenders) * self.seeds * len(self.noise) * len(self.rates)


@dataclass(frozen=True)
class Row:
    """One trained network. `chosen` marks the learning rate that the ranking uses."""

    loss: str
    objective: str
    noise: float
    learning_rate: float
    seed: int
    validation_accuracy: float
    test_accuracy: float
    chosen: bool


@dataclass(frozen=True)
class Outcome:
    """What a plan gave.

    Attributes:
        plan: The plan.
        curves: Accuracies of each contender by name, each [seed, noise, rate, epoch].
        standings: The ranking at each noise level.
    """

    plan: Plan
    curves: dict[str, Curves]
    standings: list[list[Standing]]

    def rows(self) -> Iterator[Row]:
        """Every network at the end of its training."""
        plan = self.plan
        cells = itertools.product(
            plan.contenders, enumerate(plan.noise), enumerate(plan.rates), range(plan.seeds)
        )
        for contender, (level, noise), (index, rate), seed in cells:
            curves = self.curves[contender.name]
            yield Row(
                loss=contender.name,
                objective=contender.written,
                noise=noise,
                learning_rate=rate,
                seed=seed,
                validation_accuracy=float(curves.validation[seed, level, index, -1]),
                test_accuracy=float(curves.test[seed, level, index, -1]),
                chosen=index == self.standing(contender.name, level).rate_index,
            )

    def standing(self, name: str, level: int) -> Standing:
        """How a contender stands at a noise level, by its index."""
        return next(standing for standing in self.standings[level] if standing.loss == name)


def prepare(plan: Plan) -> Callable[[Callable[[Contender], None]], Outcome]:
    """Draw the data and compile the sweep; what is returned runs it and reports each contender."""
    data = trials(plan.seeds, plan.noise, plan.epochs)
    sweep = Sweep.compiled(plan.contenders, data, plan.rates)

    def perform(done: Callable[[Contender], None]) -> Outcome:
        measured = [accuracies(curves, data) for curves in sweep.run(done)]
        names = [contender.name for contender in plan.contenders]
        curves = dict(zip(names, measured, strict=True))
        return Outcome(plan, curves, standings(curves, plan.noise, plan.rates))

    return perform


def write_rows(rows: Sequence[Row], folder: Path) -> None:
    """The rows as `results.csv` and, one object a line, as `results.jsonl`."""
    with (folder / "results.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Row)])
        table.writeheader()
        table.writerows(asdict(row) for row in rows)
    lines = "".join(json.dumps(asdict(row)) + "\n" for row in rows)
    (folder / "results.jsonl").write_text(lines, encoding="utf-8")
