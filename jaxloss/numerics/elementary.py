"""Elementary functions that stay exact where the plain formula loses digits or meets NaN.

Each guards the input of a dangerous operation and selects after it: a product with zero cannot
remove a NaN, neither from a value nor from a gradient.
"""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.polynomial import polynomial
from jaxloss.numerics.softmax import apart, below, is_label, lowest

_SINGLE_BYTES = 4
# Here the first term that the series lacks, 0.02 x^15, and the rounding of the closed form, whose
# terms are 150 times their difference, are both some 3e-14 of the value.
_TANH_NEAR = 0.1
_TANH_LESS_TANGENT = (2 / 3, -8 / 15, 34 / 105, -496 / 2835, 2764 / 31185, -87376 / 2027025)
_CAPPED = 1e3  # multiples of the cap; in double precision tanh is 1 from 20 on


@with_partials(lambda _, x: jnp.sign(x))
def abs_zero_grad(x: Array) -> Array:
    """|x| with gradient 0 at 0, where `jax.grad(jnp.abs)` is 1, and NaN at NaN."""
    return jnp.abs(x)


def weighted(weight: ArrayLike, value: Array) -> Array:
    """The product, where weight 0 wins over an infinite value."""
    return zero_if_weightless(weight, value) * weight


def zero_if_weightless(weight: ArrayLike, value: Array) -> Array:
    """The value, and 0 where it is infinite and its weight 0."""
    return jnp.where(jnp.equal(weight, 0) & jnp.isinf(value), 0, value)


@jax.custom_jvp
def reciprocal(x: ArrayLike) -> Array:
    """1 / x, differentiated as -(1/x dx) 1/x to all orders.

    JAX's rules of division have x² in them, which is 0 or infinite for x below 1e-19 or above 1e19.
    """
    return jnp.divide(1, x)


