"""Parts of a batch add up to the whole, and what does not add up is refused."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from drawing import BATCH, LOSSES, OF_EACH_WRAPPER, Case, one_of_each

import jaxloss as jl
from jaxloss import training

BY_VECTORS = [name for name, loss in LOSSES.items() if not loss.signature.elementwise]
ROWS = 8
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, ROWS, 3)).astype(np.float32)
W = RNG.normal(size=(3, 3)).astype(np.float32)
WHERE = np.arange(ROWS) % 4 > 0  # of two parts, one has 4 and one 2
SQUARED = jl.Objective(jl.squared_error)

close = functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-6)


def given(case, batch):
    """The objective of a loss, joined to a model that scales its predictions, and data for it."""
    arrays = case.ordinary(batch=batch)
    *heads, targets = arrays if len(arrays) > 1 else (*arrays, None)
    objective = jl.Objective(case.loss, **case.some_hyper)
    return training.bind(objective, scaled), tuple(heads), targets


def scaled(factor, inputs):
    is_float = lambda x: jnp.issubdtype(x.dtype, jnp.floating)
    return jax.tree.map(lambda x: x * factor if is_float(x) else x, inputs)


def layout(loss):
    """What an event is, which is what splitting a batch depends on."""
    return loss.signature.is_set, len(loss.signature.first.axes)


ONE_OF_EACH = one_of_each(layout)
OF_EACH_LAYOUT = [
    pytest.param(name, marks=[pytest.mark.slow] * (name not in ONE_OF_EACH))
    for name in sorted(ONE_OF_EACH | OF_EACH_WRAPPER)
]


# What is no sum over parts.


# GradCache#7, sentence-transformers#1822, open_clip#108
@pytest.mark.parametrize("name", BY_VECTORS)
def test_a_part_of_one_event_is_no_share(name):
    bound, predictions, targets = given(Case(LOSSES[name]), ())
    with pytest.raises(ValueError, match=r"share: .* is no sum over its parts.*jax\.vjp"):
        jax.eval_shape(lambda: bound.share(1.0, predictions, targets, {name: 1}))
    with pytest.raises(ValueError, match=r"masses: .* is no sum over its parts"):
        bound.masses(1.0, predictions, targets)
    several = training.accumulate(bound, len(predictions[0]))
    with pytest.raises(ValueError, match=r"accumulate: (.* is no sum over its parts|arrays)"):
        jax.eval_shape(several, np.float32(1), predictions, targets)


@pytest.mark.parametrize("name", OF_EACH_LAYOUT)
def test_parts_of_a_batch_add_up_whatever_is_masked(name):
    bound, *data = given(Case(LOSSES[name]), (BATCH,))
    where = np.arange(BATCH) % 3 == 0  # of three parts, one has two and two have none

    @jax.jit
    def both(factor):
        found = training.accumulate(bound, 3)(factor, *data, where=where)
        return found, jax.value_and_grad(bound)(factor, *data, where=where)

    close(*both(np.float32(1)))


def test_examples_that_meet_each_other_in_the_model_are_refused():
    """By shapes: an axis that depends on how many examples there are is no axis of an event."""
    targets = np.arange(ROWS)
    pairs = jl.Objective(jl.softmax_cross_entropy_with_integer_labels)
    cases = {
        "pairs": (pairs, lambda w, x: (x @ w) @ (x @ w).T, targets),
        "pooled": (SQUARED, lambda w, x: (x @ w).mean(), np.float32(0)),
        "scale": (
            jl.Objective(jl.gaussian_nll),
            lambda w, x: (x @ w, jnp.var(x @ w)),
            Y,
        ),
        "time first": (SQUARED, lambda w, x: (x @ w).T, Y.T),
    }
    for objective, apply, against in cases.values():
        bound = training.bind(objective, apply)
        with pytest.raises(ValueError, match=r"accumulate: (.*jax\.vjp|.* same number)"):
            training.accumulate(bound, 2)(W, X, against)


def test_one_number_for_all_examples_is_no_sum_over_them():
    bound = training.bind(jl.Objective(lambda p, t: jnp.max((p - t) ** 2)), lambda w, x: x @ w)
    with pytest.raises(ValueError, match=r"accumulate: <lambda> has an array of shape \(\) of all"):
        training.accumulate(bound, 2)(W, X, Y)


def test_one_part_is_the_whole_of_any_loss():
    bound = training.bind(jl.Objective(jl.symmetric_info_nce), lambda w, x: x @ w)
    found = training.accumulate(bound, 1)(W, X, Y)
    jax.tree.map(close, found, jax.value_and_grad(bound)(W, X, Y))


def test_a_reduction_of_all_values_at_once_is_no_sum():
    bound = training.bind(jl.Objective(jl.squared_error, reduction=jl.hardest(2)), scaled)
    with pytest.raises(ValueError, match=r"squared_error is no sum over examples but reduced by"):
        training.accumulate(bound, 2)(np.float32(1), X, Y)


@pytest.mark.parametrize(
    "reduction", [jl.mean, jl.total, jl.mean_by_count, jl.mean_by_batch, jl.mean_of_sequences]
)
def test_reductions_that_add_up(reduction):
    tokens = RNG.random((ROWS, 3)) < 0.6
    tokens[1] = False  # a sequence without tokens
    weights = RNG.uniform(size=(ROWS, 3)).astype(np.float32) * (RNG.random((ROWS, 3)) < 0.7)
    bound = training.bind(jl.Objective(jl.huber, reduction=reduction), lambda w, x: x @ w)

    @jax.jit
    def both(**masks):
        found = training.accumulate(bound, 4)(W, X, Y, **masks)
        return found, jax.value_and_grad(bound)(W, X, Y, **masks)

    for masks in ({}, {"where": tokens}, {"weights": weights}):
        jax.tree.map(close, *both(**masks))


# What does not depend on the examples.


def penalised(params, x):
    return {"y": x @ params["w"], "params": params}


FIT, LASSO = SQUARED.at("y"), jl.Objective(jl.absolute_error).at("params", "w")
RIDGE = jl.Objective(jl.squared_error, reduction=jl.total).at("params", "w")
GROWING = np.arange(1.0, ROWS + 1, dtype=np.float32)
ALL = {"where": {"y": WHERE}, "weights": {"y": GROWING, "params": {"w": GROWING[:3]}}}


@pytest.mark.parametrize("masks", [{}, {"where": {"y": WHERE}}, ALL], ids=["none", "where", "both"])
@pytest.mark.parametrize(
    "objective",
    [
        FIT + 0.1 * RIDGE,
        0.5 * FIT - 3 * LASSO + 0.1 * RIDGE + 2.5,
        jl.Objective(jl.huber, reduction=jl.total).at("y") + RIDGE + RIDGE,
        FIT + jl.Objective(jl.absolute_error, reduction=jl.hardest(2)).at("params", "w"),
        FIT + jl.Objective(lambda w, _: w**2, reduction=jl.total).at("params", "w"),
    ],
    ids=["total", "scaled", "several", "hardest", "foreign"],
)
@pytest.mark.parametrize("apply", [penalised, jax.jit(penalised)], ids=["plain", "jit"])
def test_a_term_of_the_parameters_counts_once(apply, objective, masks):
    bound = training.bind(objective, apply)
    targets = {"y": Y, "params": {"w": np.zeros_like(W)}}
    several = training.accumulate(bound, 4, aux=lambda *_: None)

    @jax.jit
    def both(params):
        found = several(params, X, targets, **masks)
        return found, jax.value_and_grad(bound.with_terms, has_aux=True)(
            params, X, targets, **masks
        )

    ((value, beside), slope), ((whole, outcome), slope_of_whole) = both({"w": W})
    close(value, whole)
    close(slope["w"], slope_of_whole["w"])
    for name, average in beside.terms.items():
        jax.tree.map(close, average, outcome.terms[name])
        assert average.mass.dtype == outcome.terms[name].mass.dtype


def test_a_distribution_among_the_parameters_is_no_part_of_one():
    prior = jl.Objective(jl.softmax_cross_entropy, reduction=jl.total).at("params", "prior")
    bound = training.bind(FIT + prior, penalised)
    targets = {"y": Y, "params": {"prior": np.float32([0.2, 0.8])}}
    params = {"w": W, "prior": np.float32([0.3, -1.0])}
    several = training.accumulate(bound, 2)
    found, whole = several(params, X, targets), jax.value_and_grad(bound)(params, X, targets)
    jax.tree.map(close, found, whole)


# Inputs that all parts share.


def noisy(w, inputs):
    noise = jax.random.normal(inputs["key"], (3,))
    return inputs["step"] * (inputs["x"] @ w) + inputs["table"] @ noise


def test_keys_and_scalars_are_shared_and_the_rest_where_it_is_said():
    bound, table = training.bind(SQUARED, noisy), RNG.normal(size=(3, 3)).astype(np.float32)
    given = {"x": X, "key": jax.random.key(0), "step": 2, "table": table}
    axes = {"x": 0, "key": 0, "step": 0, "table": None}
    found = jax.jit(training.accumulate(bound, 2, in_axes=axes))(W, given, Y)
    jax.tree.map(close, found, jax.value_and_grad(bound)(W, given, Y))
    raw = given | {"key": jax.random.PRNGKey(0)}
    found = jax.jit(training.accumulate(bound, 2, in_axes=axes | {"key": None}))(W, raw, Y)
    jax.tree.map(close, found, jax.value_and_grad(bound)(W, raw, Y))


def test_a_key_for_each_example_is_split():
    def apply(w, inputs):
        return inputs[0] @ w + jax.vmap(lambda key: jax.random.normal(key, (3,)))(inputs[1])

    bound, data = training.bind(SQUARED, apply), [X, jax.random.split(jax.random.key(0), ROWS)]
    found = training.accumulate(bound, 2)(W, data, Y)
    jax.tree.map(close, found, jax.value_and_grad(bound)(W, data, Y))


def test_other_axes_than_the_first():
    bound = training.bind(SQUARED, lambda w, x: x.T @ w)
    found = training.accumulate(bound, 2, in_axes=-1)(W, X.T, Y)
    jax.tree.map(close, found, jax.value_and_grad(bound)(W, X.T, Y))


def test_numbers_of_examples_that_differ_are_refused():
    bound = training.bind(SQUARED, lambda w, x: x[0] @ w)
    with pytest.raises(ValueError, match=r"same number of examples, got .*\(8, 3\), \(4, 3\)"):
        training.accumulate(bound, 2)(W, (X, X[:4]), Y)
    with pytest.raises(ValueError, match=r"same number of examples, got .*\(4,\)"):
        training.accumulate(bound, 2)(W, (X,), Y, where=WHERE[:4])
    with pytest.raises(ValueError, match="no array of inputs, targets or masks is split"):
        training.accumulate(bound, 2, in_axes=None)(W, (X,), Y)


def test_lists_are_structures_of_inputs_and_arrays_of_targets():
    bound = training.bind(SQUARED, lambda w, x: x[0] @ w[0] + x[1] @ w[1])
    given = [W, 2 * W], [X, X**2], Y.tolist()
    found = training.accumulate(bound, 2)(*given)
    jax.tree.map(close, found, jax.value_and_grad(bound)(*given))


# What comes back beside the value.


def test_figures_of_the_parts():
    def figures(predictions, targets):
        near = jl.Average.of(jnp.abs(predictions - targets) < 1, targets > 0)
        return {"near": near, "largest": jnp.max(predictions)}

    bound = training.bind(SQUARED, lambda w, x: x @ w)
    plain = training.accumulate(bound, 2)(W, X, Y, where=WHERE)
    several = jax.jit(training.accumulate(bound, 2, aux=figures))
    (value, beside), slope = several(W, X, Y, where=WHERE)
    jax.tree.map(close, (value, slope), plain)
    whole = figures(X @ W, Y)
    close(beside.aux["near"].value, whole["near"].value)
    assert int(beside.aux["near"].mass) == int(whole["near"].mass)
    assert beside.aux["largest"].shape == (2,)
    close(beside.aux["largest"], [np.max((X @ W)[::2]), np.max((X @ W)[1::2])])
    close(beside.terms["squared_error"].value, value)
    jax.tree.map(np.testing.assert_array_equal, beside.params, W)


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["weight", "mean", "calls", "activation", "rate"],
    meta_fields=[],
)
@dataclasses.dataclass
class Normalised:
    """A module that changes itself, with leaves of all kinds."""

    weight: Any
    mean: Any
    calls: Any
    activation: Any
    rate: Any

    def __call__(self, x):
        self.calls = self.calls + 1
        self.mean = (1 - self.rate) * self.mean + self.rate * jax.lax.stop_gradient(x.mean(0))
        return self.activation(x @ self.weight)


def test_what_a_module_changes_goes_from_part_to_part_and_comes_back():
    module = Normalised(W, np.zeros(3, np.float32), np.int32(5), jnp.tanh, 0.5)
    bound = training.bind(SQUARED, lambda module, x: module(x))
    several = training.accumulate(bound, 2, aux=lambda *_: None)
    assert bound.masses(module, X, Y)["squared_error"] == Y.size
    (value, beside), slope = several(module, X, Y)
    assert isinstance(module.calls, np.int32)  # as it was
    assert int(beside.params.calls) == 7
    close(beside.params.mean, 0.25 * X[::2].mean(0) + 0.5 * X[1::2].mean(0))
    np.testing.assert_array_equal(beside.params.weight, W)
    assert (slope.calls, slope.activation, slope.rate) == (None, None, None)
    whole = jax.value_and_grad(lambda w: SQUARED(jnp.tanh(X @ w), Y))(W)
    jax.tree.map(close, (value, slope.weight), whole)


def test_a_module_that_grows_is_refused():
    def growing(params, x):
        params["seen"] = x
        return x @ params["w"]

    bound = training.bind(SQUARED, growing)
    with pytest.raises(ValueError, match="`params` of 1 leaves has 2 after a call of the model"):
        training.accumulate(bound, 2)({"w": W}, X, Y)


def test_python_floats_are_parameters_where_all_leaves_are_floats():
    bound = training.bind(SQUARED, lambda p, x: x @ p["w"] * p["factor"])
    found = training.accumulate(bound, 2)({"w": W, "factor": 2.0}, X, Y)
    jax.tree.map(close, found, jax.value_and_grad(bound)({"w": W, "factor": 2.0}, X, Y))
    _, slope = training.accumulate(bound, 2)({"w": W, "factor": 2.0, "classes": 3}, X, Y)
    assert (slope["factor"], slope["classes"]) == (None, None)


def test_accumulation_under_other_transforms():
    bound = training.bind(SQUARED + 0.1 * jl.Objective(optax.losses.log_cosh), lambda w, x: x @ w)
    several = training.accumulate(bound, 2)
    many = np.stack([W, 2 * W])
    expected = jax.vmap(jax.value_and_grad(bound), (0, None, None))(many, X, Y)
    jax.tree.map(close, jax.vmap(several, (0, None, None))(many, X, Y), expected)


# Losses of sets that are spread over devices.


SPREAD_LOSSES = {
    "ntxent": jl.in_ring(jl.ntxent, "devices"),
    "symmetric_info_nce": jl.all_gathered(jl.symmetric_info_nce, "devices"),
    "vicreg": jl.global_moments(jl.vicreg, "devices"),
    "softmax_cross_entropy_with_integer_labels": jl.vocabulary_parallel_cross_entropy("devices"),
}


@pytest.mark.parametrize("name", SPREAD_LOSSES)
def test_a_loss_that_meets_the_elements_of_other_devices_has_shares_but_no_parts(name):
    case = Case(LOSSES[name])
    arrays = case.ordinary(batch=())
    bound = training.bind(jl.Objective(SPREAD_LOSSES[name]), scaled)

    def shared(first, second):
        masses = bound.masses(1.0, first, second)
        return jax.lax.psum(bound.share(1.0, first, second, masses), "devices")

    def parts(first, second):
        return training.accumulate(bound, len(first))(1.0, first, second)[0]

    automatic = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((1,), ("devices",), axis_types=automatic)
    first_axes = tuple(jax.P("devices") if x.ndim else jax.P() for x in arrays)
    over = functools.partial(jax.shard_map, mesh=mesh, in_specs=first_axes, out_specs=jax.P())
    close(over(shared)(*arrays), jl.Objective(case.loss)(*arrays))
    with pytest.raises(ValueError, match=r"accumulate: .* is no sum over its parts"):
        jax.eval_shape(over(parts), *arrays)
