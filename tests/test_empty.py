"""Empty arrays, compiled as users compile them: of no examples, elements, classes or pixels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import CLASSES, LARGE, LOSSES, PUBLIC, Case

import jaxloss as jl

pytestmark = pytest.mark.default_flags

CE = jl.softmax_cross_entropy_with_integer_labels
HEADS = {
    "some tokens at once": jl.linear_head(CE, tokens=4),
    "one token at once": jl.linear_head(CE, memory=1),
    "tied": jl.tied_head(CE),
    "of scores": jl.linear_head(jl.crammer_singer),
}
# From 256 classes on, sums of cross-entropy go by tiles.
NO_EXAMPLES = (((0,), 256), ((3, 0), 32768))
NOTHING_IN_EXAMPLES = (
    {"classes": 0},
    {"elements": 0},
    {"elements": 0, "classes": 0},
    {"image": (0, 0, 2)},
    {"image": (0, 3, 2)},
    {"image": (3, 3, 0)},
)


def of_each(losses):
    slow = [name in LARGE or name not in PUBLIC for name in losses]
    cases = [
        pytest.param(Case(loss), id=name, marks=[pytest.mark.slow] * late)
        for (name, loss), late in zip(losses.items(), slow, strict=True)
    ]
    return pytest.mark.parametrize("case", cases)


def derived(case, arrays):
    """Values, the mean over all, and its gradient."""
    moving, whole = case.split(arrays)
    mean = jax.value_and_grad(lambda moved: case.objective(whole(moved), {}))
    return case.loss(*arrays), *mean(moving)


@of_each(LOSSES)
def test_no_examples_have_no_values_and_the_mean_0_with_gradient_0(case):  # chainer#3559
    sizes = NO_EXAMPLES if max(len(domain.axes) for domain in case.domains) else NO_EXAMPLES[:1]
    every = [case.ordinary(batch=batch, classes=classes) for batch, classes in sizes]
    found = jax.jit(lambda every: [derived(case, arrays) for arrays in every])(every)
    for (batch, _), arrays, (values, mean, gradient) in zip(sizes, every, found, strict=True):
        assert values.shape[: len(batch)] == batch
        assert mean == 0
        assert [x.shape for x in gradient] == [x.shape for x in case.split(arrays)[0]]
    if len(sizes) > 1:
        rows = jax.eval_shape(jax.vmap(case.loss), *every[1])
        assert rows.shape == found[1][0].shape


@of_each({name: x for name, x in LOSSES.items() if any(d.axes for d in Case(x).domains)})
def test_examples_of_nothing_have_a_finite_value_or_are_refused_in_words(case):
    """As are no classes, no features, no pixels; a set without elements has the value 0."""
    shapes = {case.shape(domain) for domain in case.domains}
    for sizes in NOTHING_IN_EXAMPLES:
        if {case.shape(domain, **sizes) for domain in case.domains} == shapes:
            continue
        arrays = case.ordinary(batch=(3,), **sizes)
        if case.loss.__name__ == "ctc":  # of no frames, it is to read no labels
            arrays = (arrays[0], *[0 * x for x in arrays[1:3]], arrays[3])
        found = value_or_message(jax.jit(functools.partial(derived, case)), arrays)
        if isinstance(found, str):
            given = list(case.loss.signature.arrays)
            assert found.startswith(tuple(f"{case.loss.__name__}: `{x}` holds" for x in given))
            assert "at least 1" in found
            assert "(3, " in found
        else:
            values, mean, gradient = found
            assert values.shape[0] == 3
            assert np.all(np.isfinite(values))
            assert np.isfinite(mean)
            assert all(np.all(np.isfinite(x)) for x in gradient)
            if case.loss.signature.is_set:
                np.testing.assert_array_equal(values, 0)


def value_or_message(function, given):
    """What the function gives, or what it says of arrays that it refuses."""
    try:
        return function(given)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("size", [1, 10])
def test_images_smaller_than_the_window_are_their_own_window(size):
    image = np.random.default_rng(size).uniform(size=(size, size, 1)).astype(np.float32)
    other = image[::-1].copy()
    for loss in (jl.ssim, jl.ms_ssim):
        value, gradient = jax.jit(jax.value_and_grad(loss))(image, other)
        assert 0 <= value <= 2
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("reduction", [jl.mean, jl.none])
def test_heads_of_no_tokens_or_no_features(head, reduction):
    """Without features the logits are the bias; without tokens there is nothing to sum."""
    turned = (lambda x: x.T) if head is HEADS["tied"] else (lambda x: x)
    objective = jl.Objective(head, reduction=reduction)

    @jax.jit
    @functools.partial(jax.value_and_grad, argnums=0)
    def total(moving, labels):
        return jnp.sum(objective(moving, labels))

    for tokens, features, classes in [((0,), 5, 256), ((3, 0), 5, CLASSES), ((0,), 0, CLASSES)]:
        weight = turned(np.ones((features, classes), np.float32))
        moving = np.ones((*tokens, features), np.float32), weight, np.zeros(classes, np.float32)
        value, gradient = total(moving, np.zeros(tokens, np.int32))
        assert value == 0
        assert all(not np.any(x) for x in gradient)
    hidden, weight = np.ones((3, 0), np.float32), turned(np.ones((0, CLASSES), np.float32))
    bias, labels = np.arange(CLASSES, dtype=np.float32), np.arange(3, dtype=np.int32)
    value, (*_, slope) = total((hidden, weight, bias), labels)
    values, pull = jax.vjp(lambda b: jnp.sum(objective_of(head, reduction, b, labels)), bias)
    np.testing.assert_allclose(value, values, rtol=1e-6)
    np.testing.assert_allclose(slope, pull(jnp.ones(()))[0], rtol=1e-5, atol=1e-6)


def objective_of(head, reduction, bias, labels):
    """The objective of logits that are the bias."""
    _, (loss, *_) = head.made_by
    return jl.Objective(loss, reduction=reduction)(jnp.stack([bias] * len(labels)), labels)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_heads_of_no_classes_are_refused(head):
    weight = np.ones((0, 5) if head is HEADS["tied"] else (5, 0), np.float32)
    with pytest.raises(ValueError, match=r"head\(.*: `weight` holds .* at least (0 by 1|1 by 0)"):
        head(np.ones((3, 5), np.float32), weight, 0.0, np.zeros(3, np.int32))
