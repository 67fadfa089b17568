"""The relative and the directional losses: hand-derived rows, identities, peers, faults."""

from math import log

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest
import sklearn.metrics

import jaxloss as jl

RNG = np.random.default_rng(0)
T, Y = RNG.uniform(0.1, 9, (2, 50))


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


ORACLE = [
    (jl.absolute_percentage_error, 3.0, 2.0, 0.5, 0.5),
    (jl.absolute_percentage_error, -1.0, -4.0, 0.75, 0.25),
    (jl.absolute_percentage_error, 2.0, 2.0, 0.0, 0.0),
    (jl.symmetric_absolute_percentage_error, 3.0, 1.0, 1.0, 0.25),  # 4 y / (t + y)²
    (jl.symmetric_absolute_percentage_error, 1.0, 3.0, 1.0, -0.75),
    (jl.symmetric_absolute_percentage_error, -1.0, 3.0, 2.0, 0.0),
    (jl.symmetric_absolute_percentage_error, 0.0, 0.0, 0.0, 0.0),
    (jl.symmetric_absolute_percentage_error, 2.0, 2.0, 0.0, 0.0),
    (jl.squared_log_error, 1.0, 0.0, log(2) ** 2, log(2)),
    (jl.squared_log_error, 0.0, 3.0, log(4) ** 2, -2 * log(4)),
    (jl.squared_log_error, 2.0, 2.0, 0.0, 0.0),
]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("loss", "prediction", "target", "value", "gradient"), ORACLE)
def test_value_and_slope(loss, prediction, target, value, gradient):
    found, found_slope = jax.value_and_grad(loss)(prediction, target)
    assert float(found) == pytest.approx(value, rel=1e-14)
    assert float(found_slope) == pytest.approx(gradient, rel=1e-13)


def test_a_target_of_zero_has_no_percentage_error():
    for prediction in (0.0, 1.0):
        found, found_slope = jax.value_and_grad(jl.absolute_percentage_error)(prediction, 0.0)
        assert np.isnan(found)
        assert np.isnan(found_slope)


def test_a_masked_target_of_zero_leaves_no_trace():
    objective = jl.Objective(jl.absolute_percentage_error)
    value, gradient = jax.value_and_grad(objective)(
        jnp.array([3.0, 1.0]), jnp.array([2.0, 0.0]), where=jnp.array([True, False])
    )
    assert float(value) == 0.5
    assert gradient.tolist() == [0.5, 0.0]


def test_squared_log_error_of_negative_numbers_is_nan():
    for pair in [(-0.5, 1.0), (1.0, -0.5)]:
        found, found_slope = jax.value_and_grad(jl.squared_log_error)(*pair)
        assert np.isnan(found)
        assert np.isnan(found_slope)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (jl.absolute_percentage_error, lambda t, y: jl.absolute_error(t, y) / y),
        (jl.absolute_percentage_error, lambda t, y: jl.absolute_percentage_error(7 * t, 7 * y)),
        (jl.squared_log_error, lambda t, y: jl.squared_error(np.log1p(t), np.log1p(y))),
        (
            jl.symmetric_absolute_percentage_error,
            lambda t, y: jl.symmetric_absolute_percentage_error(7 * y, 7 * t),
        ),
    ],
)
def test_identities(found, wanted):
    np.testing.assert_allclose(found(T, Y), wanted(T, Y), rtol=1e-10)


@pytest.mark.usefixtures("double")
def test_near_a_fit_both_percentage_errors_agree():
    close = Y * (1 + 1e-7)
    np.testing.assert_allclose(
        jl.symmetric_absolute_percentage_error(close, Y),
        jl.absolute_percentage_error(close, Y),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("loss", "peer"),
    [
        (jl.absolute_percentage_error, sklearn.metrics.mean_absolute_percentage_error),
        (jl.squared_log_error, sklearn.metrics.mean_squared_log_error),
    ],
)
def test_agrees_with_scikit_learn(loss, peer):
    assert float(loss(T, Y).mean()) == pytest.approx(peer(Y, T), rel=1e-5)


def test_squared_log_error_keeps_its_digits_near_and_far():
    pairs = [(1e6, 1.0000001e6), (1e-6, 1.1e-6), (0.0, 1e30), (1e30, 1e-30), (5.0, 5.0000005)]
    predictions, targets = np.float32(pairs).T
    with mpmath.workdps(60):
        exact = [
            float(mpmath.log((1 + mpmath.mpf(float(t))) / (1 + mpmath.mpf(float(y)))) ** 2)
            for t, y in zip(predictions, targets, strict=True)
        ]
    np.testing.assert_allclose(jl.squared_log_error(predictions, targets), exact, rtol=2e-6)


