"""Losses of several labels an example: hand-derived values, brute force, identities."""

import functools
from fractions import Fraction
from math import log

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from derivatives import value_and_slope

import jaxloss as jl

RNG = np.random.default_rng(3)
SCORES = RNG.normal(size=(64, 5)).astype(np.float32)
PRESENT = RNG.integers(0, 2, (64, 5)).astype(np.int32)
LABELS = RNG.integers(0, 5, 64).astype(np.int32)
ONE_HOT = np.eye(5, dtype=np.int32)[LABELS]

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-6)


@jax.jit
@functools.partial(jax.vmap, in_axes=(0, None, 0))
def ranking(scores, margin, present):
    """The values, and the slopes of each in its scores and in the margin."""
    of = lambda scores, margin: jl.multilabel_margin(scores, present, margin=margin)
    value, slopes = jax.value_and_grad(of, argnums=(0, 1))(scores, margin)
    return value, *slopes


@functools.cache
def slopes_of(loss):
    return jax.jit(jax.grad(lambda scores, present: loss(scores, present).sum()))


ORACLE = [
    (jl.multilabel_margin, [2, 0.5, 1.5, -1], [1, 1, 0, 0], {}, 5 / 8, [-1 / 4, -1 / 4, 1 / 2, 0]),
    (jl.multilabel_margin, [2, 0.5, 1.5, -1], [1, 1, 0, 0], {"margin": 0.25}, 5 / 16, None),
    (jl.multilabel_margin, [0, 3, -1], [1, 0, 1], {}, 9 / 3, [-1 / 3, 2 / 3, -1 / 3]),
    (jl.multilabel_margin, [1, 0], [1, 0], {}, 0.0, [0, 0]),
    (jl.multilabel_margin, [0, 1], [0, 1], {}, 0.0, [0, 0]),
    (jl.multilabel_margin, [0, 3, -1], [1, 1, 1], {}, 0.0, [0, 0, 0]),
    (jl.multilabel_margin, [0, 3, -1], [0, 0, 0], {}, 0.0, [0, 0, 0]),
    (jl.multilabel_margin, [0, 0, 0, 0], [1, 1, 0, 0], {}, 1.0, [-0.5, -0.5, 0.5, 0.5]),
    (jl.multilabel_margin, [3], [1], {}, 0.0, [0]),
    (jl.multilabel_soft_margin, [log(3), 0], [1, 0], {}, log(8 / 3) / 2, [-1 / 8, 1 / 4]),
    (jl.multilabel_soft_margin, [log(3), 0], [0, 0], {}, log(8) / 2, [3 / 8, 1 / 4]),
]


@pytest.mark.parametrize(("loss", "scores", "present", "hyper", "value", "slope"), ORACLE)
def test_value_and_gradient(loss, scores, present, hyper, value, slope):
    with jax.enable_x64(True):
        given = np.asarray(scores, float), np.asarray(present)
        found, gradient = value_and_slope(loss)(*given, **hyper)
        assert float(found) == pytest.approx(value, rel=1e-14)
        if slope is not None:
            np.testing.assert_allclose(gradient, slope, rtol=1e-14)


def pairs(scores, present, margin):
    """Value, slope and slope in the margin: every pair, in fractions."""
    value, slope, by_margin, classes = Fraction(0), [0] * len(scores), 0, len(scores)
    for i in np.flatnonzero(present):
        for j in np.flatnonzero(present == 0):
            gap = Fraction(float(margin)) - Fraction(float(scores[i])) + Fraction(float(scores[j]))
            if gap > 0:
                value, by_margin = value + gap, by_margin + 1
                slope[i], slope[j] = slope[i] - 1, slope[j] + 1
    return float(value / classes), np.array(slope) / classes, by_margin / classes


