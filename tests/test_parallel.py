"""What runs inside `shard_map`: a vocabulary, a head or a batch that is spread over devices."""

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import collectives, on_eight_devices
from jax import P

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
OURS = jl.vocabulary_parallel_cross_entropy("classes")
TOKENS, FEATURES, CLASSES = 8, 5, 16
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, CLASSES, TOKENS).astype(np.int32)
LOGITS = RNG.normal(scale=3, size=(TOKENS, CLASSES)).astype(np.float32)
HIDDEN = RNG.normal(size=(TOKENS, FEATURES)).astype(np.float32)
WEIGHT = RNG.normal(size=(FEATURES, CLASSES)).astype(np.float32)
BIAS = RNG.normal(size=CLASSES).astype(np.float32)
WHERE = np.arange(TOKENS) != 3
WEIGHTS = np.linspace(1, 2, TOKENS, dtype=np.float32)
TERMS = {
    "label_smoothing": np.float32(0.1),
    "z_loss": np.float32(0.01),
    "softcap": np.float32(5.0),
    "class_weights": np.linspace(0.5, 2, CLASSES, dtype=np.float32),
}
SPREAD = P(None, "classes")

near = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=3e-7)


def placed(tree, specs):
    return jax.tree.map(jax.device_put, tree, specs)


def terms_spread(terms):
    return {name: P("classes") if name == "class_weights" else P() for name in terms}


def run(function, arguments, specs, argnums, **axes):
    with jax.set_mesh(jax.make_mesh(tuple(axes.values()), tuple(axes))):
        mapped = jax.shard_map(function, in_specs=specs, out_specs=P(), check_vma=True)
        program = jax.jit(jax.value_and_grad(mapped, argnums))
        compiled = program.lower(*placed(arguments, specs)).compile()
        return compiled(*placed(arguments, specs)), compiled


def mean(loss, logits, terms, labels, where, weights):
    return jl.Objective(loss, **terms)(logits, labels, where=where, weights=weights)


