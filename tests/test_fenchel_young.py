"""Fenchel-Young losses: hand-derived values, identities, projections by brute force, peers."""

import copy
import functools
import itertools
import pickle
from fractions import Fraction
from math import inf, log

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from derivatives import value_and_slope, values_and_slopes
from drawing import half_square
from scipy.special import softmax

import jaxloss as jl
from jaxloss.numerics import logsumexp

RNG = np.random.default_rng(2)
SCORES = RNG.normal(size=(64, 4)).astype(np.float32) * 2
LABELS = RNG.integers(0, 4, 64).astype(np.int32)
TARGETS = softmax(RNG.normal(size=(64, 4)).astype(np.float32), axis=-1)
ONE_HOT = np.eye(4, dtype=np.float32)[LABELS]

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-6)
sparse = jax.jit(jax.vmap(jax.value_and_grad(jl.multiclass_sparsemax)))
soft = jl.fenchel_young(jax.nn.logsumexp)


half_squares = jax.jit(jax.vmap(half_square))

ORACLE = [
    (jl.sparsemax, 3.0, 1, 0.0, 0.0),
    (jl.sparsemax, 1.0, 1, 0.0, 0.0),
    (jl.sparsemax, 0.5, 1, 1 / 16, -1 / 4),
    (jl.sparsemax, 0.5, 0, 9 / 16, 3 / 4),
    (jl.sparsemax, -3.0, 1, 3.0, -1.0),
    (jl.multiclass_sparsemax, [2, 1, 0], 0, 0.0, [0, 0, 0]),
    (jl.multiclass_sparsemax, [2, 1, 0], 1, 1.0, [1, -1, 0]),
    (jl.multiclass_sparsemax, [0.5, 0.5, -1], 0, 1 / 4, [-1 / 2, 1 / 2, 0]),
    (jl.multiclass_sparsemax, [0.5, 0.5, -1], 2, 3 / 4 + 1, [1 / 2, 1 / 2, -1]),
    (jl.multiclass_sparsemax, [0, 0, 0], 1, 1 / 3, [1 / 3, -2 / 3, 1 / 3]),
    (jl.multiclass_sparsemax, [0.5, 0.25, 0], 2, 31 / 48, [7 / 12, 1 / 3, -11 / 12]),
    (jl.multiclass_sparsemax, [3], 0, 0.0, [0]),
    (jl.multiclass_perceptron, [2, 1.5, 0], 0, 0.0, [0, 0, 0]),
    (jl.multiclass_perceptron, [2, 1.5, 0], 2, 2.0, [1, 0, -1]),
    (jl.multiclass_perceptron, [1, 1, 0], 0, 0.0, [-1 / 2, 1 / 2, 0]),
    (soft, [log(3), 0], [0.25, 0.75], log(4) - log(3) / 4, [1 / 2, -1 / 2]),
]


@pytest.mark.parametrize(("loss", "scores", "target", "value", "slope"), ORACLE)
def test_value_and_gradient(loss, scores, target, value, slope):
    with jax.enable_x64(True):
        found = value_and_slope(loss)(np.asarray(scores, np.float64), np.asarray(target))
        assert float(found[0]) == pytest.approx(value, rel=1e-14, abs=1e-15)
        np.testing.assert_allclose(found[1], slope, rtol=1e-14, atol=1e-15)


def exact_sparsemax(scores, label):
    """Value and slope in fractions: of all sets of classes, the one that gives a distribution."""
    classes = range(len(scores))
    for size in classes:
        for chosen in itertools.combinations(classes, size + 1):
            threshold = (sum(scores[j] for j in chosen) - 1) / (size + 1)
            excess = [score - threshold for score in scores]
            if all((excess[j] > 0) == (j in chosen) for j in classes):
                p = [max(x, Fraction(0)) for x in excess]
                conjugate = sum(a * o for a, o in zip(p, scores, strict=True)) - (
                    sum(a * a for a in p) / 2
                )
                slope = [a - (j == label) for j, a in enumerate(p)]
                return float(conjugate + Fraction(1, 2) - scores[label]), list(map(float, slope))
    raise AssertionError


