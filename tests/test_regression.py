"""The losses of `regression`: hand-derived rows, identities, peers, and digits at the extremes."""

from math import log

import jax
import mpmath
import numpy as np
import optax
import pytest
import scipy.special
import scipy.stats
from derivatives import slope, slope_in, value_and_slope

import jaxloss as jl

R = np.linspace(-4, 4, 81)
FAR_AND_NEAR = np.array([1e-15, 1e-6, 1e-4, 1e-3, 0.3, 0.999, 1.0, 1.001, 3.0, 1e4, 1e8, 1e16])


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


ORACLE = [
    (jl.squared_error, {}, 3.0, 9.0, 6.0),
    (jl.half_squared_error, {}, -3.0, 4.5, -3.0),
    (jl.absolute_error, {}, -2.0, 2.0, -1.0),
    (jl.absolute_error, {}, 0.0, 0.0, 0.0),
    (jl.huber, {"delta": 2.0}, 0.5, 0.125, 0.5),
    (jl.huber, {"delta": 2.0}, 2.0, 2.0, 2.0),
    (jl.huber, {"delta": 2.0}, -3.0, 4.0, -2.0),
    (jl.huber, {"delta": 1e8}, 3.0, 4.5, 3.0),
    (jl.smooth_l1, {"beta": 2.0}, 0.5, 0.0625, 0.25),
    (jl.smooth_l1, {"beta": 2.0}, 3.0, 2.0, 1.0),
    (jl.smooth_l1, {"beta": 0.0}, -3.0, 3.0, -1.0),
    (jl.smooth_l1, {"beta": 0.0}, 0.0, 0.0, 0.0),
    (jl.pseudo_huber, {"delta": 4.0}, 3.0, 4.0, 2.4),  # 16 (5/4 - 1), r / (5/4)
    (jl.charbonnier, {"scale": 4.0}, 3.0, 5.0, 0.6),
    (jl.charbonnier, {"scale": 4.0}, 0.0, 4.0, 0.0),
    (jl.log_cosh, {}, log(2), log(5 / 4), 3 / 5),
    (jl.log_cosh, {}, -log(3), log(5 / 3), -4 / 5),
    (jl.lp, {"p": 3.0}, -2.0, 8.0, -12.0),
    (jl.lp, {"p": 0.5}, 4.0, 2.0, 0.25),
    (jl.lp, {"p": 0.5}, 0.0, 0.0, 0.0),
    (jl.lp, {"p": 1.0}, 0.0, 0.0, 0.0),
    (jl.lp, {"p": 2.0}, 0.0, 0.0, 0.0),
]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("loss", "hyper", "residual", "value", "gradient"), ORACLE)
def test_value_and_slope(loss, hyper, residual, value, gradient):
    found, steepness = value_and_slope(loss)(residual + 5.0, 5.0, **hyper)
    assert float(found) == pytest.approx(value, rel=1e-14)
    assert float(steepness) == pytest.approx(gradient, rel=1e-14)


HYPER_SLOPES = [
    (jl.huber, "delta", 2.0, 3.0, 1.0),  # |r| - delta
    (jl.huber, "delta", 2.0, 1.0, 0.0),
    (jl.smooth_l1, "beta", 2.0, 3.0, -0.5),
    (jl.smooth_l1, "beta", 2.0, 0.5, -0.03125),  # -r² / (2 beta²)
    (jl.smooth_l1, "beta", 0.0, 3.0, -0.5),
    (jl.smooth_l1, "beta", 0.0, 0.0, 0.0),
    (jl.pseudo_huber, "delta", 4.0, 3.0, 0.2),  # h + delta² / h - 2 delta, h = 5
    (jl.charbonnier, "scale", 4.0, 3.0, 0.8),
    (jl.lp, "p", 3.0, 2.0, 8 * log(2)),
    (jl.lp, "p", 0.5, 0.0, 0.0),
]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("loss", "name", "at", "residual", "wanted"), HYPER_SLOPES)
def test_slope_in_the_hyper_parameter(loss, name, at, residual, wanted):
    found = slope_in(name, loss)(at, residual)
    assert float(found) == pytest.approx(wanted, rel=1e-13, abs=1e-15)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("b", [0.1, 0.5, 2.0])
def test_smooth_l1_is_huber_over_its_delta(b):
    expected = np.asarray(jl.huber(R, 0 * R, delta=b)) / b
    np.testing.assert_allclose(jl.smooth_l1(R, 0 * R, beta=b), expected, rtol=1e-14)


# pytorch#48595, pytorch#68558
def test_huber_and_smooth_l1_differ_by_the_factor_beta():
    residual = np.array([0.5, 3.0])
    assert jl.huber(residual, 0 * residual, delta=2.0).tolist() == [0.125, 4.0]
    assert jl.smooth_l1(residual, 0 * residual, beta=2.0).tolist() == [0.0625, 2.0]
    np.testing.assert_array_equal(
        jl.smooth_l1(R, 0 * R, beta=0.0), jl.absolute_error(R, 0 * R), strict=True
    )
    np.testing.assert_array_equal(slope(jl.smooth_l1, R, beta=0.0), slope(jl.absolute_error, R))


# optax#103
def test_log_cosh_small_and_large():
    found = jl.log_cosh(np.float32([1e-4, 1e-3, 1e4]), np.zeros(3, np.float32))
    np.testing.assert_allclose(found, [5.0e-9, 4.9999992e-7, 9999.30685], rtol=5e-7)


