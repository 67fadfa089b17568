"""The Python interface: `tune` finds the best loss with its hyper-parameters, and confirms it."""

import functools
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

from jaxloss.compare.comparison import (
    Outcome,
    Settings,
    budget_of,
    planned,
    require_margin,
)
from jaxloss.compare.report.report_model import chosen_code
from jaxloss.compare.sweep.contenders import LossLike
from jaxloss.compare.sweep.halving import mean_scores
from jaxloss.compare.sweep.results import Tried
from jaxloss.compare.sweep.run import run
from jaxloss.compare.sweep.space import RATE

CANDIDATES = 8
_TREES = 100


@dataclass(frozen=True)
class Found(Outcome):
    """The result of a search: the best loss and hyper-parameters, tested beside the reference.

    As an `Outcome`, of which the two are the contenders, it holds the tests on fresh seeds.
    """

    @property
    def loss(self) -> str:
        """The name of the loss that is best by validation data."""
        names = dict.fromkeys(name for name, _ in self.results.tested)
        lineup = self.plan.lineup
        others = [name for name in names if name not in {lineup.reference, lineup.replicate}]
        return others[0] if others else lineup.reference

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Its best hyper-parameters, those that were tuned."""
        return dict(self.results.chosen(self.loss, 0).hyperparameters)

    @property
    def rate(self) -> float:
        """Its best learning rate."""
        return self.results.chosen(self.loss, 0).rate

    @property
    def code(self) -> str:
        """It and its optimizer as Python to paste."""
        return chosen_code(self.results, self.loss, 0)

    @property
    def tried(self) -> pd.DataFrame:
        """All that was tried, the best first: a row for each loss with its hyper-parameters.

        The column `validation` is the mean score over `seeds` seeds: those that were promising were
        trained on more.
        """
        every = [
            (contender.name, each)
            for contender in self.plan.lineup.contenders
            for each in self.results.tried(contender.name, 0)
        ]
        rows = [
            {"loss": name, **each.hyperparameters, RATE: each.rate, **_validated(each)}
            for name, each in every
        ]
        higher = self.plan.task.output.metric.higher
        table = pd.DataFrame(rows)
        return table.sort_values(
            ["seeds", "validation"], ascending=[False, not higher], ignore_index=True
        )

    def response(self, name: str) -> pd.Series:
        """The validation score of the best loss by value of a number that was tuned.

        Args:
            name: A hyper-parameter, or "learning rate"; for each value all others are at their
                best.

        Raises:
            ValueError: No such number was tuned.
        """
        known = [axis.name for axis in self.plan.lineup[self.loss].space(self.plan.rates).axes]
        if name not in known:
            message = f"response: {self.loss} has no {name!r}; tuned were {', '.join(known)}"
            raise ValueError(message)
        ours = self.tried[self.tried["loss"] == self.loss]
        grouped = ours.groupby(name)["validation"]
        return grouped.max() if self.plan.task.output.metric.higher else grouped.min()

    @functools.cached_property
    def importances(self) -> dict[str, float]:
        """How much of the score each number that was tuned of the best loss decides, as a share.

        By the rise of the error of a random forest, fitted to the scores, where the number is
        shuffled. All points are compared on the seeds that all of them have.

        References:
            Breiman (2001), Random forests, doi:10.1023/A:1010933404324.
        """
        contender = self.plan.lineup[self.loss]
        axes = contender.space(self.plan.rates).axes
        tried = self.results.tried(self.loss, 0)
        if len(tried) < 2:
            return {axis.name: 0.0 for axis in axes}
        samples = [[each.validation[seed] for seed in (0, 1)] for each in tried]
        scores = mean_scores(samples, higher=self.plan.task.output.metric.higher)
        finite = scores[np.isfinite(scores)]
        scores = np.clip(scores, finite.min() if finite.size else 0.0, None)
        points = [(*each.hyperparameters.values(), each.rate) for each in tried]
        forest = RandomForestRegressor(_TREES, random_state=0).fit(points, scores)
        rises = permutation_importance(forest, points, scores, random_state=0)
        shares = np.clip(rises.importances_mean, 0, None)
        total = shares.sum() or 1.0
        names = [axis.name for axis in axes]
        return dict(zip(names, (shares / total).tolist(), strict=True))

    @property
    def summary(self) -> dict[str, Any]:
        """The decision, the search, the rankings and the plan as JSON values."""
        search = {
            "loss": self.loss,
            "hyperparameters": self.hyperparameters,
            "learning_rate": self.rate,
            "importances": self.importances,
            "at_edge": list(self._at_edge),
            "tried": len(self.tried),
        }
        return {**super().summary, "search": search, "code": self.code}

    @property
    def findings(self) -> str:
        """What the search has found, in sentences and as code."""
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.importances.items())
        text = (
            f"Of {len(self.tried)} settings {self.loss} is the best; its score depends on {shares}."
        )
        if self._at_edge:
            text += f" There may be better beyond what was tried of {', '.join(self._at_edge)}."
        return f"{text}\n\n{self.code}"

    @property
    def _at_edge(self) -> tuple[str, ...]:
        return self.results.chosen(self.loss, 0).at_edge

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n\n{self.findings}"


def tune(
    losses: Iterable[LossLike] | Mapping[str, LossLike] = (),
    *,
    candidates: int = CANDIDATES,
    margin: float | None = None,
    **settings: Unpack[Settings],
) -> Found:
    """Find the best loss, hyper-parameters and learning rate, and test them on fresh seeds.

    Settings are drawn from all ranges, those of the learning rate too, and the better ones are
    trained on more and more seeds, all losses together. Where the best lies at an end of a range,
    values beyond it are tried. What is best by validation data is then tested beside the reference,
    which is tuned alike, on seeds that took no part in the search.

    Args:
        losses: As those of `compare`: `a..b` is a range, also for the weights of a sum as in
            "0.1..1*huber + log_cosh". Numbers are drawn in equal ratios where both ends are
            positive and a factor of ten or more apart, and else evenly.
        candidates: Settings that are tried at first of each loss for each number that is tuned of
            it, its learning rate included.
        margin: The size up to which a difference counts as none; see `compare`.
        **settings: As those of `compare`; `noise` is one level, by default the lowest of the task.

    Raises:
        TypeError: As `compare`.
        ValueError: As `compare`; or there are several levels of noise.

    Example:
        >>> import numpy as np, optax
        >>> from jaxloss.compare import tune
        >>> x = np.random.default_rng(0).normal(size=60)
        >>> line = (lambda key: np.float32(0)), (lambda w, x: w * x[:, 0])
        >>> own = {"data": (x[:, None], 3 * x), "model": line, "optimizer": optax.sgd}
        >>> found = tune(["huber(delta=0.1..10)"], **own, seeds=2, candidates=2)
        >>> found.loss, found.importances  # without outliers it is the reference
        ('squared_error', {'learning rate': 1.0})
    """
    require_margin(margin)
    start = time.perf_counter()
    plan = planned(losses, candidates=candidates, **settings)
    return Found(run(plan, until=start + budget_of(settings)), margin=margin)


def _validated(tried: Tried) -> dict[str, float]:
    scores = [*tried.validation.values()]
    return {"seeds": len(scores), "validation": float(np.mean(scores))}
