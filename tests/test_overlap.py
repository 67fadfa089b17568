"""Losses of overlap: hand-derived values and slopes, identities, peers, edges."""

import functools
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from derivatives import value_and_slope

import jaxloss as jl

os.environ.setdefault("KERAS_BACKEND", "jax")

RNG = np.random.default_rng(5)
CHANCES = RNG.uniform(size=(6, 40)).astype(np.float32)
TRUTHS = (RNG.uniform(size=(6, 40)) < 0.3).astype(np.float32)
REGIONAL = (jl.dice, jl.jaccard, jl.tversky, jl.focal_tversky)
P, T = [1, 0.5, 0.5], [1, 1, 0]
QUARTERS = {"alpha": 0.25, "beta": 0.75}

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-6)

ORACLE = [
    (jl.dice, P, T, {}, 1 / 4, [-5 / 16, -5 / 16, 3 / 16]),
    (jl.dice, P, T, {"smooth": 1.0}, 1 / 5, [-6 / 25, -6 / 25, 4 / 25]),
    (jl.dice, [0, 0, 0], [0, 0, 0], {}, 0, [0, 0, 0]),
    (jl.dice, [0.5, 0, 0], [0, 0, 0], {}, 1, [0, 0, 0]),
    (jl.dice, [0.5, 0, 0], [0, 0, 0], {"smooth": 1.0}, 1 / 3, [4 / 9, 4 / 9, 4 / 9]),
    (jl.dice, [1, 1, 0], T, {}, 0, [-1 / 4, -1 / 4, 1 / 4]),
    (jl.jaccard, P, T, {}, 2 / 5, [-2 / 5, -2 / 5, 6 / 25]),
    (jl.jaccard, P, T, {"smooth": 0.5}, 1 / 3, [-1 / 3, -1 / 3, 2 / 9]),
    (jl.tversky, P, T, QUARTERS, 1 / 4, [-13 / 32, -13 / 32, 3 / 32]),
    (jl.tversky, P, T, QUARTERS | {"smooth": 0.5}, 1 / 5, None),
    (jl.tversky, [1, 0, 0], [0, 1, 1], {"alpha": 0.0, "beta": 0.0}, 0, [0, 0, 0]),
    (jl.focal_tversky, P, T, QUARTERS | {"gamma": 2.0}, 1 / 2, [-13 / 32, -13 / 32, 3 / 32]),
    (jl.focal_tversky, [1, 1, 0], T, {}, 0, [0, 0, 0]),
    (
        jl.generalized_dice,
        [[1, 0], [1, 0], [0.5, 0.5]],
        [[1, 0], [1, 0], [0, 1]],
        {},
        5 / 21,
        np.array([[-52, 128], [-52, 128], [32, -208]]) / 441,
    ),
]


@pytest.mark.parametrize(("loss", "probabilities", "targets", "hyper", "value", "slope"), ORACLE)
def test_value_and_gradient(loss, probabilities, targets, hyper, value, slope):
    with jax.enable_x64(True):
        given = np.asarray(probabilities, float), np.asarray(targets)
        found, gradient = value_and_slope(loss)(*given, **hyper)
        assert float(found) == pytest.approx(value, rel=1e-14, abs=1e-15)
        if slope is not None:
            np.testing.assert_allclose(gradient, slope, rtol=1e-14)


# keras#19637
def test_one_value_for_each_image():
    truths = np.array([[[[1], [1]], [[0], [0]]], [[[1], [1]], [[0], [0]]]], np.float32)
    chances = np.array([[[[0], [1]], [[0], [1]]], [[[0.4], [0]], [[0], [0.9]]]], np.float32)
    found = jl.dice(chances.reshape(2, -1), truths.reshape(2, -1), smooth=0.0)
    np.testing.assert_allclose(found, [0.5, 0.75757575], rtol=1e-6)


# mmocr#408
@pytest.mark.parametrize("loss", REGIONAL)
def test_two_empty_regions_agree(loss):
    empty = np.zeros(4, np.float32)

    @jax.jit
    def derivatives(smooth):
        value = lambda x: loss(x, empty, smooth=smooth)
        return *jax.value_and_grad(value)(empty), jax.hessian(value)(empty)

    for smooth in (0.0, 1e-5, 1.0):
        value, *derived = derivatives(smooth)
        assert float(value) == 0
        assert all(np.all(np.isfinite(x)) for x in derived)


