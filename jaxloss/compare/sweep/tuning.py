"""The first phase of a run: the search for the settings of each contender, on seeds of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jaxloss.compare.sweep.contenders import Contender, Lineup
from jaxloss.compare.sweep.halving import ROUNDS, Search, halve, mean_scores
from jaxloss.compare.sweep.plan import Arm, Network, Phase, Plan
from jaxloss.compare.sweep.records import Record
from jaxloss.compare.sweep.space import Point


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
    search: Search[Point]
    score: float = float("nan")

    @property
    def point(self) -> Point:
        """The point that is best so far."""
        return self.search.ranked[0]

    @property
    def at_edge(self) -> tuple[str, ...]:
        """The names of what was chosen at an end of the values tried."""
        return self.arm.space.edges(self.point, self.search.tried)

    def tests(self, lineup: Lineup, seed: int) -> Iterator[Network]:
        """Yield the networks that test the best point on a seed."""
        for name in tested_names(lineup, self.arm.contender):
            yield Network(Phase.TEST, name, self.arm.noise, self.point, seed)

    @property
    def lacking(self) -> Iterator[Network]:
        """Yield the networks that decide how the search goes on."""
        contender, noise, _ = self.arm
        for point, seed in self.search.lacking:
            yield Network(Phase.TUNING, contender.name, noise, point, seed)


def tune(plan: Plan, rows: Iterable[Record]) -> list[Tuned]:
    """Search every arm of a plan as far as the rows reach, by validation data alone."""
    higher = plan.task.output.metric.higher
    scores: dict[tuple[str, float], dict[tuple[Point, int], float]] = {}
    for row in rows:
        if row.phase is Phase.TUNING:
            of_level = scores.setdefault((row.loss, row.noise), {})
            of_level[row.point, row.seed] = row.validation
    tuned = []
    for arm in plan.arms:
        known = scores.get((arm.contender.name, arm.noise), {})
        start = arm.space.start
        # A single point is not searched for, but temperatures are compared by their scores.
        compared = {plan.lineup.control, plan.lineup.reference} if plan.lineup.control else set()
        if len(start) == 1 and arm.contender.name not in compared:
            tuned.append(Tuned(arm, Search((start[0],), (start[0],))))
            continue
        search = halve(start, known, arm.space.outward, higher=higher)
        if search.lacking:
            tuned.append(Tuned(arm, search))
        else:
            sample = [known[search.ranked[0], seed] for seed in range(ROUNDS[-1])]
            tuned.append(Tuned(arm, search, float(mean_scores([sample], higher=higher)[0])))
    return tuned


def tested_names(lineup: Lineup, contender: Contender) -> list[str]:
    """The names of the contenders that are tested at what was chosen for one."""
    # Were the replicate tuned by itself, its difference to the reference might be one of rates.
    return [contender.name, *([lineup.replicate] if contender.name == lineup.reference else [])]