def awkward():
    """Masked classes, a device without any, and logits far out."""
    logits = LOGITS.copy()
    logits[0] = np.where(np.arange(CLASSES) < CLASSES // 2, -np.inf, logits[0])
    logits[1] += 1e4
    logits[2] -= 1e4
    logits[4, 5], logits[4, 9] = 1e4, -1e4
    logits[5], logits[5, 6] = -np.inf, 2.0
    labels = LABELS.copy()
    labels[[0, 4, 5]] = 12, 9, 6
    return logits, labels


@pytest.mark.parametrize("names", [(), *[(name,) for name in TERMS], tuple(TERMS)])
@on_eight_devices
def test_a_vocabulary_over_devices_is_that_of_one(names):
    terms = {name: TERMS[name] for name in names}
    logits, labels = awkward()
    given = logits, terms, labels, WHERE, WEIGHTS
    expected = jax.value_and_grad(functools.partial(mean, CE), (0, 1))(*given)
    specs = SPREAD, terms_spread(terms), P(), P(), P()
    found, compiled = run(functools.partial(mean, OURS), given, specs, (0, 1), classes=8)
    jax.tree.map(near, found, expected)
    kinds, shapes = collectives(compiled)
    assert kinds == {"all-reduce"}
    assert shapes <= {"", f"{TOKENS}", f"{TOKENS},1"}


@on_eight_devices
def test_a_label_of_no_device_is_nan_on_all():
    labels = LABELS.copy()
    labels[:3] = -1, CLASSES, np.iinfo(np.int32).min

    def each(logits):
        value, back = jax.vjp(lambda x: OURS(x, jnp.asarray(labels)), logits)
        return value, back(jax.lax.full_like(value, 1))[0]

    with jax.set_mesh(jax.make_mesh((8,), ("classes",))):
        mapped = jax.shard_map(each, in_specs=SPREAD, out_specs=(P(), SPREAD))
        value, slope = jax.jit(mapped)(jax.device_put(LOGITS, SPREAD))
    bad = np.arange(TOKENS) < 3
    np.testing.assert_array_equal(np.isnan(value), bad)
    np.testing.assert_array_equal(np.isnan(slope), np.broadcast_to(bad[:, None], LOGITS.shape))


@on_eight_devices
def test_a_class_weight_out_of_bounds_is_nan_on_all_devices():
    weights = np.where(np.arange(CLASSES) == 3, np.float32(-1), 1)
    given = LOGITS, {"class_weights": weights}, LABELS, WHERE, WEIGHTS
    specs = SPREAD, {"class_weights": P("classes")}, P(), P(), P()
    (value, slope), _ = run(functools.partial(mean, OURS), given, specs, 0, classes=8)
    assert np.isnan(value)
    assert np.isnan(slope[WHERE]).all()


def of_head(reduced, loss, temperature, moving, terms, weights, labels, where):
    hidden, *factors = moving
    head = jl.Objective(loss, **terms)
    given = (hidden / temperature, *factors), labels
    return reduced(head.terms(*given, where=where, weights=weights))


def value_of(terms):
    (average,) = terms.values()
    return average.value


def value_over_batch(terms):
    (average,) = terms.values()
    return average.psum("batch").value


@pytest.mark.parametrize("bias", [BIAS, np.float32(0.5)], ids=["biases", "bias"])
@on_eight_devices
def test_a_head_over_devices_is_that_of_one(bias):
    """Chunks of three tokens; the batch is spread too, with unequal counts, and all is trained."""
    moving, trained = (HIDDEN, WEIGHT, bias), (0, 1, 2, 3)
    given = np.float32(1.3), moving, TERMS, WEIGHTS, LABELS, WHERE
    plain = functools.partial(of_head, value_of, jl.linear_head(CE, tokens=3))
    expected = jax.jit(jax.value_and_grad(plain, trained))(*given)
    rows, factors = P("batch"), (SPREAD, P("classes") if np.ndim(bias) else P())
    specs = P(), (rows, *factors), terms_spread(TERMS), rows, rows, rows
    ours = functools.partial(of_head, value_over_batch, jl.linear_head(OURS, tokens=3))
    found, compiled = run(ours, given, specs, trained, batch=2, classes=4)
    jax.tree.map(functools.partial(near, atol=1e-6), found, expected)
    assert collectives(compiled)[0] == {"all-reduce"}


@pytest.mark.parametrize("head", [jl.linear_head, jl.tied_head])
@on_eight_devices
def test_each_token_of_a_head_over_devices(head):
    """Called by itself, the loss of a head makes its logits again backwards."""
    tied = head is jl.tied_head
    weight = WEIGHT.T if tied else WEIGHT

    def summed(loss, hidden, weight, bias):
        return jnp.sum(head(loss, tokens=3)(hidden, weight, bias, LABELS) * WEIGHTS)

    given = HIDDEN, weight, BIAS
    expected = jax.value_and_grad(functools.partial(summed, CE), (0, 1, 2))(*given)
    specs = P(), P("classes") if tied else SPREAD, P("classes")
    found, _ = run(functools.partial(summed, OURS), given, specs, (0, 1, 2), classes=8)
    jax.tree.map(functools.partial(near, atol=2e-6), found, expected)


def test_a_vocabulary_over_a_mapped_axis():
    """The axis may be one of `vmap`, whose blocks are on one device."""
    blocks = jnp.moveaxis(LOGITS.reshape(TOKENS, 4, -1), 1, 0)
    values = jax.vmap(lambda x: OURS(x, jnp.asarray(LABELS)), axis_name="classes")(blocks)
    near(values, np.broadcast_to(CE(LOGITS, LABELS), (4, TOKENS)))


def test_the_maker():
    assert jl.vocabulary_parallel_cross_entropy("classes") is OURS
    assert pickle.loads(pickle.dumps(OURS)) is OURS
    assert repr(OURS).startswith("<loss vocabulary_parallel_cross_entropy('classes')(logits, ")
    with pytest.raises(TypeError, match="`axis_name` is a string, got 1"):
        jl.vocabulary_parallel_cross_entropy(1)
    with pytest.raises(TypeError, match="did you mean `z_loss`"):
        jl.Objective(OURS, z_los=1.0)


def average(objective, predictions, targets, where):
    (own,) = objective.terms(predictions, targets, where=where).values()
    return own


@on_eight_devices
def test_a_mean_over_devices_is_that_of_all_examples():
    """Two devices with 3 and 1 examples that count: the mean of their means is off by a third."""
    objective, axes = jl.Objective(jl.absolute_error), {"batch": 2}
    errors = np.array([1, 1, 1, 9, 3, 9, 9, 9], np.float32)
    where, targets = errors < 9, np.zeros(8, np.float32)

    def ours(*given):
        return average(objective, *given).psum("batch").value

    def mean_of_means(*given):
        return jax.lax.pmean(average(objective, *given).value, "batch")

    given, specs = (errors, targets, where), (P("batch"),) * 3
    value, slope = objective.value_and_grad(errors, targets, where=where)
    (exact, exact_slope), _ = run(ours, given, specs, 0, **axes)
    (off, off_slope), _ = run(mean_of_means, given, specs, 0, **axes)
    assert float(value) == float(exact) == 1.5
    np.testing.assert_array_equal(exact_slope, slope)
    assert float(off) == 2.0 == pytest.approx((1 + 1 / 3) * float(value))
    near(np.asarray(off_slope)[::4], [1 / 6, 1 / 2])
    near(np.asarray(slope)[::4], [1 / 4, 1 / 4])
