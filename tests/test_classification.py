"""Binary and multiclass cross-entropy: hand-derived values, identities, peers, reported faults."""

import functools
from math import inf, log

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest
import sklearn.metrics
from derivatives import values_and_slopes
from scipy.special import entr, expit, log_softmax, softmax

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
SCE = jl.softmax_cross_entropy
BCE = jl.sigmoid_binary_cross_entropy
LOG2, LOG3 = log(2), log(3)
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(64, 5)).astype(np.float32) * 3
LABELS = RNG.integers(0, 5, 64).astype(np.int32)
TARGETS = RNG.dirichlet(np.ones(5), 64).astype(np.float32)
TRUTHS = RNG.uniform(size=(64, 5)).astype(np.float32)

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-6)


def values_and_gradient(loss, first, target, **hyper):
    """The values, and the gradient of their sum, compiled together."""
    numbers = {name: np.asarray(value) for name, value in hyper.items()}
    found = values_and_slopes(loss)(np.asarray(first), np.asarray(target), **numbers)
    return jax.tree.map(np.asarray, found)


def gradient(loss, first, target, **hyper):
    return values_and_gradient(loss, first, target, **hyper)[1]


# Two logits [0, log 2] have the probabilities [1/3, 2/3]; the logit log 3 has 3/4.
ORACLE = [
    (BCE, 0.0, 1.0, {}, LOG2, -1 / 2),
    (BCE, 0.0, 0.25, {}, LOG2, 1 / 4),
    (BCE, LOG3, 1.0, {}, log(4 / 3), -1 / 4),
    (BCE, LOG3, 0.0, {}, log(4), 3 / 4),
    (BCE, 0.0, 1.0, {"positive_weight": 3.0}, 3 * LOG2, -3 / 2),
    (BCE, 0.0, 0.0, {"positive_weight": 3.0}, LOG2, 1 / 2),
    (BCE, LOG3, 1.0, {"label_smoothing": 0.5}, 0.75 * log(4 / 3) + 0.25 * log(4), 0.0),
    (jl.binary_cross_entropy, 0.25, 0.5, {}, (log(4) + log(4 / 3)) / 2, -4 / 3),
    (jl.binary_cross_entropy, 0.0, 0.0, {}, 0.0, 1.0),
    (jl.binary_cross_entropy, 1.0, 1.0, {}, 0.0, -1.0),
    (jl.binary_cross_entropy, 0.0, 1.0, {}, inf, 0.0),
    (CE, [0, LOG2], 0, {}, LOG3, [-2 / 3, 2 / 3]),
    (CE, [0, LOG2, -inf], 1, {}, log(1.5), [1 / 3, -1 / 3, 0]),
    (CE, [0, LOG2], 0, {"class_weights": [2.0, 5.0]}, 2 * LOG3, [-4 / 3, 4 / 3]),
    (
        CE,
        [0, LOG2],
        0,
        {"label_smoothing": 0.5},
        0.75 * LOG3 + 0.25 * log(1.5),
        [-5 / 12, 5 / 12],
    ),
    (
        CE,
        [0, LOG2],
        0,
        {"z_loss": 0.5},
        LOG3 + LOG3**2 / 2,
        [-2 / 3 + LOG3 / 3, 2 / 3 + 2 * LOG3 / 3],
    ),
    (
        CE,
        [0, np.arctanh(LOG2)],
        0,
        {"softcap": 1.0},
        LOG3,
        [-2 / 3, 2 / 3 * (1 - LOG2**2)],
    ),
    (SCE, [0, LOG2], [0.5, 0.5], {}, (LOG3 + log(1.5)) / 2, [-1 / 6, 1 / 6]),
    (SCE, [0, LOG2], [0.5, 0.5], {"class_weights": [2.0, 4.0]}, LOG3 + 2 * log(1.5), [0, 0]),
    (
        SCE,
        [0, LOG2],
        [1, 0],
        {"label_smoothing": 2 / 3},
        (2 * LOG3 + log(1.5)) / 3,
        [-1 / 3, 1 / 3],
    ),
    (
        jl.categorical_cross_entropy,
        [0.25, 0.75],
        [0.5, 0.5],
        {},
        (log(4) + log(4 / 3)) / 2,
        [-2, -2 / 3],
    ),
    (jl.categorical_cross_entropy, [1.0, 0.0], [1, 0], {}, 0.0, [-1, 0]),
]


