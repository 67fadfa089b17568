"""The bytes that each of many devices holds and receives in one step, from compiled programs.

The programs are never run, and compiled for devices that need not be there.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

import jaxloss as jl
from jaxloss.bench.hlo import HloProgram
from jaxloss.bench.hlo_traffic import received
from jaxloss.bench.topologies import devices_of
from jaxloss.core.loss import Loss

COUNTS = 1, 8, 64, 512
_AXIS = "devices"
# Replicated, or sharded along the first or the last axis.
_EVERYWHERE, _ROWS, _COLUMNS = jax.P(), jax.P(_AXIS), jax.P(None, _AXIS)
_TOKENS, _FEATURES, _CLASSES = 8192, 2048, 131_072
_PAIRS, _WIDTH = 32_768, 256  # CLIP's batch (arXiv:2103.00020)


class Argument(NamedTuple):
    """The shape, dtype and sharding of an array, which is never allocated."""

    shape: tuple[int, ...]
    dtype: Any
    sharding: Any

    def on(self, mesh: Mesh) -> jax.ShapeDtypeStruct:
        """As an argument of a program that is lowered for a mesh."""
        return jax.ShapeDtypeStruct(
            self.shape, self.dtype, sharding=NamedSharding(mesh, self.sharding)
        )


class Step(NamedTuple):
    """A value that is the same on all devices, and its gradient in the first arguments."""

    value: Callable[..., Any]
    arguments: tuple[Argument, ...]
    moving: int = 2


class Load(NamedTuple):
    """Bytes of one device.

    Attributes:
        held: Arguments, results and temporaries together.
        received: From the other devices in one step.
    """

    held: int
    received: float


def _vocabulary() -> Step:
    head = jl.Objective(jl.linear_head(jl.vocabulary_parallel_cross_entropy(_AXIS)))

    def value(hidden: Any, weight: Any, labels: Any) -> Any:
        return head((hidden, weight, 0.0), labels)

    hidden = Argument((_TOKENS, _FEATURES), jnp.bfloat16, _EVERYWHERE)
    weight = Argument((_FEATURES, _CLASSES), jnp.bfloat16, _COLUMNS)
    return Step(value, (hidden, weight, Argument((_TOKENS,), jnp.int32, _EVERYWHERE)))


def _pairs(maker: Callable[[Loss[...], str], Loss[...]], loss: Loss[...]) -> Step:
    objective = jl.Objective(maker(loss, _AXIS))

    def value(first: Any, second: Any) -> Any:
        (term,) = objective.terms(first, second).values()
        return term.psum(_AXIS).value

    return Step(value, (Argument((_PAIRS, _WIDTH), jnp.float32, _ROWS),) * 2)


STEPS: dict[str, Callable[[], Step]] = {
    f"cross-entropy, {_CLASSES:,} classes spread": _vocabulary,
    f"CLIP, {_PAIRS:,} pairs in a ring": partial(_pairs, jl.in_ring, jl.symmetric_info_nce),
    f"CLIP, {_PAIRS:,} pairs gathered": partial(_pairs, jl.all_gathered, jl.symmetric_info_nce),
    f"SigLIP, {_PAIRS:,} pairs in a ring": partial(_pairs, jl.in_ring, jl.siglip),
    f"SigLIP, {_PAIRS:,} pairs gathered": partial(_pairs, jl.all_gathered, jl.siglip),
}


def load(step: Step, devices: Sequence[Any]) -> Load:
    """The bytes that each of these devices holds and receives for the value and its gradients."""
    mesh = Mesh(np.asarray(devices), (_AXIS,))
    specs = tuple(argument.sharding for argument in step.arguments)
    function = jax.shard_map(
        jax.value_and_grad(step.value, tuple(range(step.moving))),
        mesh=mesh,
        in_specs=specs,
        out_specs=(_EVERYWHERE, specs[: step.moving]),
    )
    compiled: Any = jax.jit(function).lower(*[x.on(mesh) for x in step.arguments]).compile()
    memory, program = compiled.memory_analysis(), HloProgram(compiled.as_text())
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes
    return Load(held + memory.temp_size_in_bytes, received(program, mesh.size))


def table(topology: str) -> Iterator[str]:
    """The lines of a table in Markdown, as they come, for some devices of a topology and for all.

    Raises:
        ValueError: The topology is not to be had.
    """
    devices = devices_of(topology, COUNTS[-1])
    counts = [count for count in COUNTS if count <= len(devices)]
    yield (
        "| a device holds; gets in a step | " + " | ".join(f"of {count}" for count in counts) + " |"
    )
    yield "| --- " * (len(counts) + 1) + "|"
    for name, step in STEPS.items():
        loads = [load(step(), devices[:count]) for count in counts]
        cells = [f"{_shown(x.held)}; {_shown(x.received)}" for x in loads]
        yield f"| {name} | {' | '.join(cells)} |"


def _shown(size: float) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"
