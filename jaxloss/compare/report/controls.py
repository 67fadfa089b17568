"""The section of the report on experimental controls: what is equal for all contenders."""

from collections.abc import Iterator

from jaxloss.compare.report.quantities import capital, listed
from jaxloss.compare.report.wording import margin
from jaxloss.compare.statistics.standings import Analysis
from jaxloss.compare.sweep.plan import Plan

_PAIRING = (
    "Data, noise, initial weights and the order of the batches depend on the seed only: they are "
    "the same for every objective, and differences are taken seed by seed."
)


def controls(plan: Plan, analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield the controls of a run as pairs of a term and its explanation."""
    yield "Data", plan.task.story
    yield "Noise", _noise(plan)
    yield "Model and training", _training(plan)
    yield "Pairing", _PAIRING
    yield "Tuning", _tuning(plan)
    if plan.lineup.control:
        yield "Temperature", _temperature(plan)
    yield "Noise floor", _floor(plan)
    yield from tests(analysis)


def tests(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Yield what the tests are, and what their claims hold for."""
    yield "Tests", _tests(analysis)
    yield "Margin", _margin(analysis)
    yield "Claims", _claims(analysis)


def _tests(analysis: Analysis) -> str:
    return (
        "Differences are tested by Student's paired t-test. Intervals and p-values are corrected "
        f"by Bonferroni for the {analysis.comparisons} differences to {analysis.reference}: all "
        "intervals hold together with 95 % confidence, and p is below 0.05 where an interval lies "
        "on one side of 0. Objectives that differ by a factor only count once."
    )


def _margin(analysis: Analysis) -> str:
    sizes = listed(dict.fromkeys(margin(analysis, level) for level in range(len(analysis.levels))))
    return (
        f"Differences up to {sizes} count as none: “same” is a difference whose interval is within "
        "the margin, “open” one that is neither shown nor excluded. P(better), P(same) and "
        "P(worse) are the probabilities that the difference is above, within and below the margin, "
        "by the Bayesian t-test of Benavoli et al. (2017); P(best) is that of the highest place. "
        "They are not corrected for the number of objectives."
    )


def _claims(analysis: Analysis) -> str:
    here = "A claim on this data is about all other seeds with these data, and "
    overlap = analysis.test.overlap
    if overlap is None:
        return f"{here}says nothing about other data; the probabilities are on this data."
    if not overlap:
        return "Each seed draws new data, so every claim is on new data: about all other data sets."
    return (
        f"{here}one on new data about other data sets of this kind, as the probabilities are. The "
        "seeds split one data set; as to others they are correlated, and the variance of their "
        f"mean is s² (1/n + {overlap:.2g}). For convex models the last term is Nadeau and Bengio's "
        "(2003), a bound; for networks it is the most that was measured on simulated data sets."
    )


def _noise(plan: Plan) -> str:
    return (
        f"The stated fraction of targets is {plan.task.noise}, in the training and in the "
        "validation part: there are no clean targets to tune on. Test data are clean. Targets that "
        "are corrupted at a lower level are corrupted in the same way at every higher one."
    )


def _training(plan: Plan) -> str:
    return (
        f"{capital(str(plan.task.model))}; {plan.task.optimizer.says}, {plan.epochs} epochs in "
        f"batches of {plan.task.batch}."
    )


def _tuning(plan: Plan) -> str:
    rates = listed(f"{rate:g}" for rate in plan.rates)
    first, *_, last = plan.rounds
    return (
        f"For each objective and level of noise, the learning rate (at first {rates}) and the "
        "hyper-parameters that were given as ranges are those of the best "
        f"{plan.task.output.metric.says} on validation data: never chosen by a loss, and never on "
        f"test data. Successive halving tries all on {first} seeds, the better ones on up to "
        f"{last}, and more beyond an end of a range at which the best lies. Scores are those of "
        "fresh seeds, which took no part in this."
    )


def _temperature(plan: Plan) -> str:
    reference = plan.lineup.reference
    return (
        f"{plan.lineup.control} is {reference} with a tuned temperature. What is better than "
        f"{reference} is compared with that too, and what is worse with {reference} at the "
        "temperature that does worst, both by validation data. It is “no more than temperature” "
        "where the interval of that difference ends below the margin; “more than temperature” "
        "where the differences to all temperatures that were tried are significant, and to the "
        "same side; and “open” where neither is shown."
    )


def _floor(plan: Plan) -> str:
    return (
        f"{plan.lineup.reference} is trained twice, the second time with each batch in reverse "
        "order: the same sums, rounded otherwise. The difference between the two is no property of "
        "a loss."
    )
