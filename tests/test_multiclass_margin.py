"""Losses of one real score a class: hand-derived values, identities, peers."""

import copy
import functools
import pickle
from math import inf, log

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import sklearn.metrics

import jaxloss as jl

RNG = np.random.default_rng(1)
SCORES = RNG.normal(size=(64, 4)).astype(np.float32) * 2
LABELS = RNG.integers(0, 4, 64).astype(np.int32)
ONE_HOT = np.eye(4, dtype=np.float32)[LABELS]

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-6)
hinges = jl.one_vs_all(jl.hinge)
logistics = jl.one_vs_all(jl.logistic)
squares = jl.one_vs_each(jl.squared_hinge)


@functools.cache
def differentiated(loss):
    def both(scores, label, hyper):
        value = lambda x: loss(x, label, **hyper)
        return value(scores), jax.grad(value)(scores)

    return jax.jit(both)


ORACLE = [
    (jl.crammer_singer, [2, 1.5, 0], 0, {}, 0.5, [-1, 1, 0]),
    (jl.crammer_singer, [2, 1.5, 0], 0, {"margin": 0.25}, 0.0, [0, 0, 0]),
    (jl.crammer_singer, [0, 3, -1], 2, {}, 5.0, [0, 1, -1]),
    (jl.crammer_singer, [0, 3, -1], 1, {"margin": 4.0}, 1.0, [1, -1, 0]),
    (jl.crammer_singer, [3], 0, {}, 0.0, [0]),
    (jl.weston_watkins, [2, 1.5, 1.25], 0, {}, 0.75, [-2, 1, 1]),
    (jl.weston_watkins, [0, 3, -1], 2, {}, 7.0, [1, 1, -2]),
    (jl.weston_watkins, [0, 3, -1], 1, {"margin": 3.5}, 0.5, [1, -1, 0]),
    (jl.weston_watkins, [3], 0, {}, 0.0, [0]),
    (squares, [2, 1.5, 1.25], 0, {}, 1 / 4 + 1 / 16, [-3 / 2, 1, 1 / 2]),
    (squares, [0, 3, -1], 2, {}, 4 + 25, [4, 10, -14]),
    (squares, [3], 0, {}, 0.0, [0]),
    (jl.one_hot_absolute_error, [0.5, 0.25, -2], 0, {}, 2.75, [-1, 1, -1]),
    (jl.one_hot_absolute_error, [1, 0, 0], 0, {}, 0.0, [0, 0, 0]),
    (jl.one_hot_squared_error, [0.5, 0.25, -2], 0, {}, 4.3125, [-1, 0.5, -4]),
    (jl.one_hot_squared_error, [1, 0, 0], 0, {}, 0.0, [0, 0, 0]),
    (hinges, [2, 0.5, -3], 0, {}, 1.5, [0, 1, 0]),
    (hinges, [0.5, 0.5, -3], 2, {}, 7.0, [1, 1, -1]),
    (hinges, [2, 0.5, -3], 0, {"margin": 4.0}, 2 + 4.5 + 1, [-1, 1, 1]),
    (logistics, [log(3), 0], 0, {}, log(4 / 3) + log(2), [-1 / 4, 1 / 2]),
]


@pytest.mark.parametrize(("loss", "scores", "label", "hyper", "value", "slope"), ORACLE)
def test_value_and_gradient(loss, scores, label, hyper, value, slope):
    with jax.enable_x64(True):
        found, gradient = differentiated(loss)(np.array(scores, float), label, hyper)
        assert float(found) == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(gradient, slope, rtol=1e-14)


def test_all_margins_agree_for_two_classes():
    pair, labels = SCORES[:, :2], LABELS % 2
    expected = jl.hinge(pair[:, 1] - pair[:, 0], labels)
    close(jl.crammer_singer(pair, labels), expected)
    close(jl.weston_watkins(pair, labels), expected)


def test_one_vs_all_of_logistic_is_binary_cross_entropy_of_every_class():
    close(logistics(SCORES, LABELS), jl.sigmoid_binary_cross_entropy(SCORES, ONE_HOT).sum(-1))


