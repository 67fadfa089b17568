"""Contrastive losses of a batch that eight devices share, beside those of the whole batch."""

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import on_eight_devices
from jax.sharding import AxisType

import jaxloss as jl

SPREAD, EVERYWHERE = jax.P("batch"), jax.P()
COUNT, FEATURES = 24, 5
MAKERS = {"ring": jl.in_ring, "gathered": jl.all_gathered}
LOSSES = {
    "info_nce": {"temperature": 0.2},
    "symmetric_info_nce": {"temperature": 0.2},
    "siglip": {"scale": 8.0, "bias": -3.0},
    "ntxent": {"temperature": 0.2},
    "supervised_contrastive": {"temperature": 0.2},
    "circle": {"gamma": 10.0, "margin": 0.3},
}
OF_GROUPS = "ntxent", "supervised_contrastive", "circle"


def mesh(devices=8):
    return jax.make_mesh((devices,), ("batch",), axis_types=(AxisType.Auto,))


def over(devices, function, *specs):
    return jax.shard_map(function, mesh=mesh(devices), in_specs=specs, out_specs=SPREAD)


def drawn(name, count=COUNT, features=FEATURES):
    """Embeddings and their partners or groups; a zero vector among them."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, count, features))
    first[3] = 0
    return first, np.arange(count) % 7 if name in OF_GROUPS else second


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("maker", MAKERS)
@on_eight_devices
def test_values_and_slopes_are_those_of_the_whole_batch(maker, name, hidden):
    rng = np.random.default_rng(1)
    where = rng.random(COUNT) > 0.3 if hidden else np.ones(COUNT, bool)
    where[6:9] &= not hidden  # all that one device has
    factors, arrays, loss = rng.normal(size=COUNT), drawn(name), getattr(jl, name)
    moving = (0, 1) if name in OF_GROUPS else (0, 1, 2)

    def ours(where, hyper, *arrays):
        return MAKERS[maker](loss, "batch")(*arrays, where=where, **hyper)

    shared = over(8, ours, SPREAD, EVERYWHERE, SPREAD, SPREAD)

    def whole(where, hyper, *arrays):
        return loss(*arrays, where=where, **hyper)

    def results(values):
        def total(hyper, *arrays):
            found = jnp.where(where, values(where, hyper, *arrays), 0)
            return jnp.sum(found * factors), found

        return jax.jit(jax.grad(total, moving, has_aux=True))(LOSSES[name], *arrays)

    with jax.enable_x64(True):
        pairs = zip(*(jax.tree.leaves(results(x)) for x in (shared, whole)), strict=True)
        for found, expected in pairs:
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("maker", MAKERS)
@on_eight_devices
def test_each_device_may_have_keys_that_belong_to_no_query(maker, hidden):
    """They come after those of its own queries, and in the whole batch after all others."""
    rng, together = np.random.default_rng(3), functools.partial(np.concatenate, axis=1)
    first, second = (x.astype(np.float32) for x in drawn("info_nce"))
    queue = rng.normal(size=(16, FEATURES)).astype(np.float32)
    where = (rng.random(COUNT + 16) > 0.3) | (not hidden)
    keys = together([x.reshape(8, -1, FEATURES) for x in (second, queue)])
    known = together([x.reshape(8, -1) for x in np.split(where, [COUNT])]).ravel()
    loss = MAKERS[maker](jl.info_nce, "batch")
    spread = over(8, lambda x, y, known: loss(x, y, where=known), SPREAD, SPREAD, SPREAD)

    def shared(x, y):
        return jnp.sum(jnp.where(where[:COUNT], jnp.sin(spread(x, y, known)), 0))

    def whole(x, y, z):
        values = jl.info_nce(x, jnp.concatenate([y, z]), where=where)
        return jnp.sum(jnp.where(where[:COUNT], jnp.sin(values), 0))

    value, slopes = jax.jit(jax.value_and_grad(shared, (0, 1)))(first, keys.reshape(-1, FEATURES))
    wanted, expected = jax.value_and_grad(whole, (0, 1, 2))(first, second, queue)
    np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5)
    found = np.split(slopes[1].reshape(8, -1, FEATURES), [COUNT // 8], axis=1)
    for ours, theirs in zip((slopes[0], *found), expected, strict=True):
        np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["siglip", "symmetric_info_nce"])
@on_eight_devices
def test_what_a_device_of_a_ring_holds_does_not_grow_with_their_number(name):
    """With as many elements for each of eight devices as for each of two."""

    def temporaries(maker, devices, each=512, features=64):
        def total(*arrays):
            loss = over(devices, MAKERS[maker](getattr(jl, name), "batch"), SPREAD, SPREAD)
            return jnp.sum(loss(*arrays))

        spread = jax.sharding.NamedSharding(mesh(devices), SPREAD)
        arrays = [
            jax.ShapeDtypeStruct((devices * each, *x.shape[1:]), jnp.float32, sharding=spread)
            for x in drawn(name, 8, features)
        ]
        program = jax.jit(jax.grad(total, (0, 1))).lower(*arrays).compile()
        return program.memory_analysis().temp_size_in_bytes, program.as_text()

    (two, _), (eight, text) = (temporaries("ring", devices) for devices in (2, 8))
    assert eight <= 1.02 * two
    assert "all-gather" not in text
    assert "collective-permute" in text
    assert "all-gather" in temporaries("gathered", 2)[1]


@on_eight_devices
def test_the_mean_over_the_batch():
    """Over what counts, with nothing that counts on some of the devices."""
    first, second = (x.astype(np.float32) for x in drawn("siglip"))
    where = np.arange(COUNT) < 7
    objective = jl.Objective(jl.in_ring(jl.siglip, "batch"))

    def mean(first, second, where):
        (term,) = objective.terms(first, second, where=where).values()
        return term.psum("batch").value

    specs = SPREAD, SPREAD, SPREAD
    shared = jax.shard_map(mean, mesh=mesh(), in_specs=specs, out_specs=EVERYWHERE)
    found = jax.jit(jax.value_and_grad(shared))(first, second, where)
    whole = jl.Objective(jl.siglip)
    expected = jax.value_and_grad(lambda x: whole(x, second, where=where))(first)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@on_eight_devices
def test_leading_axes_are_batches_of_their_own():
    """Several batches along leading axes, each spread."""
    first, second = np.random.default_rng(2).normal(size=(2, 3, 16, 4)).astype(np.float32)
    middle = jax.P(None, "batch")
    shared = jax.shard_map(
        jl.in_ring(jl.symmetric_info_nce, "batch"),
        mesh=mesh(),
        in_specs=(middle, middle),
        out_specs=middle,
    )
    np.testing.assert_allclose(
        jax.jit(shared)(first, second), jl.symmetric_info_nce(first, second), rtol=1e-5, atol=1e-6
    )


def test_the_makers_say_what_they_want():
    for maker in MAKERS.values():
        assert maker(jl.symmetric_info_nce, "batch") is maker(jl.symmetric_info_nce, "batch")
        assert pickle.loads(pickle.dumps(maker(jl.symmetric_info_nce, "batch"))) is maker(
            jl.symmetric_info_nce, "batch"
        )
        with pytest.raises(
            TypeError, match=r"`loss` is one of info_nce, symmetric_info_nce, .* got <loss huber"
        ):
            maker(jl.huber, "batch")
        with pytest.raises(TypeError, match="`axis_name` is a string, got 0"):
            maker(jl.symmetric_info_nce, 0)
