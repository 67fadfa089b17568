"""Losses of a sequence of labels that is shorter than the input, and not aligned with it.

Alignments are paths through a lattice, with one class emitted in each frame. After k labels a path
is in the blank state k, or in the state of the label before it if that was emitted last. It stays,
goes on to the next state, or skips the blank between different labels; with any other class it ends
without a match. No class leads to two states, so the probabilities of the labels and of all other
sequences sum to 1: near 1, that of the labels has all its digits in the complement.

The forward algorithm runs in log space, where -inf alone is log 0: any number is the
log-probability of some alignment of large logits. -inf is kept out of products with 0 and of
differences, which would make NaN of it.
"""

import math
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import FrameCounts, FrameLogits, LabelCounts, NonNegative, SequenceLabels
from jaxloss.core.loss import loss
from jaxloss.kernels.chunking import ACCELERATORS, cond_on_some, scan_frames
from jaxloss.kernels.matmul import explicit_sharding
from jaxloss.numerics import at_label, is_label, log_softmax, quotient, reciprocal
from jaxloss.numerics.broadcasting import select

Pair = tuple[Array, Array]
Triple = tuple[Array, Array, Array]
Tree = TypeVar("Tree")
_PADDING = -1  # beyond the labels, in the place of a class: none has this index


class Lattice(NamedTuple):
    """The states of the forward-backward algorithm, and for how many frames it runs.

    Attributes:
        labels: The labels and one that no class has, shape `[..., labels + 1]`.
        label_count: How many labels there are, shape `[...]`.
        is_frame: Which frames there are, shape `[frames, ...]`.
    """

    labels: Array
    label_count: Array
    is_frame: Array

    @property
    def differs(self) -> Array:
        """Which labels differ from the one before, so that the blank between may be skipped."""
        return self.labels != _shifted(self.labels, 1, _PADDING)


