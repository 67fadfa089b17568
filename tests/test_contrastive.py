"""Contrastive losses: hand-derived values and slopes, identities, peers, extremes."""

import functools
import os
from math import exp, log, log1p

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from derivatives import value_and_slope

import jaxloss as jl
from jaxloss.kernels.matmul import inner_products
from jaxloss.numerics import unit

os.environ.setdefault("KERAS_BACKEND", "jax")

RNG = np.random.default_rng(11)
X, Y = RNG.normal(size=(2, 9, 4)).astype(np.float32)
LABELS = np.array([0, 0, 0, 5, 5, -3, -3, -3, 8])
VIEWS = np.array([3, 1, 2, 1, 3, 2])  # one positive each
GROUPED = (jl.ntxent, jl.supervised_contrastive, jl.circle)
MATCHED = (jl.info_nce, jl.symmetric_info_nce, jl.siglip)
AT_ONE = {"temperature": 1.0}
AT_HALF = {"temperature": 0.5}
ARC = {"gamma": 2.0, "margin": 0.25}
LINE = {"scale": 2.0, "bias": -1.0}

close = functools.partial(np.testing.assert_allclose, rtol=3e-6, atol=2e-6)
cosines_of = jax.jit(lambda x, y: inner_products(unit(x), unit(y)))


def sigmoid(x):
    return 1 / (1 + exp(-x))


def softplus(x):
    return log1p(exp(x))


# Anchors a, b, c at right angles or opposite: the cosines are ab = bc = 0 and ac = -1. The slope
# of a cosine in x is (y - cos x) / |x| for unit x and y: none for ac, which is at an extreme.
CROSS = [[2, 0], [0, 1], [-1, 0]]
QUERIES, KEYS = [[2, 0], [0, 1]], [[0, 1], [-1, 0]]  # cosines [[0, -1], [1, 0]]
PULL = sigmoid(15 / 8) + sigmoid(7 / 4)

ORACLE = [
    (
        (jl.ntxent, CROSS, [4, 4, 1], AT_ONE),
        [softplus(-1), log(2), 0],
        [[0, -(sigmoid(-1) + 1 / 2) / 2], [-1 - sigmoid(-1), 0], [0, 1 / 2]],
    ),
    ((jl.ntxent, CROSS, [4, 4, 4], AT_ONE), [0, 0, 0], np.zeros((3, 2))),
    (
        (jl.supervised_contrastive, CROSS, [4, 4, 4], AT_ONE),
        [softplus(-1) + 1 / 2, log(2), softplus(-1) + 1 / 2],
        [[0, (sigmoid(1) - 1 / 2) / 2], [0, 0], [0, sigmoid(1) - 1 / 2]],
    ),
    (
        (jl.circle, CROSS, [4, 4, 1], ARC),
        [softplus(15 / 8), softplus(7 / 4), 0],
        [[0, -2 * PULL], [-4 * PULL, 0], [0, 0]],
    ),
    (
        (jl.info_nce, QUERIES, KEYS, AT_HALF),
        [softplus(-2), softplus(2)],
        [[0, -sigmoid(-2)], [2 * sigmoid(2), 0]],
    ),
    (
        (jl.symmetric_info_nce, QUERIES, KEYS, AT_HALF),
        [1 + softplus(-2)] * 2,
        [[0, -1 / 2], [1, 0]],
    ),
    (
        (jl.siglip, QUERIES, KEYS, LINE),
        [softplus(1) + softplus(-3), 2 * softplus(1)],
        [[0, -sigmoid(1)], [2 * sigmoid(1), 0]],
    ),
]


@pytest.mark.parametrize(("call", "values", "slopes"), ORACLE)
def test_value_and_gradient(call, values, slopes):
    loss, first, second, hyper = call
    with jax.enable_x64(True):
        pair = slope_and_values(loss)(np.array(first, float), np.array(second), **hyper)
    for found, expected in zip(pair, (slopes, values), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)


