"""Losses that need the name of a mesh axis, for use inside `jax.shard_map`.

All other losses may be used there too, and under `jit` with sharded arrays, as they are.
"""

from jaxloss.parallel.contrastive import all_gathered as all_gathered
from jaxloss.parallel.contrastive import in_ring as in_ring
from jaxloss.parallel.moments import global_moments as global_moments
from jaxloss.parallel.vocabulary import (
    vocabulary_parallel_cross_entropy as vocabulary_parallel_cross_entropy,
)
