"""Fenchel-Young losses over classes, each defined by the conjugate of a convex function.

A convex function Ω on the simplex prefers some distributions; its conjugate Ω*(o) is the best of
<o, p> - Ω(p) over the distributions p, and the loss at a target t is what t falls short of it.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.derive import derive
from jaxloss.core.domains import Label, Scores, Simplex
from jaxloss.core.facts import Facts
from jaxloss.core.loss import Loss, loss, margin
from jaxloss.numerics import at_label, is_label, square_sum, weighted
from jaxloss.numerics.softmax import exceeding, lowest

Conjugate = Callable[[Array], Array]


def fenchel_young(conjugate: Conjugate) -> Loss[...]:
    """Make the Fenchel-Young loss of a convex function on the simplex, from its conjugate.

        Ω*(o) - <o, t>,   Ω*(o) = max_p <o, p> - Ω(p),   o = scores,   t = targets

    The gradient is p - t, with the p that attains the maximum: `softmax` for `logsumexp`. Ω(t),
    with which the loss would be 0 where p = t, does not depend on the scores and is left out; for
    the entropies of Shannon and Tsallis it is 0 at one-hot targets.

    Args:
        conjugate: Ω* as a function of one vector of scores, such as `jax.nn.logsumexp`; it is
            mapped over the batch. As Ω lives on the simplex, Ω*(o + c) = Ω*(o) + c for numbers c.

    Returns:
        A loss of `scores` and `targets`, probabilities or other weights >= 0, both of shape
        `[..., classes]`; the same object each time.

    Raises:
        ValueError: On the first call, if Ω*(o + c) = Ω*(o) + c does not hold.

    Use when the probabilities of a regulariser of your own are wanted, with the loss that fits.
    Avoid when the loss exists by name: its own form keeps more digits near a fit.

    Example:
        >>> import jax, jaxloss as jl
        >>> soft = jl.fenchel_young(jax.nn.logsumexp)
        >>> round(float(soft([0.0, 0.0, -9.0], [0.5, 0.5, 0.0])), 4)
        0.6932

    Limits:
        fenchel_young(logsumexp) is `softmax_cross_entropy`; fenchel_young(max) is
        `multiclass_perceptron` at one-hot targets; with Ω = ||p||² / 2 it is
        `multiclass_sparsemax` - 1/2 at one-hot targets.

    References:
        Blondel, Martins & Niculae (2020), Learning with Fenchel-Young losses, arXiv:1901.02324.
    """
    title = getattr(conjugate, "__name__", type(conjugate).__name__)
    best = jnp.vectorize(conjugate, signature="(classes)->()")

    def function(scores: Scores, targets: Simplex) -> Array:
        _require_shifts_to_pass(conjugate, title, scores)
        # The shift by the largest score costs nothing, and keeps the digits of huge scores.
        shifted = _shifted_scores(scores, 0)
        finite = jnp.maximum(shifted, lowest(shifted))  # of masked classes: Ω* may multiply by 0
        return jnp.sum(weighted(targets, best(finite)[..., None] - shifted), axis=-1)

    doc = f"""Fenchel-Young loss of the conjugate function `{title}`.

        Ω*(o) - <o, t>,   Ω* = {title},   o = scores,   t = targets

    Args:
        scores: One real score a class, shape `[..., classes]`.
        targets: Probabilities of the classes, shape `[..., classes]`; other weights >= 0 count as
            they are: the first term is then times their sum.

    Returns:
        One value per example, shape `[...]`.
    """
    facts = Facts(convex=True, strictly_convex=False, supremum=math.inf)
    return derive(fenchel_young, conjugate, function=function, doc=doc, facts=facts)


@margin(
    convex=True,
    strictly_convex=False,
    lipschitz=1.0,
    smooth=0.5,
    supremum=math.inf,
    calibrated=True,
    proper=True,
    elicits="class probability",
    link=lambda score: jnp.clip((1 + score) / 2, 0, 1),
)
def sparsemax(m: Array) -> Array:
    """Binary sparsemax loss: a counterpart of the logistic one, with probabilities of 0 and 1.

        0               where m >= 1,   m = sign * score
        (1 - m)² / 4    where -1 < m < 1
        -m              where m <= -1

    Args:
        m: Sign times score, shape `[...]`, a pure number.

    Returns:
        One value per element, shape `[...]`, a pure number.

    Use when probabilities of exactly 0 and 1 are wanted, and a bounded gradient.
    Avoid when small probabilities matter: beyond a score of 1 all are 0 or 1.

    Example:
        >>> import jaxloss as jl
        >>> jl.sparsemax([2.0, 0.0, -1.0, -3.0], [1, 1, 1, 1]).tolist()
        [0.0, 0.25, 1.0, 3.0]

    Limits:
        A quarter of `modified_huber`; `multiclass_sparsemax` of two classes is that of the
        difference of their scores; sparsemax(m) - sparsemax(-m) = -m.

    References:
        Blondel, Martins & Niculae (2020), Learning with Fenchel-Young losses, arXiv:1901.02324.
    """
    # With h = (1 - m)+ / 2 and i = min(h, 1) all three cases are i (2 h - i): h², or 2 h - 1 = -m.
    half = jnp.maximum(1 - m, 0) / 2
    inner = jnp.minimum(half, 1)
    return inner * (2 * half - inner)


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=math.sqrt(2),
    smooth=1.0,
    supremum=math.inf,
    calibrated=True,
)
def multiclass_sparsemax(scores: Scores, labels: Label) -> Array:
    """Sparsemax loss: a counterpart of cross-entropy whose probabilities reach 0 and 1.

        ||p - e_y||² / 2 + max(0, τ - o_y),   p_j = max(0, o_j - τ) with τ such that Σ_j p_j = 1
        o = scores,   y = label,   e_y = one-hot of y

    p is the distribution nearest to the scores, and p - e_y the gradient. Where the risk is
    least, p is the distribution of the labels.

    Args:
        scores: One real score a class, shape `[..., classes]`, a pure number.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, a pure number.

    Use when most classes should get probability 0, and examples that are right no gradient.
    Avoid when some labels are wrong: the score of a label of probability 0 keeps the derivative
        -1, however far it is from the others.

    Example:
        >>> import jaxloss as jl
        >>> jl.multiclass_sparsemax([[2.0, 1.0, 0.0], [0.5, 0.5, -1.0]], [0, 0]).tolist()
        [0.0, 0.25]

    Limits:
        0 exactly where the label leads all others by 1 or more. With two classes, `sparsemax` of
        the difference of the scores.

    References:
        Martins & Astudillo (2016), From softmax to sparsemax: a sparse model of attention and
        multi-label classification, arXiv:1602.02068.
    """
    shifted, threshold = _sparsemax_threshold(scores)
    one_hot = is_label(labels, scores).astype(scores.dtype)
    # p - e_y, as max(o - τ, 0) - e_y = max(o - e_y - τ, -e_y): p near 1 loses no digit of 1 - p.
    errors = jnp.maximum(shifted - one_hot - threshold, -one_hot)
    below = jnp.squeeze(threshold, axis=-1) - at_label(shifted, labels)
    return square_sum(errors) / 2 + jnp.maximum(below, 0)


@loss(
    convex=True,
    strictly_convex=False,
    lipschitz=math.sqrt(2),
    smooth=math.inf,
    supremum=math.inf,
    calibrated=False,
    proper=False,
)
def multiclass_perceptron(scores: Scores, labels: Label) -> Array:
    """Multiclass perceptron loss: the largest score minus that of the true class.

        max_j o_j - o_y,   o = scores,   y = label

    Args:
        scores: One real score a class, shape `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in the unit of the scores.

    Use when scores are kept from shrinking by other means, such as a structured prediction.
    Avoid when they are not: equal scores cost nothing, whatever the label.

    Example:
        >>> import jaxloss as jl
        >>> jl.multiclass_perceptron([[2.0, 1.5, 0.0], [2.0, 1.5, 0.0]], [0, 1]).tolist()
        [0.0, 0.5]

    Limits:
        `crammer_singer` as its margin → 0. With two classes, `perceptron` of the difference of
        the scores.

    References:
        Collins (2002), Discriminative training methods for hidden Markov models: theory and
        experiments with perceptron algorithms, doi:10.3115/1118693.1118694.
    """
    others = jnp.where(is_label(labels, scores), -jnp.inf, scores)
    return jnp.maximum(exceeding(jnp.max(others, axis=-1), at_label(scores, labels)), 0)


def _require_shifts_to_pass(conjugate: Conjugate, title: str, scores: Array) -> None:
    """Refuse what is no conjugate of a function on the simplex, while tracing."""
    with jax.ensure_compile_time_eval():
        high, low = (conjugate(jnp.full(scores.shape[-1], x, scores.dtype)) for x in (0, -1))
        passes = bool(jnp.all(jnp.abs(high - low - 1) < 1e-3))
    if not passes:
        raise ValueError(
            f"fenchel_young: `{title}` is no conjugate of a function on the simplex, for which "
            "Ω*(o + c) = Ω*(o) + c"
        )


def _sparsemax_threshold(scores: Array) -> tuple[Array, Array]:
    """The scores, shifted so that the largest is 1, and the threshold τ of these."""
    # A shift of all scores by c shifts τ by c and changes no p. With the largest at 1, τ lies in
    # [0, 1), so scores of 0 or less get no probability. From Σ_j (o_j - τ) = 1 over the support
    # follows τ = (Σ_j o_j - 1) / size: the 1 is the largest score, and is never added to the sum.
    is_top = is_label(jnp.argmax(scores, axis=-1), scores)
    shifted = _shifted_scores(scores, 1)
    # Which classes are in the support is constant in the derivative, as of any piecewise function.
    others = _supported(jax.lax.stop_gradient(shifted), ~is_top & (shifted > 0))
    return shifted, _threshold(shifted, others)


def _shifted_scores(scores: Array, largest: float) -> Array:
    """The scores, shifted so that the largest is the given number; of masked classes -inf."""
    is_top = is_label(jnp.argmax(scores, axis=-1), scores)
    top = jnp.sum(jnp.where(is_top, scores, 0), axis=-1, keepdims=True)
    gaps = scores - jnp.where(top == -jnp.inf, 0, top)  # -inf less -inf would be NaN
    return jnp.where(is_top & (scores > -jnp.inf), largest, largest + gaps)


def _threshold(shifted: Array, others: Array) -> Array:
    """The τ for which the probabilities of the top and of these other classes sum to 1."""
    total = jnp.sum(jnp.where(others, shifted, 0), axis=-1, keepdims=True)
    return total / (1 + jnp.sum(others, axis=-1, keepdims=True).astype(shifted.dtype))


def _supported(shifted: Array, others: Array) -> Array:
    """Those of these classes whose probability is positive."""
    # Classes at or below the threshold of a superset of the support are outside it, and without
    # them the threshold only rises: a fixed point is the support. Sorting, as in the paper, would
    # gather sharded classes on each device; sums do not.

    def drop(state: tuple[Array, Array]) -> tuple[Array, Array]:
        others, _ = state
        above = others & (shifted > _threshold(shifted, others))
        return above, jnp.any(above != others)

    support: Array = jax.lax.while_loop(lambda state: state[1], drop, (others, jnp.any(others)))[0]
    return support
