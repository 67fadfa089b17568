"""Reductions beyond the mean, beside the plain sums that define them."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.special
from derivatives import value_and_slope
from drawing import PUBLIC

import jaxloss as jl

RNG = np.random.default_rng(0)
VALUES = RNG.permutation(np.concatenate([RNG.normal(1, 2, 7), [0.5, 0.5]]))
MASSES = {
    "all": None,
    "mask": RNG.uniform(size=9) < 0.6,
    "weights": RNG.choice([0.0, 0.5, 1.0, 2.5], 9),
    "one": np.arange(9) == 4,
}
each_mass = pytest.mark.parametrize("weights", MASSES.values(), ids=MASSES)


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def counted(values, weights):
    """The values that count, and what each counts, the largest first."""
    masses = np.ones(values.size) if weights is None else np.asarray(weights, float)
    order = np.argsort(-values[masses > 0], kind="stable")
    return values[masses > 0][order], masses[masses > 0][order]


def mean_of_hardest(values, masses, count):
    return np.average(values[:count], weights=masses[:count])


def mean_of_worst(values, masses, share):
    """The dual: the largest mean under weights that none exceeds its own over the share."""
    bounds = [(0, mass / (share * masses.sum())) for mass in masses]
    found = scipy.optimize.linprog(-values, A_eq=[np.ones(len(values))], b_eq=[1], bounds=bounds)
    return -found.fun


def log_mean_exp(values, masses, tilt):
    return scipy.special.logsumexp(tilt * values, b=masses / masses.sum()) / tilt


def mean_of_easy(values, masses, threshold):
    easy = values < threshold
    return np.average(values[easy], weights=masses[easy]) if easy.any() else 0.0


def above_level(values, masses, level):
    return abs(np.average(values, weights=masses) - level) + level


CASES = [
    *((jl.hardest, mean_of_hardest, count) for count in (3, 100)),
    *((jl.cvar, mean_of_worst, share) for share in (0.01, 0.4)),
    *((jl.tilted, log_mean_exp, tilt) for tilt in (0.7, -2.0)),
    *((jl.self_paced, mean_of_easy, threshold) for threshold in (1.2,)),
    *((jl.flooded, above_level, level) for level in (4.0,)),
]
each_case = pytest.mark.parametrize(
    ("maker", "reference", "number"), CASES, ids=[f"{m.__name__}({n})" for m, _, n in CASES]
)
REDUCTIONS = [maker(number) for maker, _, number in CASES]
each_reduction = pytest.mark.parametrize("reduction", REDUCTIONS, ids=map(repr, REDUCTIONS))


def together(reductions, values, weights=None):
    """What each of them gives, in one program."""
    found = jax.jit(lambda *given: [reduction(*given) for reduction in reductions])
    return list(map(float, found(values, weights)))


@jax.jit
def _derived(values, weights):
    return [jax.value_and_grad(reduction)(values, weights) for reduction in REDUCTIONS]


def derived(reduction, values, weights=None):
    """The value of one of `REDUCTIONS`, and its slope, of a program with all of them."""
    return _derived(values, weights)[REDUCTIONS.index(reduction)]


@each_mass
@each_case
def test_value_is_what_defines_it(maker, reference, number, weights):
    found = derived(maker(number), VALUES, weights)[0]
    assert float(found) == pytest.approx(reference(*counted(VALUES, weights), number), rel=1e-9)


@each_mass
@each_case
def test_gradient_is_the_finite_difference(maker, reference, number, weights):
    """Away from ties, and 0 where an example does not count."""
    values, step = VALUES + 1e-3 * np.arange(9), 1e-7
    gradient = derived(maker(number), values, weights)[1]
    moved = lambda i, by: reference(*counted(values + by * np.eye(9)[i], weights), number)
    expected = [(moved(i, step) - moved(i, -step)) / (2 * step) for i in range(9)]
    np.testing.assert_allclose(gradient, expected, atol=2e-6)


@each_reduction
def test_what_weights_hide_is_not_selected(reduction):
    """A mask is the subset and a weight of 0, whatever the values behind are."""
    weights = MASSES["mask"]
    hidden = np.where(weights, VALUES, 1e6)
    few = float(derived(reduction, VALUES[weights])[0])
    for given in (weights, weights.astype(float)):
        value, gradient = derived(reduction, hidden, given)
        assert float(value) == pytest.approx(few, rel=1e-12)
        np.testing.assert_array_equal(np.asarray(gradient)[~weights], 0)
    value, gradient = derived(reduction, np.where(weights, VALUES, np.nan), weights)
    assert float(value) == pytest.approx(few, rel=1e-12)
    assert np.isfinite(gradient).all()


@each_reduction
def test_without_mass_it_is_zero_with_zero_gradient(reduction):
    for nothing in (np.zeros(9, bool), np.zeros(9)):
        value, gradient = derived(reduction, VALUES, nothing)
        assert value == 0
        np.testing.assert_array_equal(gradient, 0)


@each_reduction
def test_nan_that_counts_is_nan(reduction):
    dirty = np.where(np.arange(9) == 4, np.nan, VALUES)
    assert all(np.isnan(derived(reduction, dirty, MASSES[key])[0]) for key in ("all", "one"))


@each_reduction
def test_scaling_all_weights_changes_nothing(reduction):
    weights = MASSES["weights"]
    found, scaled = (derived(reduction, VALUES, w)[0] for w in (weights, 7.5 * weights))
    assert float(found) == pytest.approx(float(scaled), rel=1e-12)


@each_reduction
def test_order_and_layout_do_not_matter(reduction):
    weights, turned = MASSES["weights"], RNG.permutation(9)
    expected = derived(reduction, VALUES, weights)[0]
    shuffled, _ = derived(reduction, *(x[turned].reshape(3, 3) for x in (VALUES, weights)))
    assert float(shuffled) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("maker", [jl.cvar, jl.tilted, jl.flooded])
def test_weights_have_gradients(maker):
    values, weights, step = VALUES + 1e-3 * np.arange(9), RNG.uniform(0.5, 2, 9), 1e-6
    direction, reduction = RNG.normal(size=9), maker(0.3)
    along = jax.jit(lambda at: jax.jvp(lambda w: reduction(values, w), (at,), (direction,)))
    low, high = (float(along(weights + by * direction)[0]) for by in (-step, step))
    assert float(along(weights)[1]) == pytest.approx((high - low) / (2 * step), rel=1e-6)


def test_an_infinite_value_is_infinite_where_it_counts():
    values = np.array([1.0, np.inf, 2.0])
    reductions = jl.hardest(2), jl.cvar(0.5), jl.tilted(1.0)
    both = jax.jit(lambda x: [jax.value_and_grad(reduction)(x) for reduction in reductions])
    found, gradients = zip(*both(values), strict=True)
    np.testing.assert_array_equal(found, np.inf)
    assert np.isfinite(gradients).all()
    assert max(together(reductions, values, np.array([1.0, 0.0, 1.0]))) <= 2
    assert together([jl.self_paced(5.0)], values) == [1.5]


def test_limits():
    weights, counts = MASSES["weights"], VALUES[MASSES["weights"] > 0]
    same = [jl.cvar(1), jl.hardest(9), jl.tilted(0), jl.self_paced(99), jl.flooded(-99)]
    mean, *found = together([jl.mean, *same], VALUES, weights)
    np.testing.assert_allclose(found, mean, rtol=1e-9)
    most = [jl.cvar(1e-9), jl.hardest(1), jl.tilted(1e12)]
    np.testing.assert_allclose(together(most, VALUES, weights), counts.max(), rtol=1e-9)
    tilts = np.array([-1e12, -3, -1e-6, 0, 1e-6, 3])
    tilted = jax.jit(jax.vmap(lambda tilt: jl.tilted(tilt)(VALUES, weights)))
    least, *rising = np.asarray(tilted(tilts))
    assert least == pytest.approx(counts.min(), rel=1e-9)
    assert rising == sorted(rising)
    hard = together([jl.hardest(count) for count in (1, 4, 9)], VALUES)
    worst = together([jl.cvar(count / 9) for count in (1, 4, 9)], VALUES)
    np.testing.assert_allclose(hard, worst, rtol=1e-9)


def test_cvar_is_the_least_of_rockafellar_and_uryasev():
    weights = MASSES["weights"]
    reach = lambda t: t + weights @ np.maximum(VALUES - t, 0) / (0.3 * weights.sum())
    found = float(jax.jit(jl.cvar(0.3))(VALUES, weights))
    assert found == pytest.approx(min(map(reach, VALUES)), rel=1e-12)


def test_tilted_is_robust_to_all_distributions_near_the_weights():
    weights = MASSES["weights"] / MASSES["weights"].sum()
    tilt, value = 0.8, float(jax.jit(jl.tilted(0.8))(VALUES, weights))
    reached = lambda q: q @ VALUES - scipy.special.rel_entr(q, weights).sum() / tilt
    best = weights * np.exp(tilt * VALUES)
    assert reached(best / best.sum()) == pytest.approx(value, rel=1e-12)
    others = RNG.dirichlet(np.ones(9), 200) * (weights > 0)
    assert max(reached(q / q.sum()) for q in others) < value


def test_tilted_keeps_its_digits_and_its_slope_in_the_tilt():
    values = np.asarray(1e3 + VALUES, np.float32)
    exact = np.asarray(values, float)
    tilted = lambda tilt, values: jl.tilted(tilt)(values)
    found = jax.jit(tilted)
    for tilt in (0.0, 1e-12, 1e-5, 0.3, 1e3):
        expected = log_mean_exp(exact, np.ones(9), tilt or 1e-9)
        assert float(found(tilt, values)) == pytest.approx(expected, rel=2e-7)
    slope = jax.jit(jax.grad(tilted))(0.0, VALUES)
    assert float(slope) == pytest.approx(np.var(VALUES) / 2, rel=1e-9)


def test_many_values_of_one_parameter_may_be_mapped_over():
    shares = np.array([0.1, 0.5, 1.0, 1.5, 0.0])
    found = jax.jit(jax.vmap(lambda share: jl.cvar(share)(VALUES)))(shares)
    expected = together([jl.cvar(share) for share in (0.1, 0.5, 1.0)], VALUES)
    np.testing.assert_allclose(found, [*expected, np.nan, np.nan])


def test_a_flood_turns_the_gradient_and_is_still_where_it_meets_the_loss():
    objective = jl.Objective(jl.absolute_error, reduction=jl.flooded(1.0, jl.total))
    slope = jax.jit(jax.grad(objective))
    slopes = [slope(np.array([x, 0.25]), np.zeros(2)) for x in (0.5, 0.75, 3.0)]
    assert np.stack(slopes)[:, 0].tolist() == [-1.0, 0.0, 1.0]


def test_reductions_are_values():
    """Equal where made equally, so that an objective with one is compiled once."""
    assert jl.cvar(0.1) == jl.cvar(np.float64(0.1)) != jl.cvar(0.2)
    assert hash(jl.hardest(3)) == hash(jl.hardest(np.int64(3)))
    assert jl.tilted(1.0) != jl.self_paced(1.0)
    for reduction in (*REDUCTIONS, jl.flooded(0.1, jl.cvar(0.5))):
        assert pickle.loads(pickle.dumps(reduction)) == reduction
        assert eval(repr(reduction), PUBLIC.copy()) == reduction
    objective = jl.Objective(jl.huber, reduction=jl.flooded(0.1, jl.cvar(0.5)), delta=1.0)
    assert repr(objective) == "Objective(huber, delta=1.0, reduction=flooded(0.1, cvar(0.5)))"
    same = jl.Objective(jl.huber, reduction=jl.flooded(0.1, jl.cvar(0.5)), delta=1.0)
    assert jax.tree.structure(objective) == jax.tree.structure(same)


def test_parameters_outside_their_domain_are_refused():
    for share in (0, 1.01, -1.0, float("nan")):
        with pytest.raises(ValueError, match=r"cvar: `share` is a number in \(0, 1\]"):
            jl.cvar(share)
    with pytest.raises(ValueError, match="hardest: `count` is an integer >= 1"):
        jl.hardest(0)
    with pytest.raises(TypeError):
        jl.hardest(0.5)


@pytest.mark.parametrize("reduction", [jl.hardest(2), jl.cvar(0.4), jl.tilted(2.0)], ids=repr)
def test_strict_modes_of_jax_behind_a_sealed_mask(reduction):
    where = np.array([True, False, True, True])
    predictions = np.array([1.0, np.nan, 4.0, 2.0], jnp.bfloat16)
    objective = jl.Objective(jl.squared_error, reduction=reduction)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        value, gradient = jax.jit(jax.value_and_grad(objective))(
            predictions, np.zeros(4, jnp.bfloat16), where=where
        )
    assert value.dtype == jnp.float32
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert np.asarray(gradient)[1] == 0


GROUPS = np.array([0, 2, 2, 0, 1, 2, 0, 2, 1])
group_means = jax.jit(lambda *given: jl.group_averages(*given).value, static_argnums=2)
worst_group = jax.jit(jl.worst_group, static_argnums=2)


@jax.jit
def of_four_groups(values, groups, weights):
    """Averages and their values, those of two parts added up, and the worst."""

    def of(rows):
        counted = None if weights is None else weights[rows]
        return jl.group_averages(values[rows], groups[rows], 4, counted)

    whole, parts = of(slice(9)), of(slice(4)) + of(slice(4, 9))
    return whole, whole.value, parts.value, jl.worst_group(values, groups, 4, weights)


@each_mass
def test_group_averages_are_those_of_each_part(weights):
    found = of_four_groups(VALUES, GROUPS, weights)
    whole, means, summed, worst = jax.tree.map(np.asarray, found)
    assert whole.total.shape == whole.mass.shape == (4,)
    masses = np.ones(9) if weights is None else weights
    for group in range(4):
        own = np.where(group == GROUPS, masses, 0)
        expected = np.average(VALUES, weights=own) if own.any() else 0
        assert means[group] == pytest.approx(expected, rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(summed, means, rtol=1e-12)
    assert float(worst) == pytest.approx(means[whole.mass > 0].max(), rel=1e-12)


def test_worst_group_between_the_mean_and_the_maximum():
    each = np.arange(9)
    assert float(worst_group(VALUES, 0 * each, 1)) == pytest.approx(VALUES.mean(), rel=1e-12)
    assert worst_group(VALUES, each, 9) == VALUES.max()
    assert worst_group(-VALUES - 9, each % 2, 5) < 0  # groups without mass are none
    slope = jax.jit(jax.value_and_grad(jl.worst_group), static_argnums=2)
    value, gradient = slope(VALUES, each, 9, np.zeros(9, bool))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


def test_an_unknown_group_is_nan_unless_masked():
    groups, known = np.where(GROUPS == 1, -1, GROUPS), GROUPS != 1
    assert np.isnan(group_means(VALUES, groups, 3)).all()
    assert np.isfinite(group_means(VALUES, groups, 3, known)).all()
    assert np.isnan(worst_group(VALUES, groups + 1, 2))
    with pytest.raises(ValueError, match="differ in shape"):
        jl.group_averages(VALUES, groups[:, None], 3)


def test_group_dro_finds_the_saddle_point():
    """Of (x - 1)² and 3 (x + 1)²: equal at the best x, where the weighted slopes cancel."""
    losses = jax.jit(lambda x: jnp.stack([(x - 1) ** 2, 3 * (x + 1) ** 2]))

    def step(_, state):
        x, weights = state
        weights = jl.group_dro_weights(weights, losses(x), 0.02)
        return x - 0.05 * jax.grad(lambda x: weights @ losses(x))(x), weights

    x, weights = jax.jit(lambda: jax.lax.fori_loop(0, 3000, step, (0.5, np.full(2, 0.5))))()
    root = np.sqrt(3)
    assert float(x) == pytest.approx((1 - root) / (1 + root), abs=1e-6)
    np.testing.assert_allclose(weights, np.array([root, 1]) / (1 + root), atol=1e-6)
    np.testing.assert_allclose(*np.asarray(losses(x)), rtol=1e-5)


def test_group_dro_weights_are_probabilities_and_constants():
    moved = jax.jit(jl.group_dro_weights)
    found = moved(np.array([0.0, 0.25, 0.75]), np.array([9e9, 1e4, 2.0]), 0.5)
    np.testing.assert_allclose(found, [0, 1, 0], atol=1e-12)
    slopes = jax.jit(jax.grad(lambda x: moved(np.full(2, 0.5), x, 0.5)[0]))(np.ones(2))
    np.testing.assert_array_equal(slopes, 0)


@pytest.mark.parametrize("loss", [np.inf, -np.inf, 3e38, 1.0])
def test_a_group_of_weight_0_keeps_it_whatever_its_loss(loss):
    found = jax.jit(jl.group_dro_weights)(np.float32([0, 0.5, 0.5]), np.float32([loss, 2, 2]), 9.0)
    np.testing.assert_array_equal(found, [0, 0.5, 0.5])


@pytest.mark.parametrize("count", [2, 40])
def test_few_and_many_hardest_are_those_of_a_sort(count):
    values = np.random.default_rng(4).normal(size=64).astype(np.float32)
    found, slope = value_and_slope(jl.hardest(count))(values, None)
    hard = np.argsort(-values)[:count]
    assert float(found) == pytest.approx(values[hard].mean(), rel=1e-5)
    np.testing.assert_allclose(slope, np.isin(np.arange(64), hard) / count, rtol=1e-6)
    bad = np.where(np.arange(64) == 5, np.float32(np.nan), values)
    assert np.isnan(value_and_slope(jl.hardest(count))(bad, None)[0])
