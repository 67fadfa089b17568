"""An objective that stops at the first bad value, in every transform, and costs no exactness."""

import copy
import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import LOSSES, Case, given_loss, outside, with_first

import jaxloss as jl

CE = jl.Objective(jl.softmax_cross_entropy_with_integer_labels)
LOGITS = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3)), jnp.float32)
GOOD, BAD = jnp.array([0, 2, 1, 1]), jnp.array([0, 2, 5, -1])
REFUSAL = (ValueError, jax.errors.JaxRuntimeError)
WORDS = r"softmax_cross_entropy_with_integer_labels: `labels`\[2\] is 5, wanted are integers in"


def test_good_values_pass_unchanged():
    loss = jl.checked(CE)
    for transform in (lambda f: f, jax.jit):
        assert transform(loss)(LOGITS, GOOD) == CE(LOGITS, GOOD)
        found = transform(jax.grad(loss))(LOGITS, GOOD)
        np.testing.assert_allclose(found, jax.grad(CE)(LOGITS, GOOD), rtol=1e-6)


def test_the_first_bad_label_is_named():
    with pytest.raises(ValueError, match=WORDS):
        jl.checked(CE)(LOGITS, BAD)


@pytest.mark.parametrize(
    "transform",
    [jax.jit, lambda f: jax.jit(jax.grad(f)), lambda f: jax.jit(jax.value_and_grad(f))],
    ids=["jit", "grad", "value_and_grad"],
)
def test_inside_jit_too(transform):
    with pytest.raises(REFUSAL, match=WORDS):
        jax.block_until_ready(transform(jl.checked(CE))(LOGITS, BAD))


def test_inside_vmap_the_index_has_the_mapped_axis_first():
    many, labels = jnp.stack([LOGITS, LOGITS]), jnp.stack([GOOD, BAD])
    expected = [float(CE(LOGITS, GOOD))] * 2
    mapped = jax.jit(jax.vmap(jl.checked(CE), in_axes=(0, 0)))
    np.testing.assert_allclose(mapped(many, jnp.stack([GOOD, GOOD])), expected, rtol=1e-6)
    with pytest.raises(REFUSAL, match=r"`labels`\[1, 2\] is 5"):
        jax.block_until_ready(mapped(many, labels))


def test_what_is_masked_is_not_looked_at():
    where = jnp.array([True, True, False, False])
    dirty = LOGITS.at[3].set(jnp.nan)
    found = jax.jit(jl.checked(CE))(dirty, BAD, where=where)
    np.testing.assert_allclose(found, CE(LOGITS[:2], GOOD[:2]), rtol=1e-6)


@pytest.mark.parametrize(
    ("objective", "arrays", "words"),
    [
        (
            jl.Objective(jl.binary_cross_entropy),
            ([0.5, 1.5], [1.0, 0.0]),
            r"`probabilities`\[1\] is 1.5",
        ),
        (jl.Objective(jl.huber), ([0.5, np.nan], [1.0, 0.0]), r"`predictions`\[1\] is nan"),
        (
            jl.Objective(jl.poisson_nll),
            ([0.5], [-2.0]),
            r"`targets`\[0\] is -2.0, wanted are numbers >= 0",
        ),
        (
            jl.Objective(jl.huber, delta=jnp.float32(-1)),
            ([0.5], [1.0]),
            "`delta` is -1.0, wanted are a",
        ),
        (
            jl.Objective(jl.huber).at("b"),
            ({"b": [np.nan]}, {"b": [1.0]}),
            r"`predictions`\[0\] is nan",
        ),
    ],
)
def test_every_array_and_number_is_looked_at(objective, arrays, words):
    with pytest.raises(ValueError, match=words):
        jl.checked(objective)(*arrays)


FRAMES = jnp.zeros((2, 4, 3)).at[1, 2:].set(jnp.nan)  # padding, where two frames count


@pytest.mark.parametrize(
    ("frame_counts", "label_counts", "labels", "words"),
    [
        ([4, 2], [2, 1], [[1, 2], [2, 9]], None),
        ([9, 2], [2, 1], [[1, 2], [2, 9]], r"`frame_counts`\[0\] is 9, wanted are how many frames"),
        ([4, 2], [2, 3], [[1, 2], [2, 9]], r"`label_counts`\[1\] is 3, wanted are how many labels"),
        ([4, 2], [2, 2], [[1, 2], [2, 9]], r"`labels`\[1, 1\] is 9, wanted are integers in \[1"),
        ([4, 2], [2, 1], [[0, 2], [2, 9]], r"`labels`\[0, 0\] is 0, wanted are integers in \[1"),
        ([4, 3], [2, 1], [[1, 2], [2, 9]], r"`logits`\[1, 2, 0\] is nan"),
    ],
)
def test_ctc_is_refused_what_it_makes_nan_of_and_its_padding_is_not_looked_at(
    frame_counts, label_counts, labels, words
):
    objective = jl.Objective(jl.ctc)
    given = (FRAMES, jnp.array(frame_counts), jnp.array(label_counts)), jnp.array(labels)
    value = objective(*given)
    assert np.isnan(value) == (words is not None)
    if words is None:
        assert jl.checked(objective)(*given) == value
    else:
        with pytest.raises(ValueError, match=f"ctc: {words}"):
            jl.checked(objective)(*given)


def test_weights_over_classes_need_not_sum_to_one():
    objective, logits = jl.Objective(jl.softmax_cross_entropy), jnp.array([[0.0, 1.0, 2.0]])
    weights = jnp.array([[2.0, 3.0, 4.0]])
    found = jl.checked(objective)(logits, weights)
    np.testing.assert_allclose(found, 9 * objective(logits, weights / 9), rtol=1e-6)
    assert "not normalised" in jl.domains.Simplex.__metadata__[0].says


