"""Losses of images: scikit-image, closed forms, hand-derived slopes, digits and edges."""

import functools
from math import log, log10, sqrt

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.metrics

import jaxloss as jl

RNG = np.random.default_rng(11)
CLEAN = RNG.uniform(size=(2, 19, 14, 3))
NOISY = np.clip(CLEAN + 0.2 * RNG.normal(size=CLEAN.shape), 0, 1)
BOARD = np.indices((12, 12)).sum(0)[..., None] % 2.0  # of black and white squares, a pixel each
STRUCTURAL = (jl.ssim, jl.ms_ssim)
ROUGHNESS = (jl.total_variation, jl.isotropic_total_variation)
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
C1, C2 = 1e-4, 9e-4


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


@functools.cache
def value_and_slope(loss):
    """Compiled once for each shape."""
    summed = lambda x, rest, hyper: jnp.sum(loss(x, *rest, **hyper))
    compiled = jax.jit(jax.value_and_grad(summed))
    return lambda x, *rest, **hyper: jax.tree.map(np.asarray, compiled(x, rest, hyper))


def constant(level):
    return np.full((12, 12, 1), level)


@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_ssim_is_that_of_scikit_image(data_range):
    x, y = data_range * CLEAN, data_range * NOISY
    keywords = GAUSSIAN | {"channel_axis": -1, "data_range": data_range}
    similarity = functools.partial(skimage.metrics.structural_similarity, **keywords)
    wanted = [similarity(*pair) for pair in zip(x, y, strict=True)]
    np.testing.assert_allclose(1 - jl.ssim(x, y, data_range=data_range), wanted, rtol=1e-13)


def test_ms_ssim_is_composed_of_the_scales_of_scikit_image():
    """Both sides are odd at some scale; with a huge K1 only contrast and structure are left."""
    x = RNG.uniform(size=(181, 164, 2))
    y = np.clip(x + [0, 0.3] * RNG.normal(size=x.shape), 0, 1)
    *finer, coarsest = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333
    index = functools.partial(skimage.metrics.structural_similarity, data_range=1.0, **GAUSSIAN)
    products = []
    for first, second in zip(np.moveaxis(x, -1, 0), np.moveaxis(y, -1, 0), strict=True):
        pair, product = (first, second), 1.0
        for weight in finer:
            product *= index(*pair, K1=1e9) ** weight
            pair = [halved(image) for image in pair]
        products.append(product * index(*pair) ** coarsest)
    assert products[0] == 1
    assert float(jl.ms_ssim(x, y)) == pytest.approx(1 - np.mean(products), rel=1e-12)


def halved(image):
    height, width = image.shape
    even = np.pad(image, [(0, height % 2), (0, width % 2)], mode="edge")
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def test_psnr_is_that_of_scikit_image():
    found = jl.psnr(255 * CLEAN, 255 * NOISY, data_range=255.0)
    for value, x, y in zip(found, CLEAN, NOISY, strict=True):
        wanted = skimage.metrics.peak_signal_noise_ratio(y, x, data_range=1.0)
        assert float(value) == pytest.approx(-wanted, rel=1e-14)


@pytest.mark.parametrize("loss", [*STRUCTURAL, jl.psnr])
def test_bytes_do_not_wrap(loss):
    x, y = (np.asarray(np.round(255 * image), np.uint8) for image in (CLEAN, NOISY))
    with jax.enable_x64(False):
        found = loss(x, y, data_range=255.0)
    wanted = loss(x / 255, y / 255, data_range=1.0)
    np.testing.assert_allclose(found, wanted, rtol=2e-6)


def test_structure_of_constant_images():
    """Their means alone differ, and the slope is spread over the pixels."""
    x, y = 1.0, 0.5
    scale = x**2 + y**2 + C1
    gap = (x - y) ** 2 / scale
    value, slope = value_and_slope(jl.ssim)(constant(x), constant(y))
    assert float(value) == pytest.approx(gap, rel=1e-13)
    assert float(slope.sum()) == pytest.approx(2 * (x - y - gap * x) / scale, rel=1e-12)
    value, slope = value_and_slope(jl.ms_ssim)(constant(x), constant(y))
    assert float(value) == pytest.approx(1 - (1 - gap) ** 0.1333, rel=1e-13)
    rate = 0.1333 * (1 - gap) ** (0.1333 - 1)
    assert float(slope.sum()) == pytest.approx(2 * rate * (x - y - gap * x) / scale, rel=1e-12)


def test_ssim_of_two_pixels():
    """The window has two pixels of weight 1/2: variances 1/4, covariance -1/4, equal means."""
    rising, falling = np.array([[[0.0], [1.0]]]), np.array([[[1.0], [0.0]]])
    value, slope = value_and_slope(jl.ssim)(rising, falling)
    scale = 1 / 2 + C2
    assert float(value) == pytest.approx(1 / scale, rel=1e-14)
    np.testing.assert_allclose(slope.ravel(), [-C2 / scale**2, C2 / scale**2], rtol=1e-11)


