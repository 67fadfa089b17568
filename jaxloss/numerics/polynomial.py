"""Polynomials, whose slopes are polynomials too."""

import functools

import jax
import jax.numpy as jnp
from jax import Array

Coefficients = tuple[float, ...]


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def polynomial(x: Array, coefficients: Coefficients) -> Array:
    """The sum of coefficient times power, from the power 0 on, by Horner's scheme.

    Differentiation would double the scheme with each order.
    """
    *lower, highest = coefficients or (0.0,)
    total = jnp.full_like(x, highest)
    for coefficient in reversed(lower):
        total = total * x + coefficient
    return total


@polynomial.defjvp
def _rate(
    coefficients: Coefficients, primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    (x,), (rate,) = primals, tangents
    slopes = tuple(power * coefficient for power, coefficient in enumerate(coefficients))[1:]
    return polynomial(x, coefficients), polynomial(x, slopes) * rate
