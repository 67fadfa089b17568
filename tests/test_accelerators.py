"""What programs take on accelerators that need not be there: what is counted, and bounds of it."""

import importlib.util
import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from jaxloss.bench.accelerators import ENTRIES
from jaxloss.bench.hlo import HloProgram
from jaxloss.bench.hlo_costs import costs

LENGTH, BYTES = 96, 4 * 96
PACKAGES = {"h100": "jax_cuda12_plugin", "v5e": "libtpu"}


def counted(function, *shapes):
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return costs(HloProgram(jax.jit(function).lower(*arrays).compile().as_text()))


def test_a_kernel_reads_its_operands_and_writes_its_results():
    found = counted(lambda x, y: x * y + 1, (LENGTH,), (LENGTH,))
    assert (found.kernels, found.moved) == (1, 3 * BYTES)


def test_of_a_slice_and_of_what_is_replaced_in_place_only_the_part_is_moved():
    step = lambda k, x: lax.dynamic_update_index_in_dim(x, 1 + jnp.sin(x[k]), k, 0)
    in_place = counted(lambda x: lax.fori_loop(0, 50, step, x), (50, LENGTH))
    copied = 2 * 50 * BYTES  # the argument, which is kept
    assert in_place.trips == 50
    assert in_place.moved < copied + 50 * (2 * BYTES + 64)  # and counters


def test_of_a_condition_the_branch_that_moves_most_counts():
    dear, cheap = (lambda x: jnp.sort(x) @ x * x), (lambda x: x)
    found = counted(lambda x: lax.cond(x[0] > 0, dear, cheap, x), (LENGTH,))
    assert found.conditions == 1
    assert found.moved > 4 * BYTES


def test_a_loop_of_unknown_length_is_a_condition():
    found = counted(lambda x: lax.while_loop(lambda x: x[0] < 1, lambda x: x + x, x), (LENGTH,))
    assert (found.conditions, found.trips) == (1, 1)


def test_a_slice_that_a_tpu_takes_into_the_memory_of_its_core_is_read_once():
    found = costs(HloProgram(SLICE))
    assert (found.kernels, found.moved) == (1, 4 * 2048 * 256)


# As XLA writes it for a v5e; S(1) is the memory of the core.
SLICE = """
ENTRY %main (x: f32[8192,256]) -> f32[2048,256] {
  %x = f32[8192,256]{1,0:T(8,128)} parameter(0)
  %slice-start = ((f32[8192,256]{1,0:T(8,128)}), f32[2048,256]{1,0:T(8,128)S(1)}, s32[]{:S(2)}) \
slice-start(%x), slice={[0:2048], [0:256]}
  ROOT %slice-done = f32[2048,256]{1,0:T(8,128)S(1)} slice-done(%slice-start)
}
"""


# At most: bytes moved over those of inputs and outputs, kernels, bytes moved, conditions.
BOUNDS = {
    "h100": {
        "squared_error@16777216": {"ratio": 1.1, "kernels": 3},
        "log_cosh@16777216": {"ratio": 1.1, "kernels": 3},
        "sigmoid_binary_cross_entropy@16777216": {"ratio": 1.1, "kernels": 3},
        "sigmoid_focal@16777216": {"ratio": 2.05, "kernels": 4},
        "gamma_nll@16777216": {"ratio": 3.7, "kernels": 5},
        "softmax_cross_entropy_with_integer_labels@4096x32768": {"ratio": 2.05},
        "softmax_cross_entropy_with_integer_labels@4096x32768 label_smoothing=0.1": {"ratio": 2.05},
        "softmax_cross_entropy_with_integer_labels@4096x32768 z_loss=0.0001": {"ratio": 2.05},
        "dice@64x262144": {"ratio": 1.4},
        "symmetric_info_nce@8192x256": {"kernels": 40},
        "ntxent@8192x256": {"kernels": 40},
        "linear_head@8192x2048x128256": {"moved": 40e9},
        "linear_head@8192x2048x128256 bfloat16": {"moved": 40e9},
        "ctc@16x200x32": {"kernels": 1500, "conditions": 0},
    },
    "v5e": {
        "sigmoid_focal@16777216": {"ratio": 1.1, "kernels": 3},
        "softmax_cross_entropy_with_integer_labels@4096x32768": {"ratio": 2.05},
        "softmax_cross_entropy_with_integer_labels@4096x32768 label_smoothing=0.1": {"ratio": 2.05},
        "softmax_cross_entropy@512x32768": {"ratio": 1.7},
        "kl_divergence@512x32768": {"ratio": 1.7},
        "dice@64x262144": {"ratio": 1.4},
        "gamma_nll@16777216": {"ratio": 1.1, "kernels": 3},
        "symmetric_info_nce@8192x256": {"kernels": 42},
        "linear_head@8192x2048x128256 bfloat16": {"moved": 25e9, "conditions": 0},
    },
}
COUNT = """
import json, sys
from jaxloss.bench import accelerators
accelerator, *names = sys.argv[1:]
wanted = [entry for entry in accelerators.ENTRIES if entry.name in names]
print(json.dumps(accelerators.plainly(accelerators.counts(accelerator, wanted, ()))))
"""


def test_every_bound_is_of_a_program_in_the_table():
    assert {name for bounds in BOUNDS.values() for name in bounds} <= {x.name for x in ENTRIES}


@pytest.mark.slow
@pytest.mark.parametrize("accelerator", PACKAGES)
def test_programs_on_an_accelerator_move_few_bytes_in_few_kernels(accelerator):
    skip_without_compiler(accelerator)
    counts = json.loads(output(["-c", COUNT, accelerator, *BOUNDS[accelerator]]))
    assert [count["name"] for count in counts if count["note"]] == []
    found = {count["name"]: measured(count) for count in counts}
    assert found.keys() == BOUNDS[accelerator].keys()
    above = {
        (name, quantity): found[name][quantity]
        for name, bounds in BOUNDS[accelerator].items()
        for quantity, most in bounds.items()
        if found[name][quantity] > most
    }
    assert above == {}


@pytest.mark.slow
@pytest.mark.parametrize("accelerator", PACKAGES)
def test_the_command_shows_ours_beside_its_peers(accelerator):
    skip_without_compiler(accelerator)
    shown = output(["-m", "jaxloss", "bench", "--programs", accelerator, "--case", "huber@4096"])
    heading, _, ours, theirs = shown.splitlines()
    assert heading.startswith("| program | of | kernels | MB moved | over least |")
    assert ours.startswith("| huber@4096 | ours |")
    assert theirs.startswith("| huber@4096 | optax |")


def measured(count):
    return {"ratio": count["costs"]["moved"] / count["least"], **count["costs"]}


def skip_without_compiler(accelerator):
    if importlib.util.find_spec(PACKAGES[accelerator]) is None:
        pytest.skip(f"{PACKAGES[accelerator]} is not installed")


def output(arguments):
    # What the tests set is for CPUs, and to compile quickly.
    alone = {k: v for k, v in os.environ.items() if not k.startswith(("XLA_FLAGS", "JAX_"))}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=alone, capture_output=True, text=True, check=True).stdout