@pytest.mark.parametrize("loss", STRUCTURAL)
def test_exchanging_the_images_and_scaling_all(loss):
    value = loss(CLEAN, NOISY, data_range=1.0)
    np.testing.assert_allclose(loss(NOISY, CLEAN, data_range=1.0), value, rtol=1e-14)
    np.testing.assert_allclose(loss(7 * CLEAN, 7 * NOISY, data_range=7.0), value, rtol=1e-13)


def test_the_ends_of_the_range_of_ssim():
    """A board against its negative is the worst; against grey it is merely unrelated."""
    assert float(jl.ssim(1e4 * BOARD, 1e4 * (1 - BOARD))) == pytest.approx(2, rel=1e-9)
    assert float(jl.ssim(BOARD, constant(0.5))) == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("loss", STRUCTURAL)
@pytest.mark.parametrize("image", [BOARD, constant(0.0), constant(0.7)], ids=["board", "0", "0.7"])
def test_equal_images_have_no_loss_and_no_slope(loss, image):
    value, slope = value_and_slope(loss)(image, image)
    assert float(value) == 0
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize("loss", STRUCTURAL)
def test_nearly_equal_bright_flat_images_keep_their_digits(loss):
    """The variance is a millionth of the squared mean; their difference would be noise."""
    x = np.asarray(0.9 + 1e-3 * CLEAN, np.float32)
    y = np.asarray(x + 1e-4 * NOISY, np.float32)
    exact = np.asarray(loss(x.astype(float), y.astype(float), data_range=1.0))
    with jax.enable_x64(False):
        np.testing.assert_allclose(loss(x, y), exact, rtol=2e-5)


def test_ms_ssim_is_finite_where_similarity_turns_negative():
    """From an image to its negative: the value rises to 1, with no infinite or missing slope."""
    x = CLEAN[0, :12, :12, :1]
    blends = [share * (1 - x) + (1 - share) * x for share in np.linspace(0, 1, 41)]
    found = [value_and_slope(jl.ms_ssim)(blend, x) for blend in blends]
    values = np.array([float(value) for value, _ in found])
    steepest = np.array([np.max(np.abs(slope)) for _, slope in found])
    assert np.all(np.isfinite(steepest))
    assert np.all(np.diff(values) >= 0)
    assert np.all((steepest[1:] > 0) == (values[1:] < 1))
    assert 10 < np.sum(values == 1) < 30


def test_psnr_by_hand():
    x, y = np.array([[[0.3], [0.5]]]), np.array([[[0.0], [0.1]]])
    value, slope = value_and_slope(jl.psnr)(x, y)
    assert float(value) == pytest.approx(10 * log10(0.125), rel=1e-14)
    np.testing.assert_allclose(
        slope.ravel(), 20 / log(10) * np.array([0.3, 0.4]) / 0.25, rtol=1e-13
    )
    half = jl.psnr(x / 2, y / 2)
    assert float(value - half) == pytest.approx(20 * log10(2), rel=1e-14)
    mean = jnp.mean(jl.squared_error(x, y))
    assert float(value) == pytest.approx(10 * log10(float(mean)), rel=1e-14)


def test_psnr_of_equal_and_of_hardly_different_images():
    value, slope = value_and_slope(jl.psnr)(CLEAN, CLEAN)
    assert float(value) == -np.inf
    np.testing.assert_array_equal(slope, 0)
    with jax.enable_x64(False):  # 1e-50, the squared error, is no number in single precision
        assert float(jl.psnr(constant(1e-25), constant(0.0))) == pytest.approx(-500, rel=1e-6)


STEPS = [
    (jl.total_variation, [[0, 3], [4, 4]], 8, [[-2, 0], [1, 1]]),
    (jl.isotropic_total_variation, [[0, 3], [4, 4]], 6, [[-7 / 5, 3 / 5 - 1], [4 / 5, 1]]),
    (jl.total_variation, [[1, 4, 2]], 5, [[-1, 2, -1]]),
    (jl.isotropic_total_variation, [[1, 4, 2]], 5, [[-1, 2, -1]]),
    (jl.total_variation, [[2, 2], [2, 2]], 0, [[0, 0], [0, 0]]),
    (jl.isotropic_total_variation, [[2, 2], [2, 2]], 0, [[0, 0], [0, 0]]),
]


@pytest.mark.parametrize(("loss", "image", "value", "slope"), STEPS)
def test_total_variation_by_hand(loss, image, value, slope):
    found = value_and_slope(loss)(np.array(image, float)[..., None])
    assert float(found[0]) == pytest.approx(value, rel=1e-15)
    np.testing.assert_allclose(found[1][..., 0], slope, rtol=1e-14, atol=1e-15)