@pytest.mark.parametrize("scale", [1e-6, 0.3, 1.0, 3.0, 1e4])
def test_sparsemax_is_exact_at_every_scale_of_scores(scale):
    scores = RNG.normal(size=(20, 6)).astype(np.float32) * np.float32(scale)
    labels = RNG.integers(0, 6, 20)
    values, slopes = map(np.asarray, sparse(scores, labels))
    for row, label, value, slope in zip(scores, labels, values, slopes, strict=True):
        exact = exact_sparsemax([Fraction(float(x)) for x in row], label)
        assert float(value) == pytest.approx(exact[0], rel=3e-6, abs=1e-12)
        np.testing.assert_allclose(slope, exact[1], rtol=1e-5, atol=2e-7)


def test_sparsemax_keeps_the_digits_of_small_errors():
    """A label that leads by just less than 1 costs a square, of which no digit is lost."""
    for lack in (2.0**-8, 2.0**-16, 2.0**-23):
        value, slope = map(np.asarray, sparse(np.float32([[1, lack, -5]]), np.array([0])))
        assert float(value[0]) == pytest.approx(lack**2 / 4, rel=1e-6)
        np.testing.assert_allclose(slope[0], [-lack / 2, lack / 2, 0], rtol=1e-6)


def test_sparsemax_is_zero_exactly_where_the_label_leads_by_one():
    values, slopes = map(np.asarray, sparse(SCORES, LABELS))
    rivals = np.where(ONE_HOT > 0, -inf, SCORES).max(-1)
    leads = SCORES[np.arange(64), LABELS] - rivals >= 1
    assert 0 < leads.sum() < 64
    np.testing.assert_array_equal(values == 0, leads)
    np.testing.assert_array_equal(np.all(slopes == 0, axis=-1), leads)
    assert np.all(values >= 0)


def test_sparsemax_with_many_classes_near_each_other():
    """The set of classes with a probability is found whatever the order and number of ties."""
    with jax.enable_x64(True):
        ties = np.round(RNG.normal(size=(8, 300)), 1)
        slopes = {"scaled": ties / 10, "steps": np.tile(-np.sqrt(np.arange(300)) / 9, (8, 1))}
        for scores in slopes.values():
            value, slope = sparse(scores, np.arange(8))
            chances = np.asarray(slope) + np.eye(300)[:8]
            np.testing.assert_allclose(chances.sum(-1), 1, rtol=1e-12)
            expected = np.asarray(half_squares(scores)) + 0.5 - np.diag(scores)
            np.testing.assert_allclose(value, expected, rtol=1e-12)


def test_sparsemax_of_least_risk_gives_the_probabilities():
    chances = np.array([0.5, 0.3, 0.2, 0.0], np.float32)
    for shift in (0, -3):
        _, slopes = sparse(np.tile(chances + shift, (4, 1)), np.arange(4))
        close(chances @ np.asarray(slopes), 0)


def test_binary_sparsemax_is_that_of_two_classes():
    pair, labels = SCORES[:, :2], LABELS % 2
    close(jl.multiclass_sparsemax(pair, labels), jl.sparsemax(pair[:, 1] - pair[:, 0], labels))


def test_binary_sparsemax_is_a_quarter_of_modified_huber():
    margins, one = np.linspace(-3, 3, 61, dtype=np.float32), np.ones(61, np.float32)
    values, mirrored = (np.asarray(jl.sparsemax(m, one)) for m in (margins, -margins))
    close(values, np.asarray(jl.modified_huber(margins, one)) / 4)
    close(values - mirrored, -margins)


def test_perceptron_is_crammer_singer_without_margin():
    close(
        jl.multiclass_perceptron(SCORES, LABELS),
        jl.crammer_singer(SCORES, LABELS, margin=1e-9),
    )


def test_perceptron_of_two_classes_is_that_of_the_difference():
    pair, labels = SCORES[:, :2], LABELS % 2
    close(jl.multiclass_perceptron(pair, labels), jl.perceptron(pair[:, 1] - pair[:, 0], labels))


@pytest.mark.parametrize("loss", [soft, jl.fenchel_young(jax.jit(logsumexp))])
def test_the_loss_of_logsumexp_is_cross_entropy(loss):
    value, slopes = values_and_slopes(loss)(SCORES, TARGETS)
    close(value, jl.softmax_cross_entropy(SCORES, TARGETS))
    close(slopes, softmax(SCORES, axis=-1) - TARGETS)


def test_the_loss_of_the_maximum_is_the_perceptron():
    close(jl.fenchel_young(jnp.max)(SCORES, ONE_HOT), jl.multiclass_perceptron(SCORES, LABELS))


