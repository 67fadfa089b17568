"""Negative log-likelihoods of further distributions, beside SciPy, mpmath and their limits."""

import functools
import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.stats

import jaxloss as jl
from jaxloss.numerics.special import (
    log1p_over_rate,
    log_i0e,
    log_rising,
    mean_excess,
    stirling_remainder,
)

INF = math.inf
LOG_2PI = math.log(2 * math.pi)
SKEW = np.array([0.5, -0.25, 0.75, 0.375])  # every second derivative has a part in that along it

# Loss, arrays, value, gradient in every array: each worked out by hand.
ORACLE = [
    (jl.laplace_nll, (1.0, 2.0, 4.0), math.log(2) + 1.5, (-0.5, -0.25, 0.5)),
    (jl.laplace_nll, (3.0, 0.5, 3.0), -math.log(2), (0, 2, 0)),
    (jl.student_t_nll, (0.0, 1.0, 0.0), math.log(8 / (3 * math.sqrt(2 * math.pi))), (0, 1, 0)),
    (jl.von_mises_nll, (1.0, 0.0, 2.5), 0.0, (0, -math.cos(1.5), 0)),
    (jl.negative_binomial_nll, (1.0, 1.0, 0.0), math.log(2), (0.5, 0.5 - math.log(2), None)),
    (jl.negative_binomial_nll, (3.0, 1.0, 1.0), math.log(16 / 3), (1 / 6, None, None)),
    (jl.negative_binomial_nll, (2.0, 0.0, 5.0), 2 - 5 * math.log(2), (-1.5, -2.0, -math.log(2))),
    (jl.negative_binomial_nll, (0.0, 0.5, 0.0), 0.0, (1, 0, None)),
    (jl.gamma_nll, (2.0, 1.0, 6.0), 3 - math.log(3), (-1, None, 0.5 - 1 / 6)),
    (jl.gamma_nll, (2.0, 0.5, 2.0), 2 - 2 * math.log(2), (0, None, 0)),
    (jl.beta_nll, (1.0, 1.0, 0.25), math.log(16 / 3), (math.log(4) - 1, None, -8 / 3)),
    (jl.beta_nll, (2.0, 1.0, 0.5), math.log(4), (math.log(2) - 0.5, None, -2)),
]


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def of_numbers(loss):
    """The loss as a function of one vector: its arrays, then its hyper-parameters."""
    count, names = len(loss.signature.arrays), loss.signature.hyperparameters
    return lambda x: loss(*x[:count], **dict(zip(names, x[count:], strict=True)))


@functools.cache
def compiled(loss):
    derived = jax.value_and_grad(of_numbers(loss))

    def measure(x):
        direction = SKEW[: len(x)]
        (value, slopes), (_, changes) = jax.jvp(derived, (x,), (direction,))
        return value, slopes, changes @ direction

    return jax.jit(measure)


def at_each(points, function):
    """The parts of what a function of one point gives, each stacked over the points."""
    return [np.stack(part) for part in zip(*map(function, points), strict=True)]


def derivatives(loss, points):
    """Values, slopes in every number, and curvatures along SKEW."""
    return at_each(points, compiled(loss))


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "arrays", "value", "slopes"), ORACLE)
def test_worked_examples(loss, arrays, value, slopes):
    hyper = tuple(item.default for item in loss.signature.hyperparameters.values())
    found, gradient, _ = derivatives(loss, np.array([arrays + hyper]))
    np.testing.assert_allclose(found, [value], rtol=1e-14, atol=1e-15)
    for slope, expected in zip(gradient[0], slopes, strict=False):
        assert expected is None or float(slope) == pytest.approx(expected, rel=1e-13, abs=1e-14)


def log_gamma(x):
    return mpmath.loggamma(x)


def exact_laplace(location, scale, target):
    return mpmath.log(scale) + abs(target - location) / scale


def exact_student_t(location, scale, target, n):
    square = ((target - location) / scale) ** 2
    ends = log_gamma(n / 2) - log_gamma((n + 1) / 2) + mpmath.log(n / 2) / 2
    return mpmath.log(scale) + (n + 1) / 2 * mpmath.log(1 + square / n) + ends


def exact_von_mises(location, concentration, target):
    bessel = mpmath.besseli(0, concentration)
    return mpmath.log(bessel) - concentration * mpmath.cos(target - location)


