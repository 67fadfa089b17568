"""The type of trees of arrays: JAX has none, as any registered class may be a node."""

from typing import Any, TypeAlias

PyTree: TypeAlias = Any
