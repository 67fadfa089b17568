"""What success is measured by, on clean test data: none of these is trained on."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

BINS = 15
_TEMPERATURES = np.geomspace(0.05, 20.0, 61, dtype=np.float32)


@dataclass(frozen=True)
class Metric:
    """A number for a model on some data; NaN where a prediction is not finite.

    Attributes:
        name: Its column in the results.
        says: What it is, in a few words.
        function: From all predictions and targets to the number.
        higher: Whether more is better.
        factor: What it is multiplied by to be shown.
        unit: What it is shown in.
    """

    name: str
    says: str
    function: Callable[[Array, Array], Array]
    higher: bool = True
    factor: float = 1.0
    unit: str = ""

    def __call__(self, predictions: Array, targets: Array) -> Array:
        """The number, of single precision."""
        value = self.function(predictions, targets).astype(jnp.float32)
        return jnp.where(jnp.isfinite(predictions).all(), value, jnp.nan)

    def better(self, values: Array) -> Array:
        """The values, turned so that more is better."""
        return values if self.higher else -values


def accuracy(scores: Array, labels: Array) -> Array:
    """How often the greatest score is that of the label, or a single score is on its side of 0."""
    decided = scores > 0 if scores.ndim == 1 else jnp.argmax(scores, axis=-1)
    return jnp.mean(decided == labels)


def negative_log_likelihood(scores: Array, labels: Array) -> Array:
    """The mean negative log-probability of the label, in nats, of scores as log-odds."""
    logits = _of_classes(scores)
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=-1))


def refinement(scores: Array, labels: Array) -> Array:
    """The least surprise that dividing the scores by any temperature leaves.

    The temperature is that of these data, so this is what no temperature could mend.

    References:
        Guo et al. (2017), On calibration of modern neural networks, arXiv:1706.04599.
    """
    return jnp.min(jax.vmap(lambda t: negative_log_likelihood(scores / t, labels))(_TEMPERATURES))


def calibration_error(scores: Array, labels: Array) -> Array:
    """How far confidence is from accuracy, on average over bins of equal width.

    References:
        Naeini, Cooper & Hauskrecht (2015), doi:10.1609/aaai.v29i1.9602.
    """
    probabilities = jax.nn.softmax(_of_classes(scores))
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    member = jax.nn.one_hot(jnp.ceil(confidence * BINS).astype(int) - 1, BINS)
    return jnp.abs(jnp.mean(member * (confidence - right)[:, None], axis=0)).sum()


def balanced_accuracy(scores: Array, labels: Array) -> Array:
    """The accuracy of each class, averaged over the classes that occur."""
    logits = _of_classes(scores)
    member = jax.nn.one_hot(labels, logits.shape[-1])
    counts = member.sum(0)
    right = jnp.sum(member * (logits.argmax(-1) == labels)[:, None], axis=0)
    return jnp.sum(right / jnp.maximum(counts, 1)) / jnp.sum(counts > 0)


def median_error(predictions: Array, targets: Array) -> Array:
    """The median absolute error: half of the predictions are closer than that."""
    return jnp.median(jnp.abs(predictions - targets))


def rank_correlation(predictions: Array, targets: Array) -> Array:
    """Spearman's correlation of the ranks, ties in order of appearance; 0 where all are equal."""
    centred = jnp.arange(len(targets)) - (len(targets) - 1) / 2
    ranks = [jnp.zeros(len(x)).at[jnp.argsort(x)].set(centred) for x in (predictions, targets)]
    return jnp.where(jnp.ptp(predictions) > 0, ranks[0] @ ranks[1] / (centred @ centred), 0.0)


def explained(predictions: Array, targets: Array) -> Array:
    """R²: the share of the targets' variance that is explained."""
    return 1 - jnp.mean(jnp.square(predictions - targets)) / jnp.var(targets)


def coverage(predictions: Array, targets: Array) -> Array:
    """The share of targets at or below the prediction."""
    return jnp.mean(targets <= predictions)


def _of_classes(scores: Array) -> Array:
    """Logits of the classes; a single score is that of the second of two."""
    return jnp.stack([jnp.zeros_like(scores), scores], -1) if scores.ndim == 1 else scores
