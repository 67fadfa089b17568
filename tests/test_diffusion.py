"""Diffusion and flow losses: closed forms, one function in four outputs, and the likelihood."""

import functools
import math
import pickle

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from derivatives import value_and_slope

import jaxloss as jl

INF = math.inf
RNG = np.random.default_rng(0)
WEIGHTINGS = {
    jl.noise_error: lambda s: s / s,
    jl.min_snr: lambda s: min(mpmath.mpf(1), 5 / s),
    jl.truncated_snr: lambda s: max(mpmath.mpf(1), 1 / s),
    jl.p2: lambda s: 1 / (1 + s),
    jl.sigmoid_snr: lambda s: mpmath.exp(2) / (mpmath.exp(2) + s),
    jl.edm: lambda s: 1 + 4 / s,
}
OUTPUTS = {
    jl.clean_prediction: lambda s: s,
    jl.velocity_prediction: lambda s: s / (1 + s),
    jl.flow_prediction: lambda s: s / (1 + mpmath.sqrt(s)) ** 2,
}
every_weighting = pytest.mark.parametrize("loss", WEIGHTINGS, ids=lambda loss: loss.__name__)


@pytest.fixture
def _double_precision():
    with jax.enable_x64(True):
        yield


in_double_precision = pytest.mark.usefixtures("_double_precision")

# At SNR 4 and an error of 3; the gradient is 2 / 3 of the value.
TABLE = [
    (jl.noise_error, {}, 9.0),
    (jl.min_snr, {"gamma": 1.0}, 2.25),
    (jl.min_snr, {"gamma": 8.0}, 9.0),
    (jl.truncated_snr, {}, 9.0),
    (jl.p2, {"k": 5.0, "gamma": 0.5}, 3.0),
    (jl.sigmoid_snr, {"bias": math.log(2)}, 3.0),
    (jl.edm, {"data_scale": 0.5}, 18.0),
    (jl.clean_prediction(jl.min_snr), {"gamma": 1.0}, 9.0),
    (jl.clean_prediction(jl.truncated_snr), {}, 36.0),
    (jl.velocity_prediction(jl.min_snr), {"gamma": 1.0}, 1.8),
    (jl.velocity_prediction(jl.sigmoid_snr), {"bias": math.log(2)}, 2.4),
    (jl.flow_prediction(jl.noise_error), {}, 4.0),
]


@in_double_precision
@pytest.mark.parametrize(("loss", "hyper", "value"), TABLE)
def test_table(loss, hyper, value):
    found, slope = value_and_slope(loss)(5.0, math.log(4), 2.0, **hyper)
    assert float(found) == pytest.approx(value, rel=1e-14)
    assert float(slope) == pytest.approx(2 / 3 * value, rel=1e-14)


@functools.cache
def weights_of(loss):
    """For all four outputs, that of the noise first, in one program."""
    every = (loss, *(maker(loss) for maker in OUTPUTS))
    return jax.jit(lambda levels: [made.weight(levels) for made in every])


@every_weighting
def test_weights_keep_their_digits_in_single_precision(loss):
    """For all four outputs, from log-SNR -30 to 30."""
    levels = np.float32([-30, -12.3, -1.1, 0, 0.7, 9.9, 30])
    snrs = [mpmath.exp(float(level)) for level in levels]
    factors = (lambda s: s / s, *OUTPUTS.values())
    for found, factor in zip(weights_of(loss)(levels), factors, strict=True):
        exact = [WEIGHTINGS[loss](s) * factor(s) for s in snrs]
        np.testing.assert_allclose(found, np.float64(exact), rtol=4e-6)


@every_weighting
def test_the_ends_of_the_log_snr_are_their_limits(loss):
    """And finite everywhere, so that an exact fit costs nothing."""
    for found in weights_of(loss)(np.float32([-INF, INF, -70, 70])):
        weights, far = np.asarray(found).reshape(2, 2)
        assert np.isfinite(weights).all()
        settled = (far > 1e-6) & (far < 1e6)
        np.testing.assert_allclose(weights[settled], far[settled], rtol=1e-5)