# MONAI#369, MONAI#6765
def test_weights_of_classes_do_not_cancel():
    """True sizes 12 and 2, sums of sizes 16 and 4, shared 4 and 1.5: weights 1/144 and 1/4."""
    targets, probabilities = np.zeros((2, 14, 2), np.float32)
    targets[:12, 0] = targets[12:, 1] = 1
    probabilities[:4, 0], probabilities[12:, 1], probabilities[0, 1] = 1, 0.75, 0.5
    np.testing.assert_allclose(jl.dice(probabilities.T, targets.T), [0.5, 0.25])
    assert float(jl.generalized_dice(probabilities, targets)) == pytest.approx(0.275)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("loss", [*REGIONAL, jl.generalized_dice])
def test_large_images_in_half_precision(loss, dtype):
    """Half precision itself has no sum above 65504, nor one above 2048 that is exact."""
    shape = (512 * 512, 1) if loss is jl.generalized_dice else (512 * 512,)
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 2, shape)
    given = np.clip(targets + rng.normal(size=shape), 0, 1).astype(dtype)
    value, slope = value_and_slope(loss)(given, targets.astype(dtype))
    with jax.enable_x64(True):
        exact = loss(given.astype(np.float64), targets.astype(np.float64))
    assert value.dtype == jnp.float32
    assert float(value) == pytest.approx(float(exact), rel=2e-5)
    assert slope.dtype == dtype
    assert np.all(np.isfinite(np.float32(slope)))


@pytest.mark.parametrize("loss", REGIONAL)
def test_binary_probabilities(loss):
    hard = CHANCES > 0.5
    close(loss(hard, TRUTHS > 0), loss(hard.astype(np.float32), TRUTHS))
    close(loss(TRUTHS, TRUTHS), np.zeros(6))


def test_hard_regions_are_counted():
    hard = CHANCES > 0.5
    both, either = (hard & (TRUTHS > 0)).sum(-1), (hard | (TRUTHS > 0)).sum(-1)
    close(jl.jaccard(hard, TRUTHS), 1 - both / either)
    close(jl.dice(hard, TRUTHS), 1 - 2 * both / (hard.sum(-1) + TRUTHS.sum(-1)))


def test_jaccard_is_a_function_of_dice():
    dice = np.asarray(jl.dice(CHANCES, TRUTHS))
    close(jl.jaccard(CHANCES, TRUTHS), 2 * dice / (1 + dice))


@pytest.mark.parametrize("smooth", [0.0, 0.7])
def test_tversky_at_halves_is_dice_and_at_ones_jaccard(smooth):
    halves = jl.tversky(CHANCES, TRUTHS, alpha=0.5, beta=0.5, smooth=smooth)
    close(halves, jl.dice(CHANCES, TRUTHS, smooth=2 * smooth))
    ones = jl.tversky(CHANCES, TRUTHS, alpha=1.0, beta=1.0, smooth=smooth)
    close(ones, jl.jaccard(CHANCES, TRUTHS, smooth=smooth))


def test_tversky_exchanges_its_weights_with_its_regions():
    found = jl.tversky(TRUTHS, CHANCES, alpha=0.2, beta=0.9)
    close(found, jl.tversky(CHANCES, TRUTHS, alpha=0.9, beta=0.2))


def test_alpha_is_for_what_is_wrongly_taken_in():
    assert jl.tversky([1, 1], [1, 0], alpha=1.0, beta=0.0) == 0.5
    assert jl.tversky([1, 0], [1, 1], alpha=1.0, beta=0.0) == 0


def test_focal_tversky_at_gamma_one_is_tversky():
    close(jl.focal_tversky(CHANCES, TRUTHS, gamma=1.0), jl.tversky(CHANCES, TRUTHS))
    found = jl.focal_tversky(CHANCES, TRUTHS, gamma=3.0)
    close(found, np.cbrt(jl.tversky(CHANCES, TRUTHS)))


def test_focal_tversky_has_derivatives_at_a_perfect_fit():
    value = lambda x, gamma: jl.focal_tversky(x, T, gamma=gamma)
    derivatives = jax.jit(
        lambda *at: (jax.grad(value, (0, 1))(*at), jax.hessian(value, (0, 1))(*at))
    )
    for gamma in (0.5, 0.8, 1.0, 4 / 3, 3.0):
        derived = derivatives(np.float32(T), gamma)
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(derived))


