"""Losses of all pairs, made a block at a time, beside the same formulas of the whole matrix."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxloss as jl
from jaxloss.kernels import pairwise
from jaxloss.kernels.contrastive import ElementBlock, Local, PlacedPairs
from jaxloss.kernels.pairwise import LOG_ADD_EXP, SUM, budget_of, fold_pairs

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(5)
COUNT, FEATURES = 13, 3  # a prime number of elements
X, Y = RNG.normal(size=(2, COUNT, FEATURES))
LABELS = np.array([0, 0, 7, 7, 7, -2, -2, 4, 4, 4, 4, 1, 0], np.int32)
SOME = np.arange(COUNT) % 4 != 1
LATE = np.arange(COUNT) >= 8  # nothing counts in the first blocks
AFTER = 1 / np.arange(1, COUNT + 1)  # what comes back to each value

close = functools.partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-10)


def cosine(x, y):
    rows, columns = (z / jnp.linalg.norm(z, axis=-1, keepdims=True) for z in (x, y))
    return rows @ columns.T


def softmax_surprise(logits, where):
    some = jnp.where(where, logits, -jnp.inf)
    return jnp.where(where, jax.nn.logsumexp(some, axis=-1) - jnp.diagonal(logits), 0)


def info_nce(x, y, where, temperature):
    return softmax_surprise(cosine(x, y) / temperature, where)


def symmetric_info_nce(x, y, where, temperature):
    return (info_nce(x, y, where, temperature) + info_nce(y, x, where, temperature)) / 2


def siglip(x, y, where, scale, bias):
    logits = cosine(x, y) * scale + bias
    each = jnp.logaddexp(0, logits * (1 - 2 * np.eye(COUNT)))
    return (where[:, None] * where * each).sum(-1)


def groups(labels, where):
    alike, both = labels[:, None] == labels, where[:, None] & where
    return both & alike & ~np.eye(COUNT, dtype=bool), both & ~alike


def mean_over(chosen, values):
    return jnp.where(chosen, values, 0).sum(-1) / jnp.maximum(chosen.sum(-1), 1)


def ntxent(x, labels, where, temperature):
    logits = cosine(x, x) / temperature
    positives, negatives = groups(labels, where)
    others = (negatives * jnp.exp(logits)).sum(-1, keepdims=True)
    return mean_over(positives, jnp.log(jnp.exp(logits) + others) - logits)


def supervised_contrastive(x, labels, where, temperature):
    logits = cosine(x, x) / temperature
    positives, negatives = groups(labels, where)
    total = ((positives | negatives) * jnp.exp(logits)).sum(-1, keepdims=True)
    return mean_over(positives, jnp.log(jnp.where(positives, total, 1)) - logits)


def circle(x, labels, where, gamma, margin):
    s, (positives, negatives) = cosine(x, x), groups(labels, where)
    near = jnp.exp(gamma * jnp.maximum(0, s + margin) * (s - margin))
    far = jnp.exp(gamma * (1 + margin - s) * (1 - margin - s))
    return jnp.log1p((negatives * near).sum(-1) * (positives * far).sum(-1))


DENSE = {
    jl.info_nce: (info_nce, Y, {"temperature": 0.3}),
    jl.symmetric_info_nce: (symmetric_info_nce, Y, {"temperature": 0.3}),
    jl.siglip: (siglip, Y, {"scale": 4.0, "bias": -1.0}),
    jl.ntxent: (ntxent, LABELS, {"temperature": 0.3}),
    jl.supervised_contrastive: (supervised_contrastive, LABELS, {"temperature": 0.3}),
    jl.circle: (circle, LABELS, {"gamma": 5.0, "margin": 0.25}),
}
MATCHED = (jl.info_nce, jl.symmetric_info_nce, jl.siglip)


@pytest.fixture
def _small_blocks(monkeypatch):
    """Room for a few pairs, so that there are many blocks, the last of them not full."""
    monkeypatch.setattr(pairwise, "_LEAST_MEMORY", 200)
    monkeypatch.setattr(pairwise, "_PART_OF_SET", 0)


def derivatives(function, second):
    """Values, a gradient in the moving arrays and hyper-parameters, and one of the gradient."""
    frozen = np.issubdtype(np.asarray(second).dtype, np.integer)

    def weighted(moving, where):
        x, y, hyper = moving
        return jnp.vdot(function(x, second if frozen else y, where, hyper), AFTER)

    def derived(moving, direction, where):
        slope = jax.grad(weighted)
        return (
            weighted(moving, where),
            jax.jvp(functools.partial(slope, where=where), (moving,), (direction,)),
        )

    return jax.jit(derived), (X, None if frozen else second)


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("loss", DENSE)
def test_blocks_say_what_the_whole_matrix_says(loss):
    dense, second, hyper = DENSE[loss]
    with jax.enable_x64(True):
        hyper = jax.tree.map(np.float64, hyper)
        ours, moving = derivatives(lambda x, y, w, h: loss(x, y, where=w, **h), second)
        theirs, _ = derivatives(lambda x, y, w, h: w * dense(x, y, w, **h), second)
        moving = (*moving, hyper)
        direction = jax.tree.map(
            lambda x: np.cos(3 * x + np.arange(x.size).reshape(x.shape)), moving
        )
        for where in (np.ones(COUNT, bool), SOME, LATE, np.zeros(COUNT, bool)):
            found, expected = (f(moving, direction, where) for f in (ours, theirs))
            jax.tree.map(close, found, expected)

        @jax.jit
        def of_sets(*several):
            mapped = jax.vmap(functools.partial(loss, **hyper))(*several)
            first = dense(*(x[0] for x in several), np.ones(COUNT, bool), **hyper)
            return mapped, loss(*several, **hyper), first

        mapped, sets, first = of_sets(np.stack([X, 2 * Y, -X]), np.stack([second] * 3))
        close(mapped, sets)
        close(np.asarray(mapped)[0], first)


SHARP = [jl.symmetric_info_nce, jl.siglip, jl.ntxent]


@functools.cache
def slope(loss):
    second = DENSE[loss][1]

    def value(x, numbers):
        y = jnp.asarray(second, x.dtype) if loss in MATCHED else second
        return jnp.vdot(loss(x, y, **numbers), AFTER.astype(x.dtype))

    return jax.jit(jax.value_and_grad(value, (0, 1)))


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("loss", SHARP)
@pytest.mark.parametrize("temperature", [1e-4, 1e4])
def test_extreme_temperatures(loss, temperature):
    """Where exponentials that are not shifted would all be infinite or 0, and where all are 1."""
    hyper = {"scale": 1 / temperature} if loss is jl.siglip else {"temperature": temperature}
    with jax.enable_x64(True):
        exact = slope(loss)(X, jax.tree.map(np.float64, hyper))
    found = slope(loss)(X.astype(np.float32), jax.tree.map(np.float32, hyper))
    found, exact = (map(np.asarray, jax.tree.leaves(x)) for x in (found, exact))
    for single, double in zip(found, exact, strict=True):
        size = np.max(np.abs(double))
        np.testing.assert_allclose(single / size, double / size, atol=2e-3)


@pytest.mark.usefixtures("_small_blocks")
def test_sharp_clip_is_the_largest_negative():
    with jax.enable_x64(True):
        logits = np.asarray(jax.jit(cosine)(X, Y)) * 1e4
        negatives = np.where(np.eye(COUNT), -np.inf, logits)
        worst = [np.maximum(negatives.max(i) - np.diagonal(logits), 0) for i in (0, 1)]
        np.testing.assert_allclose(
            jl.symmetric_info_nce(X, Y, temperature=1e-4), sum(worst) / 2, atol=1e-3
        )


def test_partial_sums_do_not_depend_on_where_blocks_end():
    number = lambda rows, columns: rows[:, None] * columns[None, :]
    x, y = X[:, 0].astype(np.float32), Y[:7, 0].astype(np.float32)
    fold = jax.jit(fold_pairs, static_argnums=(0, 3, 4))

    def sums(rows, columns):
        return number(rows, columns).sum(1), number(rows, columns).sum(0)

    def logs(rows, columns):
        logsumexp = jax.nn.logsumexp
        return logsumexp(number(rows, columns), axis=1), None

    for memory in (13 * 7 * 4, 13 * 6 * 4, 100, 60, 4):  # from a single block to single pairs
        found = fold(sums, x, y, SUM, budget_of(memory))
        np.testing.assert_allclose(found[0], x * y.sum(), rtol=1e-5)
        np.testing.assert_allclose(found[1], y * x.sum(), rtol=1e-5)
    whole, blocks = (
        fold(logs, x, y[:6], LOG_ADD_EXP, budget_of(memory))[0] for memory in (13 * 6 * 4, 24)
    )
    np.testing.assert_allclose(blocks, whole, rtol=1e-6)


def test_columns_may_come_in_any_blocks_with_their_places():
    """As they do where each device has some: sums of logs merge by logaddexp, those of rows."""
    x, y = X.astype(np.float32), Y.astype(np.float32)
    places, every = np.arange(1, COUNT + 1), np.ones(COUNT, bool)

    @jax.jit
    def reduced(scale, first, second):
        pairs = PlacedPairs(Local(budget_of(64)), first, second)
        logits = lambda pairs, scale: pairs.cosines * scale
        return pairs.match_and_negatives_logsumexp(logits, scale, columns=True)

    def elements(x, part):
        return ElementBlock(x[part], places[part], places[part], every[part])

    whole, *parts = (
        reduced(np.float32(2), elements(x, slice(None)), elements(y, part))
        for part in (slice(None), slice(5, 13), slice(5))
    )
    for i in range(2):
        np.testing.assert_allclose(np.logaddexp(parts[0][i], parts[1][i]), whole[i], rtol=1e-5)
    np.testing.assert_allclose(np.concatenate([parts[1][2], parts[0][2]]), whole[2], rtol=1e-5)


@pytest.mark.parametrize("loss", DENSE)
def test_memory_is_bounded(loss):
    """The matrix of pairs would take 268 MB, and more than one is made of it."""
    struct = lambda *shape, dtype=jnp.float32: jax.ShapeDtypeStruct(shape, dtype)
    x = struct(8192, 16)
    second, argnums = (x, (0, 1)) if loss in MATCHED else (struct(8192, dtype=jnp.int32), 0)
    slope = jax.value_and_grad(lambda x, y: jnp.sum(loss(x, y)), argnums)
    compiled = jax.jit(slope).lower(x, second).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 2**24


@functools.cache
def slope_of_sets(loss):
    """One function for all meshes, so that the one without a mesh is compiled once."""
    return jax.jit(jax.value_and_grad(lambda x, y: jnp.sum(loss(x, y, **DENSE[loss][2]))))


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
@pytest.mark.parametrize("loss", DENSE)
def test_sets_spread_over_devices(loss, kind):
    mesh = jax.make_mesh((1,), ("sets",), axis_types=(kind,))
    arrays = [np.stack([x] * 2) for x in (X, DENSE[loss][1])]
    slope = slope_of_sets(loss)
    expected = slope(*arrays)
    with jax.set_mesh(mesh):
        found = slope(*jax.device_put(arrays, NamedSharding(mesh, PartitionSpec("sets"))))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=2e-6), found, expected)


def soft_nearest(rows, columns):
    (x, i), (y, j, factor) = rows, columns
    distances = jnp.sum((x[:, None] - y[None]) ** 2, axis=-1)
    near = jnp.where(i[:, None] == j[None, :], 0, jnp.exp(-distances) * factor[None, :])
    return {"sum": near.sum(1), "least": distances.min(1), "place": i}


@functools.cache
def derived_of_rows(memory=None):
    """Values, second derivatives, and values of two first sets; whole unless given a memory."""
    places, factor = np.arange(COUNT), np.linspace(0, 1, COUNT, dtype=np.float32)
    x, y = X.astype(np.float32), Y.astype(np.float32)

    def function(x, y, factor):
        sets = (x, places), (y, places, factor)
        return jl.map_pairs(soft_nearest, *sets, memory=memory) if memory else soft_nearest(*sets)

    def value(*given):
        return jnp.vdot(function(*given)["sum"], AFTER.astype(np.float32))

    @jax.jit
    def derived(*given):
        hessian = jax.jvp(jax.grad(value, (0, 1, 2)), given, (y, x, factor))
        several = jax.vmap(function, (0, None, None))(np.stack([x, y]), y, factor)
        return function(*given), hessian, several

    return derived(x, y, factor)


@pytest.mark.parametrize("memory", [1, 3 * COUNT * 4, 10**6])
def test_map_pairs_is_the_function_whatever_the_memory(memory):
    near = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)
    jax.tree.map(near, derived_of_rows(memory), derived_of_rows())


BAD = [
    (None, X, Y, {}, TypeError, "`of_rows` is a function"),
    (soft_nearest, (), Y, {}, TypeError, "`first` is an array or a tree"),
    (soft_nearest, X, None, {}, TypeError, "`second` is an array or a tree"),
    (soft_nearest, (X, Y[:4]), Y, {}, ValueError, "`first` has arrays of shapes"),
    (soft_nearest, X, 1.0, {}, ValueError, "`second` has arrays of shapes"),
    (soft_nearest, X, Y, {"memory": 1.5}, TypeError, "`memory` is a number of bytes"),
    (soft_nearest, X, Y, {"memory": 0}, ValueError, "`memory` is at least 1 byte"),
    (lambda _, y: y[:4], X, Y, {}, ValueError, "what `of_rows` gives has arrays .* of 13 elements"),
    (
        lambda _, y: y.sum(),
        X,
        Y,
        {"memory": 1},
        ValueError,
        "what `of_rows` gives .* of 1 elements",
    ),
]


@pytest.mark.parametrize(("function", "first", "second", "room", "kind", "message"), BAD)
def test_map_pairs_says_what_is_wrong(function, first, second, room, kind, message):
    with pytest.raises(kind, match=f"map_pairs: {message}"):
        jl.map_pairs(function, first, second, **room)
