"""`optax.losses` between distributions."""

import warnings

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.compat.optax.axes import Axis, events, keep
from jaxloss.losses.divergence import divergence


def kl_divergence(
    log_predictions: ArrayLike,
    targets: ArrayLike,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`jaxloss.kl_divergence`, but Σ t log(t / p) off the simplex too, where it may be negative."""
    logs, masses = _counted(log_predictions, targets, axis, where, absent=0)
    # Less Σ p - t, which the generalised divergence adds so as to be never negative.
    return _generalized(logs, masses) - jnp.sum(jnp.exp(logs) - masses, axis=-1)


def kl_divergence_with_log_targets(
    log_predictions: ArrayLike,
    log_targets: ArrayLike,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`jaxloss.kl_divergence_with_log_targets`, but Σ t log(t / p) off the simplex too."""
    logs, others = _counted(log_predictions, log_targets, axis, where, absent=-jnp.inf)
    scale = _log_scale(jnp.maximum(logs, others))
    ours = divergence.kl_divergence_with_log_targets(logs - scale, others - scale)
    return jnp.exp(scale[..., 0]) * ours - jnp.sum(jnp.exp(logs) - jnp.exp(others), axis=-1)


def generalized_kl_divergence(
    log_predictions: ArrayLike,
    targets: ArrayLike,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """`jaxloss.kl_divergence`, which is the generalised one off the simplex."""
    return _generalized(*_counted(log_predictions, targets, axis, where, absent=0))


def convex_kl_divergence(
    log_predictions: ArrayLike,
    targets: ArrayLike,
    axis: Axis = -1,
    where: ArrayLike | None = None,
) -> Array:
    """The former name of `generalized_kl_divergence`."""
    message = "convex_kl_divergence is deprecated: use generalized_kl_divergence"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    return generalized_kl_divergence(log_predictions, targets, axis, where)


def _counted(
    logs: ArrayLike, targets: ArrayLike, axis: Axis, where: ArrayLike | None, absent: float
) -> list[Array]:
    """Log-predictions and targets, filled with numbers of mass 0 for masked classes."""
    return events(axis, keep(where, logs, -jnp.inf), keep(where, targets, absent))


def _generalized(logs: Array, masses: Array) -> Array:
    """The generalised divergence of masses of any size, by its homogeneity.

    `jaxloss.kl_divergence` takes log-probabilities, which are at most 0: masses are divided by an
    upper bound, and the divergence is multiplied by it.
    """
    scale = _log_scale(logs)
    ours = divergence.kl_divergence(logs - scale, masses * jnp.exp(-scale))
    return jnp.exp(scale[..., 0]) * ours


def _log_scale(logs: Array) -> Array:
    """The log of an upper bound of the masses, at least 0."""
    return jax.lax.stop_gradient(jnp.max(logs, axis=-1, keepdims=True, initial=0))
