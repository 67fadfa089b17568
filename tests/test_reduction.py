"""The denominators that people fight about, each under its name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss as jl

REDUCERS = [jl.mean, jl.mean_by_count, jl.mean_by_batch, jl.mean_of_sequences]
CE = jl.softmax_cross_entropy_with_integer_labels


# pytorch#8062
def test_weights_divide_by_weight_or_by_count():
    logits, labels = np.float32([[-100, 100]] * 2), np.array([0, 1])
    at = lambda reduction: jl.Objective(CE, reduction=reduction)(
        logits, labels, weights=np.float32([20, 10])
    )
    np.testing.assert_allclose(at(jl.none), [4000.0, 0.0])
    np.testing.assert_allclose(at(jl.mean_by_count), 2000.0)
    np.testing.assert_allclose(at(jl.mean), 4000 / 30, rtol=1e-6)


# verl#593
def test_tokens_or_sequences_count_the_same():
    """Two sequences of ten tokens, of which five and one count."""
    where = np.arange(10) < np.array([[5], [1]])
    values = np.where(where, np.float32([[2], [10]]), np.float32(np.nan))
    at = lambda reduction: jl.Objective(jl.absolute_error, reduction=reduction)(
        values, np.zeros((2, 10), np.float32), where=where
    )
    np.testing.assert_allclose(at(jl.mean), 20 / 6, rtol=1e-6)
    np.testing.assert_allclose(at(jl.mean_of_sequences), 6.0)
    np.testing.assert_allclose(at(jl.mean_by_batch), 10.0)
    np.testing.assert_allclose(at(jl.mean_by_count), 20 / 6, rtol=1e-6)


def test_a_given_number_is_a_scale():
    objective = jl.Objective(jl.absolute_error, reduction=jl.total) / 8
    assert objective([1.0, 3.0], [0.0, 0.0]) == 0.5


@pytest.mark.parametrize("reduction", REDUCERS)
def test_without_mass_it_is_zero_with_zero_gradient(reduction):
    objective = jl.Objective(jl.absolute_error, reduction=reduction)
    ones = np.ones((2, 3), np.float32)
    derivatives = jax.jit(jax.value_and_grad(objective))
    value, gradient = derivatives(ones, 0 * ones, where=ones < 1)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros((2, 3)))


@pytest.mark.parametrize("reduction", REDUCERS)
def test_a_full_mask_is_none(reduction):
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    both = jax.jit(lambda x, where: (reduction(x, where), reduction(x, None)))
    np.testing.assert_allclose(*both(values, np.ones((2, 3), bool)), rtol=1e-6)


def test_a_sequence_without_tokens_does_not_count():
    where = np.array([[True, True], [False, False]])
    values = np.full((2, 2), 3, np.float32)
    objective = jl.Objective(jl.absolute_error, reduction=jl.mean_of_sequences)
    assert objective(values, 0 * values, where=where) == 3.0


def test_packed_segments_count_the_same():
    segments = np.array([[0, 0, 1, 1, 1, 2], [3, 3, 3, 3, 0, 0]])
    where = np.array([[True] * 5 + [False], [True] * 6])
    values = (np.random.default_rng(0).normal(size=(2, 6)) ** 2).astype(np.float32)
    weights = np.asarray(jax.jit(jl.segment_weights)(segments, where))
    found = jl.Objective(jl.absolute_error)(values, 0 * values, weights=weights)
    parts = [values[0, :2], values[0, 2:5], values[1, :4], values[1, 4:]]
    np.testing.assert_allclose(found, np.mean([part.mean() for part in parts]), rtol=1e-6)
    assert weights[0, 5] == 0


def test_an_unknown_segment_is_nan_unless_masked():
    weights = jax.jit(jl.segment_weights)
    segments, where = np.array([0, 0, -1]), np.array([True, True, False])
    assert weights(segments, where).tolist() == [0.5, 0.5, 0.0]
    assert np.isnan(np.asarray(weights(segments))[2])


# pytorch#166232
def test_a_sum_of_narrow_values_is_wide():
    logits = jax.random.uniform(jax.random.key(0), (8192, 100), jnp.bfloat16)
    labels = np.zeros(8192, np.int32)
    summed = jl.Objective(CE, reduction=jl.total)(logits, labels)
    with jax.enable_x64(True):
        exact = np.sum(CE(np.asarray(logits, np.float64), labels))
    assert summed.dtype == jnp.float32
    assert float(summed) == pytest.approx(float(exact), rel=1e-6)
