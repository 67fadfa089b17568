"""GradNorm: weights of terms that are learned from how fast the terms decrease."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from jaxloss.numerics import as_array, computing_dtype, divide, machine_epsilon
from jaxloss.numerics.trees import PyTree
from jaxloss.training.gradients import gradient_transformation, gram

_LEARNED = optax.adam(0.025)  # the learning rate of the paper


class GradNormState(NamedTuple):
    """The state of GradNorm.

    Attributes:
        weights: The weights of the next step.
        initial: The values to compare with, by default those of the first step; 0 before it.
        inner: The state of the optimizer of the weights.
    """

    weights: Array
    initial: Array
    inner: optax.OptState


def gradnorm(
    terms: int,
    *,
    alpha: ArrayLike = 1.5,
    optimizer: optax.GradientTransformation = _LEARNED,
    shared: Callable[[PyTree], PyTree] = lambda per_term: per_term,
) -> optax.GradientTransformationExtraArgs:
    """Learn weights by which slow terms get larger gradients.

        update = Σ_i w_i g_i;   w then descends Σ_i |w_i |g_i| - t_i| and is scaled to Σ_i w_i = n
        t_i = r_i^alpha mean_j w_j |g_j| as a constant,   r_i = f_i / mean_j f_j
        f_i = value of term i over its first value,   n = number of terms

    Args:
        terms: The number of terms.
        alpha: How much more slow terms get; 0 makes all norms equal.
        optimizer: The optimizer of the weights. Whatever step it takes, they stay positive.
        shared: Selects from the gradients the part whose norms are compared, such as the last layer
            that terms share; all by default.

    Returns:
        A transformation of a gradient of each term into one gradient. Its `update` takes `values`,
        those of all terms, > 0, shape `[terms]`. Its state holds the weights, all 1 at first; what
        is not finite passes through to the update, and leaves the state as it is.

    Raises:
        TypeError: (update) `values` are missing, or a leaf holds no real floats.
        ValueError: (update) `values` or `per_term` is not of so many terms, or the rest of
            `per_term` has not the shapes of `params`.

    Use when terms are positive losses in different units, and should be learned at one pace.
    Avoid when values may be 0 or negative, or the first ones say little: set them in the state.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> from jaxloss import training
        >>> rule = training.gradnorm(2, optimizer=optax.sgd(0.1))
        >>> gradients, values = jnp.array([[3.0], [1.0]]), jnp.array([2.0, 5.0])
        >>> update, state = rule.update(gradients, rule.init(jnp.zeros(1)), values=values)
        >>> update.tolist(), [round(float(w), 4) for w in state.weights]
        ([4.0], [0.7778, 1.2222])

    Limits:
        With alpha = 0 and gradients that stay, the weights go to those with equal w_i |g_i|.

    References:
        Chen, Badrinarayanan, Lee & Rabinovich (2018), GradNorm: Gradient normalization for
        adaptive loss balancing in deep multitask networks, arXiv:1711.02257.
    """

    def start(params: PyTree) -> GradNormState:
        wide = computing_dtype(*map(as_array, jax.tree.leaves(params)))
        weights = jnp.ones(terms, wide)
        return GradNormState(weights, jnp.zeros(terms, wide), optimizer.init(weights))

    def rule(
        per_term: PyTree, state: GradNormState, values: Array | None
    ) -> tuple[Array, GradNormState]:
        weights, wide = state.weights, state.weights.dtype
        if values is None:
            message = "takes `values`, those of all terms, as update(..., values=...)"
            raise TypeError(f"gradnorm: `update` {message}, got None")
        values = jnp.asarray(values).astype(wide)
        _check_terms("values", values, terms)
        norms = jnp.sqrt(jnp.diagonal(gram(shared(per_term)))).astype(wide)
        _check_terms("per_term", norms, terms)
        initial = jnp.where(state.initial == 0, values, state.initial)
        ratios = divide(values, initial)
        pace = divide(ratios, jnp.broadcast_to(jnp.mean(ratios), ratios.shape))
        targets = jnp.mean(weights * norms) * pace ** jnp.asarray(alpha, wide)
        # The derivative in w of Σ |w |g| - t|, with the targets t held, as in the paper.
        gradients = norms * jnp.sign(weights * norms - targets)
        updates, inner = optimizer.update(gradients, state.inner, weights)
        # Above 0: a weight that a large step has made negative would reward a growing term.
        learned = jnp.maximum(weights + jnp.asarray(updates), machine_epsilon(weights))
        learned *= terms / jnp.sum(learned)
        # A NaN in one step would otherwise stay in the state for good.
        finite = jnp.all(jnp.isfinite(gradients))
        following = GradNormState(learned, initial, inner)
        return weights, jax.tree.map(lambda new, old: jnp.where(finite, new, old), following, state)

    return gradient_transformation("gradnorm", start, rule)


def _check_terms(name: str, array: Array, terms: int) -> None:
    if array.shape != (terms,):
        message = f"gradnorm: `{name}` has one entry for each of {terms} terms"
        raise ValueError(f"{message}, wanted shape ({terms},), got {array.shape}")
