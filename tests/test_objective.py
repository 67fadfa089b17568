"""The algebra of objectives, their masks and weights, and how transforms act on them."""

import dataclasses
import pickle
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from drawing import PUBLIC, name_of

import jaxloss as jl

PREDICTIONS = np.float32([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]])
TARGETS = np.zeros((2, 3), np.float32)


def test_a_sum_is_the_sum_of_its_terms():
    objective = 0.7 * jl.Objective(jl.huber, delta=1.0) + 0.3 * jl.Objective(jl.squared_error)
    huber = np.asarray(jl.huber(PREDICTIONS, TARGETS))
    expected = 0.7 * huber.mean() + 0.3 * (PREDICTIONS**2).mean()
    np.testing.assert_allclose(objective(PREDICTIONS, TARGETS), expected, rtol=1e-6)


def test_the_algebra():
    one, two = jl.Objective(jl.absolute_error), jl.Objective(jl.squared_error)
    at = lambda objective: float(objective(PREDICTIONS, TARGETS))
    assert at(2 * (one + two)) == pytest.approx(2 * at(one) + 2 * at(two))
    assert at(one - two / 2) == pytest.approx(at(one) - at(two) / 2)
    assert at(-one) == -at(one)
    assert at(sum([one, two])) == pytest.approx(at(one) + at(two))
    assert at(np.float32(3) * one) == at(one * jnp.float32(3)) == pytest.approx(3 * at(one))
    with pytest.raises(TypeError):
        one * two


@pytest.mark.parametrize(
    "written",
    [
        "Objective(huber)",
        "0.7 * Objective(huber, delta=1.0) + 0.3 * Objective(cosine_distance)",
        "-2.0 * Objective(huber, reduction=total) - 0.5 * Objective(hinge)",
        "Objective(huber).at('head', 0)",
    ],
)
def test_prints_as_it_is_written(written):
    assert repr(eval(written, PUBLIC.copy())) == written


def test_hyper_parameters_and_scales_are_leaves():
    objective = 2.0 * jl.Objective(jl.huber, delta=1) + jl.Objective(jl.tukey)
    assert jax.tree.leaves(objective) == [2.0, 1.0, 1.0]
    gradient = jax.jit(jax.grad(lambda o: o(PREDICTIONS, TARGETS)))(objective)
    scale, delta, other = map(float, jax.tree.leaves(gradient))
    mean = lambda loss: np.asarray(loss(PREDICTIONS, TARGETS)).mean()
    assert scale == pytest.approx(mean(jl.huber))
    assert delta == pytest.approx(2 * (1.0 + 2.0) / 6)  # errors 2 and 3 are beyond 1: |r| - delta
    assert other == pytest.approx(mean(jl.tukey))


def test_vmap_over_hyper_parameters():
    deltas = np.float32([0.5, 1.0, 2.0])
    value = lambda d: jl.Objective(jl.huber, delta=d)(PREDICTIONS, TARGETS)
    expected = [float(value(float(d))) for d in deltas]
    np.testing.assert_allclose(jax.jit(jax.vmap(value))(deltas), expected, rtol=1e-6)
    stacked = jl.Objective(jl.huber, delta=deltas)
    mapped = jax.jit(jax.vmap(lambda o: o(PREDICTIONS, TARGETS), in_axes=(0,)))
    whole = jax.tree.map(lambda x: np.broadcast_to(x, (3,)), stacked)
    np.testing.assert_allclose(mapped(whole), expected, rtol=1e-6)


def test_an_optax_optimizer_trains_a_hyper_parameter():
    objective = jl.Objective(jl.huber, delta=2.5)
    optimizer = optax.sgd(0.5)
    state = optimizer.init(objective)
    slope = jax.jit(jax.grad(lambda o: o(PREDICTIONS, TARGETS)))
    for _ in range(3):
        gradient = slope(objective)
        updates, state = optimizer.update(gradient, state)
        objective = optax.apply_updates(objective, updates)
    scale, delta = jax.tree.leaves(objective)
    assert scale < 1
    assert delta < 2.5


def test_a_changed_hyper_parameter_does_not_recompile():
    traces = []

    @jax.jit
    def step(objective):
        traces.append(objective)
        return objective(PREDICTIONS, TARGETS)

    for delta in (0.5, 1.0, 2.0):
        step(0.1 * jl.Objective(jl.huber, delta=delta))
    assert len(traces) == 1


