"""The robust losses: hand-derived rows, efficiency, and `barron` against mpmath at every shape."""

import functools
from math import e, exp, inf, log, sqrt

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from derivatives import slope

import jaxloss as jl

R = np.linspace(-6, 6, 121)
WITH_SCALE = [jl.fair, jl.cauchy, jl.geman_mcclure, jl.welsch, jl.tukey]


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


@functools.cache
def derivatives(loss):
    """The value, and its slopes in residual and scale."""
    at = lambda residual, scale: loss(residual, 0.0, scale=scale)
    return jax.jit(jax.value_and_grad(at, argnums=(0, 1)))


ORACLE = [
    (jl.fair, 2.0, 2.0, 4 * (1 - log(2)), 1.0),
    (jl.cauchy, 2.0, -2.0, 2 * log(2), -1.0),
    (jl.geman_mcclure, 2.0, 2.0, 1.0, 0.5),
    (jl.welsch, 2.0, -2.0, 2 * (1 - 1 / e), -2 / e),
    (jl.tukey, 2.0, 1.0, 2 / 3 * (1 - 27 / 64), 9 / 16),
    (jl.tukey, 2.0, 2.0, 2 / 3, 0.0),
    (jl.tukey, 2.0, -5.0, 2 / 3, 0.0),
]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("loss", "scale", "residual", "value", "gradient"), ORACLE)
def test_value_and_slope(loss, scale, residual, value, gradient):
    found, (by_residual, _) = derivatives(loss)(residual, scale)
    assert float(found) == pytest.approx(value, rel=1e-13)
    assert float(by_residual) == pytest.approx(gradient, rel=1e-13)
    found, (by_residual, _) = derivatives(loss)(0.0, scale)
    assert float(found) == 0
    assert float(by_residual) == 0


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("loss", WITH_SCALE)
def test_the_slope_in_the_scale_follows_from_homogeneity(loss):
    """rho is of degree 2 in (r, scale) together, so r rho' + scale d rho / d scale = 2 rho."""
    for residual in (0.0, 0.3, -2.0, 40.0):
        value, (by_residual, by_scale) = derivatives(loss)(residual, 1.7)
        assert float(residual * by_residual + 1.7 * by_scale) == pytest.approx(2 * float(value))


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("loss", WITH_SCALE)
def test_a_large_scale_is_half_the_squared_error(loss):
    np.testing.assert_allclose(
        loss(R, 0 * R, scale=1e8), jl.half_squared_error(R, 0 * R), rtol=1e-6, atol=1e-12
    )


@pytest.mark.usefixtures("double")
def test_fair_over_a_small_scale_is_the_absolute_error():
    np.testing.assert_allclose(
        np.asarray(jl.fair(R, 0 * R, scale=1e-9)) / 1e-9, jl.absolute_error(R, 0 * R), atol=1e-7
    )


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("loss", WITH_SCALE)
def test_the_default_scale_has_95_percent_efficiency_at_the_gaussian(loss):
    """(E psi')² / E psi² with psi = rho', by quadrature."""
    x = np.linspace(-12, 12, 240001)
    density = np.exp(-x * x / 2) / sqrt(2 * np.pi)
    influence = jax.grad(lambda r: loss(r, 0.0))
    both = jax.jit(jax.vmap(jax.value_and_grad(influence)))
    psi, curvature = map(np.asarray, both(x))
    expected = [np.trapezoid(f * density, x) for f in (curvature, psi**2)]
    assert expected[0] ** 2 / expected[1] == pytest.approx(0.95, abs=2e-5)


def barron_of(point):
    """`barron` as a function of residual, alpha and scale together."""
    return jl.barron(point[0], 0.0, alpha=point[1], scale=point[2])


@jax.jit
@functools.partial(jax.jacfwd, has_aux=True)
def barron_curvature_and_slope(point):
    slopes = jax.grad(barron_of)(point)
    return slopes, slopes