@pytest.mark.parametrize(("loss", "first", "target", "hyper", "value", "slope"), ORACLE)
def test_value_and_gradient(loss, first, target, hyper, value, slope):
    with jax.enable_x64(True):
        first = np.asarray(first, np.float64)
        found, derived = values_and_gradient(loss, first, target, **hyper)
        assert float(found) == pytest.approx(value, rel=1e-13, abs=1e-14)
        np.testing.assert_allclose(derived, slope, rtol=1e-13, atol=1e-14)


def test_curvature_of_the_binary_loss_at_zero_is_a_quarter():
    assert jax.jit(jax.hessian(BCE))(0.0, 0.3) == 0.25


def test_binary_slope_is_the_error_of_the_probability():
    x, y = LOGITS, TRUTHS
    np.testing.assert_allclose(gradient(BCE, x, y), expit(x) - y, atol=2e-7)


def test_slope_in_the_label_is_the_negative_logit():
    slope = jax.jit(jax.grad(BCE, argnums=1))
    for label in (0.0, 1.0):
        for x in (-30.0, -0.5, 0.0, 2.0):
            assert float(slope(x, label)) == pytest.approx(-x, rel=1e-6)


# identities


def test_binary_loss_is_the_logistic_of_the_margin():
    labels = LOGITS.T[0] > 0
    close(BCE(LOGITS.T[1], labels), jl.logistic(LOGITS.T[1], labels))


def test_two_classes_are_one_logit():
    pair, labels = LOGITS[:, :2], LABELS % 2
    close(CE(pair, labels), BCE(pair[:, 1] - pair[:, 0], labels))


def test_one_hot_targets_are_integer_labels():
    one_hot = np.eye(5, dtype=np.float32)[LABELS]
    weights = np.arange(1, 6, dtype=np.float32)
    for hyper in (
        {},
        {"label_smoothing": 0.2},
        {"class_weights": weights},
        {"z_loss": 0.1, "softcap": 2.0},
    ):
        close(SCE(LOGITS, one_hot, **hyper), CE(LOGITS, LABELS, **hyper), rtol=5e-6)


def test_probabilities_and_logits_agree():
    close(jl.binary_cross_entropy(expit(LOGITS), TRUTHS), BCE(LOGITS, TRUTHS), rtol=1e-4)
    probabilities = softmax(LOGITS, axis=-1)
    close(jl.categorical_cross_entropy(probabilities, TARGETS), SCE(LOGITS, TARGETS), rtol=1e-5)


def test_at_the_truth_it_is_the_entropy():
    close(jl.categorical_cross_entropy(TARGETS, TARGETS), entr(TARGETS).sum(-1), rtol=1e-5)
    close(jl.binary_cross_entropy(TRUTHS, TRUTHS), entr(TRUTHS) + entr(1 - TRUTHS), rtol=1e-5)


def test_less_the_entropy_it_is_the_divergence():
    divergence = jl.kl_divergence(log_softmax(LOGITS, axis=-1), TARGETS)
    close(SCE(LOGITS, TARGETS) - entr(TARGETS).sum(-1), divergence, rtol=1e-5, atol=2e-6)


def test_soft_gradient_is_softmax_less_targets():
    close(gradient(SCE, LOGITS, TARGETS), softmax(LOGITS, axis=-1) - TARGETS)


def test_a_wide_softcap_is_none():
    close(CE(LOGITS, LABELS, softcap=1e5), CE(LOGITS, LABELS))


def test_absent_terms_are_neutral_ones():
    neutral = {"label_smoothing": 0.0, "class_weights": 1.0, "z_loss": 0.0}
    close(CE(LOGITS, LABELS, **neutral), CE(LOGITS, LABELS))
    close(SCE(LOGITS, TARGETS, **neutral), SCE(LOGITS, TARGETS))
    close(BCE(LOGITS, TRUTHS, positive_weight=1.0, label_smoothing=0.0), BCE(LOGITS, TRUTHS))


