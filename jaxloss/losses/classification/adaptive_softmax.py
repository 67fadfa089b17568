"""Adaptive softmax over a large vocabulary: frequent labels in a head, rare ones in clusters."""

import dataclasses
import itertools
import operator
import typing
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from jaxloss.core.derive import derive
from jaxloss.core.domains import ArrayDomain, Logits, WholeDomain
from jaxloss.core.loss import Loss
from jaxloss.core.signature import Signature
from jaxloss.numerics import log_odds_against
from jaxloss.numerics.logistic import softplus


def adaptive_softmax(cutoffs: Sequence[int]) -> Loss[...]:
    """Make cross-entropy over a large vocabulary whose rare labels are in clusters.

        -log h_y                     for y < c_1,   y = label,   c = cutoffs
        -log h_k - log q_k(y - c_i)  for c_i <= y < c_(i+1),   k = c_1 + i - 1
        h = softmax(head logits),   q_k = softmax(logits of the tail i)

    The head has an entry for each frequent label and then one for each cluster. Number the labels
    by falling frequency. PyTorch's cutoffs leave out the last, the vocabulary's size.

    Args:
        cutoffs: Where the clusters begin, and last the size of the vocabulary: increasing numbers
            >= 1. With (2, 5, 9) the labels 0 and 1 are in the head, 2 to 4 in the first tail, 5 to
            8 in the second.

    Returns:
        A loss of the logits of the head, shape `[..., frequent + clusters]`, of each tail, shape
        `[..., size]`, and of integer `labels`, shape `[...]`; the same object each time. A tail
        without the label has no gradient, but NaN in it is not hidden.

    Raises:
        TypeError: A cutoff is not an integer.
        ValueError: There is no cutoff, the first is below 1, or they do not increase.

    Use when the vocabulary is large and Zipf's law holds: the rarer a cluster is, the fewer
        features its logits need.
    Avoid when the logits themselves are what costs: under `jit` the labels are not known, so
        every tail is computed for every example.

    Example:
        >>> import jaxloss as jl
        >>> loss = jl.adaptive_softmax((1, 3))
        >>> round(float(loss([0.0, 0.0], [0.0, 0.0], 2)), 4)
        1.3863

    Limits:
        adaptive_softmax((n,)) is `softmax_cross_entropy_with_integer_labels` over n classes. The
        exp of minus the loss, summed over all labels, is 1.

    References:
        Grave, Joulin, Cissé, Grangier & Jégou (2017), Efficient softmax approximation for GPUs,
        arXiv:1609.04309.
    """
    ends = tuple(map(operator.index, cutoffs))
    if not ends or any(low >= high for low, high in itertools.pairwise((0, *ends))):
        raise ValueError(f"adaptive_softmax: `cutoffs` increase from 1 or more on, got {cutoffs}")

    def function(head_logits: Array, *tails_and_labels: Array) -> Array:
        *tails, labels = tails_and_labels
        entry = labels
        value = jnp.zeros(labels.shape, head_logits.dtype)
        for i, (low, high) in enumerate(itertools.pairwise(ends)):
            in_cluster = (labels >= low) & (labels < high)
            entry = jnp.where(in_cluster, ends[0] + i, entry)
            # Every tail is evaluated for every example. Where the label is elsewhere its logits
            # are 0 before the softmax: chosen only afterwards, 0 * inf from the branch that is
            # dropped would make the gradient NaN. NaN in a tail passes both, and is never lost.
            tail = jnp.where(in_cluster[..., None] | jnp.isnan(tails[i]), tails[i], 0)
            nll = _negative_log_likelihood(tail, jnp.where(in_cluster, labels - low, 0))
            value += jnp.where(in_cluster | jnp.isnan(nll), nll, 0)
        return value + _negative_log_likelihood(head_logits, entry)

    doc = f"""Cross-entropy over {ends[-1]} labels, the rare ones in clusters.

        -log h_y, or -log h_k - log q_k(y) where y is in the cluster k,   y = label,
        h = softmax(head logits),   q_k = softmax(logits of the tail)

    Args:
        head_logits: Unnormalised log-probabilities of the first {ends[0]} labels, then of the
            clusters, -inf for masked ones.
        *tail_logits: For each cluster, unnormalised log-probabilities of its labels.
        labels: The true label, an integer in [0, {ends[-1]}), shape `[...]`.

    Returns:
        One value per example, shape `[...]`, in nats.
    """
    signature = Signature("adaptive_softmax", _arrays(ends), {})
    return derive(adaptive_softmax, ends, function=function, doc=doc, signature=signature)


def _arrays(cutoffs: tuple[int, ...]) -> dict[str, ArrayDomain]:
    """The domains of the arrays, by the names of the arguments."""
    _, logits = typing.get_args(Logits)
    sizes = [high - low for low, high in itertools.pairwise(cutoffs)]
    tails = {f"tail_{i}_logits": size for i, size in enumerate(sizes, 1)}
    widths = {"head_logits": cutoffs[0] + len(sizes)} | tails
    says = f"integers in [0, {cutoffs[-1]})"
    labels = WholeDomain("VocabularyLabel", says, low=0, high=cutoffs[-1] - 1)
    heads = {name: dataclasses.replace(logits, axes=(width,)) for name, width in widths.items()}
    return heads | {"labels": labels}


def _negative_log_likelihood(logits: Array, labels: Array) -> Array:
    return softplus(log_odds_against(logits, labels))