def rho(residual, alpha, scale=1):
    """The definition with its limits, in arbitrary precision."""
    z = (mpmath.mpf(residual) / mpmath.mpf(scale)) ** 2
    if alpha == 2:
        return z / 2
    if abs(alpha) == inf:
        return mpmath.expm1(z / 2) if alpha > 0 else -mpmath.expm1(-z / 2)
    alpha = mpmath.mpf(alpha) + mpmath.mpf(10) ** -40  # off the removable singularity at 0
    b = abs(alpha - 2)
    return b / alpha * ((z / b + 1) ** (alpha / 2) - 1)


ALPHAS = [
    -inf,
    -1e5,
    -20.0,
    -2.0,
    -0.5,
    -1e-4,
    0.0,
    1e-6,
    0.5,
    0.999,
    1.0,
    1.5,
    1.99,
    2.0,
    2.5,
    4.0,
]
RESIDUALS = np.array([1e-12, 1e-3, 0.3, 1.0, 3.0, 30.0])


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("alpha", [*ALPHAS, inf])
def test_barron_is_right_at_every_shape(alpha):
    residual = RESIDUALS[:5] if alpha == inf else RESIDUALS
    with mpmath.workdps(100):
        values = [float(rho(float(r), alpha, 0.7)) for r in residual]
        slopes = [float(mpmath.diff(lambda x: rho(x, alpha, 0.7), float(r))) for r in residual]
    tolerance = {"rtol": 1e-11, "atol": 1e-13}
    found = np.asarray(jl.barron(RESIDUALS, 0 * RESIDUALS, alpha=alpha, scale=0.7))
    np.testing.assert_allclose(found[: len(residual)], values, **tolerance)
    found = slope(jl.barron, RESIDUALS, alpha=alpha, scale=0.7)
    np.testing.assert_allclose(found[: len(residual)], slopes, **tolerance)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("alpha", [a for a in ALPHAS if a not in (-inf, 2.0)])
def test_barron_has_the_right_slope_in_alpha(alpha):
    points = [np.array([r, alpha, 1]) for r in RESIDUALS]
    found = [np.asarray(barron_curvature_and_slope(point)[1])[1] for point in points]
    with mpmath.workdps(100):
        wanted = [float(mpmath.diff(lambda a, r=r: rho(float(r), a), alpha)) for r in RESIDUALS]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-15)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("alpha", [-1.5, 0.0, 1.0, 1.7])
def test_barron_has_the_right_second_derivatives(alpha):
    found, _ = barron_curvature_and_slope(np.array([1.3, alpha, 0.7]))
    with mpmath.workdps(60):
        point = (mpmath.mpf("1.3"), mpmath.mpf(alpha), mpmath.mpf("0.7"))
        unit = np.eye(3, dtype=int)
        orders = [[tuple(map(int, unit[i] + unit[j])) for j in range(3)] for i in range(3)]
        wanted = [[float(mpmath.diff(rho, point, order)) for order in row] for row in orders]
    np.testing.assert_allclose(found, wanted, rtol=1e-7)


@pytest.mark.parametrize("precise", [False, True])
@pytest.mark.parametrize("alpha", [-inf, -2.0, 0.0, 1.0, 2.0])
def test_barron_has_finite_derivatives_everywhere(alpha, precise):
    with jax.enable_x64(precise):
        for residual in (0.0, 1e-6, 1.0, 1e4):
            point = np.array([residual, alpha, 1.0])
            for part in barron_curvature_and_slope(point):
                assert np.all(np.isfinite(part))


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (lambda r: jl.barron(r, 0 * r, alpha=2.0), lambda r: jl.half_squared_error(r, 0 * r)),
        (lambda r: jl.barron(r, 0 * r, alpha=1.0), lambda r: jl.pseudo_huber(r, 0 * r)),
        (
            lambda r: jl.barron(r, 0 * r, alpha=1.0),
            lambda r: jl.charbonnier(r, 0 * r, scale=1.0) - 1,
        ),
        (
            lambda r: jl.barron(r, 0 * r, alpha=0.0, scale=3 / sqrt(2)),
            lambda r: 2 * jl.cauchy(r, 0 * r, scale=3.0) / 9,
        ),
        (
            lambda r: jl.barron(r, 0 * r, alpha=-2.0, scale=1.5),
            lambda r: 4 * jl.geman_mcclure(r, 0 * r, scale=3.0) / 9,
        ),
        (
            lambda r: jl.barron(r, 0 * r, alpha=-inf, scale=3 / sqrt(2)),
            lambda r: 2 * jl.welsch(r, 0 * r, scale=3.0) / 9,
        ),
        (lambda r: jl.barron(r, 0 * r, alpha=inf), lambda r: jnp.expm1(r * r / 2)),
    ],
)
def test_barron_has_the_others_as_special_cases(found, wanted):
    both = jax.jit(lambda r: (found(r), wanted(r)))
    np.testing.assert_allclose(*both(R), rtol=1e-12, atol=1e-15)


