"""The classes beside the label's: their log-sum-exp, of which the softmax losses are made.

On a CPU, XLA makes one pass of exponentials and their sum only where no comparison is between, and
does so in parallel only for rows of moderate length. There the logits are read once, as tiles; the
tile of the label is summed again without it. A sum of exponentials that are not shifted is exact
unless it comes near the ends of the range, where all are summed again, shifted by the largest.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.shard_map_axes import is_on_one_device

_SINGLE = 4  # bytes
_TILES = range(64, 8193)  # widths
_FEWEST_TILES = 4
_SAFE_SUM = 1e15  # and its inverse: so far from the ends of the range that products stay inside
_LARGEST = 40.0  # above the log of it; stands for an infinite logit, and for the label's, not used


class Parts(NamedTuple):
    """The logits of an example in two parts, and what both are shifted by.

    Attributes:
        rivals: Log-sum-exp of all classes but the label's, less the shift; -inf without any.
        own: The logit of the label, less the shift.
        shift: A number of the size of the logits, a constant of the derivative; +inf where the
            largest of the others is.
    """

    rivals: Array
    own: Array
    shift: Array

    @property
    def log_odds_against(self) -> Array:
        """Of the label; +inf where it is masked, and else -inf where all others are."""
        return exceeding(self.rivals, self.own)

    @property
    def normaliser(self) -> Array:
        """Log-sum-exp of all classes, less the shift; -inf with gradient 0 where all are masked."""
        masked = _both_masked(self.rivals, self.own)
        whole = jnp.logaddexp(jnp.where(masked, 0, self.rivals), self.own)
        return jnp.where(masked, -jnp.inf, whole)


def apart(logits: Array, labels: Array) -> Parts:
    """The label's logit and the log-sum-exp of the others, in at least single precision."""
    rivals, shift = _log_rivals(logits, labels)
    return Parts(rivals, entry(logits, labels).astype(shift.dtype) - shift, shift)


def exceeding(rivals: Array, own: Array) -> Array:
    """By how much they exceed the label's score; +inf where it is masked, also if they are too."""
    return jnp.where(_both_masked(rivals, own), 0, rivals) - own


def _both_masked(rivals: Array, own: Array) -> Array:
    return (rivals == -jnp.inf) & (own == -jnp.inf)


@with_partials(lambda _, x, __: jnp.ones_like(x), lambda _, x, __: -jnp.ones_like(x))
def below(x: Array, top: Array) -> Array:
    """The difference to the largest of a row, 0 where both are +inf; -inf where all are."""
    return jnp.where(x == jnp.inf, 0, x - jnp.maximum(top, lowest(x)))


def lowest(x: Array) -> float:
    """The least finite number in the type of `x`; no logit but -inf lies below it."""
    return float(np.finfo(x.dtype).min)


def is_label(labels: Array, like: Array) -> Array:
    """Boolean one-hot in the shape of `like`, by comparison so that classes may be sharded."""
    spread = jax.typeof(like).sharding  # a choice between arrays by classes wants it so
    places = lax.broadcasted_iota(labels.dtype, like.shape, like.ndim - 1, out_sharding=spread)
    return places == labels[..., None]


def at_label(x: Array, labels: Array) -> Array:
    """The entry of `x` at each label, by a masked sum: no gather over the class axis."""
    return jnp.sum(jnp.where(is_label(labels, x), x, 0), axis=-1)


@jax.custom_jvp
def entry(x: Array, labels: Array) -> Array:
    """The entry of `x` at each label, by index where classes cannot be sharded."""
    found: Array = _on_one_cpu(_entry_by_index, at_label, x, labels)
    return found