@reciprocal.defjvp
def _reciprocal_rule(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    value = reciprocal(*primals)
    return value, -(value * tangents[0]) * value  # from the left: value² may overflow


@jax.custom_jvp
def quotient(numerator: ArrayLike, denominator: ArrayLike) -> Array:
    """The ratio n / d, differentiated as (dn - n/d dd) 1/d to all orders, likewise without d²."""
    return jnp.divide(numerator, denominator)


def _quotient_rule(
    primals: tuple[Any, Any], tangents: tuple[Array | SymbolicZero, Array | SymbolicZero]
) -> tuple[Array, Array]:
    value, (numerator, denominator) = quotient(*primals), tangents
    terms = [] if isinstance(numerator, SymbolicZero) else [numerator]
    if not isinstance(denominator, SymbolicZero):
        terms.append(-(value * denominator))
    return value, functools.reduce(operator.add, terms) * reciprocal(primals[1])


quotient.defjvp(_quotient_rule, symbolic_zeros=True)


def divide(numerator: ArrayLike, denominator: Array) -> Array:
    """The quotient, and 0 with zero gradient where the denominator is 0."""
    empty = denominator == 0
    return quotient(jnp.where(empty, 0, numerator), jnp.where(empty, 1, denominator))


def relative_excess(x: Array, y: Array) -> Array:
    """1 - y / x as (x - y) / x, which has all digits where y is near x; 1 where x is 0."""
    return jnp.where(x == 0, 1, divide(x - y, x))


def poison(value: Array, valid: Array) -> Array:
    """Value where valid; elsewhere NaN, in the gradient too, which a select would leave at 0.

    `valid` has the shape of `value` or of its leading axes.
    """
    # A factor, not a select: NaN has to reach the gradient of the value as well.
    factor = jnp.where(valid, jnp.ones((), value.dtype), jnp.nan)
    return value * factor.reshape(factor.shape + (1,) * (value.ndim - factor.ndim))


@jax.custom_jvp
def nan_gradient(x: Array, _: Array) -> Array:
    """X itself; its gradient is NaN where the second array is false, whatever it would be.

    The second array has the shape of x or of its leading axes.
    """
    return x


@nan_gradient.defjvp
def _nan_gradient_rule(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    return primals[0], poison(tangents[0], primals[1])


@with_partials(lambda _, x: jnp.exp(x))
def expm1(x: Array) -> Array:
    """exp(x) - 1, whose derivative in JAX is its value + 1, which is 0 where exp is small."""
    return jnp.expm1(x)


@with_partials(lambda _, x: _sech_square(x))
def tanh(x: Array) -> Array:
    """The hyperbolic tangent, whose derivative in JAX is 1 - tanh², which is 0 far out."""
    return jnp.tanh(x)


@with_partials(lambda square, x: -2 * tanh(x) * square)
def _sech_square(x: Array) -> Array:
    """1 / cosh(x)²."""
    # By exp(-2 |x|), as cosh(x) overflows where this is still above 0.
    decay = jnp.exp(-2 * jnp.abs(x))
    return 4 * decay / (1 + decay) ** 2


@with_partials(lambda _, x: divide(jnp.ones_like(x), x))
def log(x: Array) -> Array:
    """Logarithm for x >= 0, -inf at 0 and there with gradient 0."""
    return jnp.log(x)


@with_partials(lambda _, x: jnp.where(x == 0, 0, 1 + log(x)))
def xlogx(x: Array) -> Array:
    """X log x for x >= 0, with 0 log 0 = 0 and there the gradient 0 instead of -inf."""
    return x * jnp.log(jnp.where(x == 0, 1, x))


def machine_epsilon(x: Array) -> float:
    """The spacing of numbers at 1 in the type of `x`."""
    return float(np.finfo(x.dtype).eps)


def tiny(x: Array | np.ndarray) -> float:
    """The least positive number of full precision in the type of `x`."""
    return float(np.finfo(x.dtype).tiny)


def square_sum(x: Array) -> Array:
    """Sum of squares over the last axis."""
    return jnp.sum(x * x, axis=-1)


def norm(x: Array) -> Array:
    """Euclidean norm over the last axis, free of overflow, with gradient 0 at the zero vector."""
    scaled, largest = over_largest(x)
    return jnp.squeeze(largest, axis=-1) * jnp.sqrt(square_sum(scaled))


def unit(x: Array) -> Array:
    """X over its Euclidean norm along the last axis; the zero vector stays zero, gradient 0."""
    scaled, largest = over_largest(x)
    length = jnp.sqrt(square_sum(scaled))[..., None]
    return jnp.where(largest == 0, 0, quotient(scaled, length))


def over_largest(x: Array) -> tuple[Array, Array]:
    """X over its largest magnitude, a constant of the derivative; ones for the zero vector."""
    # A constant, as what callers compute does not depend on it: its derivatives would cancel.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(x), axis=-1, keepdims=True, initial=0))
    zero = largest == 0
    return jnp.where(zero, 1, quotient(x, jnp.where(zero, 1, largest))), largest


def logsumexp(x: Array, axis: int = -1) -> Array:
    """Log of the sum of exp over the axis; -inf with gradient 0 where all are -inf."""
    largest = jax.lax.stop_gradient(jnp.max(x, axis=axis, keepdims=True, initial=-jnp.inf))
    total = jnp.sum(jnp.exp(below(x, largest)), axis=axis)
    empty = total == 0  # replaced before the log, whose derivative at 0 is infinite
    return jnp.log(jnp.where(empty, 1, total)) + jnp.squeeze(largest, axis=axis)


def log_softmax(x: Array) -> Array:
    """Log-probabilities over the last axis, with all digits of those near 0; -inf stays -inf.

    The largest entry is taken out of the sum: log1p of the rest keeps what 1 + rest rounds away.
    """
    if not x.shape[-1]:
        return x  # nothing has no largest entry
    is_top = is_label(jnp.argmax(x, axis=-1), x)
    top = jnp.sum(jnp.where(is_top, x, 0), axis=-1, keepdims=True)
    lost = jnp.isnan(x) | (x == -jnp.inf)
    top_shifted = jnp.where(lost, x, 0)  # a constant, else 1 - 1 in the gradient
    shifted = jnp.where(is_top, top_shifted, x - jnp.where(top == -jnp.inf, 0, top))
    rest = jnp.sum(jnp.where(is_top, 0, jnp.exp(shifted)), axis=-1, keepdims=True)
    return shifted - jnp.log1p(rest)


def log_odds_against(logits: Array, labels: Array) -> Array:
    """Log of (1 - p) / p for the probability p of the label; +inf where the label is masked.

    Its softplus is -log p with all digits, as that of its negative is -log(1 - p).
    """
    return apart(logits, labels).log_odds_against


def soft_cap(x: Array, cap: ArrayLike) -> Array:
    """Cap times tanh(x / cap), so that entries stay between -cap and cap; -inf stays -inf."""
    # Replaced before tanh, whose derivative in the cap would be 0 times infinity for infinite x.
    far = jnp.abs(x) > _CAPPED * cap
    capped = jnp.where(far, jnp.sign(x) * cap, _soft_capped(jnp.where(far, 0, x), cap))
    return jnp.where(x == -jnp.inf, -jnp.inf, capped)


@with_partials(
    lambda _, x, cap: _sech_square(quotient(x, cap)),
    lambda _, x, cap: _tanh_less_tangent(quotient(x, cap)),
)
def _soft_capped(x: Array, cap: ArrayLike) -> Array:
    return tanh(quotient(x, cap)) * cap


def _tanh_less_tangent(x: Array) -> Array:
    """tanh(x) - x tanh'(x), near 0 by its series, as the difference would cancel."""
    small = jnp.abs(x) < _TANH_NEAR
    near, far = jnp.where(small, x, 0), jnp.where(small, 1, x)
    series = near * near * near * polynomial(near * near, _TANH_LESS_TANGENT)
    return jnp.where(small, series, tanh(far) - far * _sech_square(far))


@with_partials(
    lambda _, scores, temperature: jnp.where(jnp.isinf(scores), 1, reciprocal(temperature)),
    lambda value, scores, temperature: jnp.where(
        jnp.isinf(scores), 0, -value * reciprocal(temperature)
    ),
)
def divide_by_temperature(scores: Array, temperature: ArrayLike) -> Array:
    """The quotient; an infinite score stays so, with derivative 0 in the temperature.

    A finite one stays finite, as it would else count as masked.
    """
    finite = jnp.clip(scores / temperature, lowest(scores), -lowest(scores))
    return jnp.where(jnp.isinf(scores), scores, finite)


def is_diagonal(like: Array) -> Array:
    """Boolean identity matrix over the last two axes, in the shape of `like`."""
    rows = jax.lax.broadcasted_iota(jnp.int32, like.shape[:-1], like.ndim - 2)
    return is_label(rows, like)


def as_array(value: ArrayLike) -> Array:
    """A JAX array from anything array-like, lists included; integers too large for it as floats."""
    return jnp.asarray(as_argument(value))


def as_argument(value: ArrayLike) -> Array | np.ndarray:
    """As `as_array`, but arrays of NumPy stay: compiled functions take them in less time."""
    if isinstance(value, Array):
        return value
    host = np.asarray(value)
    if host.dtype.kind in "iu" and not _fits(host):
        return host.astype(np.float32)
    is_number = jnp.issubdtype(host.dtype, np.number) or host.dtype == bool
    return host if host.ndim and is_number else jnp.asarray(value)


def _fits(integers: np.ndarray) -> bool:
    """Whether JAX's integers hold them; it would wrap the others, huge labels to plausible ones."""
    limits = np.iinfo(jax.dtypes.canonicalize_dtype(integers.dtype))
    return bool(np.all((integers >= limits.min) & (integers <= limits.max)))


def computing_dtype(*arrays: Array | jax.ShapeDtypeStruct) -> jnp.dtype:
    """Single precision for what is narrower, otherwise the widest type given."""
    with jax.numpy_dtype_promotion("standard"):
        wide = [jnp.float32 if x.dtype.itemsize < _SINGLE_BYTES else x for x in arrays]
        return jnp.promote_types(jnp.result_type(float, *wide), jnp.float32)
