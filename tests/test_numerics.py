"""Elementary functions against closed forms and mpmath, where the plain formulas fail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss import numerics
from jaxloss.kernels import sorting
from jaxloss.numerics.polynomial import polynomial


def slope_of(function, argnums=0):
    return jax.jit(jax.grad(function, argnums))


def test_magnitude_has_no_slope_at_zero():
    slope = slope_of(numerics.abs_zero_grad)
    assert slope(0.0) == 0
    assert slope(-2.0) == -1
    assert np.isnan(numerics.abs_zero_grad(np.nan))


def test_weighted_lets_zero_win_and_keeps_gradients():
    weighted = jax.jit(numerics.weighted)
    assert weighted(0.0, np.inf) == 0
    assert slope_of(numerics.weighted, (0, 1))(0.0, 3.0) == (3.0, 0.0)
    assert np.isnan(weighted(0.0, np.nan))


def test_divide_by_zero_is_zero_with_zero_gradient():
    assert jax.jit(numerics.divide)(2.0, 0.0) == 0
    assert slope_of(numerics.divide, (0, 1))(2.0, 0.0) == (0.0, 0.0)


def test_poison_reaches_the_gradient():
    value, gradient = jax.jit(jax.value_and_grad(numerics.poison))(2.0, np.False_)
    assert np.isnan(value)
    assert np.isnan(gradient)


def test_xlogx():
    xlogx, slope = jax.jit(numerics.xlogx), slope_of(numerics.xlogx)
    assert xlogx(0.0) == 0
    assert slope(0.0) == 0
    assert float(slope(2.0)) == pytest.approx(1 + np.log(2))
    assert np.isnan(xlogx(np.float32([np.nan, -1]))).all()


@jax.jit
def length_and_direction(x):
    return numerics.norm(x), numerics.unit(x), jax.grad(numerics.norm)(x)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_norm_and_unit_at_every_scale(scale):
    norm, unit, slope = length_and_direction(scale * np.float32([3, 4]))
    assert float(norm) == pytest.approx(5 * scale)
    np.testing.assert_allclose(unit, [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(slope, [0.6, 0.8], rtol=1e-6)


def test_norm_and_unit_of_nothing():
    zero = np.zeros(3, np.float32)
    for found in length_and_direction(zero):
        np.testing.assert_array_equal(found, 0)
    np.testing.assert_array_equal(jax.jit(jax.jacrev(numerics.unit))(zero), np.zeros((3, 3)))


@jax.jit
def logsumexp_and_derivatives(x):
    f = numerics.logsumexp
    return f(x), jax.grad(f)(x), jax.hessian(f)(x)


def test_logsumexp_of_masked_entries():
    value, slope, _ = logsumexp_and_derivatives(np.full(3, -np.inf, np.float32))
    assert value == -np.inf
    np.testing.assert_array_equal(slope, np.zeros(3))
    value, slope, second = logsumexp_and_derivatives(np.float32([-np.inf, 1e4, 1e4]))
    assert float(value) == pytest.approx(1e4 + np.log(2))
    np.testing.assert_allclose(slope, [0, 0.5, 0.5])
    np.testing.assert_allclose(second, [[0, 0, 0], [0, 0.25, -0.25], [0, -0.25, 0.25]])


log_softmax = jax.jit(numerics.log_softmax)


def test_log_softmax_of_masked_entries():
    x = np.float32([-np.inf, 0, 0])
    np.testing.assert_allclose(log_softmax(x), [-np.inf, -np.log(2), -np.log(2)], rtol=1e-6)
    assert np.isfinite(jax.jit(jax.jacrev(numerics.log_softmax))(x)).all()


def test_at_label_is_the_gather_without_one():
    x, labels = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([2, 0])
    at_label = jax.jit(numerics.at_label)
    assert at_label(x, labels).tolist() == [2.0, 3.0]
    assert "gather" not in at_label.lower(x, labels).as_text()


def test_log_softmax_of_one_class_keeps_nan():
    assert log_softmax(np.float32([3])).tolist() == [0.0]
    assert np.isnan(log_softmax(np.float32([np.nan]))).all()


LEVELS = np.array([1.5, -2.0, 0.0, -0.0, np.inf, -np.inf, 1e-3, -3e4, 1.5, np.nan], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_descending_order_is_that_of_a_stable_sort(dtype):
    """Ties, zeros of either sign, infinities and NaN; mapped after compiling, too."""
    with jax.enable_x64(dtype == np.float64):
        x = np.random.default_rng(0).choice(LEVELS, (4, 3, 50)).astype(dtype)
        expected = np.argsort(-np.where(np.isnan(x), np.inf, x), axis=-1, kind="stable")
        compiled, in_order = jax.jit(sorting.descending_order), jax.jit(sorting.in_order)
        for order in (compiled(x), jax.vmap(jax.vmap(compiled))(x)):
            assert order.dtype == jnp.int32
            np.testing.assert_array_equal(order, expected)
            np.testing.assert_array_equal(in_order(x, order), np.take_along_axis(x, expected, -1))


def test_descending_order_puts_the_ones_behind_after_their_equals():
    x = np.random.default_rng(1).integers(-3, 3, (5, 40)).astype(np.float32)
    behind = np.random.default_rng(2).integers(0, 2, x.shape) > 0
    found = sorting.descending_order(jnp.asarray(x), jnp.asarray(behind))
    expected = [np.lexsort((np.arange(40), b, -row)) for row, b in zip(x, behind, strict=True)]
    np.testing.assert_array_equal(found, expected)
    with jax.enable_x64(True):  # where several operands are sorted, as on every accelerator
        plain = jax.jit(sorting.descending_order)(x.astype(float), behind)
        np.testing.assert_array_equal(plain, expected)


def test_what_is_in_order_is_not_sorted_again_for_the_derivative():
    def ranked(x):
        ordered = sorting.in_order(x, sorting.descending_order(x))
        return jnp.vdot(ordered**2, jnp.arange(4.0)) / 2

    x = np.float32([0, 3, 1, 2])
    slope = slope_of(ranked).lower(x).compile()
    np.testing.assert_array_equal(slope(x), [0, 0, 2, 2])
    np.testing.assert_array_equal(jax.jit(jax.hessian(ranked))(x), np.diag([3.0, 0, 2, 1]))
    assert slope.as_text().count(" sort(") == 1


def test_compiled_functions_are_given_arrays_of_numpy_as_they_are():
    for host in (np.ones(3), np.arange(3), np.ones(3) > 0, np.ones(3, jnp.bfloat16)):
        assert numerics.as_argument(host) is host
    assert numerics.as_argument([1.0, 2.0]).tolist() == [1.0, 2.0]
    assert numerics.as_argument(np.array([2**40])).dtype == np.float32  # and so it is no label
    assert numerics.as_argument(2.0).weak_type
    with pytest.raises(TypeError):
        numerics.as_argument(np.array(["a"]))


@pytest.mark.parametrize("order", range(5))
def test_slopes_of_a_polynomial_are_polynomials(order):
    coefficients, points = (1.0, -2.0, 0.5, 3.0), np.linspace(-2, 2, 9, dtype=np.float32)
    along = lambda x: polynomial(x, coefficients)
    for _ in range(order):
        along = jax.grad(along)
    expected = np.polynomial.Polynomial(coefficients).deriv(order)(points)
    np.testing.assert_allclose(jax.jit(jax.vmap(along))(points), expected, rtol=1e-6, atol=1e-6)
