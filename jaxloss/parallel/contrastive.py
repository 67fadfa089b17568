"""Contrastive losses of a batch that is spread over devices, each of which has some elements."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxloss.core.derive import derive
from jaxloss.core.loss import Loss
from jaxloss.losses.embedding.grouped import circle, ntxent, supervised_contrastive
from jaxloss.losses.embedding.paired import info_nce, siglip, symmetric_info_nce
from jaxloss.numerics import divide, positive_part, quotient, unit
from jaxloss.numerics.broadcasting import fitted
from jaxloss.numerics.elementary import inner_products
from jaxloss.numerics.logistic import softplus
from jaxloss.numerics.shard_map_axes import axes_of, vary
from jaxloss.parallel.rings import Gathered, Ring, Side, Spread, log_sums, sums


def in_ring(loss: Loss[...], axis_name: str) -> Loss[...]:
    """Make a contrastive loss of a batch that is spread over devices, which pass it round.

    Each device has some elements of the batch. Those of the second set, or of the only one, go
    from device to device, so that all pairs meet while none holds more than its own elements and
    as many visitors, forward and backward. For use inside `jax.shard_map`.

    Args:
        loss: `info_nce`, `symmetric_info_nce`, `siglip`, `ntxent`, `supervised_contrastive` or
            `circle`.
        axis_name: The axis of the mesh that the batch is spread over, the same number of elements
            on each device; those that do not count are masked by `where`. Keys of `info_nce` that
            belong to no query come after those of the device's own queries.

    Returns:
        A loss of the device's own elements, with the hyper-parameters of `loss`. It gives their
        values as in the whole batch; the mean over it is `Average.psum`. The same object each time.

    Raises:
        TypeError: It is none of these losses, or the name of the axis is no string.

    Use when the embeddings of the whole batch, and their gradients, are too much for a device.
    Avoid when they are not, and messages are slow to start: `all_gathered` takes one step. Nor in
        forward mode, which a rule that saves memory backward does not have.

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
    """Make a contrastive loss of a batch that is spread over devices, which all get all of it.

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


class Tags(NamedTuple):
    """Of some elements: the group, the place in the whole batch from 1 on, and which count."""

    groups: Array
    places: Array
    counted: Array


def _info_nce(spread: Spread, first: Side, second: Side, temperature: Array) -> Array:
    own = quotient(_partners(first, second), temperature)
    rivals, _ = log_sums(spread, _cooled_rivals, temperature, first, second)
    return softplus(rivals - own)


def _symmetric_info_nce(spread: Spread, first: Side, second: Side, temperature: Array) -> Array:
    own = quotient(_partners(first, second), temperature)
    forward, backward = log_sums(spread, _cooled_rivals, temperature, first, second)
    return (softplus(forward - own) + softplus(backward - own)) / 2


def _siglip(spread: Spread, first: Side, second: Side, scale: Array, bias: Array) -> Array:
    def of_pairs(shared: Any, rows: Side, columns: Side) -> tuple[Array, None]:
        scale, bias = shared
        logits = _cosines(rows, columns) * scale + bias
        against = jnp.where(_same(rows, columns), -logits, logits)
        return _sum_where(_both_count(rows, columns), softplus(against)), None

    found: Array = sums(spread, of_pairs, (scale, bias), first, second)[0]
    return found


def _ntxent(spread: Spread, first: Side, second: Side, temperature: Array) -> Array:
    return _over_positives(spread, softplus, _cooled_negatives, (first, second), temperature)


def _supervised(spread: Spread, first: Side, second: Side, temperature: Array) -> Array:
    return _over_positives(spread, lambda x: x, _cooled_rivals, (first, second), temperature)


def _circle(spread: Spread, first: Side, second: Side, gamma: Array, margin: Array) -> Array:
    shared = gamma, margin
    excess, _ = log_sums(spread, _excess, shared, first, second)
    lacking, _ = log_sums(spread, _lacking, shared, first, second)
    return softplus(excess + lacking)


_FORMS: Mapping[Loss[...], Callable[..., Array]] = {
    info_nce: _info_nce,
    symmetric_info_nce: _symmetric_info_nce,
    siglip: _siglip,
    ntxent: _ntxent,
    supervised_contrastive: _supervised,
    circle: _circle,
}


def _over_positives(
    spread: Spread,
    form: Callable[[Array], Array],
    logs: Callable[..., Array],
    sides: tuple[Side, Side],
    temperature: Array,
) -> Array:
    """Mean over the positives of a function of the log-sum less their own; 0 without any."""
    (rows, columns), (rivals, _) = sides, log_sums(spread, logs, temperature, *sides)

    def of_pairs(temperature: Array, rows: Side, columns: Side) -> tuple[Any, None]:
        vectors, rivals = rows.moving
        similarity = quotient(_cosines(rows._replace(moving=vectors), columns), temperature)
        positives = _positives(rows, columns)
        count = jnp.sum(positives, axis=1, dtype=similarity.dtype)
        return (_sum_where(positives, form(rivals[:, None] - similarity)), count), None

    anchors = rows._replace(moving=(rows.moving, rivals))
    (total, count), _ = sums(spread, of_pairs, temperature, anchors, columns)
    return divide(total, count)


def _cooled_rivals(temperature: Array, rows: Side, columns: Side) -> Array:
    rivals = _both_count(rows, columns) & ~_same(rows, columns)
    return jnp.where(rivals, quotient(_cosines(rows, columns), temperature), -jnp.inf)


def _cooled_negatives(temperature: Array, rows: Side, columns: Side) -> Array:
    cooled = quotient(_cosines(rows, columns), temperature)
    return jnp.where(_negatives(rows, columns), cooled, -jnp.inf)


def _excess(shared: Any, rows: Side, columns: Side) -> Array:
    (gamma, margin), cosine = shared, _cosines(rows, columns)
    excess = positive_part(cosine + margin) * (cosine - margin) * gamma
    return jnp.where(_negatives(rows, columns), excess, -jnp.inf)


def _lacking(shared: Any, rows: Side, columns: Side) -> Array:
    (gamma, margin), cosine = shared, _cosines(rows, columns)
    lacking = (1 - cosine + margin) * (1 - cosine - margin) * gamma
    return jnp.where(_positives(rows, columns), lacking, -jnp.inf)


def _partners(first: Side, second: Side) -> Array:
    return jnp.sum(first.moving * second.moving[: first.moving.shape[0]], axis=-1)


def _cosines(rows: Side, columns: Side) -> Array:
    return inner_products(rows.moving, columns.moving)


def _sum_where(chosen: Array, values: Array) -> Array:
    return jnp.sum(jnp.where(chosen, values, 0), axis=1)


def _both_count(rows: Side, columns: Side) -> Array:
    return jnp.logical_and(rows.fixed.counted[:, None], columns.fixed.counted[None, :])


def _same(rows: Side, columns: Side) -> Array:
    return jnp.equal(rows.fixed.places[:, None], columns.fixed.places[None, :])


def _alike(rows: Side, columns: Side) -> Array:
    return jnp.equal(rows.fixed.groups[:, None], columns.fixed.groups[None, :])


def _positives(rows: Side, columns: Side) -> Array:
    return _both_count(rows, columns) & _alike(rows, columns) & ~_same(rows, columns)


def _negatives(rows: Side, columns: Side) -> Array:
    return _both_count(rows, columns) & ~_alike(rows, columns)


def _made(
    maker: Callable[..., Loss[...]], kind: type[Ring | Gathered], loss: Loss[...], axis_name: str
) -> Loss[...]:
    """The loss, with a name and a text of its own."""
    if not isinstance(loss, Loss) or loss not in _FORMS:
        known = ", ".join(x.__name__ for x in _FORMS)
        raise TypeError(f"{maker.__name__}: `loss` is one of {known}, got {loss!r}")
    if not isinstance(axis_name, str):
        raise TypeError(f"{maker.__name__}: `axis_name` is a string, got {axis_name!r}")

    defaults = {name: x.default for name, x in loss.contract.hyperparameters.items()}

    def function(*arrays: Array, where: Array, **hyper: Array) -> Array:
        numbers = {name: jnp.asarray(x, arrays[0].dtype) for name, x in (defaults | hyper).items()}
        of_set = functools.partial(_of_set, kind(axis_name), _FORMS[loss], numbers)
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
        contract=replace(loss.contract, axis_name=axis_name),
    )


def _of_set(
    spread: Ring | Gathered,
    form: Callable[..., Array],
    hyper: Mapping[str, Array],
    where: Array,
    *arrays: Array,
) -> Array:
    """The form of the own elements of one set, or of two of which the first matches the second."""
    first, other = arrays
    places = lax.axis_index(spread.axis_name) * first.shape[0] + jnp.arange(1, first.shape[0] + 1)
    one_set = jnp.issubdtype(other.dtype, jnp.integer)
    tags = Tags(other if one_set else places, places, where)
    sides = [Side(unit(x), _tagged(tags, x)) for x in (first, first if one_set else other)]
    return form(spread, *sides, **vary(hyper, axes_of(tags)))


def _tagged(tags: Tags, vectors: Array) -> Tags:
    """The tags, and for further vectors those of elements that belong to no other."""
    more = vectors.shape[0] - tags.places.shape[0]
    groups, places = (jnp.pad(x, (0, more)) for x in (tags.groups, tags.places))  # no place is 0
    return Tags(groups, places, fitted(tags.counted, vectors.shape))
