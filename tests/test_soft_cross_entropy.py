"""Cross-entropy at soft targets: exact to the edges, and to the second order."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from jaxloss.numerics.soft_cross_entropy import soft_cross_entropy

INF = np.inf
ROWS = {  # logits, and targets of any mass
    "ordinary": ([0.5, -1.0, 2.0, 0.0], [0.1, 0.2, 0.3, 0.4]),
    "two at the top": ([2.0, -1.0, 2.0, 0.0], [0.5, 0.1, 0.2, 0.2]),
    "all alike": ([0.3] * 4, [0.7, 0.1, 0.1, 0.1]),
    "nearly certain": ([20.0, -3.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]),
    "certain and wrong": ([60.0, -3.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]),
    "neighbours": ([1.0, np.nextafter(np.float32(1), np.float32(2)), -5.0, -6.0], [0.9, 0.1, 0, 0]),
    "huge": ([1e4, -1e4, 1e4 - 1, 0.0], [0.25] * 4),
    "masked": ([1.0, -INF, 0.0, -INF], [0.25, 0.0, 0.75, 0.0]),
    "no mass": ([1.0, 2.0, 3.0, 4.0], [0.0] * 4),
    "twice the mass": ([1.0, 2.0, 3.0, 4.0], [0.5] * 4),
}
every_row = pytest.mark.parametrize("row", ROWS)
SUMMED = jax.jit(lambda x, t: jnp.sum(soft_cross_entropy(x, t)))
SLOPES = jax.jit(jax.grad(SUMMED, (0, 1)))
close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-30)


def drawn(row):
    return tuple(np.asarray(x, np.float32) for x in ROWS[row])


def exact(logits, targets):
    """Value and slopes with fifty digits; a class that is masked has none."""
    with mpmath.workdps(50):
        x, t = ([mpmath.mpf(float(v)) for v in row] for row in (logits, targets))
        powers = [mpmath.exp(v) for v in x]
        total, mass = mpmath.fsum(powers), mpmath.fsum(t)
        pairs = zip(x, powers, strict=True)
        surprise = [mpmath.log(total) - v if p else mpmath.mpf(0) for v, p in pairs]
        value = mpmath.fsum(a * b for a, b in zip(t, surprise, strict=True))
        slopes = [mass * p / total - a for p, a in zip(powers, t, strict=True)]
        return float(value), [float(v) for v in slopes], [float(v) for v in surprise]


@every_row
def test_value_and_slopes_have_all_digits(row):
    logits, targets = drawn(row)
    value, of_logits, of_targets = exact(logits, targets)
    close(SUMMED(logits, targets), value)
    found = SLOPES(logits, targets)
    atol = 0 if row == "nearly certain" else 1e-7  # beside targets of many digits
    close(found[0], of_logits, atol=atol)
    close(found[1], of_targets, atol=1e-30)


@every_row
def test_curvature_is_that_of_the_softmax(row):
    logits, targets = drawn(row)
    p = np.exp(np.float64(logits) - np.float64(logits).max())
    p /= p.sum()
    expected = targets.sum(dtype=np.float64) * (np.diag(p) - np.outer(p, p))
    curvature, mixed = jax.jit(jax.hessian(SUMMED, (0, 1)))(logits, targets)[0]
    np.testing.assert_allclose(curvature, expected, atol=1e-6)
    seen = np.isfinite(logits)
    expected = np.ones((4, 1)) * p[:, None] - np.eye(4)
    np.testing.assert_allclose(mixed[seen][:, seen], expected[seen][:, seen], atol=1e-6)


def test_a_target_on_a_masked_class_costs_infinitely_much():
    """However small it is; and where all classes are masked, only targets of 0 do not."""
    masked = np.array([0.0, -INF, 1.0], np.float32)
    for target in (0.5, 1e-30, np.finfo(np.float32).tiny):
        assert SUMMED(masked, np.array([0.5, target, 0.5], np.float32)) == INF
    nowhere = np.full(3, -INF, np.float32)
    assert SUMMED(nowhere, np.array([0.0, 1.0, 0.0], np.float32)) == INF
    assert SUMMED(nowhere, np.zeros(3, np.float32)) == 0
    np.testing.assert_array_equal(SLOPES(nowhere, np.zeros(3, np.float32))[0], 0)


@pytest.mark.parametrize("place", [0, 1])
def test_nan_of_a_logit_or_of_a_target_is_kept(place):
    given = [np.array(x) for x in drawn("ordinary")]
    given[place][1] = np.nan
    assert np.isnan(SUMMED(*given))
    assert np.isnan(SLOPES(*given)[0]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_classes_and_the_precision_of_the_targets(dtype):
    with jax.enable_x64(True):
        assert SUMMED(np.zeros((2, 0), dtype), np.zeros((2, 0), dtype)) == 0
        logits, targets = (np.asarray(x, dtype) for x in ROWS["nearly certain"])
        found = SUMMED(logits, targets)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, exact(logits, targets)[0], rtol=5 * np.finfo(dtype).eps)
