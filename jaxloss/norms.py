"""The p-norm for a traced p, and a difference of two that does not cancel."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.numerics import divide, over_largest, rounding


def p_norm(x: Array, p: ArrayLike) -> Array:
    """p-norm over the last axis for p >= 1, scaled so that no power overflows.

    The gradient at the zero vector is 0.
    """
    scaled, largest = over_largest(x)
    degree = _finite(p, x)
    total = jnp.sum(magnitude_power(scaled, degree), axis=-1)
    return jnp.squeeze(largest, axis=-1) * total ** (1 / degree)


@jax.custom_jvp
def p_norm_lead(x: Array, y: Array, z: Array, p: ArrayLike) -> Array:
    """|x - z|_p - |x - y|_p, exact also where y and z are near each other and far from x.

    The powers are subtracted entry by entry. Two entries of one sign differ by that of y - z,
    which knows digits that x - z and x - y have lost.
    """
    far, near, degree = jnp.abs(x - z), jnp.abs(x - y), _finite(p, x)
    longer = jnp.maximum(far, near)
    sign = jnp.sign(x - z)
    gap = jnp.where(sign * jnp.sign(x - y) > 0, sign * (y - z), far - near)
    largest = jnp.max(longer, axis=-1, keepdims=True, initial=_tiny(x))
    shortfall = _shortfall(divide(jnp.abs(gap), longer), degree)
    excess = jnp.sum(jnp.sign(gap) * (longer / largest) ** degree * shortfall, axis=-1)
    totals = [jnp.sum((side / largest) ** degree, axis=-1) for side in (far, near)]
    top, power = jnp.maximum(*totals), 1 / degree
    ratio = divide(jnp.abs(excess), top)
    close = jnp.sign(excess) * top**power * _shortfall(ratio, power)
    apart = totals[0] ** power - totals[1] ** power
    return jnp.squeeze(largest, axis=-1) * jnp.where(ratio < 1 / 2, close, apart)


@p_norm_lead.defjvp
def _slope_of_lead(primals: Any, tangents: Any) -> tuple[Array, Array]:
    def difference(x: Array, y: Array, z: Array, p: Array) -> Array:
        return p_norm(x - z, p) - p_norm(x - y, p)

    return p_norm_lead(*primals), jax.jvp(difference, primals, tangents)[1]


@jax.custom_jvp
def magnitude_power(x: Array, p: Array) -> Array:
    """|x|^p; at 0 its slopes are 0 where they jump or are infinite, as is the value for p < 0."""
    size = jnp.abs(x)
    endless = (size < _tiny(x)) & (p < 0)
    return jnp.where(endless, 0, jnp.where(endless, 1, size) ** p)


@jax.custom_jvp
def signed_power(x: Array, p: Array) -> Array:
    """sign(x) |x|^p, to which the slopes of `magnitude_power` lead, and the other way round."""
    return jnp.sign(x) * magnitude_power(x, p)


def _by_exponent(dp: Array, power: Array, x: Array, _: Array) -> Array:
    return power * jnp.log(jnp.where(x == 0, 1, jnp.abs(x))) * dp


magnitude_power.defjvps(lambda dx, _, x, p: p * signed_power(x, p - 1) * dx, _by_exponent)
signed_power.defjvps(lambda dx, _, x, p: p * magnitude_power(x, p - 1) * dx, _by_exponent)


def _shortfall(ratio: Array, power: Array) -> Array:
    """1 - (1 - ratio)^power for ratios in [0, 1]."""
    return -jnp.expm1(power * jnp.log1p(-jnp.minimum(ratio, 1)))


def _finite(p: ArrayLike, like: Array) -> Array:
    """For ∞ a finite p that is as good, and has slopes: all but the largest entry round to 0."""
    return jnp.minimum(p, 128 / rounding(like)).astype(like.dtype)


def _tiny(like: Array) -> float:
    return float(np.finfo(like.dtype).tiny)
