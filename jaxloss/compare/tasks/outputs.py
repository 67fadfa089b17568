"""What a model's predictions are: which losses take them, by their signature, and which cannot."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

import jaxloss as jl
from jaxloss.compare.tasks import metrics
from jaxloss.compare.tasks.metrics import Metric
from jaxloss.compare.tasks.populations import Labels, Numbers, Population, displaced
from jaxloss.core.domains import HyperDomain
from jaxloss.core.loss import Loss, Margin
from jaxloss.core.signature import HyperParameter

Link = Callable[[Array], Array]
_TEMPERATURE = HyperParameter(HyperDomain("Positive", "a number > 0", low=0.0, open=True), 1.0)


@dataclass(frozen=True)
class Fitted:
    """A loss of a model's predictions and a task's targets.

    Attributes:
        hyperparameters: What it takes by keyword, a temperature included.
        function: From predictions, targets and hyper-parameters to one value per example.
    """

    hyperparameters: Mapping[str, HyperParameter]
    function: Callable[..., Array]

    @property
    def tempered(self) -> bool:
        """Whether it takes the temperature that predictions are divided by."""
        return "temperature" in self.hyperparameters


@dataclass(frozen=True)
class Output:
    """What predictions and targets are, as maps to the domains in the losses' signatures.

    Attributes:
        says: What a loss is given.
        shape: Of the prediction for one example.
        predictions: From a prediction to each domain that a loss may ask for, by its name.
        targets: Likewise from a target.
        tempered: The domains of predictions whose losses depend on a temperature.
        metrics: What is measured; the first decides, on validation data, what is chosen.
        aliases: Short names.
        lift: Makes a loss of these predictions of a margin-based one.
        population: What theory can be asked about; None where it has no short answer.
    """

    says: str
    shape: tuple[int, ...]
    predictions: Mapping[str, Link]
    targets: Mapping[str, Link]
    metrics: tuple[Metric, ...]
    tempered: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)
    lift: Callable[["Margin[...]"], "Loss[...]"] = lambda loss: loss
    population: Population | None = None

    @property
    def metric(self) -> Metric:
        """The first metric."""
        return self.metrics[0]

    def fit(self, loss: "Loss[Any]") -> Fitted:
        """The loss as one of these predictions and targets.

        Raises:
            TypeError: It is of something else.
        """
        fitted = self.lift(loss) if isinstance(loss, Margin) else loss
        domains = [domain.name for domain in fitted.contract.arrays.values()]
        if len(domains) != 2 or not self._takes(*domains):
            wanted = ", ".join(f"{name}: {d.says}" for name, d in loss.contract.arrays.items())
            message = f"{loss.__name__} is of ({wanted}); here it would be given {self.says}"
            raise TypeError(message)
        tempered = {"temperature": _TEMPERATURE} if domains[0] in self.tempered else {}
        function = self._linked(fitted, *domains)
        return Fitted({**fitted.contract.hyperparameters, **tempered}, function)

    def _linked(self, loss: "Loss[Any]", prediction: str, target: str) -> Callable[..., Array]:
        """The loss of raw predictions and targets; where it depends on one, with a temperature."""
        of_prediction, of_target = self.predictions[prediction], self.targets[target]

        def plain(p: Array, t: Array, /, **hyper: Any) -> Array:  # one of `hyper` may be called p
            return loss(of_prediction(p), of_target(t), **hyper)

        def tempered(p: Array, t: Array, /, *, temperature: Any = 1.0, **hyper: Any) -> Array:
            return plain(p / temperature, t, **hyper)

        linked = tempered if prediction in self.tempered else plain
        return functools.wraps(loss, assigned=("__name__",))(linked)

    def _takes(self, prediction: str, target: str) -> bool:
        return prediction in self.predictions and target in self.targets


def _same(x: Array) -> Array:
    return x


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
BALANCED = Metric(
    "balanced_accuracy",
    "accuracy averaged over classes",
    metrics.balanced_accuracy,
    factor=100,
    unit="points",
)


def classes(count: int) -> Output:
    """Scores of several classes, to an integer label."""

    def one_hot(labels: Array) -> Array:
        return jax.nn.one_hot(labels, count)

    return Output(
        says=f"scores of {count} classes and a label",
        shape=(count,),
        predictions={
            "Logits": _same,
            "Scores": _same,
            "Simplex": jax.nn.softmax,
            "LogProbabilities": jax.nn.log_softmax,
            "Real": _same,
            "Vector": _same,
            "Point": _same,
        },
        targets={
            "Label": _same,
            "Simplex": one_hot,
            "LogProbabilities": lambda labels: jnp.log(one_hot(labels)),
            "Real": one_hot,
            "Vector": one_hot,
            "Point": one_hot,
        },
        metrics=(ACCURACY, BALANCED, *CALIBRATION),
        tempered=frozenset({"Logits", "Simplex", "LogProbabilities"}),
        aliases={"cross_entropy": "softmax_cross_entropy_with_integer_labels"},
        lift=jl.one_vs_all,
        population=Labels(count),
    )


BINARY = Output(
    says="one score and a label of 0 or 1",
    shape=(),
    predictions={
        "Logit": _same,
        "Score": _same,
        "Probability": jax.nn.sigmoid,
        "OpenProbability": jax.nn.sigmoid,
        "Real": _same,
    },
    targets={"Probability": _same, "Sign": _same, "Real": _as_signs},
    metrics=(ACCURACY, BALANCED, *CALIBRATION),
    tempered=frozenset({"Logit", "Probability", "OpenProbability"}),
    aliases={"cross_entropy": "sigmoid_binary_cross_entropy"},
    population=Labels(2, single=True),
)


_LOCATION = Numbers(displaced)


def values(
    *measured: Metric,
    says: str = "a real number and its target",
    population: Population | None = _LOCATION,
) -> Output:
    """One real number for each example, measured so."""
    links: Mapping[str, Link] = {"Real": _same}
    return Output(says, (), links, {**links, "NonZeroReal": _same}, measured, population=population)
