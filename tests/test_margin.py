"""Values, slopes and identities of the margin-based losses, and what peers compute."""

import math

import jax
import mpmath
import numpy as np
import optax
import pytest
import scipy.special
import sklearn.linear_model
from derivatives import value_and_slope

import jaxloss as jl

ALL = [
    jl.hinge,
    jl.squared_hinge,
    jl.cubed_hinge,
    jl.smoothed_hinge,
    jl.modified_huber,
    jl.perceptron,
    jl.logistic,
    jl.exponential,
    jl.dwd,
    jl.squared_margin,
    jl.unhinged,
    jl.ramp,
    jl.sigmoid_margin,
    jl.savage,
    jl.tangent,
]
MARGINS = np.linspace(-3, 3, 25)
NATURAL = math.e

# Loss, margin, hyper-parameters, value, slope: each worked out by hand.
ORACLE = [
    (jl.hinge, -2.0, {}, 3.0, -1.0),
    (jl.hinge, 0.5, {"margin": 2.0}, 1.5, -1.0),
    (jl.hinge, 1.5, {}, 0.0, 0.0),
    (jl.squared_hinge, -1.0, {"margin": 2.0}, 9.0, -6.0),
    (jl.squared_hinge, 3.0, {"margin": 2.0}, 0.0, 0.0),
    (jl.cubed_hinge, -1.0, {}, 8.0, -12.0),
    (jl.cubed_hinge, 0.5, {"margin": 1.5}, 1.0, -3.0),
    (jl.smoothed_hinge, -2.0, {}, 2.5, -1.0),
    (jl.smoothed_hinge, 0.25, {}, 0.28125, -0.75),
    (jl.smoothed_hinge, 2.0, {}, 0.0, 0.0),
    (jl.modified_huber, -3.0, {}, 12.0, -4.0),
    (jl.modified_huber, -0.5, {}, 2.25, -3.0),
    (jl.modified_huber, 1.5, {}, 0.0, 0.0),
    (jl.perceptron, -2.0, {}, 2.0, -1.0),
    (jl.perceptron, 0.5, {}, 0.0, 0.0),
    (jl.logistic, 0.0, {}, math.log(2), -0.5),
    (jl.logistic, math.log(3), {}, math.log(4 / 3), -0.25),
    (jl.exponential, -1.0, {}, NATURAL, -NATURAL),
    (jl.dwd, -1.0, {}, 2.0, -1.0),
    (jl.dwd, 2.0, {}, 0.125, -0.0625),
    (jl.dwd, 1.0, {"q": 2.0}, 4 / 27, -8 / 27),
    (jl.squared_margin, 3.0, {}, 4.0, 4.0),
    (jl.unhinged, 3.0, {}, -2.0, -1.0),
    (jl.ramp, 0.5, {}, 0.25, -0.5),
    (jl.ramp, -2.0, {}, 1.0, 0.0),
    (jl.ramp, 2.0, {}, 0.0, 0.0),
    (jl.sigmoid_margin, math.log(3), {}, 0.25, -0.1875),
    (jl.savage, math.log(3), {}, 0.0625, -0.09375),
    (jl.tangent, 0.0, {}, 1.0, -4.0),
    (jl.tangent, -1.0, {}, (math.pi / 2 + 1) ** 2, -2 * (math.pi / 2 + 1)),
]


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize(("loss", "m", "hyper", "value", "slope"), ORACLE)
def test_worked_examples(loss, m, hyper, value, slope):
    found = value_and_slope(loss)(m, 1, **hyper)
    np.testing.assert_allclose(found, (value, slope), rtol=1e-14, atol=1e-15)
    mirrored = value_and_slope(loss)(-m, -1, **hyper)
    np.testing.assert_allclose(mirrored, (value, -slope), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("loss", ALL, ids=lambda loss: loss.__name__)
def test_labels_may_be_truths_zeros_and_ones_or_signs(loss):
    scores = np.array([-1.5, -0.3, 0.4, 2.0])
    truths = np.array([True, False, True, False])
    signs = np.where(truths, 1, -1)
    psi = lambda margins: loss.psi(margins, **defaults(loss))
    values = jax.jit(lambda *kinds: (psi(scores * signs), [loss(scores, kind) for kind in kinds]))
    expected, found = values(truths, truths.astype(int), signs, np.where(truths, 1.0, -1.0))
    for value in found:
        np.testing.assert_allclose(value, expected, rtol=1e-15)


def defaults(loss):
    return {name: item.default for name, item in loss.signature.hyperparameters.items()}


def right(loss, **hyper):
    """The loss as a function of the margin."""
    return lambda m: np.asarray(loss(np.asarray(m), np.ones(np.shape(m), int), **hyper))


def close(left, other):
    np.testing.assert_allclose(left, other, rtol=1e-12, atol=1e-14)


def test_the_hinges_are_powers_of_one_shortfall():
    shortfall = right(jl.hinge, margin=1.5)(MARGINS)
    close(right(jl.squared_hinge, margin=1.5)(MARGINS), shortfall**2)
    close(right(jl.cubed_hinge, margin=1.5)(MARGINS), shortfall**3)
    close(shortfall, 1.5 * right(jl.hinge)(MARGINS / 1.5))


def test_the_hinge_meets_the_perceptron_and_the_unhinged_loss():
    close(right(jl.hinge, margin=1e-15)(MARGINS), right(jl.perceptron)(MARGINS))
    inside = MARGINS[MARGINS <= 1.5]
    close(right(jl.hinge, margin=1.5)(inside), right(jl.unhinged)(inside) + 0.5)


def test_the_squared_hinge_is_modified_huber_or_least_squares_where_it_should_be():
    above, below = MARGINS[MARGINS >= -1], MARGINS[MARGINS <= 1]
    close(right(jl.squared_hinge)(above), right(jl.modified_huber)(above))
    close(right(jl.squared_hinge)(below), right(jl.squared_margin)(below))


def test_the_rounded_hinges_are_huber_of_the_shortfall():
    shortfall, huber = np.maximum(1 - MARGINS, 0), jax.jit(jl.huber.rho)
    close(right(jl.smoothed_hinge)(MARGINS), huber(shortfall, delta=1.0))
    close(right(jl.modified_huber)(MARGINS), 2 * np.asarray(huber(shortfall, delta=2.0)))
    wrong = MARGINS[MARGINS <= 0]
    close(right(jl.smoothed_hinge)(wrong), right(jl.hinge)(wrong) - 0.5)


@pytest.mark.parametrize("loss", [jl.perceptron, jl.logistic], ids=lambda loss: loss.__name__)
def test_exchanging_the_labels_changes_the_loss_by_the_score(loss):
    close(right(loss)(MARGINS) - right(loss)(-MARGINS), -MARGINS)


def test_logistic_is_the_binary_cross_entropy_and_hardens_into_the_perceptron():
    truths = MARGINS > 0.7
    close(jl.logistic(MARGINS, truths), jl.sigmoid_binary_cross_entropy(MARGINS, truths * 1.0))
    close(right(jl.logistic)(MARGINS * 1e15) / 1e15, right(jl.perceptron)(MARGINS))


def test_exponential_is_logistic_in_other_units():
    close(right(jl.exponential)(MARGINS) * right(jl.exponential)(-MARGINS), 1)
    close(right(jl.exponential)(MARGINS), np.expm1(right(jl.logistic)(MARGINS)))
    links = jl.exponential.facts.link, jl.logistic.facts.link
    close(links[0](MARGINS), links[1](2 * MARGINS))


slopes_of_dwd = jax.jit(jax.vmap(jax.grad(lambda m, q: jl.dwd.psi(m, q=q)), in_axes=(0, None)))


@pytest.mark.parametrize("q", [0.3, 1.0, 4.0])
def test_dwd_is_smooth_at_its_joint_and_straight_before(q):
    joint = q / (q + 1)
    around = np.array([joint * (1 - 1e-9), joint, joint * (1 + 1e-9)])
    np.testing.assert_allclose(slopes_of_dwd(around, q), -1, rtol=1e-7)
    before = MARGINS[joint >= MARGINS]
    close(right(jl.dwd, q=q)(before), right(jl.unhinged)(before))


def test_dwd_with_a_high_power_is_the_hinge():
    np.testing.assert_allclose(right(jl.dwd, q=1e7)(MARGINS), right(jl.hinge)(MARGINS), atol=1e-6)


def test_dwd_learns_its_power_where_the_tail_is():
    slope = jax.jit(jax.grad(lambda q, score: jl.dwd(score, 1, q=q)))
    step = 1e-6
    ahead, behind = (float(jl.dwd(2.0, 1, q=1.0 + s)) for s in (step, -step))
    assert float(slope(1.0, 2.0)) == pytest.approx((ahead - behind) / (2 * step), rel=1e-8)
    assert float(slope(1.0, -2.0)) == pytest.approx(0, abs=1e-15)


def test_squared_margin_is_least_squares_on_signs():
    signs = np.where(MARGINS > 0.7, 1, -1)
    close(jl.squared_margin(MARGINS, signs), (MARGINS - signs) ** 2)
    close(right(jl.squared_margin)(MARGINS), right(jl.unhinged)(MARGINS) ** 2)


@pytest.mark.parametrize(
    ("loss", "constant"),
    [(jl.ramp, 1), (jl.sigmoid_margin, 1), (jl.unhinged, 2)],
    ids=["ramp", "sigmoid_margin", "unhinged"],
)
def test_losses_that_label_noise_does_not_bias(loss, constant):
    values, flipped = right(loss)(MARGINS), right(loss)(-MARGINS)
    close(values + flipped, constant)
    noise = 0.2
    close((1 - noise) * values + noise * flipped, (1 - 2 * noise) * values + noise * constant)


def test_ramp_is_half_a_hinge_less_a_perceptron():
    close(
        right(jl.ramp)(MARGINS), (right(jl.hinge)(MARGINS) - right(jl.perceptron)(MARGINS + 1)) / 2
    )


def test_sigmoid_is_the_chance_of_the_other_label_and_counts_mistakes():
    close(right(jl.sigmoid_margin)(MARGINS), -np.expm1(-right(jl.logistic)(MARGINS)))
    off_zero = MARGINS[MARGINS != 0]
    close(right(jl.sigmoid_margin)(off_zero * 1e4), off_zero < 0)


def test_savage_is_the_squared_error_of_the_probability():
    truths = MARGINS > 0.7
    probabilities = scipy.special.expit(MARGINS)
    close(jl.savage(MARGINS, truths), (probabilities - truths) ** 2)
    close(right(jl.savage)(MARGINS), right(jl.sigmoid_margin)(MARGINS) ** 2)
    logits = np.stack([np.zeros_like(MARGINS), MARGINS], axis=-1)
    close(2 * jl.savage(MARGINS, truths), jl.brier(logits, truths.astype(int)))


def test_tangent_is_least_squares_of_an_angle_and_bounded_on_both_sides():
    close(right(jl.tangent)(MARGINS), right(jl.squared_margin)(2 * np.arctan(MARGINS)))
    assert right(jl.tangent)(math.tan(0.5)) == pytest.approx(0, abs=1e-30)
    assert right(jl.tangent)(-1e12) == pytest.approx((math.pi + 1) ** 2, rel=1e-10)
    assert right(jl.tangent)(1e12) == pytest.approx((math.pi - 1) ** 2, rel=1e-10)


def test_bounded_losses_reach_their_bound():
    for loss in (jl.ramp, jl.sigmoid_margin, jl.savage, jl.tangent):
        assert right(loss)(-1e12) == pytest.approx(loss.facts.supremum, rel=1e-10)


@pytest.mark.parametrize("margin", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("loss", [jl.squared_hinge, jl.cubed_hinge], ids=lambda loss: loss.__name__)
def test_links_scale_with_the_margin(loss, margin):
    for chance in (0.05, 0.3, 0.5, 0.8):
        odds = (chance / (1 - chance)) ** (1 if loss is jl.squared_hinge else 0.5)
        best = margin * (odds - 1) / (odds + 1)
        assert float(loss.facts.link(best, margin=margin)) == pytest.approx(chance, rel=1e-12)
        assert risk_slope(loss, best, chance, margin=margin) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("q", [0.5, 1.0, 3.0])
def test_the_link_of_dwd_is_flat_between_the_joints(q):
    joint = q / (q + 1)
    link = jax.jit(jl.dwd.facts.link)
    close(link(np.array([-joint, -joint / 2, 0, joint]), q=q), 0.5)
    for chance in (0.1, 0.45, 0.7):
        odds = max(chance, 1 - chance) / min(chance, 1 - chance)
        best = math.copysign(joint * odds ** (1 / (q + 1)), chance - 0.5)
        assert float(link(best, q=q)) == pytest.approx(chance, rel=1e-12)
        assert risk_slope(jl.dwd, best, chance, q=q) == pytest.approx(0, abs=1e-12)


def risk_slope(loss, score, chance, **hyper):
    """Slope of the expected loss where the class +1 has this chance."""

    slopes = (float(value_and_slope(loss)(score, label, **hyper)[1]) for label in (1, 0))
    return np.dot([chance, 1 - chance], list(slopes))


def test_peers_agree():
    scores, signs = MARGINS, np.where(np.arange(MARGINS.size) % 3 > 0, 1, -1)
    close(jl.hinge(scores, signs), jax.jit(optax.losses.hinge_loss)(scores, signs))
    close(jl.perceptron(scores, signs), jax.jit(optax.losses.perceptron_loss)(scores, signs))
    cross_entropy = jax.jit(optax.losses.sigmoid_binary_cross_entropy)
    close(jl.logistic(scores, signs), cross_entropy(scores, (signs > 0).astype(float)))


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("hinge", jl.hinge),
        ("squared_hinge", jl.squared_hinge),
        ("modified_huber", jl.modified_huber),
        ("perceptron", jl.perceptron),
        ("log_loss", jl.logistic),
    ],
)
def test_one_step_of_scikit_learn_is_one_step_down_our_gradient(name, loss):
    """SGDClassifier without intercept or penalty moves its weight by the negative slope."""
    for score in (-2.5, -0.75, 0.4, 1.7):
        model = sklearn.linear_model.SGDClassifier(
            loss=name, penalty=None, fit_intercept=False, learning_rate="constant", eta0=1.0
        )
        model.partial_fit([[0.0]], [1], classes=[-1, 1])
        model.coef_ = np.array([[score]])
        model.partial_fit([[1.0]], [1])
        _, slope = value_and_slope(loss)(score, 1)
        assert score - model.coef_[0, 0] == pytest.approx(float(slope), rel=1e-6, abs=1e-9)