def test_positive_weight_may_differ_between_outputs():
    weights = np.arange(1, 6, dtype=np.float32)
    each = [BCE(LOGITS[:, k], TRUTHS[:, k], positive_weight=weights[k]) for k in range(5)]
    close(BCE(LOGITS, TRUTHS, positive_weight=weights), np.stack(each, -1))


# peers


def test_as_optax():
    theirs = optax.losses
    of_labels = jax.jit(theirs.softmax_cross_entropy_with_integer_labels)
    of_targets = jax.jit(theirs.softmax_cross_entropy)
    smooth = jax.jit(theirs.smooth_labels)(TARGETS, 0.3)
    close(BCE(LOGITS, TRUTHS), jax.jit(theirs.sigmoid_binary_cross_entropy)(LOGITS, TRUTHS))
    close(SCE(LOGITS, TARGETS), of_targets(LOGITS, TARGETS))
    close(CE(LOGITS, LABELS), of_labels(LOGITS, LABELS))
    close(SCE(LOGITS, TARGETS, label_smoothing=0.3), of_targets(LOGITS, smooth))


def test_as_scikit_learn():
    probabilities = softmax(np.float64(LOGITS), axis=-1)
    expected = sklearn.metrics.log_loss(LABELS, probabilities, labels=range(5))
    close(np.mean(CE(LOGITS, LABELS)), expected, rtol=1e-5)
    one_hot = np.eye(5, dtype=np.float32)[LABELS]
    close(np.mean(jl.categorical_cross_entropy(probabilities, one_hot)), expected, rtol=1e-5)
    truths, chance = LABELS > 2, probabilities[:, 0]
    expected = sklearn.metrics.log_loss(truths, chance)
    close(np.mean(jl.binary_cross_entropy(chance, truths)), expected, rtol=1e-5)


# accuracy


def exact_terms(logits):
    """-log softmax and softmax, with 60 digits."""
    with mpmath.workdps(60):
        powers = [mpmath.exp(mpmath.mpf(float(x))) for x in logits]
        total = mpmath.fsum(powers)
        return [-mpmath.log(x / total) if x else inf for x in powers], [x / total for x in powers]


EXTREME = [
    [20, 0, -inf],
    [0, 20, 20.5],
    [80, 0, 1],
    [1e4, 1e4 - 15, 0],
    [1e4, 1e4 + 0.5, -inf],
    [-1e4, -1e4 - 17, -1e4 - 18],
    [0, 1e-6, -1e-6],
    [1e4, -1e4, 3],
]


@pytest.mark.parametrize("logits", EXTREME)
def test_digits_survive_in_value_and_gradient(logits):
    """Relative to 60 digits, also where the probability of the label is nearly 1."""
    logits = np.asarray(logits, np.float32)
    terms, chances = exact_terms(logits)
    for label in np.flatnonzero(np.isfinite(logits)):
        one_hot = np.arange(len(logits)) == label
        wrong = mpmath.fsum(p for p, is_label in zip(chances, one_hot, strict=True) if not is_label)
        slope = [-wrong if y else p for p, y in zip(chances, one_hot, strict=True)]
        for loss, target in ((CE, label), (SCE, one_hot)):
            found, derived = values_and_gradient(loss, logits, target)
            np.testing.assert_allclose(float(found), float(terms[label]), rtol=3e-6, atol=1e-37)
            np.testing.assert_allclose(derived, np.array(slope, float), rtol=3e-6, atol=1e-37)


def test_digits_survive_softening():
    """Targets near a one-hot, where the loss is nearly 0 too."""
    logits, targets = np.float32([18, 0, 1]), np.float32([1 - 1e-7, 1e-7, 0])
    terms, _ = exact_terms(logits)
    exact = mpmath.fsum(mpmath.mpf(float(t)) * n for t, n in zip(targets, terms, strict=True))
    assert float(SCE(logits, targets)) == pytest.approx(float(exact), rel=1e-6)


