"""The softmax cross-entropy of many classes: in few passes, without temporaries, and as exact."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from scipy.special import log_softmax, logsumexp, softmax

import jaxloss as jl
from jaxloss.kernels.label_softmax import apart

CE = jl.softmax_cross_entropy_with_integer_labels
RNG = np.random.default_rng(0)
TILED, PRIME = 320, 331  # classes

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-7)


def draw(classes, rows=12, scale=2.0):
    logits = (scale * RNG.normal(size=(rows, classes))).astype(np.float32)
    return logits, RNG.integers(0, classes, rows).astype(np.int32)


def summed(logits, labels):
    return jnp.sum(CE(logits, labels))


SLOPE = jax.jit(jax.grad(summed))


def expected(logits, labels):
    """Values and gradients in double precision."""
    x, rows = np.asarray(logits, np.float64), np.arange(len(labels))
    slope = softmax(x, axis=-1)
    slope[rows, labels] = 0
    slope[rows, labels] = -slope.sum(axis=-1)
    return -log_softmax(x, axis=-1)[rows, labels], slope


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(
    ("rows", "classes", "terms"),
    [
        (4096, 1000, {}),
        (512, 32768, {"z_loss": 1e-4}),
        (64, 128256, {"label_smoothing": 0.1}),
        (2048, 4099, {"class_weights": 2.0}),
    ],
)
def test_nothing_of_the_size_of_the_logits_is_held(rows, classes, dtype, terms):
    objective = jl.Objective(CE, **terms)
    shapes = (
        jax.ShapeDtypeStruct((rows, classes), dtype),
        jax.ShapeDtypeStruct((rows,), jnp.int32),
        jax.ShapeDtypeStruct((rows,), bool),
    )

    def mean(logits, labels, mask):
        return objective(logits, labels, where=mask)

    for derived in (mean, jax.value_and_grad(mean)):
        held = jax.jit(derived).lower(*shapes).compile().memory_analysis().temp_size_in_bytes
        # A gradient of 16 bits is written as integers, and then copied as what it is.
        copies = dtype == jnp.bfloat16 and derived is not mean
        assert held < 8e6 + copies * rows * classes * 2


@pytest.mark.parametrize("classes", [TILED, PRIME, 1, 2])
@pytest.mark.parametrize("scale", [1e-3, 2.0, 30.0, 1e4])
def test_value_and_gradient_of_many_classes(classes, scale):
    logits, labels = draw(classes, scale=scale)
    value, slope = expected(logits, labels)
    close(CE(logits, labels), value)
    close(SLOPE(logits, labels), slope, rtol=2e-5)


@pytest.mark.parametrize("lead", [30.0, 60.0, 100.0])
@pytest.mark.parametrize("classes", [TILED, PRIME])
def test_confident_examples_keep_all_digits(classes, lead):
    logits, labels = draw(classes, scale=1.0)
    logits[np.arange(len(labels)), labels] = lead
    odds = np.where(np.arange(classes) == labels[:, None], 0, np.exp(np.float64(logits)))
    exact = np.log1p(odds.sum(axis=-1) * np.exp(-lead))
    np.testing.assert_allclose(CE(logits, labels), exact, rtol=1e-5, atol=1e-37)
    slope = np.asarray(SLOPE(logits, labels))[np.arange(len(labels)), labels]
    np.testing.assert_allclose(slope, np.expm1(-exact), rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize("classes", [TILED, PRIME])
def test_masked_classes_and_bad_rows_leave_the_others_alone(classes):
    logits, labels = draw(classes)
    logits[:, ::3] = -np.inf
    logits[np.arange(len(labels)), labels] = 1
    value, slope = expected(logits, labels)
    logits[0], logits[1, 5], logits[2] = -np.inf, np.nan, 1e4
    labels[3], labels[4] = classes, -1
    found, steps = map(np.asarray, (CE(logits, labels), SLOPE(logits, labels)))
    close(found[5:], value[5:])
    close(steps[5:], slope[5:], rtol=2e-5)
    assert found[0] == np.inf
    assert np.isfinite(steps[0]).all()
    assert np.isnan(found[[1, 3, 4]]).all()
    assert np.isnan(steps[[1, 3, 4]]).all()
    close(found[2], np.log(classes))


@jax.jit
def mapped_over_examples(logits, labels):
    """The values, those of the first logits with each label, and the gradient."""
    mapped = jax.vmap(CE)
    slope = jax.grad(lambda x: mapped(x, labels).sum())(logits)
    return mapped(logits, labels), jax.vmap(CE, (None, 0))(logits[0], labels), slope


@pytest.mark.parametrize("scale", [2.0, 1e3])
def test_mapped_over_examples_it_is_the_same(scale):
    logits, labels = draw(TILED, scale=scale)
    values, of_one, slope = mapped_over_examples(logits, labels)
    close(values, CE(logits, labels))
    close(of_one, CE(logits[:1].repeat(12, 0), labels))
    close(slope, SLOPE(logits, labels))


@jax.jit
def along(logits, label, direction):
    """Of the value forward and by the gradient, of the gradient forward and backward."""
    slope = jax.grad(CE)
    forward = jax.jvp(lambda x: CE(x, label), (logits,), (direction,))[1]
    turned = jax.jvp(lambda x: slope(x, label), (logits,), (direction,))[1]
    twice = jax.grad(lambda x: slope(x, label) @ direction)(logits)
    return (forward, slope(logits, label) @ direction), (turned, twice)


@pytest.mark.parametrize("scale", [2.0, 60.0])
def test_forward_mode_and_curvature(scale):
    logits, label = (x[0] for x in draw(TILED, scale=scale))
    direction = RNG.normal(size=TILED).astype(np.float32)
    first, second = along(logits, label, direction)
    close(*first, rtol=1e-4, atol=1e-5)
    p = softmax(np.float64(logits))
    curvature = p * direction - p * (p @ direction)
    for found in second:
        close(found, curvature, rtol=1e-4, atol=1e-6)


def test_curvature_inside_a_loop():
    logits, labels = draw(TILED, rows=2)
    logits[0, 3:] = logits[1, 9:] = -np.inf
    looped = lambda x: jax.lax.map(lambda one: CE(*one), (x[:, None], labels[:, None])).sum()
    curvatures = jax.jit(lambda x: (jax.hessian(looped)(x), jax.hessian(summed)(x, labels)))
    close(*curvatures(logits), atol=1e-6)
    logits[1] = -np.inf
    close(*curvatures(logits), atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_halves_are_widened_where_they_are_read(dtype):
    logits, labels = draw(TILED)
    halves = logits.astype(dtype)
    value, slope = expected(halves, labels)
    found = SLOPE(halves, labels)
    assert found.dtype == dtype
    close(CE(halves, labels), value)
    close(np.float32(found), slope, rtol=1e-2, atol=1e-6)


def test_terms_take_their_normaliser_from_the_same_pass():
    logits, labels = draw(TILED, scale=5.0)
    logits[0] = -np.inf
    logits[0, labels[0]] = 3
    lse = logsumexp(np.float64(logits), axis=-1)

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def with_term(x):
        values = CE(x, labels, z_loss=0.5)
        return values.sum(), values

    slope, values = map(np.asarray, with_term(logits))
    assert np.isfinite(slope).all()
    close(values - CE(logits, labels), lse**2 / 2, rtol=1e-5)
    pull = lse[:, None] * softmax(logits, axis=-1)
    close(slope - SLOPE(logits, labels), pull, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_classes_may_be_spread_over_devices(kind):
    logits, labels = draw(TILED)
    value, slope = CE(logits, labels), SLOPE(logits, labels)
    mesh = jax.make_mesh((1,), ("classes",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        spread = jax.device_put(logits, NamedSharding(mesh, PartitionSpec(None, "classes")))
        close(CE(spread, labels), value)
        close(SLOPE(spread, labels), slope)
        assert "gather" not in jax.jit(CE).lower(spread, labels).as_text()


def test_the_parts_add_up_to_the_log_sum_exp():
    @jax.jit
    def added(logits, labels):
        parts = apart(logits, labels)
        return parts.normaliser + parts.shift

    for scale in (1.0, 100.0):
        logits, labels = draw(TILED, scale=scale)
        close(added(logits, labels), logsumexp(logits, axis=-1), rtol=1e-5)
