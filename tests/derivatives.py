"""Derivatives that several test files take, compiled once for each function and shape."""

import functools

import jax
import jax.numpy as jnp
import numpy as np


@functools.cache
def value_and_slope(function):
    """The value and its derivative in the first argument."""
    return jax.jit(jax.value_and_grad(function))


@functools.cache
def _slopes_of(distance):
    along = jax.grad(lambda r, hyper: distance(r, jnp.zeros_like(r), **hyper))
    return jax.jit(jax.vmap(along, in_axes=(0, None)))


def slope(distance, residual, **hyper):
    """The derivative of a distance in the prediction, elementwise."""
    return np.asarray(_slopes_of(distance)(residual, hyper))
