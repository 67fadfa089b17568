"""Where it runs: the trials are spread over all devices, of one process or of several."""

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
    """Make this process one of several.

    Args:
        coordinator: Host and port of the first process, or "auto" for what the cluster says.
        processes: How many there are.
        index: Which of them this is, from 0.
    """
    address = None if coordinator == "auto" else coordinator
    jax.distributed.initialize(address, processes, index)


class LostError(RuntimeError):
    """Another process is gone."""


@contextmanager
def reraise_lost_peer() -> Iterator[None]:
    """Where several processes work together, that one is gone is what the runtime fails of.

    Raises:
        LostError: It failed, and there are several.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1:
            raise
        message = f"another process is gone: {str(error).splitlines()[0]}"
        raise LostError(message) from error


def abort(code: int) -> NoReturn:
    """Exit at once: the usual farewell would wait for the process that is gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def is_coordinator() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


def mesh() -> Mesh:
    """All devices of all processes in a row."""
    return Mesh(np.asarray(jax.devices()), (AXIS,))


def shard_over_devices(stacked: Any, devices: Mesh) -> Any:
    """Arrays on the devices, cut along their first axis.

    Where the axis is no multiple of the number of devices, its last entry is repeated.
    """
    sharding = NamedSharding(devices, PartitionSpec(AXIS))
    return jax.tree.map(lambda x: _placed(padded(x, devices.size), sharding), stacked)


def replicate_on_devices(x: Any, devices: Mesh) -> Any:
    """Arrays on all devices, whole."""
    sharding = NamedSharding(devices, PartitionSpec())
    return jax.tree.map(lambda leaf: _placed(np.asarray(leaf), sharding), x)


def padded(x: np.ndarray[Any, Any], multiple: int) -> np.ndarray[Any, Any]:
    """The array with its last entry repeated until the first axis is a multiple."""
    lacking = -len(x) % multiple
    return np.concatenate([x, np.repeat(x[-1:], lacking, axis=0)]) if lacking else x


def broadcast_text(text: str) -> str:
    """The text of the process that leads, on all processes."""
    if jax.process_count() == 1:
        return text
    letters = np.frombuffer(text.encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(letters.size)))
    letters = np.resize(letters, size) if is_coordinator() else np.zeros(size, np.uint8)
    return bytes(multihost_utils.broadcast_one_to_all(letters)).decode()


def _placed(x: np.ndarray[Any, Any], sharding: NamedSharding) -> jax.Array:
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])