def test_where_and_weights_are_prefixes():
    objective = jl.Objective(jl.absolute_error)
    rows = np.array([True, False])
    assert objective(PREDICTIONS, TARGETS, where=rows) == pytest.approx(3.5 / 3)
    weights = np.float32([1, 3])
    expected = (1 * 3.5 + 3 * 4.0) / (3 * 1 + 3 * 3)
    assert objective(PREDICTIONS, TARGETS, weights=weights) == pytest.approx(expected)
    both = objective(PREDICTIONS, TARGETS, where=rows, weights=np.float32([2, np.nan]))
    assert both == pytest.approx(3.5 / 3)
    with pytest.raises(ValueError, match=r"`where` has shape \(3,\).*\(2, 3\)"):
        objective(PREDICTIONS, TARGETS, where=np.ones(3, bool))
    with pytest.raises(ValueError, match=r"`weights` has shape \(2, 3, 1\)"):
        objective(PREDICTIONS, TARGETS, weights=np.ones((2, 3, 1)))
    with pytest.raises(TypeError, match="`where` is boolean, got float32"):
        objective(PREDICTIONS, TARGETS, where=np.ones(2, np.float32))


def test_a_zero_weight_keeps_its_gradient():
    """What learned example weights need, and a hard mask would lose."""
    objective = jl.Objective(jl.absolute_error, reduction=jl.total)
    weighted = lambda w: objective(np.float32([2, 5]), np.zeros(2, np.float32), weights=w)
    np.testing.assert_allclose(jax.jit(jax.grad(weighted))(np.float32([1, 0])), [2.0, 5.0])


def test_reductions():
    at = lambda reduction: jl.Objective(jl.absolute_error, reduction=reduction)(
        np.float32([1, 2, 9]), np.zeros(3, np.float32), where=np.array([True, True, False])
    )
    assert at(jl.mean) == 1.5
    assert at(jl.total) == 3.0
    np.testing.assert_array_equal(at(jl.none), [1.0, 2.0, 0.0])
    assert at(lambda values, weights: jnp.max(jnp.where(weights, values, -jnp.inf))) == 2.0


def test_terms_of_different_shape_are_refused():
    objective = jl.Objective(jl.huber) + jl.Objective(jl.huber, reduction=jl.none)
    with pytest.raises(ValueError, match=r"huber \(\), huber \(2, 3\)"):
        objective(PREDICTIONS, TARGETS)


# transformers#24725, torchtune#1875
def test_averages_of_unequal_micro_batches_add_up_exactly():
    rng = np.random.default_rng(0)
    predictions, targets = rng.normal(size=(2, 112)).astype(np.float32)
    objective = jl.Objective(jl.squared_error)
    parts = [slice(0, 11), slice(11, 112)]

    @jax.jit
    def of_parts(*given):
        terms = (objective.terms(*(x[s] for x in given)) for s in parts)
        first, second = (each["squared_error"] for each in terms)
        return (first + second).value, first.value, second.value

    exact, *each = map(float, of_parts(predictions, targets))
    whole = float(objective(predictions, targets))
    np.testing.assert_allclose(exact, whole, rtol=1e-6)
    assert abs(np.mean(each) - whole) > 1e-3


# transformers#18297
def test_a_mean_over_devices_is_the_global_mean():
    predictions = np.arange(8, dtype=np.float32).reshape(2, 4)
    where = np.array([[True, True, True, False], [True] * 4])
    local = lambda p, t, m: (
        jl.Objective(jl.absolute_error).terms(p, t, where=m)["absolute_error"].psum("devices").value
    )
    found = jax.jit(jax.vmap(local, axis_name="devices"))(predictions, 0 * predictions, where)
    np.testing.assert_allclose(found, (0 + 1 + 2 + 4 + 5 + 6 + 7) / 7, rtol=1e-6)


