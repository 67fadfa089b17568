"""Metrics on clean test data, which rank the losses; none of them is trained on."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

BINS = 15  # as in Table 1 of Guo et al. (2017), arXiv:1706.04599
# Neighbours differ by a tenth: 400 ** (1 / 60) is 1.105.
_TEMPERATURES = np.geomspace(0.05, 20.0, 61, dtype=np.float32)


@dataclass(frozen=True)
class Metric:
    """A measure of a model's predictions; NaN where a prediction is not finite.

    Attributes:
        name: The name of its column in the results.
        says: A description of a few words.
        function: Maps all predictions and targets to one number.
        higher: Whether higher is better.
        factor: The factor between the number and its displayed value.
        unit: The unit of the displayed value.
    """

    name: str
    says: str
    function: Callable[[Array, Array], Array]
    higher: bool = True
    factor: float = 1.0
    unit: str = ""

    def __call__(self, predictions: Array, targets: Array) -> Array:
        """Compute the metric in single precision."""
        value = self.function(predictions, targets).astype(jnp.float32)
        # A diverged network must not look good: `argmax` of NaN is a class too, which may be right.
        return jnp.where(jnp.isfinite(predictions).all(), value, jnp.nan)

    def better(self, values: Array) -> Array:
        """The values with their sign changed, if necessary, so that higher is better."""
        return values if self.higher else -values


def accuracy(scores: Array, labels: Array) -> Array:
    """Share of labels that have the greatest score; a single score decides by its sign."""
    logits, flat = _of_classes(scores, labels)
    return jnp.mean(jnp.argmax(logits, axis=-1) == flat)


def negative_log_likelihood(scores: Array, labels: Array) -> Array:
    """Mean negative log-likelihood of the labels, in nats, with the scores as logits."""
    logits, flat = _of_classes(scores, labels)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), flat[:, None], axis=-1))


def refinement(scores: Array, labels: Array) -> Array:
    """Negative log-likelihood at the best temperature: what rescaling the scores cannot improve.

    The temperature is fitted on the test data themselves, so the value is a lower bound for any
    temperature that validation data could suggest.

    References:
        Guo et al. (2017), On calibration of modern neural networks, arXiv:1706.04599.
    """
    return jnp.min(jax.vmap(lambda t: negative_log_likelihood(scores / t, labels))(_TEMPERATURES))


def calibration_error(scores: Array, labels: Array) -> Array:
    """Expected calibration error: |accuracy - confidence|, averaged over 15 bins by their size.

    References:
        Naeini, Cooper & Hauskrecht (2015), doi:10.1609/aaai.v29i1.9602.
    """
    logits, flat = _of_classes(scores, labels)
    probabilities = jax.nn.softmax(logits)
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == flat
    # Bins are open below and closed above, so that a confidence of exactly 1 is in the last.
    member = jax.nn.one_hot(jnp.ceil(confidence * BINS).astype(int) - 1, BINS)
    return jnp.abs(jnp.mean(member * (confidence - right)[:, None], axis=0)).sum()


def balanced_accuracy(scores: Array, labels: Array) -> Array:
    """Mean over the classes that occur of the accuracy on each."""
    logits, flat = _of_classes(scores, labels)
    member = jax.nn.one_hot(flat, logits.shape[-1])
    counts = member.sum(0)
    right = jnp.sum(member * (logits.argmax(-1) == flat)[:, None], axis=0)
    return jnp.sum(right / jnp.maximum(counts, 1)) / jnp.sum(counts > 0)


def area_under_curve(scores: Array, labels: Array) -> Array:
    """Area under the ROC curve: the probability that a positive scores above a negative one.

    Ties count half; NaN where there are no positives or no negatives.

    References:
        Fawcett (2006), An introduction to ROC analysis, doi:10.1016/j.patrec.2005.10.010.
    """
    flat, positive = scores.ravel(), labels.ravel() > 0
    ordered = jnp.sort(flat)
    below, upto = (jnp.searchsorted(ordered, flat, side) for side in ("left", "right"))
    positives = jnp.sum(positive)
    ranks = jnp.sum(jnp.where(positive, (below + upto + 1) / 2, 0))  # of ties their mean rank
    wins = ranks - positives * (positives + 1) / 2
    return wins / (positives * jnp.sum(~positive))


def poisson_deviance(log_rates: Array, counts: Array) -> Array:
    """Mean deviance of counts under Poisson distributions, twice the excess over the least nll.

    References:
        McCullagh & Nelder (1989), Generalized linear models, ch. 2,
        doi:10.1007/978-1-4899-3242-6.
    """
    excess = jax.scipy.special.xlogy(counts, counts) - counts * log_rates
    return 2 * jnp.mean(excess - counts + jnp.exp(log_rates))


def median_error_of_rates(log_rates: Array, counts: Array) -> Array:
    """Median absolute error of rates, from their logs."""
    return median_error(jnp.exp(log_rates), counts)


def median_error(predictions: Array, targets: Array) -> Array:
    """Median absolute error."""
    return jnp.median(jnp.abs(predictions - targets))


def rank_correlation(predictions: Array, targets: Array) -> Array:
    """Spearman's rank correlation, ties ranked by appearance; 0 where all predictions are equal."""
    centred = jnp.arange(len(targets)) - (len(targets) - 1) / 2
    ranks = [jnp.zeros(len(x)).at[jnp.argsort(x)].set(centred) for x in (predictions, targets)]
    return jnp.where(jnp.ptp(predictions) > 0, ranks[0] @ ranks[1] / (centred @ centred), 0.0)


def explained(predictions: Array, targets: Array) -> Array:
    """Coefficient of determination R²: the share of the targets' variance that is explained."""
    return 1 - jnp.mean(jnp.square(predictions - targets)) / jnp.var(targets)


def coverage(predictions: Array, targets: Array) -> Array:
    """Share of targets at or below the prediction."""
    return jnp.mean(targets <= predictions)


def _of_classes(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Logits [label, class] and labels [label], of which an example may have several.

    A single score for a label is the logit of class 1, and that of class 0 is 0.
    """
    single = scores.ndim == labels.ndim
    logits = jnp.stack([jnp.zeros_like(scores), scores], -1) if single else scores
    return logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