def test_total_variation_is_the_sum_of_all_steps():
    down, right = np.diff(CLEAN, axis=1), np.diff(CLEAN, axis=2)
    both = np.abs(down).sum((1, 2, 3)) + np.abs(right).sum((1, 2, 3))
    np.testing.assert_allclose(jl.total_variation(CLEAN), both, rtol=1e-13)
    lengths = np.hypot(
        np.diff(CLEAN, axis=1, append=CLEAN[:, -1:]),
        np.diff(CLEAN, axis=2, append=CLEAN[:, :, -1:]),
    )
    found = np.asarray(jl.isotropic_total_variation(CLEAN))
    np.testing.assert_allclose(found, lengths.sum((1, 2, 3)), rtol=1e-13)
    assert np.all((both / sqrt(2) <= found) & (found <= both))


@pytest.mark.parametrize("roughness", ROUGHNESS)
def test_an_objective_smooths_the_predictions_alone(roughness):
    objective = jl.Objective(jl.squared_error) + 0.1 * jl.Objective(roughness)
    slope = jax.jit(jax.grad(objective))
    wanted = np.mean((NOISY - CLEAN) ** 2) + 0.1 * np.asarray(roughness(NOISY)).mean()
    assert float(objective(NOISY, CLEAN)) == pytest.approx(wanted, rel=1e-12)
    parts = objective.at("picture")({"picture": NOISY}, {"picture": CLEAN})
    assert float(parts) == pytest.approx(wanted, rel=1e-12)
    dirty, shown = np.array(NOISY), np.array([True, False])
    dirty[1] = np.nan
    found = np.asarray(slope(dirty, CLEAN, where=shown))
    np.testing.assert_allclose(found[:1], slope(NOISY[:1], CLEAN[:1]))
    np.testing.assert_array_equal(found[1], 0)


def test_a_loss_without_a_target_takes_one_prediction():
    with pytest.raises(TypeError, match=r"total_variation takes 1 arrays \(images\), got 2"):
        jl.Objective(jl.total_variation)((CLEAN, CLEAN), CLEAN)


def dense_moments(x):
    """Means and variances of windows as products with banded matrices, one for each axis."""
    for axis in (-3, -2):
        length = x.shape[axis]
        size = min(11, length)
        offsets = np.arange(length) - np.arange(length - size + 1)[:, None]
        inside = (offsets >= 0) & (offsets < size)
        band = np.where(inside, np.exp(-((offsets - (size - 1) / 2) ** 2) / 4.5), 0)
        x = jnp.moveaxis(jnp.tensordot(band / band.sum(1, keepdims=True), x, (1, axis)), 0, axis)
    return x


def dense_similarities(x, y, k1, k2):
    mean_x, mean_y, squares, products = dense_moments(jnp.stack([x, y, x * x + y * y, x * y]))
    spread = squares - mean_x**2 - mean_y**2
    joint = products - mean_x * mean_y
    means = (2 * mean_x * mean_y + k1**2) / (mean_x**2 + mean_y**2 + k1**2)
    structure = (2 * joint + k2**2) / (spread + k2**2)
    return tuple(jnp.mean(s, axis=(-3, -2)) for s in (structure, means * structure))


def dense_ssim(x, y, k1, k2):
    return jnp.mean(1 - dense_similarities(x, y, k1, k2)[1], axis=-1)


def dense_ms_ssim(x, y, k1, k2):
    product = 1.0
    for weight in (0.0448, 0.2856, 0.3001, 0.2363):
        product *= dense_similarities(x, y, k1, k2)[0] ** weight
        x, y = (sum(z[:, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4 for z in (x, y))
    return jnp.mean(1 - product * dense_similarities(x, y, k1, k2)[1] ** 0.1333, axis=-1)


DENSE = [(jl.ssim, dense_ssim, (2, 19, 14, 3)), (jl.ms_ssim, dense_ms_ssim, (2, 32, 16, 2))]


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "dense", "shape"), DENSE, ids=["ssim", "ms_ssim"])
def test_slopes_are_those_of_products_with_banded_matrices(loss, dense, shape):
    """In the images and in what softens the quotients, by either mode."""
    x = RNG.uniform(size=shape)
    y = np.clip(x + 0.2 * RNG.normal(size=shape), 0, 1)
    given = x, y, 0.02, 0.05
    ours = lambda x, y, k1, k2: jnp.sum(loss(x, y, k1=k1, k2=k2))
    theirs = lambda *given: jnp.sum(dense(*given))
    found = jax.jit(jax.value_and_grad(ours, argnums=range(4)))(*given)
    wanted = jax.jit(jax.value_and_grad(theirs, argnums=range(4)))(*given)
    for mine, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-13)
    _, change = jax.jit(lambda: jax.jvp(ours, given, given))()
    expected = sum(np.vdot(*pair) for pair in zip(found[1], given, strict=True))
    assert float(change) == pytest.approx(expected, rel=1e-10)


def test_ssim_can_be_differentiated_twice():
    x, y = (z[0, :12, :13, :1] for z in (CLEAN, NOISY))
    along = RNG.normal(size=x.shape)
    products = [
        jax.jit(lambda f=f: jax.jvp(jax.grad(lambda z: f(z, y)), (x,), (along,))[1])()
        for f in (jl.ssim, lambda z, y: dense_ssim(z, y, 0.01, 0.03))
    ]
    np.testing.assert_allclose(*products, rtol=1e-9, atol=1e-12)
