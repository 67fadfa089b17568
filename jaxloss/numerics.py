"""Elementary functions that stay exact where the plain formula loses digits or meets NaN.

Each guards the input of a dangerous operation and selects after it: a product with zero cannot
remove a NaN, neither from a value nor from a gradient.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike


def magnitude(x: Array) -> Array:
    """|x| with gradient 0 at 0, where `jax.grad(jnp.abs)` is 1."""
    return jnp.maximum(x, -x)


def weighted(weight: Array, value: Array) -> Array:
    """The product, where weight 0 wins over an infinite value."""
    hidden = (weight == 0) & jnp.isinf(value)
    return weight * jnp.where(hidden, 0, value)


def divide(numerator: Array, denominator: Array) -> Array:
    """The quotient, and 0 with zero gradient where the denominator is 0."""
    empty = denominator == 0
    return jnp.where(empty, 0, numerator) / jnp.where(empty, 1, denominator)


def poison(value: Array, valid: Array) -> Array:
    """Value where valid; elsewhere NaN, in the gradient too, which a select would leave at 0."""
    return value * jnp.where(valid, jnp.ones((), value.dtype), jnp.nan)


def log(x: Array) -> Array:
    """Logarithm for x >= 0, -inf at 0 and there with gradient 0."""
    zero = x == 0
    return jnp.where(zero, -jnp.inf, jnp.log(jnp.where(zero, 1, x)))


def xlogx(x: Array) -> Array:
    """X log x for x >= 0, with 0 log 0 = 0 and there the gradient 0 instead of -inf."""
    positive = x > 0
    return jnp.where(x == 0, 0, x * jnp.log(jnp.where(positive | jnp.isnan(x), x, 1)))


def log1mexp(x: Array) -> Array:
    """log(1 - exp(x)) for x <= 0, by the branch that keeps its digits (Maechler 2012)."""
    near = x > -jnp.log(2.0).astype(x.dtype)
    small = jnp.log(-jnp.expm1(jnp.where(near, x, -1)))
    return jnp.where(near, small, jnp.log1p(-jnp.exp(jnp.where(near, -1, x))))


def square_sum(x: Array) -> Array:
    """Sum of squares over the last axis."""
    return jnp.sum(x * x, axis=-1)


def norm(x: Array) -> Array:
    """Euclidean norm over the last axis, free of overflow, with gradient 0 at the zero vector."""
    return jnp.squeeze(_keeping_axis_norm(x), axis=-1)


def unit(x: Array) -> Array:
    """X over its Euclidean norm along the last axis; the zero vector stays zero, gradient 0."""
    return divide(x, jnp.broadcast_to(_keeping_axis_norm(x), x.shape))


def _keeping_axis_norm(x: Array) -> Array:
    largest = jax.lax.stop_gradient(jnp.max(magnitude(x), axis=-1, keepdims=True, initial=0))
    zero = largest == 0
    scaled = jnp.where(zero, 1, x / jnp.where(zero, 1, largest))
    return largest * jnp.sqrt(jnp.sum(scaled * scaled, axis=-1, keepdims=True))


def logsumexp(x: Array) -> Array:
    """Log of the sum of exp over the last axis; -inf with gradient 0 where all are -inf."""
    largest = jax.lax.stop_gradient(jnp.max(x, axis=-1, keepdims=True, initial=-jnp.inf))
    shift = jnp.where(jnp.isinf(largest), 0, largest)
    total = jnp.sum(jnp.exp(x - shift), axis=-1)
    empty = total == 0
    log_total = jnp.where(empty, -jnp.inf, jnp.log(jnp.where(empty, 1, total)))
    return log_total + jnp.squeeze(shift, axis=-1)


def log_softmax(x: Array) -> Array:
    """Log-probabilities over the last axis, with all digits of those near 0; -inf stays -inf.

    The largest entry is taken out of the sum: log1p of the rest keeps what 1 + rest rounds away.
    """
    is_top = is_label(jnp.argmax(x, axis=-1), x)
    top = jnp.sum(jnp.where(is_top, x, 0), axis=-1, keepdims=True)
    below = x - jnp.maximum(top, jnp.finfo(x.dtype).min)
    rest = jnp.sum(jnp.where(is_top, 0, jnp.exp(below)), axis=-1, keepdims=True)
    return jnp.where(x == -jnp.inf, -jnp.inf, below - jnp.log1p(rest))


def log_odds_against(logits: Array, labels: Array) -> Array:
    """Log of (1 - p) / p for the probability p of the label; +inf where the label is masked.

    Its softplus is -log p with all digits, as that of its negative is -log(1 - p).
    """
    lowest = jnp.finfo(logits.dtype).min
    others = jnp.where(is_label(labels, logits), -jnp.inf, logits)
    top = jnp.max(jax.lax.stop_gradient(others), axis=-1, keepdims=True, initial=lowest)
    total = jnp.sum(jnp.exp(others - top), axis=-1)  # at least 1, or 0 if all others are masked
    return jnp.log(jnp.maximum(total, 0.5)) - at_label(logits - top, labels)


def soft_cap(x: Array, cap: Array) -> Array:
    """Cap times tanh(x / cap), so that entries stay between -cap and cap; -inf stays -inf."""
    masked = x == -jnp.inf
    return jnp.where(masked, -jnp.inf, cap * jnp.tanh(jnp.where(masked, 0, x) / cap))


def is_label(labels: Array, like: Array) -> Array:
    """Boolean one-hot in the shape of `like`, by comparison so that classes may be sharded."""
    return jax.lax.broadcasted_iota(labels.dtype, like.shape, like.ndim - 1) == labels[..., None]


def at_label(x: Array, labels: Array) -> Array:
    """The entry of `x` at each label, by a masked sum: no gather over the class axis."""
    return jnp.sum(jnp.where(is_label(labels, x), x, 0), axis=-1)


def as_array(value: ArrayLike) -> Array:
    """A JAX array from anything array-like, lists included."""
    return value if isinstance(value, Array) else jnp.asarray(value)
