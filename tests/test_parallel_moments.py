"""Moments of a batch that is spread over devices, inside `shard_map`."""

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import collectives, on_eight_devices
from jax import P

import jaxloss as jl

DEVICES, ELEMENTS, FEATURES = 8, 24, 4
RNG = np.random.default_rng(3)
FIRST, SECOND = RNG.normal(size=(2, ELEMENTS, FEATURES)).astype(np.float32)
FIRST[:, 1] += 2 * FIRST[:, 0] + 1000
SECOND[:, 3] = 0.1
COUNTS = [3, 1, 0, 2, 3, 1, 2, 3]
WHERE = (np.arange(3) < np.array(COUNTS)[:, None]).ravel()
HYPER = {
    jl.barlow_twins: {"redundancy": np.float32(0.3)},
    jl.vicreg: {
        "invariance": np.float32(3.0),
        "covariance": np.float32(0.7),
        "deviation": np.float32(1.4),
    },
}
OURS = {loss: jl.global_moments(loss, "batch") for loss in HYPER}
near = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=2e-6)
each_loss = pytest.mark.parametrize("loss", HYPER, ids=lambda loss: loss.__name__)


def run(function, given, specs, argnums):
    with jax.set_mesh(jax.make_mesh((DEVICES,), ("batch",))):
        mapped = jax.shard_map(function, in_specs=specs, out_specs=P(), check_vma=True)
        placed = [jax.tree.map(jax.device_put, x, s) for x, s in zip(given, specs, strict=True)]
        compiled = jax.jit(jax.value_and_grad(mapped, argnums)).lower(*placed).compile()
        return compiled(*placed), compiled


def of_network(loss, weight, hyper, first, second, where):
    """All devices have the weight in common, and its gradient is summed over them."""
    return loss(first @ weight, second @ weight, **hyper, where=where)


@each_loss
@on_eight_devices
def test_moments_over_devices_are_those_of_one(loss):
    """Counts differ, one device has none; a mean is far from 0, and a feature is constant."""
    given = np.eye(FEATURES, dtype=np.float32), HYPER[loss], FIRST, SECOND, WHERE
    trained = (0, 1, 2, 3)
    plain = jax.jit(jax.value_and_grad(functools.partial(of_network, loss), trained))
    specs = P(), jax.tree.map(lambda _: P(), HYPER[loss]), P("batch"), P("batch"), P("batch")
    found, compiled = run(functools.partial(of_network, OURS[loss]), given, specs, trained)
    expected = plain(*given)
    jax.tree.map(near, found[1][1:], expected[1][1:])
    near(found[0], expected[0])
    np.testing.assert_allclose(found[1][0], expected[1][0], rtol=1e-5, atol=2e-3)
    for gradient in found[1][2:]:
        np.testing.assert_array_equal(np.asarray(gradient)[~WHERE], 0)
    kinds, shapes = collectives(compiled)
    assert kinds == {"all-reduce"}
    assert shapes <= {"", f"{FEATURES}", f"1,{FEATURES}", f"{FEATURES},{FEATURES}"}


def mean(loss, first, second, where):
    return jl.Objective(loss)(first, second, where=where)


@each_loss
@on_eight_devices
def test_an_objective_over_devices_is_that_of_one(loss):
    """Of one of the sets, some devices have elements, and of another none has any."""
    sets = [np.stack([x, x[::-1] ** 2, x]) for x in (FIRST, SECOND)]
    where = np.stack([WHERE, np.arange(ELEMENTS) < 7, np.zeros(ELEMENTS, bool)])
    specs = (P(None, "batch"),) * 3
    expected = jax.value_and_grad(jl.Objective(loss), (0, 1))
    value, gradients = jax.jit(lambda x, y: expected(x, y, where=where))(*sets)
    found, _ = run(functools.partial(mean, OURS[loss]), (*sets, where), specs, (0, 1))
    np.testing.assert_allclose(found[0], value, rtol=2e-6)
    for x, y in zip(found[1], gradients, strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-6 * np.abs(y).max())


@each_loss
@on_eight_devices
def test_a_nan_of_one_device_is_known_to_all(loss):
    first = FIRST.copy()
    first[-1, 0] = np.nan
    for where, known in ((np.ones(ELEMENTS, bool), False), (np.arange(ELEMENTS) < 23, True)):
        given, specs = (first, SECOND, where), (P("batch"),) * 3
        call = lambda x, y, where: OURS[loss](x, y, where=where)
        (value, slope), _ = run(call, given, specs, 0)
        assert np.isfinite(value) == known
        assert np.isfinite(slope).all() == known


@each_loss
def test_moments_over_a_mapped_axis(loss):
    """The axis may be one of `vmap`, whose parts are on one device."""
    parts = [x.reshape(DEVICES, -1, FEATURES) for x in (FIRST, SECOND)]
    values = jax.vmap(OURS[loss], axis_name="batch")(*map(jnp.asarray, parts))
    np.testing.assert_allclose(values, np.full(DEVICES, loss(FIRST, SECOND)), rtol=2e-6)


@each_loss
def test_the_maker(loss):
    made = OURS[loss]
    assert jl.global_moments(loss, "batch") is made
    assert pickle.loads(pickle.dumps(made)) is made
    name = f"global_moments({loss.__name__}, 'batch')"
    assert repr(made).startswith(f"<loss {name}(first, second, *, ")
    assert made.__doc__.startswith(f"`{loss.__name__}` of all elements, sharded over the devices")
    with pytest.raises(TypeError, match="has no hyper-parameter `varianc`"):
        jl.Objective(made, varianc=1.0)


def test_what_cannot_be_made_is_said():
    with pytest.raises(
        TypeError, match="`loss` is `barlow_twins` or `vicreg`, got <loss symmetric_info_nce"
    ):
        jl.global_moments(jl.symmetric_info_nce, "batch")
    with pytest.raises(TypeError, match="`axis_name` is a string, got 1"):
        jl.global_moments(jl.vicreg, 1)
