"""Heads, what they are given, and the loss of all logits at once to compare with."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

import jaxloss as jl

CE = jl.softmax_cross_entropy_with_integer_labels
HEAD = jl.linear_head(CE, tokens=4)
TERMS = {"label_smoothing": 0.1, "z_loss": 1e-2, "softcap": 5.0}
TOKENS, FEATURES, CLASSES = 11, 5, 7  # three chunks of 4, of which one is not full

close = functools.partial(np.testing.assert_allclose, rtol=2e-6, atol=2e-6)


def draw(tokens=TOKENS, features=FEATURES, classes=CLASSES, scale=1.0, dtype=np.float32):
    """Hidden, weight, bias and labels."""
    rng = np.random.default_rng(tokens + classes)
    shapes = [((tokens, features), 1.0), ((features, classes), scale), ((classes,), 1.0)]
    moving = tuple((rng.normal(size=s) * x).astype(dtype) for s, x in shapes)
    return moving, rng.integers(0, classes, tokens).astype(np.int32)


MOVING, LABELS = draw()
SOFT = softmax(np.random.default_rng(5).normal(size=(TOKENS, CLASSES)).astype(np.float32), axis=1)
WHERE = np.arange(TOKENS) % 3 != 1


def put(array, place, value):
    """A copy that holds other numbers at a place."""
    other = array.copy()
    other[place] = value
    return other


@functools.cache
def dense(loss):
    """The loss of all logits at once."""

    def of_all(hidden, weight, bias, *others, **hyper):
        logits = jnp.matmul(hidden, weight, precision="highest") + bias
        return loss(logits, *others, **hyper)

    return of_all


def value_and_gradients(head, moving, *others, cotangent=None, **hyper):
    """Values, and the gradient in hidden, weight and bias of their sum, or another combination."""
    shape = moving[0].shape[:-1]
    weights = np.ones(shape, np.float32) if cotangent is None else cotangent
    return _value_and_gradients(head, moving, others, weights, hyper)


@functools.partial(jax.jit, static_argnums=0)
def _value_and_gradients(head, moving, others, weights, hyper):
    values, back = jax.vjp(lambda *m: head(*m, *others, **hyper), *moving)
    return values, back(weights)


@jax.jit
def slopes_of_mean(moving, labels):
    """Those of the dense loss."""
    return jax.grad(lambda m: jnp.mean(dense(CE)(*m, labels)))(moving)


def relative(found, expected):
    """The distance in units of the expected length."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


# marin#3530