def test_the_loss_of_the_half_square_is_sparsemax():
    loss = jl.fenchel_young(jax.jit(half_square))
    expected, slopes = map(np.asarray, sparse(SCORES, LABELS))
    close(np.asarray(loss(SCORES, ONE_HOT)) + 0.5, expected)
    fit = np.maximum(slopes + ONE_HOT, 0)
    value, at_fit = values_and_slopes(loss)(SCORES, fit)
    close(value, -np.sum(fit**2, -1) / 2)
    close(at_fit, 0)


def test_huge_scores_keep_their_difference():
    scores = np.float32([1e4, 1e4 + 0.5, -1e4])
    assert float(soft(scores, np.float32([1, 0, 0]))) == pytest.approx(log(1 + np.exp(0.5)))
    assert jl.multiclass_sparsemax(scores, 0) == 0.75**2
    assert jl.multiclass_sparsemax(scores, 2) == 20000 - 0.25 + (0.75**2 + 0.25**2 + 1) / 2
    assert jl.multiclass_perceptron(scores, 0) == 0.5


def half_square_sum(x):
    """The conjugate of a function on all of space."""
    return jnp.sum(x * x) / 2


def softplus_sum(x):
    """The conjugate of a function on the cube."""
    return jnp.sum(jax.nn.softplus(x))


@pytest.mark.parametrize("conjugate", [half_square_sum, softplus_sum])
@pytest.mark.parametrize("classes", [2, 4])
def test_conjugates_that_shifts_do_not_pass_are_refused(conjugate, classes):
    loss = jl.fenchel_young(conjugate)
    batch = np.zeros((3, classes), np.float32), np.full((3, classes), 1 / classes, np.float32)
    summed = lambda *arrays: jnp.sum(loss(*arrays))
    for call in (loss, jax.jit(loss), jax.vmap(loss), jax.grad(summed)):
        with pytest.raises(ValueError, match=f"{conjugate.__name__}.*simplex"):
            call(*batch)


def test_made_losses_are_made_once_and_read_as_they_are_written():
    assert jl.fenchel_young(jax.nn.logsumexp) is soft
    assert repr(soft) == "<loss fenchel_young(logsumexp)(scores, targets)>"
    assert soft.__doc__.startswith("Fenchel-Young loss of the conjugate function")
    assert copy.deepcopy(soft) is soft
    assert pickle.loads(pickle.dumps(jl.fenchel_young(half_square))) is jl.fenchel_young(
        half_square
    )
    close(jl.Objective(soft)(SCORES, TARGETS), np.mean(soft(SCORES, TARGETS)))


def test_a_conjugate_may_be_any_callable():
    tempered = functools.partial(jax.nn.logsumexp, b=1.0)
    assert jl.fenchel_young(tempered).__name__ == "fenchel_young(partial)"
    close(jl.fenchel_young(tempered)(SCORES, TARGETS), soft(SCORES, TARGETS))


@pytest.mark.parametrize(
    ("ours", "theirs", "scores", "targets"),
    [
        (jl.sparsemax, optax.losses.sparsemax_loss, SCORES[:, 0], LABELS > 1),
        (jl.multiclass_sparsemax, optax.losses.multiclass_sparsemax_loss, SCORES, LABELS),
        (jl.multiclass_perceptron, optax.losses.multiclass_perceptron_loss, SCORES, LABELS),
        (soft, optax.losses.make_fenchel_young_loss(jax.nn.logsumexp), SCORES, TARGETS),
    ],
)
def test_optax_agrees(ours, theirs, scores, targets):
    for left, right in zip(
        values_and_slopes(ours)(scores, targets),
        values_and_slopes(theirs)(scores, targets),
        strict=True,
    ):
        close(left, right, atol=3e-6)


# optax#1185, pytorch#43840, keras#23664
def test_a_label_out_of_range_is_nan_in_value_and_gradient():
    labels = LABELS.copy()
    labels[:2] = -1, 4
    for loss in (jl.multiclass_sparsemax, jl.multiclass_perceptron):
        value, slopes = values_and_slopes(loss)(SCORES, labels)
        np.testing.assert_array_equal(np.isnan(value), np.arange(64) < 2)
        np.testing.assert_array_equal(np.isnan(slopes).any(-1), np.arange(64) < 2)
