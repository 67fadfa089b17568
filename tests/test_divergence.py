"""Values, slopes, edges, digits and identities of the divergences, and what peers compute."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.spatial.distance
import scipy.special
import scipy.stats

import jaxloss as jl

INF = math.inf
HALF = np.log([0.5, 0.5])
LOG_PROBABILITIES = {
    "kl": lambda p, t: jl.kl_divergence(p, np.exp(t)),
    "kl, log targets": jl.kl_divergence_with_log_targets,
    "reverse": lambda p, t: jl.reverse_kl(t, p),
}
every_kl = pytest.mark.parametrize("kl", LOG_PROBABILITIES.values(), ids=LOG_PROBABILITIES)

# Loss, prediction, target, value: each worked out by hand.
ORACLE = [
    (jl.kl_divergence, HALF, [1.0, 0.0], math.log(2)),
    (jl.kl_divergence, HALF, [0.5, 0.5], 0.0),
    (jl.kl_divergence, np.log([0.25, 0.75]), [0.75, 0.25], math.log(3) / 2),
    (jl.kl_divergence, [0.0, -INF], [0.5, 0.5], INF),
    (jl.kl_divergence, [0.0, -INF], [1.0, 0.0], 0.0),
    (jl.kl_divergence_with_log_targets, HALF, [0.0, -INF], math.log(2)),
    (jl.kl_divergence_with_log_targets, [0.0, -INF], HALF, INF),
    (jl.reverse_kl, [0.0, -INF], HALF, math.log(2)),
    (jl.reverse_kl, HALF, [0.0, -INF], INF),
    (jl.reverse_kl, np.log([0.25, 0.75]), np.log([0.75, 0.25]), math.log(3) / 2),
    (jl.jensen_shannon, [0.0, -INF], [0.0, 1.0], math.log(2)),
    (jl.jensen_shannon, [0.0, -INF], [0.5, 0.5], 0.75 * math.log(4 / 3)),
    (jl.jensen_shannon, HALF, [0.5, 0.5], 0.0),
    (jl.generalized_jensen_shannon, [0.0, -INF], [-INF, 0.0], math.log(2)),
    (jl.generalized_jensen_shannon, HALF, HALF, 0.0),
    (jl.generalized_jensen_shannon, [0.0, -INF], HALF, 0.75 * math.log(4 / 3)),
    (jl.cauchy_schwarz_divergence, [0.5, 0.5], [1.0, 0.0], math.log(2) / 2),
    (jl.cauchy_schwarz_divergence, [0.6, 0.4], [0.6, 0.4], 0.0),
    (jl.cauchy_schwarz_divergence, [1.0, 0.0], [0.0, 1.0], INF),
]


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def pairs(classes=5, count=8, apart=1.0, seed=0):
    """Logs of predictions and targets that differ by about a factor exp(apart)."""
    rng = np.random.default_rng(seed)
    targets = rng.normal(size=(count, classes)) * 2
    predictions = targets + rng.normal(size=(count, classes)) * apart
    return [x - np.logaddexp.reduce(x, axis=-1, keepdims=True) for x in (predictions, targets)]


@functools.cache
def slope(loss, argnums=0):
    return jax.jit(jax.grad(loss, argnums))


@pytest.mark.parametrize(("loss", "prediction", "target", "value"), ORACLE)
def test_worked_examples(loss, prediction, target, value):
    assert float(loss(prediction, target)) == pytest.approx(value, rel=1e-14, abs=1e-15)


def test_worked_slopes():
    """In the log of the prediction KL has the slope p - t, and the reverse p log(p / t)."""
    p, t = np.array([0.25, 0.75]), np.array([0.5, 0.5])
    in_log_p, in_t = slope(jl.kl_divergence, (0, 1))(np.log(p), t)
    np.testing.assert_allclose(in_log_p, p - t, rtol=1e-14)
    np.testing.assert_allclose(in_t, np.log(t / p))
    np.testing.assert_allclose(slope(jl.reverse_kl)(np.log(p), np.log(t)), p * np.log(p / t))
    halfway = p * np.log(2 * p / (p + t)) / 2
    np.testing.assert_allclose(slope(jl.jensen_shannon)(np.log(p), t), halfway, rtol=1e-12)
    pull = p / np.sum(p * p) - t / np.sum(p * t)
    np.testing.assert_allclose(slope(jl.cauchy_schwarz_divergence)(p, t), pull, rtol=1e-12)


@every_kl
def test_the_definition_holds(kl):
    predictions, targets = pairs()
    exact = scipy.stats.entropy(np.exp(targets), np.exp(predictions), axis=-1)
    np.testing.assert_allclose(kl(predictions, targets), exact, rtol=1e-12)


def test_kl_is_cross_entropy_less_entropy():
    logits, targets = np.random.default_rng(1).normal(size=(4, 6)), np.exp(pairs(6, 4)[1])
    found = jl.kl_divergence(scipy.special.log_softmax(logits, axis=-1), targets)
    entropy = scipy.stats.entropy(targets, axis=-1)
    expected = jl.softmax_cross_entropy(logits, targets) - entropy
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_kl_of_near_distributions_is_half_a_chi_square():
    predictions, targets = pairs(apart=1e-6)
    p, t = np.exp(predictions), np.exp(targets)
    chi_square = np.sum((p - t) ** 2 / t, axis=-1)
    np.testing.assert_allclose(jl.kl_divergence(predictions, t), chi_square / 2, rtol=1e-5)
    np.testing.assert_allclose(jl.jensen_shannon(predictions, t), chi_square / 8, rtol=1e-5)


def test_off_the_simplex_kl_is_the_generalised_divergence():
    p, t = np.array([0.2, 0.3, 0.1]), np.array([0.5, 0.25, 0.75])
    expected = np.sum(t * np.log(t / p) - t + p)
    assert float(jl.kl_divergence(np.log(p), t)) == pytest.approx(expected, rel=1e-14)
    peer = jax.jit(optax.losses.generalized_kl_divergence)(np.log(p), t)
    assert float(peer) == pytest.approx(expected, rel=1e-12)


def behind_a_softmax(logits, targets):
    return jl.kl_divergence(jax.nn.log_softmax(logits), targets)


def test_behind_a_softmax_the_slope_is_that_of_the_plain_sum_whatever_the_targets_sum_to():
    logits, targets = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.2, 0.3])
    found = slope(behind_a_softmax)(logits, targets)
    plain = targets.sum() * scipy.special.softmax(logits) - targets
    np.testing.assert_allclose(found, plain, rtol=1e-12)


# optax#1786
def test_no_target_mass_on_a_masked_class():
    logits, targets = np.array([-INF, 1.0, 2.0]), np.array([0.0, 0.4, 0.6])
    value, found = jax.jit(jax.value_and_grad(behind_a_softmax))(logits, targets)
    assert float(value) == pytest.approx(0.040250, abs=1e-6)
    np.testing.assert_allclose(found, scipy.special.softmax(logits) - targets, atol=1e-15)


# optax#1786
def test_log_targets_of_minus_infinity():
    predictions = scipy.special.log_softmax([0.5, 1.0, 2.0, -1.0])
    targets = np.array([0.0, 0.4, 0.6, 0.0])
    derived = jax.jit(jax.value_and_grad(jl.kl_divergence_with_log_targets, (0, 1)))
    value, slopes = derived(predictions, np.array([-INF, *np.log(targets[1:3]), -INF]))
    assert float(value) == pytest.approx(0.222170, abs=1e-6)
    assert float(jl.kl_divergence(predictions, targets)) == pytest.approx(float(value), rel=1e-14)
    assert np.isfinite(slopes).all()
    assert np.asarray(slopes[1])[[0, 3]].tolist() == [0, 0]


# optax#1786, pytorch#89558
def test_the_slope_in_a_target_of_zero_is_finite():
    """It is known up to what moves all targets at once, which leaves the simplex: here 1 less."""
    predictions = scipy.special.log_softmax([0.5, 1.0, 2.0, -1.0])
    targets = np.array([0.0, 0.4, 0.6, 0.0])
    found = np.asarray(slope(jl.kl_divergence, 1)(predictions, targets))
    np.testing.assert_allclose(found + 1, [0, 1.5788912, 0.9843563, 0], atol=1e-6)
    assert np.isfinite(slope(jl.jensen_shannon, 1)(predictions, targets)).all()


# speculators#788
def test_slopes_in_bfloat16_logits_of_near_equal_distributions():
    rng = np.random.default_rng(0)
    teacher = rng.normal(size=4096) * 2
    logits = (teacher + rng.normal(size=4096) * 0.02).astype(jnp.bfloat16)
    targets = scipy.special.softmax(teacher)
    found, exact = (
        np.asarray(slope(behind_a_softmax)(logits.astype(dtype), targets))
        for dtype in (np.float32, np.float64)
    )
    assert np.linalg.norm(found - exact) < 1e-4 * np.linalg.norm(exact)


@jax.jit
def of_near_distributions(predictions, targets, probabilities, masses):
    return (
        jl.kl_divergence_with_log_targets(predictions, targets),
        jl.reverse_kl(predictions, targets),
        jl.generalized_jensen_shannon(predictions, targets),
        jl.kl_divergence(predictions, masses),
        jl.jensen_shannon(predictions, masses),
        jl.cauchy_schwarz_divergence(probabilities, masses),
    )


@pytest.mark.parametrize("classes", [2, 10, 4096])
@pytest.mark.parametrize("apart", [3.0, 0.1, 1e-2, 1e-3])
def test_single_precision_keeps_the_digits_of_small_differences(classes, apart):
    kl = scipy.stats.entropy
    predictions, targets = (np.float32(x) for x in pairs(classes, 1, apart))
    given = [np.exp(np.float64(x)) for x in (predictions, targets)]
    narrow = [np.float32(x) for x in given]
    q, t, s = (x[0] / x.sum() for x in (*given, np.float64(narrow[1])))

    def halfway(left, right):
        return (kl(left, (left + right) / 2) + kl(right, (left + right) / 2)) / 2

    found = np.concatenate(of_near_distributions(predictions, targets, *narrow))
    cosine = q @ s / np.sqrt(q @ q * (s @ s))
    exact = [kl(t, q), kl(q, t), halfway(q, t), kl(s, q), halfway(q, s), -np.log(cosine)]
    in_a_row = 1e-6 + 1e-9 * classes  # by the narrower CPUs, whose sums have longer rows
    machine_epsilon = 2e-6 + 2e-6 / apart  # of the float32 masses, relative to their difference
    accuracy = np.array([1e-6, 1e-6, in_a_row, machine_epsilon, machine_epsilon, machine_epsilon])
    assert found.dtype == np.float32
    np.testing.assert_array_less(np.abs(found - exact), np.maximum(accuracy * exact, 1e-13))


@every_kl
def test_in_single_precision_no_divergence_is_negative(kl):
    for apart in (0.0, 1e-7, 1e-5, 1e-3):
        predictions, targets = (np.float32(x) for x in pairs(50, 200, apart))
        assert np.min(kl(predictions, targets)) >= 0
        assert np.min(jl.jensen_shannon(predictions, np.exp(targets))) >= 0
    np.testing.assert_array_equal(jl.kl_divergence_with_log_targets(targets, targets), 0)


@every_kl
def test_masses_beyond_the_reach_of_single_precision(kl):
    sure = np.float32([[0.0, -1e4], [-1e4, 0.0], [0.0, -200.0]])
    other = np.float32([[-1e4, 0.0], [-1e4, 0.0], [-200.0, 0.0]])
    value, slopes = jax.jit(lambda p: (kl(p, other), jax.jacobian(kl)(p, other)))(sure)
    np.testing.assert_allclose(value, [1e4, 0, 200], rtol=1e-6)
    assert np.isfinite(slopes).all()


def test_jensen_shannon_is_the_square_of_scipys_distance_and_symmetric():
    predictions, targets = pairs()
    p, t = np.exp(predictions), np.exp(targets)
    exact = scipy.spatial.distance.jensenshannon(p, t, axis=-1) ** 2
    np.testing.assert_allclose(jl.jensen_shannon(predictions, t), exact, rtol=1e-10)
    np.testing.assert_allclose(jl.jensen_shannon(targets, p), exact, rtol=1e-10)


@pytest.mark.parametrize("mixture", [0.1, 0.5, 0.9])
def test_the_generalised_form_is_its_definition(mixture):
    predictions, targets = pairs(apart=4.0)
    predictions[0, 1] = targets[0, 1] = targets[1, 2] = predictions[2, 3] = -INF
    p, t = np.exp(predictions), np.exp(targets)
    middle = mixture * t + (1 - mixture) * p

    def relative(x):
        return np.sum(scipy.special.rel_entr(x, middle) - x + middle, axis=-1)

    exact = mixture * relative(t) + (1 - mixture) * relative(p)
    found = jl.generalized_jensen_shannon(predictions, targets, mixture=mixture)
    np.testing.assert_allclose(found, exact, rtol=1e-12)
    swapped = jl.generalized_jensen_shannon(targets, predictions, mixture=1 - mixture)
    np.testing.assert_allclose(swapped, exact, rtol=1e-12)
    bound = jl.generalized_jensen_shannon.facts.supremum(mixture)
    assert float(
        jl.generalized_jensen_shannon([0.0, -INF], [-INF, 0.0], mixture=mixture)
    ) == pytest.approx(bound, rel=1e-15)


def test_limits_of_the_mixture():
    predictions, targets = pairs()
    halfway = jl.generalized_jensen_shannon(predictions, targets)
    np.testing.assert_allclose(halfway, jl.jensen_shannon(predictions, np.exp(targets)), rtol=1e-12)
    forward = jl.generalized_jensen_shannon(predictions, targets, mixture=1e-9)
    kl = np.asarray(jl.kl_divergence_with_log_targets(predictions, targets))
    np.testing.assert_allclose(forward, 1e-9 * kl, rtol=1e-6)
    backward = jl.generalized_jensen_shannon(predictions, targets, mixture=1 - 1e-9)
    reverse = np.asarray(jl.reverse_kl(predictions, targets))
    np.testing.assert_allclose(backward, 1e-9 * reverse, rtol=1e-6)
    near = pairs(apart=1e-6)
    small = jl.generalized_jensen_shannon(*near, mixture=0.2)
    half_square = np.asarray(jl.kl_divergence_with_log_targets(*near))
    np.testing.assert_allclose(small, 0.2 * 0.8 * half_square, rtol=1e-5)


def test_slopes_of_the_generalised_form():
    """In log p it is (1 - β) p log(p / m); where p = t, of curvature β (1 - β) p."""
    (p, *_), (t, *_) = pairs()
    middle = np.log(0.3 * np.exp(t) + 0.7 * np.exp(p))
    found = slope(jl.generalized_jensen_shannon)(p, t, mixture=0.3)
    np.testing.assert_allclose(found, 0.7 * np.exp(p) * (p - middle), rtol=1e-9, atol=1e-14)
    curvature = jax.jit(jax.hessian(jl.generalized_jensen_shannon))(t, t, mixture=0.3)
    np.testing.assert_allclose(curvature, np.diag(0.21 * np.exp(t)), atol=1e-14)


def test_the_root_of_jensen_shannon_is_a_metric():
    a, b, c = pairs()[0], pairs()[1], pairs(seed=5)[0]

    def distance(x, y):
        return np.sqrt(jl.jensen_shannon(x, np.exp(y)))

    assert np.all(distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12)


def test_jensen_shannon_is_log_2_exactly_where_supports_are_apart():
    predictions = np.log([[0.25, 0.75, 1e-320, 1e-320]])
    predictions[..., 2:] = -INF
    targets = np.array([[0.0, 0.0, 0.5, 0.5]])
    assert float(jl.jensen_shannon(predictions, targets)[0]) == pytest.approx(
        math.log(2), rel=1e-15
    )
    assert jl.jensen_shannon.facts.supremum == math.log(2)


def test_cauchy_schwarz_is_minus_the_log_of_the_cosine():
    p, t = (np.exp(x) for x in pairs())
    found = jl.cauchy_schwarz_divergence(p, t)
    cosine_distance = np.asarray(jl.cosine_distance(p, t))
    np.testing.assert_allclose(found, -np.log1p(-cosine_distance), rtol=1e-10)
    np.testing.assert_allclose(jl.cauchy_schwarz_divergence(3 * p, t), found, rtol=1e-12)


def test_cauchy_schwarz_of_a_softmax_and_a_label():
    logits, labels = np.random.default_rng(2).normal(size=(5, 4)) * 2, np.arange(5) % 4
    found = jl.cauchy_schwarz_divergence(scipy.special.softmax(logits, axis=-1), np.eye(4)[labels])
    np.testing.assert_allclose(found, jl.cauchy_schwarz(logits, labels), rtol=1e-10)
    doubled = jl.softmax_cross_entropy_with_integer_labels(2 * logits, labels)
    np.testing.assert_allclose(2 * np.asarray(found), doubled, rtol=1e-10)


def test_cauchy_schwarz_of_disjoint_supports_has_no_nan_slope():
    p, t = np.array([0.4, 0.6, 0.0]), np.array([0.0, 0.0, 1.0])
    value, slopes = jax.jit(jax.value_and_grad(jl.cauchy_schwarz_divergence, (0, 1)))(p, t)
    assert float(value) == INF
    np.testing.assert_array_equal(slopes, 0)


@pytest.mark.parametrize("quality", ["distribution", "square root of the distribution", None])
def test_what_the_best_prediction_is_for_labels_drawn_from_a_distribution(quality):
    """The slope behind a softmax vanishes at what is elicited; Jensen-Shannon sharpens instead."""
    q = np.array([0.5, 0.3, 0.2])
    losses = {
        "distribution": jl.kl_divergence,
        "square root of the distribution": lambda s, t: jl.cauchy_schwarz_divergence(jnp.exp(s), t),
        None: jl.jensen_shannon,
    }

    def risk(z):
        return jnp.dot(q, losses[quality](jnp.tile(jax.nn.log_softmax(z), (3, 1)), jnp.eye(3)))

    if quality:
        best = q if quality == "distribution" else np.sqrt(q)
        np.testing.assert_allclose(slope(risk)(np.log(best)), 0, atol=1e-12)
    else:
        pull = slope(risk)(np.log(q)).tolist()
        assert pull[0] < 0 < pull[2]


def test_convexity_in_the_log_probabilities():
    left, right = pairs(count=400, apart=3.0)
    target = np.broadcast_to(pairs(seed=9)[1][:1], left.shape)

    def sag(loss, t):
        *ends, middle = (np.asarray(loss(x, t)) for x in (left, right, (left + right) / 2))
        return sum(ends) / 2 - middle

    assert sag(jl.kl_divergence, np.exp(target)).min() >= 0
    assert sag(jl.kl_divergence_with_log_targets, target).min() >= 0
    assert sag(jl.reverse_kl, target).min() < 0
    assert sag(jl.jensen_shannon, np.exp(target)).min() < 0


def test_cauchy_schwarz_is_not_convex_near_a_wrong_corner():
    left, right = np.array([[0.988, 0.01, 0.001, 0.001], [0.952, 0.01, 0.019, 0.019]])
    points = np.stack([left, right, (left + right) / 2])
    wanted = np.tile([0.0, 1.0, 0.0, 0.0], (3, 1))
    *ends, middle = jl.cauchy_schwarz_divergence(points, wanted).tolist()
    assert sum(ends) / 2 < middle


def test_peers_agree():
    predictions, targets = pairs()
    found = jl.kl_divergence(predictions, np.exp(targets))
    np.testing.assert_allclose(
        found, optax.losses.kl_divergence(predictions, np.exp(targets)), rtol=1e-10
    )
    peer = optax.losses.kl_divergence_with_log_targets(predictions, targets)
    np.testing.assert_allclose(
        jl.kl_divergence_with_log_targets(predictions, targets), peer, rtol=1e-10
    )