def test_probabilities_near_one_keep_their_digits():
    p = np.float32(1e-9)
    assert float(jl.binary_cross_entropy(p, 0.0)) == pytest.approx(1e-9, rel=1e-6)
    near = np.float32(1 - 1e-7)
    assert float(jl.binary_cross_entropy(near, 1.0)) == pytest.approx(-log(float(near)), rel=1e-6)


# reported faults


# optax#896, optax#1762
def test_a_masked_class_without_target_costs_nothing():
    logits, targets = np.float32([-inf, 0]), np.float32([0, 1])
    value, slope = values_and_gradient(SCE, logits, targets)
    assert value == 0
    np.testing.assert_array_equal(slope, [0, 0])
    assert np.isfinite(jax.jit(jax.jacfwd(SCE, argnums=(0, 1)))(logits, targets)).all()


# optax#896
def test_a_masked_rival_costs_nothing():
    logits, labels = np.float32([[-inf, 0]]), np.array([1])
    value, slope = values_and_gradient(CE, logits, labels)
    assert value == 0
    np.testing.assert_array_equal(slope, [[0, 0]])


# flash-attention#1930
def test_all_masked_but_the_label():
    logits = np.full(100_000, -np.inf, np.float32)
    logits[50_000] = 10
    for loss, target in ((CE, 50_000), (SCE, logits > 0)):
        value, slope = values_and_gradient(loss, logits, target)
        assert value == 0
        np.testing.assert_array_equal(slope, 0)


# optax#1335, pytorch#11551
def test_masked_rows_may_hold_anything():
    logits, labels = LOGITS[:5].copy(), LABELS[:5].copy()
    where = np.array([True, False, True, False, True])
    logits[~where], labels[~where] = np.nan, -100
    objective = jl.Objective(CE)
    value, slope = jax.jit(jax.value_and_grad(objective))(logits, labels, where=where)
    slope = np.asarray(slope)
    values, expected = values_and_gradient(CE, logits[where], labels[where])
    close(value, np.mean(values))
    np.testing.assert_array_equal(slope[~where], 0)
    close(slope[where], expected / 3)


# jax#17117, jax#23842
def test_a_masked_class_has_no_gradient():
    logits = np.float32([1, 1, -inf])
    close(CE(logits, 0), LOG2)
    close(gradient(CE, logits, 0), [-0.5, 0.5, 0])


# pytorch#63004
def test_a_masked_label_costs_infinitely_much():
    logits = np.float32([1, 1, -inf])
    for value in (CE(logits, 2), SCE(logits, [0, 0, 1]), CE(np.float32([-inf] * 3), 2)):
        assert value == inf
    assert np.isfinite(gradient(CE, logits, 2)).all()


# optax#1185, pytorch#43840, keras#23664
@pytest.mark.parametrize("label", [-1, -5, -100, 5, 1000])
def test_a_label_out_of_range_is_nan_in_value_and_gradient(label):
    value, slope = values_and_gradient(CE, LOGITS[0], label)
    assert np.isnan(value)
    assert np.isnan(slope).all()


# tf#1234, keras#23664
def test_targets_of_all_zeros_cost_nothing():
    nothing = np.zeros(5, np.float32)
    assert SCE(LOGITS[0], nothing) == 0
    assert SCE(LOGITS[0], nothing, label_smoothing=0.1) == 0
    assert np.isnan(CE(LOGITS[0], 7))


# optax#1020
def test_narrow_logits_are_computed_in_single_precision():
    logits = np.random.default_rng(42).uniform(size=(8, 100)).astype(jnp.bfloat16)
    labels = np.arange(8) * 11
    found = CE(logits, labels)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, CE(logits.astype(np.float32), labels), atol=1e-5)


# jax#40409
def test_half_precision_gradient_over_many_classes_is_finite():
    logits = np.zeros(2**17, np.float16)
    slope = gradient(CE, logits, 3)
    assert slope.dtype == np.float16
    assert np.isfinite(slope).all()
    assert slope[3] == -1


# optax#1760
def test_smoothing_spares_masked_classes():
    logits = np.float32([0, -inf, 1])
    close(CE(logits, 0, label_smoothing=0.1), 1.263262)
    close(SCE(logits, [1, 0, 0], label_smoothing=0.1), 1.263262)
    close(gradient(CE, logits, 0, label_smoothing=0.1), [0.26894142 - 0.95, 0, 0.73105858 - 0.05])


