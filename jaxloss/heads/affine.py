"""Logits of rows of features, and the gradients that lead back through them.

The weight is `[features, classes]`, or `[classes, features]` where it is tied to an embedding.
Factors of 16 bits are multiplied as such, and what they add up to is in single precision.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.kernels.matmul import add_product, explicit_sharding
from jaxloss.numerics import computing_dtype


class Affine(NamedTuple):
    """What logits are made of: rows of features, a weight, and a bias."""

    rows: Array
    weight: Array
    bias: Array

    def aligned(self) -> "Affine":
        """With factors of one type, the narrower only if both have it."""
        rows, weight, bias = self
        wide = computing_dtype(rows, weight)
        narrow = rows.dtype if rows.dtype == weight.dtype else wide
        return Affine(rows.astype(narrow), weight.astype(narrow), bias.astype(wide))

    def for_slopes(self) -> "Affine":
        """With rows as narrow as `aligned` has them, and a weight and bias that are wide."""
        wide = computing_dtype(self.rows, self.weight)
        return Affine(self.aligned().rows, self.weight.astype(wide), self.bias.astype(wide))

    def logits(self, *, tied: bool) -> Array:
        """The logits of all rows."""
        return _raised(product(self.rows, self.weight, 1 if tied else 0), self.bias)

    def logits_for_slopes(self, *, tied: bool) -> Array:
        """The logits, of a weight that is wide already: there its gradient is summed."""
        return _raised(_accumulating(self.rows, self.weight, 1 if tied else 0), self.bias)


def product(rows: Array, weight: Array, axis: int, like: Array | None = None) -> Array:
    """The product over the last axis of the rows and this one of the weight, summed wide.

    It is spread over devices as an array of its shape is, where that has to be said.
    """
    spread = None if like is None else explicit_sharding(like)
    wide = computing_dtype(rows, weight)
    dimensions = (((rows.ndim - 1,), (axis,)), ((), ()))
    return jax.lax.dot_general(
        rows, weight, dimensions, preferred_element_type=wide, out_sharding=spread
    )


def rows_slope(slope: Array, head: Affine, *, tied: bool) -> Array:
    """The gradient in the rows, from that in their logits."""
    slope = as_factor(slope, head.weight)
    return product(slope, head.weight.astype(slope.dtype), 0 if tied else 1, head.rows)


def add_weight_slope(total: Array, slope: Array, rows: Array, *, tied: bool) -> Array:
    """A gradient in the weight plus that of these rows, from the gradient in their logits."""
    slope = as_factor(slope, rows)
    pair = rows.astype(slope.dtype), slope
    return add_product(total, *(reversed(pair) if tied else pair))


def as_factor(slope: Array, other: Array) -> Array:
    """The gradient as narrow as the other factor, unless it would leave the range of float16."""
    return slope.astype(other.dtype) if other.dtype == jnp.bfloat16 else slope


def bias_slope(slope: Array, bias: Array) -> Array:
    """The gradient in the bias, one for each class or one for all."""
    return jnp.sum(slope, axis=tuple(range(slope.ndim - bias.ndim)))


def _raised(logits: Array, bias: Array) -> Array:
    return logits + (bias if bias.ndim == 0 else jnp.broadcast_to(bias, logits.shape))


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _accumulating(rows: Array, weight: Array, axis: int) -> Array:
    """The product in the type of the rows, summed in that of the weight.

    Its own derivative would round the weight's gradient to the type of the rows for each chunk.
    """
    return product(rows, weight.astype(rows.dtype), axis)


@_accumulating.defjvp
def _accumulating_jvp(
    axis: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    (rows, weight), (rows_dot, weight_dot) = primals, tangents
    moved = product(rows_dot, weight.astype(rows.dtype), axis)
    return _accumulating(rows, weight, axis), moved + product(
        rows.astype(weight.dtype), weight_dot, axis
    )
