"""Losses of a sequence of labels that is shorter than the input, and not aligned with it.

All is in log space, frame by frame, with a finite stand-in for log 0, so that neither a product
with 0 nor a difference makes NaN of it.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.nn import softplus

from jaxloss.contract import loss
from jaxloss.domains import FrameCounts, FrameLogits, LabelCounts, NonNegative, SequenceLabels
from jaxloss.masking import select
from jaxloss.numerics import log_softmax, poison

State = tuple[Array, Array, Array]
Frame = tuple[Array, Array, Array]
_LOG_ZERO = -1e30
_PADDING = -1  # beyond the labels, in the place of a class: none has this index


@loss(convex=False, supremum=math.inf)
def ctc(
    logits: FrameLogits,
    frame_counts: FrameCounts,
    label_counts: LabelCounts,
    labels: SequenceLabels,
    *,
    infeasible: NonNegative = math.inf,
) -> Array:
    """Surprise at a sequence of labels, however it may be spread over the frames.

        -log Σ_a Π_t p_t(a_t),   p_t = softmax(logits_t),   t = 1 ... frame count

    The sum is over the alignments a, a class for each frame, that turn into the labels when
    neighbours of one class are merged and then blanks are taken out. The blank is class 0. For
    PyTorch's `blank=b` or optax's `blank_id=b` give `jnp.roll(logits, -b, axis=-1)` and
    `(labels - b) % classes`; where the blank is last, these are `jnp.roll(logits, 1, axis=-1)` and
    `labels + 1`.

    Args:
        logits: Unnormalised log-probabilities, -inf for masked classes, shape
            `[..., frames, classes]`. Frames beyond the count may hold anything, NaN too.
        frame_counts: How many frames there are, an integer in [0, frames], shape `[...]`.
        label_counts: How many labels there are, an integer in [0, max_labels], shape `[...]`.
        labels: The labels, integers in [1, classes), shape `[..., max_labels]`. Those beyond the
            count may be anything.
        infeasible: The value, >= 0, where no alignment exists, as with more labels than frames;
            the gradient is 0 there. PyTorch's `zero_infinity=True` is 0.

    Returns:
        One value per sequence, shape `[...]`, in nats: not divided by the number of labels.

    Use when the order of the labels is known but not their times: speech, handwriting, gestures.
    Avoid when labels can outnumber the frames, or a label depends on those before it: given the
        input, frames are independent here.

    Example:
        >>> import jaxloss as jl
        >>> logits = [[0.0, 0.0], [0.0, 0.0]]
        >>> round(float(jl.ctc(logits, 2, 1, [1])), 4)
        0.2877

    Limits:
        With one frame and one label, and with any number of frames and none, the sum over frames
        of `softmax_cross_entropy_with_integer_labels`. With no frame, 0 for no label and
        `infeasible` for any.

    References:
        Graves, Fernández, Gomez & Schmidhuber (2006), Connectionist temporal classification:
        labelling unsegmented sequence data with recurrent neural networks,
        doi:10.1145/1143844.1143891.
    """
    is_frame = _first(frame_counts, logits.shape[-2])
    is_used = _first(label_counts, labels.shape[-1])
    is_class = (labels >= 1) & (labels < logits.shape[-1])
    valid = jnp.all(is_class | ~is_used, axis=-1)
    valid &= (frame_counts <= logits.shape[-2]) & (label_counts <= labels.shape[-1])
    heard = jnp.where(is_frame[..., None], poison(logits, valid), 0)  # first, as padding may be NaN
    symbols = _with_blanks(jnp.where(is_used, labels, _PADDING))
    log_likelihood, miss = _read(log_softmax(heard), is_frame, symbols, label_counts)
    sure = log_likelihood > -math.log(2)
    surprise = jnp.where(sure, -jnp.log1p(-jnp.where(sure, miss, 0)), -log_likelihood)
    return poison(jnp.where(log_likelihood < _LOG_ZERO / 2, infeasible, surprise), valid)


def _read(
    log_probabilities: Array, is_frame: Array, symbols: Array, label_counts: Array
) -> tuple[Array, Array]:
    """Log-probability of the labels, and the probability of all else.

    An automaton with a state for each symbol reads one class a frame. It stays, goes on by one,
    or leaves out a blank between different labels; any other class is a miss. No class leads to
    two states, so hit and miss sum to 1: near 1, a hit has all its digits in the miss.
    """
    emitted, missed = _by_state(jnp.maximum(log_probabilities, _LOG_ZERO), symbols)
    skips = symbols != _moved(symbols, 2)

    def step(before: State, frame: Frame) -> tuple[State, None]:
        log_alpha, scale, miss = before
        emitted, missed, is_frame = frame
        arrived = _log_add(log_alpha, _moved(log_alpha, 1, _LOG_ZERO))
        skipped = jnp.where(skips, _moved(log_alpha, 2, _LOG_ZERO), _LOG_ZERO)
        arrived = _log_add(arrived, skipped) + emitted
        top = jax.lax.stop_gradient(jnp.max(arrived, axis=-1))  # small numbers keep their digits
        lost = jnp.sum(jnp.exp(log_alpha + scale[..., None]) * missed, axis=-1)
        after = (arrived - top[..., None], scale + top, miss + lost)
        return jax.tree.map(functools.partial(select, is_frame), after, before), None

    none = jnp.zeros_like(label_counts, emitted.dtype)
    start = _padded(none[..., None], (0, symbols.shape[-1] - 1, 0), _LOG_ZERO)  # after a blank
    frames = (
        jnp.moveaxis(emitted, -2, 0),
        jnp.moveaxis(missed, -2, 0),
        jnp.moveaxis(is_frame, -1, 0),
    )
    (log_alpha, scale, miss), _ = jax.lax.scan(step, (start, none, none), frames)
    state = jax.lax.broadcasted_iota(label_counts.dtype, symbols.shape, symbols.ndim - 1)
    last = 2 * label_counts[..., None]
    is_final = (state == last) | (state == last - 1)
    found = jax.nn.logsumexp(jnp.where(is_final, log_alpha, _LOG_ZERO), axis=-1)
    unfinished = jnp.where(is_final, 0, jnp.exp(log_alpha + scale[..., None]))
    return scale + found, miss + jnp.sum(unfinished, axis=-1)


def _by_state(log_p: Array, symbols: Array) -> tuple[Array, Array]:
    """In each frame, the log-probability of each state's symbol, and the probability to miss."""
    own, after, next_label = (_is_class(_moved(symbols, -by), log_p) for by in range(3))
    emitted = jnp.where(symbols[..., None, :] == _PADDING, _LOG_ZERO, _of_states(log_p, own))
    return emitted, _of_states(jnp.exp(log_p), ~(own | after | next_label))


