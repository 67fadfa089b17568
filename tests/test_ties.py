"""Derivatives where two numbers are equal, or one lies at the end of its range."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import LOSSES, Case, given_loss, in_double

import jaxloss as jl
from jaxloss.core.loss import Distance, Margin

STEP = 1e-6
STEEP = 1e4  # a quotient that is larger tells a step or an infinite derivative


def ties(case):
    """Arrays some of whose entries are equal, or at an edge of their domain, or 0 and 1."""
    base = [in_double(x) for x in case.ordinary()]
    moving = [i for i, x in enumerate(base) if x.dtype == np.float64]
    for i in moving:
        edges = [x for x in case.domains[i].edges if x in (0, 0.5, 1, -1)]
        yield from (changed(base, {i: edge}) for edge in edges if moves_alone(case.domains[i]))
        if base[i].ndim > 1:
            yield changed(base, {i: base[i][..., :1]})
    for i, j in itertools.combinations(moving, 2):
        free = moves_alone(case.domains[i]) and moves_alone(case.domains[j])
        if base[i].shape == base[j].shape and free:
            yield changed(base, {j: base[i]})
            yield from (changed(base, {i: a, j: b}) for a in (0, 1) for b in (0, 1))


def moves_alone(domain):
    """Whether an entry moves without the others: of a row that is normalised, none does."""
    return domain.normalised is np.asarray


def changed(arrays, entries):
    """The arrays, with others in the place of some."""
    return [
        np.broadcast_to(entries.get(i, x), x.shape).astype(x.dtype) for i, x in enumerate(arrays)
    ]


def given_ties(name, loss):
    """Those of functions of one number are slow: what is known of them tells their kinks, too."""
    simple = [pytest.mark.slow] * isinstance(loss, Distance | Margin)
    given = given_loss(name, Case(loss))
    return pytest.param(*given.values, id=name, marks=[*given.marks, *simple])


@pytest.mark.parametrize("case", [given_ties(*each) for each in LOSSES.items()])
def test_a_derivative_lies_between_those_of_either_side(case):
    """In every array, where the loss is finite and has no step; at a kink any between is right.

    At an exact fit the gradient is 0, also where the loss rises like a root.

    Of each tie there are rows: as it is, and with the first entry of an array further up or down.
    """
    moving = [i for i, x in enumerate(case.ordinary()) if x.dtype != np.int32]
    moves = [{}, *({i: step} for i in moving for step in (STEP, -STEP))]
    rows = [stepped(tie, move) for tie in ties(case) for move in moves]
    arrays = [np.stack(x) for x in zip(*rows, strict=True)]

    @jax.jit
    def derived(arrays):
        def total(moved):
            values = case.loss(*[moved.get(i, x) for i, x in enumerate(arrays)])
            values = values.reshape(len(rows), -1).sum(-1)
            return values.sum(), values

        slopes, values = jax.grad(total, has_aux=True)({i: arrays[i] for i in moving})
        return values, [x.reshape(len(rows), -1)[:, 0] for x in slopes.values()]

    with jax.enable_x64(True), np.errstate(invalid="ignore"):
        values, slopes = jax.tree.map(np.asarray, derived(arrays))
    values, slopes = values.reshape(-1, len(moves)), [x[:: len(moves)] for x in slopes]
    for k, slope in enumerate(slopes):
        with np.errstate(invalid="ignore"):
            either = (values[:, 2 * k + 1 : 2 * k + 3] - values[:, :1]) / [STEP, -STEP]
        inside = np.isfinite(either) & ((values[:, :1] != 0) | (slope[:, None] != 0))
        smooth = np.all(np.abs(either) < STEEP, axis=1, where=inside) & inside.any(axis=1)
        low = np.min(either, axis=1, where=inside, initial=STEEP)[smooth]
        high = np.max(either, axis=1, where=inside, initial=-STEEP)[smooth]
        room = 1e-3 * np.maximum(np.abs(low), np.abs(high)) + 1e-4
        assert np.all((slope[smooth] >= low - room) & (slope[smooth] <= high + room)), k


def stepped(tie, move):
    """The first example, where the first entry of an array is moved."""
    example = [np.array(x[0]) for x in tie]
    for i, step in move.items():
        example[i].flat[0] += step
    return example


@pytest.mark.parametrize("sign", [1, -1])
def test_cosines_of_nearly_the_same_direction_have_their_whole_slope(sign):
    """In single precision the cosine rounds to 1, where a clip would halve its slope."""
    first, second = np.float32([1, 2, 3, 4]), sign * np.float32([1.0001, 2, 3, 4])
    for loss in (jl.cosine_similarity, jl.cosine_distance):
        with jax.enable_x64(True):
            exact = jax.grad(loss)(first.astype(float), second.astype(float))
        np.testing.assert_allclose(jax.grad(loss)(first, second), exact, rtol=0.2, atol=1e-7)


def test_ranking_softmax_has_a_slope_in_a_relevance_of_0():
    slope = jax.grad(jl.ranking_softmax, 1)(jnp.zeros(2), jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(slope, np.log(2), rtol=1e-6)


def test_where_a_spread_is_0_all_likelihoods_have_the_same_slope_in_it():
    """-inf beside an error: the least spread is better, whatever the tails."""
    for loss in (jl.student_t_nll, jl.gaussian_nll, jl.laplace_nll):
        value, slopes = jax.value_and_grad(loss, (0, 1, 2))(0.0, 0.0, 1.5)
        assert value == np.inf
        assert slopes[1] == -np.inf
        assert slopes[0] == -slopes[2] < 0
    assert slopes_at_0(jl.student_t_nll) == pytest.approx((-10 / 3, 10 / 3))


def slopes_at_0(loss):
    """In the location and in the target, of a spread of 0."""
    return tuple(map(float, jax.grad(loss, (0, 2))(0.0, 0.0, 1.5)))
