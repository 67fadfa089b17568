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
_SMALL = 4 << 30  # bytes of a machine that does not say how many it has


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


def memory() -> int:
    """The bytes of memory of a device, or of the machine where that is the device."""
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    if limit is None and "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(limit or _SMALL)


def replicated() -> NamedSharding:
    """The sharding of arrays of which every device has a full copy."""
    return NamedSharding(_mesh(), PartitionSpec())


def sharded() -> NamedSharding:
    """The sharding of arrays that are spread over the devices along their first axis."""
    return NamedSharding(_mesh(), PartitionSpec(AXIS))


def put(arrays: Any, sharding: NamedSharding) -> Any:
    """Put arrays of the host, which every process has, on the devices."""
    # Each process makes only the shards of its own devices.
    return jax.tree.map(
        lambda x: jax.make_array_from_callback(np.shape(x), sharding, np.asarray(x).__getitem__),
        arrays,
    )


def broadcast_text(text: str) -> str:
    """Return the coordinator's text on all processes."""
    if jax.process_count() == 1:
        return text
    # Broadcasts are of arrays of one shape in all processes, so the length goes first.
    letters = np.frombuffer(text.encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(letters.size)))
    letters = np.resize(letters, size) if is_coordinator() else np.zeros(size, np.uint8)
    return bytes(multihost_utils.broadcast_one_to_all(letters)).decode()


def agreed(*, decision: bool) -> bool:
    """Return the coordinator's decision on all processes."""
    return broadcast_text("yes" if decision else "no") == "yes"


def _mesh() -> Mesh:
    """A mesh of all devices of all processes along one axis."""
    return Mesh(np.asarray(jax.devices()), (AXIS,))
