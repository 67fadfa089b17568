"""Predictions of theory for the contenders, beside what was measured."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from jaxloss.compare.statistics.standings import Analysis, Standing
from jaxloss.compare.sweep.results import Results


@dataclass(frozen=True)
class TheoryPrediction:
    """The prediction of theory for a contender at a level of noise.

    Attributes:
        loss: The name of the contender.
        noise: The level of noise.
        says: The minimum of its expected loss over a population, as the end of a sentence.
        standing: The measured standing.
    """

    loss: str
    noise: float
    says: str
    standing: Standing


def predictions(results: Results, analysis: Analysis) -> list[TheoryPrediction]:
    """Predict every ranked contender at the strongest noise, in the order of the ranking.

    The expected loss over a population with that noise is minimised, at the chosen
    hyper-parameters, over predictions and not over networks. Empty where the task has no population
    with a short answer.
    """
    plan = results.plan
    population = plan.task.output.population
    if population is None:
        return []
    noise, ranking = plan.noise[-1], analysis.levels[-1]

    def one(standing: Standing) -> TheoryPrediction:
        objective = results.objective(standing.loss, len(plan.noise) - 1)
        return TheoryPrediction(
            standing.loss, noise, population.predicted(objective, noise), standing
        )

    # Each objective is a program of its own, and XLA compiles without holding Python's lock.
    with ThreadPoolExecutor() as pool:
        return list(pool.map(one, ranking))
