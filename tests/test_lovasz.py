"""The Lovász extension of the Jaccard loss: brute force from its definition, vertices, edges."""

import functools
import itertools
from math import log

import jax
import numpy as np
import pytest
from derivatives import value_and_slope, values_and_slopes

import jaxloss as jl

RNG = np.random.default_rng(11)
SCORES = RNG.normal(size=(40, 7)).astype(np.float32)
INSIDE = RNG.integers(0, 2, (40, 7)).astype(np.int32)
INSIDE[0], INSIDE[1] = 0, 1
LOGITS = RNG.normal(size=(40, 7, 3)).astype(np.float32)
LABELS = RNG.integers(0, 3, (40, 7)).astype(np.int32)
LABELS[0], LABELS[1] = 2, LABELS[1] % 2

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-6)
hinge_and_slope = jax.jit(jax.vmap(jax.value_and_grad(jl.lovasz_hinge)))


ORACLE = [
    (jl.lovasz_hinge, [2, 0.5, -1], [1, 0, 1], 5 / 4, [0, 1 / 6, -1 / 2]),
    (jl.lovasz_hinge, [2, 0.5, -1], [0, 0, 0], 3, [1, 0, 0]),
    (jl.lovasz_hinge, [2, 0.5, -1], [1, 1, 1], 5 / 6, [0, -1 / 3, -1 / 3]),
    (jl.lovasz_hinge, [0.25], [1], 3 / 4, [-1]),
    (jl.lovasz_hinge, [2, -3], [1, 0], 0, [0, 0]),
    (
        jl.lovasz_softmax,
        [[log(3), 0], [0, 0]],
        [0, 1],
        7 / 16,
        [[-3 / 64, 3 / 64], [3 / 16, -3 / 16]],
    ),
    (
        jl.lovasz_softmax,
        [[log(3), 0], [0, 0]],
        [0, 0],
        3 / 8,
        [[-3 / 32, 3 / 32], [-1 / 8, 1 / 8]],
    ),
]


@pytest.mark.parametrize(("loss", "predictions", "labels", "value", "slope"), ORACLE)
def test_value_and_gradient(loss, predictions, labels, value, slope):
    with jax.enable_x64(True):
        found = value_and_slope(loss)(np.asarray(predictions, np.float64), np.asarray(labels))
        assert float(found[0]) == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(found[1], slope, rtol=1e-13, atol=1e-16)


def jaccard_of_mistakes(wrong, inside):
    """1 - intersection / union of the truth and the prediction that is wrong there."""
    predicted = inside ^ wrong
    union = (predicted | inside).sum()
    return 1 - (predicted & inside).sum() / union if union else 0.0


def extension(errors, inside):
    """The integral over thresholds of the loss of the mistakes that reach them."""
    levels = np.unique(np.append(errors, 0.0))
    return sum(
        (high - low) * jaccard_of_mistakes(errors >= high, inside)
        for low, high in itertools.pairwise(levels)
    )


def softmax_errors(logits, label):
    """Which pixels are of the class, and how wrong its probability is."""
    odds = np.exp(logits.astype(np.float64))
    inside = label == np.arange(3)[:, None]
    return inside, np.abs(inside - (odds / odds.sum(-1, keepdims=True)).T)


def mean_extension(logits, label):
    pairs = zip(*softmax_errors(logits, label), strict=True)
    return np.mean([extension(errors, inside) for inside, errors in pairs if inside.any()])


@pytest.mark.parametrize("scores", [SCORES, np.round(SCORES)], ids=["distinct", "tied"])
def test_hinge_is_the_integral_over_thresholds(scores):
    margins = np.where(INSIDE > 0, 1.0, -1.0) * scores
    expected = [
        extension(np.maximum(1 - m, 0), y > 0) for m, y in zip(margins, INSIDE, strict=True)
    ]
    close(jl.lovasz_hinge(scores, INSIDE), expected)


@pytest.mark.parametrize("logits", [LOGITS, np.round(LOGITS)], ids=["distinct", "tied"])
def test_softmax_is_the_mean_of_integrals_over_thresholds(logits):
    expected = [mean_extension(x, y) for x, y in zip(logits, LABELS, strict=True)]
    close(jl.lovasz_softmax(logits, LABELS), expected)


def test_slopes_at_ties_support_the_hinge():
    """f(y) >= f(x) + slope (y - x), for every y and any slope that a tie may choose."""
    tied = np.round(SCORES)
    values, slopes = hinge_and_slope(tied, INSIDE)
    for other in (SCORES, -SCORES, tied + 1, 3 * SCORES[::-1], np.zeros_like(SCORES)):
        below = values + np.sum(slopes * (other - tied), axis=-1)
        assert np.all(jl.lovasz_hinge(other, INSIDE) >= below - 1e-5)


def test_hard_scores_have_the_jaccard_loss_of_their_mistakes():
    wrong = RNG.integers(0, 2, INSIDE.shape)
    margins = np.where(INSIDE > 0, 1.0, -1.0) * (1 - wrong)
    expected = jl.jaccard(np.abs(INSIDE - wrong), INSIDE)
    close(jl.lovasz_hinge(margins.astype(np.float32), INSIDE), expected)