def test_terms_are_named_by_part_and_loss():
    objective = (
        jl.Objective(jl.huber).at("box")
        + 3 * jl.Objective(jl.huber)
        + jl.Objective(jl.huber, delta=2)
    )
    names = jl.Objective(jl.huber) + jl.Objective(jl.huber, delta=2.0)
    assert list(names.terms(PREDICTIONS, TARGETS)) == ["huber", "huber#2"]
    first = jl.Objective(jl.huber).at("box", 1)
    assert list(first.terms({"box": [TARGETS, PREDICTIONS]}, {"box": [TARGETS, TARGETS]})) == [
        "box.1.huber"
    ]
    assert len(jax.tree.leaves(objective)) == 4


def test_parts_may_have_their_own_masks():
    objective = jl.Objective(jl.absolute_error).at("a") + jl.Objective(jl.absolute_error).at("b")
    parts = {"a": np.float32([1, np.nan]), "b": np.float32([2, 4])}
    zeros = jax.tree.map(np.zeros_like, parts)
    assert objective(parts, zeros, where={"a": np.array([True, False])}) == 1.0 + 3.0
    with pytest.raises(ValueError, match=r"no part 'c' in the predictions, .*\['a', 'b'\]"):
        jl.Objective(jl.huber).at("c")(parts, zeros)


def test_a_tuple_of_predictions_is_several_arrays():
    mean, variance, targets = (np.full(4, x, np.float32) for x in (0, 2, 1))
    found = jl.Objective(jl.gaussian_nll)((mean, variance), targets)
    values = np.asarray(jl.gaussian_nll(mean, variance, targets))
    np.testing.assert_allclose(found, values.mean(), rtol=1e-6)


def test_functions_of_optax_serve_unchanged():
    where = np.array([True, False])
    dirty = np.where(where[:, None], PREDICTIONS, np.float32(np.nan))
    objective = jl.Objective(optax.huber_loss, delta=2.0)
    expected = jl.Objective(jl.huber, delta=2.0)(PREDICTIONS, TARGETS, where=where)
    np.testing.assert_allclose(objective(dirty, TARGETS, where=where), expected, rtol=1e-6)
    slope = jax.jit(jax.grad(lambda p: objective(p, TARGETS, where=where)))
    assert np.isfinite(slope(dirty)).all()
    static = jl.Objective(optax.softmax_cross_entropy_with_integer_labels, axis=-1)
    assert jax.tree.leaves(static) == [1.0]
    assert np.isfinite(static(PREDICTIONS, np.array([0, 2])))


def test_a_foreign_loss_may_take_a_pytree():
    def gap(pair, targets):
        return jnp.log(pair["high"] / pair["low"]) - targets

    pair = {"high": np.float32([2, np.nan]), "low": np.float32([1, 0])}
    objective, where = jl.Objective(gap), np.array([True, False])
    value = lambda pair: objective(pair, np.zeros(2, np.float32), where=where)
    found, slope = jax.jit(jax.value_and_grad(value))(pair)
    assert float(found) == pytest.approx(np.log(2))
    assert slope["low"].tolist() == [-1.0, 0.0]


def test_weights_do_not_change_the_dtype():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        for wide in (jnp.float32, jnp.float64):
            ones = np.ones(3, wide)
            for weights in (ones.astype(np.float32), ones.astype(np.float64), ones > 0):
                value = jl.Objective(jl.absolute_error)(ones, 0 * ones, weights=weights)
                assert value.dtype == wide


def test_a_loss_that_couples_examples_is_given_the_mask():
    @jl.loss(convex=True)
    def spread(
        values: jl.domains.Real, targets: jl.domains.Real, *, where: jax.Array | None = None
    ):
        """Squared distance to the mean of those that count."""
        kept = jnp.ones_like(values, bool) if where is None else where
        centre = jnp.sum(jnp.where(kept, values, 0)) / jnp.sum(kept)
        return (values - centre) ** 2 + 0 * targets

    found = jl.Objective(spread)(
        np.float32([1, 3, np.nan]), np.zeros(3, np.float32), where=np.array([True, True, False])
    )
    assert found == 1.0


