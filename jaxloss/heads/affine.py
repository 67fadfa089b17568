"""Logits of rows of features by a weight and a bias, and their gradients in all three.

The weight is `[features, classes]`, or `[classes, features]` where it is tied to an embedding.
Factors of 16 bits are multiplied as such, and their products are summed in single precision.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.kernels.matmul import add_product, explicit_sharding
from jaxloss.numerics import computing_dtype


class Affine(NamedTuple):
    """The operands of a linear map: rows of features, a weight, and a bias."""

    rows: Array
    weight: Array
    bias: Array

    def aligned(self) -> "Affine":
        """The same with factors of one type, the narrower only if both have it."""
        rows, weight, bias = self
        wide = computing_dtype(rows, weight)
        narrow = rows.dtype if rows.dtype == weight.dtype else wide
        return Affine(rows.astype(narrow), weight.astype(narrow), bias.astype(wide))

    def with_wide_weight(self) -> "Affine":
        """The same with rows as narrow as `aligned` has them, and a wide weight and bias.

        Where chunks are differentiated one after another, the gradient of the weight is summed over
        them in the type of the weight: in bfloat16 that sum would lose what each chunk adds.
        """
        wide = computing_dtype(self.rows, self.weight)
        return Affine(self.aligned().rows, self.weight.astype(wide), self.bias.astype(wide))

    def logits(self, *, tied: bool) -> Array:
        """The logits of all rows."""
        return _plus_bias(product(self.rows, self.weight, 1 if tied else 0), self.bias)

    def logits_of_wide_weight(self, *, tied: bool) -> Array:
        """The logits of `with_wide_weight`, from a product of factors as narrow as the rows."""
        return _plus_bias(_accumulating(self.rows, self.weight, 1 if tied else 0), self.bias)


def product(rows: Array, weight: Array, axis: int, like: Array | None = None) -> Array:
    """The product over the last axis of the rows and this one of the weight, summed wide.

    It is sharded as `like`, an array of its shape, where sharding is part of the type: JAX asks for
    it where the summed axis is sharded.
    """
    sharding = None if like is None else explicit_sharding(like)
    wide = computing_dtype(rows, weight)
    dimensions = (((rows.ndim - 1,), (axis,)), ((), ()))
    return jax.lax.dot_general(
        rows, weight, dimensions, preferred_element_type=wide, out_sharding=sharding
    )


def rows_gradient(gradient: Array, head: Affine, *, tied: bool) -> Array:
    """The gradient in the rows, from that in their logits, `as_factor`."""
    return product(gradient, head.weight.astype(gradient.dtype), 0 if tied else 1, head.rows)


def add_weight_gradient(total: Array, gradient: Array, rows: Array, *, tied: bool) -> Array:
    """The total plus the gradient in the weight of these rows, from that in logits, `as_factor`."""
    pair = rows.astype(gradient.dtype), gradient
    return add_product(total, *(reversed(pair) if tied else pair))


def as_factor(gradient: Array, other: Array) -> Array:
    """The gradient in the type of the other factor, if that is bfloat16.

    Gradients may lie outside the range of float16, which bfloat16 shares with single precision.
    """
    return gradient.astype(other.dtype) if other.dtype == jnp.bfloat16 else gradient


def bias_gradient(gradient: Array, bias: Array) -> Array:
    """The gradient in the bias, one for each class or one for all."""
    return jnp.sum(gradient, axis=tuple(range(gradient.ndim - bias.ndim)))


def _plus_bias(logits: Array, bias: Array) -> Array:
    return logits + (bias if bias.ndim == 0 else jnp.broadcast_to(bias, logits.shape))


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _accumulating(rows: Array, weight: Array, axis: int) -> Array:
    """The product in the type of the rows, summed in that of the weight.

    The derivative that JAX has would round the weight's gradient to the type of the rows, for each
    chunk anew: the cast of the weight is transposed to a cast of its gradient.
    """
    return product(rows, weight.astype(rows.dtype), axis)


@_accumulating.defjvp
def _accumulating_jvp(
    axis: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    (rows, weight), (rows_dot, weight_dot) = primals, tangents
    of_rows = product(rows_dot, weight.astype(rows.dtype), axis)
    return _accumulating(rows, weight, axis), of_rows + product(
        rows.astype(weight.dtype), weight_dot, axis
    )
