"""Tokens that do not count, in losses of linear heads that are called by themselves or summed.

What is wanted is the value and the gradient of the tokens that count, as if there were no others.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
FEATURES, CLASSES = 5, 7
WHERE = np.array([[0, 0, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0]], bool)
HEADS = {
    "some tokens at once": jl.linear_head(CE, tokens=4),
    "all tokens at once": jl.linear_head(CE),
    "one token at once": jl.linear_head(CE, memory=1),
    "tied": jl.tied_head(CE, tokens=2),
}
DIRT = (np.nan, np.inf, 1e30)

close = functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=2e-6)


def drawn(*, tied=False):
    """Hidden, weight and bias, and labels: what a prompt is labelled with where none counts."""
    rng = np.random.default_rng(0)
    shapes = [(*WHERE.shape, FEATURES), (CLASSES, FEATURES) if tied else (FEATURES, CLASSES)]
    moving = [rng.normal(size=shape).astype(np.float32) for shape in (*shapes, (CLASSES,))]
    labels = rng.integers(0, CLASSES, WHERE.shape).astype(np.int32)
    return tuple(moving), np.where(WHERE, labels, -100)


def dirty(moving, value):
    """With anything in the features of what does not count."""
    hidden, *others = moving
    return np.where(WHERE[..., None], hidden, np.float32(value)), *others


def dense(moving, labels, *, tied=False):
    """The loss of the tokens that count, of all their logits."""
    hidden, weight, bias = moving
    logits = hidden[WHERE] @ (weight.T if tied else weight) + bias
    return jnp.sum(CE(logits, labels[WHERE]))


def assert_as_if_alone(found, expected):
    """Values and gradients, and that of the features is 0 where a token does not count."""
    close(found[0], expected[0])
    assert not np.any(np.asarray(found[1][0])[~WHERE])
    jax.tree.map(close, tuple(found[1]), tuple(expected[1]))


# direct-preference-optimization#57, trl#1095, Liger-Kernel#873
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("summed", [False, True], ids=["by itself", "in one sweep"])
def test_a_head_is_blind_to_tokens_that_do_not_count(head, summed):
    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def total(moving, labels, where):
        if summed:
            value = jl.Objective(head, reduction=jl.total)(moving, labels, where=where)
            return value, jnp.zeros(WHERE.shape)
        values = head(*moving, labels, where=where)
        return jnp.sum(values), values

    tied = head is HEADS["tied"]
    moving, labels = drawn(tied=tied)
    expected = jax.value_and_grad(functools.partial(dense, tied=tied))(moving, labels)
    for value in DIRT:
        (found, values), gradient = total(dirty(moving, value), labels, WHERE)
        assert not np.any(np.asarray(values)[~WHERE])
        assert_as_if_alone((found, gradient), expected)


@pytest.mark.parametrize("room", [{}, {"tokens": 4}])
def test_log_probabilities_are_0_where_tokens_do_not_count(room):
    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def total(moving, labels, where):
        found = jl.token_log_probabilities(*moving, labels, where=where, **room)
        return jnp.sum(found.log_probability) - jnp.sum(found.entropy), found

    def expected(moving):
        logits = moving[0][WHERE] @ moving[1] + moving[2]
        log_p = jax.nn.log_softmax(logits)
        return jnp.sum(jnp.exp(log_p) * log_p) - jnp.sum(CE(logits, labels[WHERE]))

    moving, labels = drawn()
    for value in DIRT:
        (found, each), gradient = total(dirty(moving, value), labels, WHERE)
        assert not any(np.any(np.asarray(x)[~WHERE]) for x in each)
        assert_as_if_alone((found, gradient), jax.value_and_grad(expected)(moving))


def test_narrow_mapped_and_for_whole_sequences():
    """In 16 bits, under vmap, and with a mask of the sequences alone."""
    moving, labels = drawn()
    hidden, *shared = (x.astype(jnp.bfloat16) for x in dirty(moving, np.nan))
    each = jax.jit(lambda h, w, b, y, m: jl.token_log_probabilities(h, w, b, y, where=m, tokens=4))
    together = each(hidden, *shared, labels, WHERE).log_probability
    assert together.dtype == jnp.float32
    mapped = jax.vmap(each, (0, None, None, 0, 0))(hidden, *shared, labels, WHERE)
    close(mapped.log_probability, together, rtol=1e-2)
    gradient = jax.grad(lambda h: jnp.sum(each(h, *shared, labels, WHERE).log_probability))(hidden)
    assert gradient.dtype == jnp.bfloat16
    assert np.all(np.isfinite(np.asarray(gradient, np.float32)))
    sequences = np.array([False, True, False])
    head = HEADS["some tokens at once"]
    values = head(*moving, np.where(sequences[:, None] & (labels > -200), 2, -1), where=sequences)
    assert np.all(np.isfinite(values))
    np.testing.assert_array_equal(np.any(values, axis=1), sequences)


def test_a_student_is_blind_to_tokens_that_do_not_count():
    head = jl.distillation_head(jl.kl_divergence_with_log_targets, tokens=4)
    (hidden, weight, bias), _ = drawn()
    teacher = hidden[..., ::-1] + 1, weight[::-1], bias[::-1]

    @jax.jit
    def total(moving, teacher, where):
        return jnp.sum(head(*moving, *teacher, where=where))

    derived = jax.value_and_grad(total)
    moving = hidden, weight, bias
    few = (hidden[WHERE], weight, bias), (teacher[0][WHERE], *teacher[1:])
    value, (of_rows, *of_shared) = derived(*few, np.ones(WHERE.sum(), bool))
    wanted = np.zeros_like(hidden)
    wanted[WHERE] = of_rows
    found = derived(dirty(moving, np.nan), dirty(teacher, np.nan), WHERE)
    assert_as_if_alone(found, (value, (wanted, *of_shared)))


def test_what_is_no_mask_of_tokens_is_refused():
    (hidden, weight, bias), labels = drawn()
    head = HEADS["tied"]
    arrays = hidden, weight.T, bias, labels
    with pytest.raises(TypeError, match=r"tied_head\(.*`where` is boolean"):
        head(*arrays, where=np.ones(WHERE.shape))
    with pytest.raises(ValueError, match=r"tied_head\(.*`where` has shape \(6,\)"):
        head(*arrays, where=WHERE[0])
    with pytest.raises(ValueError, match="`where` has shape"):
        jl.token_log_probabilities(hidden, weight, bias, labels, where=WHERE[None])
    for loss in (head, jl.info_nce):
        with pytest.raises(TypeError, match="`where` comes with the arrays"):
            jl.Objective(loss, where=WHERE)