def test_mistakes_are_named_at_once():
    with pytest.raises(
        TypeError, match=r"huber has no hyper-parameter `dleta`.*did you mean `delta`"
    ):
        jl.Objective(jl.huber, dleta=1.0)
    with pytest.raises(ValueError, match="`delta` is a number > 0, got -1"):
        jl.Objective(jl.huber, delta=-1.0)
    with pytest.raises(TypeError, match="`delta`"):
        jl.Objective(jl.huber, delta="large")
    with pytest.raises(TypeError, match="`loss` is a function"):
        jl.Objective(jl.Objective(jl.huber))
    with pytest.raises(TypeError, match=r"`reduction` is a function as jaxloss\.mean, got 'mean'"):
        jl.Objective(jl.huber, reduction="mean")
    with pytest.raises(TypeError):
        jl.Objective(jl.huber) * jnp.ones(3)


def test_lists_and_numpy_arrays_are_accepted():
    assert jl.Objective(jl.absolute_error)([1.0, 3.0], [0.0, 0.0]) == 2.0
    assert jl.Objective(jl.absolute_error)(np.ones(2), np.zeros(2), where=[True, False]) == 1.0


def test_sums_are_in_single_precision_and_counts_exact():
    ones = np.ones(2**24 + 2, jnp.bfloat16)
    average = jl.Objective(jl.absolute_error).terms(ones, 0 * ones, where=ones > 0)[
        "absolute_error"
    ]
    assert average.mass == 2**24 + 2
    assert average.total.dtype == jnp.float32


def test_what_several_elements_share_is_hidden_with_the_last_of_them():
    """A log-SNR is that of an image, a mask of its pixels."""
    where = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0]], bool)
    pixels, log_snr = np.ones((3, 4), np.float32), np.float32([0, np.nan, 1])
    error, kept = jl.Objective(jl.min_snr), np.array([0, 2])
    slope = jax.jit(jax.value_and_grad(error))
    value, slopes = slope((pixels, log_snr), pixels * 0, where=where)
    expected = error((pixels[kept], log_snr[kept]), pixels[kept] * 0, where=where[kept])
    assert float(value) == pytest.approx(float(expected))
    assert all(np.all(np.isfinite(slope)) for slope in slopes)


def test_value_and_gradient_in_one_call_are_those_of_grad():
    objective = jl.Objective(jl.gaussian_nll) + 0.5 * jl.Objective(jl.gaussian_nll)
    where = PREDICTIONS != -2
    predictions = (np.where(where, PREDICTIONS, np.float32(np.nan)), np.exp(PREDICTIONS))
    given = {"where": where, "weights": np.float32([1, 3])}
    found = objective.value_and_grad(predictions, TARGETS, **given)
    expected = jax.jit(jax.value_and_grad(lambda p: objective(p, TARGETS, **given)))(predictions)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), found, expected)
    with pytest.raises(TypeError, match="scalar"):
        jl.Objective(jl.huber, reduction=jl.none).value_and_grad(PREDICTIONS, TARGETS)


# Parts, and what is given for each of them.


class Pair(NamedTuple):
    """Two parts by name, one of which is called as a method of tuples is."""

    depth: Any
    count: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Record:
    """Two parts by attribute."""

    depth: Any
    count: Any


STRUCTURES = {
    "dict": (lambda depth, count: {"depth": depth, "count": count}, ("depth", "count")),
    "tuple": (lambda depth, count: (depth, count), (0, 1)),
    "tuple from its end": (lambda depth, count: (depth, count), (-2, -1)),
    "named tuple": (Pair, ("depth", "count")),
    "named tuple by index": (Pair, (0, 1)),
    "dataclass": (Record, ("depth", "count")),
}
HALF = np.array([True, False])


@pytest.mark.parametrize("structure", STRUCTURES)
def test_parts_masks_and_weights_come_in_one_structure(structure):
    make, (depth, count) = STRUCTURES[structure]
    objective = jl.Objective(jl.absolute_error).at(depth) + jl.Objective(jl.absolute_error).at(
        count
    )
    predictions = make(np.float32([1, np.nan]), np.float32([2, 4]))
    zeros = jax.tree.map(np.zeros_like, predictions)
    assert objective(predictions, zeros, where=make(HALF, ~HALF)) == 1.0 + 4.0
    assert objective(predictions, zeros, where=make(HALF, None)) == 1.0 + 3.0
    few = objective(predictions, zeros, where=HALF, weights=make(None, np.float32([1, 3])))
    assert few == 1.0 + 2.0
    with pytest.raises(ValueError, match="no part 7 in the predictions"):
        jl.Objective(jl.huber).at(7)(predictions, zeros)
    with pytest.raises(ValueError, match="no part 'dept' in the predictions"):
        jl.Objective(jl.huber).at("dept")(predictions, zeros)


