"""Contrastive losses of a batch that is sharded over devices, each of which has some elements."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxloss.core.derive import derive
from jaxloss.core.loss import Loss
from jaxloss.kernels.contrastive import ElementBlock, PlacedPairs
from jaxloss.losses.embedding.grouped import (
    circle,
    circle_of,
    ntxent,
    ntxent_of,
    supervised_contrastive,
    supervised_contrastive_of,
)
from jaxloss.losses.embedding.paired import (
    info_nce,
    info_nce_of,
    siglip,
    siglip_of,
    symmetric_info_nce,
    symmetric_info_nce_of,
)
from jaxloss.numerics import unit
from jaxloss.numerics.broadcasting import fit_mask
from jaxloss.numerics.shard_map_axes import axes_of, vary
from jaxloss.parallel.rings import Gathered, Ring


def in_ring(loss: Loss[...], axis_name: str) -> Loss[...]:
    """Make a contrastive loss of a sharded batch, whose shards pass from device to device.

    Each device has some elements of the batch. Those of the second set, or of the only one, go
    from device to device, so that all pairs meet while none holds more than its own elements and
    as many visitors, forward and backward. For use inside `jax.shard_map`.

    Args:
        loss: `info_nce`, `symmetric_info_nce`, `siglip`, `ntxent`, `supervised_contrastive` or
            `circle`.
        axis_name: The axis of the mesh that the batch is sharded over, the same number of elements
            on each device; those that do not count are masked by `where`. Keys of `info_nce` that
            belong to no query come after those of the device's own queries.

    Returns:
        A loss of the device's own elements, with the hyper-parameters of `loss`. It gives their
        values as in the whole batch; the mean over it is `Average.psum`. The same object each time.

    Raises:
        TypeError: It is none of these losses, or the name of the axis is no string.

    Use when the embeddings of the whole batch, and their gradients, are too much for a device.
    Avoid when they are not, and messages are slow to start: `all_gathered` takes one step. Nor in
        forward mode: a `custom_vjp`, which saves the memory backward, has none.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> mesh, spread = jax.make_mesh((1,), ("batch",)), jax.P("batch")
        >>> loss = jl.in_ring(jl.symmetric_info_nce, "batch")
        >>> loss = jax.shard_map(loss, mesh=mesh, in_specs=(spread, spread), out_specs=spread)
        >>> with jax.set_mesh(mesh):
        ...     embeddings = jax.device_put(jnp.eye(4), spread)
        ...     print(jax.jit(loss)(embeddings, embeddings).round(4))
        [0. 0. 0. 0.]

    Limits:
        `loss` of the whole batch, cut as the batch is.

    References:
        Zhai, Mustafa, Kolesnikov & Beyer (2023), Sigmoid loss for language image pre-training,
        arXiv:2303.15343, section 3.3.
    """
    return _made(in_ring, Ring, loss, axis_name)


def all_gathered(loss: Loss[...], axis_name: str) -> Loss[...]:
    """Make a contrastive loss of a sharded batch, which is gathered on every device.

    Each device has some elements of the batch as its own. It compares these with all others, which
    are gathered, once forward and once backward. For use inside `jax.shard_map`.

    Args:
        loss: As for `in_ring`.
        axis_name: As for `in_ring`.

    Returns:
        A loss as of `in_ring`.

    Raises:
        TypeError: It is none of these losses, or the name of the axis is no string.

    Use when the embeddings of the whole batch fit on each device.
    Avoid when they do not: `in_ring` holds as many as a device has of its own.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> mesh, spread = jax.make_mesh((1,), ("batch",)), jax.P("batch")
        >>> loss = jax.shard_map(
        ...     jl.all_gathered(jl.siglip, "batch"),
        ...     mesh=mesh, in_specs=(spread, spread), out_specs=spread,
        ... )
        >>> with jax.set_mesh(mesh):
        ...     embeddings = jax.device_put(jnp.eye(4), spread)
        ...     print(jax.jit(loss)(embeddings, embeddings).round(4))
        [0.6933 0.6933 0.6933 0.6933]

    Limits:
        `loss` of the whole batch, cut as the batch is.

    References:
        Radford, Kim et al. (2021), Learning transferable visual models from natural language
        supervision, arXiv:2103.00020.
    """
    return _made(all_gathered, Gathered, loss, axis_name)


_FORMULAS: Mapping[Loss[...], Callable[..., Array]] = {
    info_nce: info_nce_of,
    symmetric_info_nce: symmetric_info_nce_of,
    siglip: siglip_of,
    ntxent: ntxent_of,
    supervised_contrastive: supervised_contrastive_of,
    circle: circle_of,
}


def _made(
    maker: Callable[..., Loss[...]], kind: type[Ring | Gathered], loss: Loss[...], axis_name: str
) -> Loss[...]:
    """The loss for this placement, if it is one of those that have a formula of pairs."""
    if not isinstance(loss, Loss) or loss not in _FORMULAS:
        known = ", ".join(x.__name__ for x in _FORMULAS)
        raise TypeError(f"{maker.__name__}: `loss` is one of {known}, got {loss!r}")
    if not isinstance(axis_name, str):
        raise TypeError(f"{maker.__name__}: `axis_name` is a string, got {axis_name!r}")

    defaults = {name: x.default for name, x in loss.signature.hyperparameters.items()}

    def function(*arrays: Array, where: Array, **hyper: Array) -> Array:
        numbers = {name: jnp.asarray(x, arrays[0].dtype) for name, x in (defaults | hyper).items()}
        of_set = functools.partial(_of_set, kind(axis_name), _FORMULAS[loss], numbers)
        for _ in where.shape[:-1]:
            of_set = jax.vmap(of_set)
        return of_set(where, *arrays)

    return derive(
        maker,
        loss,
        axis_name,
        function=function,
        doc=loss.function.__doc__ or "",
        facts=loss.facts,
        signature=replace(loss.signature, axis_name=axis_name),
    )


def _of_set(
    placement: Ring | Gathered,
    formula: Callable[..., Array],
    hyper: Mapping[str, Array],
    where: Array,
    *arrays: Array,
) -> Array:
    """The formula for this device's elements of one set, or of two that match one to one.

    Further vectors of the second set are elements that belong to no other, at position 0.
    """
    first, other = arrays
    # Positions are of the whole batch, from 1 on, so that no two devices have the same.
    device = lax.axis_index(placement.axis_name)
    positions = device * first.shape[0] + jnp.arange(1, first.shape[0] + 1)
    one_set = jnp.issubdtype(other.dtype, jnp.integer)
    groups = other if one_set else positions

    def elements(vectors: Array) -> ElementBlock:
        more = vectors.shape[0] - first.shape[0]
        position, group = (jnp.pad(x, (0, more)) for x in (positions, groups))
        return ElementBlock(unit(vectors), position, group, fit_mask(where, vectors.shape))

    pairs = PlacedPairs(placement, elements(first), elements(first if one_set else other))
    return formula(pairs, **vary(hyper, axes_of((positions, groups, where))))
