"""Losses of pairs and triplets: hand-derived values, identities, peers, extremes."""

import copy
import functools
import pickle
from math import inf, log

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest
import scipy.spatial.distance
from derivatives import value_and_slope

import jaxloss as jl
from jaxloss.numerics import norms

RNG = np.random.default_rng(3)
X, Y, Z = RNG.normal(size=(3, 40, 4)).astype(np.float32)
LABELS = RNG.integers(0, 2, 40).astype(bool)
F, G = X[:, 0], Y[:, 0]

close = functools.partial(np.testing.assert_allclose, rtol=3e-6, atol=1e-6)
facenet = jl.triplet_of(jl.squared_error)
preference = jl.ranking(jl.logistic)
norm_and_slope = jax.jit(jax.value_and_grad(norms.p_norm))

ORACLE = [
    (jl.minkowski_distance, ([3, 1], [0, 5]), {}, 5.0, [0.6, -0.8]),
    (jl.minkowski_distance, ([3, 1], [0, 5]), {"p": 1.0}, 7.0, [1, -1]),
    (
        jl.minkowski_distance,
        ([3, 1], [0, 5]),
        {"p": 3.0},
        91 ** (1 / 3),
        [9 / 91 ** (2 / 3), -16 / 91 ** (2 / 3)],
    ),
    (jl.minkowski_distance, ([3, 1], [0, 5]), {"p": inf}, 4.0, [0, -1]),
    (jl.hinge_embedding, (0.25, 1), {}, 0.25, 1.0),
    (jl.hinge_embedding, (0.25, 0), {"margin": 2.0}, 1.75, -1.0),
    (jl.hinge_embedding, (2.5, -1), {"margin": 2.0}, 0.0, 0.0),
    (jl.cosine_embedding, ([2, 0], [0, 1], 1), {}, 1.0, [0, -0.5]),
    (jl.cosine_embedding, ([2, 0], [0, 1], 0), {"margin": -0.5}, 0.5, [0, 0.5]),
    (jl.cosine_embedding, ([2, 0], [0, 1], 0), {"margin": 0.5}, 0.0, [0, 0]),
    (jl.cosine_embedding, ([2, 0], [4, 0], -1), {"margin": 0.25}, 0.75, [0, 0]),
    (jl.cosine_embedding, ([0, 0], [4, 0], 1), {}, 1.0, [0, 0]),
    (jl.cosine_embedding, ([0, 0], [4, 0], 0), {"margin": -1.0}, 1.0, [0, 0]),
    (jl.margin_ranking, (2.0, 1.5, 1), {"margin": 1.0}, 0.5, -1.0),
    (jl.margin_ranking, (2.0, 1.5, 0), {"margin": 1.0}, 1.5, 1.0),
    (jl.margin_ranking, (2.0, 1.5, 1), {}, 0.0, 0.0),
    (preference, (log(3), 0.0, 1), {}, log(4 / 3), -1 / 4),
    (jl.triplet, ([0, 0], [3, 4], [0, 5.5]), {}, 0.5, [-0.6, 0.2]),
    (jl.triplet, ([0, 0], [3, 4], [3, 6]), {}, 0.0, [0, 0]),
    (jl.triplet, ([0, 0], [3, 4], [0, 6]), {"margin": 2.0, "p": 1.0}, 3.0, [-1, 0]),
    (jl.triplet_with_swap, ([0, 0], [3, 4], [3, 6]), {}, 4.0, [-0.6, -0.8]),
    (jl.triplet_with_swap, ([3, 4], [0, 0], [3, 6]), {}, 4.0, [0.6, 1.8]),
    (facenet, ([0, 0], [1, 0], [0, 1.5]), {"margin": 2.0}, 0.75, [-2, 3]),
]


@pytest.mark.parametrize(("loss", "arrays", "hyper", "value", "slope"), ORACLE)
def test_value_and_gradient(loss, arrays, hyper, value, slope):
    with jax.enable_x64(True):
        given = [np.asarray(x, float) for x in arrays]
        found, gradient = value_and_slope(loss)(*given, **hyper)
        assert float(found) == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(gradient, slope, rtol=1e-14, atol=1e-15)