def test_the_best_constant_of_the_percentage_error_is_the_inversely_weighted_median():
    sample = np.sort(RNG.lognormal(size=501))
    shares = np.cumsum(1 / sample) / np.sum(1 / sample)
    median = sample[np.searchsorted(shares, 0.5)]
    grid = np.linspace(0.05, 3, 2951)
    risk = jax.vmap(lambda c: jl.absolute_percentage_error(c + 0 * sample, sample).mean())(grid)
    assert grid[int(risk.argmin())] == pytest.approx(median, abs=5e-3)


# pytorch#109333
def test_cosines_of_different_shapes_are_refused():
    for loss in (jl.cosine_similarity, jl.cosine_distance):
        with pytest.raises(ValueError, match="targets"):
            loss(np.ones((2, 3)), np.ones((1, 1)))


# pytorch#115786
def test_the_cosine_does_not_depend_on_the_lengths():
    long = np.float32([2606.67, 2477.72, 3251.84])
    short = np.float32([3.468e-9, 1.825e-9, 8.352e-9])
    exact = np.dot(*[v / np.linalg.norm(v) for v in np.float64([long, short])])
    assert exact == pytest.approx(0.910364, abs=2e-5)  # the report rounds its inputs
    for factor in np.float32([1, 1e-20, 1e26]):
        assert float(jl.cosine_similarity(factor * long, short)) == pytest.approx(exact, rel=1e-6)
        assert float(jl.cosine_distance(factor * long, short)) == pytest.approx(1 - exact, rel=1e-5)


# tf#56305, optax#946
def test_a_zero_vector_has_similarity_zero_and_gradient_zero():
    zero, ones = np.zeros(3, np.float32), np.ones(3, np.float32)
    for first, second in [(zero, ones), (ones, zero), (zero, zero)]:
        assert float(jl.cosine_similarity(first, second)) == 0
        assert float(jl.cosine_distance(first, second)) == 1
        for loss in (jl.cosine_similarity, jl.cosine_distance):
            for gradient in jax.grad(loss, argnums=(0, 1))(first, second):
                assert gradient.tolist() == [0, 0, 0]


# pytorch#18057, pytorch#78064
def test_the_cosine_stays_within_its_bounds():
    x = RNG.normal(size=(1000, 7)).astype(np.float32)
    for other in (x, -x, 3 * x, RNG.normal(size=x.shape).astype(np.float32)):
        assert np.all(np.abs(jl.cosine_similarity(x, other)) <= 1)
        distance = np.asarray(jl.cosine_distance(x, other))
        assert np.all((distance >= 0) & (distance <= 2))
    assert jl.cosine_distance(x, x).tolist() == [0] * 1000


@pytest.mark.parametrize("length", [1e-12, 1.0, 1e30])
def test_the_gradient_of_the_cosine_is_orthogonal_and_goes_as_the_inverse_length(length):
    x, y = np.float32([3, 4]) * np.float32(length), np.float32([4, 3])
    wanted = (np.array([0.8, 0.6]) - 0.96 * np.array([0.6, 0.8])) / (5 * length)
    np.testing.assert_allclose(jax.grad(jl.cosine_similarity)(x, y), wanted, rtol=1e-5)
    np.testing.assert_allclose(jax.grad(jl.cosine_distance)(x, y), -wanted, rtol=1e-5)


@pytest.mark.parametrize("angle", [1e-2, 1e-4, 1e-9])
def test_the_distance_of_nearly_parallel_vectors_is_half_the_squared_angle(angle):
    x, y = np.float32([2, 0]), np.float32([3, 3 * angle])
    assert float(jl.cosine_distance(x, y)) == pytest.approx(angle**2 / 2, rel=1e-4)


def test_similarity_and_distance_add_up_to_one():
    x, y = RNG.normal(size=(2, 40, 5)).astype(np.float32)
    total = jl.cosine_similarity(x, y) + jl.cosine_distance(x, y)
    np.testing.assert_allclose(total, np.ones(40), rtol=1e-6)
    units = [v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (x, y)]
    np.testing.assert_allclose(
        jl.cosine_distance(x, y), jl.squared_error(*units).sum(-1) / 2, rtol=1e-5
    )


def test_cosines_agree_with_optax():
    x, y = RNG.normal(size=(2, 40, 5)).astype(np.float32)
    np.testing.assert_allclose(
        jl.cosine_similarity(x, y), optax.losses.cosine_similarity(x, y), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        jl.cosine_distance(x, y), optax.losses.cosine_distance(x, y), rtol=1e-5, atol=1e-6
    )
