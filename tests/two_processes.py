"""A small training over four devices of one process, or of two: `python two_processes.py --help`.

All terms of the objective communicate: a mean over examples of which devices have different
numbers, a head whose classes are spread, embeddings that are compared with those of other devices.
"""

import argparse
import functools
import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import P
from jax.sharding import NamedSharding

import jaxloss as jl

DEVICES = 4
AXIS = "devices"
HEARTBEAT = 10  # seconds without one, and a process is taken for dead
ALONE, SPREAD, ON_ALL = P(AXIS), P(None, AXIS), P()
FEATURES, HIDDEN, CLASSES, EXAMPLES, TOKENS = 6, 8, 16, 12, 10
RNG = np.random.default_rng(0)
CE = jl.softmax_cross_entropy_with_integer_labels


def drawn(*shape):
    return RNG.normal(size=shape).astype(np.float32)


PARAMETERS = {
    "body": drawn(FEATURES, HIDDEN),
    "line": drawn(HIDDEN),
    "head": drawn(HIDDEN, CLASSES),
    "other": drawn(FEATURES, HIDDEN),
    "scale": np.float32(2),
    "bias": np.float32(-1),
}
BATCH = {
    "inputs": drawn(EXAMPLES, FEATURES),
    "views": drawn(EXAMPLES, FEATURES),
    "targets": drawn(EXAMPLES),
    "where": np.array([1, 1, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0], bool),  # 3, 1, 0 and 2 of 3 count
    "tokens": drawn(TOKENS, FEATURES),
    "labels": RNG.integers(0, CLASSES, TOKENS).astype(np.int32),
}
PARAMETER_SPECS = dict.fromkeys(PARAMETERS, ON_ALL) | {"head": SPREAD}
BATCH_SPECS = dict.fromkeys(BATCH, ALONE) | {"tokens": ON_ALL, "labels": ON_ALL}
OPTIMIZER = optax.adam(0.03)


def value(parameters, batch, cross_entropy, siglip, vicreg, mean):
    """The objective, of losses that know of devices or of their plain forms."""
    hidden = jnp.tanh(batch["inputs"] @ parameters["body"])
    views = jnp.tanh(batch["views"] @ parameters["other"])
    tokens = jnp.tanh(batch["tokens"] @ parameters["body"])
    error, where = jl.Objective(jl.huber), batch["where"]
    pairs = jl.Objective(siglip, scale=parameters["scale"], bias=parameters["bias"])
    head = jl.Objective(jl.linear_head(cross_entropy, tokens=4))
    return (
        mean(error.terms(hidden @ parameters["line"], batch["targets"], where=where))
        + head((tokens, parameters["head"], 0.0), batch["labels"])
        + mean(pairs.terms(hidden, views, where=where))
        + 0.01 * jl.Objective(vicreg)(hidden, views, where=where)
    )


def mean_here(terms):
    (average,) = terms.values()
    return average.value


def mean_everywhere(terms):
    (average,) = terms.values()
    return average.psum(AXIS).value


plain = functools.partial(
    value, cross_entropy=CE, siglip=jl.siglip, vicreg=jl.vicreg, mean=mean_here
)
spread = jax.shard_map(
    functools.partial(
        value,
        cross_entropy=jl.vocabulary_parallel_cross_entropy(AXIS),
        siglip=jl.in_ring(jl.siglip, AXIS),
        vicreg=jl.global_moments(jl.vicreg, AXIS),
        mean=mean_everywhere,
    ),
    in_specs=(PARAMETER_SPECS, BATCH_SPECS),
    out_specs=ON_ALL,
)


def train(objective, parameters, batch, steps):
    """The value before each step, and the parameters after the last."""
    state = jax.jit(OPTIMIZER.init)(parameters)

    @jax.jit
    def step(parameters, state, batch):
        found, slopes = jax.value_and_grad(objective)(parameters, batch)
        changes, state = OPTIMIZER.update(slopes, state)
        return found, optax.apply_updates(parameters, changes), state

    for _ in range(steps):
        found, parameters, state = step(parameters, state, batch)
        yield float(found), parameters


def placed(mesh, tree, specs):
    """Global arrays, of which each process makes the parts of its own devices."""

    def place(x, spec):
        return jax.make_array_from_callback(x.shape, NamedSharding(mesh, spec), x.__getitem__)

    return jax.tree.map(place, tree, specs)


def train_spread(steps):
    """The same over the first four devices, and all processes have all parameters in the end."""
    mesh = jax.make_mesh((DEVICES,), (AXIS,), devices=jax.devices()[:DEVICES])
    gather = jax.jit(lambda tree: tree, out_shardings=NamedSharding(mesh, ON_ALL))
    with jax.set_mesh(mesh):
        given = placed(mesh, PARAMETERS, PARAMETER_SPECS), placed(mesh, BATCH, BATCH_SPECS)
        for found, parameters in train(spread, *given, steps):
            yield found, jax.tree.map(np.asarray, gather(parameters))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("coordinator", help="HOST:PORT where the first of the two listens")
    parser.add_argument("process", type=int, help="which of the two processes this is")
    parser.add_argument("steps", type=int)
    parser.add_argument("file", help="where value and parameters of each step are saved")
    given = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", DEVICES // 2)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(
        given.coordinator,
        2,
        given.process,
        initialization_timeout=30,
        heartbeat_timeout_seconds=HEARTBEAT,
    )
    try:
        for found, parameters in train_spread(given.steps):
            print("value", found, flush=True)
            np.savez(given.file, value=found, **parameters)
    except jax.errors.JaxRuntimeError as error:
        print(f"another process is gone: {error}", file=sys.stderr, flush=True)
        os._exit(3)  # at once: a farewell to the other would wait for it


if __name__ == "__main__":
    main()