@functools.cache
def value_and_slopes(loss):
    """The value and its derivatives in all three points."""
    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))


# tf#30199, sentence-transformers#4033
@pytest.mark.parametrize("loss", [jl.triplet, jl.triplet_with_swap])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, inf])
def test_coincident_points_have_finite_values_and_no_gradient(loss, p):
    derivatives = functools.partial(value_and_slopes(loss), p=p)
    x, far = np.float32([0.5, -2]), np.float32([0.5, 6])
    value, gradients = derivatives(x, x, x)
    assert value == 1
    np.testing.assert_array_equal(gradients, np.zeros((3, 2)))
    for triple, expected in [((x, x, far), 0.0), ((x, far, x), 9.0), ((far, x, x), 9.0)]:
        value, gradients = derivatives(*triple)
        swaps = loss is jl.triplet_with_swap
        assert value == pytest.approx(1.0 if triple[1] is triple[2] and not swaps else expected)
        assert np.isfinite(gradients).all()


def test_the_1_norm_takes_absolute_values():
    assert jl.triplet([0.0, 0.0], [1.0, -1.0], [2.0, -2.0], p=1.0, margin=1.0) == 0


def test_the_3_norm_takes_absolute_values():
    found = jl.triplet([0.0, 0.0], [1.0, 1.0], [2.0, -2.0], p=3.0, margin=2.0)
    assert float(found) == pytest.approx(2 - 2 ** (1 / 3))
    assert float(found) == pytest.approx(0.740079, abs=1e-6)


def test_triplet_is_that_of_optax_for_the_euclidean_distance():
    peer = jax.jit(functools.partial(optax.losses.triplet_margin_loss, margin=0.5, eps=0.0))
    close(jl.triplet(X, Y, Z, margin=0.5), peer(X, Y, Z))


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, inf])
def test_distances_and_triplets_by_brute_force(p):
    norm = functools.partial(np.linalg.norm, ord=p, axis=-1)
    expected = [scipy.spatial.distance.minkowski(x, y, p) for x, y in zip(X, Y, strict=True)]
    close(jl.minkowski_distance(X, Y, p=p), expected)
    close(jl.triplet(X, Y, Z, p=p), np.maximum(0, 1 + norm(X - Y) - norm(X - Z)))
    nearest = np.minimum(norm(X - Z), norm(Y - Z))
    close(jl.triplet_with_swap(X, Y, Z, p=p), np.maximum(0, 1 + norm(X - Y) - nearest))


def test_pairs_by_brute_force():
    cosine = np.array([1 - scipy.spatial.distance.cosine(x, y) for x, y in zip(X, Y, strict=True)])
    expected = np.where(LABELS, 1 - cosine, np.maximum(0, cosine - 0.2))
    close(jl.cosine_embedding(X, Y, LABELS, margin=0.2), expected, atol=3e-6)
    signs = np.where(LABELS, 1, -1)
    close(jl.margin_ranking(F, G, LABELS, margin=0.5), np.maximum(0, 0.5 - signs * (F - G)))


def test_minkowski_distance_sums_takes_the_root_or_the_largest():
    close(jl.minkowski_distance(X, Y, p=1.0), jl.absolute_error(X, Y).sum(-1))
    close(jl.minkowski_distance(X, Y) ** 2, jl.squared_error(X, Y).sum(-1))
    close(jl.minkowski_distance(X, Y, p=inf), jl.absolute_error(X, Y).max(-1))


def test_hinge_embedding_is_the_hinge_of_unlike_pairs_and_homogeneous():
    d = np.abs(F)
    found = np.asarray(jl.hinge_embedding(d, LABELS, margin=0.7))
    close(found[~LABELS], np.asarray(jl.hinge(d, np.ones(40), margin=0.7))[~LABELS])
    close(found, 0.7 * np.asarray(jl.hinge_embedding(d / np.float32(0.7), LABELS)))