def test_min_snr_is_right_for_velocities_and_at_zero_terminal_snr():
    """min(SNR, gamma) / (SNR + 1): neither min(SNR + 1, gamma) / (SNR + 1), nor 0 / 0 at SNR 0."""
    loss = jl.velocity_prediction(jl.min_snr)
    weights = jax.jit(loss.weight)(np.log([0.25, 4, 16]), gamma=5.0)
    np.testing.assert_allclose(weights, [0.25 / 1.25, 4 / 5, 5 / 17], rtol=1e-6)
    value, slope = jax.jit(jax.value_and_grad(loss))(1.0, -INF, 0.0)
    assert float(value) == pytest.approx(0, abs=1e-30)
    assert float(slope) == pytest.approx(0, abs=1e-30)
    assert jax.jit(jl.min_snr.weight)(-INF) == 1


@in_double_precision
@pytest.mark.parametrize("loss", [jl.min_snr, jl.edm], ids=lambda loss: loss.__name__)
def test_a_prediction_costs_the_same_in_whatever_form_it_is_put(loss):
    clean, noise, guess = RNG.normal(size=(3, 7, 5))
    levels = np.linspace(-9, 9, 7)

    @jax.jit
    def costs(clean, noise, guess, levels):
        noisy, target = jl.diffuse(clean, noise, levels), jl.velocity(clean, noise, levels)
        as_noise = jl.noise_from_velocity(guess, noisy, levels)
        as_clean = jl.clean_from_velocity(guess, noisy, levels)
        by_velocity = jl.velocity_prediction(loss)(guess, levels, target)
        by_clean = jl.clean_prediction(loss)(as_clean, levels, clean)
        return loss(as_noise, levels, noise), by_velocity, by_clean

    wanted, by_velocity, by_clean = costs(clean, noise, guess, levels)
    np.testing.assert_allclose(by_velocity, wanted, rtol=1e-9)
    np.testing.assert_allclose(by_clean, wanted, rtol=1e-9)

    @jax.jit
    def costs_of_flows(clean, noise, guess, levels):
        times = jax.nn.sigmoid(levels / 2)
        point, course = jl.flow(clean, noise, times), jl.flow_velocity(clean, noise)
        ended = point - times[:, None] * guess
        by_flow = jl.flow_prediction(loss)(guess, jl.flow_log_snr(times), course)
        return loss(ended, levels, noise), by_flow

    wanted, by_flow = costs_of_flows(clean, noise, guess, levels)
    np.testing.assert_allclose(by_flow, wanted, rtol=1e-9)


@in_double_precision
def test_forms_of_a_prediction_are_carried_back_and_forth():
    clean, noise = RNG.normal(size=(2, 7, 2, 3))

    @jax.jit
    def carried(clean, noise, levels):
        noisy, turned = jl.diffuse(clean, noise, levels), jl.velocity(clean, noise, levels)
        return [
            (jl.clean_from_velocity(turned, noisy, levels), clean, 1e-13),
            (jl.noise_from_velocity(turned, noisy, levels), noise, 1e-13),
            (jl.clean_from_noise(noise, noisy, levels), clean, 1e-10),
            (jl.noise_from_clean(clean, noisy, levels), noise, 1e-10),
        ]

    for found, wanted, digits in carried(clean, noise, np.linspace(-20, 20, 7)):
        np.testing.assert_allclose(found, wanted, rtol=digits, atol=digits)


@in_double_precision
def test_the_velocity_is_the_slope_along_the_angle():
    at = lambda angle: jl.diffuse(0.7, -1.3, -2 * jnp.log(jnp.tan(angle)))
    found, slope = jax.jit(jax.value_and_grad(at))(0.4)
    level = -2 * math.log(math.tan(0.4))
    assert float(slope) == pytest.approx(float(jax.jit(jl.velocity)(0.7, -1.3, level)))
    assert float(found) == pytest.approx(0.7 * math.cos(0.4) - 1.3 * math.sin(0.4))


def test_inputs_are_exact_and_smooth_at_the_ends():
    clean, noise = np.float32([2, 2]), np.float32([3, 3])
    ends = np.float32([INF, -INF])
    for function, wanted in ((jl.diffuse, [2, 3]), (jl.velocity, [3, -2])):
        assert jax.jit(function)(clean, noise, ends).tolist() == wanted
        summed = lambda *x, f=function: f(*x).sum()
        slopes = jax.jit(jax.grad(summed, argnums=(0, 1, 2)))(clean, noise, ends)
        assert np.isfinite(np.stack(slopes)).all()
    tiny = float(jax.jit(jl.diffuse)(0.0, 1.0, 30.0))
    assert tiny == pytest.approx(float(mpmath.sqrt(1 / (1 + mpmath.exp(30)))), rel=1e-6)


