"""Parts of a batch add up to the whole, and what does not add up is refused."""

import jax
import numpy as np
import pytest
from drawing import LOSSES, Case

import jaxloss as jl
from jaxloss import training

BY_VECTORS = [name for name, loss in LOSSES.items() if not loss.contract.elementwise]


def given(case, batch):
    """The objective of a loss, joined to a model that scales its predictions, and data for it."""
    arrays = case.ordinary(batch=batch)
    *heads, targets = arrays if len(arrays) > 1 else (*arrays, None)
    return jl.Objective(case.loss, **case.some_hyper), tuple(heads), targets


# GradCache#7, sentence-transformers#1822, open_clip#108
@pytest.mark.parametrize("name", BY_VECTORS)
def test_a_part_of_one_event_is_no_share(name):
    objective, predictions, targets = given(Case(LOSSES[name]), ())
    with pytest.raises(ValueError, match=r"share: .* is no sum over its parts.*jax\.vjp"):
        jax.eval_shape(lambda: objective.share(predictions, targets, {name: 1}))
    with pytest.raises(ValueError, match=r"masses: .* is no sum over its parts"):
        training.bind(objective, lambda _, x: x).masses(None, predictions, targets)


SPREAD_LOSSES = {
    "ntxent": jl.in_ring(jl.ntxent, "devices"),
    "clip": jl.all_gathered(jl.clip, "devices"),
    "vicreg": jl.global_moments(jl.vicreg, "devices"),
    "softmax_cross_entropy_with_integer_labels": jl.vocabulary_parallel_cross_entropy("devices"),
}


@pytest.mark.parametrize("name", SPREAD_LOSSES)
def test_a_loss_that_meets_the_elements_of_other_devices_has_shares(name):
    case = Case(LOSSES[name])
    arrays = case.ordinary(batch=())
    bound = training.bind(jl.Objective(SPREAD_LOSSES[name]), lambda _, x: x)

    def shared(first, second):
        masses = bound.masses(None, first, second)
        return jax.lax.psum(bound.share(None, first, second, masses), "devices")

    automatic = (jax.sharding.AxisType.Auto,)
    mesh = jax.make_mesh((1,), ("devices",), axis_types=automatic)
    first_axes = tuple(jax.P("devices") if x.ndim else jax.P() for x in arrays)
    found = jax.shard_map(shared, mesh=mesh, in_specs=first_axes, out_specs=jax.P())(*arrays)
    np.testing.assert_allclose(found, jl.Objective(case.loss)(*arrays), rtol=1e-5)
