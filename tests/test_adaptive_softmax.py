"""Softmax over clusters of a vocabulary: hand-derived values, PyTorch's, identities."""

import copy
import functools
import pickle
from math import inf, log
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

import jaxloss as jl
from jaxloss.core.domains import Real, WholeDomain

loss = jl.adaptive_softmax((2, 4, 7))
RNG = np.random.default_rng(6)
HEADS = tuple((RNG.normal(size=(7, n)) * 3).astype(np.float32) for n in (4, 2, 3))
LABELS = np.arange(7)

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=1e-7)


@jax.jit
@functools.partial(jax.grad, has_aux=True)
def gradients_and_values(heads, labels):
    """The gradients of the sum over elements, and their values."""
    values = loss(*heads, labels)
    return jnp.sum(values), values


# Each with head, tails and label, then the value and the gradient in head and tails.
QUARTER, HALVES = [0, 0, log(2), -inf], [1, 1]  # probabilities 1/4, 1/4, 1/2, 0 and 1/2, 1/2
THIRDS = [5, 5, 5]
ORACLE = [
    (0, log(4), [-3 / 4, 1 / 4, 1 / 2, 0], [0, 0], [0, 0, 0]),
    (1, log(4), [1 / 4, -3 / 4, 1 / 2, 0], [0, 0], [0, 0, 0]),
    (2, log(4), [1 / 4, 1 / 4, -1 / 2, 0], [-1 / 2, 1 / 2], [0, 0, 0]),
    (3, log(4), [1 / 4, 1 / 4, -1 / 2, 0], [1 / 2, -1 / 2], [0, 0, 0]),
]


@pytest.mark.parametrize(("label", "value", "head", "first", "second"), ORACLE)
def test_value_and_gradient(label, value, head, first, second):
    with jax.enable_x64(True):
        heads = tuple(np.array(x, float) for x in (QUARTER, HALVES, THIRDS))
        gradients, found = gradients_and_values(heads, label)
        assert float(found) == pytest.approx(value, rel=1e-14)
        for gradient, expected in zip(gradients, (head, first, second), strict=True):
            np.testing.assert_allclose(gradient, expected, rtol=1e-14)


# PyTorch 2.13: AdaptiveLogSoftmaxWithLoss(3, 7, [2, 4], div_value=1.0) in double precision, with
# these weights of the head and the last layers, the identity for the first layers of the tails, at
# the features (1, 2, -1) and each label; the gradient in the features of the sum over the labels.
WEIGHTS = (
    [[1, 0, -1], [0.5, 2, 0], [0, -1, 1], [-0.5, 0, 0.5]],
    [[0.25, 1, 0], [-1, 0, 2]],
    [[0, 1, 2], [1, -1, 0.5], [-2, 0, 1]],
)
TORCH_VALUES = [
    2.583168452300699,
    0.0831684523006986,
    7.588402250452442,
    12.838402250452443,
    5.824479748957856,
    7.324479748957856,
    8.824479748957856,
]
TORCH_GRADIENT = [6.264409734334877, 15.699662803430126, -3.397279233249036]


def test_same_value_and_gradient_as_pytorch():
    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def slope_and_values(features, labels):
        heads = (jnp.tile(jnp.dot(np.array(x), features), (7, 1)) for x in WEIGHTS)
        values = loss(*heads, labels)
        return jnp.sum(values), values

    with jax.enable_x64(True):
        slope, values = slope_and_values(np.array([1.0, 2.0, -1.0]), LABELS)
    np.testing.assert_allclose(values, TORCH_VALUES, rtol=1e-13)
    np.testing.assert_allclose(slope, TORCH_GRADIENT, rtol=1e-13)


def test_without_clusters_it_is_cross_entropy():
    expected = jl.softmax_cross_entropy_with_integer_labels(HEADS[0], LABELS % 4)
    close(jl.adaptive_softmax((4,))(HEADS[0], LABELS % 4), expected)


def test_probabilities_of_the_vocabulary_sum_to_one():
    alike = [np.repeat(x[:1], 7, axis=0) for x in HEADS]
    close(np.exp(-np.asarray(loss(*alike, LABELS))).sum(), 1)


