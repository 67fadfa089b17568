"""`optax.losses` of sequences of labels that are not aligned with the input."""

import functools

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.losses.sequence import ctc
from jaxloss.numerics import as_array, computing_dtype, log_softmax
from jaxloss.numerics.broadcasting import select

State = tuple[Array, Array]


def ctc_loss(
    logits: ArrayLike,
    logit_paddings: ArrayLike,
    labels: ArrayLike,
    label_paddings: ArrayLike,
    *,
    blank_id: int = 0,
    log_epsilon: ArrayLike = -1e5,
) -> Array:
    """`jaxloss.ctc`: where no alignment exists -log_epsilon, with gradient 0; a blank label is NaN.

    Padded frames may hold anything, and stand anywhere.
    """
    frames, is_frame = as_array(logits), as_array(logit_paddings) == 0
    # Frames that are not padded come first, in their order, as `jaxloss.ctc` takes lengths.
    first = jnp.argsort(~is_frame, axis=-1, stable=True)
    indexes, is_label = as_array(labels), as_array(label_paddings) == 0
    classes = frames.shape[-1]
    is_class = (indexes >= 0) & (indexes < classes)
    return ctc.ctc(
        jnp.roll(jnp.take_along_axis(frames, first[..., None], axis=-2), -blank_id, axis=-1),
        jnp.sum(is_frame, axis=-1, dtype=jnp.int32),
        jnp.sum(is_label, axis=-1, dtype=jnp.int32),
        jnp.where(is_class, (indexes - blank_id) % classes, -1),
        infeasible=jnp.negative(log_epsilon),
    )


def ctc_loss_with_forward_probs(
    logits: ArrayLike,
    logit_paddings: ArrayLike,
    labels: ArrayLike,
    label_paddings: ArrayLike,
    *,
    blank_id: int = 0,
    log_epsilon: ArrayLike = -1e5,
) -> tuple[Array, Array, Array]:
    """`ctc_loss`, with the log-probabilities of each blank and each label at each frame.

    At the last frame, the entry of a blank includes the label before it: the alignment may end in
    either.
    """
    loss = ctc_loss(
        logits, logit_paddings, labels, label_paddings, blank_id=blank_id, log_epsilon=log_epsilon
    )
    frames, is_frame = as_array(logits), as_array(logit_paddings) == 0
    # Zeros in padded frames, which may hold NaN.
    logits_of_frames = jnp.where(is_frame[..., None], frames.astype(computing_dtype(frames)), 0)
    indexes, classes = as_array(labels), frames.shape[-1]
    nearest = jnp.clip(indexes, 0, classes - 1)
    is_wrong = (as_array(label_paddings) == 0) & (indexes != nearest)
    symbols = jnp.where(is_wrong, classes, nearest)  # what lies beyond the classes is filled by NaN
    lowest = jnp.asarray(log_epsilon, logits_of_frames.dtype)
    log_p = jnp.maximum(log_softmax(logits_of_frames), lowest)
    return loss, *_forward(log_p, is_frame, symbols, blank_id, log_epsilon)


def _forward(
    log_p: Array, is_frame: Array, symbols: Array, blank_id: int, log_zero: ArrayLike
) -> State:
    """The forward recursion of CTC: log-probabilities of blanks and labels, frames first."""
    # A label equal to the one before can only be entered from the blank between them.
    repeats = symbols[..., 1:] == symbols[..., :-1]
    fresh = jnp.concatenate([jnp.ones_like(symbols[..., :1], bool), ~repeats], axis=-1)
    start = jnp.full((*symbols.shape[:-1], symbols.shape[-1] + 1), log_zero, log_p.dtype)

    def step(before: State, frame: tuple[Array, Array, Array]) -> tuple[State, State]:
        (blank, label), (log_blank, log_label, counts) = before, frame
        either = _either(blank, label)
        entered = jnp.where(fresh, either[..., :-1], blank[..., :-1])
        after = either + log_blank[..., None], jnp.logaddexp(label, entered) + log_label
        kept = jax.tree.map(functools.partial(select, counts), after, before)
        return kept, kept

    of_labels = jnp.take_along_axis(log_p, symbols[..., None, :], axis=-1)
    frames = (
        jnp.moveaxis(log_p[..., blank_id], -1, 0),
        jnp.moveaxis(of_labels, -2, 0),
        jnp.moveaxis(is_frame, -1, 0),
    )
    (blank, label), (blanks, labels) = jax.lax.scan(
        step, (start.at[..., 0].set(0), start[..., 1:]), frames
    )
    return blanks.at[-1].set(_either(blank, label)), labels


def _either(blank: Array, label: Array) -> Array:
    """Log-probability of a prefix of the labels, whether or not a blank follows its last one."""
    return blank.at[..., 1:].set(jnp.logaddexp(blank[..., 1:], label))