def exact_negative_binomial(mean, dispersion, target):
    r = 1 / dispersion
    ends = log_gamma(r) - log_gamma(target + r)
    return ends - target * mpmath.log(mean / (mean + r)) + r * mpmath.log(1 + mean / r)


def exact_gamma(mean, dispersion, target):
    q, k = target / mean, 1 / dispersion
    return k * (q - mpmath.log(q)) + log_gamma(k) - k * mpmath.log(k)


def exact_beta(alpha, beta, target):
    ends = log_gamma(alpha) + log_gamma(beta) - log_gamma(alpha + beta)
    return ends - alpha * mpmath.log(target) - beta * mpmath.log(1 - target)


# Loss, the same in exact arithmetic, points from ordinary to extreme.
EXACT = [
    (jl.laplace_nll, exact_laplace, [(0.3, 0.7, -1.2), (-1e8, 1e-6, 1e8), (2, 1e5, 2.5)]),
    (
        jl.student_t_nll,
        exact_student_t,
        [
            (0.3, 0.7, -1.2, 4),
            (0.5, 2, 1, 0.25),
            (0, 1, 3, 1e6),
            (1, 1, 1 + 2.0**-20, 3),
            (0, 1, 1e15, 2),
        ],
    ),
    (
        jl.von_mises_nll,
        exact_von_mises,
        [(0.3, 0.7, -1.2), (1, 49, 2.5), (1, 51, 1.2), (1, 1e4, 1 + 2.0**-8), (-3, 1e-6, 3)],
    ),
    (
        jl.negative_binomial_nll,
        exact_negative_binomial,
        [
            (2, 0.5, 3),
            (0.1, 3, 0.5),
            (40, 1e-3, 25),
            (1e4, 1e-8, 9500),
            (1e-3, 100, 2),
            (500, 2, 1e-3),
            (9999, 1, 1e4),
        ],
    ),
    (
        jl.gamma_nll,
        exact_gamma,
        [(2, 0.5, 3), (0.1, 30, 4), (1e4, 1e-4, 9950), (1 + 2.0**-10, 1e-6, 1), (5, 2, 1e-3)],
    ),
    (
        jl.beta_nll,
        exact_beta,
        [
            (2, 3, 0.4),
            (0.1, 0.25, 0.9),
            (1e4, 1e4, 0.503),
            (1e4, 3, 0.9997),
            (1e-3, 500, 0.01),
            (3e5, 1e5, 0.75),
        ],
    ),
]
exactly = pytest.mark.parametrize(
    ("loss", "exact", "points"), EXACT, ids=[row[0].__name__ for row in EXACT]
)


def in_exact_arithmetic(exact, point, orders):
    with mpmath.workdps(60):
        return float(mpmath.diff(exact, tuple(map(mpmath.mpf, point)), orders))


@pytest.mark.slow
@exactly
def test_values_and_slopes_in_double_precision(loss, exact, points):
    values, gradients, _ = derivatives(loss, np.array(points, float))
    unit = np.eye(len(points[0]), dtype=int)
    for point, value, gradient in zip(points, values, gradients, strict=True):
        with mpmath.workdps(60):
            expected = float(exact(*map(mpmath.mpf, point)))
        assert float(value) == pytest.approx(expected, rel=1e-13, abs=1e-13)
        slopes = [in_exact_arithmetic(exact, point, tuple(orders.tolist())) for orders in unit]
        np.testing.assert_allclose(gradient, slopes, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@exactly
def test_curvatures_in_double_precision(loss, exact, points):
    found = derivatives(loss, np.array(points, float))[2][0]
    steer = lambda t: exact(*[mpmath.mpf(x) + t * d for x, d in zip(points[0], SKEW, strict=False)])
    with mpmath.workdps(60):
        expected = float(mpmath.diff(steer, 0, 2))
    assert float(found) == pytest.approx(expected, rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "points"), [(row[0], row[2]) for row in EXACT])
def test_values_and_slopes_in_single_precision(loss, points):
    """Values to rounding; slopes, whose terms may be as large as an argument, to that of it."""
    single = np.array(points, np.float32)
    values, gradients = at_each(single, jax.jit(jax.value_and_grad(of_numbers(loss))))
    assert values.dtype == np.float32
    exact_values, exact_gradients, _ = derivatives(loss, single.astype(float))
    np.testing.assert_allclose(values, exact_values, rtol=3e-6, atol=1e-6)
    errors = np.abs(gradients - exact_gradients) - 1e-4 * np.abs(exact_gradients)
    assert np.all(errors <= 3e-7 * np.maximum(np.abs(single).max(1, keepdims=True), 10))


