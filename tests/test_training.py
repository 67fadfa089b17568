"""The bridge to optimizers: bound objectives, exact accumulation, schedules, learned numbers."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

import jaxloss as jl
from jaxloss import training

ROWS, FEATURES = 12, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, FEATURES)).astype(np.float32)
Y = (X @ [1.0, -2.0, 0.5] + 0.3).astype(np.float32)
WHERE = np.array([1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0], bool)  # unequal over every split
WEIGHTS = RNG.uniform(0.2, 3, ROWS).astype(np.float32)
PARAMS = {"w": np.full(FEATURES, 0.1, np.float32), "b": np.float32(0)}
OBJECTIVE = 0.7 * jl.Objective(jl.huber, delta=0.8) + 0.3 * jl.Objective(jl.squared_error)

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-7)


def linear(params, x):
    return x @ params["w"] + params["b"]


BOUND = training.bind(OBJECTIVE, linear)
value_of = jax.jit(BOUND)
value_and_slope = jax.jit(jax.value_and_grad(BOUND))


def minimised(optimizer, steps, *, update):
    """The value of BOUND after these steps of an optimizer, in a compiled loop."""

    def step(carry, _):
        params, state = carry
        value, grads = jax.value_and_grad(BOUND)(params, X, Y)
        updates, state = update(value, grads, state, params)
        return (optax.apply_updates(params, updates), state), value

    run = jax.jit(lambda params: jax.lax.scan(step, (params, optimizer.init(params)), length=steps))
    (params, _), values = run(PARAMS)
    return float(value_of(params, X, Y)), values


# Bound objectives.


def test_a_bound_objective_is_the_objective_of_the_predictions():
    masks = {"where": WHERE, "weights": WEIGHTS}
    close(value_of(PARAMS, X, Y, **masks), OBJECTIVE(linear(PARAMS, X), Y, **masks))

    @jax.jit
    def of_terms(*given):
        (value, outcome), slope = jax.value_and_grad(BOUND.with_terms, has_aux=True)(*given)
        parts = [term.value for term in outcome.terms.values()]
        return value, outcome.predictions, parts, slope

    per_term = jax.jit(lambda *given: (BOUND.per_term(*given), jax.jacrev(BOUND.per_term)(*given)))
    value, predictions, parts, slope = jax.tree.map(np.asarray, of_terms(PARAMS, X, Y))
    values, slopes = jax.tree.map(np.asarray, per_term(PARAMS, X, Y))
    close(value, value_of(PARAMS, X, Y))
    close(predictions, linear(PARAMS, X))
    close(value, 0.7 * parts[0] + 0.3 * parts[1])
    close(values, [0.7 * parts[0], 0.3 * parts[1]])
    jax.tree.map(lambda each, all_: close(each.sum(0), all_), slopes, slope)


def test_nan_behind_the_mask_leaks_through_no_model():
    dirty = np.where(WHERE, Y, np.nan)
    _, found = value_and_slope(PARAMS, X, dirty, where=WHERE)
    jax.tree.map(close, found, value_and_slope(PARAMS, X[WHERE], Y[WHERE])[1])


def test_a_bound_objective_is_a_tree_of_its_numbers():
    traces = []

    @jax.jit
    def value(bound):
        traces.append(bound)
        return bound(PARAMS, X, Y)

    for delta in (0.5, 1.0, 2.0):
        given = jl.Objective(jl.huber, delta=delta)
        close(value(training.bind(given, linear)), given(linear(PARAMS, X), Y))
    assert len(traces) == 1
    assert list(inspect.signature(BOUND).parameters)[:3] == ["params", "inputs", "targets"]


def test_what_is_bound_is_checked():
    with pytest.raises(TypeError, match=r"bind: `objective` is an Objective.* got <loss huber"):
        training.bind(jl.huber, linear)
    with pytest.raises(TypeError, match=r"bind: `apply` is a function .* got {}"):
        training.bind(OBJECTIVE, {})


# Exact accumulation.


def whole(**masks):
    return jax.tree.map(np.asarray, value_and_slope(PARAMS, X, Y, **masks))


MASKS = [{}, {"where": WHERE}, {"weights": WEIGHTS}, {"where": WHERE, "weights": WEIGHTS}]
every_mask = pytest.mark.parametrize("masks", MASKS, ids=["none", "where", "weights", "both"])


def parts_of(masks, count):
    """Consecutive micro-batches: inputs, targets, and the keywords of each."""
    rows = np.split(np.arange(ROWS), count)
    return [((X[i], Y[i]), {name: mask[i] for name, mask in masks.items()}) for i in rows]


@pytest.mark.slow
@every_mask
@pytest.mark.parametrize("parts", [1, 3, ROWS])
def test_a_scan_over_parts_is_the_whole(masks, parts):
    found = jax.jit(training.accumulate(BOUND, parts))(PARAMS, X, Y, **masks)
    jax.tree.map(functools.partial(close, atol=1e-6), found, whole(**masks))


def test_the_mean_of_means_is_not_the_whole_and_the_sum_of_shares_is():
    value, slope = whole(where=WHERE)
    parts = parts_of({"where": WHERE}, 3)
    naive = [value_and_slope(PARAMS, *data, **mask)[0] for data, mask in parts]
    assert abs(np.mean(naive) - value) > 0.1 * value
    masses = BOUND.masses(PARAMS, X, Y, where=WHERE)
    share = jax.jit(jax.value_and_grad(BOUND.share))
    shares = [share(PARAMS, *data, masses, **mask) for data, mask in parts]
    jax.tree.map(close, jax.tree.map(lambda *x: np.sum(x, axis=0), *shares), (value, slope))


def test_masses_are_counts_and_need_no_model():
    def broken(_, x):
        return jax.pure_callback(pytest.fail, jax.ShapeDtypeStruct((ROWS,), jnp.float32), x)

    masses = training.bind(OBJECTIVE, broken).masses(PARAMS, X, Y, where=WHERE)
    assert {name: (int(mass), mass.dtype) for name, mass in masses.items()} == {
        "huber": (5, jnp.int32),
        "squared_error": (5, jnp.int32),
    }


@every_mask
def test_optax_multi_steps_is_the_whole(masks):
    """MultiSteps takes the mean of what it is given: of shares times their number."""
    count = 4
    optimizer = optax.MultiSteps(optax.sgd(0.1), every_k_schedule=count)
    params, state = PARAMS, optimizer.init(PARAMS)
    sizes = BOUND.masses(PARAMS, X, Y, **masks)

    @jax.jit
    def step(params, state, data, mask):
        slope = jax.grad(lambda p: count * BOUND.share(p, *data, sizes, **mask))(PARAMS)
        updates, state = optimizer.update(slope, state, params)
        return optax.apply_updates(params, updates), state

    for data, mask in parts_of(masks, count):
        params, state = step(params, state, data, mask)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, PARAMS, whole(**masks)[1])
    jax.tree.map(functools.partial(close, rtol=1e-5), params, expected)


def test_optax_microbatch_is_the_whole():
    from optax import microbatching

    sizes = BOUND.masses(PARAMS, X, Y, where=WHERE)
    share = lambda p, x, y, m: BOUND.share(p, x, y, sizes, where=m)
    split = microbatching.microbatch(
        jax.value_and_grad(share),
        argnums=(1, 2, 3),
        microbatch_size=4,
        accumulator=microbatching.AccumulationType.SUM,
    )
    jax.tree.map(close, split(PARAMS, X, Y, jnp.asarray(WHERE)), whole(where=WHERE))


def test_narrow_gradients_are_summed_wide():
    narrow = jax.tree.map(lambda p: p.astype(jnp.bfloat16), PARAMS)
    value, slope = jax.jit(training.accumulate(BOUND, ROWS))(narrow, X, Y)
    assert value.dtype == jnp.float32
    assert {g.dtype for g in jax.tree.leaves(slope)} == {jnp.dtype(jnp.bfloat16)}
    _, exact = value_and_slope(jax.tree.map(np.float32, narrow), X, Y)
    jax.tree.map(lambda g, e: close(np.float32(g), e, rtol=2e-2), slope, exact)


def test_sets_are_counted_over_parts_too():
    scores, relevance = RNG.normal(size=(2, 6, 4)).astype(np.float32)
    where = np.arange(4) < np.array([4, 2, 0, 3, 0, 1])[:, None]
    bound = training.bind(jl.Objective(jl.ranking_softmax), lambda w, s: w * s)
    given = (np.float32(2), scores, np.abs(relevance))
    found = jax.jit(training.accumulate(bound, 3))(*given, where=where)
    jax.tree.map(close, found, jax.jit(jax.value_and_grad(bound))(*given, where=where))


def test_what_is_no_sum_is_refused():
    bound = training.bind(jl.Objective(jl.huber, reduction=jl.hardest(2)), linear)
    with pytest.raises(ValueError, match=r"Objective.share: huber .* hardest\(2\); use one that"):
        training.accumulate(bound, 2)(PARAMS, X, Y)
    with pytest.raises(ValueError, match=r"an array of shape \(12, 3\) does not fall into 5 parts"):
        training.accumulate(BOUND, 5)(PARAMS, X, Y)
    with pytest.raises(ValueError, match="`parts` is an integer >= 1, got 0"):
        training.accumulate(BOUND, 0)
    with pytest.raises(
        ValueError, match=r"`masses` .* \['huber', 'squared_error'\], got .*\['mse'\]"
    ):
        OBJECTIVE.share(X[:, 0], Y, {"mse": 12})


# What optax offers to those who have the value.


def test_lbfgs_and_its_line_search():
    optimizer = optax.lbfgs()

    @jax.jit
    def run(params):
        def step(carry, _):
            params, state = carry
            get = optax.value_and_grad_from_state(BOUND)
            value, grad = get(params, X, Y, where=WHERE, state=state)
            updates, state = optimizer.update(
                grad,
                state,
                params,
                value=value,
                grad=grad,
                value_fn=BOUND,
                inputs=X,
                targets=Y,
                where=WHERE,
            )
            return (optax.apply_updates(params, updates), state), value

        return jax.lax.scan(step, (params, optimizer.init(params)), length=25)[0][0]

    found = run(PARAMS)
    assert float(value_of(found, X, Y, where=WHERE)) < 1e-9


def test_zoom_line_search():
    optimizer = optax.chain(optax.sgd(1.0), optax.scale_by_zoom_linesearch(15))
    update = lambda value, grads, state, params: optimizer.update(
        grads, state, params, value=value, grad=grads, value_fn=lambda p: BOUND(p, X, Y)
    )
    value, values = minimised(optimizer, 25, update=update)
    assert value < 1e-3
    assert np.all(np.diff(values) <= 1e-7)


@pytest.mark.parametrize(
    "optimizer",
    [optax.polyak_sgd(max_learning_rate=0.5), contrib.momo(0.5), contrib.momo_adam(0.1)],
    ids=["polyak_sgd", "momo", "momo_adam"],
)
def test_steps_from_the_value(optimizer):
    update = lambda value, grads, state, params: optimizer.update(grads, state, params, value=value)
    assert minimised(optimizer, 120, update=update)[0] < 1e-3


def test_reduce_on_plateau():
    plateau = contrib.reduce_on_plateau(factor=0.5, patience=3)
    optimizer = optax.chain(optax.adam(0.3), plateau)
    update = lambda value, grads, state, params: optimizer.update(grads, state, params, value=value)
    assert minimised(optimizer, 150, update=update)[0] < 1e-3


def test_per_example_gradients_for_private_training():
    """Each row alone is a batch of one; the mean of all clipped gradients moves the parameters."""
    per_example = jax.jit(jax.vmap(jax.grad(BOUND), in_axes=(None, 0, 0)))
    each = jax.tree.map(np.asarray, per_example(PARAMS, X[:, None], Y[:, None]))
    jax.tree.map(lambda g, e: close(g.mean(0), e, rtol=1e-5), each, whole()[1])
    private = contrib.differentially_private_aggregate(1.0, noise_multiplier=0.0, key=0)
    optimizer = optax.chain(private, optax.scale_by_learning_rate(0.1))  # what dpsgd is
    updates, _ = jax.jit(optimizer.update)(each, optimizer.init(PARAMS))
    squares = sum(np.sum(g.reshape(ROWS, -1) ** 2, -1) for g in jax.tree.leaves(each))
    shrink = np.minimum(1, 1 / np.sqrt(squares))
    jax.tree.map(
        lambda u, g: close(u, -0.1 * np.tensordot(shrink, g, 1) / ROWS, rtol=1e-5), updates, each
    )


# Hyper-parameters that move.


def test_a_schedule_is_a_function_from_the_step_to_an_objective():
    shrinking = optax.linear_schedule(2.0, 0.5, 10)
    traces = []

    @jax.jit
    def value(params, step):
        traces.append(step)
        objective = 2 * jl.Objective(jl.huber, delta=shrinking(step))
        return training.bind(objective, linear)(params, X, Y)

    for step in (0, 5, 10):
        expected = 2 * jl.Objective(jl.huber, delta=2.0 - 0.15 * step)
        close(value(PARAMS, step), expected(linear(PARAMS, X), Y))
    assert len(traces) == 1


EVERY_DOMAIN = (
    jl.Objective(jl.huber, delta=0.3)
    + 2 * jl.Objective(jl.quantile_huber, quantile=0.2, delta=3.0)
    + jl.Objective(jl.barron, alpha=-1.0, scale=0.1)
    + jl.Objective(jl.lp, p=1.5)
    + jl.Objective(optax.losses.huber_loss, delta=0.7)
    + jl.Objective(jl.huber, delta=5.0)
)


def test_unconstrained_numbers_lead_back():
    numbers = training.unconstrain(EVERY_DOMAIN)
    assert "huber#2" in numbers
    back = training.constrain(EVERY_DOMAIN, numbers)
    assert jax.tree.structure(back) == jax.tree.structure(EVERY_DOMAIN)
    jax.tree.map(functools.partial(close, rtol=1e-5), back, EVERY_DOMAIN)


@jax.jit
def of_numbers(numbers):
    value = lambda m: training.constrain(EVERY_DOMAIN, m)(X[:, 0], Y)
    return jax.value_and_grad(value)(numbers)


@pytest.mark.parametrize("real", [-30.0, 0.0, 30.0])
def test_any_number_stays_inside_its_domain(real):
    moved = jax.tree.map(lambda x: x * 0 + real, training.unconstrain(EVERY_DOMAIN))
    value, slope = of_numbers(moved)
    assert np.isfinite(value)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(slope))


def test_not_even_rounding_leads_to_the_edge():
    for real in (-1e4, 1e4):
        moved = jax.tree.map(lambda x, r=real: x * 0 + r, training.unconstrain(EVERY_DOMAIN))
        named = training.constrain(EVERY_DOMAIN, moved).named
        assert named["huber"].traced["delta"] > 0
        assert 0 < named["quantile_huber"].traced["quantile"] < 1


def test_some_numbers_may_be_left_out():
    numbers = training.unconstrain(EVERY_DOMAIN)
    some = {"quantile_huber": {"quantile": numbers["quantile_huber"]["quantile"] + 1}}
    moved = training.constrain(EVERY_DOMAIN, some).named["quantile_huber"]
    assert float(moved.traced["quantile"]) == pytest.approx(1 / (1 + 4 * np.exp(-1)))
    assert moved.traced["delta"] == 3.0
    assert moved.scale == 2


def test_the_edge_of_a_domain_is_no_place_to_begin():
    edge = jl.Objective(jl.sigmoid_focal, gamma=0.0)
    with pytest.raises(ValueError, match=r"`gamma` of sigmoid_focal is 0.0, on the edge.* >= 0"):
        training.unconstrain(edge)
    with pytest.raises(ValueError, match=r"Objective\.replace: no term 'huber'"):
        training.constrain(edge, {"huber": {"delta": 0.0}})
    with pytest.raises(TypeError, match="has no hyper-parameter `delta`"):
        training.constrain(edge, {"sigmoid_focal": {"delta": 0.0}})


def test_numbers_that_are_traced_are_unconstrained_too():
    numbers = training.unconstrain(EVERY_DOMAIN)
    jax.tree.map(close, jax.jit(training.unconstrain)(EVERY_DOMAIN), numbers)
    back = jax.jit(lambda x: training.constrain(x, training.unconstrain(x)))(EVERY_DOMAIN)
    jax.tree.map(functools.partial(close, rtol=1e-5), back, EVERY_DOMAIN)
    real_of = lambda x: training.unconstrain(jl.Objective(jl.huber, delta=x))["huber"]["delta"]
    close(jax.grad(real_of)(0.5), 1 / (1 - np.exp(-0.5)))  # of log(e^x - 1)
    edge = jax.jit(jax.vmap(jax.value_and_grad(real_of)))(jnp.array([0.0, -1.0]))
    assert np.isnan(edge).all()


def test_a_hyper_parameter_that_is_absent_is_not_trained():
    absent = jl.Objective(
        jl.softmax_cross_entropy_with_integer_labels, label_smoothing=0.2, z_loss=None
    )
    ((name, numbers),) = training.unconstrain(absent).items()
    assert list(numbers) == ["label_smoothing"]
    moved = training.constrain(absent, {name: {"label_smoothing": jnp.array(0.0), "z_loss": None}})
    assert float(moved.named[name].traced["label_smoothing"]) == 0.5
    assert moved.named[name].traced["z_loss"] is None
    assert repr(training.constrain(absent, {name: {"label_smoothing": None}})) == repr(absent)


def test_learned_variances_are_those_of_the_noise():
    """Two tasks with known noise: each learned variance ends at the residual's mean square."""
    truth = RNG.normal(size=(400,)).astype(np.float32)
    noise = RNG.normal(size=(2, 400)).astype(np.float32) * [[0.1], [3.0]]
    targets = {"near": truth + noise[0], "far": truth + noise[1]}
    half = jl.Objective(jl.half_squared_error)
    bound = training.bind(
        half.at("near") + half.at("far"), lambda w, x: {"near": w * x, "far": w * x}
    )

    def value(params):
        terms = bound.per_term(params["w"], truth, targets)
        return training.uncertainty_weighted(terms, params["log_variances"])

    optimizer = optax.adam(0.05)

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.grad(value)(params), state)
        return (optax.apply_updates(params, updates), state), None

    start = {"w": np.float32(0), "log_variances": np.zeros(2, np.float32)}
    run = jax.jit(lambda p: jax.lax.scan(step, (p, optimizer.init(p)), length=600)[0][0])
    found = run(start)
    close(np.exp(np.asarray(found["log_variances"])), np.mean(noise**2, 1), rtol=0.05)
    assert float(found["w"]) == pytest.approx(1.0, abs=0.02)
    with pytest.raises(ValueError, match=r"uncertainty_weighted: `values` \(2,\) and .* \(3,\)"):
        training.uncertainty_weighted(jnp.ones(2), jnp.zeros(3))
