"""An objective that stops at the first bad value, in every transform, and costs no exactness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
