"""What is chosen for each contender: on validation data, never on test data."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxloss.compare.statistics.estimates import Floats
from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.sweep.results import Grid

RATE = "learning rate"


class Choice(NamedTuple):
    """A variant and a learning rate, by their indices."""

    variant: int
    rate: int


def validation_scores(grid: Grid, level: int, *, higher: bool) -> Floats:
    """How good each [variant, rate] is on validation data after training: more is better.

    The mean over seeds to 6 digits; -inf where a seed has no finite value. All seeds get one
    choice: the few hundred examples that a seed validates on rank neighbouring rates at random, and
    choices made seed by seed would add that randomness to the differences between losses.
    """
    found = grid.validation[:, level]
    mean = np.where(np.isfinite(found), found, np.nan).mean(axis=-1)
    return np.nan_to_num(rounded(mean if higher else -mean), nan=-np.inf)


def choose(grid: Grid, level: int, *, higher: bool) -> Choice:
    """The best at a level of noise; among equals that of the least rate, then the first variant."""
    by_rate = validation_scores(grid, level, higher=higher).T
    rate, variant = np.unravel_index(np.argmax(by_rate), by_rate.shape)
    return Choice(int(variant), int(rate))


def choose_each(grid: Grid, level: int, *, higher: bool) -> list[Choice]:
    """Every variant at its own best rate."""
    rates = np.argmax(validation_scores(grid, level, higher=higher), axis=-1)
    return [Choice(variant, int(rate)) for variant, rate in enumerate(rates)]


def edges(plan: Plan, loss: str, choice: Choice) -> tuple[str, ...]:
    """What was chosen at an end of what was tried.

    A learning rate of at least two, or a hyper-parameter of at least three values; of fewer values
    of a hyper-parameter each is at an end, whatever is best.
    """
    variants = [variant.hyperparameters for variant in plan.lineup[loss].variants]
    chosen = variants[choice.variant]
    rates = [RATE] if len(plan.rates) > 1 and choice.rate in {0, len(plan.rates) - 1} else []
    tuned = [name for name in chosen if _at_end(name, chosen, variants)]
    return (*rates, *tuned)


def _at_end(
    name: str, chosen: Mapping[str, float], variants: Sequence[Mapping[str, float]]
) -> bool:
    values = sorted({variant[name] for variant in variants})
    return len(values) > 2 and chosen[name] in {values[0], values[-1]}


def rounded(values: Floats) -> Floats:
    """To 6 digits, so that what arithmetic did to equal means decides nothing."""
    sizes = np.abs(values)
    unit = 10.0 ** (np.floor(np.log10(np.where(sizes > 0, sizes, 1.0))) - 5)
    return np.round(values / unit) * unit
