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
def values_and_slopes(loss):
    """The values, and the gradient of their sum in the first array."""
    slopes = jax.grad(lambda *arrays, **hyper: jnp.sum(loss(*arrays, **hyper)))
    return jax.jit(lambda *arrays, **hyper: (loss(*arrays, **hyper), slopes(*arrays, **hyper)))


@functools.cache
def slope_in(name, loss):
    """The derivative in a hyper-parameter, as a function of it and of the residual."""
    return jax.jit(jax.grad(lambda at, residual: loss(residual, 0.0, **{name: at})))


@functools.cache
def _slopes_of(distance):
    along = jax.grad(lambda r, hyper: distance(r, jnp.zeros_like(r), **hyper))
    return jax.jit(jax.vmap(along, in_axes=(0, None)))


def slope(distance, residual, **hyper):
    """The derivative of a distance in the prediction, elementwise."""
    return np.asarray(_slopes_of(distance)(residual, hyper))