@pytest.mark.usefixtures("double")
def test_log_cosh_is_the_logistic_loss_for_regression():
    logistic = -np.log(4 * np.exp(R) / (1 + np.exp(R)) ** 2)
    np.testing.assert_allclose(2 * jl.log_cosh(R / 2, 0 * R), logistic, rtol=1e-12, atol=1e-15)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (lambda r: jl.huber(r, 0 * r, delta=1e8), jl.half_squared_error),
        (lambda r: jl.huber(r, 0 * r, delta=1e-9) / 1e-9, jl.absolute_error),
        (lambda r: jl.pseudo_huber(r, 0 * r, delta=1e8), jl.half_squared_error),
        (lambda r: jl.pseudo_huber(r, 0 * r, delta=1e-9) / 1e-9, jl.absolute_error),
        (lambda r: jl.charbonnier(r, 0 * r, scale=1e-9), jl.absolute_error),
        (lambda r: 2 * jl.half_squared_error(r, 0 * r), jl.squared_error),
        (lambda r: jl.lp(r, 0 * r, p=1.0), jl.absolute_error),
        (lambda r: jl.lp(r, 0 * r, p=2.0), jl.squared_error),
    ],
)
def test_limits(found, wanted):
    both = jax.jit(lambda r: (found(r), wanted(r, 0 * r)))
    np.testing.assert_allclose(*both(R), rtol=1e-12, atol=2e-9)


@pytest.mark.usefixtures("double")
def test_charbonnier_less_its_value_at_zero_is_pseudo_huber_over_delta():
    lowered = jl.charbonnier(R, 0 * R, scale=0.7) - 0.7
    np.testing.assert_allclose(
        lowered, jl.pseudo_huber(R, 0 * R, delta=0.7) / 0.7, rtol=1e-12, atol=1e-15
    )


@pytest.mark.usefixtures("double")
def test_half_squared_error_is_the_gaussian_likelihood_up_to_a_constant():
    likelihood = -scipy.stats.norm.logpdf(R)
    np.testing.assert_allclose(
        jl.half_squared_error(R, 0 * R), likelihood - likelihood.min(), atol=1e-14
    )


@pytest.mark.parametrize(
    ("loss", "peer"),
    [
        (jl.squared_error, optax.losses.squared_error),
        (jl.half_squared_error, optax.losses.l2_loss),
        (jl.log_cosh, jax.jit(optax.losses.log_cosh)),
        (jl.huber, jax.jit(optax.losses.huber_loss)),
        (jl.huber, lambda p, t: scipy.special.huber(1, p - t)),
        (jl.pseudo_huber, lambda p, t: scipy.special.pseudo_huber(1, p - t)),
    ],
)
def test_agrees_with_peers(loss, peer):
    predictions, targets = np.float32(R), np.float32(R[::-1] / 3)
    found = loss(predictions, targets)
    np.testing.assert_allclose(found, peer(predictions, targets), rtol=1e-5, atol=1e-6)


DIGITS = {
    "log_cosh": (jl.log_cosh, {}, lambda r: mpmath.log(mpmath.cosh(r)), mpmath.tanh),
    "pseudo_huber": (
        jl.pseudo_huber,
        {"delta": 0.5},
        lambda r: (mpmath.sqrt(1 + 4 * r * r) - 1) / 4,
        lambda r: r / mpmath.sqrt(1 + 4 * r * r),
    ),
    "charbonnier": (
        jl.charbonnier,
        {"scale": 0.5},
        lambda r: mpmath.sqrt(r * r + mpmath.mpf(1) / 4),
        lambda r: r / mpmath.sqrt(r * r + mpmath.mpf(1) / 4),
    ),
    "huber": (
        jl.huber,
        {"delta": 0.5},
        lambda r: r * r / 2 if r < 0.5 else (r - mpmath.mpf(1) / 4) / 2,
        lambda r: min(r, mpmath.mpf(1) / 2),
    ),
    "lp": (jl.lp, {"p": 1.5}, lambda r: r**1.5, lambda r: 1.5 * r**0.5),
}


@pytest.mark.parametrize("name", DIGITS)
def test_single_precision_keeps_value_and_slope(name):
    loss, hyper, exact, exact_slope = DIGITS[name]
    with mpmath.workdps(60):
        residual = np.float32([*FAR_AND_NEAR, 1e20])
        points = [mpmath.mpf(float(r)) for r in residual]
        values = [float(exact(r)) for r in points]
        slopes = [float(exact_slope(r)) for r in points]
    np.testing.assert_allclose(loss(residual, 0 * residual, **hyper), values, rtol=1e-6)
    np.testing.assert_allclose(slope(loss, residual, **hyper), slopes, rtol=1e-6)


@pytest.mark.parametrize(
    "loss", [jl.huber, jl.smooth_l1, jl.pseudo_huber, jl.charbonnier, jl.log_cosh]
)
def test_a_huge_residual_does_not_overflow(loss):
    residual = np.float32([1e30, -1e30])
    np.testing.assert_allclose(loss(residual, 0 * residual), [1e30, 1e30], rtol=1e-6)
    np.testing.assert_allclose(slope(loss, residual), [1, -1], rtol=1e-6)


@pytest.mark.parametrize(
    "loss", [jl.squared_error, jl.huber, jl.smooth_l1, jl.pseudo_huber, jl.log_cosh]
)
def test_curvature_at_an_exact_fit_is_not_lost(loss):
    curvature = jax.jit(jax.hessian(lambda r: loss(r, 0.0)))(0.0)
    assert float(curvature) == pytest.approx(2.0 if loss is jl.squared_error else 1.0)