def _of_states(x: Array, chosen: Array) -> Array:
    """Sum over the classes chosen for each state, in every frame.

    A contraction needs no gather over classes, which may be sharded, and holds no array of frames
    by states by classes.
    """
    precision = jax.lax.Precision.HIGHEST
    return jnp.einsum("...tc,...sc->...ts", x, chosen.astype(x.dtype), precision=precision)


def _log_add(x: Array, y: Array) -> Array:
    """log(exp x + exp y), whose two slopes sum to 1 also where `x` and `y` are large.

    Those of `jnp.logaddexp` do so only to the rounding of its value, and frames are many.
    """
    larger, smaller = jnp.where(x >= y, x, y), jnp.where(x >= y, y, x)
    return larger + softplus(smaller - larger)


def _with_blanks(labels: Array) -> Array:
    """A blank before, between and after the labels."""
    one_more = _padded(labels, (1, 0, 0), 0)  # than none, as between none is no place for a blank
    return _padded(one_more, (-1, 1, 1), 0)


def _is_class(symbols: Array, like: Array) -> Array:
    """Boolean one-hot of each symbol, over as many classes as the last axis of `like` has."""
    shape = (*symbols.shape, like.shape[-1])
    return jax.lax.broadcasted_iota(symbols.dtype, shape, symbols.ndim) == symbols[..., None]


def _moved(x: Array, by: int, fill: float = _PADDING) -> Array:
    """Each entry `by` places further on along the last axis."""
    return _padded(x, (by, -by, 0), fill)


def _padded(x: Array, edges: tuple[int, int, int], fill: float) -> Array:
    return jax.lax.pad(x, jnp.asarray(fill, x.dtype), [(0, 0, 0)] * (x.ndim - 1) + [edges])


def _first(counts: Array, length: int) -> Array:
    """Which of `length` places along a new last axis are among the first `counts`."""
    shape = (*counts.shape, length)
    return jax.lax.broadcasted_iota(counts.dtype, shape, counts.ndim) < counts[..., None]
