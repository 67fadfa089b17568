"""Devices to compile for, present or not: parts of this CPU, TPUs, GPUs."""

import os
import re
from collections.abc import Sequence
from typing import Any

import jax
from jax.experimental import topologies

_GPUS = re.compile(r"h100:(\d+)x(\d+)")

# XLA compiles for a GPU that is not there if it is described: this is its own description of an
# NVIDIA H100 SXM (80 GB).
_H100 = """
gpu_device_info {
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: 84942979072
  shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 }
runtime_version { major: 12 minor: 9 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""


def devices_of(topology: str, most: int) -> Sequence[Any]:
    """The devices of a topology: `most` of a "cpu", or those of "v5p:8x8x8" or "h100:64x8".

    Of GPUs, hosts come first, then the devices of each. JAX must not have been used before, as the
    number of CPU devices and the platforms are fixed when a backend starts.

    Raises:
        ValueError: It is not known, or the package for such devices is not installed.
    """
    if topology == "cpu":
        jax.config.update("jax_num_cpu_devices", most)
        return jax.devices("cpu")
    gpus = _GPUS.fullmatch(topology)
    jax.config.update("jax_platforms", "cpu")  # or JAX looks for a driver, or asks for a TPU
    try:
        return _gpus(*gpus.groups()) if gpus else _tpus(topology)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        package = "jax[cuda12]" if gpus else "libtpu"
        message = f"the topology {topology!r} is not to be had: {error}; is {package} installed?"
        raise ValueError(message) from error


def _tpus(topology: str) -> Sequence[Any]:
    # libtpu lets one process in at a time, as a chip does; compiling takes no chip.
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
    return list(topologies.get_topology_desc(topology, "tpu").devices)


def _gpus(hosts: str, each: str) -> Sequence[Any]:
    shape = f"1x{hosts}x{each}"
    found = topologies.get_topology_desc("", "cuda", target_config=_H100, topology=shape)
    return list(found.devices)
