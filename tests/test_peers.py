"""Values and gradients beside optax, Keras and PyTorch, from the table of what they are here.

PyTorch is no dependency: its side is a table of values, which torch_values.py writes.
"""

import ast
import functools
import json
import os
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from drawing import PUBLIC
from peer_arrays import SHAPE, arrays, moving

import jaxloss as jl
from jaxloss.peers import PEERS

os.environ.setdefault("KERAS_BACKEND", "jax")
NO_LOSSES = {"get", "serialize", "deserialize"}
UNDER_ANOTHER_NAME = {
    "convex_kl_divergence": "generalized_kl_divergence",  # the old name
    "ctc_loss_with_forward_probs": "ctc_loss",  # the same, and what it was made from
    "MSELoss": "mse_loss",
    "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "NLLLoss2d": "nll_loss",
    "KLDivLoss": "kl_div",
    "MultiLabelMarginLoss": "multilabel_margin_loss",
    "MultiLabelSoftMarginLoss": "multilabel_soft_margin_loss",
}
MODULES_ONLY = {"AdaptiveLogSoftmaxWithLoss": "adaptive_softmax"}  # see test_adaptive_softmax.py
NORMALISED = {"probabilities": jax.nn.softmax, "log_probabilities": jax.nn.log_softmax}
STORED = json.loads(Path(__file__).with_name("torch_values.json").read_text())
TORCH = STORED["rows"]


WRONG = jnp.eye(SHAPE[-1]).at[0].set(jnp.array([0.0, 0.0, 0.0, 1.0]))
CERTAIN = {
    "distribution": jnp.eye(SHAPE[-1])[jnp.arange(SHAPE[0]) % SHAPE[-1]],
    "probabilities": WRONG[jnp.arange(SHAPE[0]) % SHAPE[-1]],
    "truths": jnp.eye(*SHAPE),
    "chances": jnp.eye(*SHAPE)[::-1],
}
CERTAIN["log_probabilities"] = jnp.log(CERTAIN["probabilities"])
CERTAIN["log_distribution"] = jnp.log(CERTAIN["distribution"])


def as_version(text):
    return tuple(map(int, text.split(".")[:2]))


def version_of(library):
    return as_version(pytest.importorskip(library).__version__)


@functools.cache
def functions_of(library):
    return vars(optax.losses if library == "optax" else pytest.importorskip("keras").losses)


def gradients_and_values(shape, name, *calls):
    """Of expressions with their functions, by the named array.

    Where that has to stay normalised, the gradient is in its logits.
    """
    given, enter = arrays(shape), NORMALISED.get(name, lambda x: x)

    def summed(x, expression, functions):
        value = eval(expression, {"jax": jax, "jnp": jnp} | functions, given | {name: enter(x)})
        return jnp.sum(value), value

    every = jax.jit(lambda x: [jax.grad(summed, has_aux=True)(x, *call) for call in calls])
    return every(given["logits" if name in NORMALISED else name])


def rows(*libraries):
    chosen = [peer for peer in PEERS if peer.library in libraries]
    return pytest.mark.parametrize("peer", chosen, ids=lambda peer: f"{peer.library}.{peer.call}")


@pytest.mark.slow
@rows("optax", "keras")
def test_same_value_and_gradient(peer):
    if peer.below and version_of(peer.library) >= as_version(peer.below):
        pytest.skip(f"holds below {peer.below}")
    calls = (peer.ours, PUBLIC.copy()), (peer.call, functions_of(peer.library))
    ours, theirs = gradients_and_values((2, 3, 5), moving(peer.ours), *calls)
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("ours", sorted({p.ours for p in PEERS if moving(p.ours) in CERTAIN}))
def test_gradients_are_known_at_certainty(ours):
    """At probabilities of 0 and 1, of the right class and of a wrong one, in either argument."""
    name, given = moving(ours), arrays(SHAPE) | CERTAIN

    def summed(x):
        return jnp.sum(eval(ours, {"jax": jax, "jnp": jnp} | PUBLIC | given | {name: x}))

    assert not np.any(np.isnan(jax.grad(summed)(given[name])))


@rows("torch")
def test_same_value_and_gradient_as_pytorch(peer):
    call = peer.ours, PUBLIC.copy()
    [(gradient, value)] = gradients_and_values(SHAPE, moving(peer.ours), call)
    np.testing.assert_allclose(value, TORCH[peer.call]["value"], rtol=2e-5, atol=5e-6)
    np.testing.assert_allclose(gradient, TORCH[peer.call]["gradient"], rtol=2e-4, atol=2e-6)


def test_the_table_of_pytorch_holds_every_row():
    assert TORCH.keys() == {peer.call for peer in PEERS if peer.library == "torch"}


def public_names(library):
    """What the library offers, functions and classes."""
    if library == "torch":
        return set(STORED["names"])
    public = vars(optax.losses if library == "optax" else pytest.importorskip("keras").losses)
    kinds = (types.FunctionType, type)
    named = {name for name, value in public.items() if isinstance(value, kinds)}
    return {name for name in named if not name.startswith("_") and name not in NO_LOSSES | {"Loss"}}


def called(expression):
    nodes = [node for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Call)]
    return {node.func.id for node in nodes if isinstance(node.func, ast.Name)}


def plain(name):
    """The name of a class or of its function, in one form."""
    return UNDER_ANOTHER_NAME.get(name, name).replace("_", "").lower().removesuffix("loss")


@pytest.mark.parametrize("library", ["optax", "keras", "torch"])
def test_every_loss_of_the_peer_is_here(library):
    rows = [peer for peer in PEERS if peer.library == library]
    mapped = {plain(name) for peer in rows for name in called(peer.call)}
    names = public_names(library) - MODULES_ONLY.keys()
    assert len(names) > 20
    assert {name for name in names if plain(name) not in mapped} == set()
    assert all(hasattr(jl, ours) for ours in MODULES_ONLY.values())
