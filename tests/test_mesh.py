"""The same losses under `jit` on a mesh: nothing is told of it, neither loss nor objective."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from devices import collectives, on_eight_devices
from drawing import LOSSES, OF_EACH_WRAPPER, Case
from jax import P
from jax.sharding import AxisType, NamedSharding

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
KINDS = [AxisType.Auto, AxisType.Explicit]
BATCH = 8
SORTED = {"multilabel_margin"}  # as JAX sorts no axis that is spread explicitly


def mesh_of(kind):
    return jax.make_mesh((4, 2), ("batch", "classes"), axis_types=(kind,) * 2)


def spread_of(name, domain, shape):
    """Examples over four devices, and over two the last axis of what is no single number."""
    alone = len(domain.axes) == 1 and domain.axes != ("labels",)  # not the features of a set
    over_classes = (alone or "classes" in domain.axes) and shape[-1] % 2 == 0
    last = "classes" if over_classes and name not in SORTED else None
    return P("batch", *[None] * (len(shape) - 2), *[last] * (len(shape) > 1))


def mean_and_values(loss, moving, hyper, others, places):
    arrays = [next(it) for it in map({True: iter(moving), False: iter(others)}.get, places)]
    values = loss(*arrays, **hyper)
    return jnp.mean(values), values


@functools.cache
def inputs(name):
    """The arrays that a derivative is taken in, the hyper-parameters, the labels; the program."""
    case = Case(LOSSES[name])
    arrays = case.ordinary(batch=(BATCH,))
    places = tuple(bool(jnp.issubdtype(x.dtype, jnp.floating)) for x in arrays)
    moving = tuple(x for x, moves in zip(arrays, places, strict=True) if moves)
    others = tuple(x for x, moves in zip(arrays, places, strict=True) if not moves)
    specs = [spread_of(name, d, x.shape) for d, x in zip(case.domains, arrays, strict=True)]
    spread = [
        tuple(s for s, moves in zip(specs, places, strict=True) if moves is kind)
        for kind in (True, False)
    ]
    program = jax.value_and_grad(
        functools.partial(mean_and_values, case.loss, places=places), (0, 1), has_aux=True
    )
    return (moving, case.some_hyper, others), spread, program


@functools.cache
def expected(name):
    given, _, program = inputs(name)
    return jax.tree.map(np.asarray, jax.jit(program)(*given))


# Explicit axes depend on every operation of a formula, Auto ones on what wraps it.
@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, AxisType.Explicit) for name in LOSSES]
    + [(name, AxisType.Auto) for name in sorted(OF_EACH_WRAPPER)],
    ids=str,
)
@on_eight_devices
def test_a_loss_on_a_mesh_is_that_of_one_device(name, kind):
    given, (moving, others), program = inputs(name)
    mesh = mesh_of(kind)
    specs = moving, jax.tree.map(lambda _: P(), given[1]), others
    places = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    with jax.set_mesh(mesh):
        found = jax.jit(program)(*jax.tree.map(jax.device_put, given, places))
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), found, expected(name)
    )


def compiled(function, argnums, kind, told, *arrays):
    """The program of the value and the gradients, of arrays by shape, dtype and spread."""
    mesh = mesh_of(kind)
    with jax.set_mesh(mesh) if told else contextlib.nullcontext():
        structs = [
            jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, spec))
            for shape, dtype, spec in arrays
        ]
        return jax.jit(jax.value_and_grad(function, argnums)).lower(*structs).compile()


BESIDE_LOSSES = {
    **{name: getattr(jl, name) for name in ("mean", "total", "none", "mean_of_sequences")},
    "hardest(1)": jl.hardest(1),
    "hardest(9)": jl.hardest(9),
    "cvar": jl.cvar(0.3),
    "tilted": jl.tilted(1.0),
    "self_paced": jl.self_paced(0.5),
    "flooded(cvar)": jl.flooded(0.5, jl.cvar(0.3)),
    "group_averages": lambda x, w: jl.group_averages(x, jnp.int32(9 * x) % 3, 3, w).value,
    "worst_group": lambda x, w: jl.worst_group(x, jnp.int32(9 * x) % 3, 3, w),
    "segment_weights": lambda x, w: x * jl.segment_weights(jnp.int32(9 * x) % 4, w > 0.2),
    "smooth_labels": lambda x, _: jl.smooth_labels(x, 0.1),
    "mixup": lambda x, w: (
        jl.mixup(jax.random.key(0), x, 0.3, where=jnp.min(w, axis=1) > 0.2).inputs
    ),
    "cutmix": lambda x, _: jl.cutmix(jax.random.key(0), x[..., None, None], 0.3).inputs,
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("spec", [P("batch"), P("batch", "classes")], ids=str)
@pytest.mark.parametrize("name", BESIDE_LOSSES)
@on_eight_devices
def test_what_stands_beside_losses_on_a_mesh_is_that_of_one_device(
    name, kind, spec
):  # maxtext#4208
    rng, function = np.random.default_rng(0), BESIDE_LOSSES[name]
    given = [np.float32(rng.exponential(size=(BATCH, 4))), np.float32(rng.random((BATCH, 4)))]

    @jax.jit
    def both(values, weights):
        squares = lambda x: jnp.sum(function(x, weights) ** 2)
        return function(values, weights), jax.grad(squares)(values)

    mesh = mesh_of(kind)
    with jax.set_mesh(mesh):
        found = both(*(jax.device_put(x, NamedSharding(mesh, spec)) for x in given))
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), found, both(*given)
    )


TERMS = {"label_smoothing": 0.1, "z_loss": 0.01, "softcap": 5.0, "class_weights": 2.0}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("told", [False, True], ids=["placed", "set"])
@pytest.mark.parametrize("terms", [{}, TERMS], ids=["plain", "terms"])
@on_eight_devices
def test_cross_entropy_moves_one_number_an_example(kind, told, terms):
    """Logits that are spread over classes stay where they are, in the gradient too."""
    logits = (16, 512), np.float32, P("batch", "classes")
    labels = (16,), np.int32, P("batch")
    kinds, shapes = collectives(compiled(jl.Objective(CE, **terms), 0, kind, told, logits, labels))
    assert kinds == {"all-reduce"}
    assert shapes == {"", "4"}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@on_eight_devices
def test_a_head_gathers_nothing(kind):
    """The gradient of a large weight, made by parts on one device, is made as it is spread."""
    tokens, features, classes = 32, 64, 2**17
    head = jl.Objective(jl.linear_head(CE, tokens=8))
    kinds, _ = collectives(
        compiled(
            lambda hidden, weight, labels: head((hidden, weight, 0.0), labels),
            (0, 1),
            kind,
            kind is AxisType.Explicit,  # zeros are to be spread too, which JAX has to be told
            ((tokens, features), np.float32, P("batch")),
            ((features, classes), np.float32, P(None, "classes")),
            ((tokens,), np.int32, P("batch")),
        )
    )
    assert kinds == {"all-reduce"}
