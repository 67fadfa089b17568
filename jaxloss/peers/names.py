"""Search for losses by their names in other libraries and by abbreviations.

This module handles text only, so that a message about an unknown name does not need to load JAX.
"""

import ast
import re
from collections.abc import Collection

from jaxloss.peers import PEERS
from jaxloss.peers.peer import Peer

ABBREVIATIONS = {
    "bce": ("binary_crossentropy", "binary_cross_entropy"),
    "bce_with_logits": ("binary_cross_entropy_with_logits",),
    "cce": ("categorical_crossentropy",),
    "ce": ("cross_entropy", "categorical_crossentropy"),
    "convex_kl_divergence": ("generalized_kl_divergence",),  # optax's old name
    "ctc_loss_with_forward_probs": ("ctc_loss",),
    "focal": ("sigmoid_focal_loss", "categorical_focal_crossentropy"),
    "kl": ("kl_divergence", "kl_div"),
    "kld": ("kl_divergence", "kl_div"),
    "l2": ("squared_error", "l2_loss", "mse_loss"),
    "log_loss": ("binary_crossentropy", "cross_entropy"),
    "mae": ("mean_absolute_error", "l1_loss"),
    "mape": ("mean_absolute_percentage_error",),
    "mse": ("mean_squared_error", "mse_loss"),
    "msle": ("mean_squared_logarithmic_error",),
    "nll_loss2d": ("nll_loss",),
    "scce": ("sparse_categorical_crossentropy",),
    "simclr": ("ntxent",),
    "xent": ("cross_entropy", "softmax_cross_entropy"),
}
"""Short and old names, each with the names that it stands for in the tables of peers."""

COMMON = (
    Peer(
        "",
        "rmse(predictions, targets)",
        "jnp.sqrt(squared_error(predictions, targets).mean())",
        "the root of a mean is no mean over examples",
    ),
    Peer(
        "",
        "smape(predictions, targets)",
        "symmetric_absolute_percentage_error(predictions, targets)",
        "a share of 2, not in percent",
    ),
    Peer(
        "",
        "quantile_loss(predictions, targets, 0.9)",
        "pinball(predictions, targets, quantile=0.9)",
    ),
    Peer("", "iou_loss(region_probabilities, region)", "jaccard(region_probabilities, region)"),
    Peer("", "supcon(embeddings, groups)", "supervised_contrastive(embeddings, groups)"),
    Peer(
        "",
        "clip(predictions, targets)",
        "symmetric_info_nce(predictions, targets)",
        "the loss of CLIP; for arrays there is `jnp.clip`, for losses `jl.clipped`",
    ),
    Peer(
        "",
        "sigmoid(scores, signs)",
        "sigmoid_margin(scores, signs)",
        "of logits there is `jl.sigmoid_binary_cross_entropy`, of arrays `jax.nn.sigmoid`",
    ),
)
"""Names of no library in the tables of peers, in rows of the same form."""

_LIBRARIES = {"optax": "optax: ", "keras": "Keras: ", "torch": "PyTorch: ", "": ""}


def snake_case(name: str) -> str:
    """Convert a name to snake case, without the suffix "loss".

    Example:
        >>> snake_case("CategoricalCrossentropy"), snake_case("MSELoss"), snake_case("l2_loss")
        ('categorical_cross_entropy', 'mse', 'l2')
    """
    # Word boundaries: aB, and the last capital of ABc, so that "MSELoss" is mse_loss.
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return apart.replace("crossentropy", "cross_entropy").removesuffix("_loss")


def called_here(name: str, exported: Collection[str]) -> list[str]:
    """The exported losses that a name of another library, or an abbreviation, stands for."""
    same = [ours for ours in exported if _plain(ours) == _plain(name)]
    translated = [_loss_in(peer.ours, exported) for peer in _rows(name)]
    return list(dict.fromkeys([*same, *filter(None, translated)]))


def translation(name: str, exported: Collection[str]) -> str:
    """The code that replaces a peer's loss, as the end of a message; "" for unknown names."""
    losses = [_as_code(ours, exported) for ours in called_here(name, exported)]
    lines = [
        f"\n  {_LIBRARIES[peer.library]}{peer.call} is {_as_code(peer.ours, exported)}"
        + (f" ({peer.differs})" if peer.differs else "")
        for peer in _rows(name)
    ]
    named = " and ".join(f"`{ours}`" for ours in losses)
    if not lines:
        return f"; see {named}" if named else ""
    mean = f"the mean over examples is `jl.Objective({losses[0]})`"
    return f"; see {named}, one value per example; {mean}{''.join(lines)}"


def _rows(name: str) -> list[Peer]:
    """The rows of the tables that a name stands for, exact matches first."""
    known = (*COMMON, *PEERS)
    short = next((names for key, names in ABBREVIATIONS.items() if _plain(key) == _plain(name)), ())
    meant = [_plain(name), *map(_plain, short)]
    return [peer for each in dict.fromkeys(meant) for peer in known if _function(peer) == each]


def _function(peer: Peer) -> str:
    return _plain(peer.call.partition("(")[0])


def _plain(name: str) -> str:
    return snake_case(name).replace("_", "")


def _loss_in(expression: str, exported: Collection[str]) -> str | None:
    """The exported loss that an expression calls, such as `huber` or `fenchel_young(f)`."""
    # A loss that a maker made, `fenchel_young(f)(x, y)`, is a call whose function is a call.
    for node in ast.walk(ast.parse(expression)):
        if isinstance(node, ast.Call):
            made = isinstance(node.func, ast.Call)
            called = node.func.func if isinstance(node.func, ast.Call) else node.func
            if isinstance(called, ast.Name) and called.id in exported:
                return ast.unparse(node.func) if made else called.id
    return None


def _as_code(expression: str, exported: Collection[str]) -> str:
    """Prefix exported names in an expression by `jl.`, except those of keyword arguments."""
    word = r"(?<![\w.])[A-Za-z_]\w*(?![\w=])"
    return re.sub(word, lambda m: f"jl.{m[0]}" if m[0] in exported else m[0], expression)
