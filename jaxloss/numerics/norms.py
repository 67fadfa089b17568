"""The p-norm for a traced p, and a difference of two that does not cancel."""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.numerics.elementary import (
    divide,
    expm1,
    machine_epsilon,
    over_largest,
    reciprocal,
    tiny,
)


def p_norm(x: Array, p: ArrayLike) -> Array:
    """p-norm over the last axis for p >= 1, scaled so that no power overflows.

    The gradient at the zero vector is 0.
    """
    scaled, largest = over_largest(x)
    degree = _finite(p, x)
    total = jnp.sum(magnitude_power(scaled, degree), axis=-1)
    return jnp.squeeze(largest, axis=-1) * total ** reciprocal(degree)


@jax.custom_jvp
def p_norm_difference(x: Array, y: Array, z: Array, p: ArrayLike) -> Array:
    """|x - z|_p - |x - y|_p, exact for finite p where y and z are close and far from x.

    The powers are subtracted entry by entry. Two entries of one sign differ by that of y - z,
    which has digits that x - z and x - y have lost.
    """
    far, near = x - z, x - y
    one_sign = jnp.sign(far) * jnp.sign(near) > 0
    gap = jnp.where(one_sign, jnp.sign(far) * (y - z), jnp.abs(far) - jnp.abs(near))
    close, ratio = _difference_by_powers(jnp.abs(far), jnp.abs(near), gap, _finite(p, x))
    # From 1/2 on the root of 1 - ratio would magnify the rounding of the ratio.
    return jnp.where(ratio < 1 / 2, close, _plain_difference(x, y, z, p))


def _difference_by_powers(far: Array, near: Array, gap: Array, p: Array) -> tuple[Array, Array]:
    """|far|_p - |near|_p, given far - near, and the share by which the sums of powers differ."""
    # a^p - b^p = a^p (1 - (1 - (a - b) / a)^p) for each entry; for the norms the same with 1 / p.
    longer = jnp.maximum(far, near)
    largest = jnp.max(longer, axis=-1, keepdims=True, initial=tiny(far))
    shortfall = _shortfall(divide(jnp.abs(gap), longer), p)
    excess = jnp.sum(jnp.sign(gap) * (longer / largest) ** p * shortfall, axis=-1)
    total = jnp.sum((jnp.where(excess[..., None] > 0, far, near) / largest) ** p, axis=-1)
    ratio = divide(jnp.abs(excess), total)
    norm = jnp.squeeze(largest, axis=-1) * total ** (1 / p)
    return jnp.sign(excess) * norm * _shortfall(ratio, 1 / p), ratio


def _plain_difference(x: Array, y: Array, z: Array, p: ArrayLike) -> Array:
    return p_norm(x - z, p) - p_norm(x - y, p)


# Differentiated as the plain difference: the powers are a detour for the digits of the value.
p_norm_difference.defjvp(
    lambda primals, tangents: (
        p_norm_difference(*primals),
        jax.jvp(_plain_difference, primals, tangents)[1],
    )
)


@jax.custom_jvp
def magnitude_power(x: Array, p: Array) -> Array:
    """|x|^p; at 0 jumping or infinite derivatives are taken as 0, as is the value for p < 0."""
    size = jnp.abs(x)
    infinite = (size < tiny(x)) & (p < 0)  # subnormal sizes too, which XLA may flush to 0
    return jnp.where(infinite, 0, jnp.where(infinite, 1, size) ** p)


@jax.custom_jvp
def signed_power(x: Array, p: Array) -> Array:
    """sign(x) |x|^p: the derivative of `magnitude_power` is by this, and the other way round."""
    return jnp.sign(x) * magnitude_power(x, p)


def _by_exponent(dp: Array, power: Array, x: Array, _: Array) -> Array:
    return power * jnp.log(jnp.where(x == 0, 1, jnp.abs(x))) * dp


# JAX's rules of powers have log 0 and 0^(p - 1) at 0; these stay finite there to all orders.
magnitude_power.defjvps(lambda dx, _, x, p: p * signed_power(x, p - 1) * dx, _by_exponent)
signed_power.defjvps(lambda dx, _, x, p: p * magnitude_power(x, p - 1) * dx, _by_exponent)


def _shortfall(ratio: Array, power: Array) -> Array:
    """1 - (1 - ratio)^power for ratios in [0, 1]."""
    return -expm1(power * jnp.log1p(-jnp.minimum(ratio, 1)))


def _finite(p: ArrayLike, like: Array) -> Array:
    """For ∞ a finite p that is as good, and has derivatives: all but the largest entry round to 0.

    The largest, over itself, may round to just above 1; its power stays below exp(16).
    """
    return jnp.minimum(p, 16 / machine_epsilon(like)).astype(like.dtype)
