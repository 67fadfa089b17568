"""What a loss refuses, and in which words."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss as jl
from jaxloss.domains import Real, Simplex, Variance

LOGITS = jnp.zeros((3, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: jl.huber(jnp.ones((4, 1)), jnp.ones(4)),
            ValueError,
            r"huber: `targets`.*`predictions` \(4, 1\), `targets` \(4,\).*reshape it to \(4, 1\)",
        ),
        (
            lambda: jl.huber(jnp.ones((4, 3)), jnp.ones((4, 1))),
            ValueError,
            r"`predictions` \(4, 3\), `targets` \(4, 1\).*never broadcast",
        ),
        (
            lambda: jl.huber(jnp.ones(4)),
            TypeError,
            r"huber takes 2 arrays \(predictions, targets\)",
        ),
        (lambda: jl.huber(1.0, 2.0, 3.0), TypeError, "huber takes 2 arrays .*, got 3"),
        (lambda: jl.huber(None, 2.0), TypeError, "huber: `predictions` is an array, got None"),
        (lambda: jl.huber(1.0, "b"), TypeError, "huber: `targets` is an array, got 'b'"),
        (lambda: jl.huber(1.0, 2.0, axis=-1), TypeError, "huber has no hyper-parameter `axis`"),
        (lambda: jl.huber(1.0, 2.0, delta=0), ValueError, "`delta` is a number > 0, got 0"),
        (lambda: jl.huber(1.0, 2.0, delta=np.nan), ValueError, "`delta` is a number > 0, got nan"),
        (lambda: jl.huber(1.0, 2.0, delta=None), TypeError, "`delta` is a number > 0, got None"),
        (lambda: jl.huber(1.0, 2.0, delta=True), TypeError, "`delta` is a number > 0, got True"),
        (lambda: jl.huber(jnp.ones(2), jnp.ones(2), delta=jnp.ones(2)), ValueError, "jax.vmap"),
        (lambda: jl.huber(jnp.ones(2, bool), jnp.ones(2)), TypeError, "got bool"),
        (lambda: jl.huber(jnp.ones(2, complex), jnp.ones(2)), TypeError, "got complex64"),
    ],
)
def test_mistakes_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
    with pytest.raises(error, match=words):
        jax.jit(call)()


def test_R22_labels_and_probabilities_are_not_confused():
    labels = jnp.array([0, 1, 2])
    with pytest.raises(ValueError, match="softmax_cross_entropy_with_integer_labels"):
        jl.softmax_cross_entropy(LOGITS, labels)
    with pytest.raises(TypeError, match=r"got float32.*such as softmax_cross_entropy;"):
        jl.softmax_cross_entropy_with_integer_labels(LOGITS, labels.astype(float))
    with pytest.raises(ValueError, match=r"`logits` \(4, 3\), `labels` \(1,\)"):
        jl.softmax_cross_entropy_with_integer_labels(jnp.zeros((4, 3)), jnp.zeros(1, int))


def test_arrays_may_be_given_by_name():
    by_name = jl.softmax_cross_entropy_with_integer_labels(labels=[0, 1, 2], logits=LOGITS)
    np.testing.assert_array_equal(
        by_name, jl.softmax_cross_entropy_with_integer_labels(LOGITS, [0, 1, 2])
    )


def test_integers_are_numbers_and_narrow_labels_are_labels():
    assert jl.huber(np.array([3]), np.array([1])).tolist() == [1.5]
    logits = jnp.zeros((1, 300)).at[0, 200].set(5.0)
    narrow = jl.softmax_cross_entropy_with_integer_labels(logits, jnp.array([200], jnp.uint8))
    wide = jl.softmax_cross_entropy_with_integer_labels(logits, jnp.array([200]))
    np.testing.assert_array_equal(narrow, wide)


def test_R59_a_variance_may_be_shared_and_nothing_else():
    mean = jnp.ones((4, 3, 2, 2))
    for shape in [(4, 3, 2, 2), (4, 3, 1, 1), (), (4, 1, 2, 2)]:
        found = jl.gaussian_nll(mean, jnp.full(shape, 2.0), 0 * mean)
        whole = jl.gaussian_nll(mean, jnp.full(mean.shape, 2.0), 0 * mean)
        assert found.shape == mean.shape
        np.testing.assert_allclose(found, whole, rtol=1e-6)
    for bad in [(4,), (4, 3, 2), (2, 3, 2, 2)]:
        with pytest.raises(ValueError, match="variance"):
            jl.gaussian_nll(mean, jnp.ones(bad), mean)
    with pytest.raises(ValueError, match=r"\(4,\).*\(4, 1\)"):
        jl.gaussian_nll(jnp.ones(4), jnp.ones(4), jnp.ones((4, 1)))


def test_a_label_that_32_bits_do_not_hold_is_refused_not_wrapped():
    with pytest.raises(TypeError, match="`labels` holds integers"):
        jl.softmax_cross_entropy_with_integer_labels(LOGITS[:1], np.array([2**40]))
    assert jl.absolute_error(np.array([2**40]), np.array([0])).tolist() == [2.0**40]


def test_eight_bit_floats_are_computed_in_single_precision():
    eight = jnp.ones(2, jnp.float8_e4m3fn)
    assert jl.huber(eight, eight).dtype == jnp.float32


def test_a_loss_of_your_own():
    @jl.loss(convex=True)
    def weighted_distance(predictions: Real, scales: Variance, targets: Real):
        """Absolute error in units of a scale."""
        return jnp.abs(predictions - targets) / scales

    assert weighted_distance([2.0, 4.0], 2.0, [0.0, 0.0]).tolist() == [1.0, 2.0]
    assert np.isnan(weighted_distance([2.0], [-1.0], [0.0])).all()
    assert "weighted_distance(predictions, scales, targets)" in repr(weighted_distance)

    @jl.loss()
    def linear_score(predictions: Simplex, targets: Simplex):
        """One minus the expected probability."""
        return 1 - jnp.sum(predictions * targets, axis=-1)

    assert linear_score([[0.5, 0.5]], [[1.0, 0.0]]).tolist() == [0.5]
    with pytest.raises(ValueError, match="linear_score"):
        linear_score(0.5, 0.5)


def test_mapping_over_one_argument():
    shared = jax.vmap(jl.huber, in_axes=(0, None))(
        jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.zeros(2)
    )
    assert shared.tolist() == [[0.5, 1.5], [2.5, 3.5]]


@pytest.mark.slow
def test_R21_shapes_are_checked_without_assertions_too():
    """Under `python -O`, which removes `assert`."""
    code = "import jaxloss as jl; jl.huber([[1.0], [2.0]], [1.0, 2.0])"
    command = [sys.executable, "-O", "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "huber: `targets` does not fit in `predictions` (2, 1), `targets` (2,)" in found.stderr
