"""The layer that stands in for `optax.losses`, held to the tests that optax ships with it."""

import functools
import importlib.util
import inspect
import math
import subprocess
import sys
import unittest
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from jaxloss.compat import optax as ours

FILES = sorted(Path(optax.losses.__file__).parent.glob("*_test.py"))
NAMES = sorted(name for name, value in vars(optax.losses).items() if inspect.isfunction(value))
single = functools.partial(np.asarray, dtype=np.float32)
LOGITS = single([[0.5, -1.0, 2.0, 0.1], [1.5, 0.3, -0.7, -2.0], [-0.4, 0.9, 0.2, 1.1]])
OTHERS = single([[1.0, 0.2, -0.5, 0.4], [-1.2, 0.6, 0.8, 0.3], [0.7, -0.9, 1.4, -0.2]])
TARGETS = scipy.special.softmax(OTHERS, axis=-1)
LABELS = np.array([2, 0, 1])
CLASSES = np.array([[1, 1, 1, 0], [1, 0, 1, 1], [1, 1, 1, 1]]) > 0
ROWS = np.array([True, False, True])
GROUPS = np.array([0, 1, 0])
EARLY = single([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
NO_SECOND = jnp.array([[0.0, 1.0], [0.0, 0.0]])
CALLS = {
    "no targets": lambda losses, x: losses.huber_loss(x, delta=0.5),
    "log cosh": lambda losses, x: losses.log_cosh(x, OTHERS),
    "cosine, floor": lambda losses, x: losses.cosine_similarity(x / 9, OTHERS, epsilon=0.1),
    "cosine, mask": lambda losses, x: losses.cosine_distance(x, OTHERS, axis=0, where=CLASSES),
    "cosine, all": lambda losses, x: losses.cosine_distance(x, OTHERS, axis=None),
    "soft": lambda losses, x: losses.softmax_cross_entropy(x, TARGETS, axis=(0, 1)),
    "soft, mask": lambda losses, x: losses.softmax_cross_entropy(x, TARGETS, where=CLASSES),
    "soft, rows": lambda losses, x: losses.softmax_cross_entropy(x, TARGETS, where=ROWS),
    "negative": lambda losses, x: losses.softmax_cross_entropy(x, OTHERS),
    "hard": lambda losses, x: losses.softmax_cross_entropy_with_integer_labels(
        x, LABELS, where=CLASSES
    ),
    "hard, axes": lambda losses, x: losses.softmax_cross_entropy_with_integer_labels(
        jnp.stack([x, OTHERS]), jnp.array([3, 0, 1, 5]), axis=(1, 0)
    ),
    "poly": lambda losses, x: losses.poly_loss_cross_entropy(x, TARGETS, where=CLASSES),
    "kl": lambda losses, x: losses.kl_divergence(x - 3, TARGETS, where=CLASSES),
    "kl, masses": lambda losses, x: losses.generalized_kl_divergence(x, 3 * TARGETS, axis=0),
    "kl, logs": lambda losses, x: losses.kl_divergence_with_log_targets(x, OTHERS, where=CLASSES),
    "focal": lambda losses, x: losses.sigmoid_focal_loss(x, TARGETS > 0.2, alpha=0.3),
    "sparsemax": lambda losses, x: losses.multiclass_sparsemax_loss(x, LABELS),
    "hinge": lambda losses, x: losses.multiclass_hinge_loss(x, LABELS),
    "fenchel": lambda losses, x: losses.make_fenchel_young_loss(largest_two)(x, TARGETS),
    "ranking": lambda losses, x: losses.ranking_softmax_loss(
        x, TARGETS, where=CLASSES, weights=OTHERS**2
    ),
    "triplet": lambda losses, x: losses.triplet_margin_loss(
        x, OTHERS, -OTHERS, axis=0, margin=4.0, eps=0.3
    ),
    "ntxent": lambda losses, x: losses.ntxent(x, GROUPS, temperature=0.5),
    "dice": lambda losses, x: losses.dice_loss(
        jnp.stack([x, -x]), jnp.stack([TARGETS, TARGETS]), class_weights=LOGITS[0] ** 2, alpha=0.2
    ),
    "dice, axis": lambda losses, x: losses.dice_loss(
        jnp.stack([x, -x]), jnp.stack([TARGETS, TARGETS]), axis=(0, 1), reduction="none"
    ),
    "dice of classes": lambda losses, x: losses.multiclass_generalized_dice_loss(x, TARGETS),
    "ctc": lambda losses, x: joined(
        losses.ctc_loss_with_forward_probs(
            jnp.stack([x, OTHERS]), EARLY, jnp.array([[1, 1], [3, 0]]), NO_SECOND, blank_id=2
        )
    ),
}


def joined(of_ctc):
    loss, *forward = of_ctc
    return jnp.concatenate([loss, *[jnp.exp(logs).ravel() for logs in forward]])


def largest_two(scores, scale=1.0):
    """The maximum over two-hot vectors, and not over the simplex."""
    return jnp.sum(jax.lax.top_k(scores, 2)[0]) * scale


def cases_in(path):
    """The tests in one of optax's files, of our functions instead of those of its modules."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in list(vars(optax.losses).items()):
            if inspect.ismodule(value):
                patch.setattr(optax.losses, name, ours)
        spec.loader.exec_module(module)
        return list(flat(unittest.TestLoader().loadTestsFromModule(module)))


def flat(suite):
    for test in suite:
        yield from flat(test) if isinstance(test, unittest.TestSuite) else [test]


def name_of(path, test):
    bare = test.id().split(" ")[0]  # without the values of parameters, of which some are addresses
    return f"{path.stem}::{'.'.join(bare.split('.')[-2:])}"


TESTS = {name_of(path, test): test for path in FILES for test in cases_in(path)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
@pytest.mark.parametrize("name", TESTS)
def test_of_optax(name):
    np.random.set_bit_generator(np.random.MT19937(0))
    result = unittest.TestResult()
    TESTS[name].run(result)
    assert (result.testsRun, result.skipped) == (1, [])
    assert result.wasSuccessful(), "\n".join(text for _, text in result.errors + result.failures)


def test_no_file_of_optax_is_left_out():
    assert {name.split("::")[0] for name in TESTS} == {path.stem for path in FILES}
    assert len(FILES) >= 7


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_that_of_optax(name):
    assert parameters(getattr(ours, name)) == parameters(getattr(optax.losses, name))


def parameters(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.slow
@pytest.mark.parametrize("name", CALLS)
def test_value_and_gradient_are_those_of_optax(name):
    pairs = zip(evaluated(name, ours), evaluated(name, optax.losses), strict=True)
    for our, theirs in pairs:
        assert our.shape == theirs.shape
        np.testing.assert_allclose(our, theirs, rtol=2e-5, atol=2e-6)


def evaluated(name, losses):
    """The gradient of a weighted sum of the values, and the values."""

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def slope_and_values(x):
        values = CALLS[name](losses, x)
        return jnp.ravel(values) @ jnp.arange(1.0, values.size + 1), values

    return slope_and_values(LOGITS)


def test_every_name_of_optax_is_here_and_no_other():
    public = {name for name, value in vars(ours).items() if inspect.isfunction(value)}
    assert public == set(NAMES)


@pytest.mark.slow
def test_import_needs_no_optax_and_jaxloss_does_not_import_it():
    code = "import sys, jaxloss; print('jaxloss.compat' in sys.modules)\n"
    code += "import jaxloss.compat.optax; print('optax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


INF, NAN = math.inf, math.nan
EVEN, LOG4 = jnp.zeros((3, 4)), math.log(4)
REPAIRED = {
    "label -1": (
        lambda: ours.softmax_cross_entropy_with_integer_labels(EVEN, jnp.array([-1, 0, 4])),
        [NAN, LOG4, NAN],
    ),
    "label beyond": (
        lambda: ours.multiclass_hinge_loss(LOGITS, jnp.array([2, 4, -1])),
        [0.0, NAN, NAN],
    ),
    "masked label": (
        lambda: ours.softmax_cross_entropy_with_integer_labels(EVEN, LABELS + 1, where=CLASSES),
        [INF, INF, LOG4],
    ),
    "hidden NaN": (
        lambda: ours.softmax_cross_entropy(EVEN.at[1].set(NAN), TARGETS, where=ROWS),
        [LOG4, 0.0, LOG4],
    ),
    "labels 0 and 1": (
        lambda: ours.hinge_loss(LOGITS[0], jnp.array([0, 1, 1, 1])),
        [1.5, 2, 0, 0.9],
    ),
    "infinite logit": (
        lambda: ours.softmax_cross_entropy(EVEN[0, :3].at[1].set(-INF), jnp.array([0.5, 0, 0.5])),
        math.log(2),
    ),
    "zero vector": (lambda: ours.cosine_distance(0 * LOGITS[0], OTHERS[0]), 1.0),
    "smoothing, masked": (
        lambda: ours.smooth_labels(jnp.array([1.0, 0, 0]), 0.3, where=jnp.array([1, 1, 0])),
        [0.85, 0.15, 0.0],
    ),
    "smoothing, no class": (
        lambda: ours.smooth_labels(jnp.ones(2), 0.3, where=jnp.zeros(2)),
        [0.0, 0.0],
    ),
    "odd norm": (
        lambda: ours.triplet_margin_loss(
            *jnp.array([[0.0, 0.0], [1.0, 1.0], [2.0, -2.0]]), norm_degree=3, margin=2.0, eps=0.0
        ),
        0.7401,
    ),
    "no positives": (lambda: ours.ntxent(LOGITS, jnp.arange(3)), 0.0),
    "no list": (lambda: ours.ranking_softmax_loss(LOGITS, TARGETS, where=jnp.zeros((3, 4))), 0.0),
    "infeasible": (
        lambda: ours.ctc_loss(LOGITS[None, :2], [[0, 0]], [[1, 1]], [[0, 0]]),
        [1e5],
    ),
    "blank as label": (lambda: ours.ctc_loss(LOGITS[None], [[0, 0, 0]], [[0, 1]], [[0, 0]]), [NAN]),
    "wrong label heard": (
        lambda: ours.ctc_loss_with_forward_probs(LOGITS[None], [[0, 0, 0]], [[-1]], [[0]])[2][0],
        [[NAN]],
    ),
    "traced probabilities": (
        lambda: ours.dice_loss(
            jnp.array([[[0.5, 0.5]], [[0.5, 0.4]]]),
            jnp.array([[[1.0, 0.0]], [[1.0, 0.0]]]),
            apply_softmax=False,
            smooth=0.0,
        ),
        [2 / 3, NAN],
    ),
    "probabilities of one class": (
        lambda: ours.binary_dice_loss(
            jnp.array([[0.5, 1.0]]), jnp.array([[1.0, 1.0]]), apply_sigmoid=False, smooth=0.0
        ),
        [1 / 7],
    ),
    "class absent": (
        lambda: ours.multiclass_generalized_dice_loss(
            jnp.array([[[1.0, 0.0], [1.0, 0.0]]]),
            jnp.array([[[1.0, 0.0], [1.0, 0.0]]]),
            apply_softmax=False,
        ),
        0.0,
    ),
    "keyword of the maximum": (
        lambda: ours.make_fenchel_young_loss(largest_two)(LOGITS[0], TARGETS[0] * 0, scale=2.0),
        5.0,
    ),
}


def test_faults_of_optax_are_repaired():
    values = jax.jit(lambda: {name: call() for name, (call, _) in REPAIRED.items()})()
    for name, (_, right) in REPAIRED.items():
        np.testing.assert_allclose(values[name], right, rtol=1e-4, atol=1e-6, err_msg=name)


def test_shapes_are_compared_before_axes_become_one():
    with pytest.raises(ValueError, match=r"never broadcast, got \(3, 4\) and \(4, 3\)"):
        ours.softmax_cross_entropy(LOGITS, TARGETS.T, axis=None)


@pytest.mark.parametrize("arguments", [{"reduction": "median"}, {"class_weights": jnp.ones(3)}])
def test_dice_refuses(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        ours.dice_loss(LOGITS, TARGETS, **arguments)