@in_double_precision
def test_the_noise_error_is_a_likelihood():
    """Its excess is the Kullback-Leibler divergence, here between centred Gaussians.

    Data has the variance c, the model believes in 1. Four points have the moments of both data and
    noise, which is all that a square of linear predictions sees.
    """
    c = 0.3
    divergence = (c - 1 - math.log(c)) / 2
    x, e = np.meshgrid([-math.sqrt(c), math.sqrt(c)], [-1.0, 1.0])
    best, believed = (lambda s, v=v: v * s / (1 + v * s) for v in (c, 1.0))

    def costs(levels):
        clean, noise = (jnp.broadcast_to(p.ravel(), (len(levels), 4)) for p in (x, e))
        noisy, snr = jl.diffuse(clean, noise, levels), jnp.exp(levels)[:, None]
        alpha = jnp.sqrt(snr / (1 + snr))
        for answer in (believed, best):
            guess = answer(snr) / alpha * noisy
            outputs = (
                jl.velocity(guess, jl.noise_from_clean(guess, noisy, levels), levels),
                levels,
            )
            yield outputs, jl.velocity(clean, noise, levels)

    loss = jl.velocity_prediction(jl.noise_error)

    @jax.jit
    def by_level(levels):
        return [jnp.trapezoid(loss(*o, t).mean(-1), levels) / 2 for o, t in costs(levels)]

    found = np.stack(by_level(np.linspace(-30, 30, 2001)))
    assert found[0] - found[1] == pytest.approx(divergence, rel=1e-5)

    schedule = lambda t: -2 * jnp.log(jnp.tan(jnp.pi / 2 * t))
    bound = jl.Objective(loss, reduction=jl.mean_by_count)

    @jax.jit
    def by_time(times):
        weights = -jax.vmap(jax.grad(schedule))(times) / 2
        return [bound(o, t, weights=weights) for o, t in costs(schedule(times))]

    found = np.stack(by_time((np.arange(4000) + 0.5) / 4000))
    assert found[0] - found[1] == pytest.approx(divergence, rel=1e-5)


@in_double_precision
def test_even_times_of_a_flow_weigh_the_noise_by_the_inverse_root_of_the_snr():
    """Half of exp(-λ / 2) dλ is what dt over t² comes to."""

    @jax.jit
    def weighed(times):
        levels = jl.flow_log_snr(times)
        spread = jax.vmap(jax.grad(jl.flow_log_snr))(times)  # dλ / dt
        in_noise = 1 / jl.flow_prediction(jl.noise_error).weight(levels)  # of the squared velocity
        return in_noise / spread, jnp.exp(-levels / 2) / 2

    np.testing.assert_allclose(*weighed(np.linspace(0.02, 0.98, 9)), rtol=1e-10)


@in_double_precision
def test_flows():
    clean, noise = RNG.normal(size=(2, 5, 3))
    times = np.linspace(0, 1, 5)
    flow, velocity = jax.jit(jl.flow), jax.jit(jl.flow_velocity)
    straight, course = map(np.asarray, (flow(clean, noise, times), velocity(clean, noise)))
    np.testing.assert_allclose(straight + (1 - times[:, None]) * course, clean, atol=1e-15)
    np.testing.assert_allclose(straight - times[:, None] * course, noise, atol=1e-15)
    narrowing = lambda t: jl.flow(clean, noise, t, sigma_min=0.1)
    along = jax.jit(lambda t: jax.jvp(narrowing, (t,), (np.ones(5),)))
    np.testing.assert_allclose(along(np.ones(5))[0], clean + 0.1 * noise, atol=1e-15)
    moved = velocity(clean, noise, sigma_min=0.1)
    np.testing.assert_allclose(along(times)[1], moved, atol=1e-15)
    end = jax.jit(jl.flow_log_snr)(1.0, sigma_min=0.1)
    assert float(end) == pytest.approx(2 * math.log(10))
    back = jax.jit(lambda x: jl.flow_log_snr(jax.nn.sigmoid(x)))
    normal = RNG.normal(size=9)
    np.testing.assert_allclose(back(normal), 2 * normal, rtol=1e-12)


@in_double_precision
def test_flows_are_diffusions_of_another_scale():
    @jax.jit
    def points(clean, noise, t):
        scaled = jl.flow(clean, noise, t) / jnp.hypot(t, 1 - t)
        return scaled, jl.diffuse(clean, noise, jl.flow_log_snr(t))

    clean, noise = RNG.normal(size=(2, 9))
    np.testing.assert_allclose(*points(clean, noise, np.linspace(0.05, 0.95, 9)), rtol=1e-12)