def test_hard_logits_have_the_mean_jaccard_loss_of_the_classes_that_occur():
    predicted = RNG.integers(0, 3, LABELS.shape)
    hard = np.where(predicted[..., None] == np.arange(3), 0, -1e4).astype(np.float32)
    found, classes = np.asarray(jl.lovasz_softmax(hard, LABELS)), np.arange(3)[:, None]
    for value, guess, truth in zip(found, predicted, LABELS, strict=True):
        losses = np.asarray(jl.jaccard(guess == classes, truth == classes))
        assert float(value) == pytest.approx(np.mean(losses[np.unique(truth)]), rel=1e-6)


def test_one_pixel_is_the_hinge():
    signs = INSIDE[:, 0]
    close(jl.lovasz_hinge(SCORES[:, :1], INSIDE[:, :1]), jl.hinge(SCORES[:, 0], signs))


def test_without_a_pixel_inside_the_worst_pixel_counts():
    outside = np.zeros_like(INSIDE)
    close(jl.lovasz_hinge(SCORES, outside), jl.hinge(SCORES, outside).max(-1))


def test_labels_are_truths_or_zeros_and_ones_or_signs():
    for labels in (INSIDE > 0, INSIDE.astype(np.float32), 2 * INSIDE - 1):
        close(jl.lovasz_hinge(SCORES, labels), jl.lovasz_hinge(SCORES, INSIDE))


def test_weights_of_large_images_keep_their_digits():
    """Each is a difference of two losses near 1, of about 1e-6."""
    count, rng = 1 << 16, np.random.default_rng(2)
    scores, inside = rng.normal(size=count).astype(np.float32), rng.uniform(size=count) < 0.3
    signs = np.where(inside, np.float32(1), np.float32(-1))
    errors = np.maximum(1 - signs * scores, 0)
    order = np.argsort(-errors, kind="stable")
    missed, extra = np.cumsum(inside[order]), np.cumsum(~inside[order])
    losses = 1 - (inside.sum() - missed) / (inside.sum() + extra)
    steps = np.zeros(count)
    steps[order] = np.diff(losses, prepend=0.0)
    value, slope = hinge_and_slope(scores[None], inside[None])
    assert float(value[0]) == pytest.approx(np.dot(steps, errors), rel=2e-6)
    np.testing.assert_allclose(slope[0], -signs * steps * (errors > 0), rtol=2e-6, atol=1e-14)


@pytest.mark.parametrize("loss", [jl.lovasz_hinge, jl.lovasz_softmax])
def test_pixels_behind_a_mask_are_not_there(loss):
    """Though they sort between the others, and the first of all would be behind the mask."""
    given = (SCORES, INSIDE) if loss is jl.lovasz_hinge else (LOGITS, LABELS)
    where = np.broadcast_to(np.arange(7) % 3 != 0, (40, 7))
    few = np.asarray(loss(*[x[:, np.arange(7) % 3 != 0] for x in given]))
    for hidden in (-1e30, 1e30, np.nan):
        predictions = np.where(
            where.reshape(where.shape + (1,) * (given[0].ndim - 2)), given[0], hidden
        )
        close(loss(predictions.astype(np.float32), given[1], where=where), few)
    assert np.all(loss(*given, where=np.zeros((40, 7), bool)) == 0)


def test_classes_may_be_masked_by_logits_of_minus_infinity():
    logits, labels = LOGITS.copy(), LABELS % 2
    logits[..., 2] = -np.inf
    found, slope = map(np.asarray, values_and_slopes(jl.lovasz_softmax)(logits, labels))
    expected = np.asarray(jl.lovasz_softmax(LOGITS[..., :2], labels))
    assert found.sum() == pytest.approx(expected.sum(), rel=1e-6)
    assert np.all(np.isfinite(slope))
    assert np.all(slope[..., 2] == 0)


@pytest.mark.parametrize("wrong", [-1, 3, 255, -100])
def test_labels_that_are_no_class_give_nan_in_value_and_gradient(wrong):
    labels = LABELS.copy()
    labels[3, 1] = wrong
    values, slopes = values_and_slopes(jl.lovasz_softmax)(LOGITS, labels)
    np.testing.assert_array_equal(np.isnan(values), np.arange(40) == 3)
    np.testing.assert_array_equal(np.isnan(slopes).any((1, 2)), np.arange(40) == 3)
    ignored = jl.lovasz_softmax(LOGITS, labels, where=(labels >= 0) & (labels < 3))
    assert np.all(np.isfinite(ignored))


def test_saturated_probabilities_keep_small_errors():
    value, slope = values_and_slopes(jl.lovasz_softmax)(np.float32([[20, 0]]), np.array([0]))
    assert float(value) == pytest.approx(2.0611536e-9, rel=1e-6)
    np.testing.assert_allclose(slope, [[-2.0611536e-9, 2.0611536e-9]], rtol=1e-6)