@entry.defjvp
def _entry_rate(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    x, labels = primals
    read = at_label if _is_narrow(x) else entry  # XLA widens what it scatters to
    return entry(x, labels), read(tangents[0], labels)


@jax.custom_jvp
def _log_rivals(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Log-sum-exp of all but the label, less a shift, and the shift."""
    found: tuple[Array, Array] = _on_one_cpu(_by_tiles_at_once, _by_shift, logits, labels)
    return found


@_log_rivals.defjvp
def _log_rivals_rate(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    logits, labels = primals
    rivals, shift = _log_rivals(logits, labels)
    powers = jnp.exp(_below(_wide_afresh(logits), shift))
    rates = _cleared(tangents[0], labels).astype(powers.dtype)
    # The factor of an example stays out of the sum, else each entry is multiplied twice.
    rate = jnp.sum(powers * rates, axis=-1) * jnp.exp(
        -jnp.maximum(rivals, -_LARGEST + _nan_like(rivals))
    )
    return (rivals, shift), (rate, jnp.zeros_like(shift))


def _by_shift(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Shifted by the largest of the others."""
    top = _largest_rival(logits, labels)
    return _log_shifted(logits, labels, top), top


def _largest_rival(logits: Array, labels: Array) -> Array:
    """0 if all are masked, +inf if one is."""
    others = _without_label(wide(lax.stop_gradient(logits)), labels)
    top = jnp.max(others, axis=-1, initial=-jnp.inf)
    return jnp.where(top == -jnp.inf, 0, top)


def _log_shifted(logits: Array, labels: Array, top: Array) -> Array:
    """Differentiable as it is: a loop that is differentiated twice passes the rule by."""
    others = _without_label(wide(logits), labels, keeps=not _is_narrow(logits))
    most = _LARGEST if _is_narrow(logits) else _LARGEST + _nan_like(others)
    total = jnp.sum(jnp.exp(_below(others, top, most)), axis=-1) + _lost_if_narrow(logits)
    empty = total == 0
    return jnp.where(empty, -jnp.inf, jnp.log(jnp.where(empty, 1, total)))


def _below(x: Array, shift: Array, most: float | Array = _LARGEST) -> Array:
    """The difference, finite where both are +inf: then alone this is not lost in a sum of exp."""
    finite = jnp.minimum(shift, -lowest(x))
    return jnp.minimum(x - finite[..., None], most)


def _by_tiles(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Not shifted, unless a sum is too large or too small.

    Two conditions, as XLA would hold what the two passes over the logits have in common.
    """
    total = _plain_sum(logits, labels)
    safe = jnp.all((total > 1 / _SAFE_SUM) & (total < _SAFE_SUM))
    given = logits, labels
    shift = lax.cond(safe, lambda *_: jnp.zeros_like(total), _largest_rival, *given)
    return lax.cond(safe, lambda *_: jnp.log(total), _log_shifted, *given, shift), shift


_by_tiles_at_once = jax.custom_batching.custom_vmap(_by_tiles)


@_by_tiles_at_once.def_vmap
def _by_tiles_mapped(
    size: int, batched: list[bool], *arrays: Array
) -> tuple[tuple[Array, Array], tuple[bool, bool]]:
    """As one larger batch: a condition for each example would run both branches for all."""
    if not any(batched):  # so asked where only a rate is
        return _by_tiles(*arrays), (False, False)
    every = [
        x if moving else jnp.broadcast_to(x, (size, *x.shape))
        for x, moving in zip(arrays, batched, strict=True)
    ]
    return _by_tiles_at_once(*every), (True, True)


def _plain_sum(logits: Array, labels: Array) -> Array:
    """Sum of the exponentials of all but the label."""
    width = _tile_width(logits)
    if width is None:
        others = _without_label(wide(logits), labels, keeps=not _is_narrow(logits))
        return jnp.sum(jnp.exp(others), axis=-1) + _lost_if_narrow(logits)
    count = logits.shape[-1] // width  # of each example
    tiles = lax.optimization_barrier(logits.reshape(labels.size * count, width))
    sums = lax.optimization_barrier(jnp.sum(jnp.exp(tiles), axis=-1))
    sums = sums.reshape(*labels.shape, count)
    tile, place = labels // width, labels % width
    first = jnp.arange(labels.size).reshape(labels.shape) * count
    own = lax.optimization_barrier(tiles.at[first + tile].get(mode="clip"))
    rest = jnp.sum(jnp.exp(_without_label(own, place)), axis=-1)
    return rest + jnp.sum(jnp.where(is_label(tile, sums), 0, sums), axis=-1)


def _tile_width(logits: Array) -> int | None:
    """The least divisor of the classes that makes tiles wide enough, and enough of them."""
    if _is_narrow(logits):  # XLA would hold them, widened
        return None
    classes = logits.shape[-1]
    widths = (w for w in _TILES if w * _FEWEST_TILES <= classes and classes % w == 0)
    return next(widths, None)


def _lost_if_narrow(logits: Array) -> Array | float:
    """NaN for rows of 16 bits that hold one, else 0; told of each logit, all would be held wide."""
    if not _is_narrow(logits):
        return 0.0
    return jnp.where(jnp.any(jnp.isnan(_wide_afresh(logits)), axis=-1), jnp.nan, 0)


def _without_label(x: Array, labels: Array, *, keeps: bool = True) -> Array:
    """`x` with -inf at the label, by arithmetic unless that cannot tell so many classes apart.

    NaN is kept in its place, unless a row is looked at otherwise.
    """
    if x.shape[-1] * float(np.finfo(x.dtype).eps) > 1:
        return jnp.where(is_label(labels, x), -jnp.inf, x)
    places = lax.broadcasted_iota(x.dtype, x.shape, x.ndim - 1)
    label = labels.astype(x.dtype)[..., None]
    half = 0 * label + 0.5  # as broadcasts of one number, those of several sums would be shared
    bound = (jnp.abs(places - label) - half) * (half * jnp.inf)
    return jnp.minimum(x, bound + _nan_like(x) if keeps else bound)


def _nan_like(x: Array) -> Array:
    """0, and NaN where x is NaN, which maximum and minimum lose in a sum of XLA's on a CPU."""
    return 0 * jnp.abs(jnp.sign(x))


def _is_narrow(x: Array) -> bool:
    return x.dtype.itemsize < _SINGLE


def wide(x: Array) -> Array:
    """In at least single precision."""
    return x.astype(jnp.float32) if _is_narrow(x) else x


def _cleared(x: Array, labels: Array) -> Array:
    """0 at the label."""
    if _is_narrow(x):
        return _cleared_by_comparison(x, labels)
    cleared: Array = _on_one_cpu(_cleared_by_index, _cleared_by_comparison, x, labels)
    return cleared


def _cleared_by_comparison(x: Array, labels: Array) -> Array:
    return jnp.where(is_label(labels, x), 0, x)


def _cleared_by_index(x: Array, labels: Array) -> Array:
    return x.at[_index(x, labels)].set(0, mode="promise_in_bounds", unique_indices=True)


@jax.custom_jvp
def _wide_afresh(x: Array) -> Array:
    """The same for the compiler to make twice; as bits, or it would hold what it widens."""
    if not _is_narrow(x):
        return x
    bits = lax.optimization_barrier(lax.bitcast_convert_type(x, jnp.uint16))
    return wide(lax.bitcast_convert_type(bits, x.dtype))


@_wide_afresh.defjvp
def _wide_afresh_rate(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _wide_afresh(*primals), wide(*tangents)


def _entry_by_index(x: Array, labels: Array) -> Array:
    if not _is_narrow(x):
        return _read(x, labels)
    bits = lax.bitcast_convert_type(x, jnp.uint16)  # XLA would widen all that it reads from
    return lax.bitcast_convert_type(_read(bits, labels), x.dtype)


def _read(x: Array, labels: Array) -> Array:
    return x.at[_index(x, labels)].get(mode="promise_in_bounds", unique_indices=True)


def _index(x: Array, labels: Array) -> tuple[Array, ...]:
    """Of the entries at the labels; an invalid one is the nearest that is valid."""
    shape, rank = labels.shape, labels.ndim
    places = [lax.broadcasted_iota(labels.dtype, shape, axis) for axis in range(rank)]
    return *places, jnp.clip(labels, 0, x.shape[-1] - 1)


def _on_one_cpu(special: Callable[..., Any], plain: Callable[..., Any], *arrays: Array) -> Any:
    """By `special` on a CPU where nothing can be spread over devices and there are classes."""
    if not (is_on_one_device() and arrays[0].shape[-1]):
        return plain(*arrays)
    return lax.platform_dependent(*arrays, cpu=special, default=plain)
