"""Rules that balance terms: closed forms, brute force, published toy problems, and edges."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxloss.training.balance import cagrad, mgda, pcgrad, rlw
from jaxloss.training.gradients import combine, gram
from jaxloss.training.gradnorm import gradnorm
from jaxloss.training.simplex import least_mixture

RULES = {"pcgrad": pcgrad(0), "cagrad": cagrad(0.5), "mgda": mgda(), "rlw": rlw(0)}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
PAIR = np.array([[3.0, 1.0, 0.0], [-1.0, 2.0, 2.0]])  # <g, h> = -1, |g|² = 10, |h|² = 9


def once(rule, per_term):
    """The update of the first step; a list is an array of float32."""
    if isinstance(per_term, list):
        per_term = np.array(per_term, np.float32)
    return rule.update(per_term, rule.init(None))[0]


def compiled(rule):
    """The same, of arrays."""
    return jax.jit(functools.partial(once, rule))


def gradients(terms, features=20, spread=0.0, seed=0):
    """Of norms that differ; the more terms than features, the more depend on each other."""
    draw = np.random.default_rng(seed)
    scale = 10.0 ** draw.uniform(-spread, spread, (terms, 1))
    rows = draw.normal(size=(terms, 20)) * scale * (np.arange(20) < features)
    return rows.astype(np.float32)


def many_gradients(terms):
    cases = itertools.product([2, 3, 20], [0, 1, 2], range(4))
    return np.stack([gradients(terms, *case) for case in cases])


def shortest(rows):
    """The norm of the shortest convex combination, over all faces of the hull."""
    found = []
    for size in range(1, len(rows) + 1):
        for face in map(list, itertools.combinations(range(len(rows)), size)):
            inner = rows[face] @ rows[face].T
            weights = np.linalg.lstsq(inner, np.ones(size), rcond=None)[0]
            if weights.min() >= 0:
                found.append(np.linalg.norm(weights / weights.sum() @ rows[face]))
    return min(found)


# The core.


def test_gram_and_combine_are_those_of_the_flat_gradients():
    tree = {"w": np.arange(12, dtype=np.float32).reshape(2, 3, 2), "b": [np.float32([1, -1])]}
    flat = np.concatenate([np.arange(12.0).reshape(2, 6), [[1.0], [-1.0]]], axis=1)
    assert jax.jit(gram)(tree).tolist() == (flat @ flat.T).tolist()
    total = jax.jit(combine)(tree, np.float32([2, -1]))
    assert total["b"][0].shape == ()
    assert np.append(total["w"], total["b"]).tolist() == [*range(-6, 0), 3.0]


def test_narrow_gradients_are_summed_in_float32():
    products = jax.jit(gram)(np.ones((2, 4096), jnp.bfloat16))
    assert products.dtype == jnp.float32
    assert products.tolist() == [[4096.0, 4096.0]] * 2
    rows = np.array([[256.0], [1.0], [1.0]], jnp.bfloat16)
    total = jax.jit(combine)(rows, np.ones(3, np.float32))
    assert total.dtype == jnp.bfloat16
    assert total.tolist() == [258.0]  # 256 + 1 is 256 in bfloat16


# Closed forms, derived by hand.


@pytest.mark.parametrize(
    ("rule", "weights"),
    [
        (pcgrad(0), [1 + 1 / 10, 1 + 1 / 9]),  # (1 - <g, h> / |g|²), (1 - <g, h> / |h|²)
        (mgda(), [(9 + 1) / 21, (10 + 1) / 21]),  # (|h|² - <g, h>) / |g - h|²
        (cagrad(0.0), [1 / 2, 1 / 2]),
    ],
)
def test_two_terms_in_conflict(rule, weights):
    np.testing.assert_allclose(once(rule, PAIR), weights @ PAIR, rtol=1e-6)


def test_cagrad_of_two_orthogonal_gradients_of_one_length_goes_on_along_their_mean():
    np.testing.assert_allclose(once(cagrad(0.5), 4 * np.eye(2)), [3.0, 3.0], rtol=1e-6)


def test_pcgrad_without_conflict_is_the_sum():
    update, aligned = compiled(pcgrad(3)), np.abs(gradients(4, 6))
    np.testing.assert_allclose(update(np.diag([1.0, 2.0, 3.0])), [1, 2, 3])
    np.testing.assert_allclose(update(aligned), aligned.sum(axis=0), rtol=1e-5)


def test_mgda_weights_of_orthogonal_gradients_go_with_the_inverse_squares():
    inverse = 1 / np.array([1.0, 4.0, 100.0])
    update = once(mgda(), np.diag([1.0, 2.0, 10.0]))
    np.testing.assert_allclose(update, inverse / inverse.sum() * [1, 2, 10], rtol=1e-5)


def test_pcgrad_projects_in_each_order_as_the_paper_does_on_vectors():
    rows = gradients(3, 3, seed=5).astype(float)

    def along(own, order):
        vector = rows[own].copy()
        for other in order:
            vector -= min(vector @ rows[other], 0) / (rows[other] @ rows[other]) * rows[other]
        return vector

    orders = [list(itertools.permutations({0, 1, 2} - {own})) for own in range(3)]
    possible = np.array(
        [
            sum(along(own, order) for own, order in enumerate(chosen))
            for chosen in itertools.product(*orders)
        ]
    )
    rule = pcgrad(0)
    draw = lambda seed: rule.update(rows.astype(np.float32), pcgrad(seed).init(None))[0]
    updates = np.asarray(jax.jit(jax.vmap(draw))(np.arange(100)))
    distances = np.abs(updates[:, None] - possible[None]).max(axis=-1)
    assert distances.min(axis=1).max() < 1e-5
    assert len(np.unique(possible.round(5), axis=0)) == len(set(distances.argmin(axis=1))) > 1


# Brute force.


mixtures = jax.jit(jax.vmap(least_mixture))


@pytest.mark.parametrize("terms", [2, 3, 6])
def test_the_mixture_of_mgda_is_the_shortest(terms):
    many = many_gradients(terms)
    products, ones = many @ many.swapaxes(1, 2), np.ones(len(many), np.float32)
    found = np.asarray(mixtures(products, 0 * products[:, 0], ones), float)
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    for rows, weights in zip(many.astype(float), found, strict=True):
        excess = np.linalg.norm(weights @ rows) - shortest(rows)
        assert excess < 1e-5 * (weights @ np.linalg.norm(rows, axis=1))


@pytest.mark.parametrize("terms", [2, 3, 6])
def test_the_mixture_of_cagrad_attains_its_dual(terms):
    """No direction that is so near the mean improves the worst term by more than its value."""
    many = many_gradients(terms)
    means = many.mean(axis=1)
    reach = 0.5 * np.linalg.norm(means, axis=1)
    products, linear = many @ many.swapaxes(1, 2), np.einsum("stf,sf->st", many, means)
    found = np.asarray(mixtures(products, linear, reach), float)
    for rows, weights, mean, radius in zip(many, found, means, reach, strict=True):
        mixture = weights @ rows.astype(float)
        length = np.linalg.norm(mixture)
        worst = np.min(rows @ (mean + radius * mixture / length))
        assert abs(mixture @ mean + radius * length - worst) < 2e-5 * radius**2


# Edges.


@every_rule
def test_one_term_is_its_own_gradient_but_for_the_reach_of_cagrad(rule):
    factor = 1.5 if rule is RULES["cagrad"] else 1.0
    update = compiled(rule)(np.float32([[3.0, -4.0]]))
    np.testing.assert_allclose(update, [3 * factor, -4 * factor], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "factor"), [("pcgrad", 3.0), ("cagrad", 1.5), ("mgda", 1.0), ("rlw", 1.0)]
)
def test_equal_gradients_keep_their_direction(name, factor):
    update = once(RULES[name], [[3.0, -4.0]] * 3)
    np.testing.assert_allclose(update, [3 * factor, -4 * factor], rtol=1e-6)


@every_rule
def test_gradients_of_zero_give_zero(rule):
    with jax.debug_nans(True):
        assert once(rule, [[0.0, 0.0]] * 3).tolist() == [0.0, 0.0]


def test_one_gradient_of_zero():
    rows = [[0.0, 0.0], [2.0, 4.0]]
    assert once(pcgrad(0), rows).tolist() == [2.0, 4.0]
    assert once(mgda(), rows).tolist() == [0.0, 0.0]
    np.testing.assert_allclose(once(cagrad(0.5), rows), [1.0, 2.0])  # no way is better for all


def test_opposite_gradients():
    rows = [[2.0, 4.0], [-2.0, -4.0]]
    for rule in (pcgrad(0), mgda(), cagrad(0.5)):
        np.testing.assert_allclose(once(rule, rows), [0.0, 0.0], atol=1e-6)


def test_terms_that_cancel_leave_the_others_their_way():
    rows = [[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0]]
    np.testing.assert_allclose(once(cagrad(0.5), rows), [0.0, 1.0], atol=1e-3)
    np.testing.assert_allclose(once(mgda(), rows), [0.0, 0.0], atol=1e-3)


@every_rule
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_so(rule, bad):
    update = once(rule, [[1.0, 2.0], [bad, 1.0], [-1.0, 1.0]])
    assert not np.isfinite(update[0])
    assert not np.isfinite(once(rule, [[0.0, 0.0], [bad, 0.0], [0.0, 0.0]])[0])


# At work with optax and JAX.


@pytest.mark.slow
@every_rule
def test_trains_mixed_types_under_scan_and_vmap_in_a_chain(rule):
    params = {
        "w": np.ones((3, 2), np.float32),
        "b": np.zeros(2, jnp.bfloat16),
        "s": np.ones((), np.float32),
    }
    optimizer = optax.chain(rule, optax.apply_if_finite(optax.adam(0.05), 3))

    def values(params):
        out = params["s"] * jnp.sum(params["w"], axis=0) + params["b"].astype(jnp.float32)
        return jnp.sum((out[None, :] - jnp.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])) ** 2, -1)

    def train(start):
        def step(carry, _):
            params, state = carry
            updates, state = optimizer.update(jax.jacrev(values)(params), state, params)
            return (optax.apply_updates(params, updates), state), jnp.sum(values(params))

        begun = {**params, "s": start}
        return jax.lax.scan(step, (begun, optimizer.init(begun)), length=60)

    (trained, _), falling = jax.jit(jax.vmap(train))(np.float32([0.5, 1.5]))
    assert jax.tree.map(lambda x: x.dtype, trained) == jax.tree.map(lambda x: x.dtype, params)
    assert np.all(falling[:, -1] < 2.2)  # 4 / 3 is the least of all, at the mean target


@every_rule
def test_strict_about_types_and_ranks(rule):
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        compiled(rule)({"a": np.ones((2, 3), np.float32), "b": np.ones((2, 2, 2), np.float16)})


def test_gradnorm_is_strict_too():
    rule = gradnorm(2, optimizer=optax.sgd(0.1))  # that of Adam is not strict
    rows = {"a": np.ones((2, 3), np.float32), "b": np.ones((2, 2), np.float16)}
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        state = jax.jit(rule.init)(jax.tree.map(lambda x: x[0], rows))
        update, state = jax.jit(rule.update)(rows, state, values=np.ones(2, np.float16))
    assert [x.dtype for x in update.values()] == [jnp.float32, jnp.float16]
    assert state.weights.dtype == jnp.float32


def test_float64_is_kept():
    with jax.enable_x64(True):
        found = compiled(mgda())(PAIR)
        assert jax.jit(gram)(PAIR).dtype == found.dtype == jnp.float64
        np.testing.assert_allclose(found, [10 / 21, 11 / 21] @ PAIR, rtol=1e-14)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_gradients_may_be_spread_over_devices(kind):
    rule = mgda()
    mesh = jax.make_mesh((1,), ("devices",), axis_types=(kind,))
    with jax.set_mesh(mesh):
        spread = jax.device_put(PAIR.astype(np.float32), NamedSharding(mesh, P(None, "devices")))
        update = jax.jit(lambda x: rule.update(x, rule.init(None))[0])(spread)
    np.testing.assert_allclose(update, once(rule, PAIR), rtol=1e-6)


def test_only_shared_parameters_are_balanced_by_partition():
    total = optax.stateless(lambda updates, _: jax.tree.map(lambda x: x.sum(axis=0), updates))
    labels = {"trunk": "shared", "head": "own"}
    rule = optax.partition({"shared": mgda(), "own": total}, labels)
    per_term = {"trunk": np.float32(PAIR), "head": np.float32([[100], [0]])}
    params = {"trunk": np.zeros(3, np.float32), "head": np.zeros(1, np.float32)}
    update, _ = rule.update(per_term, rule.init(params), params)
    np.testing.assert_allclose(update["trunk"], [10 / 21, 11 / 21] @ PAIR, rtol=1e-6)
    assert update["head"].tolist() == [100.0]


def test_each_step_draws_anew_and_a_seed_is_its_key():
    rows = gradients(3, 2)
    first, state = rlw(7).update(rows, rlw(7).init(None))
    second, _ = rlw(7).update(rows, state)
    assert not np.allclose(first, second)
    again, _ = rlw(jax.random.key(7)).update(rows, rlw(jax.random.key(7)).init(None))
    assert again.tolist() == first.tolist()


def test_random_weights_are_in_the_mean_equal():
    rule = rlw(0)
    draw = lambda seed: rule.update(jnp.eye(3), rlw(seed).init(None))[0]
    weights = np.asarray(jax.jit(jax.vmap(draw))(np.arange(4000)))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / 3, atol=0.01)


@pytest.mark.parametrize(
    ("per_term", "params", "error", "message"),
    [
        ([np.ones((2, 3)), np.ones((3, 3))], None, ValueError, r"mgda: `per_term`.*\(3, 3\)"),
        ([np.ones(())], None, ValueError, r"mgda: `per_term` has one leading axis"),
        ([], None, ValueError, r"mgda: `per_term` has one leading axis"),
        (np.ones((2, 3)), np.ones((2, 3)), ValueError, r"got \(3,\), wanted \(2, 3\)"),
        ({"a": np.ones((2, 3))}, {"b": np.ones(3)}, ValueError, "shapes of `params`"),
        (np.ones((2, 3), np.int32), None, TypeError, r"mgda: `per_term` holds floats, got .*int32"),
    ],
)
def test_what_is_wrong_is_said(per_term, params, error, message):
    with pytest.raises(error, match=message):
        mgda().update(per_term, optax.EmptyState(), params)


def test_wrong_numbers_of_weights_and_reach_are_said():
    with pytest.raises(ValueError, match=r"combine: `weights` has shape \(3,\), wanted \(2,\)"):
        combine(np.ones((2, 3)), np.ones(3))
    with pytest.raises(ValueError, match=r"cagrad: `c` is in \[0, 1\), got 1.0"):
        cagrad(1.0)


# GradNorm.


def test_gradnorm_takes_one_step_as_by_hand():
    rule = gradnorm(2, alpha=1.0, optimizer=optax.sgd(0.1))
    rows, step = np.diag(np.float32([3, 1])), jax.jit(rule.update)
    update, state = step(rows, rule.init(rows[0]), values=np.float32([4, 4]))
    assert update.tolist() == [3.0, 1.0]  # mean of norms 2: slopes (3, -1), w = (0.7, 1.1) 10 / 9
    np.testing.assert_allclose(state.weights, [7 / 9, 11 / 9], rtol=1e-6)
    update, state = step(rows, state, values=np.float32([1, 3]))
    # ratios (1/4, 3/4), pace (1/2, 3/2), norms (7/3, 11/9): mean 16/9, targets (8/9, 8/3)
    np.testing.assert_allclose(update, [7 / 3, 11 / 9], rtol=1e-6)
    learned = np.array([7 / 9 - 0.3, 11 / 9 + 0.1])
    np.testing.assert_allclose(state.weights, 2 * learned / learned.sum(), rtol=1e-6)


def test_gradnorm_slope_is_the_derivative_of_its_loss():
    weights, norms, values = np.float32([[0.4, 1.1, 1.5], [5, 0.5, 1], [1, 1, 1]])
    seen = optax.GradientTransformation(lambda _: None, lambda g, s, _: (-g, s))
    rule = gradnorm(3, alpha=0.0, optimizer=seen)
    state = rule.init(values)._replace(weights=weights)
    _, state = jax.jit(rule.update)(np.diag(norms), state, values=values)
    target = np.mean(weights * norms)
    slope = jax.jit(jax.grad(lambda w: jnp.sum(jnp.abs(w * norms - target))))(weights)
    learned = np.maximum(weights - slope, np.finfo(np.float32).eps)
    np.testing.assert_allclose(state.weights, 3 * learned / learned.sum(), rtol=1e-6)


def test_gradnorm_measures_the_shared_part_alone_and_takes_other_first_values():
    rule = gradnorm(2, alpha=1.0, optimizer=optax.sgd(0.1), shared=lambda g: g["trunk"])
    per_term = {"trunk": np.eye(2, dtype=np.float32), "head": np.float32([[50], [0]])}
    state, step = rule.init(jax.tree.map(lambda x: x[0], per_term)), jax.jit(rule.update)
    update, after = step(per_term, state, values=np.ones(2, np.float32))
    assert update["head"].tolist() == [50.0]
    assert after.weights.tolist() == [1.0, 1.0]
    state = state._replace(initial=np.float32([1, 2]))
    _, after = step(per_term, state, values=np.ones(2, np.float32))
    np.testing.assert_allclose(after.weights, [1.1, 0.9], rtol=1e-6)


def test_gradnorm_shows_what_is_not_finite_and_keeps_its_state():
    rule = gradnorm(2)
    rows, ones, step = np.diag(np.float32([1, 3])), np.ones(2, np.float32), jax.jit(rule.update)
    _, state = step(rows, rule.init(None), values=ones)
    lost = np.diag(np.float32([np.nan, 3]))
    for gradients, values in ((lost, ones), (rows, np.float32([np.nan, np.inf]))):
        update, after = step(gradients, state, values=values)
        assert np.isnan(update[0]) == np.isnan(gradients[0, 0])
        assert jax.tree.all(jax.tree.map(np.array_equal, after, state))


def test_gradnorm_says_what_is_missing():
    rule, rows = gradnorm(2), np.eye(2, dtype=np.float32)
    state = rule.init(rows[0])
    with pytest.raises(TypeError, match=r"gradnorm: `update` takes `values`"):
        rule.update(rows, state)
    with pytest.raises(ValueError, match=r"`values` has one .* wanted shape \(2,\), got \(3,\)"):
        rule.update(rows, state, values=np.ones(3, np.float32))
    with pytest.raises(ValueError, match=r"`per_term` has one .* wanted shape \(2,\), got \(3,\)"):
        rule.update(np.ones((3, 2), np.float32), state, values=np.ones(2, np.float32))


def test_gradnorm_weighs_tasks_by_the_inverse_of_their_scales():
    """The toy of the paper, smaller: scale_i tanh((B + E_i) x), a shared trunk, a head for each."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)
    scales, inputs = np.float32([1, 10]), draw(64, 10)
    tasks = draw(1, 10, 4) + np.float32(0.35) * draw(2, 10, 4)
    targets = scales[:, None, None] * np.tanh(np.einsum("bi,tio->tbo", inputs, tasks) / 3)
    params = {"trunk": draw(10, 32) / 3, "head": draw(2, 32, 4) / 6}

    def values(params):
        features = jnp.tanh(inputs @ params["trunk"])
        out = jnp.einsum("bh,tho->tbo", features, params["head"])
        return jnp.mean((out - targets) ** 2, axis=(1, 2))

    rule = gradnorm(2, alpha=0.12, optimizer=optax.adam(0.02), shared=lambda g: g["trunk"])
    optimizer = optax.chain(rule, optax.adam(0.01))

    @jax.jit
    def train(params):
        def step(carry, _):
            params, state = carry
            slopes, now = jax.jacrev(values)(params), values(params)
            updates, state = optimizer.update(slopes, state, params, values=now)
            return (optax.apply_updates(params, updates), state), (now, state[0].weights)

        begun = params, optimizer.init(params)
        return jax.lax.scan(step, begun, length=300)[1]

    falling, weights = map(np.asarray, train(params))
    np.testing.assert_allclose(weights.sum(axis=1), 2.0, rtol=1e-5)
    assert weights.min() > 0
    assert weights[-1, 0] / weights[-1, 1] > 5
    paces = falling[-1] / falling[0]
    assert paces.max() < 0.25


