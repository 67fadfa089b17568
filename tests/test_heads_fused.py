"""Sums over the tokens of a head: one sweep for value and gradients, equal to the dense sum."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dense_heads import (
    CE,
    CLASSES,
    FEATURES,
    HEAD,
    LABELS,
    MOVING,
    SOFT,
    TERMS,
    TOKENS,
    WHERE,
    draw,
    put,
    relative,
    slopes_of_mean,
)
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxloss as jl

pytestmark = pytest.mark.slow


@functools.cache
def after(loss):
    """The objective of the loss of all logits at once, in place of that of a head."""

    def objective(reduction=jl.mean, **hyper):
        reduced = jl.Objective(loss, reduction=reduction, **hyper)

        def of_all(arrays, target, **given):
            hidden, weight, bias, *others = arrays
            logits = jnp.matmul(hidden, weight, precision="highest") + bias
            return reduced((logits, *others), target, **given)

        return of_all

    return objective


def objective_of(loss, **keywords):
    """That of a head, or of `after`."""
    return jl.Objective(loss, **keywords) if isinstance(loss, jl.Loss) else loss(**keywords)


near = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=2e-6)
WEIGHTS = np.linspace(0, 2, TOKENS, dtype=np.float32)


def derivatives(loss, moving=MOVING, others=(LABELS,), reduction=jl.mean, hyper=None, **given):
    """Value and gradient in weights, features and all hyper-parameters."""
    weights = {name: given.pop(name) for name in ("weights",) if name in given}
    hyper = jax.tree.map(np.float32, hyper or {})
    return _derivatives(loss, reduction, moving, others, hyper, weights, given)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _derivatives(loss, reduction, moving, others, hyper, weights, given):
    def value(moving, hyper, weights):
        objective = objective_of(loss, reduction=reduction, **hyper)
        return objective((*moving, *others[:-1]), others[-1], **weights, **given)

    return jax.value_and_grad(value, argnums=(0, 1, 2))(moving, hyper, weights)


@functools.cache
def summed(loss, reduction=jl.mean):
    """Value and gradient of the sum of what is reduced."""

    def value(arrays, target):
        return jnp.sum(objective_of(loss, reduction=reduction)(arrays, target))

    return jax.jit(jax.value_and_grad(value))


@pytest.mark.parametrize("reduction", [jl.mean, jl.total])
@pytest.mark.parametrize(
    ("hyper", "given"),
    [
        ({}, {}),
        (TERMS, {"where": WHERE}),
        ({"z_loss": 0.1}, {"weights": WEIGHTS}),
        ({"class_weights": np.linspace(0.5, 2, CLASSES, dtype=np.float32)}, {"where": WHERE}),
        (TERMS, {"weights": WEIGHTS, "where": WHERE}),
        ({}, {"weights": np.zeros(TOKENS, np.float32)}),
        ({}, {"where": np.zeros(TOKENS, bool)}),
    ],
)
def test_a_sum_equals_the_dense_sum(reduction, hyper, given):
    ours, theirs = (
        derivatives(loss, reduction=reduction, hyper=hyper, **given) for loss in (HEAD, after(CE))
    )
    jax.tree.map(near, ours, theirs)


@pytest.mark.parametrize(
    ("loss", "others"),
    [
        (jl.softmax_cross_entropy, (SOFT,)),
        (jl.softmax_focal, (LABELS,)),
        (jl.mixed(CE), (LABELS, LABELS[::-1], np.linspace(0, 1, TOKENS, dtype=np.float32))),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_any_loss_is_summed(loss, others):
    head = jl.linear_head(loss, tokens=4)
    ours, theirs = (derivatives(f, others=others, where=WHERE) for f in (head, after(loss)))
    jax.tree.map(near, ours, theirs)


def test_gradients_of_soft_targets_are_formed_too():
    def value(loss, targets):
        return objective_of(loss)(MOVING, targets, where=WHERE)

    loss = jl.softmax_cross_entropy
    heads = jl.linear_head(loss, tokens=4), after(loss)
    ours, theirs = (jax.jit(jax.grad(functools.partial(value, f)))(SOFT) for f in heads)
    near(ours, theirs)


def test_what_is_hidden_never_leaks():
    hidden, weight, bias = MOVING
    dirty = (put(hidden, ~WHERE, np.nan), weight, bias)
    labels = put(LABELS, ~WHERE, -7)
    found = derivatives(HEAD, dirty, (labels,), where=WHERE, weights=WEIGHTS)
    expected = derivatives(HEAD, where=WHERE, weights=WEIGHTS)
    jax.tree.map(near, found, expected)


def test_what_is_wrong_shows():
    value, ((slope, *_), *_) = derivatives(HEAD, others=(put(LABELS, 2, CLASSES),))
    assert np.isnan(value)
    np.testing.assert_array_equal(np.isnan(slope).any(axis=1), np.arange(TOKENS) == 2)
    assert np.isnan(derivatives(HEAD, hyper={"z_loss": -1.0})[0])


def test_a_weight_of_zero_wins_over_an_infinite_value():
    closed = (*MOVING[:2], put(MOVING[2], LABELS[0], -np.inf))
    weights = (LABELS[0] != LABELS).astype(np.float32)
    ours, theirs = (derivatives(f, closed, weights=weights) for f in (HEAD, after(CE)))
    assert np.isfinite(ours[0])
    near(ours[0], theirs[0])


def test_terms_and_shares_add_up():
    objective = jl.Objective(HEAD) + 0.5 * jl.Objective(HEAD, reduction=jl.total)
    whole = objective(MOVING, LABELS, where=WHERE, weights=WEIGHTS)
    hidden, *shared = MOVING
    parts = [
        (((hidden[s], *shared), LABELS[s]), {"where": WHERE[s], "weights": WEIGHTS[s]})
        for s in (slice(0, 4), slice(4, None))
    ]
    terms = [objective.terms(*arrays, **given) for arrays, given in parts]
    both = {name: terms[0][name] + terms[1][name] for name in terms[0]}
    near(
        sum(average.value for average in list(both.values())[:1]),
        jl.Objective(HEAD)(MOVING, LABELS, where=WHERE, weights=WEIGHTS),
    )
    masses = {name: average.mass for name, average in both.items()}
    near(sum(objective.share(*arrays, masses, **given) for arrays, given in parts), whole)


def test_the_chunks_and_the_company_change_nothing():
    expected = derivatives(after(CE))
    for room in ({"tokens": 1}, {"tokens": 3}, {}, {"memory": 1000}, {"memory": 60}):
        jax.tree.map(near, derivatives(jl.linear_head(CE, **room)), expected)


@pytest.mark.parametrize("room", [{"tokens": 50}, {"memory": 2**16}])
@pytest.mark.parametrize("classes", [2049, 1021])
def test_primes_with_small_logits(room, classes):
    features = 16
    for scale in (0.02, features**-0.5):
        moving, labels = draw(127, features, classes, scale)
        ours = derivatives(jl.linear_head(CE, **room), moving, (labels,))
        theirs = derivatives(after(CE), moving, (labels,))
        pairs = zip(*map(jax.tree.leaves, (ours, theirs)), strict=True)
        assert all(relative(x, y) < 1e-5 for x, y in pairs)


ONE_AT_A_TIME = jl.linear_head(CE, memory=1)


@pytest.mark.parametrize(
    "hyper", [{}, TERMS, {"class_weights": np.linspace(0.5, 2, CLASSES, dtype=np.float32)}]
)
@pytest.mark.parametrize("reduction", [jl.mean, jl.none])
def test_one_token_at_a_time_equals_dense(hyper, reduction):
    closed, labels = (*MOVING[:2], put(MOVING[2], 1, -np.inf)), put(LABELS, LABELS == 1, 2)

    def value(loss, moving, hyper):
        objective = objective_of(loss, reduction=reduction, **hyper)
        return jnp.sum(objective(moving, labels, where=WHERE) * 0.7)

    hyper = jax.tree.map(np.float32, hyper)
    both = [
        jax.jit(jax.value_and_grad(functools.partial(value, f), argnums=(0, 1)))(closed, hyper)
        for f in (ONE_AT_A_TIME, after(CE))
    ]
    jax.tree.map(near, *both)


def test_what_is_wrong_shows_one_token_at_a_time():
    wrong = ONE_AT_A_TIME(*MOVING, put(LABELS, 3, CLASSES))
    np.testing.assert_array_equal(np.isnan(wrong), np.arange(TOKENS) == 3)
    assert np.isnan(jax.jit(lambda z: jl.Objective(ONE_AT_A_TIME, z_loss=z)(MOVING, LABELS))(-1.0))


@pytest.mark.parametrize("room", [{"tokens": 4}, {"memory": 1}])
@pytest.mark.parametrize("reduction", [jl.mean, jl.none])
def test_a_tied_weight_is_the_transposed_one(room, reduction):
    hidden, weight, bias = MOVING
    value, slopes = summed(jl.tied_head(CE, **room), reduction)((hidden, weight.T, bias), LABELS)
    turned = value, (slopes[0], np.transpose(slopes[1]), slopes[2])
    jax.tree.map(near, turned, summed(after(CE), reduction)(MOVING, LABELS))
    with pytest.raises(ValueError, match=r"`weight` does not fit in .* the shape \(7, 5\)"):
        jl.tied_head(CE)(*MOVING, LABELS)


def products(function, *arrays):
    """How many matrix products its program holds."""
    return str(jax.make_jaxpr(function)(*arrays)).count("dot_general")


def test_nothing_is_computed_for_what_is_frozen():
    def value(moving, frozen):
        return jl.Objective(HEAD)(tuple({**frozen, **moving}[i] for i in range(3)), LABELS)

    def count(*at):
        moving = {i: MOVING[i] for i in at}
        frozen = {i: MOVING[i] for i in range(3) if i not in at}
        slope = jax.jit(jax.grad(value))
        return slope.lower(moving, frozen).compile().as_text().count(" dot(")

    assert count(2) < count(0) < count(0, 1)
    assert count(2) < count(1) < count(0, 1)


def test_forward_mode_and_second_derivatives():
    direction = tuple(np.ones_like(x) for x in MOVING)

    def of(loss):
        def value(m):
            return objective_of(loss, z_loss=0.1)(m, LABELS, where=WHERE)

        forward = jax.jvp(value, (MOVING,), (direction,))
        product = jax.jvp(jax.grad(value), (MOVING,), (direction,))
        twice = jax.grad(lambda m: sum(jnp.vdot(x, x) for x in jax.grad(value)(m)))(MOVING)
        remat = jax.grad(jax.checkpoint(value))(MOVING)
        return forward, product, twice, remat

    jax.tree.map(near, *(jax.jit(of, static_argnums=0)(loss) for loss in (HEAD, after(CE))))


def test_vmap_of_the_gradient():
    hidden, weight, bias = MOVING

    def slope(loss, weight, labels):
        def value(w):
            return objective_of(loss)((hidden, w, bias), labels)

        return jax.grad(value)(weight)

    many, labels = np.stack([weight, -weight]), np.stack([LABELS, LABELS[::-1]])
    ours, theirs = (
        jax.jit(jax.vmap(functools.partial(slope, loss)))(many, labels)
        for loss in (HEAD, after(CE))
    )
    near(ours, theirs)


@pytest.mark.parametrize(("dtype", "rounding"), [("bfloat16", 3e-3), ("float16", 4e-4)])
@pytest.mark.parametrize("tokens", [256, 8])
def test_narrow_factors_keep_their_gradients(dtype, rounding, tokens):
    moving, labels = draw(256, 16, 40, 0.25, dtype)
    with jax.enable_x64(True):
        exact = slopes_of_mean(tuple(x.astype(np.float64) for x in moving), labels)
    head = jl.linear_head(CE, tokens=tokens)
    found = jax.jit(jax.grad(lambda m: jl.Objective(head)(m, labels)))(moving)
    assert {x.dtype for x in found} == {jnp.dtype(dtype)}
    assert max(relative(x, y) for x, y in zip(found, exact, strict=True)) < rounding


def test_memory_of_value_and_gradients():
    """Beyond what is returned: the logits of a chunk with their gradient, and little more."""
    struct = jax.ShapeDtypeStruct
    shapes = struct((1024, 64), jnp.float32), struct((64, 8192), jnp.float32)

    def temporaries(loss):
        def value(hidden, weight, labels):
            return objective_of(loss)((hidden, weight, 0.0), labels)

        slope = jax.jit(jax.value_and_grad(value, argnums=(0, 1)))
        compiled = slope.lower(*shapes, struct((1024,), jnp.int32)).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    chunk = 64 * 8192 * 4
    assert temporaries(jl.linear_head(CE, tokens=64)) < 5 * chunk
    assert temporaries(after(CE)) > 16 * chunk


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
@pytest.mark.parametrize("reduction", [jl.mean, jl.none])
@pytest.mark.parametrize(
    "axes", [(("x",), (), (), ("x",)), ((), (None, "x"), ("x",), ())], ids=["tokens", "classes"]
)
def test_tokens_or_classes_spread_over_devices(kind, reduction, axes):
    mesh = jax.make_mesh((1,), ("x",), axis_types=(kind,))
    arrays = (MOVING[0][:8], *MOVING[1:], LABELS[:8])
    expected = summed(after(CE), reduction)(arrays[:3], arrays[3])
    with jax.set_mesh(mesh):
        places = [NamedSharding(mesh, PartitionSpec(*each)) for each in axes]
        *moving, labels = map(jax.device_put, arrays, places)
        jax.tree.map(near, summed(HEAD, reduction)(tuple(moving), labels), expected)


@pytest.mark.parametrize("room", [{"memory": 0}, {"memory": 1.5}, {"tokens": 1, "memory": 1}])
def test_room_is_a_count(room):
    with pytest.raises((TypeError, ValueError), match="`memory`"):
        jl.linear_head(CE, **room)


@functools.cache
def distilled_after(loss):
    """Value and gradients of the sum over all that count, after all logits of both."""
    in_logs = "log_targets" in loss.signature.arrays
    form = jax.nn.log_softmax if in_logs else jax.nn.softmax

    def value(moving, temperature):
        cooled = [(h @ w + b) / temperature for h, w, b in (moving, TEACHER)]
        return jnp.sum(loss(jax.nn.log_softmax(cooled[0]), form(cooled[1])), where=WHERE)

    return jax.jit(jax.value_and_grad(value, argnums=(0, 1)))(MOVING, 2.0)


TEACHER = draw(TOKENS, FEATURES + 1, CLASSES, 0.7)[0]


@pytest.mark.parametrize(
    "loss",
    [
        jl.kl_divergence_with_log_targets,
        jl.reverse_kl,
        jl.generalized_jensen_shannon,
        jl.jensen_shannon,
        jl.kl_divergence,
    ],
)
@pytest.mark.parametrize("reduction", [jl.mean, jl.none])
def test_distillation_equals_after(loss, reduction):
    def value(moving, temperature):
        head = jl.distillation_head(loss, tokens=4)
        objective = jl.Objective(head, reduction=reduction, temperature=temperature)
        return jnp.sum(objective((*moving, *TEACHER[:2]), TEACHER[2], where=WHERE))

    found = jax.jit(jax.value_and_grad(value, argnums=(0, 1)))(MOVING, 2.0)
    count = WHERE.sum() if reduction is jl.mean else 1
    expected = jax.tree.map(lambda x: np.asarray(x) / count, distilled_after(loss))
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=2e-6), found, expected
    )


def test_the_teacher_is_frozen():
    head = jl.distillation_head(jl.reverse_kl, tokens=4)
    slope = jax.jit(jax.grad(lambda teacher: jnp.sum(head(*MOVING, *teacher))))(MOVING)
    assert not any(np.any(x) for x in slope)
    assert jl.distillation_head(jl.reverse_kl, tokens=4) is head
    with pytest.raises(TypeError, match="is a loss of two distributions"):
        jl.distillation_head(CE)


def test_log_probabilities_and_entropies_equal_dense():
    def objective(function, moving, temperature):
        found = function(moving, temperature)
        return jnp.sum(found[0] * WEIGHTS) + jnp.sum(found[1]), found

    def ours(moving, temperature):
        return tuple(jl.token_log_probabilities(*moving, LABELS, temperature=temperature, tokens=4))

    def theirs(moving, temperature):
        logs = jax.nn.log_softmax((moving[0] @ moving[1] + moving[2]) / temperature)
        return logs[jnp.arange(TOKENS), LABELS], -jnp.sum(jnp.exp(logs) * logs, axis=-1)

    both = [
        jax.jit(jax.value_and_grad(functools.partial(objective, f), argnums=(0, 1), has_aux=True))(
            MOVING, 1.5
        )
        for f in (ours, theirs)
    ]
    jax.tree.map(near, *both)
    closed = put(MOVING[2], (LABELS[0] + 1) % CLASSES, -np.inf)
    found = jl.token_log_probabilities(*MOVING[:2], closed, LABELS)
    assert np.all(np.isfinite(found.entropy))
    bad = jl.token_log_probabilities(*MOVING, put(LABELS, 1, -1))
    np.testing.assert_array_equal(np.isnan(bad.log_probability), np.arange(TOKENS) == 1)
