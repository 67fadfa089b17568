"""Elementary functions against closed forms and mpmath, where the plain formulas fail."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss import numerics


def test_magnitude_has_no_slope_at_zero():
    assert jax.grad(numerics.magnitude)(0.0) == 0
    assert jax.grad(numerics.magnitude)(-2.0) == -1
    assert np.isnan(numerics.magnitude(jnp.nan))


def test_weighted_lets_zero_win_and_keeps_gradients():
    assert numerics.weighted(jnp.array(0.0), jnp.array(jnp.inf)) == 0
    by_weight = jax.grad(numerics.weighted, argnums=(0, 1))(jnp.array(0.0), jnp.array(3.0))
    assert by_weight == (3.0, 0.0)
    assert np.isnan(numerics.weighted(jnp.array(0.0), jnp.array(jnp.nan)))


def test_divide_by_zero_is_zero_with_zero_gradient():
    gradient = jax.grad(numerics.divide, argnums=(0, 1))(jnp.array(2.0), jnp.array(0.0))
    assert numerics.divide(jnp.array(2.0), jnp.array(0.0)) == 0
    assert gradient == (0.0, 0.0)


def test_poison_reaches_the_gradient():
    value, gradient = jax.value_and_grad(numerics.poison)(jnp.array(2.0), jnp.array(False))
    assert np.isnan(value)
    assert np.isnan(gradient)


def test_xlogx():
    assert numerics.xlogx(jnp.array(0.0)) == 0
    assert jax.grad(numerics.xlogx)(0.0) == 0
    assert jax.grad(numerics.xlogx)(2.0) == pytest.approx(1 + np.log(2))
    assert np.isnan(numerics.xlogx(jnp.array([jnp.nan, -1.0]))).all()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_norm_and_unit_at_every_scale(scale):
    x = jnp.array([3.0, 4.0]) * scale
    assert float(numerics.norm(x)) == pytest.approx(5 * scale)
    np.testing.assert_allclose(numerics.unit(x), [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(jax.grad(numerics.norm)(x), [0.6, 0.8], rtol=1e-6)


def test_norm_and_unit_of_nothing():
    zero = jnp.zeros(3)
    assert numerics.norm(zero) == 0
    np.testing.assert_array_equal(jax.grad(numerics.norm)(zero), zero)
    np.testing.assert_array_equal(numerics.unit(zero), zero)
    np.testing.assert_array_equal(jax.jacrev(numerics.unit)(zero), jnp.zeros((3, 3)))


def test_logsumexp_of_masked_entries():
    nothing = jnp.full(3, -jnp.inf)
    assert numerics.logsumexp(nothing) == -jnp.inf
    np.testing.assert_array_equal(jax.grad(numerics.logsumexp)(nothing), jnp.zeros(3))
    some = jnp.array([-jnp.inf, 1e4, 1e4])
    assert float(numerics.logsumexp(some)) == pytest.approx(1e4 + np.log(2))
    np.testing.assert_allclose(jax.grad(numerics.logsumexp)(some), [0, 0.5, 0.5])
    second = jax.hessian(numerics.logsumexp)(some)
    np.testing.assert_allclose(second, [[0, 0, 0], [0, 0.25, -0.25], [0, -0.25, 0.25]])


def test_log_softmax_of_masked_entries():
    found = numerics.log_softmax(jnp.array([-jnp.inf, 0.0, 0.0]))
    np.testing.assert_allclose(found, [-np.inf, -np.log(2), -np.log(2)], rtol=1e-6)
    jacobian = jax.jacrev(numerics.log_softmax)(jnp.array([-jnp.inf, 0.0, 0.0]))
    assert np.isfinite(jacobian).all()


def test_at_label_is_the_gather_without_one():
    x = jnp.arange(6.0).reshape(2, 3)
    assert numerics.at_label(x, jnp.array([2, 0])).tolist() == [2.0, 3.0]
    lowered = jax.jit(numerics.at_label).lower(x, jnp.array([2, 0])).as_text()
    assert "gather" not in lowered


def test_log_softmax_of_one_class_keeps_nan():
    assert numerics.log_softmax(jnp.array([3.0])).tolist() == [0.0]
    assert np.isnan(numerics.log_softmax(jnp.array([jnp.nan]))).all()


LEVELS = np.array([1.5, -2.0, 0.0, -0.0, np.inf, -np.inf, 1e-3, -3e4, 1.5, np.nan], np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
def test_descending_order_is_that_of_a_stable_sort(dtype):
    """Ties, zeros of either sign, infinities and NaN; mapped after compiling, too."""
    with jax.enable_x64(dtype == np.float64):
        x = np.random.default_rng(0).choice(LEVELS, (4, 3, 50)).astype(dtype)
        expected = np.argsort(-np.where(np.isnan(x), np.inf, x), axis=-1, kind="stable")
        mapped = jax.vmap(jax.vmap(jax.jit(numerics.descending_order)))
        for order in (numerics.descending_order(jnp.asarray(x)), mapped(jnp.asarray(x))):
            assert order.dtype == jnp.int32
            np.testing.assert_array_equal(order, expected)
            np.testing.assert_array_equal(
                numerics.in_order(jnp.asarray(x), order), np.take_along_axis(x, expected, -1)
            )


def test_descending_order_puts_the_ones_behind_after_their_equals():
    x = np.random.default_rng(1).integers(-3, 3, (5, 40)).astype(np.float32)
    behind = np.random.default_rng(2).integers(0, 2, x.shape) > 0
    found = numerics.descending_order(jnp.asarray(x), jnp.asarray(behind))
    expected = [np.lexsort((np.arange(40), b, -row)) for row, b in zip(x, behind, strict=True)]
    np.testing.assert_array_equal(found, expected)
    with jax.enable_x64(True):  # where several operands are sorted, as on every accelerator
        plain = numerics.descending_order(jnp.asarray(x, float), jnp.asarray(behind))
        np.testing.assert_array_equal(plain, expected)


def test_what_is_in_order_is_not_sorted_again_for_the_derivative():
    def ranked(x):
        ordered = numerics.in_order(x, numerics.descending_order(x))
        return jnp.vdot(ordered**2, jnp.arange(4.0)) / 2

    x = jnp.array([0.0, 3.0, 1.0, 2.0])
    np.testing.assert_array_equal(jax.grad(ranked)(x), [0, 0, 2, 2])
    np.testing.assert_array_equal(jax.hessian(ranked)(x), np.diag([3.0, 0, 2, 1]))
    compiled = jax.jit(jax.grad(ranked)).lower(x).compile().as_text()
    assert compiled.count(" sort(") == 1
