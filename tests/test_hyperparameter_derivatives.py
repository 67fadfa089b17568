"""Derivatives in hyper-parameters, first and second, are those in double precision."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import LOSSES, Case, in_double

pytestmark = pytest.mark.slow
NUMBERS = [0.0, 0.1, 0.5, 0.9, 1.0, 1.5, 1.9, 2.0, 3.0, 20.0, 1e3, -1.0]
ENDLESS = {"barron", "barron_nll"}  # their derivatives in the shape, as it nears 2


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives_are_those_in_double_precision(name):
    """First and second ones, at the ends of the domain and where a formula changes its form."""
    loss = LOSSES[name]
    for key, item in loss.signature.hyperparameters.items():
        values = [x for x in NUMBERS if item.domain.contains(np.asarray(x))]
        if name in ENDLESS:
            values.remove(2)
        found = in_number(loss, key)(np.float32(values), Case(loss).ordinary())
        with jax.enable_x64(True):
            exact = np.float64(np.float32(values))
            wanted = in_number(loss, key)(exact, tuple(in_double(x) for x in Case(loss).ordinary()))
        for x, right in zip(found, wanted, strict=True):
            shown = (np.abs(right) < 1e30) & np.isfinite(found[0])
            floor = 0.01 * np.max(np.abs(right), axis=-1, where=shown, initial=0, keepdims=True)
            error = np.abs(np.subtract(x, right, where=shown, out=np.zeros_like(right)))
            assert np.all(error <= floor + 1e-15), (key, x, right)


@functools.cache
def in_number(loss, key):
    """Of each example the value, and its first and second derivative in a hyper-parameter."""
    defaults = {name: item.default for name, item in loss.signature.hyperparameters.items()}

    def value(arrays, x):
        return jnp.ravel(loss(*arrays, **(defaults | {key: x})))

    first = jax.jacfwd(value, 1)
    every = lambda x, arrays: (value(arrays, x), first(arrays, x), jax.jacfwd(first, 1)(arrays, x))
    derived = jax.jit(jax.vmap(every, (0, None)))
    return lambda values, arrays: jax.tree.map(np.asarray, derived(values, arrays))
