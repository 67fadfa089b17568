"""Losses made of losses, and targets that are soft or mixed."""

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from drawing import LOSSES, Case

import jaxloss as jl

CE, SOFT_CE = jl.softmax_cross_entropy_with_integer_labels, jl.softmax_cross_entropy
RNG = np.random.default_rng(0)
LOGITS = np.float32(RNG.normal(size=(6, 4)) * 3)
LABELS, PARTNERS = np.array([0, 1, 2, 3, 1, 0]), np.array([3, 1, 0, 2, 2, 1])
SHARE = np.float32([0.0, 1.0, 0.25, 0.5, 0.75, 0.9])
TARGETS = np.float32(RNG.dirichlet(np.ones(4), 6))
MAKERS = [jl.with_temperature, jl.clipped, jl.mixed]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_made_loss_is_a_value(maker):
    made = maker(CE)
    assert made is maker(CE)
    assert pickle.loads(pickle.dumps(made)) is made
    assert repr(made).startswith(f"<loss {maker.__name__}({CE.__name__})(")
    nested = jl.mixed(jl.clipped(jl.with_temperature(jl.logistic)))
    assert pickle.loads(pickle.dumps(nested)) is nested
    assert nested.__name__ == "mixed(clipped(with_temperature(logistic)))"
    names = ["scores", "labels", "partner_labels", "share"]
    assert list(nested.signature.arrays) == names
    assert list(nested.signature.hyperparameters) == ["temperature", "ceiling"]


@pytest.mark.parametrize("maker", MAKERS)
def test_what_no_loss_can_be_made_of_is_refused(maker):
    for wrong in (lambda x: x, jl.linear_head(CE), jl.distillation_head(jl.reverse_kl)):
        with pytest.raises(TypeError, match=f"{maker.__name__}: `loss` is a loss"):
            maker(wrong)


def test_what_has_the_hyper_parameter_or_no_logits_is_refused():
    with pytest.raises(ValueError, match="has `temperature` already"):
        jl.with_temperature(jl.with_temperature(CE))
    with pytest.raises(ValueError, match="has `ceiling` already"):
        jl.clipped(jl.clipped(CE))
    with pytest.raises(TypeError, match="with_temperature: `loss` is a loss of logits"):
        jl.with_temperature(jl.huber)


def test_temperature_divides_all_logits():
    found = jl.with_temperature(CE)(LOGITS, LABELS, temperature=2.5, label_smoothing=0.1)
    np.testing.assert_allclose(found, CE(LOGITS / 2.5, LABELS, label_smoothing=0.1), rtol=1e-6)
    np.testing.assert_array_equal(jl.with_temperature(CE)(LOGITS, LABELS), CE(LOGITS, LABELS))
    scores, signs = LOGITS[:, 0], LABELS > 0
    cooled = jl.with_temperature(jl.logistic)
    np.testing.assert_allclose(
        cooled(scores, signs, temperature=0.5), jl.logistic(2 * scores, signs), rtol=1e-6
    )
    ranked = jl.with_temperature(jl.ranking(jl.logistic))(
        scores, LOGITS[:, 1], signs, temperature=3.0
    )
    both = jl.ranking(jl.logistic)(scores / 3, LOGITS[:, 1] / 3, signs)
    np.testing.assert_allclose(ranked, both, rtol=1e-6)


def test_temperature_divides_the_logits_of_all_clusters():
    adaptive = jl.adaptive_softmax((2, 4, 7))
    *logits, labels = Case(adaptive).ordinary()
    found = jl.with_temperature(adaptive)(*logits, labels, temperature=2.0)
    halved = adaptive(*[x / 2 for x in logits], labels)
    np.testing.assert_allclose(found, halved, rtol=1e-6)