def test_scale_and_bias_have_slopes():
    with jax.enable_x64(True):
        value = lambda numbers: jnp.sum(jl.siglip(QUERIES, KEYS, **numbers))
        found = jax.jit(jax.grad(value))({name: np.float64(x) for name, x in LINE.items()})
        assert float(found["scale"]) == pytest.approx(sigmoid(1) - sigmoid(-3), rel=1e-12)
        assert float(found["bias"]) == pytest.approx(sigmoid(-3) - sigmoid(1), rel=1e-12)


def test_temperature_has_a_slope():
    """The softplus of -1 / τ and of +1 / τ, twice each, halved."""
    with jax.enable_x64(True):
        found = jax.jit(
            jax.grad(lambda x: jnp.sum(jl.symmetric_info_nce(QUERIES, KEYS, temperature=x)))
        )(0.5)
        assert float(found) == pytest.approx(4 * (sigmoid(-2) - sigmoid(2)), rel=1e-12)


@functools.cache
def slope_and_values(loss):
    """The gradient of the sum over elements, and their values."""

    def values(*arrays, **hyper):
        found = loss(*arrays, **hyper)
        return jnp.sum(found), found

    return jax.jit(jax.grad(values, has_aux=True))


# PML#660, PML#107, PML#98
@pytest.mark.parametrize("loss", GROUPED)
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [1, 1, 2, 2], [1, 1, 2, 3], [6, 6, 6, 6]])
def test_anchors_without_positives_or_negatives(loss, labels):
    labels = np.array(labels)
    slope, values = map(np.asarray, slope_and_values(loss)(X[:4], labels))
    assert np.all(np.isfinite(values))
    assert np.all(np.isfinite(slope))
    alike = labels[:, None] == labels
    lonely = alike.sum(-1) == 1
    if loss is not jl.supervised_contrastive:
        lonely |= alike.all(-1)
    np.testing.assert_array_equal(values[lonely], 0)
    assert np.all(values[~lonely] > 0)
    assert np.any(slope != 0) == ~lonely.all()


def ntxent_by_positives(x, labels, temperature):
    positives = jnp.sum(labels[:, None] == labels, axis=-1) - 1
    return jl.Objective(jl.ntxent, temperature=temperature)(x, labels, weights=positives)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_ntxent_weighted_by_positives_is_that_of_optax(temperature):
    means = (ntxent_by_positives, optax.losses.ntxent)
    pairs = [value_and_slope(mean)(X, LABELS, temperature) for mean in means]
    for found, expected in zip(*pairs, strict=True):
        close(found, expected, rtol=2e-5)


def circle_of_keras(x, labels, **hyper):
    unit = x / jnp.linalg.norm(x, axis=-1, keepdims=True)
    return pytest.importorskip("keras").losses.circle(labels, unit, **hyper)


@pytest.mark.slow
@pytest.mark.parametrize("margin", [0.25, 0.4])
def test_circle_is_that_of_keras(margin):
    pair = (slope_and_values(circle) for circle in (jl.circle, circle_of_keras))
    shared = (X[:8], LABELS[:8])  # the last is alone: see below
    ours, theirs = (derived(*shared, gamma=20.0, margin=margin) for derived in pair)
    close(ours[1], theirs[1], rtol=2e-5)
    close(ours[0], theirs[0], rtol=2e-5, atol=1e-4)


def test_circle_of_a_label_that_is_alone_is_that_of_keras():
    close(jl.circle(X, LABELS), jax.jit(circle_of_keras)(X, LABELS), rtol=1e-4)


@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_ntxent_and_supervised_contrastive_by_brute_force(temperature):
    s = np.exp(np.asarray(cosines_of(X, X), float) / temperature)
    apart, few = [], []
    for i, label in enumerate(LABELS):
        positives = [j for j in range(9) if LABELS[j] == label and j != i]
        negatives = sum(s[i, j] for j in range(9) if LABELS[j] != label)
        others = s[i].sum() - s[i, i]
        apart.append(np.mean([-log(s[i, j] / (s[i, j] + negatives)) for j in positives] or 0))
        few.append(np.mean([-log(s[i, j] / others) for j in positives] or 0))
    close(jl.ntxent(X, LABELS, temperature=temperature), apart, rtol=1e-5)
    close(jl.supervised_contrastive(X, LABELS, temperature=temperature), few, rtol=1e-5)