def test_cosine_embedding_is_distance_or_similarity_at_any_length():
    like, unlike = np.ones(40, bool), np.zeros(40, bool)
    close(jl.cosine_embedding(X, Y, like), jl.cosine_distance(X, Y))
    close(jl.cosine_embedding(X, Y, unlike, margin=-1.0), np.add(jl.cosine_similarity(X, Y), 1))
    rescaled = jl.cosine_embedding(X * np.float32(1e-20), Y * np.float32(1e15), LABELS)
    close(rescaled, jl.cosine_embedding(X, Y, LABELS))


def test_margin_ranking_is_a_margin_of_the_difference():
    np.testing.assert_array_equal(jl.margin_ranking(F, G, LABELS), jl.perceptron(F - G, LABELS))
    expected = jl.hinge(F - G, LABELS, margin=0.5)
    np.testing.assert_array_equal(jl.margin_ranking(F, G, LABELS, margin=0.5), expected)
    np.testing.assert_array_equal(jl.ranking(jl.hinge)(F, G, LABELS, margin=0.5), expected)
    perceptron = jl.ranking(jl.perceptron)(F, G, LABELS)
    np.testing.assert_array_equal(perceptron, jl.margin_ranking(F, G, LABELS))


def test_triplet_is_the_hinge_of_the_lead():
    lead = jl.minkowski_distance(X, Z, p=3.0) - jl.minkowski_distance(X, Y, p=3.0)
    found = jl.triplet(X, Y, Z, p=3.0, margin=0.5)
    close(found, jl.hinge(lead, np.ones(40), margin=0.5))
    close(found, jl.triplet_of(jl.minkowski_distance)(X, Y, Z, p=3.0, margin=0.5))


def test_swapped_triplet_is_the_larger_of_two():
    either = jnp.maximum(jl.triplet(X, Y, Z, p=1.5), jl.triplet(Y, X, Z, p=1.5))
    np.testing.assert_allclose(jl.triplet_with_swap(X, Y, Z, p=1.5), either, rtol=1e-6)


def test_triplet_of_takes_any_distance_and_any_margin():
    soft = jl.triplet_of(jl.cosine_distance, jl.logistic)
    lead = np.subtract(jl.cosine_distance(X, Z), jl.cosine_distance(X, Y))
    close(soft(X, Y, Z), np.log1p(np.exp(-lead)))
    robust = jl.triplet_of(jl.huber, jl.squared_hinge)
    lead = (jl.huber(X, Z, delta=0.5) - jl.huber(X, Y, delta=0.5)).sum(-1)
    expected = jl.squared_hinge(lead, np.ones(40), margin=2.0)
    close(robust(X, Y, Z, delta=0.5, margin=2.0), expected, rtol=1e-5)


def test_the_lead_of_squared_distances_is_linear_in_the_anchor():
    linear = jl.triplet_of(jl.squared_error, jl.unhinged)
    np.testing.assert_array_equal(jax.jit(jax.hessian(linear))(X[0], Y[0], Z[0]), np.zeros((4, 4)))


def test_hyper_parameters_are_trained():
    summed = lambda margin: jl.triplet(X, Y, Z, margin=margin).sum()
    by_margin = jax.jit(jax.grad(summed))(1.0)
    assert by_margin == (np.asarray(jl.triplet(X, Y, Z)) > 0).sum()
    share = np.array([9, 16]) / 25
    entropy = -np.sum(share * np.log(share))
    distance = lambda p: jl.minkowski_distance([3.0, 1.0], [0.0, 5.0], p=p)
    by_p = jax.jit(jax.grad(distance))(2.0)
    assert float(by_p) == pytest.approx(-5 / 4 * entropy, rel=1e-5)