@loss(convex=False, supremum=math.inf)
def ctc(
    logits: FrameLogits,
    frame_counts: FrameCounts,
    label_counts: LabelCounts,
    labels: SequenceLabels,
    *,
    infeasible: NonNegative = math.inf,
) -> Array:
    """CTC loss: negative log-likelihood of a sequence of labels, summed over its alignments.

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
    masked_logits = jnp.where(is_frame[..., None], logits, 0)  # first, as padding may be NaN
    log_p = log_softmax(masked_logits)
    symbols = _padded(jnp.where(is_used, labels, _PADDING), (0, 1, 0), _PADDING)
    lattice = Lattice(symbols, label_counts, jnp.moveaxis(is_frame, -1, 0))
    log_likelihood = _log_likelihood(_log_emitted(log_p, symbols), lattice)
    # Above 1/2, -log p is -log1p(-(1 - p)) with the complement 1 - p computed by itself: a sum of
    # logarithms has lost the digits of a likelihood near 1. On a CPU the second pass is run only
    # if needed; a GPU would wait for the host to know.
    likely = log_likelihood > -math.log(2)
    zeros = jnp.zeros_like(log_likelihood)
    complement: Array = cond_on_some(
        jnp.any(likely),
        _complement_probability,
        lambda *_: zeros,
        *(jnp.exp(log_p), lattice),
        but_on=ACCELERATORS,
    )
    nll = jnp.where(likely, -jnp.log1p(-jnp.where(likely, complement, 0)), -log_likelihood)
    return jnp.where(log_likelihood == -jnp.inf, infeasible, nll)


@jax.custom_jvp
def _log_likelihood(emitted: Pair, lattice: Lattice) -> Array:
    """Log-probability of the labels, from those of the blank and of each label in each frame."""
    return _forward(emitted, lattice)[0]


# The derivative in a log-probability is the posterior probability of its state in its frame, given
# the labels. By JAX's own rules the posteriors of a frame sum to 1 only up to the rounding of
# log-likelihoods, over many frames (see `_shares`). They are formed along with the value, so that
# the rule works in forward and reverse mode, and may be differentiated again.
@_log_likelihood.defjvp
def _log_likelihood_jvp(
    primals: tuple[Pair, Lattice], tangents: tuple[Pair, Lattice]
) -> tuple[Array, Array]:
    value, shares, end = _forward(*primals)
    at_blank, at_labels = _backward(shares, end, primals[1])
    blank_tangent, labels_tangent = tangents[0]
    tangent = jnp.sum(at_blank * blank_tangent, axis=0)
    return value, tangent + jnp.sum(at_labels * labels_tangent, (0, -1))


def _forward(emitted: Pair, lattice: Lattice) -> tuple[Array, tuple[Pair, Pair], Pair]:
    """Log-likelihood; for each frame and the end, the shares of the states that lead to each."""

    def step(before: Triple, frame: Triple) -> tuple[Triple, Pair]:
        (blank, label, scale), (log_blank, log_label, is_frame) = before, frame
        to_blank, to_label = _sources(blank, label, lattice)
        blanks = _log_add(*to_blank) + log_blank[..., None]
        labels = _log_add(*to_label) + log_label
        highest = jax.lax.stop_gradient(jnp.max(jnp.maximum(blanks, labels), axis=-1))
        top = jnp.where(highest == -jnp.inf, 0, highest)
        # Relative to the most probable state: small numbers keep their digits over many frames.
        relative = blanks - top[..., None], labels - top[..., None]
        return _where_frame(is_frame, (*relative, scale + top), before), (blank, label)

    impossible = jnp.full_like(lattice.labels, -jnp.inf, emitted[0].dtype)
    no_scale = jnp.zeros_like(lattice.label_count, impossible.dtype)
    start = jnp.where(_is_start(lattice), 0, impossible), impossible, no_scale
    (blank, label, scale), passed = scan_frames(step, start, (*emitted, lattice.is_frame))
    to_blank, to_label = (_shares(*pair) for pair in _sources(*passed, lattice))
    end = at_label(blank, lattice.label_count), at_label(_before(label), lattice.label_count)
    shares = tuple(_frame_shares(lattice.is_frame, pair) for pair in (to_blank, to_label))
    return scale + _log_add(*end), (shares[0], shares[1]), _shares(*end)


def _sources(blank: Array, label: Array, lattice: Lattice) -> tuple[Pair, Pair]:
    """Log-probabilities of the states that lead to each blank, and to each label.

    To a blank lead itself and the label before. To a label lead itself, and the blank before or, if
    the label before is another, also that.
    """
    to_blank = blank, _before(label)
    return to_blank, (label, jnp.where(lattice.differs, _log_add(*to_blank), blank))


def _backward(shares: tuple[Pair, Pair], end: Pair, lattice: Lattice) -> Pair:
    """Posterior probabilities of any blank, and of each label, in each frame, given the labels."""
    # From the end backwards, the posterior of each state is divided among those that lead to it, by
    # their shares: a product of probabilities, in which nothing cancels.
    differs = lattice.differs

    def step(after: Pair, shares: tuple[Pair, Pair]) -> tuple[Pair, Pair]:
        (at_blank, at_label), ((from_blank, from_label), (stayed, entered)) = after, shares
        entering = at_label * entered
        either = at_blank + jnp.where(differs, entering, 0)
        blank = either * from_blank + jnp.where(differs, 0, entering)
        label = at_label * stayed + _shifted(either * from_label, -1, 0)
        return (blank, label), (jnp.sum(at_blank, axis=-1), at_label)

    last = is_label(lattice.label_count, lattice.labels)
    at_blank, before = (jnp.where(last, share[..., None], 0) for share in end)
    start = at_blank, _shifted(before, -1, 0)
    posteriors: Pair = scan_frames(step, start, shares, reverse=True)[1]
    return posteriors


def _complement_probability(p: Array, lattice: Lattice) -> Array:
    """Probability of all other sequences: a sum of small numbers, where it is small."""
    is_own = _is_class(lattice.labels, p)
    is_blank = _is_class(jnp.zeros_like(lattice.labels), p)
    is_next = _is_class(_shifted(lattice.labels, -1, _PADDING), p)
    blank_p, label_p = _of_blank(p), _sum_classes(p, is_own)
    # The classes with which a path ends without a match, from a blank and from the label before it.
    wrong = _sum_classes(p, ~(is_own | is_blank)), _sum_classes(p, ~(is_own | is_blank | is_next))
    differs = lattice.differs

    def step(before: Triple, frame: tuple[Array, ...]) -> tuple[Triple, None]:
        (blank, label, ended), (p_blank, p_label, from_blank, from_label, is_frame) = before, frame
        ending = jnp.sum(blank * from_blank + label * from_label, axis=-1)
        either = blank + _shifted(label, 1, 0)
        entering = label + jnp.where(differs, either, blank)
        after = either * p_blank[..., None], entering * p_label, ended + ending
        return _where_frame(is_frame, after, before), None

    start = _is_start(lattice).astype(p.dtype)
    frames = (blank_p, label_p, *wrong, lattice.is_frame)
    none = jnp.zeros_like(lattice.label_count, p.dtype)
    (blank, label, ended), _ = scan_frames(step, (start, jnp.zeros_like(start), none), frames)
    # Paths that match so far, but have not reached the last label, are other sequences too.
    unfinished = ~is_label(lattice.label_count, lattice.labels)
    shorter = jnp.where(unfinished, blank + _shifted(label, 1, 0), 0)
    return ended + jnp.sum(shorter, axis=-1)


def _log_emitted(log_p: Array, symbols: Array) -> Pair:
    """Log-probabilities of the blank and of each label, frames first."""
    # No log-probability is positive: there 1 stands for log 0, which times 0 would be NaN.
    coded = jnp.where(log_p == -jnp.inf, 1, log_p)
    of_labels = _sum_classes(coded, _is_class(symbols, log_p))
    impossible = (symbols == _PADDING)[None] | (of_labels > 0)
    return _of_blank(log_p), jnp.where(impossible, -jnp.inf, of_labels)


def _of_blank(x: Array) -> Array:
    """The entry of the blank in each frame, frames first."""
    # With explicit sharding, classes may be on several devices, where a slice is refused.
    if explicit_sharding(x) is None:
        return jnp.moveaxis(x[..., 0], -1, 0)
    return jnp.moveaxis(at_label(x, jnp.zeros(x.shape[:-1], jnp.int32)), -1, 0)


def _sum_classes(x: Array, chosen: Array) -> Array:
    """Sum over the classes chosen for each label, in every frame, frames first.

    A contraction needs no gather over classes, which may be sharded, and holds no array of frames
    by labels by classes.
    """
    precision = jax.lax.Precision.HIGHEST
    return jnp.einsum("...tc,...sc->t...s", x, chosen.astype(x.dtype), precision=precision)


def _log_add(x: Array, y: Array) -> Array:
    """The log of exp x + exp y."""
    # Where both are -inf their difference would be NaN.
    larger, smaller = jnp.maximum(x, y), jnp.minimum(x, y)
    gap = jnp.where(larger == -jnp.inf, 0, smaller - larger)
    return larger + jnp.log1p(jnp.exp(gap))


def _shares(x: Array, y: Array) -> Pair:
    """The shares of exp x and of exp y in their sum: they sum to 1 also where x and y are large.

    The derivatives of `jnp.logaddexp` do so only to the rounding of its value, and frames are many.
    """
    gap = jnp.where((x == -jnp.inf) & (y == -jnp.inf), 0, x - y)
    ratio = jnp.exp(-jnp.abs(gap))
    more, less = reciprocal(1 + ratio), quotient(ratio, 1 + ratio)
    return jnp.where(x >= y, more, less), jnp.where(x >= y, less, more)


def _where_frame(is_frame: Array, after: Tree, before: Tree) -> Tree:
    """The states after the frame, where there is one; elsewhere those before."""
    chosen: Tree = jax.tree.map(lambda x, y: select(is_frame, x, y), after, before)
    return chosen


def _frame_shares(is_frame: Array, shares: Pair) -> Pair:
    """The shares, where there is a frame; elsewhere each state comes from itself alone."""
    return select(is_frame, shares[0], 1), select(is_frame, shares[1], 0)


def _is_start(lattice: Lattice) -> Array:
    """Whether a blank is the one before all labels."""
    return is_label(jnp.zeros_like(lattice.label_count), lattice.labels)


def _is_class(symbols: Array, like: Array) -> Array:
    """Boolean one-hot of each symbol, over as many classes as the last axis of `like` has."""
    shape = (*symbols.shape, like.shape[-1])
    return jax.lax.broadcasted_iota(symbols.dtype, shape, symbols.ndim) == symbols[..., None]


def _before(label: Array) -> Array:
    """For each blank, the log-probability of the label before."""
    return _shifted(label, 1, -jnp.inf)


def _shifted(x: Array, by: int, fill: float) -> Array:
    """Each entry `by` places further on along the last axis."""
    return _padded(x, (by, -by, 0), fill)


def _padded(x: Array, edges: tuple[int, int, int], fill: float) -> Array:
    return jax.lax.pad(x, jnp.asarray(fill, x.dtype), [(0, 0, 0)] * (x.ndim - 1) + [edges])


def _first(counts: Array, length: int) -> Array:
    """Which of `length` places along a new last axis are among the first `counts`."""
    shape = (*counts.shape, length)
    return jax.lax.broadcasted_iota(counts.dtype, shape, counts.ndim) < counts[..., None]
