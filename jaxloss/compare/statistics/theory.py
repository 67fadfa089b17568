"""What theory predicts of the contenders, beside what was measured."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from jaxloss.compare.statistics.standings import Analysis, Standing
from jaxloss.compare.sweep.results import Results


@dataclass(frozen=True)
class TheoryPrediction:
    """A loss at a level of noise.

    Attributes:
        loss: The contender's name.
        noise: The level.
        says: What its minimum in a whole population is, as the end of a sentence.
        standing: How its networks did.
    """

    loss: str
    noise: float
    says: str
    standing: Standing


def predictions(results: Results, analysis: Analysis) -> list[TheoryPrediction]:
    """For every ranked contender at the strongest noise, in the order of the ranking.

    They are derived from the values of the losses: of a population with that noise the expected
    loss is minimised, at the hyper-parameters that were chosen, over predictions and not over
    networks. Empty where the task has no population with a short answer.
    """
    plan = results.plan
    population = plan.task.output.population
    if population is None:
        return []
    noise, ranking = plan.noise[-1], analysis.levels[-1]

    def one(standing: Standing) -> TheoryPrediction:
        objective = plan.lineup[standing.loss].variants[standing.variant].objective
        return TheoryPrediction(
            standing.loss, noise, population.predicted(objective, noise), standing
        )

    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, ranking))
