"""The first phase of a run: the search for the settings of each contender, on seeds of its own."""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jaxloss.compare.sweep.halving import Search, halve, mean_scores
from jaxloss.compare.sweep.plan import Arm, Candidate, Network, Phase, Plan
from jaxloss.compare.sweep.records import Record
from jaxloss.compare.sweep.space import Point
from jaxloss.compare.sweep.surface import Floats, Site, smoothed


@dataclass(frozen=True)
class Tuned:
    """What the search of an arm has come to.

    Attributes:
        arm: The arm.
        search: The state of the search.
        score: The validation score of the best point over all tuning seeds, where higher is better;
            NaN before the search has ended, or where nothing was searched.
    """

    arm: Arm
    search: Search[Candidate]
    score: float = math.nan

    @property
    def name(self) -> str:
        """The name of the contender that is best so far."""
        return self.search.ranked[0][0]

    @property
    def point(self) -> Point:
        """The point that is best so far."""
        return self.search.ranked[0][1]

    @property
    def at_edge(self) -> tuple[str, ...]:
        """The names of what was chosen at an end of the values tried."""
        tried = {point for name, point in self.search.tried if name == self.name}
        return self.arm.spaces[self.name].edges(self.point, tried)

    @property
    def lacking(self) -> Iterator[Network]:
        """Yield the networks that decide how the search goes on."""
        for (name, point), seed in self.search.lacking:
            yield Network(Phase.TUNING, name, self.arm.noise, point, seed)


def tune(plan: Plan, rows: Iterable[Record]) -> list[Tuned]:
    """Search every arm of a plan as far as the rows reach, by validation data alone."""
    scores: dict[float, dict[tuple[Candidate, int], float]] = {noise: {} for noise in plan.noise}
    for row in rows:
        if row.phase is Phase.TUNING:
            scores[row.noise][(row.loss, row.point), row.seed] = row.validation
    higher = plan.task.output.metric.higher
    tuned = []
    for arm in plan.arms:
        # A single candidate is not searched for.
        if len(arm.start) == 1 and not arm.compared:
            tuned.append(Tuned(arm, Search(arm.start, arm.start)))
            continue
        known = scores[arm.noise]
        estimate = functools.partial(_smoothed, arm, higher=higher) if plan.candidates else None
        search = halve(arm.start, known, arm.outward, estimate, higher=higher, rounds=plan.rounds)
        sample = [known.get((search.ranked[0], seed), math.nan) for seed in range(plan.rounds[-1])]
        tuned.append(Tuned(arm, search, float(mean_scores([sample], higher=higher)[0])))
    return tuned


def _smoothed(
    arm: Arm,
    wanted: Sequence[Candidate],
    known: Mapping[tuple[Candidate, int], float],
    *,
    higher: bool,
) -> Floats:
    """Estimates for candidates that are drawn at random, which have near neighbours."""
    candidates, seeds = zip(*known, strict=True)
    ours, every = (
        tuple(Site(name, arm.spaces[name].coordinates(point)) for name, point in some)
        for some in (wanted, candidates)
    )
    return smoothed(ours, every, seeds, tuple(known.values()), higher=higher)


def tests(plan: Plan, tuned: Iterable[Tuned]) -> Iterator[tuple[str, Tuned]]:
    """Yield the name of each contender that is tested with what was chosen for it."""
    seen = set()
    for each in tuned:
        known = (each.name, each.arm.noise) in seen
        if known and each.name != plan.lineup.control:
            continue  # the best of all is the reference, which was tuned by itself as well
        seen.add((each.name, each.arm.noise))
        yield each.name, each
        # Were the replicate tuned by itself, its difference to the reference might be one of rates.
        if each.name == plan.lineup.reference:
            yield plan.lineup.replicate, each
