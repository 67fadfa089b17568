"""Programs that `jax.export` makes once for any number of examples, or of elements."""  # jax#24730

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import LARGE, LOSSES, PUBLIC, Case, name_of
from jax import export

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
SPREAD = (
    jl.huber,
    jl.kl_divergence,
    jl.crammer_singer,
    jl.info_nce,
    jl.supervised_contrastive,
    jl.dice,
    jl.ctc,
    jl.ssim,
    CE,
)
REDUCTIONS = (
    jl.mean,
    jl.total,
    jl.none,
    jl.mean_by_count,
    jl.mean_by_batch,
    jl.mean_of_sequences,
    jl.hardest(3),
    jl.cvar(0.3),
    jl.tilted(1.0),
    jl.self_paced(1.0),
    jl.flooded(0.1),
)
HEADS = {
    "some tokens at once": jl.linear_head(CE, tokens=4),
    "one token at once": jl.linear_head(CE, memory=1),
    "all at once": jl.linear_head(jl.crammer_singer),
}

close = functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-6)


def late(value):
    return pytest.param(value, marks=pytest.mark.slow)


def of_each(losses):
    slow = {name: name in LARGE or name not in PUBLIC for name in losses}
    cases = [
        pytest.param(Case(loss), id=name, marks=[pytest.mark.slow] * slow[name])
        for name, loss in losses.items()
    ]
    return pytest.mark.parametrize("case", cases)


def total_of(case, **hyper):
    """The total over examples, and its gradient, as a function of the arrays."""

    def derived(*arrays):
        moving, whole = case.split(arrays)
        objective = jl.Objective(case.loss, reduction=jl.total, **hyper)
        return jax.value_and_grad(lambda m: objective(*_parts(whole(m))))(moving)

    return jax.jit(derived)


def _parts(arrays):
    """As an objective takes them."""
    return (tuple(arrays[:-1]), arrays[-1]) if len(arrays) > 1 else (arrays[0], None)


@of_each(LOSSES)
def test_the_mean_over_any_number_of_examples_is_traced(case):
    """And over any number of elements, where a loss has sets of them."""
    examples, elements = export.symbolic_shape("examples, elements")
    sizes = {"elements": elements} if case.loss.signature.is_set else {}

    @jax.jit
    def derived(*arrays):
        moving, whole = case.split(arrays)
        return jax.value_and_grad(lambda m: case.objective(whole(m), case.some_hyper))(moving)

    derived.trace(*case.of_any_size((examples,), **sizes))


@pytest.mark.slow
@of_each({loss.__name__: loss for loss in SPREAD})
def test_one_program_gives_the_values_and_gradients_of_any_number_of_examples(case):
    derived = total_of(case, **case.some_hyper)
    examples, elements = export.symbolic_shape("examples, elements")
    sets = {"elements": elements} if case.loss.signature.is_set else {}
    exported = export.export(derived)(*case.of_any_size((examples,), **sets))
    many = case.ordinary(batch=(7,))
    values, (_, gradient) = case.loss(*many, **case.some_hyper), derived(*many)
    for count in (2, 7):
        value, few = exported.call(*[x[:count] for x in many])
        close(value, jnp.sum(values[:count]))
        jax.tree.map(close, few, tuple(x[:count] for x in gradient))
    if sets:
        other = case.ordinary(batch=(2,), elements=3)
        jax.tree.map(close, exported.call(*other), derived(*other))


@pytest.mark.parametrize("classes", [300, 1000])
def test_cross_entropy_of_many_classes_takes_any_number_of_examples(classes):
    case = Case(CE)
    derived, symbols = total_of(case), export.symbolic_shape("examples, tokens")
    exported = export.export(derived)(*case.of_any_size(symbols, classes=classes))
    arrays = case.ordinary(batch=(3, 2), classes=classes)
    jax.tree.map(close, exported.call(*arrays), derived(*arrays))