def parity_laplace(rng, draw):
    location, scale, targets = (
        rng.normal(size=draw),
        rng.lognormal(size=draw),
        rng.normal(size=draw),
    )
    reference = scipy.stats.laplace.logpdf(targets, location, scale)
    return jl.laplace_nll, (location, scale, targets), math.log(2), reference


def parity_student_t(rng, draw):
    location, scale, targets = (
        rng.normal(size=draw),
        rng.lognormal(size=draw),
        rng.normal(size=draw),
    )
    reference = scipy.stats.t.logpdf(targets, 2.5, location, scale)
    numbers = (location, scale, targets, np.full(draw, 2.5))
    return jl.student_t_nll, numbers, LOG_2PI / 2, reference


def parity_von_mises(rng, draw):
    location, targets = rng.uniform(-3, 3, size=(2, draw))
    concentration = rng.lognormal(1, 2, size=draw)
    reference = scipy.stats.vonmises.logpdf(targets, concentration, location)
    return jl.von_mises_nll, (location, concentration, targets), LOG_2PI, reference


def parity_negative_binomial(rng, draw):
    mean, dispersion = rng.lognormal(1, 2, size=(2, draw))
    counts = rng.integers(0, 40, draw)
    r = 1 / dispersion
    reference = scipy.stats.nbinom.logpmf(counts, r, r / (r + mean))
    constant = scipy.special.gammaln(counts + 1)
    return jl.negative_binomial_nll, (mean, dispersion, counts), constant, reference


def parity_gamma(rng, draw):
    mean, dispersion, targets = rng.lognormal(0, 1, size=(3, draw))
    k = 1 / dispersion
    reference = scipy.stats.gamma.logpdf(targets, k, scale=mean / k)
    return jl.gamma_nll, (mean, dispersion, targets), np.log(targets), reference


def parity_beta(rng, draw):
    alpha, beta = rng.lognormal(0, 2, size=(2, draw))
    targets = rng.uniform(0.01, 0.99, draw)
    reference = scipy.stats.beta.logpdf(targets, alpha, beta)
    return jl.beta_nll, (alpha, beta, targets), np.log(targets * (1 - targets)), reference


@pytest.mark.parametrize(
    "parity",
    [
        parity_laplace,
        parity_student_t,
        parity_von_mises,
        parity_negative_binomial,
        parity_gamma,
        parity_beta,
    ],
)
def test_with_its_constant_it_is_the_log_density_of_scipy(parity):
    loss, numbers, constant, log_density = parity(np.random.default_rng(0), 60)
    found = derivatives(loss, np.stack(numbers, axis=1))[0] + constant
    np.testing.assert_allclose(found, -log_density, rtol=1e-10, atol=1e-10)


def test_laplace_of_scale_one_is_the_absolute_error():
    location, targets = np.random.default_rng(1).normal(size=(2, 20))
    found = jl.laplace_nll(location, 1.0, targets)
    np.testing.assert_allclose(found, jl.absolute_error(location, targets), rtol=1e-14)


def test_laplace_is_least_at_the_absolute_error():
    points = np.array([[1.0, scale, 4.0] for scale in (2.5, 3.0, 3.5)])
    below, at, above = derivatives(jl.laplace_nll, points)[1][:, 1]
    assert at == pytest.approx(0, abs=1e-15)
    assert below < 0 < above


@pytest.mark.parametrize("loss", [jl.laplace_nll, jl.student_t_nll, jl.gamma_nll])
def test_spread_zero_is_certainty_and_never_nan(loss):
    *certain, outside = loss(np.full(4, 2.0), [0.0, 0, 0, -1], [2.0, 2.5, 1e30, 2]).tolist()
    assert certain == [-INF, INF, INF]
    assert np.isnan(outside)


def test_student_t_of_many_degrees_of_freedom_is_gaussian():
    rng = np.random.default_rng(2)
    location, targets = rng.normal(size=(2, 20))
    scale = rng.lognormal(size=20)
    found = jl.student_t_nll(location, scale, targets, degrees_of_freedom=1e12)
    np.testing.assert_allclose(found, jl.gaussian_nll(location, scale**2, targets), rtol=1e-9)