def test_one_vs_each_of_hinge_is_weston_watkins_and_its_square_as_in_pytorch():
    """pytorch#104844: `torch.nn.MultiMarginLoss(p=2)` is the mean over the classes."""
    close(jl.one_vs_each(jl.hinge)(SCORES, LABELS), jl.weston_watkins(SCORES, LABELS))
    rows = np.arange(len(LABELS))
    lacks = np.maximum(0, 0.5 + SCORES - SCORES[rows, LABELS][:, None]) ** 2
    lacks[rows, LABELS] = 0
    close(squares(SCORES, LABELS, margin=0.5) / 4, lacks.mean(-1))


def test_one_hot_errors_are_sums_of_distances():
    close(jl.one_hot_absolute_error(SCORES, LABELS), jl.absolute_error(SCORES, ONE_HOT).sum(-1))
    close(jl.one_hot_squared_error(SCORES, LABELS), jl.squared_error(SCORES, ONE_HOT).sum(-1))


def test_squared_error_is_least_at_the_class_probabilities():
    chances = np.float32([0.5, 0.3, 0.2])

    def risk(scores):
        losses = jl.one_hot_squared_error(jnp.tile(scores, (3, 1)), jnp.arange(3))
        return jnp.dot(chances, losses)

    close(jax.jit(jax.grad(risk))(chances), 0)


def test_margin_is_trained_through_one_vs_all():
    scores = np.float32([2, 0.5, -3])
    slope = jax.jit(jax.grad(lambda margin: hinges(scores, 0, margin=margin)))
    assert slope(1.0) == 1
    assert slope(4.0) == 3


def test_huge_scores_keep_their_difference():
    scores = np.float32([1e4, 1e4 + 0.5, -1e4])
    assert jl.crammer_singer(scores, 0) == 1.5
    assert jl.weston_watkins(scores, 0) == 1.5


def test_one_vs_all_is_made_once_and_reads_as_it_is_written():
    assert jl.one_vs_all(jl.hinge) is hinges
    assert repr(hinges) == "<loss one_vs_all(hinge)(scores, labels, *, margin=1.0)>"
    assert hinges.__doc__.startswith("Sum of `hinge` over classes")
    with pytest.raises(TypeError, match="did you mean `margin`"):
        hinges(SCORES, LABELS, margn=1.0)
    with pytest.raises(ValueError, match="a number > 0"):
        hinges(SCORES, LABELS, margin=-1.0)


@pytest.mark.parametrize("loss", [hinges, jl.crammer_singer])
def test_copies_are_the_loss_itself(loss):
    assert copy.deepcopy(loss) is loss
    assert pickle.loads(pickle.dumps(loss)) is loss


def test_one_vs_all_is_an_objective():
    objective = jl.Objective(hinges, margin=2.0)
    close(objective(SCORES, LABELS), hinges(SCORES, LABELS, margin=2.0).mean())
    copied = copy.deepcopy(objective)
    close(copied(SCORES, LABELS), objective(SCORES, LABELS))


def test_one_vs_all_inherits_the_facts_that_follow():
    assert logistics.facts.at() == {
        "convex": True,
        "strictly_convex": True,
        "smooth": 0.25,
        "supremum": inf,
        "calibrated": True,
    }
    assert hinges.facts.calibrated is None
    assert hinges.facts.lipschitz is None
    assert jl.one_vs_all(jl.squared_hinge).facts.lipschitz == inf


def test_one_vs_all_curvature_is_that_of_one_class():
    with jax.enable_x64(True):
        hessian = jax.jit(jax.hessian(logistics))(np.zeros(3), 1)
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), 0.25)


def test_crammer_singer_as_peers():
    expected = sklearn.metrics.hinge_loss(LABELS, SCORES, labels=range(4))
    found = np.asarray(jl.crammer_singer(SCORES, LABELS))
    close(found.mean(), expected, rtol=1e-5)
    close(found, jax.jit(optax.losses.multiclass_hinge_loss)(SCORES, LABELS))


# optax#1185, pytorch#43840, keras#23664
@pytest.mark.parametrize("label", [-1, -100, 4])
def test_a_label_out_of_range_is_nan_in_value_and_gradient(label):
    for loss in (hinges, jl.crammer_singer, jl.weston_watkins, jl.one_hot_absolute_error):
        value, slope = differentiated(loss)(SCORES[0], label, {})
        assert np.isnan(value)
        assert np.isnan(slope).any()
