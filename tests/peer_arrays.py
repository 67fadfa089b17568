"""The arrays that the calls in the table of peers are evaluated at."""

import ast
import functools

import jax
import jax.numpy as jnp
import numpy as np

SHAPE = (6, 4)


@functools.cache
def arrays(shape, seed=0):
    """One array for each name that the table uses."""
    rng = np.random.default_rng(seed)
    real = lambda: jnp.asarray(rng.normal(size=shape), jnp.float32)
    signs, labels = rng.choice([-1.0, 1.0], shape), rng.integers(0, shape[-1], shape[:-1])
    first, second = jax.nn.log_softmax(real()), jax.nn.log_softmax(real())
    names = ("predictions", "targets", "logits", "scores", "other_scores")
    named = {name: real() for name in (*names, "anchors", "positives", "negatives")}
    return named | {
        "signs": jnp.asarray(signs, jnp.float32),
        "binary_labels": jnp.asarray(signs > 0, jnp.float32),
        "binary_probabilities": jnp.asarray(rng.uniform(0.05, 0.95, shape), jnp.float32),
        "rates": jnp.exp(real()),
        "counts": jnp.asarray(rng.poisson(2.0, shape), jnp.float32),
        "labels": jnp.asarray(labels, jnp.int32),
        "sign": jnp.asarray(signs[..., 0], jnp.float32),
        "several": jnp.asarray(signs > 0, jnp.float32),
        "listed": _listed(signs > 0),
        "distances": jnp.abs(real()),
        "relevance": jnp.abs(real()),
        **_sets(rng),
        "score_rows": jnp.asarray(rng.normal(size=SHAPE), jnp.float32),
        "label_rows": jnp.asarray(rng.integers(0, SHAPE[-1], SHAPE[0]), jnp.int32),
        "weight": jnp.asarray(rng.normal(size=(shape[-1], shape[-1])), jnp.float32),
        "one_hot": jax.nn.one_hot(labels, shape[-1]),
        "log_probabilities": first,
        "probabilities": jnp.exp(first),
        "log_distribution": second,
        "distribution": jnp.exp(second),
    }


def _sets(rng):
    """Sets of elements, regions of pixels and sequences, of one shape whatever that of the rest."""
    real = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    groups = jnp.array([0, 1, 0, 2, 1, 0, 2])
    classes = jax.nn.one_hot(rng.integers(0, 3, (2, 8)), 3)
    weights = 1 / (jnp.sum(classes, axis=(0, 1)) ** 2 + 1e-7)
    return {
        "embeddings": real(7, 4),
        "groups": groups,
        "partners": jnp.sum(groups[:, None] == groups, axis=-1) - 1,
        "region_logits": real(2, 8),
        "region_probabilities": jax.nn.sigmoid(real(2, 8)),
        "region": jnp.asarray(rng.integers(0, 2, (2, 8)), jnp.float32),
        "pixel_logits": real(2, 8, 3),
        "pixel_classes": classes,
        "rarity": weights / jnp.mean(weights),
        "letter_logits": real(2, 6, 4),
        "spelled": jnp.array([[1, 3, 3], [2, 0, 0]]),
        "letters": jnp.array([3, 1]),
        "letter_padding": jnp.array([[0.0, 0.0, 0.0], [0.0, 1.0, 1.0]]),
        "frames": jnp.array([6, 5]),
        "frame_padding": jnp.zeros((2, 6)).at[1, 5].set(1.0),
    }


def _listed(several):
    """The classes that are present, first to last, and -1 from there on."""
    classes = np.where(several, np.arange(several.shape[-1]), several.shape[-1])
    ordered = np.sort(classes, axis=-1)
    return jnp.asarray(np.where(ordered == several.shape[-1], -1, ordered), jnp.int32)


def moving(expression):
    """The name of the array that comes first in our call: what the gradient is taken in."""
    nodes = [node for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)]
    return min((n for n in nodes if n.id in arrays((4,))), key=lambda node: node.col_offset).id