def test_student_t_of_one_degree_of_freedom_is_cauchy():
    location, targets = np.random.default_rng(3).normal(size=(2, 20))
    found = jl.student_t_nll(location, 1.0, targets, degrees_of_freedom=1.0)
    difference = np.asarray(found - 2 * jl.cauchy(location, targets, scale=1.0))
    np.testing.assert_allclose(difference, math.log(math.pi) - LOG_2PI / 2, rtol=1e-12)


def test_student_t_of_an_enormous_error_costs_its_logarithm():
    derived = jax.jit(jax.value_and_grad(jl.student_t_nll, argnums=(0, 1)))
    value, gradient = derived(np.float32(1e30), np.float32(1), np.float32(0))
    ends = float(jl.student_t_nll(0.0, 1.0, 0.0))
    assert float(value) == pytest.approx(2.5 * math.log(1e60 / 4) + ends, rel=1e-6)
    np.testing.assert_allclose(gradient, (5e-30, -4), rtol=1e-6)


def test_von_mises_of_concentration_zero_is_uniform():
    values = jl.von_mises_nll([0.0, 1.0, 5.0], 0.0, [3.0, 1.0, -7.0])
    np.testing.assert_allclose(values, 0, atol=1e-15)


def test_von_mises_of_great_concentration_is_gaussian():
    errors = np.array([0.0, 1e-4, -3e-4])
    found = jl.von_mises_nll(np.zeros(3), 1e8, errors)
    gaussian = jl.gaussian_nll(np.zeros(3), 1e-8, errors) - LOG_2PI / 2
    np.testing.assert_allclose(found, gaussian, rtol=1e-7)


def test_von_mises_is_unchanged_by_whole_turns():
    location, targets = np.random.default_rng(4).uniform(-3, 3, (2, 20))
    turned = jl.von_mises_nll(location, 2.0, targets + 6 * np.pi)
    np.testing.assert_allclose(jl.von_mises_nll(location, 2.0, targets), turned, rtol=1e-12)


def test_negative_binomial_without_dispersion_is_poisson_and_smooth_there():
    """The slope in the dispersion is the score test: -((target - mean)² - target) / 2."""
    mean, targets = np.array([0.0, 0.5, 3.0, 40.0, 1e4]), np.array([0.0, 2.0, 3.0, 25.0, 1e4])
    np.testing.assert_allclose(
        jl.negative_binomial_nll(mean, 0.0, targets), jl.poisson_nll(mean, targets), rtol=1e-14
    )
    points = np.stack([mean, np.zeros(5), targets], axis=1)
    _, gradients, _ = derivatives(jl.negative_binomial_nll, points)
    expected = -((targets - mean) ** 2 - targets) / 2
    np.testing.assert_allclose(gradients[:, 1], expected, rtol=1e-12, atol=1e-12)


def test_negative_binomial_at_mean_zero():
    assert float(jl.negative_binomial_nll(0.0, 0.5, 0.0)) == 0
    assert float(jl.negative_binomial_nll(0.0, 0.5, 1.0)) == INF
    assert np.isnan(jl.negative_binomial_nll(-1.0, 0.5, 1.0))
    assert np.isnan(jl.negative_binomial_nll(1.0, -0.5, 1.0))


@pytest.mark.parametrize("loss", [jl.negative_binomial_nll, jl.gamma_nll])
def test_the_best_mean_is_the_target(loss):
    targets = np.array([0.5, 2.0, 9.0])
    means = np.concatenate([targets, targets * 0.9, targets * 1.1])
    points = np.stack([means, np.full(9, 0.7), np.tile(targets, 3)], axis=1)
    at, below, above = np.split(derivatives(loss, points)[1][:, 0], 3)
    np.testing.assert_allclose(at, 0, atol=1e-15)
    assert np.all(below < 0)
    assert np.all(above > 0)


