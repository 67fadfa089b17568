"""What must know that an axis is spread over devices, for use inside `jax.shard_map`.

All other losses may be used there too, and under `jit` with sharded arrays, as they are.
"""

from jaxloss.parallel.vocabulary import (
    vocabulary_parallel_cross_entropy as vocabulary_parallel_cross_entropy,
)