def test_small_losses_keep_their_digits():
    chances, truths = np.float32([1, 1, 1e-9]), np.float32([1, 1, 0])
    assert float(jl.dice(chances, truths)) == pytest.approx(1e-9 / 4, rel=1e-6)
    assert float(jl.jaccard(chances, truths)) == pytest.approx(1e-9 / 2, rel=1e-6)
    found = jl.tversky(chances, truths, alpha=0.3)
    assert float(found) == pytest.approx(0.3e-9 / 2, rel=1e-6)


def test_generalized_dice_of_one_class_or_of_equal_classes_is_dice():
    one = jl.generalized_dice(CHANCES[..., None], TRUTHS[..., None])
    close(one, jl.dice(CHANCES, TRUTHS))
    chances, truths = CHANCES[:4].T, np.tile(TRUTHS[:1], (4, 1)).T
    close(jl.generalized_dice(chances, truths), jl.dice(chances.ravel(), truths.ravel()))


def generalized(probabilities, targets, weights):
    shared = [(p * t).sum() for p, t in zip(probabilities.T, targets.T, strict=True)]
    sizes = [(p + t).sum() for p, t in zip(probabilities.T, targets.T, strict=True)]
    return 1 - 2 * np.dot(weights, shared) / np.dot(weights, sizes)


def test_generalized_dice_weighs_absent_classes_as_the_rarest_one():
    targets = np.repeat(np.eye(4, dtype=np.float32), [6, 3, 0, 2], axis=0)
    probabilities = RNG.dirichlet(np.ones(4), 11).astype(np.float32)
    expected = generalized(probabilities, targets, [1 / 36, 1 / 9, 1 / 4, 1 / 4])
    assert float(jl.generalized_dice(probabilities, targets)) == pytest.approx(expected, rel=1e-6)


def test_generalized_dice_without_any_true_pixel():
    nothing, everything = np.zeros((3, 2), np.float32), np.ones((3, 2), np.float32)
    assert jl.generalized_dice(everything, nothing) == 1
    assert jl.generalized_dice(nothing, nothing) == 0
    assert np.all(np.isfinite(jax.jit(jax.hessian(jl.generalized_dice))(nothing, nothing)))


def test_generalized_dice_does_not_depend_on_the_resolution():
    chances, truths = CHANCES.reshape(6, 10, 4), TRUTHS.reshape(6, 10, 4)
    found = jl.generalized_dice(np.repeat(chances, 5, axis=1), np.repeat(truths, 5, axis=1))
    close(found, jl.generalized_dice(chances, truths))


def test_weights_of_tiny_volumes_do_not_overflow():
    tiny = np.float32([[1e-30, 1], [0, 1]])
    value, slope = value_and_slope(jl.generalized_dice)(np.full((2, 2), np.float32(0.5)), tiny)
    assert float(value) == pytest.approx(1.0)
    assert np.all(np.isfinite(slope))


def test_same_as_optax():
    """Its `smooth` counts double, and its inputs are logits."""
    logits = np.log(CHANCES) - np.log1p(-CHANCES)
    peer = jax.jit(functools.partial(optax.losses.dice_loss, reduction="none"))
    given = logits[..., None], TRUTHS[..., None]
    close(np.squeeze(peer(*given)), jl.dice(CHANCES, TRUTHS, smooth=2.0))
    weights = {"alpha": 0.3, "beta": 0.6, "smooth": 0.4}
    found = jl.tversky(CHANCES, TRUTHS, **weights)
    close(np.squeeze(peer(*given, **weights)), found)


@pytest.mark.slow
def test_same_as_keras():
    """Its `alpha` weighs what is missed, unlike in the paper; its smoothing is 1e-7."""
    losses = pytest.importorskip("keras").losses
    close(losses.dice(TRUTHS, CHANCES, axis=-1), jl.dice(CHANCES, TRUTHS))
    found = jl.tversky(CHANCES, TRUTHS, alpha=0.3, beta=0.6)
    close(losses.tversky(TRUTHS, CHANCES, alpha=0.6, beta=0.3, axis=-1), found)