def test_gamma_of_dispersion_one_is_exponential_and_knows_no_unit():
    mean, targets = np.random.default_rng(5).lognormal(size=(2, 20))
    found = jl.gamma_nll(mean, 1.0, targets)
    np.testing.assert_allclose(found, targets / mean - np.log(targets / mean), rtol=1e-13)
    exponential = -scipy.stats.expon.logpdf(targets, scale=mean)
    np.testing.assert_allclose(found + np.log(targets), exponential, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(jl.gamma_nll(mean * 60, 1.0, targets * 60), found, rtol=1e-13)


def test_beta_of_ones_is_uniform_and_its_sides_may_change_places():
    targets = np.array([0.1, 0.5, 0.8])
    uniform = jl.beta_nll(np.ones(3), np.ones(3), targets)
    np.testing.assert_allclose(uniform, -np.log(targets * (1 - targets)), rtol=1e-13)
    alpha, beta = np.array([[0.2, 3.0, 50.0], [4.0, 0.7, 20.0]])
    turned = jl.beta_nll(beta, alpha, 1 - targets)
    np.testing.assert_allclose(jl.beta_nll(alpha, beta, targets), turned, rtol=1e-12)


def test_certain_proportions_lie_outside():
    values, gradients, _ = derivatives(jl.beta_nll, np.array([[2, 3, 0.0], [2, 3, 1.0]]))
    assert np.isnan(values).all()
    assert np.isnan(gradients[:, 0]).all()


@pytest.mark.parametrize(
    "loss", [jl.laplace_nll, jl.student_t_nll, jl.negative_binomial_nll, jl.gamma_nll]
)
def test_a_spread_may_be_shared(loss):
    rng = np.random.default_rng(6)
    centre, targets = rng.lognormal(size=(2, 3, 4))

    def summed(spread):
        values = loss(centre, spread, targets)
        return values.sum(), values

    column, number = rng.uniform(0.5, 2, (3, 1)), rng.uniform(0.5, 2)
    slope, by_row = jax.jit(jax.grad(summed, has_aux=True))(column)
    assert slope.shape == (3, 1)
    for spread, found in ((column, by_row), (number, loss(centre, number, targets))):
        whole = loss(centre, np.broadcast_to(spread, (3, 4)), targets)
        np.testing.assert_allclose(found, whole, rtol=1e-14)
    with pytest.raises(ValueError, match="never broadcast"):
        loss(centre, np.ones(4), targets)


@pytest.mark.slow
def test_fitting_both_heads_finds_the_law_of_the_sample():
    """The slopes vanish at the moments of a sample, where they are the best parameters."""
    angles = np.random.default_rng(7).vonmises(0.5, 2.0, 500)
    resultant = np.exp(1j * angles).mean()
    ratio = lambda k: scipy.special.i1e(k) / scipy.special.i0e(k) - abs(resultant)
    concentration = scipy.optimize.brentq(ratio, 0.1, 10)
    risk = lambda location, k: jl.von_mises_nll(jnp.full(500, location), k, angles).mean()
    slopes = jax.grad(risk, argnums=(0, 1))(np.angle(resultant), concentration)
    np.testing.assert_allclose(slopes, 0, atol=1e-10)


def test_special_functions_are_exact():
    x = np.array([0.0, 1e-9, 1e-3, 0.49, 0.51, 3.0, 1e5])
    with mpmath.workdps(60):
        exact = [0.0, *[(1 / mpmath.mpf(b) + 0.5) * mpmath.log1p(b) - 1 for b in x[1:]]]
        np.testing.assert_allclose(jax.jit(mean_excess)(x), np.array(exact, float), rtol=1e-14)
        exact = [2.0, *[mpmath.log1p(2 * mpmath.mpf(b)) / b for b in x[1:]]]
        np.testing.assert_allclose(
            jax.jit(log1p_over_rate)(2.0 + 0 * x, x), np.array(exact, float), rtol=1e-15
        )
        remainder = lambda r: (
            log_gamma(r) - (r - 0.5) * mpmath.log(r) + r - mpmath.log(2 * mpmath.pi) / 2
        )
        exact = [0.0, *[remainder(1 / mpmath.mpf(b)) for b in x[1:]]]
        np.testing.assert_allclose(
            jax.jit(stirling_remainder)(x), np.array(exact, float), rtol=1e-13
        )
        bessel = [mpmath.log(mpmath.besseli(0, k)) - k for k in (1e-9, 1.0, 49.9, 50.1, 1e5)]
        found = jax.jit(log_i0e)(jnp.array([1e-9, 1.0, 49.9, 50.1, 1e5]))
        np.testing.assert_allclose(found, np.array(bessel, float), rtol=1e-13, atol=1e-15)


def test_the_rising_factorial_is_a_product():
    steps = np.array([0.0, 1e-6, 0.3, 2.0, 1e4])
    for count in (0, 1, 2, 7):
        exact = sum(np.log1p(j * steps) for j in range(count))
        np.testing.assert_allclose(
            jax.jit(log_rising)(np.full(5, float(count)), steps),
            exact + 0 * steps,
            rtol=1e-9,
            atol=1e-13,
        )