def test_with_one_positive_each_ntxent_is_supervised_contrastive():
    found = jl.ntxent(X[:6], VIEWS, temperature=0.2)
    close(found, jl.supervised_contrastive(X[:6], VIEWS, temperature=0.2))


def test_supervised_contrastive_of_equal_embeddings_is_the_log_of_their_number():
    same, alike = np.tile(X[:1], (9, 1)), np.zeros(9, int)
    close(jl.supervised_contrastive(same, alike), np.full(9, log(8)))


def test_circle_is_bounded_by_a_circle():
    with jax.enable_x64(True):
        angles = np.array([0.0, 0.6, 1.4])
        x = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        positive, negative = np.cos(angles[1]), np.cos(angles[2])
        power = 8 * (negative**2 + (1 - positive) ** 2 - 2 * 0.4**2)
        found = jl.circle(x, [1, 1, 2], gamma=8.0, margin=0.4)[0]
        assert float(found) == pytest.approx(softplus(power), rel=1e-12)


def test_info_nce_is_the_cross_entropy_of_the_cosines():
    logits = np.asarray(cosines_of(X, Y)) / np.float32(0.2)
    expected = jl.softmax_cross_entropy_with_integer_labels(logits, np.arange(9))
    close(jl.info_nce(X, Y, temperature=0.2), expected)


def test_clip_is_the_mean_of_both_directions():
    both = [jl.info_nce(*sets, temperature=0.2) for sets in ((X, Y), (Y, X))]
    close(jl.symmetric_info_nce(X, Y, temperature=0.2), np.mean(both, axis=0))


def test_siglip_sums_binary_cross_entropies():
    logits = np.asarray(cosines_of(X, Y)) * 5 - 4
    expected = jl.sigmoid_binary_cross_entropy(logits, np.eye(9, dtype=np.float32))
    close(jl.siglip(X, Y, scale=5.0, bias=-4.0), np.sum(expected, axis=-1))


def second_of(loss):
    return LABELS if loss in GROUPED else Y


@functools.cache
def derivatives(loss):
    """Gradient, the second derivative along ones, and values, at these embeddings."""

    def derived(x, y, hyper):
        def values(x, hyper):
            found = loss(x, y, **hyper)
            return jnp.sum(found), found

        ones = jax.tree.map(jnp.ones_like, (x, hyper))
        slope = jax.grad(values, argnums=(0, 1), has_aux=True)
        return jax.jvp(slope, (x, hyper), ones, has_aux=True)

    return jax.jit(derived)


SHARP = {
    jl.circle: {"gamma": 1000.0, "margin": 0.0},
    jl.siglip: {"scale": 1000.0, "bias": -1000.0},
}


@pytest.mark.parametrize("loss", GROUPED + MATCHED)
@pytest.mark.parametrize(
    "x",
    [X * np.float32(1e12), X * np.float32(1e-12), np.zeros_like(X), np.ones_like(X), Y, -Y],
    ids=["huge", "tiny", "zero", "equal", "matched", "opposite"],
)
def test_derivatives_are_finite_for_sharp_losses(loss, x):
    hyper = jax.tree.map(np.float32, SHARP.get(loss, {"temperature": 0.01}))
    found = derivatives(loss)(x, second_of(loss), hyper)
    assert all(np.all(np.isfinite(part)) for part in jax.tree.leaves(found))
    if not x.any():
        np.testing.assert_array_equal(found[0][0], 0)


