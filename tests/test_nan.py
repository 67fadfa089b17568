"""NaN, and what lies outside a domain, is lost in no mean, compiled as users' programs are.

On a CPU, XLA's maxima and minima lose NaN in programs of some thousand numbers, so that what holds
for a few examples need not hold for many.
"""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import LARGE, LOSSES, PUBLIC, Case, outside

import jaxloss as jl

pytestmark = pytest.mark.default_flags
MANY, SETS = 65537, 1023  # examples: no powers of 2, for what is left over
FEW = (1, 2, 3, 7, 127, 1023)
WIDE = {
    name: loss for name, loss in LOSSES.items() if loss.signature.first.unchecked and name in PUBLIC
}


def some(name, number=None):
    """A loss by name, with a number; large programs are slow, and so is what makers give."""
    slow = name in LARGE or name not in PUBLIC or number in FEW
    given = (name,) if number is None else (name, number)
    return pytest.param(*given, marks=[pytest.mark.slow] * slow)


def examples():
    """For each loss so many that XLA changes its code, and one of the smaller numbers.

    Each number is a program to compile, so that no loss meets all, but each is met by many losses.
    """
    for place, name in enumerate(LOSSES):
        most = MANY if len(LOSSES[name].signature.first.axes) < 2 else SETS
        yield from (some(name, count) for count in dict.fromkeys([most, FEW[place % len(FEW)]]))


@pytest.mark.parametrize(("name", "count"), list(examples()))
def test_what_lies_outside_a_domain_is_lost_in_no_mean(name, count):
    case, places = Case(LOSSES[name]), sorted({0, count // 2, count - 1})
    bad = [outside(domain) for domain in case.domains]
    whole = [not any(isinstance(value, float) for value in values) for values in bad]
    pairs = zip(case.ordinary(batch=(count,)), whole, strict=True)
    clean = [x if counts else np.float32(x) for x, counts in pairs]  # so that all are one program
    for i, values in enumerate(bad):
        for place, value in itertools.product(places, values):
            assert_lost_nowhere(case, changed(clean, i, place, 0, value), place)


@pytest.mark.parametrize(("count", "classes"), [(130, 127), (9, 8192)])
@pytest.mark.parametrize("name", [some(name) for name in WIDE])
def test_nan_is_lost_in_no_row_of_many_classes(name, count, classes):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(count, classes)).astype(np.float32)
    hot = any(domain.indexes for domain in Case(LOSSES[name]).domains)
    labels = rng.integers(0, classes, count) if hot else np.full_like(logits, 1 / classes)
    for place in (0, count // 2, count - 1):
        for entry in (0, classes // 2, classes - 1):
            arrays = changed([logits, labels], 0, place, entry, np.nan)
            assert_lost_nowhere(Case(LOSSES[name]), arrays, place, {})
            arrays = changed(arrays, 0, place, 1, np.inf)
            assert_lost_nowhere(Case(LOSSES[name]), arrays, place, {})


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("classes", [127, 1000])
def test_nor_in_one_of_sixteen_bits(dtype, classes):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(64, classes)).astype(dtype), np.zeros(64, int)
    mean = jl.Objective(jl.softmax_cross_entropy_with_integer_labels)
    both = jax.jit(lambda x: (mean(x, labels), *jax.value_and_grad(mean.__call__)(x, labels)))
    for entry in (0, classes - 1):
        alone, value, gradient = both(changed([logits], 0, 5, entry, np.nan)[0])
        assert np.isnan(alone)
        assert np.isnan(value)
        assert np.isnan(gradient[5]).any()


REDUCTIONS = {
    "cvar": jl.cvar,
    "flooded": jl.flooded,
    "hardest": lambda _: jl.hardest(2),
    "mean": lambda _: jl.mean,
    "mean_by_batch": lambda _: jl.mean_by_batch,
    "mean_by_count": lambda _: jl.mean_by_count,
    "self_paced": lambda number: jl.self_paced(9 * number),
    "tilted": jl.tilted,
    "total": lambda _: jl.total,
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("count", [3, 5000])
def test_nan_in_a_value_a_weight_or_a_number_is_lost_in_no_reduction(name, count):
    values, weights = np.linspace(1, 4, count, dtype=np.float32), np.ones(count, np.float32)
    reduced = jax.jit(lambda values, weights, number: REDUCTIONS[name](number)(values, weights))
    assert np.isfinite(reduced(values, weights, 0.5))
    for place in (0, count // 2, count - 1):
        one = np.where(np.arange(count) == place, np.float32(np.nan), 1)
        assert np.isnan(reduced(values * one, weights, 0.5))
        assert np.isnan(reduced(values, weights * one, 0.5))
    if name in ("cvar", "flooded", "self_paced", "tilted"):
        assert np.isnan(reduced(values, weights, np.nan))


def test_nan_in_a_group_of_many_is_lost_in_no_maximum():
    values = np.arange(5000, dtype=np.float32)
    values[7] = np.nan
    worst = jax.jit(lambda values: jl.worst_group(values, jnp.arange(5000), 5000))
    assert np.isnan(worst(values))


def changed(arrays, i, place, entry, value):
    """The arrays, with one entry of one example of the array `i` changed to the value."""
    dirty = np.array(arrays[i])
    dirty.reshape(len(dirty), -1)[place, entry] = value
    return [*arrays[:i], dirty, *arrays[i + 1 :]]


def assert_lost_nowhere(case, arrays, place, hyper=None):
    """The mean is NaN, alone and beside its gradient, and so is the gradient of the example."""
    hyper = case.some_hyper if hyper is None else hyper
    alone, value, gradients = derived(case.loss)(arrays, hyper)
    assert np.isnan(alone)
    assert np.isnan(value)
    assert np.isnan(gradients[0][place]).any()


@functools.cache
def derived(loss):
    """The mean alone, then with its gradient in the floats, which is another program to XLA."""
    case = Case(loss)

    @jax.jit
    def program(arrays, hyper):
        alone = case.objective(arrays, hyper)
        arrays, hyper = jax.lax.optimization_barrier((arrays, hyper))
        moving, whole = case.split(arrays)
        mean = lambda moving: case.objective(whole(moving), hyper)
        return alone, *jax.value_and_grad(mean)(moving)

    return program
