"""Losses of feature maps: the published formulas, identities, and networks beside masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss as jl

RNG = np.random.default_rng(3)
MAPS, STYLE = RNG.normal(size=(2, 2, 5, 4, 3))
IMAGES, TARGETS = RNG.uniform(size=(2, 3, 6, 5, 1)).astype(np.float32)
FILTERS = jnp.asarray(RNG.normal(size=(1, 4)), jnp.float32)
OBJECTIVE = jl.Objective(jl.squared_error).at("deep") + 3 * jl.Objective(jl.gram).at("shallow")


def network(images, filters=FILTERS):
    shallow = jnp.tanh(images @ filters)
    return {"shallow": shallow, "deep": shallow[:, ::2, ::2]}


def grams(maps):
    """Sums over positions, without a mean."""
    rows = maps.reshape(len(maps), -1, maps.shape[-1])
    return np.swapaxes(rows, 1, 2) @ rows


@pytest.fixture(name="double")
def _double_precision():
    with jax.enable_x64(True):
        yield


@pytest.mark.usefixtures("double")
def test_gram_is_that_of_the_papers():
    positions, channels = 20, 3
    gap = grams(MAPS) - grams(STYLE)
    gatys = np.sum(gap**2, axis=(1, 2)) / (4 * channels**2 * positions**2)
    johnson = np.sum((gap / (positions * channels)) ** 2, axis=(1, 2))
    found, slope = jax.value_and_grad(lambda x: jl.gram(x, STYLE).sum())(jnp.asarray(MAPS))
    np.testing.assert_allclose(jl.gram(MAPS, STYLE), 4 * gatys, rtol=1e-13)
    np.testing.assert_allclose(jl.gram(MAPS, STYLE), johnson, rtol=1e-13)
    assert float(found) == pytest.approx(johnson.sum(), rel=1e-13)
    rows = MAPS.reshape(2, positions, channels)
    wanted = 4 * (rows @ gap) / (positions * channels) ** 2
    np.testing.assert_allclose(slope.reshape(wanted.shape), wanted, rtol=1e-12)


@pytest.mark.usefixtures("double")
def test_positions_do_not_matter_to_style():
    shuffled = MAPS.reshape(2, 20, 3)[:, RNG.permutation(20)].reshape(MAPS.shape)
    np.testing.assert_allclose(jl.gram(shuffled, MAPS), 0, atol=1e-28)
    np.testing.assert_allclose(jl.gram(shuffled, STYLE), jl.gram(MAPS, STYLE), rtol=1e-13)


@pytest.mark.usefixtures("double")
def test_gram_of_one_channel_compares_mean_squares():
    means = [np.mean(x[..., :1] ** 2, axis=(1, 2, 3)) for x in (MAPS, STYLE)]
    found = jl.gram(MAPS[..., :1], STYLE[..., :1])
    np.testing.assert_allclose(found, jl.squared_error(*means), rtol=1e-13)


def test_nearly_equal_maps_keep_their_digits():
    near = np.asarray(MAPS + 100, np.float32)
    far = np.asarray(near + 1e-3 * STYLE, np.float32)
    wanted = np.mean(((grams(near.astype(float)) - grams(far.astype(float))) / 20) ** 2, (1, 2))
    np.testing.assert_allclose(jl.gram(near, far), wanted, rtol=1e-5)
    value, slope = jax.value_and_grad(lambda x: jl.gram(x, near).sum())(jnp.asarray(near))
    assert float(value) == 0
    np.testing.assert_array_equal(slope, 0)


def test_derivatives_of_large_and_of_empty_features_are_finite():
    slope = jax.grad(lambda x: jl.gram(x, STYLE[0].astype(np.float32)))
    for x in (jnp.zeros((5, 4, 3)), jnp.asarray(1e4 * MAPS[0], jnp.float32)):
        derived = jax.jvp(slope, (x,), (x + 1,))
        assert all(np.all(np.isfinite(each)) for each in derived)


def test_gram_holds_nothing_of_positions_by_positions():
    maps = jax.ShapeDtypeStruct((64, 64, 2), jnp.float32)
    program = jax.make_jaxpr(jax.grad(jl.gram.function))(maps, maps)
    sizes = [x.aval.size for equation in program.eqns for x in equation.outvars]
    assert max(sizes) <= 64 * 64 * 2


def test_perceptual_is_the_objective_of_each_image():
    alike = jl.perceptual(network, OBJECTIVE)
    found, other = network(IMAGES), network(TARGETS)
    content = np.mean((found["deep"] - other["deep"]) ** 2, axis=(1, 2, 3))
    wanted = content + 3 * jl.gram(found["shallow"], other["shallow"])
    np.testing.assert_allclose(alike(IMAGES, TARGETS), wanted, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(alike)(IMAGES, TARGETS), wanted, rtol=1e-6)
    turned = [np.stack([x, x[::-1]]) for x in (IMAGES, TARGETS)]
    np.testing.assert_allclose(jax.vmap(alike)(*turned), [wanted, wanted[::-1]], rtol=1e-6)


def test_perceptual_is_a_term_with_masks_and_weights():
    alike = jl.perceptual(network, OBJECTIVE)
    objective = 0.5 * jl.Objective(alike) + jl.Objective(jl.absolute_error)
    assert repr(objective) == "0.5 * Objective(perceptual) + Objective(absolute_error)"
    where, weights = np.array([True, False, True]), np.array([1.0, 5.0, 3.0], np.float32)
    values = 0.5 * alike(IMAGES, TARGETS) + np.mean(np.abs(IMAGES - TARGETS), axis=(1, 2, 3))
    found = objective(IMAGES, TARGETS, where=where, weights=weights)
    assert float(found) == pytest.approx(float(values[0] + 3 * values[2]) / 4, rel=1e-6)


def test_hidden_images_reach_neither_value_nor_weights_of_the_network():
    where, dirty = np.array([True, False, True]), np.array(IMAGES)
    dirty[1] = np.nan

    @jax.jit
    def slopes(images, filters):
        alike = lambda x, f: jl.Objective(jl.perceptual(lambda i: network(i, f), OBJECTIVE))(
            x, TARGETS, where=where
        )
        return jax.value_and_grad(alike, argnums=(0, 1))(images, filters)

    value, (of_images, of_filters) = slopes(dirty, FILTERS)
    clean, (_, wanted) = slopes(IMAGES, FILTERS)
    assert float(value) == float(clean)
    np.testing.assert_array_equal(of_filters, wanted)
    np.testing.assert_array_equal(of_images[1], 0)
    assert np.all(np.abs(of_images[::2]).max((1, 2, 3)) > 0)


def test_scales_and_hyper_parameters_within_perceptual_can_be_learned():
    def value(objective):
        return jl.perceptual(network, objective)(IMAGES, TARGETS).mean()

    objective = 2 * jl.Objective(jl.huber, delta=0.1).at("deep")
    slope = jax.jit(jax.grad(value))(objective)
    step = 1e-2
    ahead, behind = (
        value(2 * jl.Objective(jl.huber, delta=0.1 + by).at("deep")) for by in (step, -step)
    )
    (of_scale, of_delta) = jax.tree.leaves(slope)
    assert float(of_delta) == pytest.approx(float(ahead - behind) / (2 * step), rel=1e-2)
    assert float(of_scale) == pytest.approx(float(value(objective)) / 2, rel=1e-5)
