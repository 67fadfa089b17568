"""What devices hold and get, as the compiler says it: of programs whose traffic is known."""

import importlib.util
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from devices import on_eight_devices
from jax import lax

from jaxloss.bench import scale
from jaxloss.bench.hlo import HloProgram
from jaxloss.bench.hlo_traffic import received
from jaxloss.bench.topologies import devices_of

LENGTH, AXIS, BYTES = 96, "devices", 4 * 96
RING = [(i, (i + 1) % 8) for i in range(8)]


def in_a_loop(x):
    return lax.scan(lambda x, _: (lax.ppermute(x, AXIS, RING), None), x, length=5)[0]


def under_a_condition(x):
    dear = lambda x: lax.ppermute(lax.ppermute(x, AXIS, RING), AXIS, RING)
    cheap = lambda x: lax.ppermute(x, AXIS, RING)
    return lax.cond(lax.axis_index(AXIS) < 9, dear, cheap, x)


# What a device gets, with 96 numbers on each: as many bytes as theory says a ring moves.
PROGRAMS = {
    "nothing": (lambda x: x + 1, 0),
    "reduced": (lambda x: x * lax.psum(x, AXIS), 2 * 7 / 8 * BYTES),
    "gathered": (lambda x: x + jnp.sum(lax.all_gather(x, AXIS) ** 2, 0), 7 * BYTES),
    "scattered": (lambda x: lax.psum_scatter(x, AXIS, tiled=True), 7 / 8 * BYTES),
    "exchanged": (lambda x: lax.all_to_all(x.reshape(8, -1), AXIS, 0, 0).ravel(), 7 / 8 * BYTES),
    "permuted": (lambda x: lax.ppermute(x, AXIS, RING), BYTES),
    "in a loop": (in_a_loop, 5 * BYTES),
}


@pytest.mark.parametrize("name", PROGRAMS)
@on_eight_devices
def test_traffic_is_what_theory_says(name):
    function, expected = PROGRAMS[name]
    assert received(HloProgram(text_of(function)), 8) == expected


def text_of(function):
    mesh = jax.make_mesh((8,), (AXIS,))
    spread = jax.sharding.NamedSharding(mesh, jax.P(AXIS))
    given = jax.ShapeDtypeStruct((8 * LENGTH,), jnp.float32, sharding=spread)
    mapped = jax.shard_map(function, mesh=mesh, in_specs=jax.P(AXIS), out_specs=jax.P(AXIS))
    return jax.jit(mapped).lower(given).compile().as_text()


@on_eight_devices
def test_of_the_branches_of_a_condition_the_dearest_counts():
    assert received(HloProgram(text_of(under_a_condition)), 8) == 2 * BYTES


@on_eight_devices
def test_a_loop_that_nobody_counted_is_not_guessed():
    more = lambda x: lax.psum(jnp.sum(x), AXIS) < 1
    step = lambda x: x + lax.ppermute(x, AXIS, RING)
    program = HloProgram(text_of(lambda x: lax.while_loop(more, step, x)))
    with pytest.raises(ValueError, match="how often a loop runs"):
        received(program, 8)


@on_eight_devices
def test_a_spread_head_gets_the_gradient_of_what_all_share_and_numbers_of_tokens():
    loads = [scale.load(scale.STEPS[CROSS_ENTROPY](), jax.devices()[:count]) for count in (1, 8)]
    assert loads[0].received == 0
    hidden = 8192 * 2048 * 4
    assert 2 * 7 / 8 * hidden < loads[1].received < 1.01 * 2 * 7 / 8 * hidden
    assert loads[1].held < loads[0].held / 4


@on_eight_devices
def test_a_ring_gets_more_and_holds_less_than_what_is_gathered():
    ring, gathered = (scale.load(scale.STEPS[name](), jax.devices()) for name in SIGLIP)
    rows = 32_768 * 256 * 4  # gathered once forward and once backward; round three times
    assert 2 * 7 / 8 * rows < gathered.received < 2.1 * rows
    assert 3 * rows < ring.received < 3.1 * rows
    assert ring.held < gathered.held / 2


CROSS_ENTROPY, *_ = scale.STEPS
SIGLIP = [name for name in scale.STEPS if name.startswith("SigLIP")]


def test_a_topology_that_is_not_to_be_had_is_said():
    with pytest.raises(ValueError, match=r"'v0:1x1' is not to be had: .* is libtpu installed?"):
        devices_of("v0:1x1", 1)


OFFERED = {"v5p:8x8x8": "libtpu", "h100:64x8": "jax_cuda12_plugin"}


@pytest.mark.slow
@pytest.mark.parametrize("topology", OFFERED)
def test_every_step_compiles_for_512_accelerators(topology):
    package = OFFERED[topology]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    command = [sys.executable, "-m", "jaxloss", "bench", "--scale", topology]
    alone = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}  # of which some are of CPUs
    shown = subprocess.run(command, env=alone, capture_output=True, text=True, check=True).stdout
    heading, _, *rows = shown.splitlines()
    assert heading.endswith("| of 1 | of 8 | of 64 | of 512 |")
    assert len(rows) == len(scale.STEPS)
