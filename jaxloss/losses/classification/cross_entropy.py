"""Cross-entropy over classes, from logits or from probabilities, with integer or soft labels.

From logits, the optional terms apply in one order: `softcap` bounds the logits, `label_smoothing`
spreads the target over the classes that are not masked, `class_weights` scale, `z_loss` is added.
"""

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import (
    ClassWeights,
    Label,
    Logits,
    NonNegative,
    Positive,
    Simplex,
    UncheckedLogits,
    Unit,
)
from jaxloss.core.loss import loss
from jaxloss.kernels.label_softmax import apart, entry, valid_excess
from jaxloss.numerics import (
    divide,
    log,
    logsumexp,
    soft_cap,
    weighted,
)
from jaxloss.numerics.logistic import softplus
from jaxloss.numerics.soft_cross_entropy import soft_cross_entropy
from jaxloss.numerics.softmax import Parts, lowest


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=math.sqrt(2),
    smooth=0.5,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="distribution",
)
def softmax_cross_entropy_with_integer_labels(
    logits: UncheckedLogits,
    labels: Label,
    *,
    label_smoothing: Unit | None = None,
    class_weights: ClassWeights | None = None,
    z_loss: NonNegative | None = None,
    softcap: Positive | None = None,
) -> Array:
    """Softmax cross-entropy against integer class labels.

        w_y ((1 - s) n_y + s mean_j n_j) + z lse(o)²,   n_j = lse(o) - o_j = -log softmax(o)_j
        o = c tanh(logits / c),   y = label,   lse(o) = log Σ_j exp o_j
        s = label_smoothing,   w = class_weights,   z = z_loss,   c = softcap

    The mean is over the classes that are not masked. A masked class as the label gives +inf.
    PyTorch weights the smoothing terms too, each by its own class: for this, give
    `softmax_cross_entropy` the one-hot label.

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.
        label_smoothing: Share of the target spread over the classes that are not masked, in [0, 1].
        class_weights: Factor for examples of each class, a number or shape `[classes]`, >= 0.
        z_loss: Factor >= 0 of the squared log-normaliser, which keeps it near 0; not weighted.
        softcap: The bound > 0 that logits approach but do not pass.

    Returns:
        One value per example, shape `[...]`, in nats.

    Use when each example has one true class: the default of classification and language models.
    Avoid when labels are often wrong: one confident mistake costs without bound.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.softmax_cross_entropy_with_integer_labels([20.0, 0.0], 0)) < 2.07e-9
        True

    Limits:
        `softmax_cross_entropy` with the one-hot label, unless both `label_smoothing` and
        `class_weights` are given. With two classes, `sigmoid_binary_cross_entropy` of the
        difference of the logits. softcap → ∞ is no cap.

    References:
        Good (1952), Rational decisions, doi:10.1111/j.2517-6161.1952.tb00104.x.
        Smoothing: Szegedy et al. (2016), Rethinking the Inception architecture, arXiv:1512.00567.
        z_loss: Chowdhery et al. (2022), PaLM, arXiv:2204.02311.
        softcap: Gemma Team (2024), Gemma 2, arXiv:2408.00118.
    """
    bounded = bounded_by(softcap, logits)
    parts, mean, weight = apart(bounded, labels), None, None
    if label_smoothing is not None:
        mean = divide(*class_cross_entropies(bounded, parts))
    if class_weights is not None:
        weight = entry(jnp.asarray(class_weights), labels)
    return with_terms(parts, (label_smoothing, mean), weight, z_loss)


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=math.sqrt(2),
    smooth=0.5,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="distribution",
)
def softmax_cross_entropy(
    logits: Logits,
    targets: Simplex,
    *,
    label_smoothing: Unit | None = None,
    class_weights: ClassWeights | None = None,
    z_loss: NonNegative | None = None,
    softcap: Positive | None = None,
) -> Array:
    """Softmax cross-entropy against a target distribution over the classes.

        Σ_j w_j t_j n_j + z lse(o)²,   n_j = lse(o) - o_j = -log softmax(o)_j
        t_j = (1 - s) target_j + s Σ_k target_k / valid classes
        o = c tanh(logits / c),   lse(o) = log Σ_j exp o_j
        s = label_smoothing,   w = class_weights,   z = z_loss,   c = softcap

    A target of 0 on a masked class costs nothing, a positive one +inf; targets that are all 0
    cost nothing.

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape `[..., classes]`.
        targets: Probabilities of the classes, shape `[..., classes]`; other weights >= 0 count as
            they are, not normalised.
        label_smoothing: Share of the target spread over the classes that are not masked, in [0, 1].
        class_weights: Factor of each class's term, a number or shape `[classes]`, >= 0.
        z_loss: Factor >= 0 of the squared log-normaliser, which keeps it near 0; not weighted.
        softcap: The bound > 0 that logits approach but do not pass.

    Returns:
        One value per example, shape `[...]`, in nats.

    Use when targets are distributions: several annotators, mixed-up images, a teacher.
    Avoid when labels are integers: `softmax_cross_entropy_with_integer_labels` needs no one-hot.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.softmax_cross_entropy([0.0, 0.0, -jnp.inf], [0.5, 0.5, 0.0])), 4)
        0.6931

    Limits:
        Less the entropy of the targets it is `kl_divergence`; `categorical_cross_entropy` of the
        softmax. The gradient is (Σ_k t_k) softmax(o) - t.

    References:
        Good (1952), Rational decisions, doi:10.1111/j.2517-6161.1952.tb00104.x.
        Smoothing: Szegedy et al. (2016), Rethinking the Inception architecture, arXiv:1512.00567.
    """
    bounded = bounded_by(softcap, logits)
    if label_smoothing is not None:
        mass = jnp.sum(targets, axis=-1, keepdims=True)
        targets = targets * (1 - label_smoothing) + mass * _evenly(bounded) * label_smoothing
    if class_weights is not None:
        targets = targets * class_weights
    value = soft_cross_entropy(bounded, targets)
    return value if z_loss is None else value + weighted(z_loss, logsumexp(bounded) ** 2)


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=math.inf,
    smooth=math.inf,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="distribution",
)
def categorical_cross_entropy(probabilities: Simplex, targets: Simplex) -> Array:
    """Cross-entropy of predicted probabilities against a target distribution over the classes.

        -Σ_j t_j log p_j,   0 log 0 = 0

    A term at p_j = 0 is 0 where t_j = 0; elsewhere it is +inf, and its gradient is set to 0.

    Args:
        probabilities: Predicted p, shape `[..., classes]`; used as given, not normalised.
        targets: Probabilities t of the classes, shape `[..., classes]`, or other weights >= 0,
            likewise not normalised.

    Returns:
        One value per example, shape `[...]`, in nats.

    Use when a model gives probabilities and no logits, as an average of models does.
    Avoid when logits are at hand: `softmax_cross_entropy` keeps its gradient far out.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.categorical_cross_entropy([0.5, 0.5, 0.0], [1.0, 0.0, 0.0])), 4)
        0.6931

    Limits:
        Equals `softmax_cross_entropy` at p = softmax(o); the entropy of t where p = t.

    References:
        Good (1952), Rational decisions, doi:10.1111/j.2517-6161.1952.tb00104.x.
    """
    return jnp.sum(weighted(targets, -log(probabilities)), axis=-1)


