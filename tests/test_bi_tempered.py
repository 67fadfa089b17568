"""The bi-tempered logistic loss: hand-derived values, identities, extremes."""

import functools
from math import inf, log, sqrt

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.optimize

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
RNG = np.random.default_rng(5)
LOGITS = RNG.normal(size=(64, 4)).astype(np.float32) * 3
LABELS = RNG.integers(0, 4, 64).astype(np.int32)

close = functools.partial(np.testing.assert_allclose, rtol=5e-6, atol=1e-6)
loss = jax.jit(lambda logits, t1, t2, labels: jl.bi_tempered_logistic(logits, labels, t1=t1, t2=t2))


@jax.jit
def differentiated(logits, t1, t2, labels):
    """The values, and the slopes of their sum in the logits and the temperatures."""

    def total(*at):
        values = loss(*at, labels)
        return values.sum(), values

    slopes, values = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(logits, t1, t2)
    return values, slopes


# At t2 = 2 the logits of the probabilities p are -1 / p, at t2 = 3 they are -1 / (2 p²).
ORACLE = [
    ([-4, -4 / 3], 0, 0.0, 2.0, 9 / 16, [-27 / 320, 27 / 320]),
    (
        [-4, -4 / 3],
        0,
        0.5,
        2.0,
        sqrt(3) / 4 + 5 / 12,
        [-9 * (3 + sqrt(3)) / 320, 9 * (3 + sqrt(3)) / 320],
    ),
    ([-9 / 2, -9 / 8], 0, 0.0, 3.0, 4 / 9, [-32 / 729, 32 / 729]),
    ([-2, -4, -4], 1, 0.0, 2.0, 7 / 16, None),
    ([-2, -4, -4], 1, 1.0, 2.0, log(4), None),
    ([0, log(3)], 0, 1.0, 1.0, log(4), [-3 / 4, 3 / 4]),
]


@pytest.mark.parametrize(("logits", "label", "t1", "t2", "value", "slope"), ORACLE)
def test_value_and_gradient(logits, label, t1, t2, value, slope):
    with jax.enable_x64(True):
        found, (gradient, _, _) = differentiated(np.asarray(logits, float), t1, t2, label)
        assert float(found) == pytest.approx(value, rel=1e-13)
        if slope is not None:
            np.testing.assert_allclose(gradient, slope, rtol=1e-12)


def test_temperatures_of_one_are_cross_entropy():
    close(differentiated(LOGITS, 1.0, 1.0, LABELS)[0], CE(LOGITS, LABELS))
    small = differentiated(np.float32([20, 0, 0]), 1.0, 1.0, 0)[0]
    assert float(small) == pytest.approx(2 * np.exp(-20), rel=1e-6)


def test_the_lower_temperature_zero_is_half_of_brier():
    values, _ = differentiated(LOGITS, 0.0, 1.0, LABELS)
    close(values, np.asarray(jl.brier(LOGITS, LABELS)) / 2)


def test_a_masked_label_costs_the_supremum_with_no_slope():
    logits = np.float32([-inf, 3, 1e4])
    for t1, worst in [(0.0, 1), (0.75, 4), (1.0, inf)]:
        value, (gradient, _, _) = differentiated(logits, t1, 1.0, 0)
        assert value == worst
        np.testing.assert_array_equal(gradient, 0)


def test_masked_classes_are_not_there():
    masked = np.insert(LOGITS, 1, -np.inf, axis=-1)
    values, _ = differentiated(LOGITS, 0.8, 1.5, LABELS)
    close(loss(masked, 0.8, 1.5, LABELS + (LABELS > 0)), values)
    value, gradients = differentiated(np.float32([-inf, 3, -inf]), 0.8, 1.5, 1)
    assert value == 0
    assert not any(np.any(x) for x in gradients)


def test_adding_a_constant_to_all_logits_changes_nothing():
    values, (gradient, _, _) = differentiated(LOGITS, 0.7, 1.4, LABELS)
    close(np.asarray(gradient).sum(axis=-1), 0)
    close(differentiated(LOGITS + 5, 0.7, 1.4, LABELS)[0], values)


@pytest.mark.parametrize(("t1", "t2"), [(0.0, 1.5), (0.8, 1.2), (0.5, 4.0), (1.0, 1.0)])
def test_risk_is_flat_at_the_true_distribution(t1, t2):
    chances = np.array([0.5, 0.3, 0.2])
    logits = (1 - chances ** (1 - t2)) / (t2 - 1) if t2 > 1 else np.log(chances)
    with jax.enable_x64(True):
        slopes = [differentiated(logits, t1, t2, label)[1][0] for label in range(3)]
    close(chances @ np.array(slopes), 0)