def test_temperature_leaves_weights_of_classes_and_masked_classes():
    weights, logits = np.float32([1.0, 2.0, 0.5, 3.0]), LOGITS.copy()
    logits[0, 1] = -np.inf
    loss = jl.with_temperature(CE)
    found = loss(logits, LABELS, temperature=2.0, class_weights=weights)
    expected = CE(logits / 2, LABELS, class_weights=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    cooled = lambda t: jnp.sum(loss(logits, LABELS, temperature=t))
    divided = lambda t: jnp.sum(CE(jnp.where(np.isinf(logits), -1e9, LOGITS / t), LABELS))
    slope, wanted = jax.jit(lambda t: (jax.grad(cooled)(t), jax.grad(divided)(t)))(2.0)
    assert float(slope) == pytest.approx(float(wanted), rel=1e-5)


def test_soft_targets_at_high_temperature_match_logits():
    """Hinton et al. (2015), section 2.1: T² times the gradient is that of a squared error."""
    student, teacher = (x - x.mean() for x in (LOGITS[0], LOGITS[1]))
    heat, loss = 300.0, jl.with_temperature(SOFT_CE)
    targets = scipy.special.softmax(teacher / heat)
    slope = jax.jit(jax.grad(lambda x: heat**2 * loss(x, targets, temperature=heat)))(student)
    np.testing.assert_allclose(slope, (student - teacher) / 4, rtol=0.05, atol=0.02)


def test_temperature_passes_through_a_linear_head():
    hidden, weight = LOGITS[:, :3], LOGITS[:3]
    head = jl.linear_head(jl.with_temperature(CE))
    found = head(hidden, weight, 0.0, LABELS, temperature=2.0)
    np.testing.assert_allclose(found, CE(hidden @ weight / 2, LABELS), rtol=1e-5)
    mixed = jl.linear_head(jl.mixed(CE))(hidden, weight, 0.0, LABELS, PARTNERS, SHARE)
    logits = hidden @ weight
    np.testing.assert_allclose(mixed, jl.mixed(CE)(logits, LABELS, PARTNERS, SHARE), rtol=1e-5)


def test_a_clipped_loss_gives_up_what_is_beyond():
    loss = jl.clipped(jl.half_squared_error)
    derived = jax.jit(jax.vmap(jax.value_and_grad(loss), (0, None)))
    value, slope = derived(np.float32([-9.0, 1.0, 9.0]), 0.0)
    np.testing.assert_array_equal(value, [1.0, 0.5, 1.0])
    np.testing.assert_array_equal(slope, [0.0, 1.0, 0.0])
    errors, zeros = np.float32([[9.0, 1.0, 7.0], [0.0, 0.0, 0.0]])
    by_ceiling = jax.jit(jax.grad(lambda c: jnp.sum(loss(errors, zeros, ceiling=c))))
    assert float(by_ceiling(2.0)) == 2.0
    np.testing.assert_array_equal(loss(LOGITS, 0 * LOGITS, ceiling=1e9), LOGITS**2 / 2)


@pytest.mark.parametrize("name", ["huber", "hinge", "min_snr", "dice", "info_nce", "ctc"])
def test_a_loss_of_any_kind_is_clipped(name):
    loss = LOSSES[name]
    arrays = Case(loss).ordinary()
    plain, middle = loss(*arrays), jnp.median(loss(*arrays))
    made = jl.clipped(loss)(*arrays, ceiling=middle)
    np.testing.assert_allclose(made, np.minimum(plain, middle), rtol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_made_of_any_loss_has_values_of_its_shape(name):
    loss = LOSSES[name]
    shapes = Case(loss).of_any_size((6,))
    if "ceiling" not in loss.signature.hyperparameters:
        assert jax.eval_shape(jl.clipped(loss), *shapes) == jax.eval_shape(loss, *shapes)
    try:
        cooled = jl.with_temperature(loss)
    except (TypeError, ValueError):
        return  # no logits, or a temperature of its own
    assert jax.eval_shape(cooled, *shapes) == jax.eval_shape(loss, *shapes)


def test_clipped_hinge_is_twice_the_ramp():
    scores, signs = np.linspace(-4, 4, 41, dtype=np.float32), np.arange(41) % 2
    found = jl.clipped(jl.hinge)(scores, signs, ceiling=2.0)
    np.testing.assert_allclose(found, 2 * np.asarray(jl.ramp(scores, signs)), atol=1e-6)


def test_a_clipped_loss_stays_of_its_kind():
    pairs = jl.ranking(jl.clipped(jl.hinge))
    assert float(pairs(0.0, 9.0, True, ceiling=3.0)) == 3.0
    assert float(jl.clipped(jl.half_squared_error).rho(jnp.float32(5.0), ceiling=2.0)) == 2.0
    assert jl.clipped(jl.huber).facts.at(ceiling=3.0) == {
        "convex": False,
        "symmetric": True,
        "supremum": 3.0,
        "redescending": True,
    }


def test_an_impossible_label_costs_the_ceiling_and_moves_nothing():
    logits = np.float32([[0.0, -np.inf], [0.0, 1.0]])
    summed = lambda x: jnp.sum(jl.clipped(CE)(x, np.array([1, 0]), ceiling=5.0))
    value, slope = jax.tree.map(np.asarray, jax.jit(jax.value_and_grad(summed))(logits))
    assert float(value) == pytest.approx(5 + np.log1p(np.e), rel=1e-6)
    np.testing.assert_array_equal(slope[0], 0)


def test_a_mixed_loss_is_a_mean_of_two():
    s = SHARE
    found = jl.mixed(jl.hinge)(LOGITS[:, 0], LABELS > 0, PARTNERS > 0, s, margin=2.0)
    one, other = (np.asarray(jl.hinge(LOGITS[:, 0], x > 0, margin=2.0)) for x in (LABELS, PARTNERS))
    np.testing.assert_allclose(found, s * one + (1 - s) * other, rtol=1e-6)
    same = jl.mixed(CE)(LOGITS, LABELS, LABELS, s)
    np.testing.assert_allclose(same, CE(LOGITS, LABELS), rtol=1e-6)


def test_a_target_without_a_share_has_no_slopes_where_it_is_impossible():
    """The first label's class is masked, and its share is 0; or so it is of the partner."""
    logits, weights = np.float32([0.0, 1.0, -np.inf]), np.ones(3, np.float32)

    @functools.partial(jax.jit, static_argnums=0)
    def of_numbers(loss, *targets):
        value = lambda w, s, z: loss(logits, *targets, class_weights=w, label_smoothing=s, z_loss=z)
        return jax.value_and_grad(value, (0, 1, 2))(weights, 0.1, 0.2)

    for targets in ((2, 0, 0.0), (0, 2, 1.0)):
        found, expected = of_numbers(jl.mixed(CE), *targets), of_numbers(CE, 0)
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_a_mixed_loss_that_is_linear_in_its_targets_is_that_of_mixed_targets():
    first, second = TARGETS, TARGETS[::-1]
    targets = SHARE[:, None] * first + (1 - SHARE[:, None]) * second
    found = jl.mixed(SOFT_CE)(LOGITS, first, second, SHARE, label_smoothing=0.1)
    np.testing.assert_allclose(found, SOFT_CE(LOGITS, targets, label_smoothing=0.1), rtol=1e-5)
    hard = jl.mixed(CE)(LOGITS, LABELS, PARTNERS, SHARE)
    one_hot = SHARE[:, None] * np.eye(4)[LABELS] + (1 - SHARE[:, None]) * np.eye(4)[PARTNERS]
    np.testing.assert_allclose(hard, SOFT_CE(LOGITS, one_hot), rtol=1e-5)


def test_a_share_of_nothing_outweighs_an_infinite_loss():
    logits = np.float32([0.0, -np.inf])
    assert float(jl.mixed(CE)(logits, 0, 1, 1.0)) == 0
    assert float(jl.mixed(CE)(logits, 1, 0, 0.0)) == 0
    assert float(jl.mixed(CE)(logits, 1, 0, 0.5)) == np.inf


def test_smooth_labels():
    smooth = jax.jit(jl.smooth_labels)
    soft = np.asarray(smooth(TARGETS, 0.1))
    expected = SOFT_CE(LOGITS, TARGETS, label_smoothing=0.1)
    np.testing.assert_allclose(SOFT_CE(LOGITS, soft), expected, rtol=1e-5)
    np.testing.assert_allclose(smooth(soft, 0.2), smooth(TARGETS, 0.28), rtol=1e-5)
    np.testing.assert_allclose(soft.sum(-1), 1, rtol=1e-6)
    assert smooth(TARGETS.astype(jnp.bfloat16), np.float32(0.1)).dtype == jnp.float32
    assert np.isnan(SOFT_CE(LOGITS, smooth(np.eye(4)[LABELS], 1.5))).all()
    with pytest.raises(TypeError, match="smooth_labels: `targets` are probabilities"):
        jl.smooth_labels(LABELS, 0.1)


IMAGES = jnp.asarray(RNG.normal(size=(8, 12, 9, 1)), jnp.float32)
WHERE = np.arange(8) % 3 != 1
ALPHAS = {jl.mixup: 0.4, jl.cutmix: 1.0}
DRAWS = 400
each_mixer = pytest.mark.parametrize("mix", ALPHAS, ids=["mixup", "cutmix"])


@functools.cache
def drawn(mix):
    """Many mixtures, in which NaN is masked."""
    dirty = jnp.where(WHERE[:, None, None, None], IMAGES, jnp.nan)
    draw = jax.jit(jax.vmap(lambda key: mix(key, dirty, ALPHAS[mix], where=WHERE)))
    return jax.tree.map(np.asarray, draw(jax.random.split(jax.random.key(0), DRAWS)))


@each_mixer
def test_partners_are_a_permutation_of_what_counts(mix):
    """What is masked stays alone, whatever it holds."""
    mixture = drawn(mix)
    np.testing.assert_array_equal(np.sort(mixture.partners) - np.arange(8), 0)
    np.testing.assert_array_equal(mixture.partners[:, ~WHERE] - np.flatnonzero(~WHERE), 0)
    assert np.isfinite(mixture.inputs[:, WHERE]).all()
    counts = np.zeros((8, 8))
    np.add.at(counts, (np.arange(8), mixture.partners), 1)
    few = counts[np.ix_(WHERE, WHERE)] / DRAWS
    np.testing.assert_allclose(few, 1 / WHERE.sum(), atol=0.1)
    unmasked = jax.jit(lambda key: mix(key, IMAGES, 1.0).partners)(jax.random.key(1))
    assert sorted(unmasked.tolist()) == list(range(8))


@each_mixer
def test_a_mask_is_boolean_and_has_one_entry_an_example(mix):
    with pytest.raises(TypeError, match=f"{mix.__name__}: `where` is boolean"):
        mix(jax.random.key(0), IMAGES, 1.0, where=jnp.ones(8))
    with pytest.raises(ValueError, match=f"{mix.__name__}: `where` has shape"):
        mix(jax.random.key(0), IMAGES, 1.0, where=jnp.ones(7, bool))


@each_mixer
def test_inputs_keep_their_floating_type(mix):
    for given, kept in [(jnp.bfloat16, jnp.bfloat16), (jnp.float32, jnp.float32)]:
        found = jax.eval_shape(mix, jax.random.key(0), IMAGES.astype(given), 0.4)
        assert (found.inputs.dtype, found.share.dtype) == (kept, jnp.float32)
    whole = jax.eval_shape(jl.mixup, jax.random.key(0), jnp.ones((2, 3), jnp.uint8), 0.4)
    assert whole.inputs.dtype == jnp.float32


def test_mixup_averages():
    inputs, partners, share = (x[:, WHERE] for x in drawn(jl.mixup))
    part, images = share[..., None, None, None], np.asarray(IMAGES)
    expected = part * images[WHERE] + (1 - part) * images[partners]
    np.testing.assert_allclose(inputs, expected, rtol=1e-5, atol=1e-6)


def test_shares_are_beta():
    shares = drawn(jl.mixup).share
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), abs=0.02)


