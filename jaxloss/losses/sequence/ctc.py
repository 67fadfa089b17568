"""Losses of a sequence of labels that is shorter than the input, and not aligned with it.

An automaton reads one class a frame. After k labels it is at its blank k, or at the label before it
if that is what it read last. It stays, goes on to the next of these, or leaves out the blank
between different labels; any other class is a miss. No class leads to two places, so hit and miss
sum to 1: near 1, a hit has all its digits in the miss.

The hit is read in log space, where -inf alone is log 0: any number is the log-probability of some
alignment of large logits. Products with 0 and differences never see it, as they would make NaN.
"""

import math
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import FrameCounts, FrameLogits, LabelCounts, NonNegative, SequenceLabels
from jaxloss.core.loss import loss
from jaxloss.kernels.matmul import explicit_sharding
from jaxloss.numerics import at_label, is_label, log_softmax, quotient, reciprocal
from jaxloss.numerics.broadcasting import select

Pair = tuple[Array, Array]
Triple = tuple[Array, Array, Array]
Tree = TypeVar("Tree")
_PADDING = -1  # beyond the labels, in the place of a class: none has this index


class Text(NamedTuple):
    """What the automaton reads, and for how long.

    Attributes:
        labels: The labels and one that no class has, shape `[..., labels + 1]`.
        label_count: How many labels there are, shape `[...]`.
        is_frame: Which frames there are, shape `[frames, ...]`.
    """

    labels: Array
    label_count: Array
    is_frame: Array

    @property
    def fresh(self) -> Array:
        """Which labels differ from the one before."""
        return self.labels != _moved(self.labels, 1, _PADDING)


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
    heard = jnp.where(is_frame[..., None], logits, 0)  # first, as padding may be NaN
    log_p = log_softmax(heard)
    symbols = _padded(jnp.where(is_used, labels, _PADDING), (0, 1, 0), _PADDING)
    text = Text(symbols, label_counts, jnp.moveaxis(is_frame, -1, 0))
    log_likelihood = _log_likelihood(_log_emitted(log_p, symbols), text)
    sure = log_likelihood > -math.log(2)
    nothing = jnp.zeros_like(log_likelihood)
    miss = jax.lax.cond(jnp.any(sure), _miss, lambda *_: nothing, jnp.exp(log_p), text)
    surprise = jnp.where(sure, -jnp.log1p(-jnp.where(sure, miss, 0)), -log_likelihood)
    return jnp.where(log_likelihood == -jnp.inf, infeasible, surprise)


@jax.custom_jvp
def _log_likelihood(emitted: Pair, text: Text) -> Array:
    """Log-probability of the labels, from those of the blank and of each label in each frame."""
    return _read(emitted, text)[0]


@_log_likelihood.defjvp
def _log_likelihood_and_change(
    given: tuple[Pair, Text], changes: tuple[Pair, Text]
) -> tuple[Array, Array]:
    """The slopes are the probabilities to have been at each place, given that all was a hit.

    They are formed along with the value, in either mode, and may be differentiated again.
    """
    value, shares, end = _read(*given)
    at_blank, at_labels = _read_back(shares, end, given[1])
    by_blank, by_labels = changes[0]
    return value, jnp.sum(at_blank * by_blank, axis=0) + jnp.sum(at_labels * by_labels, (0, -1))


def _read(emitted: Pair, text: Text) -> tuple[Array, tuple[Pair, Pair], Pair]:
    """Log-likelihood; for each frame and for the end, how much came from where."""

    def step(before: Triple, frame: Triple) -> tuple[Triple, Pair]:
        (blank, label, scale), (log_blank, log_label, is_frame) = before, frame
        to_blank, to_label = _sources(blank, label, text)
        blanks = _log_add(*to_blank) + log_blank[..., None]
        labels = _log_add(*to_label) + log_label
        highest = jax.lax.stop_gradient(jnp.max(jnp.maximum(blanks, labels), axis=-1))
        top = jnp.where(highest == -jnp.inf, 0, highest)
        small = blanks - top[..., None], labels - top[..., None]  # small numbers keep their digits
        return _chosen(is_frame, (*small, scale + top), before), (blank, label)

    none = jnp.full_like(text.labels, -jnp.inf, emitted[0].dtype)
    start = jnp.where(_is_start(text), 0, none), none, jnp.zeros_like(text.label_count, none.dtype)
    (blank, label, scale), passed = jax.lax.scan(step, start, (*emitted, text.is_frame))
    to_blank, to_label = (_shares(*pair) for pair in _sources(*passed, text))
    end = at_label(blank, text.label_count), at_label(_before(label), text.label_count)
    shares = _shared(text.is_frame, to_blank), _shared(text.is_frame, to_label)
    return scale + _log_add(*end), shares, _shares(*end)


def _sources(blank: Array, label: Array, text: Text) -> tuple[Pair, Pair]:
    """Log-probabilities of what leads on to each blank, and to each label.

    To a blank lead it and the label before; to a label lead it and what is new there.
    """
    to_blank = blank, _before(label)
    return to_blank, (label, jnp.where(text.fresh, _log_add(*to_blank), blank))


def _read_back(shares: tuple[Pair, Pair], end: Pair, text: Text) -> Pair:
    """Probabilities that the frame was read at a blank, and at each label, given a hit."""
    fresh = text.fresh

    def step(after: Pair, shares: tuple[Pair, Pair]) -> tuple[Pair, Pair]:
        (at_blank, at_label), ((stayed, came), (kept, new)) = after, shares
        entered = at_label * new
        either = at_blank + jnp.where(fresh, entered, 0)
        blank = either * stayed + jnp.where(fresh, 0, entered)
        label = at_label * kept + _moved(either * came, -1, 0)
        return (blank, label), (jnp.sum(at_blank, axis=-1), at_label)

    last = is_label(text.label_count, text.labels)
    at_blank, before = (jnp.where(last, share[..., None], 0) for share in end)
    visits: Pair = jax.lax.scan(step, (at_blank, _moved(before, -1, 0)), shares, reverse=True)[1]
    return visits


