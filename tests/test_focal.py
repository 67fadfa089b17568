"""Focal losses and the first PolyLoss: hand-derived values, identities, peers, extremes."""

import functools
from math import log

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
BCE = jl.sigmoid_binary_cross_entropy
GAMMAS = [0, 0.5, 1, 1.5, 2, 5]
RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(64, 4)).astype(np.float32) * 3
LABELS = RNG.integers(0, 4, 64).astype(np.int32)
BINARY = RNG.integers(0, 2, 64).astype(np.float32)

close = functools.partial(np.testing.assert_allclose, rtol=5e-6, atol=1e-6)


@functools.cache
def differentiated(loss):
    """Value and gradient in the logits, summed over examples."""
    summed = lambda logits, labels, hyper: jnp.sum(loss(logits, labels, **hyper))
    return jax.jit(jax.value_and_grad(summed))


QUARTERS = [0, log(3)]  # probabilities 1/4 and 3/4
SLOPE_OF_2 = 9 / 16 * (log(4) / 2 + 3 / 4)  # (1 - p)^2 (2 p (-log p) + 1 - p) at p = 1/4

ORACLE = [
    (jl.softmax_focal, QUARTERS, 0, {}, 9 / 16 * log(4), [-SLOPE_OF_2, SLOPE_OF_2]),
    (
        jl.softmax_focal,
        QUARTERS,
        0,
        {"gamma": 1.0, "class_weights": [2.0, 5.0]},
        3 / 2 * log(4),
        [-3 / 2 * (log(4) / 4 + 3 / 4), 3 / 2 * (log(4) / 4 + 3 / 4)],
    ),
    (jl.sigmoid_focal, -log(3), 1, {}, 9 / 16 * log(4), -SLOPE_OF_2),
    (jl.sigmoid_focal, log(3), 0, {}, 9 / 16 * log(4), SLOPE_OF_2),
    (jl.sigmoid_focal, -log(3), 1, {"alpha": 0.25}, 9 / 64 * log(4), -SLOPE_OF_2 / 4),
    (jl.sigmoid_focal, log(3), 0, {"alpha": 0.25}, 27 / 64 * log(4), 3 / 4 * SLOPE_OF_2),
    (
        jl.sigmoid_focal,
        0.0,
        0.25,
        {"gamma": 1.0},
        log(2) / 2,
        (1 - 2 * 0.25) * (log(2) / 4 + 1 / 4),
    ),
    (jl.poly1_cross_entropy, QUARTERS, 0, {"epsilon": 2.0}, log(4) + 3 / 2, [-9 / 8, 9 / 8]),
    (jl.poly1_cross_entropy, [0, 0, log(2)], 2, {}, log(2) + 1 / 2, [3 / 8, 3 / 8, -3 / 4]),
]


@pytest.mark.parametrize(("loss", "logits", "label", "hyper", "value", "slope"), ORACLE)
def test_value_and_gradient(loss, logits, label, hyper, value, slope):
    with jax.enable_x64(True):
        hyper = {name: np.asarray(number) for name, number in hyper.items()}
        found, gradient = differentiated(loss)(np.asarray(logits, np.float64), label, hyper)
        assert float(found) == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(gradient, slope, rtol=1e-13)


@functools.cache
def derivatives():
    """Value, and derivatives of first and second order in logit, label and gamma."""
    focal = lambda x, y, gamma: jl.sigmoid_focal(x, y, gamma=gamma)
    first = jax.grad(focal, argnums=(0, 1, 2))
    second = jax.jacfwd(first, argnums=(0, 1, 2))
    return jax.jit(jax.vmap(lambda *at: (focal(*at), first(*at), second(*at))))


# optax#1267, optax#1346
def test_focal_is_finite_and_differentiable_at_huge_logits():
    """The derivative in the labels at 0 and 1 is among those that are finite."""
    grid = np.meshgrid([100.0, -100.0, 1e4, -1e4, 0.0], [0.0, 1.0], GAMMAS)
    logits, labels, gammas = (x.ravel().astype(np.float32) for x in grid)
    value, *derived = jax.tree.map(np.asarray, derivatives()(logits, labels, gammas))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((value, derived)))
    wrong = np.where(labels == 1, -logits, logits)
    np.testing.assert_allclose(value[wrong >= 100], wrong[wrong >= 100], rtol=1e-6)
    assert np.all(value[wrong <= -100] < 1e-30)


# optax#1267, optax#1346
def test_gamma_zero_is_cross_entropy():
    logits = np.float32([100, -100, 1e4, -1e4, 0.3, np.inf, -np.inf])
    for labels in np.float32([7 * [0], 7 * [1], 7 * [0.25]]):
        np.testing.assert_array_equal(
            jl.sigmoid_focal(logits, labels, gamma=0.0), BCE(logits, labels)
        )
    without = jl.softmax_focal(LOGITS, LABELS, gamma=0.0)
    np.testing.assert_allclose(without, CE(LOGITS, LABELS), rtol=1e-6)