# The two objectives in the plane of Liu et al. (2021), appendix, whose two valleys end in bowls.

STARTS = np.float32([[-8.5, 7.5], [-8.5, -5.0], [9.0, 9.0]])
BEST = (0.0, -8.3552)  # the minimiser of the mean


def two_objectives(theta):
    x, y = theta
    lines = jnp.stack([(x + 7) / 2 - jnp.tanh(y), (3 - x) / 2 - jnp.tanh(y) + 2])
    valleys = jnp.log(jnp.maximum(jnp.abs(lines), 0.000005)) + 6
    bowls = (jnp.stack([x - 7, x + 7]) ** 2 + 0.1 * (y + 8) ** 2) / 10 - 20
    return valleys * jnp.maximum(jnp.tanh(y / 2), 0) + bowls * jnp.maximum(jnp.tanh(-y / 2), 0)


def ends(rule, steps, rate):
    optimizer = optax.chain(rule, optax.adam(rate))

    @jax.jit
    @jax.vmap
    def train(theta):
        def step(_, carry):
            theta, state = carry
            updates, state = optimizer.update(jax.jacrev(two_objectives)(theta), state, theta)
            return optax.apply_updates(theta, updates), state

        return jax.lax.fori_loop(0, steps, step, (theta, optimizer.init(theta)))[0]

    return np.asarray(train(STARTS))