def _miss(p: Array, text: Text) -> Array:
    """Probability to read anything else: a sum of small numbers, where it is small."""
    own, blank = _is_class(text.labels, p), _is_class(jnp.zeros_like(text.labels), p)
    following = _is_class(_moved(text.labels, -1, _PADDING), p)
    by_blank, by_label = _of_blank(p), _summed(p, own)
    missed = _summed(p, ~(own | blank)), _summed(p, ~(own | blank | following))
    fresh = text.fresh

    def step(before: Triple, frame: tuple[Array, ...]) -> tuple[Triple, None]:
        (blank, label, miss), (p_blank, p_label, of_blank, of_label, is_frame) = before, frame
        lost = jnp.sum(blank * of_blank + label * of_label, axis=-1)
        either = blank + _moved(label, 1, 0)
        arrived = label + jnp.where(fresh, either, blank)
        read = either * p_blank[..., None], arrived * p_label, miss + lost
        return _chosen(is_frame, read, before), None

    start = _is_start(text).astype(p.dtype)
    frames = (by_blank, by_label, *missed, text.is_frame)
    none = jnp.zeros_like(text.label_count, p.dtype)
    (blank, label, miss), _ = jax.lax.scan(step, (start, jnp.zeros_like(start), none), frames)
    unfinished = ~is_label(text.label_count, text.labels)
    lost = jnp.where(unfinished, blank + _moved(label, 1, 0), 0)
    return miss + jnp.sum(lost, axis=-1)


def _log_emitted(log_p: Array, symbols: Array) -> Pair:
    """Log-probabilities of the blank and of each label, frames first."""
    # No log-probability is positive: there 1 stands for log 0, which times 0 would be NaN.
    coded = jnp.where(log_p == -jnp.inf, 1, log_p)
    of_labels = _summed(coded, _is_class(symbols, log_p))
    impossible = (symbols == _PADDING)[None] | (of_labels > 0)
    return _of_blank(log_p), jnp.where(impossible, -jnp.inf, of_labels)


def _of_blank(x: Array) -> Array:
    """What is given to the blank in each frame, frames first; by a sum where no slice can be."""
    if explicit_sharding(x) is None:
        return jnp.moveaxis(x[..., 0], -1, 0)
    return jnp.moveaxis(at_label(x, jnp.zeros(x.shape[:-1], jnp.int32)), -1, 0)


def _summed(x: Array, chosen: Array) -> Array:
    """Sum over the classes chosen for each label, in every frame, frames first.

    A contraction needs no gather over classes, which may be sharded, and holds no array of frames
    by labels by classes.
    """
    precision = jax.lax.Precision.HIGHEST
    return jnp.einsum("...tc,...sc->t...s", x, chosen.astype(x.dtype), precision=precision)


def _log_add(x: Array, y: Array) -> Array:
    """The log of exp x + exp y."""
    larger, smaller = jnp.maximum(x, y), jnp.minimum(x, y)
    gap = jnp.where(larger == -jnp.inf, 0, smaller - larger)
    return larger + jnp.log1p(jnp.exp(gap))


def _shares(x: Array, y: Array) -> Pair:
    """The shares of exp x and of exp y in their sum: they sum to 1 also where x and y are large.

    The slopes of `jnp.logaddexp` do so only to the rounding of its value, and frames are many.
    """
    gap = jnp.where((x == -jnp.inf) & (y == -jnp.inf), 0, x - y)
    ratio = jnp.exp(-jnp.abs(gap))
    more, less = reciprocal(1 + ratio), quotient(ratio, 1 + ratio)
    return jnp.where(x >= y, more, less), jnp.where(x >= y, less, more)


def _chosen(is_frame: Array, read: Tree, unread: Tree) -> Tree:
    """What follows from the frame, where it is one; elsewhere all stays as it was."""
    chosen: Tree = jax.tree.map(lambda x, y: select(is_frame, x, y), read, unread)
    return chosen


def _shared(is_frame: Array, shares: Pair) -> Pair:
    """The shares, where there is a frame; elsewhere nothing comes from any other place."""
    return select(is_frame, shares[0], 1), select(is_frame, shares[1], 0)


def _is_start(text: Text) -> Array:
    """The blank before all labels."""
    return is_label(jnp.zeros_like(text.label_count), text.labels)


def _is_class(symbols: Array, like: Array) -> Array:
    """Boolean one-hot of each symbol, over as many classes as the last axis of `like` has."""
    shape = (*symbols.shape, like.shape[-1])
    return jax.lax.broadcasted_iota(symbols.dtype, shape, symbols.ndim) == symbols[..., None]


def _before(label: Array) -> Array:
    """For each blank, the log-probability of the label before."""
    return _moved(label, 1, -jnp.inf)


def _moved(x: Array, by: int, fill: float) -> Array:
    """Each entry `by` places further on along the last axis."""
    return _padded(x, (by, -by, 0), fill)


def _padded(x: Array, edges: tuple[int, int, int], fill: float) -> Array:
    return jax.lax.pad(x, jnp.asarray(fill, x.dtype), [(0, 0, 0)] * (x.ndim - 1) + [edges])


def _first(counts: Array, length: int) -> Array:
    """Which of `length` places along a new last axis are among the first `counts`."""
    shape = (*counts.shape, length)
    return jax.lax.broadcasted_iota(counts.dtype, shape, counts.ndim) < counts[..., None]