@pytest.mark.parametrize("t2", [1.0, 1 + 1e-9, 1.001, 2.5])
@pytest.mark.parametrize("t1", [1.0, 1 - 1e-9, 0.4, 0.0])
def test_slopes_in_the_temperatures(t1, t2):
    """Against differences into the domain, of third order, also where it ends."""
    with jax.enable_x64(True):
        logits, step = LOGITS[:8].astype(float), 1e-4
        at = lambda t1, t2: differentiated(logits, t1, t2, LABELS[:8])
        total = lambda t1, t2: np.asarray(at(t1, t2)[0]).sum()
        _, (_, of_t1, of_t2) = at(t1, t2)
        weights = {0: -11 / 6, 1: 3, 2: -3 / 2, 3: 1 / 3}
        inwards = step if t1 < 0.5 else -step
        along_t1 = sum(w * total(t1 + i * inwards, t2) for i, w in weights.items()) / inwards
        along_t2 = sum(w * total(t1, t2 + i * step) for i, w in weights.items()) / step
        assert float(of_t1) == pytest.approx(along_t1, rel=1e-6, abs=1e-7)
        assert float(of_t2) == pytest.approx(along_t2, rel=1e-6, abs=1e-7)


def exact(logits, t1, t2):
    """Values and gradients of the paper's formula with 60 digits, the normaliser by bisection."""
    with mpmath.workdps(60):
        rate, degree = mpmath.mpf(t2) - 1, 1 - mpmath.mpf(t1)
        point, step = [mpmath.mpf(float(x)) for x in logits], mpmath.mpf(10) ** -18

        def values(point):
            chances = lambda shift: [(1 + rate * (shift - x)) ** (-1 / rate) for x in point]
            low = max(point)
            high = low + (len(point) ** rate - 1) / rate
            for _ in range(190):
                middle = (low + high) / 2
                low, high = (middle, high) if sum(chances(middle)) > 1 else (low, middle)
            p = chances(low)
            powers = sum(x ** (1 + degree) for x in p)
            constant = (1 - powers) / (1 + degree)
            return np.array([(1 - x**degree) / degree - constant for x in p])

        moved = lambda k, by: values([x + by * (j == k) for j, x in enumerate(point)])
        slopes = [(moved(k, step) - moved(k, -step)) / (2 * step) for k in range(len(point))]
        return values(point).astype(float), np.transpose(slopes).astype(float)


@pytest.mark.parametrize("logits", [[30, 0, 1], [0, 12, 12.5], [1e4, 1e4 - 15, 0], [0, 1e-3, 0]])
def test_digits_survive_in_value_and_gradient(logits):
    logits = np.float32(logits)
    t1, t2 = 0.75, 1.125
    for label, (value, slope) in enumerate(zip(*exact(logits, t1, t2), strict=True)):
        found, (gradient, _, _) = differentiated(logits, t1, t2, label)
        assert float(found) == pytest.approx(value, rel=3e-6)
        np.testing.assert_allclose(gradient, slope, rtol=2e-5, atol=1e-6 * np.abs(slope).max())


@jax.jit
def curvature(logits, t1, t2):
    """The change of all slopes as everything grows."""
    slopes = jax.grad(lambda *at: loss(*at, 0), argnums=(0, 1, 2))
    point = (logits, t1, t2)
    return jax.jvp(slopes, point, jax.tree.map(jnp.ones_like, point))


def test_finite_at_a_gap_of_ten_thousand():
    for gap in (1e4, -1e4, 200.0):
        for t1, t2 in [(0.0, 1.0), (0.8, 1.2), (1.0, 1.0), (0.5, 4.0)]:
            derived = curvature(np.float32([0, gap, gap / 2]), t1, t2)
            assert all(np.isfinite(x).all() for x in jax.tree.leaves(derived))


def reference(gaps, rate):
    """-log p of the largest class by a bracketed search, and from it that of all."""
    lags = lambda s: np.log1p(rate * gaps * np.exp(-rate * s)) / rate
    excess = lambda s: np.log(np.sum(np.exp(-lags(s)))) - s
    root = scipy.optimize.brentq(excess, 0, log(len(gaps)) + 1e-9, xtol=1e-15, rtol=1e-14)
    return root + lags(root)


@pytest.mark.parametrize("t2", [1.01, 1.5, 3.0, 12.0])
def test_the_normaliser_is_found_among_contrived_gaps(t2):
    """Plateaus of rivals at distances of all orders; at t1 = 0 it is (Σ p² + 1) / 2 - p_y."""
    rng = np.random.default_rng(0)
    for _ in range(12):
        levels, counts = 10 ** rng.uniform(-4, 6, 4), (10 ** rng.uniform(0, 2, 4)).astype(int)
        gaps = np.resize(np.concatenate([[0.0], np.repeat(levels, counts)]), 256)
        gaps[200:] = 1e7
        chances = np.exp(-reference(gaps, t2 - 1))
        with jax.enable_x64(True):
            found = loss(-gaps, 0.0, t2, 0)
        assert float(found) == pytest.approx((np.sum(chances**2) + 1) / 2 - chances[0], rel=1e-10)