def test_certain_logits_are_zero_where_right_and_infinite_where_wrong():
    certain = np.float32([np.inf, -np.inf, np.inf, -np.inf])
    labels = np.float32([1, 0, 0, 1])
    for gamma in GAMMAS:
        np.testing.assert_array_equal(
            jl.sigmoid_focal(certain, labels, gamma=gamma), [0, 0, np.inf, np.inf]
        )
    assert float(jl.softmax_focal(np.float32([-np.inf, 3]), 0)) == np.inf
    assert float(jl.softmax_focal(np.float32([-np.inf, 3]), 1)) == 0


def exact(x, gamma):
    """(1 - p)^gamma (-log p) at the log-odds x against the truth, and its slope."""
    with mpmath.workdps(60):
        x, gamma = mpmath.mpf(float(x)), mpmath.mpf(float(gamma))
        p, wrong = 1 / (1 + mpmath.exp(x)), 1 / (1 + mpmath.exp(-x))
        value = -(wrong**gamma) * mpmath.log(p)
        slope = wrong**gamma * (wrong - gamma * p * mpmath.log(p))
        return float(value), float(slope)


def test_digits_survive_in_value_and_slope():
    points = np.array([-15, -4, -1e-3, 0, 1e-3, 2, 12, 50, 500], np.float32)
    slopes = jax.jit(jax.vmap(jax.value_and_grad(jl.sigmoid_focal), (0, None)))
    sharper = jax.jit(jax.vmap(jax.value_and_grad(lambda x: jl.sigmoid_focal(x, 0.0, gamma=0.5))))
    for found, gamma in [(slopes(points, 0.0), 2.0), (sharper(points), 0.5)]:
        expected = np.array([exact(x, gamma) for x in points]).T
        np.testing.assert_allclose(found, expected, rtol=5e-6)


def test_two_classes_are_sigmoid_focal_of_the_difference():
    pair, labels = LOGITS[:, :2], LABELS % 2
    binary = jl.sigmoid_focal(pair[:, 1] - pair[:, 0], labels.astype(np.float32), gamma=1.5)
    close(jl.softmax_focal(pair, labels, gamma=1.5), binary)


def test_gamma_one_is_cross_entropy_times_chebyshev():
    product = CE(LOGITS, LABELS) * jl.chebyshev(LOGITS, LABELS)
    close(jl.softmax_focal(LOGITS, LABELS, gamma=1.0), product)


def test_alpha_one_half_halves():
    halved = jl.sigmoid_focal(LOGITS[:, 0], BINARY, alpha=0.5)
    close(halved, jl.sigmoid_focal(LOGITS[:, 0], BINARY) / 2)


def test_soft_labels_are_the_expectation_over_hard_ones():
    logits, ones = LOGITS[:, 0], np.ones(64, np.float32)
    drawn = 0.3 * jl.sigmoid_focal(logits, ones) + 0.7 * jl.sigmoid_focal(logits, 0 * ones)
    close(jl.sigmoid_focal(logits, 0.3 * ones), drawn)


def test_poly1_is_cross_entropy_plus_chebyshev():
    for epsilon in (-1.0, 0.0, 2.0):
        together = CE(LOGITS, LABELS) + epsilon * jl.chebyshev(LOGITS, LABELS)
        close(jl.poly1_cross_entropy(LOGITS, LABELS, epsilon=epsilon), together)


def test_poly1_keeps_the_digits_of_a_small_mistake():
    assert float(jl.poly1_cross_entropy([20.0, 0.0], 0)) == pytest.approx(2 * np.exp(-20), rel=1e-6)


def test_facts_at_the_defaults():
    assert jl.poly1_cross_entropy.facts.lipschitz(1.0) == pytest.approx(2**0.5)
    assert jl.poly1_cross_entropy.facts.lipschitz(-0.5) == pytest.approx(2**0.5)
    assert jl.poly1_cross_entropy.facts.lipschitz(3.0) == pytest.approx(4 / 3 * 2**0.5)
    assert not jl.poly1_cross_entropy.facts.calibrated(-2.0)


def test_the_link_undoes_alpha():
    """The risk at 40 % positives with alpha 0.3 is flat where the link gives 40 %."""
    score = np.float32(-0.7)
    slope = lambda label: float(differentiated(jl.sigmoid_focal)(score, label, {"alpha": 0.3})[1])
    chance = float(jax.jit(jl.sigmoid_focal.facts.link)(score, 2.0, 0.3))
    assert chance * slope(1.0) + (1 - chance) * slope(0.0) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("alpha", [None, 0.3])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_optax_agrees_on_sigmoid_focal(alpha, gamma):
    theirs = jax.jit(optax.losses.sigmoid_focal_loss)
    expected = theirs(LOGITS[:, 0], BINARY, alpha=alpha, gamma=gamma)
    close(jl.sigmoid_focal(LOGITS[:, 0], BINARY, alpha=alpha, gamma=gamma), expected)


def test_optax_agrees_on_poly1():
    theirs = jax.jit(optax.losses.poly_loss_cross_entropy)
    expected = theirs(LOGITS, np.eye(4, dtype=np.float32)[LABELS], epsilon=0.7)
    close(jl.poly1_cross_entropy(LOGITS, LABELS, epsilon=0.7), expected)
