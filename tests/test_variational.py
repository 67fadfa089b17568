"""Codes with a prior, beside mpmath and integrals; codes of a codebook; the objectives of both."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import jaxloss as jl

RNG = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


# Mean, log variance, and those of the prior; the value and the slopes: worked out by hand.
ORACLE = [
    ((0.0, 0.0, 0.0, 0.0), 0.0, (0, 0, 0, 0)),
    ((3.0, 0.0, 1.0, 0.0), 2.0, (2, 0, -2, -2)),
    ((0.0, math.log(4), 0.0, 0.0), 1.5 - math.log(2), (0, 1.5, 0, -1.5)),
    ((1.0, 0.0, 0.0, math.log(4)), math.log(2) - 0.25, (0.25, -0.375, -0.25, 0.25)),
    ((5.0, -1e4, 5.0, -1e4), 0.0, (0, 0, 0, 0)),
]

slopes_of_kl = jax.jit(jax.value_and_grad(jl.gaussian_kl, argnums=(0, 1, 2, 3)))


@pytest.mark.parametrize(("numbers", "value", "slopes"), ORACLE)
def test_worked_examples(numbers, value, slopes):
    found, gradient = slopes_of_kl(*map(jnp.asarray, numbers))
    assert float(found) == pytest.approx(value, rel=1e-14)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-14, atol=1e-15)


def exact(m, a, n, b):
    m, a, n, b = map(mpmath.mpf, (m, a, n, b))
    return (mpmath.exp(a - b) - 1 - (a - b) + (m - n) ** 2 * mpmath.exp(-b)) / 2


EXTREME = np.array(
    [
        (0.3, -0.7, -1.2, 0.4),
        (0, 1e-6, 0, 0),
        (1e-7, -1e-5, 0, 0),
        (2, 5 + 1e-4, 2, 5),
        (0, -1e4, 0, 0),
        (1e4, 20, -1e4, -20),
        (1e-25, -100, 0, -100),
        (1e15, 0, 0, 100),
    ],
    np.float32,
)


@pytest.mark.parametrize(("dtype", "accuracy"), [(np.float32, 5e-6), (np.float64, 1e-13)])
def test_accuracy_where_a_code_collapses_and_far_from_it(dtype, accuracy):
    points = EXTREME.astype(dtype)
    found = jl.gaussian_kl(*points.T)
    with mpmath.workdps(60):
        wanted = [float(exact(*map(float, row))) for row in points]
    assert found.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=accuracy)


def test_it_is_the_mean_surprise_under_the_prior_less_that_under_the_code():
    """By Gauss-Hermite quadrature, which is exact as both surprises are parabolas."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    for m, a, n, b in RNG.normal(size=(5, 4)):
        codes = m + math.exp(a / 2) * nodes
        lead = jl.gaussian_nll(np.full(3, n), math.exp(b), codes)
        lead -= jl.gaussian_nll(np.full(3, m), math.exp(a), codes)
        mean = float(np.sum(weights * lead) / weights.sum())
        assert float(jl.gaussian_kl(m, a, n, b)) == pytest.approx(mean, rel=1e-12)


def test_shared_priors_and_equal_variances():
    mean, log_variance = RNG.normal(size=(2, 6, 3))
    zeros = np.zeros((6, 3))
    standard = jl.gaussian_kl(mean, log_variance, 0.0, 0.0)
    np.testing.assert_allclose(standard, jl.gaussian_kl(mean, log_variance, zeros, zeros))
    by_axis = jl.gaussian_kl(mean, zeros[:, :1], zeros[:1], zeros[:1, :1])
    np.testing.assert_allclose(by_axis, jl.half_squared_error(mean, zeros), rtol=1e-14)
    with pytest.raises(ValueError, match="never broadcast"):
        jl.gaussian_kl(mean, log_variance, np.zeros(3), 0.0)


def test_the_curvature_at_an_exact_fit():
    value = lambda x: jl.gaussian_kl(x[0], x[1], 2.0, -1.0)
    bend = jax.jit(jax.hessian(value))(jnp.array([2.0, -1.0]))
    np.testing.assert_allclose(bend, [[math.e, 0], [0, 0.5]], atol=1e-15)


def test_a_point_has_infinite_cost():
    assert float(jl.gaussian_kl(0.0, -math.inf, 0.0, 0.0)) == math.inf


