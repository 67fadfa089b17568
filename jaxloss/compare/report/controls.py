"""The section of the report on experimental controls: what is equal for all contenders."""

from collections.abc import Iterator

from jaxloss.compare.report.quantities import capital, listed, percent
from jaxloss.compare.statistics.standings import MARGIN, Analysis
from jaxloss.compare.sweep.plan import Plan

_PAIRING = (
    "Data, noise, initial weights and the order of the batches depend on the seed only: every "
    "objective meets the same, and differences are taken seed by seed."
)
# d_z, and not a d over the deviation of scores: it is what the paired test and its power depend on.
_EFFECT = (
    "The effect is the mean difference over the deviation of the differences from seed to seed "
    "(Cohen's d_z). The seeds named with it are how many would show a difference of the size that "
    "was measured, in four of five runs."
)


def controls(plan: Plan, analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield the controls as pairs of a term and its explanation."""
    yield "Data", plan.task.story
    yield "Noise", _noise(plan)
    yield "Model and training", _training(plan)
    yield "Pairing", _PAIRING
    yield "Tuning", _tuning(plan)
    if plan.lineup.control:
        yield "Temperature", _temperature(plan)
    yield "Noise floor", _floor(plan)
    yield "Corrections", f"{_corrections(analysis)} {_overlap(plan)}"
    yield "Effect size and seeds", _EFFECT


def _noise(plan: Plan) -> str:
    return (
        f"The stated fraction of targets is {plan.task.noise}, in the training and in the "
        "validation part: who has spoilt targets has no clean ones to tune on. Test data are "
        "clean. What is spoilt at a lower level is spoilt alike at every higher one."
    )


def _training(plan: Plan) -> str:
    return (
        f"{capital(str(plan.task.model))}; Adam at a constant rate, {plan.epochs} epochs in "
        f"batches of {plan.task.batch}."
    )


def _tuning(plan: Plan) -> str:
    return (
        f"For each objective and level of noise, the learning rate ({_rates(plan)}) and the "
        "hyper-parameters that were given as ranges are those of the best "
        f"{plan.task.output.metric.says} on validation data, averaged over seeds: never chosen by "
        "a loss, and never on test data."
    )


def _temperature(plan: Plan) -> str:
    reference = plan.lineup.reference
    return (
        f"{plan.lineup.control} is {reference} with a temperature of its own. What is "
        f"significantly better than {reference} is compared with that too, and what is worse with "
        f"{reference} at the temperature that does worst, both as validation data say. It is “more "
        "than temperature” where that difference is significant as well, and to the same side; “no "
        "more than temperature” where the interval of that difference ends below "
        f"{percent(MARGIN)} of the score of {reference}; and “open” where neither is shown."
    )


def _floor(plan: Plan) -> str:
    return (
        f"{plan.lineup.reference} is trained twice, the second time with each batch in reverse "
        "order: the same sums, rounded otherwise. What differs between the two is no property of "
        "a loss."
    )


def _corrections(analysis: Analysis) -> str:
    return (
        "The p-values are those of paired t-tests, corrected by Holm for the "
        f"{analysis.comparisons} comparisons of this run; the intervals of the differences hold "
        "for all of them at once with 95 % confidence. “Not significant” means p ≥ 0.05: chance "
        "may explain it."
    )


def _overlap(plan: Plan) -> str:
    if not plan.task.overlap:
        return "Each seed draws data anew, so the seeds are independent."
    return (
        "All seeds split one set of data, so they are not independent: their variance is enlarged "
        "as Nadeau and Bengio (2003) propose, and no number of seeds shows an arbitrarily small "
        "difference."
    )


def _rates(plan: Plan) -> str:
    return listed(f"{rate:g}" for rate in plan.rates)
