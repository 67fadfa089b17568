"""The likelihood of learned robustness: its normaliser against mpmath, and what it learns."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import optax
import pytest
import scipy.stats

import jaxloss as jl
from jaxloss import training


@pytest.fixture
def double():
    with jax.enable_x64(True):
        yield


def mass(alpha):
    """The integral of exp(-rho) over the line."""
    a = mpmath.mpf(alpha)
    b = abs(a - 2)
    rho = lambda x: b / a * ((x**2 / b + 1) ** (a / 2) - 1)
    return 2 * mpmath.quad(lambda x: mpmath.exp(-rho(x)), [0, 1, 4, 20, 200, 1e4, mpmath.inf])


CLOSED = {0.0: np.pi * np.sqrt(2), 1.0: 2 * np.e * float(mpmath.besselk(1, 1))}


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.3, 1.9, 2.0])
def test_the_density_has_mass_one(alpha):
    expected = CLOSED.get(alpha) or (np.sqrt(2 * np.pi) if alpha == 2 else float(mass(alpha)))
    for scale in (0.3, 1.0, 4.0):
        found = float(jl.barron_nll(0.0, 0.0, alpha=alpha, scale=scale))
        assert found == pytest.approx(np.log(scale * expected), rel=1e-10, abs=1e-10)


@pytest.mark.usefixtures("double")
def test_the_ends_are_gaussian_and_cauchy():
    residuals = np.linspace(-8, 8, 33)
    zeros = np.zeros_like(residuals)
    gaussian = -scipy.stats.norm.logpdf(residuals, scale=1.7)
    np.testing.assert_allclose(
        jl.barron_nll(residuals, zeros, alpha=2.0, scale=1.7), gaussian, rtol=1e-10
    )
    ours = jl.gaussian_nll(residuals, np.full_like(zeros, 1.7**2), zeros) + np.log(2 * np.pi) / 2
    np.testing.assert_allclose(gaussian, ours, rtol=1e-10)
    cauchy = -scipy.stats.cauchy.logpdf(residuals, scale=1.7 * np.sqrt(2))
    np.testing.assert_allclose(
        jl.barron_nll(residuals, zeros, alpha=0.0, scale=1.7), cauchy, rtol=1e-10
    )


@pytest.mark.usefixtures("double")
def test_the_slope_in_the_residual_is_that_of_the_loss():
    slope = lambda loss, r: jax.grad(loss)(r, 0.0, alpha=0.7, scale=2.0)
    for residual in (0.1, -3.0, 40.0):
        assert slope(jl.barron_nll, residual) == slope(jl.barron, residual)


@pytest.mark.slow
@pytest.mark.parametrize(("tail", "alpha"), [("cauchy", (0.0, 0.4)), ("norm", (1.6, 2.0))])
def test_the_shape_of_the_noise_is_learned(tail, alpha):
    """Trained by Adam from the middle, with the constraints that the domains imply."""
    noise = getattr(scipy.stats, tail).rvs(scale=2.0, size=4000, random_state=0).astype(np.float32)
    objective = jl.Objective(jl.barron_nll, alpha=1.0, scale=1.0)
    optimizer = optax.adam(0.05)

    def value(params):
        learned = training.constrain(objective, params["objective"])
        return learned(jnp.full(noise.shape, params["centre"]), noise + 3)

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.grad(value)(params), state)
        return (optax.apply_updates(params, updates), state), None

    params = {"centre": jnp.zeros(()), "objective": training.unconstrain(objective)}
    run = jax.jit(lambda start: jax.lax.scan(step, start, length=1500)[0][0])
    found = run((params, optimizer.init(params)))
    learned = training.constrain(objective, found["objective"]).named["barron_nll"].traced
    assert alpha[0] <= float(learned["alpha"]) <= alpha[1]
    assert float(found["centre"]) == pytest.approx(3.0, abs=0.15)
    truth = -getattr(scipy.stats, tail).logpdf(noise, scale=2.0).mean()
    assert float(value(found)) == pytest.approx(truth, abs=0.03)


@pytest.mark.usefixtures("double")
def test_the_defaults_are_of_the_type_of_the_residual():
    with jax.numpy_dtype_promotion("strict"):
        assert jl.barron_nll(np.float64(0.5), np.float64(0)).dtype == np.float64
        assert jl.barron_nll(np.float32(0.5), np.float32(0)).dtype == np.float32