def test_an_index_outside_an_array_is_no_part_of_it():
    """Inside `jit` an index that is too large would take the last row."""
    rows = np.arange(3, dtype=np.float32)
    at = lambda place: jl.Objective(jl.absolute_error).at(place)(rows, 0 * rows)
    assert at(2) == at(-1) == 2
    for place in (3, 7, -4, "last"):
        with pytest.raises(ValueError, match=rf"no part {place!r} in the predictions, an array"):
            at(place)


@pytest.mark.parametrize("name", ["where", "weights"])
def test_a_mask_that_no_term_reads_is_an_error(name):
    depth, pose = jl.Objective(jl.huber).at("depth"), jl.Objective(jl.huber).at("pose", "hand")
    parts = {"depth": PREDICTIONS, "pose": {"hand": PREDICTIONS}, "image": PREDICTIONS}
    own = PREDICTIONS > 0 if name == "where" else PREDICTIONS
    wrong = [{"dpeth": own}, {"pose": {"hnad": own}}, {"image": own}, {"depth": {"hand": own}}]
    for given in wrong:
        for entry in ("__call__", "value_and_grad", "terms"):
            with pytest.raises(ValueError, match=f"`{name}` has a part .* that no term acts on"):
                getattr(depth + pose, entry)(parts, parts, **{name: given})
    with pytest.raises(ValueError, match="did you mean 'depth'"):
        depth(parts, parts, **{name: wrong[0]})
    with pytest.raises(ValueError, match="none was made by `at`"):
        jl.Objective(jl.huber)(PREDICTIONS, PREDICTIONS, **{name: {"huber": own}})
    with pytest.raises(TypeError, match=f"`{name}` of one term is one array, got a dict"):
        (depth + jl.Objective(lambda p, t: p["depth"] - t["depth"]))(
            parts, parts, **{name: {"depth": own}}
        )
    assert (depth + pose)(parts, parts, **{name: {"depth": None, "pose": own}}) == 0
    assert (depth + pose)(parts, parts, **{name: {}}) == 0


def test_bare_targets_under_a_part_are_told_how_to_be_given():
    with pytest.raises(
        ValueError, match=r"in the targets, an array of shape \(2, 3\); give \{'x':"
    ):
        jl.Objective(jl.huber).at("x")({"x": PREDICTIONS}, TARGETS)


def test_a_loss_without_targets_needs_none_at_its_part():
    image = np.arange(12, dtype=np.float32).reshape(2, 3, 2, 1)
    both = jl.Objective(jl.huber).at("x") + jl.Objective(jl.total_variation).at("image")
    found = both({"x": PREDICTIONS, "image": image}, {"x": TARGETS})
    assert float(found) == pytest.approx(
        float(jl.Objective(jl.huber)(PREDICTIONS, TARGETS)) + np.mean(jl.total_variation(image))
    )


# What is logged is what is minimised.

REDUCTIONS = [
    jl.mean,
    jl.total,
    jl.mean_by_count,
    jl.mean_by_batch,
    jl.mean_of_sequences,
    jl.cvar(0.5),
    jl.hardest(2),
    jl.tilted(1.0),
    jl.self_paced(2.0),
    jl.flooded(0.5, jl.total),
    lambda values, weights: jnp.max(values * weights),
]
WHERE = np.array([[True, True, False], [True, False, False]])
WEIGHTS = np.float32([[1, 2, 5], [3, 1, 1]])


@pytest.mark.parametrize("reduction", [*REDUCTIONS, jl.none], ids=name_of)
def test_terms_times_their_scales_are_the_value(reduction):
    given = {"where": WHERE, "weights": WEIGHTS}
    objective = sum(
        scale * jl.Objective(loss, reduction=reduction)
        for scale, loss in ((3.0, jl.squared_error), (-0.5, jl.absolute_error), (2.0, jl.huber))
    )
    terms = objective.terms(PREDICTIONS, TARGETS, **given)
    assert list(terms) == ["squared_error", "absolute_error", "huber"]  # as written
    summed = sum(
        scale * term.value for scale, term in zip((3.0, -0.5, 2.0), terms.values(), strict=True)
    )
    np.testing.assert_allclose(summed, objective(PREDICTIONS, TARGETS, **given), rtol=1e-6)