@pytest.mark.parametrize("reduction", REDUCTIONS, ids=name_of)
@pytest.mark.parametrize("given", [late("where"), late("weights"), "all"])
def test_any_reduction_of_any_number_of_examples(reduction, given):
    @jax.jit
    @jax.value_and_grad
    def derived(predictions, targets, numbers):
        few = {"where": numbers > 0.5} if given == "where" else {"weights": numbers}
        objective = jl.Objective(jl.squared_error, reduction=reduction)
        return jnp.sum(objective(predictions, targets, **({} if given == "all" else few)))

    like = jax.ShapeDtypeStruct(export.symbolic_shape("sequences, tokens"), jnp.float32)
    exported = export.export(derived)(like, like, like)
    for shape in [(1, 2), (4, 3)]:
        arrays = np.random.default_rng(0).uniform(size=(3, *shape)).astype(np.float32)
        jax.tree.map(close, exported.call(*arrays), derived(*arrays))


@pytest.mark.slow
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("summed", [True, False], ids=["in one sweep", "by itself"])
def test_heads_of_any_number_of_tokens(head, summed):
    @jax.jit
    @jax.value_and_grad
    def derived(moving, labels, where):
        if summed:
            return jl.Objective(head)(moving, labels, where=where)
        return jnp.sum(head(*moving, labels, where=where))

    rng, (tokens,) = np.random.default_rng(0), export.symbolic_shape("tokens")
    weight, bias = rng.normal(size=(5, 7)).astype(np.float32), np.zeros(7, np.float32)
    hidden, labels = jax.ShapeDtypeStruct((tokens, 5), jnp.float32), rng.integers(0, 7, 9)
    dtypes = [jax.ShapeDtypeStruct((tokens,), x) for x in (jnp.int32, bool)]
    exported = export.export(derived)((hidden, weight, bias), *dtypes)
    for count in (3, 9):
        moving = rng.normal(size=(count, 5)).astype(np.float32), weight, bias
        given = moving, labels[:count].astype(np.int32), np.arange(count) % 3 != 1
        jax.tree.map(close, exported.call(*given), derived(*given))


@pytest.mark.slow
def test_a_student_and_a_teacher_of_any_number_of_tokens():
    head, (tokens,) = jl.distillation_head(jl.reverse_kl, tokens=2), export.symbolic_shape("tokens")
    derived = jax.jit(jax.value_and_grad(lambda heads: jl.Objective(head)(heads, 0.0)))
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(3, 4)).astype(np.float32) for _ in range(2)]
    like = jax.ShapeDtypeStruct((tokens, 3), jnp.float32)
    exported = export.export(derived)((like, weights[0], 0.0, like, weights[1]))
    for count in (1, 5):
        first, second = rng.normal(size=(2, count, 3)).astype(np.float32)
        heads = first, weights[0], 0.0, second, weights[1]
        jax.tree.map(close, exported.call(heads), derived(heads))


def test_log_probabilities_of_any_number_of_tokens():
    weight, labels = np.eye(3, dtype=np.float32), np.array([0, -100, 2, 1, -100], np.int32)
    found = jax.jit(lambda h, y: jl.token_log_probabilities(h, weight, 0.0, y, where=y >= 0))
    tokens = export.symbolic_shape("tokens")
    rows = jax.ShapeDtypeStruct((*tokens, 3), jnp.float32)
    exported = export.export(found)(rows, jax.ShapeDtypeStruct(tokens, jnp.int32))
    hidden = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for count in (2, 5):
        given = hidden[:count], labels[:count]
        jax.tree.map(close, exported.call(*given), found(*given))


def test_pairs_of_any_number_of_elements():
    def nearest(rows, columns):
        return jnp.min(jnp.abs(rows[:, None] - columns[None, :]), axis=1)

    first, second = (
        jax.ShapeDtypeStruct((n,), jnp.float32) for n in export.symbolic_shape("some, others")
    )
    exported = export.export(jax.jit(functools.partial(jl.map_pairs, nearest)))(first, second)
    x, y = np.array([0.0, 1.0, 5.0], np.float32), np.array([4.0, 1.5], np.float32)
    np.testing.assert_array_equal(exported.call(x, y), [1.5, 0.5, 1.0])