def test_is_the_cross_entropy_of_the_flattened_logits():
    """The log-probabilities of all labels are logits of the same distribution."""
    head, *tails = (scipy.special.log_softmax(x, axis=-1) for x in HEADS)
    rare = [head[:, 2 + i, None] + tail for i, tail in enumerate(tails)]
    flat = np.concatenate([head[:, :2], *rare], axis=-1)
    expected = jl.softmax_cross_entropy_with_integer_labels(flat, LABELS)
    close(loss(*HEADS, LABELS), expected, rtol=1e-5)


def test_a_cluster_of_one_label_costs_nothing_beyond_the_head():
    one = jl.adaptive_softmax((2, 3))
    close(one([0.0, 0.0, 0.0], [7.0], 2), log(3))


def test_tails_without_the_label_have_no_gradient():
    _, first, second = map(np.asarray, gradients_and_values(HEADS, LABELS)[0])
    np.testing.assert_array_equal(first[LABELS // 2 != 1], 0)
    np.testing.assert_array_equal(second[LABELS < 4], 0)
    assert np.all(first[2:4] != 0)
    assert np.all(second[4:] != 0)


def test_infinities_in_tails_without_the_label_do_not_count_but_nan_does():
    head, first, second = (np.array(x) for x in HEADS)
    clean = loss(*HEADS, LABELS)
    first[0], second[1] = -inf, inf
    close(loss(head, first, second, LABELS), clean)
    second[2, 1] = np.nan
    heads = (head, first, second)
    np.testing.assert_array_equal(np.isnan(loss(*heads, LABELS)), LABELS == 2)
    for gradient in gradients_and_values(heads, LABELS)[0]:
        np.testing.assert_array_equal(np.isnan(gradient).any(-1), LABELS == 2)


# optax#1185, pytorch#43840, keras#23664
@pytest.mark.parametrize("label", [-1, -100, 7, 2**31 - 1])
def test_a_label_out_of_range_is_nan_in_value_and_gradient(label):
    heads = tuple(x[0] for x in HEADS)
    gradients, value = gradients_and_values(heads, label)
    assert np.isnan(value)
    assert np.isnan(gradients[0]).all()


def test_integers_that_floats_would_round_stay_themselves():
    whole = Annotated[jax.Array, WholeDomain("Whole", "integers")]

    @jl.loss()
    def parity(scores: Real, numbers: whole):
        return scores + numbers % 2

    assert parity(0.0, 2**25 + 1) == 1


def test_is_an_objective_of_a_tuple():
    where = LABELS != 3
    labels = np.where(where, LABELS, -100)
    found = jl.Objective(loss)(HEADS, labels, where=where)
    close(found, np.asarray(loss(*HEADS, LABELS))[where].mean())


def test_is_made_once_and_reads_as_it_is_written():
    assert jl.adaptive_softmax([2, 4, np.int64(7)]) is loss
    assert copy.deepcopy(loss) is loss
    assert pickle.loads(pickle.dumps(loss)) is loss
    arrays = "head_logits, tail_1_logits, tail_2_logits, labels"
    assert repr(loss) == f"<loss adaptive_softmax((2, 4, 7))({arrays})>"
    assert loss.__doc__.startswith("Cross-entropy over 7 labels")


@pytest.mark.parametrize("cutoffs", [(), (0, 3), (-1,), (3, 3), (2, 5, 4)], ids=str)
def test_cutoffs_that_do_not_increase_are_refused(cutoffs):
    with pytest.raises(ValueError, match=r"`cutoffs` increase from 1 or more on, got \("):
        jl.adaptive_softmax(cutoffs)


def test_cutoffs_are_integers():
    with pytest.raises(TypeError, match="float"):
        jl.adaptive_softmax((2.5, 4))


@pytest.mark.parametrize("name", ["head_logits", "tail_1_logits", "tail_2_logits"])
def test_logits_of_another_width_are_named(name):
    given = dict(zip(("head_logits", "tail_1_logits", "tail_2_logits"), HEADS, strict=True))
    with pytest.raises(ValueError, match=f"`{name}` does not fit"):
        loss(**(given | {name: np.zeros((7, 5), np.float32)}), labels=LABELS)