@in_double_precision
def test_weightings_are_related():
    @jax.jit
    def ratios(levels):
        smooth = jl.sigmoid_snr.weight(levels, bias=math.log(5))
        bent = jl.truncated_snr.weight(levels)
        return (
            smooth / jl.min_snr.weight(levels, gamma=5.0),
            bent / jl.edm.weight(levels, data_scale=1.0),
        )

    @jax.jit
    def pairs(levels):
        snrs = jnp.exp(levels)
        return [
            (jl.p2.weight(levels, gamma=0.0), 1),
            (jl.p2.weight(levels, k=3.0), jl.sigmoid_snr.weight(levels, bias=math.log(3)) / 3),
            (jl.min_snr.weight(levels, gamma=1e9), 1),
            (jl.sigmoid_snr.weight(levels, bias=50.0), 1),
            (jl.edm.weight(levels, data_scale=1e9), 1),
            (jl.velocity_prediction(jl.edm).weight(levels, data_scale=1.0), 1),
            (jl.clean_prediction(jl.edm).weight(levels), snrs + 4),
            (jl.clean_prediction(jl.truncated_snr).weight(levels), jnp.maximum(snrs, 1)),
        ]

    levels = np.linspace(-12, 12, 49)
    for ratio in map(np.asarray, ratios(levels)):
        assert np.all((ratio >= 0.5) & (ratio <= 1))
    for found, wanted in pairs(levels):
        np.testing.assert_allclose(found, np.broadcast_to(wanted, 49), rtol=1e-12)


def test_a_log_snr_an_image_and_masks_of_images_and_of_pixels():
    images = (4, 3, 3, 2)
    outputs, targets = RNG.normal(size=(2, *images)).astype(np.float32)
    levels = np.float32([-3, 0, 2, 5])
    loss = jl.velocity_prediction(jl.min_snr)
    objective = jl.Objective(loss, gamma=2.0)
    weight = np.asarray(jax.jit(loss.weight)(levels, gamma=2.0))
    square = weight[:, None, None, None] * (outputs - targets) ** 2
    for where in (np.arange(4) % 2 == 0, RNG.random((4, 3, 3)) > 0.5):
        wanted = square[where].mean()
        dirty = np.where(where.reshape(*where.shape, *[1] * (4 - where.ndim)), outputs, np.nan)
        assert float(objective((dirty, levels), targets, where=where)) == pytest.approx(
            wanted, 1e-5
        )
        plain = jl.Objective(jl.squared_error, reduction=jl.mean_by_count)
        found = plain(dirty, targets, where=where, weights=weight)
        assert float(found) == pytest.approx(wanted, 1e-5)
    hidden = np.where(np.arange(4) == 1, np.nan, levels)
    shown = lambda x: objective((x, hidden), targets, where=levels != 0)
    _, slope = jax.jit(jax.value_and_grad(shown))(outputs)
    assert np.isfinite(slope).all()


def test_shapes_are_checked():
    with pytest.raises(ValueError, match="min_snr: `log_snr` does not fit"):
        jl.min_snr(np.ones((4, 3)), np.ones(3), np.ones((4, 3)))
    with pytest.raises(ValueError, match="diffuse: `log_snr` has shape"):
        jl.diffuse(np.ones((4, 3)), np.ones((4, 3)), np.ones(3))
    with pytest.raises(ValueError, match="velocity: shapes are equal, never broadcast"):
        jl.velocity(np.ones((4, 3)), np.ones((4, 1)), np.ones(4))


def test_narrow_inputs_are_computed_in_single_precision():
    half, levels = np.ones((4, 3), jnp.bfloat16), np.ones(4, jnp.bfloat16)
    assert jax.jit(jl.diffuse)(half, half, levels).dtype == jnp.float32
    assert jax.jit(jl.flow)(half, half, levels).dtype == jnp.float32
    assert jax.jit(jl.min_snr.weight)(half).dtype == jnp.float32


@pytest.mark.parametrize("maker", OUTPUTS, ids=lambda maker: maker.__name__)
def test_makers(maker):
    made = maker(jl.min_snr)
    assert made is maker(jl.min_snr)
    assert pickle.loads(pickle.dumps(made)) is made
    assert (
        repr(made)
        == f"<loss {maker.__name__}(min_snr)(predictions, log_snr, targets, *, gamma=5.0)>"
    )
    for wrong in (made, jl.huber):
        with pytest.raises(TypeError, match="is a loss of predicted noise"):
            maker(wrong)