@pytest.mark.parametrize("loss", GROUPED + MATCHED)
def test_lengths_do_not_matter(loss):
    lengths = np.float32(10.0) ** np.linspace(-15, 15, 9, dtype=np.float32)[:, None]
    close(loss(X * lengths, second_of(loss)), loss(X, second_of(loss)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("loss", GROUPED + MATCHED)
def test_sharp_losses_keep_the_digits_that_the_cosines_have(loss):
    hyper = {jl.circle: {}, jl.siglip: {"scale": 100.0}}.get(loss, {"temperature": 0.01})
    found = loss(X, second_of(loss), **hyper)
    with jax.enable_x64(True):
        exact = loss(X.astype(float), second_of(loss), **hyper)
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=6e-5)


@pytest.mark.parametrize("loss", [jl.ntxent, jl.supervised_contrastive])
def test_a_loss_near_0_keeps_its_digits(loss):
    """Positives at cosine 1 and two negatives at -1: 2 exp(-2 / τ)."""
    x = np.array([[1.0, 0], [2, 0], [-1, 0], [-3, 0]], np.float32)
    found = loss(x, [0, 0, 1, 1], temperature=0.07)
    np.testing.assert_allclose(found, np.full(4, log1p(2 * exp(-2 / 0.07))), rtol=1e-5)


def test_a_match_that_is_nearly_certain_keeps_its_digits():
    x = np.array([[1.0, 0], [-1, 0]], np.float32)
    np.testing.assert_allclose(jl.info_nce(x, x), np.full(2, log1p(exp(-2 / 0.07))), rtol=1e-5)
    np.testing.assert_allclose(
        jl.symmetric_info_nce(x, x), np.full(2, log1p(exp(-2 / 0.07))), rtol=1e-5
    )
    rows = softplus(-30) + softplus(-50)
    np.testing.assert_allclose(jl.siglip(x, x, scale=40.0), np.full(2, rows), rtol=1e-5)


def test_large_labels_are_told_apart():
    """As floats in single precision these would be three equal numbers."""
    large = np.array([2**30, 2**30 + 1, 2**30, 2**30 + 1, -(2**30), -(2**30)])
    small = np.array([0, 1, 0, 1, 2, 2])
    expected = jl.ntxent(X[:6], small)
    for labels in (large, small.astype(np.int8), small.astype(np.uint32)):
        np.testing.assert_array_equal(jl.ntxent(X[:6], labels), expected)


def test_labels_are_integers():
    for labels in (LABELS.astype(np.float32), LABELS > 0, LABELS + 2**40):
        with pytest.raises(TypeError, match="return_inverse"):
            jl.ntxent(X, labels)


@pytest.mark.parametrize("loss", GROUPED + MATCHED)
def test_sets_may_be_empty_or_hold_one_element(loss):
    second = second_of(loss)
    slope, values = slope_and_values(loss)(X[:0], second[:0])
    assert (slope.shape, values.shape) == ((0, 4), (0,))
    slope, values = slope_and_values(loss)(X[:1], second[:1])
    assert np.all(np.isfinite(slope))
    assert loss is jl.siglip or values == 0


@pytest.mark.parametrize("loss", GROUPED + MATCHED)
def test_values_behind_the_mask_are_0(loss):
    where = np.arange(9) % 2 == 0
    found = np.asarray(loss(X, second_of(loss), where=where))
    np.testing.assert_array_equal(found[~where], 0)
    close(found[where], loss(X[where], second_of(loss)[where]), rtol=2e-5)


@pytest.mark.parametrize("loss", GROUPED + MATCHED)
def test_memory_grows_with_pairs_not_with_triples(loss):
    x = np.ones((37, 3), np.float32)
    second = np.arange(37) if loss in GROUPED else x
    lowered = jax.jit(jax.grad(lambda x: jnp.sum(loss(x, second)))).lower(x).as_text()
    assert "37x37x" in lowered
    assert "37x37x37" not in lowered


def test_sets_are_an_objective():
    objective = jl.Objective(jl.symmetric_info_nce, temperature=0.2)
    close(objective((X,), Y), np.mean(jl.symmetric_info_nce(X, Y, temperature=0.2)))
    few = jl.symmetric_info_nce(X[:6], Y[:6], temperature=0.2)
    close(objective(X, Y, where=np.arange(9) < 6), np.mean(few))


@pytest.mark.parametrize("loss", GROUPED + MATCHED)
def test_no_platform_may_round_the_factors_of_the_cosines(loss):
    second = second_of(loss)
    lowered = jax.jit(jax.grad(lambda x: jnp.sum(loss(x, second)))).lower(X).as_text()
    products = [line for line in lowered.splitlines() if "dot_general" in line]
    assert products
    assert all("HIGHEST, HIGHEST" in line for line in products)


QUEUE = np.random.default_rng(7).normal(size=(9, X.shape[-1])).astype(np.float32)


@pytest.mark.parametrize("memory", [None, 64])
def test_keys_of_no_query_are_further_rivals(memory, monkeypatch):
    """A queue or hard negatives: info-nce-pytorch#3, pytorch-metric-learning#686."""
    if memory is not None:
        monkeypatch.setattr("jaxloss.kernels.pairwise._LEAST_MEMORY", memory)
    jax.clear_caches()
    keys, where = np.concatenate([Y, QUEUE]), np.arange(len(X)) % 3 != 1

    def plain(queries, keys):
        unit = lambda x: x / jnp.linalg.norm(x, axis=-1, keepdims=True)
        logits = unit(queries) @ unit(keys).T / 0.2
        return jl.softmax_cross_entropy_with_integer_labels(logits, jnp.arange(len(queries)))

    def summed(loss):
        def total(queries, keys):
            values = loss(queries, keys)
            return jnp.sum(values), values

        return jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))

    ours = functools.partial(jl.info_nce, temperature=0.2)
    jax.tree.map(close, summed(ours)(X, keys), summed(plain)(X, keys))
    few = ours(X[where], np.concatenate([Y[where], QUEUE]))
    dirty = np.where(where[:, None], X, np.nan), keys.copy()
    dirty[1][: len(X)][~where] = np.nan
    close(ours(*dirty, where=where)[where], few)
    objective = jl.Objective(jl.info_nce, temperature=0.2)
    close(objective(*dirty, where=where), np.mean(few))
    stacked = [np.stack([x, x[::-1]]) for x in (X, keys)]
    close(ours(*stacked)[0], ours(X, keys))