# optax#1760
def test_smoothed_mass_is_one_and_lies_on_the_classes_that_are_not_masked():
    """The slope in a logit is the softmax less the smoothed target."""
    logits = np.float32([0, 0, -inf])
    smoothed = softmax(logits) - gradient(CE, logits, 0, label_smoothing=0.3)
    close(smoothed, [0.85, 0.15, 0])
    assert CE(np.float32([-inf] * 3), 0, label_smoothing=0.3) == inf


# pytorch#73205
def test_an_ignored_row_leaves_the_smoothed_mean():
    logits, labels = np.float32([[0.2, 0.3, 0.5], [0.5, 0.2, 0.3]]), np.array([2, -100])
    objective = jl.Objective(CE, label_smoothing=0.2)
    assert float(objective(logits, labels, where=[True, False])) == pytest.approx(0.9732, abs=5e-5)


# pytorch#69339, pytorch#91383
def test_weights_and_smoothing_of_both_conventions():
    logits, labels = np.float32([[1, 2], [3, 0.4]]), np.array([-100, 1])
    hyper = {"label_smoothing": 0.1, "class_weights": [0.2, 0.3]}
    objective = jl.Objective(CE, reduction=jl.total, **hyper)
    value = float(objective(logits, labels, where=[False, True]))
    assert value == pytest.approx(float(CE(logits[1], 1, **hyper)))
    assert value / 0.3 == pytest.approx(2.5416, abs=5e-5)
    by_term = float(SCE(logits[1], [0.0, 1.0], **hyper))
    assert by_term / 0.3 == pytest.approx(2.5405, abs=5e-5)


# pytorch#8062
def test_class_weights_and_the_two_means():
    logits, labels = np.float32([[-100, 100], [-100, 100]]), np.array([0, 1])
    weights = np.float32([20, 10])
    np.testing.assert_allclose(CE(logits, labels, class_weights=weights), [4000, 0], atol=1e-30)
    assert float(jl.Objective(CE, class_weights=weights)(logits, labels)) == 2000
    by_weight = jl.Objective(CE)(logits, labels, weights=weights[labels])
    assert float(by_weight) == pytest.approx(133.3333, rel=1e-6)


# pytorch#25571
def test_class_weights_by_example():
    logits = np.float32([[0.2, 0.3, 0.5], [0.5, 0.2, 0.3]])
    found = CE(logits, np.array([2, 1]), class_weights=[2.0, 4.0, 6.0])
    np.testing.assert_allclose(found, [5.6390, 4.9593], atol=5e-5)


# axon#662
def test_labels_of_the_wrong_kind_are_refused_by_name():
    logits = np.zeros((3, 3), np.float32)
    with pytest.raises(ValueError, match="softmax_cross_entropy_with_integer_labels"):
        SCE(logits, np.array([0, 1, 2]))
    with pytest.raises(TypeError, match="softmax_cross_entropy;"):
        CE(logits, np.array([0.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match="never broadcast"):
        CE(np.zeros((4, 3), np.float32), np.array([1]))


# optax#431, pytorch#135359
def test_certain_logits():
    certain = [(inf, 1.0, 0), (-inf, 0.0, 0), (-inf, 0.9, inf), (-inf, 1.0, inf), (inf, 0.0, inf)]
    for logit, label, value in certain:
        assert BCE(logit, label) == value
        assert np.isfinite(gradient(BCE, logit, label))
    assert gradient(BCE, inf, 1.0) == gradient(BCE, -inf, 0.0) == 0


# Theano#5758
def test_small_losses_keep_their_digits():
    assert float(BCE(20.0, 1.0)) == pytest.approx(2.0611536e-9, rel=1e-6)
    assert float(CE([20.0, 0.0], 0)) == pytest.approx(2.0611536e-9, rel=1e-6)
    assert float(SCE([20.0, 0.0], [1.0, 0.0])) == pytest.approx(2.0611536e-9, rel=1e-6)
