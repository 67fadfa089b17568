"""NaN by arithmetic, where maxima and minima may lose it: in sums, as XLA makes them on a CPU."""

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


def nan_like(x: ArrayLike) -> Array:
    """0, and NaN where x is NaN, which maximum and minimum lose in a sum of XLA's on a CPU."""
    return 0 * jnp.abs(jnp.sign(x))


def nan_below_zero(x: ArrayLike) -> Array:
    """0, and NaN for negative x or NaN, without a comparison: sums of it stay one pass."""
    return 0 / (1 + jnp.sqrt(x))