def test_numbers_too_large_for_the_formula_are_named():
    loss = jl.checked(jl.Objective(jl.pseudo_huber))
    with pytest.raises(
        ValueError, match=r"pseudo_huber: the value\[1\] is nan.*`targets`\[1\] is inf"
    ):
        loss([0.0, 0.0], [0.0, jnp.inf])


WEIGHTED = {
    "mean": jl.mean,
    "total": jl.total,
    "none": jl.none,
    "mean_by_count": jl.mean_by_count,
    "mean_by_batch": jl.mean_by_batch,
    "mean_of_sequences": jl.mean_of_sequences,
    "hardest": jl.hardest(2),
    "cvar": jl.cvar(0.5),
    "tilted": jl.tilted(1.0),
    "self_paced": jl.self_paced(9.0),
}


@pytest.mark.parametrize("reduction", WEIGHTED.values(), ids=WEIGHTED)
@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf, -1.0, -3.0, 0.0, 1e38])
def test_weights_are_refused_exactly_where_they_make_nan(reduction, weight):
    objective = 2 * jl.Objective(jl.huber, reduction=reduction)
    loss, shape = jl.checked(objective), np.ones((3, 2), np.float32)
    weights, but_that = np.float32([1, weight, 1]), np.array([True, False, True])
    arrays = shape * np.float32([[1], [2], [3]]), 0 * shape
    bad = np.isnan(jax.jit(objective)(*arrays, weights=weights)).any()
    assert bad or not np.isnan(weight)
    for transform in (lambda f: f, jax.jit):
        called = transform(loss)
        if bad:
            with pytest.raises(
                REFUSAL, match=r"huber: the weight\[1, 0\] is .*wanted in `weights`"
            ):
                jax.block_until_ready(called(*arrays, weights=weights))
        else:
            assert not np.isnan(called(*arrays, weights=weights)).any()
        assert not np.isnan(called(*arrays, weights=weights, where=but_that)).any()


def test_weights_of_a_part_and_of_sets_are_looked_at():
    sets = np.random.default_rng(0).normal(size=(2, 4, 3))
    one = jl.Objective(jl.ntxent).at("a")
    given = {"a": np.float32(sets)}, {"a": np.int32([[0, 0, 1, 1]] * 2)}
    weights = {"a": np.float32([1, np.nan])}
    with pytest.raises(ValueError, match=r"ntxent: the weight\[1, 0\] is nan"):
        jl.checked(one)(*given, weights=weights)
    known = {"a": np.array([[True] * 4, [False] * 4])}
    assert not np.isnan(jl.checked(one)(*given, weights=weights, where=known))
    scores, relevance = np.float32(sets[..., 0]), np.ones((2, 4), np.float32)
    ranked = jl.checked(jl.Objective(jl.ranking_softmax))
    with pytest.raises(ValueError, match=r"ranking_softmax: the weight\[1\] is nan"):
        ranked(scores, relevance, weights=weights["a"])


def test_an_option_that_is_none_is_passed_over():
    objective = jl.Objective(jl.softmax_cross_entropy_with_integer_labels, label_smoothing=None)
    assert jl.checked(objective)(LOGITS, GOOD) == objective(LOGITS, GOOD)
    with pytest.raises(ValueError, match=WORDS):
        jl.checked(objective)(LOGITS, BAD)


def test_it_is_copied_pickled_and_passed_through_jit():
    loss = jl.checked(0.5 * jl.Objective(jl.huber, delta=2.0))
    expected = loss([3.0], [0.0])
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert repr(twin) == repr(loss)
        assert twin([3.0], [0.0]) == expected
    called = jax.jit(lambda loss, *given: loss(*given))
    assert called(loss, jnp.array([3.0]), jnp.array([0.0])) == expected


def some_of_each_domain():
    """Every loss; those whose domains others have too are slow."""
    met = set()
    for name, loss in LOSSES.items():
        case = given_loss(name, Case(loss))
        new = {*loss.signature.arrays.values()} - met
        met |= new if not case.marks else set()
        yield case if new else pytest.param(*case.values, id=name, marks=pytest.mark.slow)


@pytest.mark.parametrize("case", list(some_of_each_domain()))
def test_what_makes_nan_is_refused_and_nothing_else(case):
    clean = case.ordinary()
    loss = jl.checked(jl.Objective(case.loss, **case.some_hyper))
    everything, but_the_first = np.arange(len(clean[0])) >= 0, np.arange(len(clean[0])) > 0
    for i, name in enumerate(case.loss.signature.arrays):
        floats = [np.nan, np.inf, 1e-40, -1e-40] if clean[i].dtype == np.float32 else [99]
        for value in [*floats, *outside(case.domains[i])]:
            arrays = [with_first(x, value) if i == j else x for j, x in enumerate(clean)]
            *heads, targets = arrays if len(arrays) > 1 else (*arrays, None)
            bad = np.isnan(case.loss(*arrays, **case.some_hyper)).any()
            if not bad:
                assert not np.isnan(loss(tuple(heads), targets, where=everything))
                continue
            words = (
                rf"^{re.escape(case.loss.__name__)}: (`{name}`\[[0, ]+\] is|the value).*wanted are"
            )
            with pytest.raises(ValueError, match=words):
                loss(tuple(heads), targets, where=everything)
            assert not np.isnan(loss(tuple(heads), targets, where=but_the_first))
