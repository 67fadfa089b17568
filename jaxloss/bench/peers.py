"""Which call of another library computes a loss: the table of peers, and rows for speed alone.

The names in a peer's call stand for the arrays of ours by position; what only the peer wants, such
as a mask of padding, is made of them beforehand.
"""

import ast
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from jaxloss.bench.cases import HEAD, LABELLED
from jaxloss.peers import PEERS
from jaxloss.peers.peer import Peer

_optax, _keras, _torch = (partial(Peer, library) for library in ("optax", "keras", "torch"))
_tokamax, _plain = partial(Peer, "tokamax"), partial(Peer, "plain")

Setting = tuple[tuple[str, Any], ...]  # hyper-parameters of ours, by name

# They precede those of `jaxloss.peers`: of a library's calls of one loss, the first is measured.
ROWS = (
    _torch("cross_entropy(logits, labels)", f"{LABELLED}(logits, labels)"),
    _torch("cross_entropy(logits, distribution)", "softmax_cross_entropy(logits, distribution)"),
    _keras(
        "categorical_crossentropy(distribution, logits, from_logits=True)",
        "softmax_cross_entropy(logits, distribution)",
    ),
    _torch(
        "binary_cross_entropy_with_logits(logits, binary_labels)",
        "sigmoid_binary_cross_entropy(logits, binary_labels)",
    ),
    _keras(
        "binary_crossentropy(binary_labels, logits, from_logits=True)",
        "sigmoid_binary_cross_entropy(logits, binary_labels)",
    ),
    _keras(
        "binary_focal_crossentropy(binary_labels, logits, apply_class_balancing=True, "
        "from_logits=True)",
        "sigmoid_focal(logits, binary_labels, alpha=0.25, gamma=2.0)",
    ),
    _torch("(1 - scores * signs).clamp(min=0)", "hinge(scores, signs)"),
    _torch("poisson_nll_loss(rates, counts, log_input=False)", "poisson_nll(rates, counts)"),
    _torch(
        "kl_div(log_probabilities, distribution, reduction='batchmean')",
        "kl_divergence(log_probabilities, distribution)",
    ),
    _torch(
        "ctc_loss(torch.log_softmax(logits, -1).transpose(0, 1), spelled, frames, letters, "
        "reduction='none')",
        "ctc(logits, frames, letters, spelled)",
    ),
    _torch("ssim(images, targets)", "ssim(images, targets)"),
    _optax(f"{LABELLED}(hidden @ weight, labels)", f"{HEAD}(hidden, weight, bias, labels)"),
    _torch(
        "linear_cross_entropy(hidden, weight.T, labels, "
        "options=torch.nn.LinearCrossEntropyOptions())",
        f"{HEAD}(hidden, weight, bias, labels)",
    ),
    _tokamax(
        "linear_softmax_cross_entropy_loss(hidden, labels, weight, reduction='mean')",
        f"{HEAD}(hidden, weight, bias, labels)",
    ),
    _optax(
        "softmax_cross_entropy(logits, "
        "smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), 0.1))",
        f"{LABELLED}(logits, labels, label_smoothing=0.1)",
    ),
    _optax(
        f"{LABELLED}(logits, labels) + 1e-4 * jnp.square(jax.nn.logsumexp(logits, axis=-1))",
        f"{LABELLED}(logits, labels, z_loss=1e-4)",
    ),
    _plain("symmetric_info_nce(first, second)", "symmetric_info_nce(first, second)"),
    _plain("siglip(first, second)", "siglip(first, second)"),
    _plain("lovasz_hinge(scores, labels)", "lovasz_hinge(scores, labels)"),
)


@dataclass(frozen=True)
class Match:
    """A peer's call of one of our losses.

    Attributes:
        peer: The row.
        names: What the row calls our arrays, in their order.
        hyperparameters: Of ours, where the two are equal.
    """

    peer: Peer
    names: tuple[str, ...]
    hyperparameters: Setting


def matches(loss: str, setting: Setting | None = None) -> dict[str, Match]:
    """One call of each library at these hyper-parameters: by default those that most have."""
    found = [match for peer in (*ROWS, *PEERS) if (match := _match(peer, loss))]
    settings = [setting] if setting else dict.fromkeys(match.hyperparameters for match in found)
    sets = [
        {match.peer.library: match for match in reversed(found) if match.hyperparameters == setting}
        for setting in settings
    ]
    # One setting for all, or the times would be of different computations.
    return max(sets, key=len, default={})


def with_derived(arrays: Mapping[str, np.ndarray], call: str) -> dict[str, np.ndarray]:
    """The arrays, and those of the call that are made of them."""
    wanted = {node.id for node in ast.walk(ast.parse(call)) if isinstance(node, ast.Name)}
    missing = wanted & _DERIVED.keys() - arrays.keys()
    return {**arrays, **{name: _DERIVED[name](arrays) for name in missing}}


def _match(peer: Peer, loss: str) -> Match | None:
    """The row's call, if it is of this loss, with plain names of arrays by position."""
    for call in _calls(peer.ours).get(loss, ()):
        names = tuple(arg.id for arg in call.args if isinstance(arg, ast.Name))
        if len(names) == len(call.args):
            hyper = tuple((str(k.arg), ast.literal_eval(k.value)) for k in call.keywords)
            return Match(peer, names, hyper)
    return None


@functools.cache
def _calls(expression: str) -> dict[str, list[ast.Call]]:
    """All calls in an expression, by what is called."""
    found: dict[str, list[ast.Call]] = {}
    for node in ast.walk(ast.parse(expression)):
        if isinstance(node, ast.Call):
            found.setdefault(ast.unparse(node.func), []).append(node)
    return found


Arrays = Mapping[str, np.ndarray]


def _one_hot(arrays: Arrays) -> np.ndarray:
    classes = next(x for x in arrays.values() if x.ndim == arrays["labels"].ndim + 1).shape[-1]
    return np.asarray(arrays["labels"][..., None] == np.arange(classes), np.float32)


def _listed(arrays: Arrays) -> np.ndarray:
    """The classes that are present, first to last, and -1 from there on."""
    several = arrays["several"]
    classes = np.where(several > 0, np.arange(several.shape[-1]), several.shape[-1])
    ordered = np.sort(classes, axis=-1)
    return np.where(ordered == several.shape[-1], -1, ordered).astype(np.int32)


def _padding(count: np.ndarray, size: int) -> np.ndarray:
    return (np.arange(size) >= count[..., None]).astype(np.float32)


_DERIVED: dict[str, Callable[[Arrays], np.ndarray]] = {
    "one_hot": _one_hot,
    "listed": _listed,
    "frame_padding": lambda a: _padding(a["frames"], a["letter_logits"].shape[-2]),
    "letter_padding": lambda a: _padding(a["letters"], a["spelled"].shape[-1]),
}
