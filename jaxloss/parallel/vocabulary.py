"""Cross-entropy over classes that are sharded over devices, each of which has a block of them.

Each device computes a few numbers for each example from its own classes. These are all that is
communicated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from jaxloss.core.derive import derive
from jaxloss.core.loss import Loss
from jaxloss.core.signature import Signature
from jaxloss.losses.classification.cross_entropy import (
    bounded_by,
    class_cross_entropies,
    softmax_cross_entropy_with_integer_labels,
    with_terms,
)
from jaxloss.numerics import at_label, divide, log
from jaxloss.numerics.broadcasting import Shape
from jaxloss.numerics.softmax import Parts, apart, below


def vocabulary_parallel_cross_entropy(axis_name: str) -> Loss[...]:
    """Make cross-entropy against integer labels whose classes are sharded over devices.

        w_y ((1 - s) n_y + s mean_j n_j) + z lse(o)²,   n_j = lse(o) - o_j = -log softmax(o)_j
        o = c tanh(logits / c),   y = label,   lse(o) = log Σ_j exp o_j,   j over all devices
        s = label_smoothing,   w = class_weights,   z = z_loss,   c = softcap

    It is `softmax_cross_entropy_with_integer_labels` inside `jax.shard_map`, where each device has
    an equally large block of the classes, in the order of the axis. A maximum and a few sums, of
    one number for each example, are all that is communicated. In a `linear_head` the weight is
    sharded likewise, and the gradient of `hidden`, which all devices have in common, is summed over
    them by JAX (with `check_vma=True`, the default).

    Args:
        axis_name: The axis of the mesh that the classes are sharded over.

    Returns:
        A loss of the device's own `logits`, shape `[..., classes / devices]`, and of integer
        `labels` in [0, classes), shape `[...]`, the same on all devices; with the hyper-parameters
        of `softmax_cross_entropy_with_integer_labels`, of which `class_weights` is a number or
        that of the device's own classes. The value is the same on all devices; so is the object
        each time.

    Raises:
        TypeError: The name of the axis is no string.

    Use when the weight of the head, or its logits, are too large for one device.
    Avoid when `jit` places the arrays: given sharded logits, the plain loss does the same.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> mesh, spread = jax.make_mesh((1,), ("classes",)), jax.P(None, "classes")
        >>> loss = jl.Objective(jl.vocabulary_parallel_cross_entropy("classes"))
        >>> mean = jax.shard_map(loss, mesh=mesh, in_specs=(spread, jax.P()), out_specs=jax.P())
        >>> with jax.set_mesh(mesh):
        ...     logits = jax.device_put(jnp.zeros((2, 4)), spread)
        ...     print(mean(logits, jnp.array([0, 3])).round(4))
        1.3863

    Limits:
        With one device, `softmax_cross_entropy_with_integer_labels`.

    References:
        Shoeybi et al. (2019), Megatron-LM: training multi-billion parameter language models using
        model parallelism, arXiv:1909.08053, section 3.
    """
    if not isinstance(axis_name, str):
        message = f"`axis_name` is a string, got {axis_name!r}"
        raise TypeError(f"vocabulary_parallel_cross_entropy: {message}")
    plain = softmax_cross_entropy_with_integer_labels
    shards, signature = Shards(axis_name), plain.signature

    def function(logits: Array, labels: Array, **hyper: Any) -> Array:
        return shards.cross_entropy(logits, labels, **hyper)

    return derive(
        vocabulary_parallel_cross_entropy,
        axis_name,
        function=function,
        doc=_text(axis_name),
        facts=plain.facts,
        signature=ShardedSignature(
            signature.name, signature.arrays, signature.hyperparameters, axis_name=axis_name
        ),
    )


@dataclass(frozen=True)
class ShardedSignature(Signature):
    """The signature of a loss of one block of the classes, with labels from all of them."""

    def axis_sizes(self, shapes: Sequence[Shape]) -> Mapping[str, int | Array]:
        """How long the axes are, by name, on all devices together."""
        sizes = super().axis_sizes(shapes)
        return {**sizes, "classes": sizes["classes"] * lax.axis_size(self.axis_name)}

    def on_all_devices(self, of_arrays: Array, of_numbers: Array | None) -> Array:
        """What holds of the same labels everywhere, and of class weights, which differ."""
        if of_numbers is None:
            return of_arrays
        everywhere: Array = lax.pmin(of_numbers.astype(jnp.int32), self.axis_name)
        return of_arrays & (everywhere > 0)


@dataclass(frozen=True)
class Shards:
    """The blocks of classes along an axis of the mesh, seen from one of them."""

    axis_name: str

    def cross_entropy(
        self,
        logits: Array,
        labels: Array,
        *,
        label_smoothing: Array | None = None,
        class_weights: Array | None = None,
        z_loss: Array | None = None,
        softcap: Array | None = None,
    ) -> Array:
        """One value per example, the same on all devices."""
        bounded, places = bounded_by(softcap, logits), self._places(logits, labels)
        parts = self._apart(bounded, places)
        mean = weight = None
        if label_smoothing is not None:
            mean = divide(*self._sum(class_cross_entropies(bounded, parts)))
        if class_weights is not None:
            weight = self._sum(at_label(class_weights, places))
        return with_terms(parts, (label_smoothing, mean), weight, z_loss)

    def _places(self, logits: Array, labels: Array) -> Array:
        """The labels as indices into this device's classes, out of range for those of others."""
        first = lax.axis_index(self.axis_name) * logits.shape[-1]
        return labels - first.astype(labels.dtype)

    def _apart(self, logits: Array, places: Array) -> Parts:
        """The label's logit and the log-sum-exp of the others, on all devices."""
        here = apart(logits, places)
        some = here.others > -jnp.inf
        # The largest of the shifts of all devices, so that no exponential below overflows. As any
        # shift gives the same result, it is a constant of the derivative.
        highest = lax.pmax(lax.stop_gradient(jnp.where(some, here.shift, -jnp.inf)), self.axis_name)
        shift = jnp.where(highest == -jnp.inf, 0, highest)
        powers = jnp.exp(here.others + below(here.shift, shift))
        # The label's logit is 0 on all devices but one, so that its sum over them is the logit.
        total, label_logit = self._sum((powers, at_label(logits, places)))
        return Parts(log(total), label_logit - shift, shift)

    def _sum(self, numbers: Any) -> Any:
        return lax.psum(numbers, self.axis_name)


def _text(axis_name: str) -> str:
    return f"""Softmax cross-entropy over classes sharded along the mesh axis `{axis_name}`.

        w_y ((1 - s) n_y + s mean_j n_j) + z lse(o)²,   n_j = lse(o) - o_j,   j over all devices

    Args:
        logits: Those of the device's own classes, shape `[..., classes / devices]`.
        labels: The true class, an integer in [0, classes), shape `[...]`, the same on all devices.
        **hyperparameters: Those of `softmax_cross_entropy_with_integer_labels`; `class_weights`
            may be those of the device's own classes.

    Returns:
        One value per example, shape `[...]`, in nats, the same on all devices.
    """
