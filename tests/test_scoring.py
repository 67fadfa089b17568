"""Distances of the softmax from the one-hot label: hand-derived values, identities, extremes."""

import functools
import itertools
from math import inf, log, sqrt

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from derivatives import values_and_slopes

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
RNG = np.random.default_rng(2)
LOGITS = RNG.normal(size=(64, 4)).astype(np.float32) * 3
LABELS = RNG.integers(0, 4, 64).astype(np.int32)

close = functools.partial(np.testing.assert_allclose, rtol=5e-6, atol=1e-6)


@functools.cache
def curvature(loss):
    return jax.jit(jax.hessian(loss))


# Each as in its definition, of the probabilities and the place of the label.
DEFINITIONS = {
    jl.expectation: lambda p, y: sum(abs(x - (j == y)) for j, x in enumerate(p)),
    jl.chebyshev: lambda p, y: max(abs(x - (j == y)) for j, x in enumerate(p)),
    jl.brier: lambda p, y: sum((x - (j == y)) ** 2 for j, x in enumerate(p)),
    jl.squared_log: lambda p, y: mpmath.log(p[y]) ** 2,
    jl.tanimoto: lambda p, y: -p[y] / (sum(x * x for x in p) + 1 - p[y]),
    jl.cauchy_schwarz: lambda p, y: -mpmath.log(p[y] / mpmath.sqrt(sum(x * x for x in p))),
}
every_loss = pytest.mark.parametrize("loss", DEFINITIONS, ids=lambda loss: loss.__name__)

QUARTERS = [0, log(3)]  # probabilities 1/4 and 3/4
HALF_LAST = [0, 0, log(2)]  # probabilities 1/4, 1/4 and 1/2

ORACLE = [
    (jl.expectation, QUARTERS, 0, 3 / 2, [-3 / 8, 3 / 8]),
    (jl.chebyshev, QUARTERS, 0, 3 / 4, [-3 / 16, 3 / 16]),
    (jl.brier, QUARTERS, 0, 9 / 8, [-9 / 16, 9 / 16]),
    (jl.squared_log, QUARTERS, 0, log(4) ** 2, [-3 / 2 * log(4), 3 / 2 * log(4)]),
    (jl.tanimoto, QUARTERS, 0, -2 / 11, [-45 / 242, 45 / 242]),
    (jl.cauchy_schwarz, QUARTERS, 0, log(10) / 2, [-9 / 10, 9 / 10]),
    (jl.expectation, HALF_LAST, 2, 1, [1 / 4, 1 / 4, -1 / 2]),
    (jl.chebyshev, HALF_LAST, 2, 1 / 2, [1 / 8, 1 / 8, -1 / 4]),
    (jl.brier, HALF_LAST, 0, 7 / 8, [-7 / 16, 1 / 16, 3 / 8]),
    (jl.squared_log, HALF_LAST, 2, log(2) ** 2, [log(2) / 2, log(2) / 2, -log(2)]),
    (jl.tanimoto, HALF_LAST, 0, -2 / 9, None),
    (jl.cauchy_schwarz, HALF_LAST, 0, -log(0.25 / sqrt(3 / 8)), [-5 / 6, 1 / 6, 2 / 3]),
]


@pytest.mark.parametrize(("loss", "logits", "label", "value", "slope"), ORACLE)
def test_value_and_gradient(loss, logits, label, value, slope):
    with jax.enable_x64(True):
        found, gradient = values_and_slopes(loss)(np.asarray(logits, np.float64), label)
        assert float(found) == pytest.approx(value, rel=1e-13)
        if slope is not None:
            np.testing.assert_allclose(gradient, slope, rtol=1e-13)


def exact(loss, logits, label):
    """Value and gradient with 60 digits, the gradient by central differences."""
    with mpmath.workdps(60):

        def value(point):
            powers = [mpmath.exp(x) for x in point]
            return DEFINITIONS[loss]([x / mpmath.fsum(powers) for x in powers], label)

        point = [mpmath.mpf(float(x)) for x in logits]
        step = mpmath.mpf(10) ** -20

        def moved(k, by):
            return value([x + by * (j == k) for j, x in enumerate(point)])

        slope = [(moved(k, step) - moved(k, -step)) / (2 * step) for k in range(len(point))]
        return float(value(point)), [float(x) for x in slope]


