"""Losses that bear wrong labels: hand-derived values, identities, extremes."""

import copy
import functools
import pickle
from math import inf, log

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
RNG = np.random.default_rng(4)
LOGITS = RNG.normal(size=(64, 4)).astype(np.float32) * 3
LABELS = RNG.integers(0, 4, 64).astype(np.int32)

close = functools.partial(np.testing.assert_allclose, rtol=5e-6, atol=1e-6)


@functools.cache
def differentiated(loss):
    """Value, and gradient in logits and hyper-parameters, summed over examples."""
    summed = lambda logits, hyper, labels: jnp.sum(loss(logits, labels, **hyper))
    return jax.jit(jax.value_and_grad(summed, argnums=(0, 1)))


QUARTERS = [0, log(3)]  # probabilities 1/4 and 3/4; the label is the first

ORACLE = [
    (jl.generalized_cross_entropy, {"q": 0.5}, 1, 3 / 8, {"q": log(4) - 2}),
    (jl.generalized_cross_entropy, {"q": 1.0}, 3 / 4, 3 / 16, {"q": log(4) / 4 - 3 / 4}),
    (jl.generalized_cross_entropy, {"q": 0.0}, log(4), 3 / 4, {"q": -(log(4) ** 2) / 2}),
    (
        jl.symmetric_cross_entropy,
        {"alpha": 0.1, "beta": 1.0, "ceiling": 4.0},
        log(4) / 10 + 3,
        33 / 40,
        {"alpha": log(4), "beta": 3, "ceiling": 3 / 4},
    ),
    (jl.taylor_cross_entropy(1), {}, 3 / 4, 3 / 16, {}),
    (jl.taylor_cross_entropy(2), {}, 33 / 32, 21 / 64, {}),
    (jl.taylor_cross_entropy(3), {}, 75 / 64, 111 / 256, {}),
]


@pytest.mark.parametrize(("loss", "hyper", "value", "slope", "hyper_slopes"), ORACLE)
def test_value_and_gradient(loss, hyper, value, slope, hyper_slopes):
    with jax.enable_x64(True):
        logits = np.asarray(QUARTERS, np.float64)
        found, (gradient, of_hyper) = differentiated(loss)(logits, hyper, 0)
        assert float(found) == pytest.approx(value, rel=1e-13)
        np.testing.assert_allclose(gradient, [-slope, slope], rtol=1e-13)
        assert jax.tree.map(float, of_hyper) == pytest.approx(hyper_slopes, rel=1e-12)


# Each as in its definition, of the probability of the label, at its defaults.
DEFINITIONS = {
    jl.generalized_cross_entropy: lambda p: (1 - p ** mpmath.mpf(0.7)) / mpmath.mpf(0.7),
    jl.symmetric_cross_entropy: lambda p: -mpmath.log(p) * mpmath.mpf(0.1) + 4 * (1 - p),
    jl.taylor_cross_entropy(3): lambda p: (1 - p) + (1 - p) ** 2 / 2 + (1 - p) ** 3 / 3,
}
every_loss = pytest.mark.parametrize("loss", DEFINITIONS, ids=lambda loss: loss.__name__)


@every_loss
@pytest.mark.parametrize("gap", [-30, -12, -1e-3, 1e-3, 12, 80])
def test_digits_survive_in_value_and_gradient(loss, gap):
    gap = np.float32(gap)
    with mpmath.workdps(80):
        value = lambda x: DEFINITIONS[loss](1 / (1 + mpmath.exp(x)))
        at = mpmath.mpf(float(gap))
        expected, slope = value(at), mpmath.diff(value, at)
    found, (gradient, _) = differentiated(loss)(np.float32([0, gap]), {}, 0)
    assert float(found) == pytest.approx(float(expected), rel=3e-6)
    np.testing.assert_allclose(gradient, [-float(slope), float(slope)], rtol=2e-5)


@pytest.mark.parametrize("q", [0.0, 1e-30, 1e-8, 1e-3, 0.04, 0.3])
def test_generalized_cross_entropy_is_exact_for_every_q(q):
    """In value and in the slope of q, where the plain quotient loses all digits."""
    q = np.float32(q)
    logits = np.float32([0, 3])
    surprise = float(CE(logits, 0))
    with mpmath.workdps(60):
        n, power = mpmath.mpf(surprise), mpmath.mpf(float(q)) + mpmath.mpf(10) ** -25
        expected = (1 - mpmath.exp(-power * n)) / power
        slope = (mpmath.exp(-power * n) * (1 + power * n) - 1) / power**2
    found, (_, of_hyper) = differentiated(jl.generalized_cross_entropy)(logits, {"q": q}, 0)
    assert float(found) == pytest.approx(float(expected), rel=2e-6)
    assert float(of_hyper["q"]) == pytest.approx(float(slope), rel=1e-5)