@pytest.mark.parametrize("reduction", [*REDUCTIONS, jl.none], ids=name_of)
def test_terms_of_parts_add_up_to_the_whole_or_refuse_to(reduction):
    objective = jl.Objective(jl.squared_error, reduction=reduction)
    parts = [
        objective.terms(PREDICTIONS[i], TARGETS[i], where=WHERE[i], weights=WEIGHTS[i])
        for i in (slice(0, 1), slice(1, 2))
    ]
    first, second = (part["squared_error"] for part in parts)
    if reduction in REDUCTIONS[:5]:
        whole = objective(PREDICTIONS, TARGETS, where=WHERE, weights=WEIGHTS)
        np.testing.assert_allclose((first + second).value, whole, rtol=1e-6)
        return
    with pytest.raises(TypeError, match="of parts of them do not add up"):
        first + second
    with pytest.raises(TypeError, match="of parts of them do not add up"):
        first.psum("devices")


@pytest.mark.parametrize("reduction", REDUCTIONS[:5], ids=name_of)
def test_shares_of_every_additive_reduction_are_the_whole(reduction):
    objective = 2 * jl.Objective(jl.huber, reduction=reduction, delta=1.5)
    masses = {
        name: average.mass
        for name, average in objective.terms(
            PREDICTIONS, TARGETS, where=WHERE, weights=WEIGHTS
        ).items()
    }
    shares = [
        objective.share(PREDICTIONS[i], TARGETS[i], masses, where=WHERE[i], weights=WEIGHTS[i])
        for i in (slice(0, 1), slice(1, 2))
    ]
    whole = objective(PREDICTIONS, TARGETS, where=WHERE, weights=WEIGHTS)
    np.testing.assert_allclose(sum(shares), whole, rtol=1e-6)


def test_every_additive_reduction_is_named_where_another_is_refused():
    objective = jl.Objective(jl.huber, reduction=jl.hardest(2))
    with pytest.raises(ValueError, match="use one that adds up") as refusal:
        objective.share(PREDICTIONS, TARGETS, {"huber": 3})
    for name in map(name_of, REDUCTIONS[:5]):
        assert f"`{name}`" in str(refusal.value)
        assert f"`{name}`" in jl.Objective.terms.__doc__


def test_a_term_is_found_by_the_name_it_is_given():
    objective = jl.Objective(jl.squared_error) + 2 * jl.Objective(jl.huber).at("x").called("kl")
    assert list(objective.named) == ["squared_error", "kl"]
    changed = objective.replace({"kl": {"delta": 3.0}})
    assert repr(changed) == (
        "Objective(squared_error) + 2.0 * Objective(huber, delta=3.0).at('x').called('kl')"
    )
    twice = jl.Objective(jl.huber).called("a") + jl.Objective(jl.hinge).called("a")
    assert list(twice.named) == ["a", "a#2"]
    assert list(jax.tree.map(lambda x: x, twice).named) == ["a", "a#2"]
    with pytest.raises(ValueError, match="a name is that of one term"):
        twice.called("both")
    with pytest.raises(TypeError, match="`name` is a string"):
        jl.Objective(jl.huber).called(3)


def test_terms_on_a_part_with_a_number_sign_are_all_kept():
    one = jl.Objective(jl.huber, delta=1.0).at("a#b") + 5 * jl.Objective(jl.huber, delta=2.0).at(
        "a#b"
    )
    clash = jl.Objective(jl.huber).called("huber#2") + jl.Objective(jl.huber)
    assert len((clash + jl.Objective(jl.huber)).named) == 3
    parts, zeros = {"a#b": np.float32([3, 1])}, {"a#b": np.zeros(2, np.float32)}
    expected = (2.5 + 0.5) / 2 + 5 * (4.0 + 0.5) / 2
    assert one(parts, zeros) == expected == 12.75
    assert list(one.named) == ["a#b.huber", "a#b.huber#2"]
    terms = one.terms(parts, zeros)
    assert [float(term.value) for term in terms.values()] == [1.5, 2.25]
    masses = {name: term.mass for name, term in terms.items()}
    assert one.share(parts, zeros, masses) == 12.75
    replaced = one.replace({"a#b.huber#2": {"delta": 1.0}})
    assert replaced(parts, zeros) == 1.5 + 5 * 1.5


