"""Model selection: the variant and learning rate of each contender, by validation data alone."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxloss.compare.statistics.estimates import Floats
from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.sweep.results import Grid

RATE = "learning rate"


class Choice(NamedTuple):
    """The indices of the variant and of the learning rate that were chosen."""

    variant: int
    rate: int


def validation_scores(grid: Grid, level: int, *, higher: bool) -> Floats:
    """Validation scores after training, [variant, rate], signed so that higher is better.

    A score is the mean over seeds to 6 digits, and -inf where a seed has no finite value. All seeds
    share one choice: the few hundred examples that a seed validates on rank neighbouring rates at
    random, and choices seed by seed would add that randomness to the differences between losses.
    """
    by_seed = grid.validation[:, level]
    mean = np.where(np.isfinite(by_seed), by_seed, np.nan).mean(axis=-1)
    return np.nan_to_num(rounded(mean if higher else -mean), nan=-np.inf)


def choose(grid: Grid, level: int, *, higher: bool) -> Choice:
    """The best choice at a level of noise; ties go to the least rate, then to the first variant."""
    by_rate = validation_scores(grid, level, higher=higher).T
    rate, variant = np.unravel_index(np.argmax(by_rate), by_rate.shape)
    return Choice(int(variant), int(rate))


def choose_each(grid: Grid, level: int, *, higher: bool) -> list[Choice]:
    """The best rate of every variant."""
    rates = np.argmax(validation_scores(grid, level, higher=higher), axis=-1)
    return [Choice(variant, int(rate)) for variant, rate in enumerate(rates)]


def edges(plan: Plan, loss: str, choice: Choice) -> tuple[str, ...]:
    """The names of the chosen hyper-parameters that lie at an end of the values tried.

    These are a learning rate among at least two, and a hyper-parameter among at least three values:
    of two values each is at an end, whichever is better.
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
    """Round to 6 digits, so that rounding errors do not decide between equal means."""
    sizes = np.abs(values)
    unit = 10.0 ** (np.floor(np.log10(np.where(sizes > 0, sizes, 1.0))) - 5)
    return np.round(values / unit) * unit