EXTREME = [[20, 0, 1], [0, 12, 12.5], [1e4, 1e4 - 15, 1e4 - 3], [40, 0, -30], [0, 1e-6, -1e-6]]


@every_loss
@pytest.mark.parametrize("logits", EXTREME)
def test_digits_survive_in_value_and_gradient(loss, logits):
    logits = np.asarray(logits, np.float32)
    for label in range(3):
        value, slope = exact(loss, logits, label)
        found, gradient = values_and_slopes(loss)(logits, label)
        assert float(found) == pytest.approx(value, rel=3e-6, abs=1e-37)
        np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-7 * np.abs(slope).max())


@every_loss
def test_finite_at_a_gap_of_ten_thousand(loss):
    for gap, label in itertools.product([1e4, -1e4, 200.0], range(3)):
        logits = np.float32([0, gap, gap / 2])
        value, slope = values_and_slopes(loss)(logits, label)
        assert np.isfinite(value)
        assert np.isfinite(slope).all()
        assert np.isfinite(curvature(loss)(logits, label)).all()


@every_loss
def test_masked_classes_are_not_there(loss):
    masked = np.insert(LOGITS, 1, -np.inf, axis=-1)
    labels = LABELS + (LABELS > 0)
    values, slopes = map(np.asarray, values_and_slopes(loss)(masked, labels))
    expected, plain = values_and_slopes(loss)(LOGITS, LABELS)
    close(values, expected)
    np.testing.assert_array_equal(slopes[:, 1], 0)
    close(np.delete(slopes, 1, axis=-1), plain)


@every_loss
def test_nothing_but_the_label_is_the_least_value(loss):
    value, slope = values_and_slopes(loss)(np.float32([-inf, 3, -inf]), 1)
    assert float(value) == (-1 if loss is jl.tanimoto else 0)
    np.testing.assert_array_equal(slope, 0)


# pytorch#63004
@every_loss
def test_a_masked_label_is_the_worst_value(loss):
    assert float(loss(np.float32([-inf, 3]), 0)) == loss.facts.supremum


def test_cauchy_schwarz_is_half_of_cross_entropy_at_doubled_logits():
    half = CE(2 * LOGITS, LABELS) / 2
    np.testing.assert_allclose(jl.cauchy_schwarz(LOGITS, LABELS), half, rtol=2e-6)


def test_expectation_is_twice_chebyshev():
    np.testing.assert_array_equal(jl.expectation(LOGITS, LABELS), 2 * jl.chebyshev(LOGITS, LABELS))


def test_functions_of_cross_entropy():
    close(jl.chebyshev(LOGITS, LABELS), 1 - jnp.exp(-CE(LOGITS, LABELS)))
    close(jl.squared_log(LOGITS, LABELS), CE(LOGITS, LABELS) ** 2)


def test_brier_for_two_classes_is_twice_savage_of_the_difference():
    pair, labels = LOGITS[:, :2], LABELS % 2
    close(jl.brier(pair, labels), 2 * jl.savage(pair[:, 1] - pair[:, 0], labels))
    close(jl.brier(pair, labels), 2 * jl.chebyshev(pair, labels) ** 2)


def test_tanimoto_in_terms_of_brier():
    chance = 1 - jl.chebyshev(LOGITS, LABELS)
    close(jl.tanimoto(LOGITS, LABELS), -chance / (chance + jl.brier(LOGITS, LABELS)))


@pytest.mark.parametrize(("loss", "power"), [(jl.brier, 1), (jl.cauchy_schwarz, 0.5)])
def test_risk_is_flat_at_what_is_elicited(loss, power):
    chances = np.array([0.5, 0.3, 0.2])
    _, slopes = values_and_slopes(loss)(np.tile(power * np.log(chances), (3, 1)), np.arange(3))
    close(chances @ np.asarray(slopes), 0)


def test_squared_log_has_no_bound_on_its_curvature():
    hessian = curvature(jl.squared_log)(np.float32([0, 1e4, 1e4]), 0)
    assert np.linalg.norm(hessian, 2) > 1e4
    assert jl.squared_log.facts.smooth == inf
