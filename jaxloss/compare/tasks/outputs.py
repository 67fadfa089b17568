"""Kinds of predictions, and the maps by which losses of other domains can be trained on them."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import jaxloss as jl
from jaxloss.compare.tasks import metrics
from jaxloss.compare.tasks.metrics import Metric
from jaxloss.compare.tasks.populations import Labels, Numbers, Population, displaced
from jaxloss.core.annotations import domain_in
from jaxloss.core.domains import (
    ArrayDomain,
    HyperDomain,
    Image,
    Label,
    LogProbabilities,
    LogRate,
    NonNegativeReal,
    NonZeroReal,
    Point,
    Probability,
    Real,
    Scale,
    Sign,
    Simplex,
    Vector,
)
from jaxloss.core.loss import Loss, Margin
from jaxloss.core.signature import HyperParameter

Link = Callable[[Array], Array]
Links = Mapping[object, Link]
"""Maps to the domains of losses, by their type in signatures or by their scale and axes."""

_TEMPERATURE = HyperParameter(HyperDomain("Positive", "a number > 0", low=0.0, open=True), 1.0)


@dataclass(frozen=True)
class Fitted:
    """A loss adapted to a model's raw predictions and a task's targets.

    Attributes:
        hyperparameters: Its keyword arguments, a temperature included.
        function: Maps predictions, targets and hyper-parameters to one value per example.
    """

    hyperparameters: Mapping[str, HyperParameter]
    function: Callable[..., Array]

    @property
    def tempered(self) -> bool:
        """Whether it takes a temperature, by which predictions are divided."""
        return "temperature" in self.hyperparameters


@dataclass(frozen=True)
class Output:
    """A kind of predictions and targets, with its maps to the domains in the losses' signatures.

    Attributes:
        says: A description of predictions and targets, for messages.
        shape: The shape of the prediction for one example.
        predictions: Maps from a prediction to the domains that losses may take.
        targets: Maps from a target to the domains that losses may take.
        metrics: The metrics; the first, on validation data, selects the hyper-parameters.
        aliases: Short names of losses.
        lift: Turns a margin loss into a loss of these predictions.
        parameters: Maps from a prediction to the domains that losses may take between what is
            predicted and the target.
        population: The population whose minimum theory predicts; None where it has no short answer.
    """

    says: str
    shape: tuple[int, ...]
    predictions: Links
    targets: Links
    metrics: tuple[Metric, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    lift: Callable[["Margin[...]"], "Loss[...]"] = lambda loss: loss
    population: Population | None = None
    parameters: Links = field(default_factory=dict)

    @property
    def metric(self) -> Metric:
        """The metric that selects hyper-parameters and ranks contenders: the first."""
        return self.metrics[0]

    def fit(self, loss: "Loss[Any]") -> Fitted:
        """Adapt a loss to these predictions and targets.

        Raises:
            TypeError: The loss has domains that no map leads to.
        """
        fitted = self.lift(loss) if isinstance(loss, Margin) else loss
        domains = list(fitted.signature.arrays.values())
        between = [self.parameters] * (len(domains) - 2)
        pairs = zip((self.predictions, *between, self.targets), domains, strict=False)
        links = [link for known, domain in pairs if (link := _link(known, domain))]
        if not len(links) == len(domains) > 1:
            wanted = ", ".join(f"{name}: {d.says}" for name, d in loss.signature.arrays.items())
            message = f"{loss.__name__} is of ({wanted}); here it would be given {self.says}"
            raise TypeError(message)
        is_tempered = domains[0].scale in _TEMPERED
        temperature = {"temperature": _TEMPERATURE} if is_tempered else {}
        function = _linked(fitted, *links, tempered=is_tempered)
        return Fitted({**fitted.signature.hyperparameters, **temperature}, function)


# Probabilities depend on the temperature of the logits behind them; behind scores there are none.
_TEMPERED = (Scale.LOGIT, Scale.LOG_PROBABILITY, Scale.PROBABILITY)


def _link(links: Links, domain: ArrayDomain) -> Link | None:
    """Find the map to a domain by its type, or by its scale and axes."""
    known = {domain_in(key, ArrayDomain) or key: link for key, link in links.items()}
    return known.get(domain) or known.get((domain.scale, domain.axes))


def _linked(loss: "Loss[Any]", *links: Link, tempered: bool) -> Callable[..., Array]:
    """Compose a loss with the maps to its domains, and with a temperature where it has one."""
    *of_prediction, of_target = links

    def plain(p: Array, t: Array, /, **hyper: Any) -> Array:  # one of `hyper` may be called p
        return loss(*(link(p) for link in of_prediction), of_target(t), **hyper)

    def divided(p: Array, t: Array, /, *, temperature: Any = 1.0, **hyper: Any) -> Array:
        return plain(p / temperature, t, **hyper)

    return functools.wraps(loss, assigned=("__name__",))(divided if tempered else plain)


def _same(x: Array) -> Array:
    return x


def _flat(x: Array) -> Array:
    return x.reshape(len(x), -1)


def _as_signs(labels: Array) -> Array:
    return 2.0 * labels - 1.0


CALIBRATION = (
    Metric(
        "nll", "negative log-likelihood", metrics.negative_log_likelihood, higher=False, unit="nats"
    ),
    Metric(
        "refinement",
        "negative log-likelihood at the best temperature",
        metrics.refinement,
        higher=False,
        unit="nats",
    ),
    Metric(
        "ece",
        "expected calibration error",
        metrics.calibration_error,
        higher=False,
        factor=100,
        unit="points",
    ),
)
ACCURACY = Metric("accuracy", "accuracy", metrics.accuracy, factor=100, unit="points")
AREA = Metric(
    "auc", "area under the ROC curve", metrics.area_under_curve, factor=100, unit="points"
)
DEVIANCE = Metric("deviance", "Poisson deviance", metrics.poisson_deviance, higher=False)
MEDIAN_ERROR = Metric("median_error", "median absolute error", metrics.median_error, higher=False)
EXPLAINED = Metric("r2", "share of the variance that is explained", metrics.explained)
BALANCED = Metric(
    "balanced_accuracy",
    "accuracy averaged over classes",
    metrics.balanced_accuracy,
    factor=100,
    unit="points",
)


def classes(count: int) -> Output:
    """The output of a classifier: scores of several classes, and an integer label."""

    def one_hot(labels: Array) -> Array:
        return jax.nn.one_hot(labels, count)

    return Output(
        says=f"scores of {count} classes and a label",
        shape=(count,),
        predictions={
            (Scale.LOGIT, ("classes",)): _same,
            (Scale.SCORE, ("classes",)): _same,
            (Scale.PROBABILITY, ("classes",)): jax.nn.softmax,
            (Scale.LOG_PROBABILITY, ("classes",)): jax.nn.log_softmax,
            Real: _same,
            Vector: _same,
            Point: _same,
        },
        targets={
            Label: _same,
            Simplex: one_hot,
            LogProbabilities: lambda labels: jnp.log(one_hot(labels)),  # -inf where it is 0
            Real: one_hot,
            Vector: one_hot,
            Point: one_hot,
        },
        metrics=(ACCURACY, BALANCED, *CALIBRATION),
        aliases={"cross_entropy": "softmax_cross_entropy_with_integer_labels"},
        lift=jl.one_vs_all,  # as Janocha & Czarnecki (2017), arXiv:1702.05659, use hinge losses
        population=Labels(count),
    )


BINARY = Output(
    says="one score and a label of 0 or 1",
    shape=(),
    predictions={
        (Scale.LOGIT, ()): _same,
        (Scale.SCORE, ()): _same,
        (Scale.PROBABILITY, ()): jax.nn.sigmoid,
        Real: _same,
    },
    # Losses of reals, such as squared error, fit the score to -1 or 1: 0 is the threshold between.
    targets={Probability: _same, Sign: _same, Real: _as_signs},
    metrics=(ACCURACY, BALANCED, AREA, *CALIBRATION),
    aliases={"cross_entropy": "sigmoid_binary_cross_entropy"},
    population=Labels(2, single=True),
)


OF_COUNTS = Output(
    says="the log of a rate and a count",
    shape=(),
    predictions={LogRate: _same, NonNegativeReal: jnp.exp, Real: jnp.exp},
    targets={NonNegativeReal: _same, Real: _same},
    metrics=(
        DEVIANCE,
        replace(MEDIAN_ERROR, function=metrics.median_error_of_rates),
        Metric("rank_correlation", "Spearman's rank correlation", metrics.rank_correlation),
    ),
)


_LOCATION = Numbers(displaced)


def values(
    *measured: Metric,
    says: str = "a real number and its target",
    population: Population | None = _LOCATION,
) -> Output:
    """The output of a regression: one real number per example, with these metrics."""
    links: Links = {Real: _same}
    return Output(says, (), links, {**links, NonZeroReal: _same}, measured, population=population)


def numbers(shape: tuple[int, ...], *measured: Metric, says: str = "") -> Output:
    """The output of a regression of arrays: of several numbers, or of an image.

    Args:
        shape: The shape for one example: three axes are height, width and channels.
        *measured: The metrics; by default the median error and the explained variance.
        says: A description of predictions and targets.
    """
    image: Links = {Image: _same} if len(shape) == 3 else {}
    links: Links = {Real: _same, Vector: _flat, Point: _flat, **image}
    says = says or f"real numbers of the shape {shape} and their targets"
    return Output(says, shape, links, links, measured or (MEDIAN_ERROR, EXPLAINED))
