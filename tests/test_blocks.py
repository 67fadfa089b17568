"""A sum by blocks is the sum at once: with masks, weights and repeated rows, to second order."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import LOSSES, OF_EACH_INPUT, Case

import jaxloss as jl
from jaxloss.kernels.blocks import Cut, numbers_at_once, sum_by_blocks
from jaxloss.kernels.flags import all_true

BY_BLOCKS = {name: loss for name, loss in LOSSES.items() if loss.signature.by_blocks}
ROWS = [name for name, loss in BY_BLOCKS.items() if loss.signature.event_axes]
BATCHES = [((37,), 1), ((3, 29), 1), ((3, 29), 2), ((2, 3, 50), 1), ((2, 3, 50), 2), ((7, 2), 1)]
FEW = 64  # numbers in a block
close = functools.partial(chex.assert_trees_all_close, rtol=3e-6, atol=3e-6)


def once_for_each_input(name):
    """A parameter that stands for a loss; one whose input another has is slow."""
    return pytest.param(name, marks=[pytest.mark.slow] * (name not in OF_EACH_INPUT))


def drawn(batch, prefix):
    """Two arrays of rows, weights of the first axes, a factor of all rows, and a divisor."""
    rng = np.random.default_rng(0)
    rows = (np.asarray(rng.normal(size=(*batch, 5)), np.float32) for _ in range(2))
    weights = np.asarray(rng.uniform(size=batch[:prefix]), np.float32)
    return *rows, weights, np.float32(1.3), np.float32(3.0)


def mean_of_waves(x, y, weights, factor, divisor):
    """A sum whose derivatives of all orders and in all arguments differ from 0."""

    def of_block(examples, factor):
        x, y, weights = examples
        values = jnp.sum(jnp.sin(factor * x) * y * y, axis=-1)
        return values * weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim)) ** 2

    return sum_by_blocks(of_block, x.shape[:-1], (x, y, weights), factor, divisor)


def by_blocks_and_at_once(function, *arrays):
    """What a function gives, compiled in both ways."""
    with numbers_at_once(FEW):
        by_blocks = jax.jit(function)(*arrays)
    with numbers_at_once(None):
        return by_blocks, jax.jit(function)(*arrays)


EVERY = (0, 1, 2, 3, 4)
DERIVED = {
    "value": mean_of_waves,
    "value and gradient": jax.value_and_grad(mean_of_waves, EVERY),
    "gradient in what examples share": jax.grad(mean_of_waves, 3),
    "forward mode": lambda *x: jax.jvp(mean_of_waves, x, x),
    "forward over reverse": jax.jacfwd(jax.grad(mean_of_waves, (2, 3)), (2, 3)),
    "reverse over reverse": jax.grad(lambda *x: jnp.sum(jax.grad(mean_of_waves)(*x) ** 2), EVERY),
    "recomputed": jax.grad(jax.checkpoint(mean_of_waves), EVERY),
    "mapped": jax.vmap(jax.grad(mean_of_waves, (0, 3)), (None, None, None, 0, None)),
}


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize(("batch", "prefix"), BATCHES)
def test_derivatives_by_blocks_are_those_at_once(name, batch, prefix):
    arrays = drawn(batch, prefix)
    if name == "mapped":
        arrays = (*arrays[:3], np.array([0.5, 1.3], np.float32), arrays[4])
    close(*by_blocks_and_at_once(DERIVED[name], *arrays))


@pytest.mark.parametrize(("batch", "prefix"), BATCHES)
def test_blocks_of_double_precision_keep_it(batch, prefix):
    with jax.enable_x64(True):
        arrays = [np.asarray(x, np.float64) for x in drawn(batch, prefix)]
        found = by_blocks_and_at_once(DERIVED["value and gradient"], *arrays)
    close(*found, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", [(), (3, 1), (1, 90), (1, 1)])
def test_what_examples_share_is_read_by_each_block(shape):
    mean, targets = Case(jl.gaussian_nll).ordinary(batch=(3, 90))[::2]
    variance = np.full(shape, 0.5, np.float32)
    derived = jax.value_and_grad(
        lambda x, v: jl.Objective(jl.gaussian_nll)((x, v), targets), (0, 1)
    )
    close(*by_blocks_and_at_once(derived, mean, variance))


def test_a_mean_of_nothing_is_0_with_gradient_0():
    *arrays, _ = drawn((37,), 1)
    found, _ = by_blocks_and_at_once(DERIVED["value and gradient"], *arrays, np.float32(0))
    assert not any(np.any(x) for x in jax.tree.leaves(found))


@pytest.mark.parametrize("batch", [(1,), (2,), (37,), (1 << 20,), (3, 29), (1, 9, 9), (5, 1, 7, 3)])
@pytest.mark.parametrize("row", [1, 5, 63, 64, 65, 1000])
def test_blocks_hold_every_row_and_no_more_numbers_than_one_row_or_the_limit(batch, row):
    with numbers_at_once(FEW):
        cut = Cut.of(batch, int(np.prod(batch)) * row)
    if cut is None:
        assert np.prod(batch) * row <= FEW or np.prod(batch) == 1
        return
    inner = int(np.prod(batch[cut.axis + 1 :])) * row
    assert cut.count > 1
    assert cut.rows == 1 or cut.rows * inner <= FEW
    assert (cut.along - 1) * cut.rows < batch[cut.axis] <= cut.along * cut.rows


@pytest.mark.parametrize("name", list(map(once_for_each_input, BY_BLOCKS)))
def test_every_loss_by_blocks_is_the_loss_at_once(name):
    """With NaN behind a mask, weights of the first axis, and what all examples share."""
    case, rng = Case(BY_BLOCKS[name]), np.random.default_rng(0)
    counted = rng.uniform(size=(3, 29)) < 0.7
    moving, whole = case.split(case.ordinary(batch=counted.shape))
    moving = [jnp.where(counted.reshape(3, 29, *[1] * (x.ndim - 2)), x, jnp.nan) for x in moving]

    def mean(moving, hyper, weights):
        return case.objective(whole(moving), hyper, where=counted, weights=weights)

    hyper = {name: jnp.asarray(value) for name, value in case.some_hyper.items()}
    weights = jnp.asarray(rng.uniform(size=3), jnp.float32)
    derived = jax.value_and_grad(mean, (0, 1, 2))
    close(*by_blocks_and_at_once(derived, moving, hyper, weights))


@pytest.mark.parametrize("name", list(map(once_for_each_input, ROWS)))
def test_values_of_rows_by_blocks_are_those_at_once(name):
    """With their derivatives in the rows and in what all of them share."""
    case = Case(BY_BLOCKS[name])
    moving, whole = case.split(case.ordinary(batch=(3, 29)))
    hyper = {name: jnp.asarray(value) for name, value in case.some_hyper.items()}

    def derived(moving, hyper):
        values, pull = jax.vjp(lambda x, hyper: case.loss(*whole(x), **hyper), moving, hyper)
        return values, pull(jnp.cos(values))

    close(*by_blocks_and_at_once(derived, moving, hyper))


def test_nothing_is_cut_for_gpus_and_tpus():
    rows = jnp.ones((512, 1024))
    program = jax.jit(jax.grad(lambda x: jl.Objective(jl.cosine_distance)(x, rows)))
    for platform, loops in [("cpu", True), ("cuda", False), ("tpu", False)]:
        text = program.trace(rows).lower(lowering_platforms=(platform,)).as_text()
        assert ("while" in text) == loops


@pytest.mark.parametrize("axes", [0, 1, 2, 3])
def test_flags_are_all_true_where_no_axis_has_a_false_one(axes):
    flags = np.arange(24).reshape(2, 3, 4) != 7
    wanted = np.all(flags, axis=tuple(range(3 - axes, 3)))
    np.testing.assert_array_equal(all_true(jnp.asarray(flags), axes), wanted)
    assert np.all(all_true(jnp.zeros((2, 0), bool), 1))  # of none at all