def test_the_mean_alone_gets_stuck_in_two_valleys():
    mean = optax.stateless(lambda updates, _: jax.tree.map(lambda x: x.mean(axis=0), updates))
    left, below, right = ends(mean, 30_000, 0.002)
    np.testing.assert_allclose(below, BEST, atol=0.05)
    assert left[1] > 1
    assert right[1] > 1


def test_random_weights_get_no_further_than_the_mean():
    left, below, right = ends(rlw(0), 20_000, 0.002)
    np.testing.assert_allclose(below, BEST, atol=0.3)
    assert left[1] > 1
    assert right[1] > 1


@pytest.mark.slow
def test_cagrad_reaches_the_minimiser_of_the_mean_from_all_starts():
    np.testing.assert_allclose(ends(cagrad(0.5), 60_000, 0.002), [BEST] * 3, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [pcgrad, rlw])
def test_a_raw_key_is_the_typed_key_and_an_integer_its_seed(rule):
    rows = gradients(3, 6)
    keys = 7, np.int32(7), jax.random.key(7), jax.random.PRNGKey(7), np.array(jax.random.PRNGKey(7))
    (first, *others) = (rule(key).update(rows, rule(key).init(None))[0] for key in keys)
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("rule", [pcgrad, rlw])
@pytest.mark.parametrize(
    ("key", "got"),
    [
        (jax.random.split(jax.random.PRNGKey(0)), r"uint32\[2, 2\]"),
        (np.arange(2), r"int32\[2\]"),
        (np.uint32([1, 2, 3]), r"uint32\[3\]"),
        (0.5, r"float32\[\]"),
    ],
)
def test_what_is_neither_a_key_nor_a_seed_is_refused(rule, key, got):
    with pytest.raises(ValueError, match=rf"{rule.__name__}: `key` is an integer, .*, got {got}"):
        rule(key)


def test_several_keys_are_refused():
    with pytest.raises(ValueError, match=r"pcgrad: `key` .*\[3\]; of several keys, take one"):
        pcgrad(jax.random.split(jax.random.key(0), 3))


def test_mgda_and_pcgrad_reach_different_points_of_the_pareto_front():
    for rule in (mgda(), pcgrad(0)):
        found = ends(rule, 10_000, 0.005)
        assert np.all(np.abs(found[:, 1] - BEST[1]) < 3)
        assert np.all(np.abs(found[:, 0]) < 7.1)
        assert np.ptp(found[:, 0]) > 3
