"""Multi-task learning: rules that combine the gradients of all terms into one.

Each rule is an optax transformation that comes first in a chain. It takes the gradients of all
terms, a pytree whose leaves have a leading axis of terms, already averaged over devices, and
returns a tree like the parameters. To balance only parameters that terms share, give the rule these
by `optax.partition`, and the others to `optax.stateless` with a sum over the axis of terms.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from jaxloss.numerics import computing_dtype, divide, machine_epsilon
from jaxloss.numerics.trees import PyTree
from jaxloss.training.gradients import gradient_transformation, gram
from jaxloss.training.simplex import least_mixture, norm_of, product


class RandomState(NamedTuple):
    """The state of a random rule: the key of the next step."""

    key: Array


def pcgrad(key: ArrayLike) -> optax.GradientTransformationExtraArgs:
    """Project each term's gradient off those that it conflicts with, in random order, and add up.

        g_i := g_i - min(<g_i, h_j>, 0) / |h_j|² h_j   for all j ≠ i,   h = gradients as given
        update = Σ_i g_i

    Args:
        key: The random key of the orders, typed or raw, or an integer as its seed.

    Returns:
        A transformation of a gradient of each term into one gradient. The sum, as in the paper;
        with two terms, or without conflict, no order matters.

    Raises:
        TypeError: (update) A leaf holds no real floats.
        ValueError: `key` is neither a single key nor a seed; (update) leaves have no leading
            axis of terms before the axes of `params`.

    Use when gradients of terms of like size conflict and the sum makes no progress.
    Avoid when sizes differ much: the sum of the projected gradients is still that of the largest.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxloss import training
        >>> rule = training.pcgrad(0)
        >>> update, _ = rule.update(jnp.array([[1.0, 0.0], [-1.0, 1.0]]), rule.init(jnp.zeros(2)))
        >>> update.tolist()
        [0.5, 1.5]

    Limits:
        Without conflict it is the sum of all gradients.
        Of two gradients that conflict it is (1 - <g, h> / |g|²) g + (1 - <g, h> / |h|²) h.

    References:
        Yu, Kumar, Gupta, Levine, Hausman & Finn (2020), Gradient surgery for multi-task learning,
        arXiv:2001.06782.
    """

    def rule(per_term: PyTree, state: RandomState, _: Array | None) -> tuple[Array, RandomState]:
        following, now = jax.random.split(state.key)
        # The paper draws an order for each gradient, since the result depends on it.
        return _projected(gram(per_term), now), RandomState(following)

    start = RandomState(_as_key("pcgrad", key))
    return gradient_transformation("pcgrad", lambda _: start, rule)


def cagrad(c: ArrayLike = 0.5) -> optax.GradientTransformationExtraArgs:
    """Find the direction near the mean gradient in which the worst term improves most.

        argmax_d min_i <g_i, d>   where |d - g| <= c |g|,   g = mean of g_i
        = g + c |g| g_w / |g_w|,   w minimises <g_w, g> + c |g| |g_w|,   g_w = Σ_i w_i g_i

    over weights in the simplex, by the closed form along a line, of which two terms need one. Where
    g_w is not close to 0 the worst improvement is within about 1e-5 |g|² of the best in float32;
    where terms cancel in g_w, d goes to g.

    Args:
        c: How far from the mean gradient to look, in [0, 1): below 1, minimisers of the mean of
            all terms are the points where it stops.

    Returns:
        A transformation of a gradient of each term into one gradient: the mean for c = 0.

    Raises:
        TypeError: (update) A leaf holds no real floats.
        ValueError: `c` is outside [0, 1); (update) leaves have no leading axis of terms before the
            axes of `params`.

    Use when the mean of all terms is what counts, and some terms hold others back on the way.
    Avoid when any trade-off on the Pareto front serves.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxloss import training
        >>> rule = training.cagrad(0.5)
        >>> update, _ = rule.update(jnp.array([[4.0, 0.0], [0.0, 4.0]]), rule.init(jnp.zeros(2)))
        >>> update.round(4).tolist()
        [3.0, 3.0]

    Limits:
        For one term, and for equal gradients, it is (1 + c) g.

    References:
        Liu, Liu, Jin, Stone & Liu (2021), Conflict-averse gradient descent for multi-task
        learning, arXiv:2110.14048.
    """
    if isinstance(c, int | float) and not 0 <= c < 1:  # a traced c has no value to compare
        raise ValueError(f"cagrad: `c` is in [0, 1), got {c}")

    def rule(per_term: PyTree, state: PyTree, _: Array | None) -> tuple[Array, PyTree]:
        products = gram(per_term)
        even = jnp.full(len(products), 1 / len(products), products.dtype)
        with_mean = product(products, even)
        radius = jnp.asarray(c, products.dtype) * norm_of(products, even)
        weights = least_mixture(products, with_mean, radius)
        return even + divide(radius, _norm(products, weights)) * weights, state

    return gradient_transformation("cagrad", lambda _: optax.EmptyState(), rule)


def mgda() -> optax.GradientTransformationExtraArgs:
    """Find the shortest convex combination of the terms' gradients.

        Σ_i w_i g_i,   w minimises |Σ_i w_i g_i| over weights in the simplex

    by the closed form along a line, of which two terms need one. The norm is within about
    1e-5 Σ_i w_i |g_i| of the least in float32.

    Returns:
        A transformation of a gradient of each term into one that has an inner product >= |itself|²
        with each of them. It is 0 at Pareto-stationary points: there the method stops.

    Raises:
        TypeError: (update) A leaf holds no real floats.
        ValueError: (update) Leaves have no leading axis of terms before the axes of `params`.

    Use when no term may get worse, and any point of the Pareto front serves.
    Avoid when one term's gradient is small or 0: the update is no longer than that.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxloss import training
        >>> rule = training.mgda()
        >>> update, _ = rule.update(jnp.array([[4.0, 0.0], [0.0, 4.0]]), rule.init(jnp.zeros(2)))
        >>> update.tolist()
        [2.0, 2.0]

    Limits:
        Of gradients that are orthogonal the weights go with 1 / |g_i|².

    References:
        Désidéri (2012), Multiple-gradient descent algorithm (MGDA) for multiobjective
        optimization, doi:10.1016/j.crma.2012.03.014.
        Sener & Koltun (2018), Multi-task learning as multi-objective optimization,
        arXiv:1810.04650.
    """

    def rule(per_term: PyTree, state: PyTree, _: Array | None) -> tuple[Array, PyTree]:
        products = gram(per_term)
        nothing, one = jnp.zeros(len(products), products.dtype), jnp.ones((), products.dtype)
        return least_mixture(products, nothing, one), state

    return gradient_transformation("mgda", lambda _: optax.EmptyState(), rule)


def rlw(key: ArrayLike) -> optax.GradientTransformationExtraArgs:
    """Weigh the terms at random in each step: the baseline for every other rule.

        Σ_i w_i g_i,   w = softmax(z),   z ~ N(0, 1) for each term

    Args:
        key: The random key of the weights, typed or raw, or an integer as its seed.

    Returns:
        A transformation of a gradient of each term into one gradient, whose expectation is the
        gradient of the mean of all terms.

    Raises:
        TypeError: (update) A leaf holds no real floats.
        ValueError: `key` is neither a single key nor a seed; (update) leaves have no leading
            axis of terms before the axes of `params`.

    Use when another rule needs a baseline.
    Avoid when steps are few: the weights average out over many.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxloss import training
        >>> rule = training.rlw(0)
        >>> update, _ = rule.update(jnp.array([[3.0], [3.0]]), rule.init(jnp.zeros(1)))
        >>> update.round(4).tolist()
        [3.0]

    References:
        Lin, Ye, Zhang & Tsang (2022), Reasonable effectiveness of random weighting: A litmus test
        for multi-task learning, arXiv:2111.10603.
    """

    def rule(per_term: PyTree, state: RandomState, _: Array | None) -> tuple[Array, RandomState]:
        leaves = jax.tree.leaves(per_term)
        following, now = jax.random.split(state.key)
        normal = jax.random.normal(now, (len(leaves[0]),), computing_dtype(*leaves))
        return jax.nn.softmax(normal), RandomState(following)

    start = RandomState(_as_key("rlw", key))
    return gradient_transformation("rlw", lambda _: start, rule)


@jax.jit
def _projected(products: Array, key: Array) -> Array:
    """The coefficients of the sum of all gradients, each projected off the others in turn.

    All projections are linear combinations of the gradients, so their inner products suffice: the
    gradients themselves, which may be large, are read only for these and for the final sum.
    """
    terms = jnp.arange(len(products))

    def of_one(own: Array, key: Array) -> Array:
        def project(coefficients: Array, other: Array) -> tuple[Array, None]:
            along = jnp.minimum(jnp.sum(coefficients * products[other]), 0)
            share = divide(along, products[other, other])
            # A gradient is never projected off itself, though its order comes by it.
            return coefficients.at[other].add(-jnp.where(other == own, 0, share)), None

        one_hot = (terms == own).astype(products.dtype)
        return jax.lax.scan(project, one_hot, jax.random.permutation(key, terms))[0]

    return jnp.sum(jax.vmap(of_one)(terms, jax.random.split(key, len(terms))), axis=0)


def _norm(products: Array, weights: Array) -> Array:
    """The norm |Σ_i w_i g_i|, bounded below by the rounding of terms that cancel."""
    longest = jnp.sum(weights * jnp.sqrt(jnp.diagonal(products)))
    return jnp.maximum(norm_of(products, weights), jnp.sqrt(machine_epsilon(longest)) * longest)


def _as_key(owner: str, key: ArrayLike) -> Array:
    """Convert a key, typed or raw, or a seed to a typed key."""
    array = jnp.asarray(key)
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key) and not array.ndim:
        return array
    if jnp.issubdtype(array.dtype, jnp.integer) and not array.ndim:
        return jax.random.key(array)
    raw = jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0)))
    if (array.shape, array.dtype) != (raw.shape, raw.dtype):
        message = f"`key` is an integer, jax.random.key(0) or the raw {raw.dtype}{list(raw.shape)}"
        got = f"of jax.random.PRNGKey(0), got {array.dtype}{list(array.shape)}"
        raise ValueError(f"{owner}: {message} {got}; of several keys, take one")
    typed: Array = jax.random.wrap_key_data(array)
    return typed