def test_the_evidence_lower_bound_of_a_linear_model():
    """x = z + noise, both of variance 1: at the posterior of z the bound is the evidence."""
    x = RNG.normal(size=(4, 3))
    mean, log_variance = jnp.asarray(x / 2), jnp.full((4, 3), -math.log(2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    surprise = jl.Objective(jl.half_squared_error, reduction=jl.mean_by_batch).at("x")
    information = jl.Objective(jl.gaussian_kl, reduction=jl.mean_by_batch).at("z")

    def negative_elbo(m, scale):
        """Averaged over the noise of the code by quadrature."""
        at = [
            (surprise + information)(
                {"x": m + node * jnp.exp(scale / 2), "z": (m, scale, 0.0)}, {"x": x, "z": 0.0}
            )
            for node in nodes
        ]
        return jnp.dot(jnp.asarray(weights / weights.sum()), jnp.stack(at)) + 3 * log_2pi

    log_2pi = math.log(2 * math.pi) / 2
    evidence = (x**2 / 4 + math.log(2) / 2 + log_2pi).sum(-1).mean()
    bound = jax.jit(jax.value_and_grad(negative_elbo, argnums=(0, 1)))
    value, slopes = bound(mean, log_variance)
    assert float(value) == pytest.approx(evidence, rel=1e-12)
    np.testing.assert_allclose(np.stack(slopes), 0, atol=1e-14)
    assert float(bound(mean + 0.1, log_variance)[0]) > evidence


def test_free_bits_are_a_reduction():
    clipped = lambda values, _: jnp.sum(jnp.maximum(jnp.mean(values, axis=0), 0.5))
    mean = np.array([[0.5, 2.0], [0.5, 0.0]])
    objective = jl.Objective(jl.gaussian_kl, reduction=clipped)
    derived = jax.value_and_grad(lambda m: objective((m, np.zeros((2, 2)), 0.0), 0.0))
    value, slope = jax.jit(derived)(mean)
    assert float(value) == 0.5 + 1.0
    np.testing.assert_array_equal(slope, [[0, 1], [0, 0]])


def test_nearest_codes():
    latents, codebook = RNG.normal(size=(2, 50, 4)), RNG.normal(size=(7, 4))
    nearest, distances = jax.jit(jl.nearest_code), latents[..., None, :] - codebook
    wanted = np.linalg.norm(distances, axis=-1).argmin(-1)
    np.testing.assert_array_equal(nearest(latents, codebook), wanted)
    assert int(nearest(np.zeros(1), np.array([[1.0], [-1.0]]))) == 0
    far = np.float32(1000) + np.array([[0.0], [0.25], [0.5]], np.float32)
    np.testing.assert_array_equal(nearest(far[::-1] + np.float32(0.0625), far), [2, 1, 0])
    for wrong in (codebook[0], codebook[:, :3]):
        with pytest.raises(ValueError, match="nearest_code"):
            jl.nearest_code(latents, wrong)


def test_straight_through_is_exact_and_passes_the_slope():
    given = np.float32([[1e-8, 1e8, -3.3], [0.1, 0.3, -0.7]])
    latents, codes = map(jnp.asarray, given)
    weight = np.float32([1.0, 2.0, 3.0])
    moved = lambda z, c: jnp.sum(weight * jl.straight_through(z, c))
    np.testing.assert_array_equal(jl.straight_through(latents, codes), codes)
    of_latents, of_codes = jax.jit(jax.grad(moved, argnums=(0, 1)))(latents, codes)
    np.testing.assert_array_equal(of_latents, weight)
    np.testing.assert_array_equal(of_codes, 0)
    assert np.isnan(jl.straight_through(jnp.array([jnp.nan]), codes[:1]))
    with pytest.raises(ValueError, match="shapes are equal"):
        jl.straight_through(latents, codes[0])


def test_the_objective_of_vector_quantisation():
    """Codes are pulled to their latents, latents to their codes, each by its own share."""
    still, error = jax.lax.stop_gradient, jl.Objective(jl.squared_error)
    quantisation = error.at("codebook") + 0.25 * error.at("commitment")

    def value(latents, codebook):
        codes = codebook[jl.nearest_code(latents, codebook)]
        targets = {"codebook": still(latents), "commitment": still(codes)}
        decoded = jnp.sum(jl.straight_through(latents, codes))
        return quantisation({"codebook": codes, "commitment": latents}, targets) + decoded

    latents, codebook = jnp.array([[0.5], [1.25]]), jnp.array([[1.0], [-5.0]])
    found, (of_latents, of_codebook) = jax.jit(jax.value_and_grad(value, (0, 1)))(latents, codebook)
    assert float(found) == pytest.approx(1.25 * (0.25 + 0.0625) / 2 + 2, rel=1e-14)
    np.testing.assert_allclose(of_latents, [[1 - 0.125], [1 + 0.0625]], rtol=1e-14)
    np.testing.assert_allclose(of_codebook, [[0.25], [0.0]], rtol=1e-14)