def bounded_by(softcap: ArrayLike | None, logits: Array) -> Array:
    """The logits, with a soft cap if one is given."""
    return logits if softcap is None else soft_cap(logits, softcap)


def with_terms(
    parts: Parts,
    smoothing: tuple[ArrayLike | None, Array | None],
    weight: Array | None,
    z_loss: ArrayLike | None,
) -> Array:
    """The cross-entropy of the label, with smoothing, class weight and z_loss where given."""
    value, (share, mean) = softplus(parts.log_odds_against), smoothing
    if share is not None and mean is not None:
        value = weighted(1 - share, value) + weighted(share, mean)
    if weight is not None:
        value = weighted(weight, value)
    if z_loss is None:
        return value
    return value + weighted(z_loss, (parts.normaliser + parts.shift) ** 2)


def class_cross_entropies(logits: Array, parts: Parts) -> tuple[Array, Array]:
    """Sum of -log p_j over the classes that are not masked, and their number, over all classes."""
    # The logits are summed less the shift, beside their exponentials, and not less the normaliser,
    # which would take a pass of its own. The mean of -log p is at least about the normaliser, so
    # that nothing cancels.
    excess, count = valid_excess(logits, parts.shift)
    return jnp.maximum(parts.normaliser, lowest(logits)) * count - excess, count


def _evenly(logits: Array) -> Array:
    """The uniform distribution over the classes that are not masked."""
    valid = (logits != -jnp.inf).astype(logits.dtype)
    return divide(valid, jnp.broadcast_to(jnp.sum(valid, axis=-1, keepdims=True), valid.shape))
