"""Values and gradients beside optax, Keras and PyTorch, from the table of what they are here.

PyTorch is no dependency: its side is a table of values, which torch_values.py writes.
"""

import ast
import functools
import json
import os
import re
import subprocess
import sys
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
from jaxloss.peers.names import ABBREVIATIONS, COMMON

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
    "binary_labels": jnp.eye(*SHAPE),
    "binary_probabilities": jnp.eye(*SHAPE)[::-1],
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


# names that are not ours

SHORT = ("mse", "rmse", "mae", "mape", "smape", "msle", "bce", "BCE", "ce", "kld", "kl_div", "l1")
CODE = {"jl": jl, "jnp": jnp, "jax": jax}


def answer(name):
    assert not hasattr(jl, name)
    assert name not in dir(jl)
    with pytest.raises(
        AttributeError, match=f"^module 'jaxloss' has no attribute '{name}'"
    ) as caught:
        getattr(jl, name)
    return str(caught.value)


@pytest.mark.parametrize("library", ["optax", "keras", "torch"])
def test_every_name_of_a_peer_is_answered_with_ours(library):
    unknown = public_names(library) - MODULES_ONLY.keys() - set(dir(jl))
    assert {name for name in unknown if "; see `jl." not in answer(name)} == set()


@pytest.mark.parametrize(
    "name", [*SHORT, *ABBREVIATIONS, "focal_loss", "clip", "sigmoid", "FocalLoss"]
)
def test_the_code_in_the_answer_to_a_name_runs(name):
    """The losses exist, their mean is an objective, and each translation is of known names."""
    first, *lines = answer(name).splitlines()
    assert lines
    for code in re.findall("`(jl[^`]*)`", first):
        assert callable(eval(code, CODE.copy()))
    for line in lines:
        ours = line.partition(" is ")[2]
        tree = ast.parse(ours[: ours.rfind(")") + 1].rpartition(" (")[0] or ours)
        free = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - CODE.keys()
        assert free <= arrays(SHAPE).keys()
        of_ours = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
        named = [n.attr for n in of_ours if isinstance(n.value, ast.Name) and n.value.id == "jl"]
        assert named
        assert set(named) <= set(dir(jl))


@pytest.mark.parametrize("peer", COMMON, ids=lambda peer: peer.call)
def test_translations_of_names_that_several_libraries_use_run(peer):
    found = eval(peer.ours, {"jnp": jnp} | PUBLIC | arrays(SHAPE))
    assert np.all(np.isfinite(found))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mse", "see `jl.squared_error`, one value per example; the mean over examples is "),
        ("mse", "Keras: mean_squared_error(targets, predictions) is jl.squared_error("),
        ("l2_loss", "see `jl.half_squared_error` and `jl.squared_error`"),
        ("gaussian_nll_loss", "the variance comes before the targets"),
        ("multi_margin_loss", "jl.weston_watkins(scores, labels) / scores.shape[-1]"),
        ("rmse", "jnp.sqrt(jl.squared_error(predictions, targets).mean())"),
        ("HuberLoss", "see `jl.huber`"),
        ("DiceLoss", "see `jl.dice`"),
        ("BrierLoss", "see `jl.brier`"),
        ("objective", "attribute 'objective'; see `jl.Objective`"),
        ("hubre", "the nearest are huber"),
        ("AdaptiveLogSoftmaxWithLoss", "the nearest are adaptive_softmax"),
        ("xyzzy", "see `dir(jaxloss)`"),
        ("parallel_", "has no attribute"),
    ],
)
def test_a_name_that_is_not_ours_is_answered(name, says):
    assert says in answer(name)


def test_a_name_is_answered_without_jax_and_a_module_by_its_import():
    code = """
import jaxloss, sys
before = set(sys.modules)
for name in ("mse", "huberr", "training", "a.b", "_private", "__wrapped__"):
    try:
        getattr(jaxloss, name)
    except AttributeError as error:
        print(error)
print("jax" in sys.modules, any("peers" in name for name in before))
from jaxloss import training
"""
    words = [sys.executable, "-c", code]
    shown = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "`jl.squared_error`" in shown
    assert "'training' until `import jaxloss.training`" in shown
    assert shown.endswith("False False\n")