EXACT = {
    "logistic": lambda m: mpmath.log1p(mpmath.exp(-m)),
    "exponential": lambda m: mpmath.exp(-m),
    "sigmoid_margin": lambda m: 1 / (1 + mpmath.exp(m)),
    "savage": lambda m: (1 + mpmath.exp(m)) ** -2,
    "tangent": lambda m: (2 * mpmath.atan(m) - 1) ** 2,
    "dwd": lambda m: 1 - m if m <= 0.5 else 1 / (4 * m),
    "modified_huber": lambda m: max(1 - m, 0) ** 2 if m >= -1 else -4 * m,
    "smoothed_hinge": lambda m: max(1 - m, 0) ** 2 / 2 if m > 0 else mpmath.mpf(0.5) - m,
}


@pytest.mark.parametrize("name", EXACT)
def test_single_precision_keeps_the_digits_of_value_and_slope(name):
    loss = getattr(jl, name)
    largest = (
        40.0 if name in ("exponential", "savage") else 80.0 if name == "sigmoid_margin" else 1e4
    )
    points = np.array([-1e4, -200, -80, -40, -17, -3, -1e-3, 1e-6, 0.25, 2, 17, 40, 80, 1e4])
    with mpmath.workdps(60):
        for m in map(float, np.float32(points[np.abs(points) <= largest])):
            found = value_and_slope(loss)(np.float32(m), 1)
            exact = EXACT[name](mpmath.mpf(m))
            slope = mpmath.diff(EXACT[name], mpmath.mpf(m))
            smallest = 1e-37
            assert float(found[0]) == pytest.approx(float(exact), rel=1e-6, abs=smallest)
            assert float(found[1]) == pytest.approx(float(slope), rel=1e-5, abs=smallest)


def limits(loss):
    return [float(value_and_slope(loss)(end, 1)[0]) for end in (-math.inf, math.inf)]


def test_infinite_scores_have_their_limits():
    for loss in ALL:
        assert not np.isnan(limits(loss)).any(), loss
    assert limits(jl.logistic) == [math.inf, 0]
    assert limits(jl.hinge) == [math.inf, 0]


def test_a_nan_score_is_seen_in_the_slope_of_every_loss():
    for loss in ALL:
        assert np.isnan(value_and_slope(loss)(np.nan, 1)[1]), loss
