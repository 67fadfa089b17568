"""Losses of a regularised choice between classes, which a conjugate function defines.

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
from jaxloss.numerics import at_label, is_label, positive_part, square_sum, weighted
from jaxloss.numerics.softmax import exceeding, lowest

Conjugate = Callable[[Array], Array]


def fenchel_young(conjugate: Conjugate) -> Loss[...]:
    """Make a loss over classes of the conjugate of a convex function on the simplex.

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
        lags = _heights(scores, 0)
        finite = jnp.maximum(lags, lowest(lags))  # of a masked class, as Ω* may multiply with 0
        return jnp.sum(weighted(targets, best(finite)[..., None] - lags), axis=-1)

    doc = f"""What targets fall short of the best regularised choice, `{title}`.

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
    """The counterpart of the logistic loss whose probabilities reach 0 and 1.

        0               where m >= 1,   m = sign * score
        (1 - m)² / 4    where -1 < m < 1
        -m              where m <= -1

    Args:
        m: Sign times score, shape `[...]`, a pure number.

    Returns:
        One value per element, shape `[...]`, a pure number.

    Use when probabilities of exactly 0 and 1 are wanted, and a bounded gradient.
    Avoid when small probabilities are to be told apart: beyond a score of 1 all are the same.

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
    half = positive_part(1 - m) / 2
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
    """The counterpart of cross-entropy whose probabilities reach 0 and 1.

        ||p - e_y||² / 2 + max(0, τ - o_y),   p_j = max(0, o_j - τ) with τ such that Σ_j p_j = 1
        o = scores,   y = label,   e_y = one-hot of y

    p is the distribution nearest to the scores, and p - e_y the gradient. Where the risk is
    least, p is the distribution of the labels.

    Args:
        scores: One real score a class, shape `[..., classes]`, a pure number.
        labels: The true class, an integer in [0, classes), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, a pure number.

    Use when most classes are to get the probability 0, and examples that are right no gradient.
    Avoid when some labels are wrong: the class of probability 0 that they name costs no surprise,
        but its score has the slope -1 forever.

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
    heights, floor = _heights_and_floor(scores)
    one_hot = is_label(labels, scores).astype(scores.dtype)
    errors = jnp.maximum(heights - one_hot - floor, -one_hot)
    depth = jnp.squeeze(floor, axis=-1) - at_label(heights, labels)
    return square_sum(errors) / 2 + positive_part(depth)


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
    """By how much the largest score exceeds that of the true class.

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
    rivals = jnp.where(is_label(labels, scores), -jnp.inf, scores)
    return positive_part(exceeding(jnp.max(rivals, axis=-1), at_label(scores, labels)))


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


def _heights_and_floor(scores: Array) -> tuple[Array, Array]:
    """Scores above the largest less 1, and the τ there: no digit is lost of a small distance.

    Scores at height 0 or below get no probability. The largest, at height 1, takes part in no
    sum, from which the floor would have to be found by subtracting 1.
    """
    is_top = is_label(jnp.argmax(scores, axis=-1), scores)
    heights = _heights(scores, 1)
    rivals = _supported(jax.lax.stop_gradient(heights), ~is_top & (heights > 0))
    return heights, _floor(heights, rivals)


def _heights(scores: Array, top: float) -> Array:
    """Scores above the largest, at height `top`; of masked classes -inf."""
    is_top = is_label(jnp.argmax(scores, axis=-1), scores)
    largest = jnp.sum(jnp.where(is_top, scores, 0), axis=-1, keepdims=True)
    lags = scores - jnp.where(largest == -jnp.inf, 0, largest)
    return jnp.where(is_top & (scores > -jnp.inf), top, top + lags)


def _floor(heights: Array, rivals: Array) -> Array:
    """The τ above which the top and these rivals of it sum to 1."""
    total = jnp.sum(jnp.where(rivals, heights, 0), axis=-1, keepdims=True)
    return total / (1 + jnp.sum(rivals, axis=-1, keepdims=True).astype(heights.dtype))


def _supported(heights: Array, rivals: Array) -> Array:
    """Those rivals that stay above their own floor: it only rises as they drop out.

    Sums alone, so that classes may be sharded, where a sort would gather them.
    """

    def drop(state: tuple[Array, Array]) -> tuple[Array, Array]:
        rivals, _ = state
        kept = rivals & (heights > _floor(heights, rivals))
        return kept, jnp.any(kept != rivals)

    kept: Array = jax.lax.while_loop(lambda state: state[1], drop, (rivals, jnp.any(rivals)))[0]
    return kept
