"""Functions of log-odds that keep their digits on both sides, and where x is infinite.

With p = 1 / (1 + exp(-x)) and 1 - p from one exponential, nothing is taken from 1; log p is
-softplus(-x). A factor of 0 wins over an infinite value, as 0 log 0 = 0 does.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.elementary import tanh, weighted, zero_if_weightless

_CERTAIN = 1e3  # log-odds beyond which p or 1 - p is 0 in every floating type


@jax.custom_jvp
def _probabilities(x: Array) -> tuple[Array, Array]:
    """The sigmoids of x and -x, of one exponential."""
    decay = jnp.exp(-jnp.abs(x))
    more = 1 / (1 + decay)
    less = decay * more
    return jnp.where(x > 0, more, less), jnp.where(x > 0, less, more)


@_probabilities.defjvp
def _probabilities_and_change(
    given: tuple[Array], change: tuple[Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    probabilities = _probabilities(*given)
    rate = probabilities[0] * probabilities[1] * change[0]
    return probabilities, (rate, -rate)


@with_partials(lambda _, x: _bell(x))
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), whose slope keeps its digits on both sides."""
    return jax.lax.logistic(x)


@with_partials(lambda bell, x: -bell * tanh(x / 2))
def _bell(x: Array) -> Array:
    """The density of the logistic distribution, whose slope keeps its digits near 0 too."""
    return sigmoid(x) * sigmoid(-x)


@with_partials(lambda _, x: sigmoid(x))
def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return jnp.maximum(x, 0) + _rest(x)


@with_partials(
    lambda _, x, truth: _cross_entropy_derivative(x, truth, 1 - truth),
    lambda _, x, truth: -zero_if_weightless(jnp.where(x > 0, 1 - truth, truth), x),
)
def sigmoid_cross_entropy(x: Array, truth: Array) -> Array:
    """The sum truth softplus(-x) + (1 - truth) softplus(x); a factor of 0 wins over infinity."""
    return _sided(x, truth, 1 - truth) + _rest(x)


@with_partials(
    lambda _, x, positive, negative: _cross_entropy_derivative(x, positive, negative),
    lambda _, x, positive, __: zero_if_weightless(positive, softplus(-x)),
    lambda _, x, __, negative: zero_if_weightless(negative, softplus(x)),
)
def weighted_cross_entropy(x: Array, positive: Array, negative: Array) -> Array:
    """The sum positive softplus(-x) + negative softplus(x), for factors >= 0; 0 wins likewise."""
    return _sided(x, positive, negative) + (positive + negative) * _rest(x)


@with_partials(
    lambda _, x, gamma: _focal_softplus_derivative(x, gamma),
    lambda _, x, gamma: _focused_by_gamma(x, gamma),
)
def focal_softplus(x: Array, gamma: ArrayLike) -> Array:
    """softplus(x) exp(-gamma softplus(-x)), also where x is infinite."""
    near = _near(x)
    return _focused(near, gamma) + jnp.maximum(x - near, 0)


@with_partials(
    lambda _, x, positive, negative, gamma: _focal_derivative(x, positive, negative, gamma),
    lambda _, x, positive, __, gamma: zero_if_weightless(positive, focal_softplus(-x, gamma)),
    lambda _, x, __, negative, gamma: zero_if_weightless(negative, focal_softplus(x, gamma)),
    lambda _, x, positive, negative, gamma: (
        positive * _focused_by_gamma(-x, gamma) + negative * _focused_by_gamma(x, gamma)
    ),
)
def focal_cross_entropy(x: Array, positive: Array, negative: Array, gamma: ArrayLike) -> Array:
    """The sum positive focused(-x) + negative focused(x), for factors >= 0; 0 wins likewise."""
    # By the size of x: few intermediate arrays, of which a GPU would hold those of many uses.
    of_wrong = jnp.where(x > 0, negative, positive)
    of_right = jnp.where(x > 0, positive, negative)
    size = jnp.where(x > 0, x, -x)
    far = _near(size)
    rest = jnp.log1p(jnp.exp(-far))
    likely = jnp.exp(rest * jnp.negative(gamma))
    unlikely = likely * jnp.exp(far * jnp.negative(gamma))
    wrong = (far + rest) * likely + (size - far)
    return weighted(of_wrong, wrong) + of_right * (rest * unlikely)


def _focal_derivative(x: Array, positive: Array, negative: Array, gamma: ArrayLike) -> Array:
    """The derivative in x: for x < 0 by the mirror image, whose derivative has the other sign."""
    of_wrong = jnp.where(x > 0, negative, positive)
    of_right = jnp.where(x > 0, positive, negative)
    far = _near(jnp.where(x > 0, x, -x))  # not |x|, whose derivative at 0 is of no side
    decay = jnp.exp(-far)
    rest = jnp.log1p(decay)
    probability = 1 / (1 + decay)
    other = decay * probability
    rising = probability + (far + rest) * other * gamma
    falling = jnp.exp(far * jnp.negative(gamma)) * (other + rest * probability * gamma)
    derivative = jnp.exp(rest * jnp.negative(gamma)) * (of_wrong * rising - of_right * falling)
    return jnp.where(x > 0, derivative, -derivative)


def _rest(x: Array) -> Array:
    """By how much softplus exceeds the positive part."""
    return jnp.log1p(jnp.exp(-jnp.abs(x)))


def _sided(x: Array, positive: Array, negative: Array) -> Array:
    """The larger of negative x and -positive x, where a factor of 0 wins over infinity."""
    return jnp.where(x > 0, weighted(negative, x), weighted(positive, -x))


@jax.custom_jvp
def _softpluses(x: Array) -> tuple[Array, Array]:
    """The softplus of x and that of -x, of one logarithm."""
    rest = _rest(x)
    return jnp.maximum(x, 0) + rest, jnp.maximum(-x, 0) + rest


@_softpluses.defjvp
def _softpluses_and_change(
    given: tuple[Array], change: tuple[Array]
) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    probability, other = _probabilities(*given)
    return _softpluses(*given), (probability * change[0], -other * change[0])


def _cross_entropy_derivative(x: Array, positive: Array, negative: Array) -> Array:
    probability, other = _probabilities(x)
    return negative * probability - positive * other


def _near(x: Array) -> Array:
    return jnp.clip(x, -_CERTAIN, _CERTAIN)


def _focused(near: Array, gamma: ArrayLike) -> Array:
    wrong, right = _softpluses(near)
    return wrong * jnp.exp(right * jnp.negative(gamma))


def _focal_softplus_derivative(x: Array, gamma: ArrayLike) -> Array:
    """The derivative of `focal_softplus`."""
    near = _near(x)
    (wrong, right), (probability, other) = _softpluses(near), _probabilities(near)
    derivative: Array = jnp.exp(right * jnp.negative(gamma)) * (probability + wrong * other * gamma)
    return derivative


def _focused_by_gamma(x: Array, gamma: ArrayLike) -> Array:
    near = _near(x)
    return -_softpluses(near)[1] * _focused(near, gamma)