# Integers among the predictions, constants, and mistakes.


def test_gradients_are_in_the_floats_where_there_are_integers_too():  # dm-haiku#513
    logits = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    counts, labels, length = np.array([4, 3]), np.array([[1, 2], [1, 0]]), np.array([2, 1])
    objective = jl.Objective(jl.ctc)
    value, gradient = objective.value_and_grad((logits, counts, length), labels)
    alone = lambda moved: objective((moved, counts, length), labels)
    expected = jax.jit(jax.value_and_grad(alone))(logits)
    np.testing.assert_allclose(value, expected[0], rtol=1e-6)
    np.testing.assert_allclose(gradient[0], expected[1], rtol=1e-6)
    assert [x.dtype for x in gradient[1:]] == [jax.dtypes.float0] * 2
    counted = {"x": PREDICTIONS, "step": np.array(3)}
    model = lambda scale: {"x": scale * PREDICTIONS, "step": jnp.array(3)}
    _, pull = jax.vjp(model, jnp.float32(1))
    _, gradient = jl.Objective(jl.squared_error).at("x").value_and_grad(counted, {"x": TARGETS})
    (slope,) = pull(gradient)
    np.testing.assert_allclose(slope, 2 * np.mean(PREDICTIONS**2), rtol=1e-6)


def test_a_constant_is_added_once_and_is_a_leaf():
    error = jl.Objective(jl.absolute_error)
    whole = float(error(PREDICTIONS, TARGETS))
    shifted = 2 * (error + 1.0) - np.float32(0.5)
    assert float(shifted(PREDICTIONS, TARGETS)) == pytest.approx(2 * whole + 1.5)
    assert repr(shifted) == "2.0 * Objective(absolute_error) + 1.5"
    assert repr(error - 1) == "Objective(absolute_error) - 1.0"
    assert float((3 - error)(PREDICTIONS, TARGETS)) == pytest.approx(3 - whole)
    assert jax.tree.leaves(shifted) == [2.0, 1.5]
    assert jax.tree.leaves(error) == [1.0]
    gradient = jax.jit(jax.grad(lambda o: o(PREDICTIONS, TARGETS)))(shifted)
    assert float(gradient.constant) == 1.0
    moved = jax.jit(lambda c: (error + c)(PREDICTIONS, TARGETS))(jnp.float32(0.25))
    assert float(moved) == pytest.approx(whole + 0.25)
    assert shifted.at("x").replace({}).constant == 1.5
    assert (shifted + shifted).constant == 3.0
    assert pickle.loads(pickle.dumps(shifted)).constant == 1.5
    for wrong in (np.ones(2), "1", True, None, [1.0]):
        with pytest.raises(TypeError):
            error + wrong


def test_a_hyper_parameter_may_be_called_as_the_first_argument_is():
    scaled = lambda p, t, loss: loss * (p - t) ** 2
    found = jl.Objective(scaled, loss=2.0)(PREDICTIONS, TARGETS)
    assert float(found) == pytest.approx(2 * np.mean(PREDICTIONS**2))


def test_a_function_of_two_results_is_no_loss():
    both = lambda p, t: ((p - t) ** 2, {"accuracy": p})
    both.__name__ = "both"
    with pytest.raises(TypeError, match="both gives one array of values, got a tuple"):
        jl.Objective(both)(PREDICTIONS, TARGETS)


def test_reductions_take_lists_and_a_scalar_has_no_first_axis():
    assert jl.mean([1.0, 3.0]) == jl.mean([1.0, 9.0, 3.0], [True, False, True]) == 2
    assert jl.total([1, 2]) == 3
    assert jl.none([1.0, 2.0], [2, 0]).tolist() == [2.0, 0.0]
    for reduction in (jl.mean_by_batch, jl.mean_of_sequences):
        name = reduction.__name__
        with pytest.raises(ValueError, match=f"{name}: `values` has a first axis"):
            jl.Objective(jl.huber, reduction=reduction)(1.0, 2.0)
