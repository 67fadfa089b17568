"""Losses of moments of a whole batch, whose elements are sharded over devices.

Each device computes sums of features and of their products over its own elements. These are all
that is communicated, however many elements there are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.derive import derive
from jaxloss.core.loss import Loss
from jaxloss.core.signature import Signature
from jaxloss.kernels.moments import Batch
from jaxloss.losses.embedding.decorrelation import barlow_twins, barlow_twins_of, vicreg, vicreg_of

_OF_BATCHES: dict[Loss[...], Callable[..., Array]] = {
    barlow_twins: barlow_twins_of,
    vicreg: vicreg_of,
}


def global_moments(loss: Loss[...], axis_name: str) -> Loss[...]:
    """Make a loss of the moments of a set whose elements are sharded over devices.

        loss of all elements,   of which each device has some

    Inside `jax.shard_map`, means and covariances are those of all elements that count, of which
    devices may have different numbers, or none. Sums and extremes of each feature, and sums of
    products of two features, are all that is communicated: never an embedding. Gradients of what
    all devices have in common are summed over them by JAX (with `check_vma=True`, the default).

    Args:
        loss: `barlow_twins` or `vicreg`.
        axis_name: The axis of the mesh that the elements are sharded over.

    Returns:
        A loss of the device's own elements, with the arrays, hyper-parameters and `where` of
        `loss`. The value, one for each set, shape `[...]`, is the same on all devices, as is that
        of an objective of it; and the object is the same each time.

    Raises:
        TypeError: The loss is no loss of moments, or the name of the axis is no string.

    Use when each device holds a part of a batch that is too small for moments of its own.
    Avoid when `jit` places the arrays: given sharded embeddings, the plain loss does the same.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> mesh, spread = jax.make_mesh((1,), ("batch",)), jax.P("batch")
        >>> loss = jl.global_moments(jl.vicreg, "batch")
        >>> whole = jax.shard_map(loss, mesh=mesh, in_specs=(spread, spread), out_specs=jax.P())
        >>> first = jnp.array([[0.0, 0.0], [2.0, 2.0]])
        >>> with jax.set_mesh(mesh):
        ...     print(whole(*jax.device_put((first, first.at[:, 1].set(1.0)), spread)))
        29.0

    Limits:
        With one device, the loss itself.

    References:
        Zbontar, Jing, Misra, LeCun & Deny (2021), Barlow Twins: self-supervised learning via
        redundancy reduction, arXiv:2103.03230.
        Bardes, Ponce & LeCun (2022), VICReg: variance-invariance-covariance regularization for
        self-supervised learning, arXiv:2105.04906.
    """
    if not isinstance(loss, Loss) or loss not in _OF_BATCHES:
        known = " or ".join(f"`{known.__name__}`" for known in _OF_BATCHES)
        raise TypeError(f"global_moments: `loss` is {known}, got {loss!r}")
    if not isinstance(axis_name, str):
        raise TypeError(f"global_moments: `axis_name` is a string, got {axis_name!r}")
    of_batch, signature = _OF_BATCHES[loss], loss.signature
    defaults = {name: number.default for name, number in signature.hyperparameters.items()}

    def function(first: Array, second: Array, *, where: Array, **hyper: Any) -> Array:
        return of_batch(Batch(where, axis_name), first, second, **(defaults | hyper))

    return derive(
        global_moments,
        loss,
        axis_name,
        function=function,
        doc=_text(loss, axis_name),
        facts=loss.facts,
        signature=ShardedSetSignature(
            signature.name,
            signature.arrays,
            signature.hyperparameters,
            is_set=True,
            axis_name=axis_name,
        ),
    )


@dataclass(frozen=True)
class ShardedSetSignature(Signature):
    """The signature of a loss of sets whose elements are sharded over devices."""

    def on_all_devices(self, of_arrays: Array, of_numbers: Array | None) -> Array:
        """In which sets all elements on all devices, and all numbers, lie in their domains."""
        here = super().on_all_devices(of_arrays, of_numbers).astype(jnp.int32)
        everywhere: Array = jax.lax.pmin(here, self.axis_name)
        return everywhere > 0

    def on_any_device(self, counted: Array) -> Array:
        """Which sets have elements on any device."""
        return Batch(counted[..., None], self.axis_name).size() > 0


def _text(loss: Loss[...], axis_name: str) -> str:
    return f"""`{loss.__name__}` of all elements, sharded over the devices along `{axis_name}`.

    Args:
        first: Those of the device, shape `[..., elements, features]`.
        second: The same elements seen otherwise, in this order, `[..., elements, features]`.
        where: Which of the device's elements count, boolean, shape `[..., elements]` or a prefix;
            all by default.
        **hyperparameters: Those of `{loss.__name__}`.

    Returns:
        One value per set, shape `[...]`, the same on all devices.
    """
