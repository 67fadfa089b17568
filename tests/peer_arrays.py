"""The arrays that the calls in the table of peers are evaluated at."""

import ast

import jax
import jax.numpy as jnp
import numpy as np

SHAPE = (6, 4)


def arrays(shape, seed=0):
    """One array for each name that the table uses."""
    rng = np.random.default_rng(seed)
    real = lambda: jnp.asarray(rng.normal(size=shape), jnp.float32)
    signs, labels = rng.choice([-1.0, 1.0], shape), rng.integers(0, shape[-1], shape[:-1])
    first, second = jax.nn.log_softmax(real()), jax.nn.log_softmax(real())
    named = {name: real() for name in ("predictions", "targets", "logits", "scores")}
    return named | {
        "signs": jnp.asarray(signs, jnp.float32),
        "truths": jnp.asarray(signs > 0, jnp.float32),
        "chances": jnp.asarray(rng.uniform(0.05, 0.95, shape), jnp.float32),
        "rates": jnp.exp(real()),
        "counts": jnp.asarray(rng.poisson(2.0, shape), jnp.float32),
        "labels": jnp.asarray(labels, jnp.int32),
        "one_hot": jax.nn.one_hot(labels, shape[-1]),
        "log_probabilities": first,
        "probabilities": jnp.exp(first),
        "log_distribution": second,
        "distribution": jnp.exp(second),
    }


def moving(expression):
    """The name of the array that comes first in our call: what the gradient is taken in."""
    nodes = [node for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)]
    return min((n for n in nodes if n.id in arrays((4,))), key=lambda node: node.col_offset).id