def test_cutmix_shows_a_box_of_the_partner():
    inputs, partners, share = (x[:, WHERE] for x in drawn(jl.cutmix))
    images = np.asarray(IMAGES)
    shown, kept = inputs == images[partners], inputs == images[WHERE]
    assert (shown | kept).all()
    paired = partners != np.flatnonzero(WHERE)
    box = shown[paired][..., 0]
    np.testing.assert_allclose(share[paired], 1 - box.mean((1, 2)), atol=1e-6)
    rows, columns = box.any(2), box.any(1)
    np.testing.assert_array_equal(box, rows[:, :, None] & columns[:, None, :])
    assert (np.abs(np.diff(rows, axis=1)).sum(1) <= 2).all()  # and no two of them


def test_boxes_have_the_area_that_was_drawn_less_what_is_cut_off():
    """Of a side r with its centre anywhere, r - r² / 4 is expected to be inside."""
    side = np.sqrt(np.linspace(0, 1, 100001))
    expected = 1 - np.mean((side - side**2 / 4) ** 2)
    assert drawn(jl.cutmix).share.mean() == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
def test_a_step_on_mixed_examples_compiles_and_hides_what_is_masked():
    objective, where = jl.Objective(jl.mixed(CE), label_smoothing=0.1), np.arange(6) != 2

    @jax.jit
    @jax.value_and_grad
    def risk(weight, inputs, labels):
        mixture = jl.mixup(jax.random.key(0), inputs, 0.3, where=where)
        predictions = (mixture.inputs @ weight, labels, labels[mixture.partners])
        return objective(predictions, mixture.share, where=where)

    clean = risk(np.eye(4), LOGITS, LABELS)
    dirty = risk(np.eye(4), np.where(where[:, None], LOGITS, 1e9), np.where(where, LABELS, -100))
    assert np.isfinite(clean[0])
    jax.tree.map(np.testing.assert_array_equal, clean, dirty)
