"""The losses of `quantile`: hand-derived rows, identities, peers, and digits at the extremes."""

from math import e, log

import jax
import mpmath
import numpy as np
import pytest
import sklearn.metrics
from derivatives import slope, slope_in, value_and_slope

import jaxloss as jl

R = np.linspace(-4, 4, 81)


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


ORACLE = [
    (jl.pinball, {"quantile": 0.7}, 2.0, 0.6, 0.3),
    (jl.pinball, {"quantile": 0.7}, -2.0, 1.4, -0.7),
    (jl.pinball, {"quantile": 0.7}, 0.0, 0.0, 0.0),
    (jl.expectile, {"quantile": 0.7}, 2.0, 1.2, 1.2),
    (jl.expectile, {"quantile": 0.7}, -2.0, 2.8, -2.8),
    (jl.quantile_huber, {"quantile": 0.7, "delta": 2.0}, 1.0, 0.3 / 4, 0.3 / 2),
    (jl.quantile_huber, {"quantile": 0.7, "delta": 2.0}, -3.0, 1.4, -0.7),
    (jl.quantile_huber, {"quantile": 0.7, "delta": 0.0}, 0.0, 0.0, 0.0),
    (jl.epsilon_insensitive, {"epsilon": 0.5}, -2.0, 1.5, -1.0),
    (jl.epsilon_insensitive, {"epsilon": 0.5}, 0.25, 0.0, 0.0),
    (jl.epsilon_insensitive, {"epsilon": 0.0}, 0.0, 0.0, 0.0),
    (jl.squared_epsilon_insensitive, {"epsilon": 0.5}, -2.0, 2.25, -3.0),
    (jl.squared_epsilon_insensitive, {"epsilon": 0.5}, 0.25, 0.0, 0.0),
    (jl.linex, {"a": 2.0}, 0.5, e - 2, 2 * (e - 1)),
    (jl.linex, {"a": -1.0}, log(2), log(2) - 0.5, 0.5),
    (jl.linex, {"a": 0.0}, 3.0, 0.0, 0.0),
]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("loss", "hyper", "residual", "value", "gradient"), ORACLE)
def test_value_and_slope(loss, hyper, residual, value, gradient):
    found, by_residual = value_and_slope(loss)(residual, 0.0, **hyper)
    assert float(found) == pytest.approx(value, rel=1e-14)
    assert float(by_residual) == pytest.approx(gradient, rel=1e-14)


HYPER_SLOPES = [
    (jl.pinball, "quantile", 0.7, 2.0, -2.0),
    (jl.pinball, "quantile", 0.7, -2.0, 2.0),
    (jl.expectile, "quantile", 0.7, 2.0, -4.0),
    (jl.quantile_huber, "delta", 2.0, -3.0, -0.25),  # quantile 1/2 times -1/2
    (jl.epsilon_insensitive, "epsilon", 0.5, -2.0, -1.0),
    (jl.epsilon_insensitive, "epsilon", 0.5, 0.25, 0.0),
    (jl.squared_epsilon_insensitive, "epsilon", 0.5, 2.0, -3.0),
    (jl.linex, "a", 2.0, 0.5, 0.5 * (e - 1)),
    (jl.linex, "a", 0.0, 3.0, 0.0),
]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("loss", "name", "at", "residual", "wanted"), HYPER_SLOPES)
def test_slope_in_the_hyper_parameter(loss, name, at, residual, wanted):
    found = slope_in(name, loss)(at, residual)
    assert float(found) == pytest.approx(wanted, rel=1e-13, abs=1e-15)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (lambda r: 2 * jl.pinball(r, 0 * r), jl.absolute_error),
        (lambda r: 2 * jl.expectile(r, 0 * r), jl.squared_error),
        (lambda r: 2 * jl.quantile_huber(r, 0 * r), jl.smooth_l1),
        (lambda r: jl.quantile_huber(r, 0 * r, delta=0.0), jl.pinball),
        (lambda r: 2e9 * jl.quantile_huber(r, 0 * r, delta=1e9), jl.expectile),
        (lambda r: jl.epsilon_insensitive(r, 0 * r, epsilon=0.0), jl.absolute_error),
        (lambda r: jl.squared_epsilon_insensitive(r, 0 * r, epsilon=0.0), jl.squared_error),
        (lambda r: jl.epsilon_insensitive(r, 0 * r) ** 2, jl.squared_epsilon_insensitive),
        (lambda r: 2e12 * jl.linex(r, 0 * r, a=1e-6), jl.squared_error),
        (lambda r: jl.linex(-r, 0 * r, a=-1.0), jl.linex),
    ],
)
def test_limits(found, wanted):
    both = jax.jit(lambda r: (found(r), wanted(r, 0 * r)))
    np.testing.assert_allclose(*both(R), rtol=2e-6, atol=1e-12)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_pinball_agrees_with_scikit_learn(quantile):
    predictions, targets = R, np.sin(R)
    found = jl.pinball(predictions, targets, quantile=quantile).mean()
    peer = sklearn.metrics.mean_pinball_loss(targets, predictions, alpha=quantile)
    assert float(found) == pytest.approx(peer, rel=1e-6)


@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.9])
def test_the_best_constant_is_the_quantile(quantile):
    sample = np.random.default_rng(0).exponential(size=999)
    grid = np.linspace(0, 4, 2001)
    risk = jax.vmap(lambda c: jl.pinball(c + 0 * sample, sample, quantile=quantile).mean())(grid)
    assert grid[int(risk.argmin())] == pytest.approx(np.quantile(sample, quantile), abs=0.02)


@pytest.mark.parametrize("a", [1.0, -2.0])
def test_linex_keeps_its_digits(a):
    residual = np.float32(
        [1e-12, -1e-6, 1e-3, -0.1, 0.24, 0.26, 0.49, -0.51, 1.0, -5.0, 20.0, -30.0]
    )
    with mpmath.workdps(60):
        points = [a * mpmath.mpf(float(r)) for r in residual]
        values = [float(mpmath.exp(x) - 1 - x) for x in points]
        slopes = [float(a * (mpmath.exp(x) - 1)) for x in points]
    np.testing.assert_allclose(jl.linex(residual, 0 * residual, a=a), values, rtol=1e-6)
    np.testing.assert_allclose(slope(jl.linex, residual, a=a), slopes, rtol=1e-6)


def test_linex_is_infinite_where_the_exponential_overflows_and_finite_opposite():
    found = jl.linex(np.float32([1e4, -1e4]), np.zeros(2, np.float32))
    assert found.tolist() == [np.inf, 9999.0]