def exact(name, x):
    """The shapes at scale 1 in arbitrary precision."""
    z = x * x
    return {
        "fair": lambda: x - mpmath.log1p(x),
        "cauchy": lambda: mpmath.log1p(z) / 2,
        "geman_mcclure": lambda: z / (1 + z) / 2,
        "welsch": lambda: -mpmath.expm1(-z) / 2,
        "tukey": lambda: (1 - (1 - min(z, 1)) ** 3) / 6,
    }[name]()


@pytest.mark.parametrize("loss", WITH_SCALE, ids=lambda loss: loss.__name__)
def test_single_precision_keeps_the_digits_from_tiny_to_huge(loss):
    residual = np.float32([1e-15, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1.0, 1.1, 3.0, 100, 1e4, 1e10, 1e30])
    with mpmath.workdps(90):
        wanted = [float(exact(loss.__name__, mpmath.mpf(float(r)))) for r in residual]
    np.testing.assert_allclose(loss(residual, 0 * residual, scale=1.0), wanted, rtol=2e-6)


@pytest.mark.parametrize("alpha", [-inf, -2.0, -0.3, 0.0, 0.7, 1.0, 1.5, 2.0])
def test_single_precision_keeps_the_digits_of_barron(alpha):
    residual = np.float32([1e-15, 1e-6, 1e-3, 0.1, 0.5, 1.0, 3.0, 100, 1e4])
    with mpmath.workdps(100):
        wanted = [float(rho(float(r), alpha)) for r in residual]
    np.testing.assert_allclose(jl.barron(residual, 0 * residual, alpha=alpha), wanted, rtol=3e-6)


@pytest.mark.parametrize(
    ("loss", "value", "gradient"),
    [
        (jl.fair, 1e30, 1.0),
        (jl.cauchy, 30 * log(10), 1e-30),
        (jl.geman_mcclure, 0.5, 0.0),
        (jl.welsch, 0.5, 0.0),
        (jl.tukey, 1 / 6, 0.0),
        (jl.barron, 1e30, 1.0),
    ],
)
def test_a_huge_residual_does_not_overflow(loss, value, gradient):
    for sign in (1, -1):
        found, (by_residual, by_scale) = derivatives(loss)(np.float32(sign * 1e30), 1.0)
        assert float(found) == pytest.approx(value, rel=1e-5)
        np.testing.assert_allclose(by_residual, sign * gradient, rtol=1e-5)
        assert np.isfinite(by_scale)


def test_a_nan_is_not_taken_for_an_outlier():
    for loss in [*WITH_SCALE, jl.barron]:
        value, (by_residual, _) = derivatives(loss)(np.float32(np.nan), 1.0)
        assert np.isnan(value)
        assert np.isnan(by_residual)


def test_facts_of_barron_at_the_ends():
    assert jl.barron.facts.at(alpha=-inf, scale=2.0)["lipschitz"] == pytest.approx(exp(-0.5) / 2)
    assert jl.barron.facts.at(alpha=-inf, scale=2.0)["supremum"] == 1
    assert jl.barron.facts.at(alpha=-2.0, scale=2.0)["supremum"] == 2
    assert jl.barron.facts.at(alpha=1.0, scale=2.0)["lipschitz"] == 0.5
    assert jl.barron.facts.at(alpha=0.0, scale=1.0)["lipschitz"] == pytest.approx(sqrt(1 / 2))