def test_curvature_of_the_euclidean_distance_where_an_entry_is_equal():
    bent = jax.jit(jax.hessian(jl.minkowski_distance))(np.float32([3, 0]), np.zeros(2, np.float32))
    np.testing.assert_allclose(bent, [[0, 0], [0, 1 / 3]], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("p", [1.0, 1.2, 2.0, 7.0, inf])
@pytest.mark.parametrize("scale", [1e-20, 1e15])
def test_no_power_overflows_or_vanishes(scale, p):
    unit = np.array([3.0, -4.0, 0.0])
    value, slope = norm_and_slope(np.float32(unit) * np.float32(scale), p)
    expected = np.linalg.norm(unit, p)
    assert float(value) == pytest.approx(expected * scale, rel=1e-6)
    power = (np.abs(unit) / expected) ** (p - 1) if p < inf else unit == -4
    np.testing.assert_allclose(slope, np.sign(unit) * power, rtol=1e-5)


@pytest.mark.parametrize("p", [1.0, 1.2, 2.0, 3.0])
@pytest.mark.parametrize("distance", [1.0, 1e4, 1e12])
@pytest.mark.parametrize("apart", [1e-6, 1e-2, 1.0])
def test_distances_that_nearly_agree_keep_the_digits_of_their_difference(apart, distance, p):
    x, y = X[:8] * np.float32(distance), Y[:8]
    z = y + Z[:8] * np.float32(apart)
    found = jax.jit(norms.p_norm_difference)(x, y, z, p)
    expected = [exact_lead(*points, p) for points in zip(x, y, z, strict=True)]
    error = np.abs(np.subtract(found, expected)) / np.abs(y - z).max(-1)
    assert error.max() < 2e-6


def exact_lead(x, y, z, p):
    with mpmath.workdps(60):
        exactly = lambda t: mpmath.matrix([float(entry) for entry in t])
        power = lambda t: mpmath.fsum(abs(gap) ** p for gap in exactly(x) - exactly(t))
        return float(power(z) ** (1 / mpmath.mpf(p)) - power(y) ** (1 / mpmath.mpf(p)))


@pytest.mark.parametrize("loss", [jl.triplet, jl.triplet_with_swap, jl.minkowski_distance])
def test_derivatives_are_finite_at_every_scale(loss):
    points = [s * x[:2] for s, x in zip((1e12, 1e-12, 1.0), (X, Y, Z), strict=True)]
    points = points[: len(loss.signature.arrays)]
    slope = jax.grad(lambda points, p: loss(*points, p=p).sum(), argnums=(0, 1))
    both = jax.jit(lambda *point: jax.jvp(slope, point, jax.tree.map(jnp.ones_like, point)))
    for p in (1.0, 1.2, 2.0, inf):
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(both(points, np.float32(p))))


@pytest.mark.parametrize("made", [facenet, preference, jl.triplet_of(jl.huber, jl.logistic)])
def test_copies_of_made_losses_are_the_loss_itself(made):
    assert copy.deepcopy(made) is made
    assert pickle.loads(pickle.dumps(made)) is made


def test_made_losses_read_as_they_are_written():
    assert repr(preference) == "<loss ranking(logistic)(first, second, labels)>"
    wanted = "<loss triplet_of(huber, hinge)(anchors, positives, negatives, *, "
    assert repr(jl.triplet_of(jl.huber)) == wanted + "delta=1.0, margin=1.0)>"
    assert jl.triplet_of(jl.huber) is jl.triplet_of(jl.huber, jl.hinge)
    assert preference.__doc__.startswith("`logistic` of the lead of one score")
    assert preference.facts.at() == {
        "convex": True,
        "strictly_convex": True,
        "lipschitz": 1.0,
        "smooth": 0.25,
        "supremum": inf,
    }


def test_triplet_of_refuses_what_is_no_distance():
    for loss in (jl.hinge, jl.softmax_cross_entropy, jl.triplet):
        with pytest.raises(TypeError, match="loss of two vectors"):
            jl.triplet_of(loss)

    @jl.loss()
    def scaled(
        first: jl.domains.Vector, second: jl.domains.Vector, *, margin: jl.domains.Positive = 1.0
    ):
        return jnp.sum(first * second, axis=-1) / margin

    with pytest.raises(ValueError, match="both have `margin`"):
        jl.triplet_of(scaled)


def test_triplets_are_an_objective():
    objective = jl.Objective(jl.triplet, margin=0.5)
    close(objective((X, Y), Z), jl.triplet(X, Y, Z, margin=0.5).mean())


def test_a_label_that_is_nan_is_no_class():
    slope = jax.value_and_grad(
        lambda first, label: jl.cosine_embedding(first, jnp.array([0.0, 1.0]), label)
    )
    value, gradient = slope(jnp.array([2.0, 1.0]), jnp.nan)
    assert np.isnan(value)
    assert np.isnan(gradient).all()