def test_a_mask_of_the_keys_hides_further_keys_too():
    keys, count = np.concatenate([Y, QUEUE]), len(X)
    where = np.arange(len(keys)) % 3 != 1
    few = jl.info_nce(X[where[:count]], keys[where])
    dirty = [np.where(where[: len(x), None], x, np.nan) for x in (X, keys)]
    np.testing.assert_allclose(jl.info_nce(*dirty, where=where)[where[:count]], few, rtol=1e-5)
    stacked, both = [np.stack([x, x]) for x in dirty], np.stack([where, where])
    objective = jl.Objective(jl.info_nce)
    for reduced in (objective(*dirty, where=where), objective(*stacked, where=both)):
        np.testing.assert_allclose(reduced, np.mean(few), rtol=1e-5)
    weights = np.arange(count, dtype=np.float32)
    weighed = objective(*dirty, where=where, weights=weights)
    kept = weights[where[:count]]
    np.testing.assert_allclose(weighed, np.average(few, weights=kept), rtol=1e-5)
    slopes = jax.jit(jax.grad(objective, 1))(*dirty, where=where)
    assert np.all(np.isfinite(slopes))
    assert not np.any(slopes[~where])
    with pytest.raises(ValueError, match=rf"\({count + 1},\), no prefix of \({count},\) or \("):
        jl.info_nce(X, keys, where=where[: count + 1])


def test_fewer_keys_than_queries_or_other_features_are_refused():
    for keys in (Y[:-1], Y[:, :-1], np.concatenate([Y, QUEUE])[:, :-1], Y[None]):
        with pytest.raises(ValueError, match="info_nce: `keys` does not fit"):
            jl.info_nce(X, keys)
    with pytest.raises(ValueError, match="symmetric_info_nce: `second` does not fit"):
        jl.symmetric_info_nce(X, np.concatenate([Y, QUEUE]))
