"""The length of a critic's slope: analytic critics, second derivatives, shapes, masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss as jl

RNG = np.random.default_rng(3)
POINTS = RNG.normal(size=(5, 3))
LAYERS = {"first": RNG.normal(size=(3, 4)), "second": RNG.normal(size=4)}


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def network(layers, points):
    return jnp.tanh(points @ layers["first"]) @ layers["second"]


def network_slope(layers, points):
    """By hand: W1 diag(1 - tanh²) w2 for each point."""
    bend = 1 - np.tanh(points @ layers["first"]) ** 2
    return (bend * layers["second"]) @ layers["first"].T


def test_a_linear_critic_has_the_length_of_its_weight():
    norms = jax.jit(jl.gradient_norm(lambda x: x @ np.array([2.0, 3.0, 6.0]) + 4))
    for points in (POINTS, 1e6 * POINTS, POINTS[0]):
        np.testing.assert_allclose(norms(points), np.full(points.shape[:-1], 7.0), rtol=1e-15)


def test_a_quadratic_critic_has_the_length_of_its_pull():
    matrix = np.array([[2.0, 1, 0], [1, 3, -1], [0, -1, 1]])
    norms = jax.jit(jl.gradient_norm(lambda x: jnp.sum((x @ matrix) * x, axis=-1) / 2))(POINTS)
    np.testing.assert_allclose(norms, np.linalg.norm(POINTS @ matrix, axis=-1), rtol=1e-14)


def test_every_event_axis_and_every_part_counts():
    images, labels = RNG.normal(size=(2, 4, 3, 3, 2)), RNG.normal(size=(2, 4, 5))
    critic = lambda x: 3 * jnp.sum(x["image"], axis=(-3, -2, -1)) + jnp.sum(x["label"], axis=-1)
    norms = jax.jit(jl.gradient_norm(critic))({"image": images, "label": labels})
    np.testing.assert_allclose(norms, np.full((2, 4), np.sqrt(9 * 18 + 5)), rtol=1e-14)


def penalties(norms):
    """The published penalties, each from the norms, by what `gradient_norm` says."""
    error, half = jl.Objective(jl.squared_error), jl.Objective(jl.half_squared_error)
    one = jnp.ones_like(norms)
    return jnp.stack([error(norms, one), error(jnp.maximum(norms, one), one), half(norms, 0 * one)])


def test_published_penalties():
    norms = jax.jit(jl.gradient_norm(lambda x: network(LAYERS, x)))(POINTS)
    slopes = network_slope(LAYERS, POINTS)
    lengths = np.sqrt((slopes**2).sum(-1))
    np.testing.assert_allclose(norms, lengths, rtol=1e-14)
    beyond = np.maximum(lengths - 1, 0)
    wanted = [((lengths - 1) ** 2).mean(), (beyond**2).mean(), (slopes**2).sum(-1).mean() / 2]
    np.testing.assert_allclose(jax.jit(penalties)(norms), wanted, rtol=1e-13)


def test_a_penalty_can_be_differentiated_in_the_parameters():
    """Compiled, against finite differences."""

    @jax.jit
    def penalty(layers):
        return penalties(jl.gradient_norm(lambda x: network(layers, x))(POINTS))

    gradient = jax.tree.map(np.asarray, jax.jit(jax.jacrev(penalty))(LAYERS))
    direction = jax.tree.map(lambda x: RNG.normal(size=x.shape), LAYERS)
    step = 1e-6
    along = lambda by: jax.tree.map(lambda x, d: x + by * d, LAYERS, direction)
    moved = lambda by: np.asarray(penalty(along(by)))
    products = jax.tree.map(
        lambda g, d: np.sum(g * d, axis=tuple(range(1, g.ndim))), gradient, direction
    )
    found = sum(jax.tree.leaves(products))
    np.testing.assert_allclose(found, (moved(step) - moved(-step)) / (2 * step), rtol=1e-6)


def test_a_flat_critic_has_slope_zero_with_a_finite_gradient():
    def norm_of(weight):
        return jnp.sum(jl.gradient_norm(lambda x: jnp.tanh(x) @ weight)(POINTS))

    value, slope = jax.jit(jax.value_and_grad(norm_of))(np.zeros(3))
    assert value == 0
    np.testing.assert_array_equal(slope, 0)


def test_large_and_small_slopes_neither_overflow_nor_vanish():
    norms = jax.jit(lambda weight, points: jl.gradient_norm(lambda x: x @ weight)(points))
    for size in (1e30, 1e-30):
        found = norms(np.float32([3 * size, 0, 4 * size]), np.float32(POINTS))
        np.testing.assert_allclose(found, np.full(5, 5 * size), rtol=1e-6)


def test_mapped_over_critics_and_in_strict_modes():
    stacked = {name: np.stack([x, 2 * x]) for name, x in LAYERS.items()}
    of_one = lambda layers: jl.gradient_norm(lambda x: network(layers, x))(jnp.asarray(POINTS))
    with (
        jax.numpy_rank_promotion("raise"),
        jax.numpy_dtype_promotion("strict"),
        jax.debug_nans(True),
    ):
        found = jax.vmap(of_one)(jax.tree.map(jnp.asarray, stacked))
        jl.interpolates(jax.random.key(0), jnp.asarray(POINTS), jnp.asarray(POINTS))
    for i in range(2):
        slopes = network_slope({name: x[i] for name, x in stacked.items()}, POINTS)
        np.testing.assert_allclose(found[i], np.linalg.norm(slopes, axis=-1), rtol=1e-13)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_inputs_give_norms_in_single_precision(dtype):
    points, weight = np.ones((2, 1000), dtype), np.full(1000, 0.5, dtype)
    norms = jax.jit(jl.gradient_norm(lambda x: x @ weight))(points)
    assert norms.dtype == jnp.float32
    np.testing.assert_allclose(norms, np.full(2, 0.5 * np.sqrt(1000)), rtol=1e-6)
    assert jax.jit(jl.interpolates)(jax.random.key(0), points, points).dtype == dtype


def test_hidden_points_that_are_finite_change_nothing():
    where = np.array([True, False, True, True, False])
    objective = jl.Objective(jl.squared_error)

    def penalty(layers, points, shown):
        norms = jl.gradient_norm(lambda x: network(layers, x))(points)
        return objective(norms, jnp.ones_like(norms), where=shown)

    slope = jax.jit(jax.value_and_grad(penalty))
    found = slope(LAYERS, np.where(where[:, None], POINTS, 0), where)
    wanted = slope(LAYERS, POINTS[where], np.ones(3, bool))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), found, wanted)


def test_scores_that_are_not_one_an_example_are_refused():
    with pytest.raises(ValueError, match="no prefix; reduce"):
        jl.gradient_norm(lambda x: x @ np.ones((3, 1)))(POINTS)


def test_interpolates_lie_between_and_share_their_place():
    real = {"image": np.ones((400, 2, 3)), "label": np.ones((400, 5))}
    fake = jax.tree.map(np.zeros_like, real)
    points = jax.jit(jl.interpolates)(jax.random.key(1), real, fake)
    points = jax.tree.map(np.asarray, points)
    share = points["label"][:, :1]
    np.testing.assert_array_equal(points["label"], np.broadcast_to(share, (400, 5)))
    np.testing.assert_array_equal(points["image"], np.broadcast_to(share[..., None], (400, 2, 3)))
    assert 0 <= share.min() < 0.02
    assert 0.98 < share.max() < 1
    assert float(share.mean()) == pytest.approx(0.5, abs=0.06)
    with pytest.raises(ValueError, match="shapes are equal"):
        jl.interpolates(jax.random.key(0), POINTS, POINTS[:1])