@pytest.mark.parametrize("margin", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_sorting_finds_every_pair(scale, margin):
    scores, margin = SCORES * np.float32(scale), np.float32(margin)
    values, slopes, by_margin = map(np.asarray, ranking(scores, margin, PRESENT))
    for i in range(len(scores)):
        value, slope, chance = pairs(scores[i], PRESENT[i], margin)
        assert float(values[i]) == pytest.approx(value, rel=2e-6, abs=1e-12)
        np.testing.assert_allclose(slopes[i], slope, rtol=1e-6, atol=1e-7)
        assert float(by_margin[i]) == pytest.approx(chance, rel=1e-6)


def test_equal_scores_count_as_many_times_as_there_are_pairs():
    scores = np.round(SCORES * 2) / 2
    values, slopes, _ = map(np.asarray, ranking(scores, np.float32(1), PRESENT))
    for i in range(len(scores)):
        value, slope, _ = pairs(scores[i], PRESENT[i], 1.0)
        assert float(values[i]) == pytest.approx(value, rel=1e-6)
        np.testing.assert_allclose(slopes[i], slope, rtol=1e-6, atol=1e-7)


def test_many_classes_are_summed_without_loss():
    scores = RNG.normal(size=3000).astype(np.float32) + 1000
    present = (RNG.uniform(size=3000) < 0.3).astype(np.int32)
    wide = scores.astype(np.float64)
    lags = 1 + wide[None, present == 0] - wide[present == 1][:, None]
    expected = np.maximum(lags, 0).sum() / 3000
    assert float(jl.multilabel_margin(scores, present)) == pytest.approx(expected, rel=2e-6)


def test_no_array_of_pairs_is_built():
    lowered = jax.jit(jax.grad(jl.multilabel_margin)).lower(jnp.zeros(977), jnp.zeros(977))
    assert "977x977" not in lowered.as_text()


def test_huge_scores_keep_their_difference():
    scores = np.float32([1e4, 1e4 + 0.5, -1e4])
    found = jl.multilabel_margin(scores, [1, 0, 0], margin=0.1)
    assert float(found) == pytest.approx(0.6 / 3, rel=2e-7)
    assert jl.multilabel_margin(scores, [0, 1, 0]) == np.float32(0.5 / 3)


def test_one_label_is_weston_watkins():
    close(jl.multilabel_margin(SCORES, ONE_HOT), jl.weston_watkins(SCORES, LABELS) / 5)


def test_the_margin_sets_the_unit():
    close(
        jl.multilabel_margin(SCORES, PRESENT, margin=2.0),
        2 * jl.multilabel_margin(SCORES / 2, PRESENT),
    )


def test_soft_margin_is_the_mean_of_binary_cross_entropies():
    expected = np.asarray(jl.sigmoid_binary_cross_entropy(SCORES, PRESENT)).mean(-1)
    close(jl.multilabel_soft_margin(SCORES, PRESENT), expected)
    expected = jl.one_vs_all(jl.logistic)(SCORES, LABELS) / 5
    close(jl.multilabel_soft_margin(SCORES, ONE_HOT), expected)


@pytest.mark.parametrize("loss", [jl.multilabel_margin, jl.multilabel_soft_margin])
def test_labels_are_truths_or_zeros_and_ones(loss):
    for kind in (bool, np.int32, np.float32):
        close(loss(SCORES, PRESENT.astype(kind)), loss(SCORES, PRESENT))


@pytest.mark.parametrize("loss", [jl.multilabel_margin, jl.multilabel_soft_margin])
@pytest.mark.parametrize("wrong", [-1, 2, 0.3, np.nan])
def test_anything_but_zero_and_one_is_nan_in_value_and_gradient(loss, wrong):
    """Such as the class indices, padded with -1, that PyTorch takes."""
    labels = PRESENT.astype(np.float32)
    labels[3, 1] = wrong
    values, slopes = loss(SCORES, labels), np.asarray(slopes_of(loss)(SCORES, labels))
    np.testing.assert_array_equal(np.isnan(values), np.arange(64) == 3)
    np.testing.assert_array_equal(np.isnan(slopes).any(-1), np.arange(64) == 3)


@pytest.mark.parametrize("loss", [jl.multilabel_margin, jl.multilabel_soft_margin])
def test_integer_labels_are_answered_with_the_way_to_convert_them(loss):
    with pytest.raises(ValueError, match=r"jax\.nn\.one_hot"):
        loss(SCORES, LABELS)
