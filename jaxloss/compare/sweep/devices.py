"""Devices and processes: trials are sharded over all devices of one process or of several."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "trials"


def join(coordinator: str, processes: int | None = None, index: int | None = None) -> None:
    """Connect this process with the others of a multi-process run.

    Args:
        coordinator: Host and port of the first process, or "auto" to ask the cluster.
        processes: The number of processes.
        index: The index of this process, from 0.
    """
    address = None if coordinator == "auto" else coordinator
    jax.distributed.initialize(address, processes, index)


class LostError(RuntimeError):
    """Another process of the run has died."""


@contextmanager
def reraise_lost_peer() -> Iterator[None]:
    """Re-raise a failure of the runtime as `LostError` in a multi-process run.

    A collective operation fails in the survivors when a process dies. In a run of one process the
    same type of error is a fault of the program, and passes unchanged.

    Raises:
        LostError: The runtime failed, and there are several processes.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        message = f"another process is gone: {str(error).splitlines()[0]}"
        raise LostError(message) from error


def abort(code: int) -> NoReturn:
    """Exit at once with this code.

    A regular exit runs the shutdown of `jax.distributed`, a barrier that waits for all processes,
    and would hang on the one that has died.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def is_coordinator() -> bool:
    """Whether this process is the coordinator, which alone writes files and prints."""
    return jax.process_index() == 0


def mesh() -> Mesh:
    """A mesh of all devices of all processes along one axis."""
    return Mesh(np.asarray(jax.devices()), (AXIS,))


def shard_over_devices(stacked: Any, devices: Mesh) -> Any:
    """Shard arrays over the devices along their first axis.

    The last entry is repeated until the axis is a multiple of the number of devices.
    """
    sharding = NamedSharding(devices, PartitionSpec(AXIS))
    return jax.tree.map(lambda x: _put(padded(x, devices.size), sharding), stacked)


def replicate_on_devices(x: Any, devices: Mesh) -> Any:
    """Put a full copy of arrays on every device."""
    sharding = NamedSharding(devices, PartitionSpec())
    return jax.tree.map(lambda leaf: _put(np.asarray(leaf), sharding), x)


def padded(x: np.ndarray[Any, Any], multiple: int) -> np.ndarray[Any, Any]:
    """The array with its last entry repeated until the first axis is a multiple."""
    lacking = -len(x) % multiple
    return np.concatenate([x, np.repeat(x[-1:], lacking, axis=0)]) if lacking else x


def broadcast_text(text: str) -> str:
    """Return the coordinator's text on all processes."""
    if jax.process_count() == 1:
        return text
    # Broadcasts are of arrays of one shape in all processes, so the length goes first.
    letters = np.frombuffer(text.encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(letters.size)))
    letters = np.resize(letters, size) if is_coordinator() else np.zeros(size, np.uint8)
    return bytes(multihost_utils.broadcast_one_to_all(letters)).decode()


def _put(x: np.ndarray[Any, Any], sharding: NamedSharding) -> jax.Array:
    # Works across processes: each makes only the shards of its own devices from the host's array.
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])
