"""The softmax cross-entropy of many classes: in few passes, without temporaries, and as exact."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from scipy.special import log_softmax, softmax

import jaxloss as jl
from jaxloss.numerics.rivals import apart

CE = jl.softmax_cross_entropy_with_integer_labels
RNG = np.random.default_rng(0)
TILED, PRIME = 320, 331  # classes

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-7)


def draw(classes, rows=12, scale=2.0):
    logits = (scale * RNG.normal(size=(rows, classes))).astype(np.float32)
    return jnp.asarray(logits), jnp.asarray(RNG.integers(0, classes, rows), jnp.int32)


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


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(
    ("rows", "classes", "terms"),
    [
        (512, 1000, {}),
        (64, 32768, {"z_loss": 1e-4}),
        (16, 128256, {}),
        (64, 1009, {"class_weights": 2.0}),
    ],
)
def test_nothing_of_the_size_of_the_logits_is_held(rows, classes, dtype, terms):
    objective = jl.Objective(CE, **terms)
    shapes = jax.ShapeDtypeStruct((rows, classes), dtype), jax.ShapeDtypeStruct((rows,), jnp.int32)
    for derived in (objective.__call__, jax.value_and_grad(objective.__call__)):
        held = jax.jit(derived).lower(*shapes).compile().memory_analysis().temp_size_in_bytes
        copies = 0 if dtype == jnp.float32 or jax.__version_info__ < (0, 12) else 2
        assert held < (copies + 0.75) * rows * classes


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
    logits = logits.at[jnp.arange(len(labels)), labels].set(lead)
    odds = np.where(np.arange(classes) == labels[:, None], 0, np.exp(np.float64(logits)))
    exact = np.log1p(odds.sum(axis=-1) * np.exp(-lead))
    np.testing.assert_allclose(CE(logits, labels), exact, rtol=1e-5, atol=1e-37)
    slope = np.asarray(SLOPE(logits, labels))[np.arange(len(labels)), labels]
    np.testing.assert_allclose(slope, np.expm1(-exact), rtol=1e-5, atol=1e-37)


@pytest.mark.parametrize("classes", [TILED, PRIME])
def test_masked_classes_and_bad_rows_leave_the_others_alone(classes):
    logits, labels = draw(classes)
    logits = logits.at[:, ::3].set(-jnp.inf).at[jnp.arange(len(labels)), labels].set(1.0)
    value, slope = expected(logits, labels)
    bad = logits.at[0].set(-jnp.inf).at[1, 5].set(jnp.nan).at[2].set(1e4)
    wrong = labels.at[3].set(classes).at[4].set(-1)
    found, steps = CE(bad, wrong), SLOPE(bad, wrong)
    close(found[5:], value[5:])
    close(steps[5:], slope[5:], rtol=2e-5)
    assert found[0] == jnp.inf
    assert np.isfinite(steps[0]).all()
    assert np.isnan(found[np.array([1, 3, 4])]).all()
    assert np.isnan(steps[np.array([1, 3, 4])]).all()
    close(found[2], np.log(classes))


@pytest.mark.parametrize("scale", [2.0, 1e3])
def test_mapped_over_examples_it_still_decides_once(scale):
    logits, labels = draw(TILED, scale=scale)
    mapped = jax.vmap(CE)
    close(mapped(logits, labels), CE(logits, labels))
    close(jax.vmap(CE, (None, 0))(logits[0], labels), CE(logits[:1].repeat(12, 0), labels))
    close(jax.grad(lambda x: mapped(x, labels).sum())(logits), SLOPE(logits, labels))
    branches = jax.make_jaxpr(mapped)(logits, labels).pretty_print(use_color=False)
    assert "custom_vmap" in branches


@pytest.mark.parametrize("scale", [2.0, 60.0])
def test_forward_mode_and_curvature(scale):
    logits, labels = (x[0] for x in draw(TILED, scale=scale))
    direction = jnp.asarray(RNG.normal(size=TILED), jnp.float32)
    slope = jax.grad(CE)
    close(
        jax.jvp(lambda x: CE(x, labels), (logits,), (direction,))[1],
        slope(logits, labels) @ direction,
        rtol=1e-4,
        atol=1e-5,
    )
    p = softmax(np.float64(logits))
    curvature = p * direction - p * (p @ direction)
    turned = jax.jvp(lambda x: slope(x, labels), (logits,), (direction,))[1]
    close(turned, curvature, rtol=1e-4, atol=1e-6)
    close(jax.grad(lambda x: slope(x, labels) @ direction)(logits), curvature, rtol=1e-4, atol=1e-6)


def test_curvature_inside_a_loop():
    logits, labels = draw(TILED, rows=2)
    logits = logits.at[0, 3:].set(-jnp.inf).at[1, 9:].set(-jnp.inf)
    for rows in (logits, logits.at[1].set(-jnp.inf)):
        looped = lambda x: jax.lax.map(lambda one: CE(*one), (x[:, None], labels[:, None])).sum()
        close(jax.jit(jax.hessian(looped))(rows), jax.hessian(summed)(rows, labels), atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_halves_are_widened_where_they_are_read(dtype):
    logits, labels = draw(TILED)
    halves = logits.astype(dtype)
    value, slope = expected(halves, labels)
    found = SLOPE(halves, labels)
    assert found.dtype == dtype
    close(CE(halves, labels), value)
    close(found.astype(jnp.float32), slope, rtol=1e-2, atol=1e-6)


def test_terms_take_their_normaliser_from_the_same_pass():
    logits, labels = draw(TILED, scale=5.0)
    logits = logits.at[0].set(-jnp.inf).at[0, labels[0]].set(3.0)
    lse = jax.nn.logsumexp(logits, axis=-1)
    close(CE(logits, labels, z_loss=0.5) - CE(logits, labels), lse**2 / 2, rtol=1e-5)
    with_term = jax.grad(lambda x: CE(x, labels, z_loss=0.5).sum())(logits)
    assert np.isfinite(with_term).all()
    close(
        with_term - SLOPE(logits, labels),
        lse[:, None] * jax.nn.softmax(logits),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_classes_may_be_spread_over_devices(kind):
    logits, labels = draw(TILED)
    value = CE(logits, labels)
    mesh = jax.make_mesh((1,), ("classes",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        spread = jax.device_put(logits, NamedSharding(mesh, PartitionSpec(None, "classes")))
        close(CE(spread, labels), value)
        close(jax.grad(summed)(spread, labels), SLOPE(logits, labels))
        assert "gather" not in jax.jit(CE).lower(spread, labels).as_text()


def test_the_parts_add_up_to_the_log_sum_exp():
    for scale in (1.0, 100.0):
        logits, labels = draw(TILED, scale=scale)
        parts = apart(logits, labels)
        close(parts.normaliser + parts.shift, jax.nn.logsumexp(logits, axis=-1), rtol=1e-5)