def test_generalized_cross_entropy_at_its_ends():
    close(jl.generalized_cross_entropy(LOGITS, LABELS, q=0.0), CE(LOGITS, LABELS))
    close(jl.generalized_cross_entropy(LOGITS, LABELS, q=1.0), jl.chebyshev(LOGITS, LABELS))
    power = -np.expm1(-0.3 * CE(LOGITS, LABELS)) / 0.3
    close(jl.generalized_cross_entropy(LOGITS, LABELS, q=0.3), power)


def test_symmetric_cross_entropy_in_terms_of_others():
    loss = jl.symmetric_cross_entropy
    mistake = jl.chebyshev(LOGITS, LABELS)
    close(loss(LOGITS, LABELS, alpha=0.3, beta=0.0), 0.3 * CE(LOGITS, LABELS))
    close(loss(LOGITS, LABELS, alpha=0.0, beta=0.5), 2 * mistake)
    close(loss(LOGITS, LABELS), CE(LOGITS, LABELS) / 10 + 4 * mistake)
    poly = jl.poly1_cross_entropy(LOGITS, LABELS, epsilon=1.5)
    close(loss(LOGITS, LABELS, alpha=1.0, beta=0.5, ceiling=3.0), poly)


def test_taylor_cross_entropy_at_its_ends():
    np.testing.assert_array_equal(
        jl.taylor_cross_entropy(1)(LOGITS, LABELS), jl.chebyshev(LOGITS, LABELS)
    )
    gentle = LOGITS / 30
    close(jl.taylor_cross_entropy(60)(gentle, LABELS), CE(gentle, LABELS))


def test_taylor_cross_entropy_is_made_once():
    second = jl.taylor_cross_entropy()
    assert second is jl.taylor_cross_entropy(2) is jl.taylor_cross_entropy(order=np.int64(2))
    assert copy.deepcopy(second) is second is pickle.loads(pickle.dumps(second))
    assert repr(second) == "<loss taylor_cross_entropy(2)(logits, labels)>"


def test_taylor_cross_entropy_refuses_what_is_no_order():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        jl.taylor_cross_entropy(0)
    with pytest.raises(TypeError):
        jl.taylor_cross_entropy(1.5)


@pytest.mark.parametrize(
    ("loss", "worst"),
    [(jl.generalized_cross_entropy, 1 / 0.7), (jl.taylor_cross_entropy(3), 11 / 6)],
)
def test_a_masked_label_costs_the_supremum_with_no_slope(loss, worst):
    value, (gradient, _) = differentiated(loss)(np.float32([-inf, 3]), {}, 0)
    assert float(value) == pytest.approx(worst, rel=1e-6)
    assert loss.facts.at(q=0.7)["supremum"] == pytest.approx(worst)
    np.testing.assert_array_equal(gradient, 0)


def test_a_masked_label_is_infinitely_wrong_while_cross_entropy_has_a_share():
    logits = np.float32([-inf, 3])
    assert float(jl.symmetric_cross_entropy(logits, 0)) == inf
    assert float(jl.symmetric_cross_entropy(logits, 0, alpha=0.0)) == 4
    assert float(jl.generalized_cross_entropy(logits, 0, q=0.0)) == inf


@every_loss
def test_masked_classes_are_not_there(loss):
    masked = np.insert(LOGITS, 1, -np.inf, axis=-1)
    close(loss(masked, LABELS + (LABELS > 0)), loss(LOGITS, LABELS))


def test_lipschitz_constants_are_the_steepest_slopes():
    """√2 times the largest slope in the log-odds, on a grid of p."""
    p = np.linspace(1e-6, 1 - 1e-6, 200001)
    steepest = lambda slope: pytest.approx(np.sqrt(2) * np.max(slope), rel=1e-5)
    assert jl.generalized_cross_entropy.facts.lipschitz(0.7) == steepest(p**0.7 * (1 - p))
    assert jl.taylor_cross_entropy(2).facts.lipschitz == steepest((1 - p) * (1 - (1 - p) ** 2))
    symmetric = jl.symmetric_cross_entropy.facts.lipschitz(0.1, 1.0, 4.0)
    assert symmetric == steepest(0.1 * (1 - p) + 4 * p * (1 - p))
