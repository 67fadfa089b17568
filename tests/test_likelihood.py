"""Values, slopes, edges and identities of the negative log-likelihoods."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics

import jaxloss as jl

INF = math.inf

# Loss, arrays, value, gradient in the first array: each worked out by hand.
ORACLE = [
    (jl.poisson_nll, (1.0, 3.0), 1.0, -2.0),
    (jl.poisson_nll, (math.e, 2.0), math.e - 2, 1 - 2 / math.e),
    (jl.poisson_nll, (2.0, 0.0), 2.0, 1.0),
    (jl.poisson_nll, (0.0, 0.0), 0.0, 1.0),
    (jl.poisson_nll_with_log_rates, (0.0, 3.0), 1.0, -2.0),
    (jl.poisson_nll_with_log_rates, (1.0, 2.0), math.e - 2, math.e - 2),
    (jl.poisson_nll_with_log_rates, (-INF, 0.0), 0.0, 0.0),
    (jl.gaussian_nll, (1.0, 4.0, 5.0), math.log(2) + 2.0, -1.0),
    (jl.gaussian_nll, (2.0, 0.25, 2.0), -math.log(2), 0.0),
    (jl.gaussian_nll, (3.0, 1.0, 1.0), 2.0, 2.0),
]


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("loss", "arrays", "value", "slope"), ORACLE)
def test_worked_examples(loss, arrays, value, slope):
    found = jax.value_and_grad(loss)(*arrays)
    np.testing.assert_allclose(found, (value, slope), rtol=1e-14, atol=1e-15)


def test_nll_picks_the_label_and_nothing_else():
    log_probabilities = np.asarray(jnp.log(np.array([[0.25, 0.75, 0.0], [0.5, 0.25, 0.25]])))
    slopes = jax.jit(jax.vmap(jax.value_and_grad(jl.nll)))
    values, gradient = slopes(log_probabilities, np.array([0, 2]))
    np.testing.assert_allclose(values, [math.log(4), math.log(4)], rtol=1e-14)
    assert gradient.tolist() == [[-1, 0, 0], [0, 0, -1]]
    assert float(jl.nll(log_probabilities[0], 2)) == INF


def test_nll_of_the_softmax_is_the_cross_entropy_and_a_divergence_to_the_label():
    logits = np.random.default_rng(0).normal(size=(6, 4)) * 3
    labels = np.arange(6) % 4
    log_probabilities = scipy.special.log_softmax(logits, axis=-1)
    found = jl.nll(log_probabilities, labels)
    expected = jl.softmax_cross_entropy_with_integer_labels(logits, labels)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    one_hot = jl.kl_divergence(log_probabilities, np.eye(4)[labels])
    np.testing.assert_allclose(found, one_hot, rtol=1e-12)


# optax#1185, pytorch#43840, keras#23664
def test_a_label_that_is_none_gives_nan_in_value_and_gradient():
    log_probabilities = scipy.special.log_softmax(np.arange(5.0))
    slope = jax.jit(jax.value_and_grad(jl.nll))
    for label in (5, -1, -5, -100, 1000):
        value, gradient = slope(log_probabilities, label)
        assert np.isnan(value)
        assert np.isnan(gradient).all()


def test_nan_among_many_classes_is_not_lost():
    """Not even beside the label: in a sum XLA loses, on a CPU, the NaN of a minimum."""
    classes = 8192
    dirty = np.full((2, classes), -np.log(classes), np.float32)
    dirty[0, 5] = np.nan
    values = jl.nll(dirty, np.array([7, 7]))
    np.testing.assert_array_equal(np.isnan(values), [True, False])


def test_poisson_is_the_log_probability_without_its_constant():
    rates, counts = np.meshgrid([0.1, 1.0, 3.7, 40.0], [0.0, 1.0, 2.0, 30.0])
    exact = -scipy.stats.poisson.logpmf(counts, rates)
    found = np.asarray(jl.poisson_nll(rates, counts))
    whole = found + scipy.special.gammaln(counts + 1)
    np.testing.assert_allclose(whole, exact, rtol=1e-12, atol=1e-12)
    from_logs = jl.poisson_nll_with_log_rates(np.log(rates), counts)
    np.testing.assert_allclose(from_logs, found, rtol=1e-12, atol=1e-12)


def test_poisson_is_least_at_the_target_and_half_a_deviance_above_that():
    rates, targets = np.array([0.5, 2.0, 7.0, 3.0]), np.array([1.0, 2.0, 3.5, 0.0])
    slope = jax.jit(jax.grad(lambda rates: jl.poisson_nll(rates, targets[:3]).sum()))
    np.testing.assert_array_equal(slope(targets[:3]), 0)
    value, least = (np.asarray(jl.poisson_nll(r, targets)) for r in (rates, targets))
    deviance = sklearn.metrics.mean_poisson_deviance(targets, rates)
    assert 2 * np.mean(value - least) == pytest.approx(deviance, rel=1e-12)


def test_the_slope_in_the_log_rate_is_the_rate_less_the_target():
    log_rates, targets = np.array([-3.0, 0.0, 2.0]), np.array([0.0, 2.0, 5.5])
    slope = jax.jit(jax.grad(lambda s: jl.poisson_nll_with_log_rates(s, targets).sum()))
    np.testing.assert_allclose(slope(log_rates), np.exp(log_rates) - targets, rtol=1e-14)


def test_poisson_at_rate_zero():
    """Nothing expected and nothing seen costs nothing; something seen is impossible."""
    value, gradient = jax.value_and_grad(jl.poisson_nll, argnums=(0, 1))(0.0, 0.0)
    assert (float(value), *map(float, gradient)) == (0, 1, 0)
    assert float(jl.poisson_nll(0.0, 1.0)) == INF
    assert float(jl.poisson_nll_with_log_rates(-INF, 1.0)) == INF
    assert not np.isnan(jax.grad(jl.poisson_nll, argnums=(0, 1))(0.0, 1.0)).any()
    assert np.isnan(jl.poisson_nll(-1.0, 1.0))
    assert jax.grad(jl.poisson_nll, argnums=1)(2.0, 0.0) == pytest.approx(-math.log(2))


def test_gaussian_is_the_log_density_without_its_constant():
    rng = np.random.default_rng(0)
    mean, targets = rng.normal(size=(2, 50)) * 3
    variance = rng.lognormal(size=50) ** 2
    exact = -scipy.stats.norm.logpdf(targets, mean, np.sqrt(variance))
    found = np.asarray(jl.gaussian_nll(mean, variance, targets)) + math.log(2 * math.pi) / 2
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_gaussian_of_variance_one_is_half_the_squared_error():
    mean, targets = np.random.default_rng(1).normal(size=(2, 20))
    found = jl.gaussian_nll(mean, 1.0, targets)
    np.testing.assert_allclose(found, jl.half_squared_error(mean, targets), rtol=1e-14)


def test_gaussian_is_least_at_the_squared_error():
    slope = jax.jit(jax.grad(jl.gaussian_nll, argnums=1))
    assert slope(1.0, 9.0, 4.0) == pytest.approx(0, abs=1e-15)
    assert slope(1.0, 8.0, 4.0) < 0 < slope(1.0, 10.0, 4.0)


def test_gaussian_of_variance_zero_is_never_nan():
    def value(mean):
        return float(jl.gaussian_nll(mean, 0.0, 2.0))

    assert (value(2.0), value(2.5), value(-1e30)) == (-INF, INF, INF)
    assert np.isnan(jl.gaussian_nll(2.0, -1.0, 2.0))


def test_gaussian_keeps_digits_where_squares_would_overflow_or_vanish():
    for mean, variance in [(1e30, 1e38), (1e-30, 1e-36), (3e4, 1e-4), (1e-20, 1e-37)]:
        found = jl.gaussian_nll(np.float32(mean), np.float32(variance), np.float32(0))
        error, spread = mpmath.mpf(float(np.float32(mean))), mpmath.mpf(float(np.float32(variance)))
        exact = (mpmath.log(spread) + error**2 / spread) / 2
        assert found.dtype == jnp.float32
        assert float(found) == pytest.approx(float(exact), rel=1e-6)


# pytorch#176244, pytorch#53392, pytorch#53964
def test_a_variance_is_whole_or_shared_along_axes_and_the_result_is_per_element():
    rng = np.random.default_rng(2)
    mean, targets = rng.normal(size=(2, 4, 3, 2, 2))
    for shape in [(4, 3, 2, 2), (4, 3, 1, 1), (4, 1, 2, 2), (1, 1, 1, 1), ()]:
        variance = rng.uniform(0.5, 2, shape)
        found = jl.gaussian_nll(mean, variance, targets)
        assert found.shape == mean.shape
        whole = jl.gaussian_nll(mean, np.broadcast_to(variance, mean.shape), targets)
        np.testing.assert_array_equal(found, whole)
        slope = jax.jit(jax.grad(lambda v: jl.gaussian_nll(mean, v, targets).sum()))(variance)
        assert slope.shape == shape
        assert np.isfinite(slope).all()
    for bad in [(4, 1), (3,), (4, 3, 2), (2, 3, 2, 2)]:
        with pytest.raises(ValueError, match="variance"):
            jl.gaussian_nll(mean, np.ones(bad), targets)
    with pytest.raises(ValueError, match="targets"):
        jl.gaussian_nll(np.ones(4), np.ones(4), np.ones((4, 1)))
    with pytest.raises(ValueError, match="variance"):
        jl.gaussian_nll(np.ones(4), np.ones((4, 1)), np.ones(4))


def test_predicting_mean_and_variance_finds_those_of_the_sample():
    sample = np.random.default_rng(3).normal(1.5, 0.7, 400)

    def risk(mean, variance):
        return jl.gaussian_nll(jnp.full(400, mean), variance, sample).mean()

    slopes = jax.jit(jax.grad(risk, argnums=(0, 1)))(sample.mean(), sample.var())
    np.testing.assert_allclose(slopes, 0, atol=1e-12)
