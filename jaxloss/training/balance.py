"""Several objectives in balance: rules that make one gradient of those of all terms.

Each is a transformation of optax that comes first in a chain. It takes a gradient of each term,
one pytree whose leaves have a leading axis of terms, already averaged over devices, and gives one
like the parameters. To balance only parameters that terms share, give the rule these by
`optax.partition`, and the others to `optax.stateless` with a sum over the axis of terms.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from jaxloss.numerics import as_array, computing_dtype, divide, rounding
from jaxloss.training.gram import combine, gram, least_mixture, with_weights, stacked

PyTree = Any
Rule = Callable[[PyTree, Any, Array | None], tuple[Array, Any]]


class RandomState(NamedTuple):
    """The key of the next step."""

    key: Array


class GradNormState(NamedTuple):
    """The weights of the next step, the values to compare with (0: not yet known), the optimizer's.

    Set `initial` to use other values than those of the first step.
    """

    weights: Array
    initial: Array
    inner: optax.OptState


def pcgrad(key: Array | int) -> optax.GradientTransformationExtraArgs:
    """Project each term's gradient off those that it conflicts with, in random order, and add up.

        g_i := g_i - min(<g_i, h_j>, 0) / |h_j|² h_j   for all j ≠ i,   h = gradients as given
        update = Σ_i g_i

    Args:
        key: A key or seed of the orders.

    Returns:
        A transformation of a gradient of each term into one gradient. The sum, as in the paper;
        with two terms, or without conflict, no order matters.

    Raises:
        TypeError: (update) A leaf holds no real floats.
        ValueError: (update) Leaves have no leading axis of terms before the axes of `params`.

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
        products = gram(per_term)
        terms = len(products)
        following, *keys = jax.random.split(state.key, terms + 1)
        orders = jnp.stack([jax.random.permutation(one, terms) for one in keys])
        each = jax.vmap(_projected, in_axes=(0, 0, None))(jnp.arange(terms), orders, products)
        return jnp.sum(each, axis=0), RandomState(following)

    return _balancing("pcgrad", lambda _: RandomState(_as_key(key)), rule)


def cagrad(c: ArrayLike = 0.5) -> optax.GradientTransformationExtraArgs:
    """Near the mean gradient, the direction in which the worst term improves most.

        argmax_d min_i <g_i, d>   where |d - g| <= c |g|,   g = mean of g_i
        = g + c |g| g_w / |g_w|,   w minimises <g_w, g> + c |g| |g_w|,   g_w = Σ_i w_i g_i

    over weights in the simplex, found to rounding: in closed form for two terms, for more by moves
    between pairs of terms. Where g_w is 0 to rounding, d is g.

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
    if isinstance(c, int | float) and not 0 <= c < 1:
        raise ValueError(f"cagrad: `c` is in [0, 1), got {c}")

    def rule(per_term: PyTree, state: PyTree, _: Array | None) -> tuple[Array, PyTree]:
        products = gram(per_term)
        even = jnp.full(len(products), 1 / len(products), products.dtype)
        with_mean = with_weights(products, even)
        radius = jnp.asarray(c, products.dtype) * jnp.sqrt(jnp.maximum(even @ with_mean, 0))
        weights = least_mixture(products, with_mean, radius)
        return even + divide(radius, _norm(products, weights)) * weights, state

    return _balancing("cagrad", lambda _: optax.EmptyState(), rule)


def mgda() -> optax.GradientTransformationExtraArgs:
    """The shortest of all convex combinations of the terms' gradients.

        Σ_i w_i g_i,   w minimises |Σ_i w_i g_i| over weights in the simplex

    found to rounding: in closed form for two terms, for more by moves between pairs of terms.

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

    return _balancing("mgda", lambda _: optax.EmptyState(), rule)


_LEARNED = optax.adam(0.025)  # the learning rate of the paper


def gradnorm(
    terms: int,
    *,
    alpha: ArrayLike = 1.5,
    optimizer: optax.GradientTransformation = _LEARNED,
    shared: Callable[[PyTree], PyTree] = lambda per_term: per_term,
) -> optax.GradientTransformationExtraArgs:
    """Learn weights by which slow terms get larger gradients.

        update = Σ_i w_i g_i;   w then descends Σ_i |w_i |g_i| - t_i| and is scaled to Σ_i w_i = n
        t_i = r_i^alpha mean_j w_j |g_j| as a constant,   r_i = ρ_i / mean_j ρ_j
        ρ_i = value of term i over its first value,   n = number of terms

    Args:
        terms: The number of terms.
        alpha: How much more slow terms get; 0 makes all norms equal.
        optimizer: What the weights are learned with. Whatever step it takes, they stay positive.
        shared: From a gradient of each term to the part whose norms are compared, such as the last
            layer that terms share; the whole by default.

    Returns:
        A transformation of a gradient of each term into one gradient. Its `update` takes `values`,
        those of all terms, > 0, shape `[terms]`. Its state holds the weights, all 1 at first.

    Raises:
        TypeError: (update) `values` are missing, or a leaf holds no real floats.
        ValueError: (update) `values` or `per_term` is not of so many terms, or the rest of
            `per_term` has not the shapes of `params`.

    Use when terms are positive losses in different units, and are to be learned at one pace.
    Avoid when values may be 0 or negative, or the first ones say little: set them in the state.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> from jaxloss import training
        >>> rule = training.gradnorm(2, optimizer=optax.sgd(0.1))
        >>> slopes, values = jnp.array([[3.0], [1.0]]), jnp.array([2.0, 5.0])
        >>> update, state = rule.update(slopes, rule.init(jnp.zeros(1)), values=values)
        >>> update.tolist(), state.weights.round(4).tolist()
        ([4.0], [0.7778, 1.2222])

    Limits:
        With alpha = 0 and gradients that stay, the weights go to those with equal w_i |g_i|.

    References:
        Chen, Badrinarayanan, Lee & Rabinovich (2018), GradNorm: Gradient normalization for
        adaptive loss balancing in deep multitask networks, arXiv:1711.02257.
    """

    def start(params: PyTree) -> GradNormState:
        wide = computing_dtype(*map(as_array, jax.tree.leaves(params)))
        weights = jnp.ones(terms, wide)
        return GradNormState(weights, jnp.zeros(terms, wide), optimizer.init(weights))

    def rule(
        per_term: PyTree, state: GradNormState, values: Array | None
    ) -> tuple[Array, GradNormState]:
        weights, wide = state.weights, state.weights.dtype
        values = _of_all("gradnorm", values, terms).astype(wide)
        norms = jnp.sqrt(jnp.diagonal(gram(shared(per_term)))).astype(wide)
        initial = jnp.where(state.initial == 0, values, state.initial)
        ratios = divide(values, initial)
        pace = divide(ratios, jnp.broadcast_to(jnp.mean(ratios), ratios.shape))
        targets = jnp.mean(weights * norms) * pace ** jnp.asarray(alpha, wide)
        slopes = norms * jnp.sign(weights * norms - targets)
        updates, inner = optimizer.update(slopes, state.inner, weights)
        learned = jnp.maximum(optax.apply_updates(weights, updates), rounding(weights))
        learned *= terms / jnp.sum(learned)
        return weights, GradNormState(learned, initial, inner)

    return _balancing("gradnorm", start, rule)


def rlw(key: Array | int) -> optax.GradientTransformationExtraArgs:
    """Weigh the terms at random, anew in each step: the baseline of every other rule.

        Σ_i w_i g_i,   w = softmax(z),   z ~ N(0, 1) for each term

    Args:
        key: A key or seed of the weights.

    Returns:
        A transformation of a gradient of each term into one gradient, in the mean that of the
        mean of all terms.

    Raises:
        TypeError: (update) A leaf holds no real floats.
        ValueError: (update) Leaves have no leading axis of terms before the axes of `params`.

    Use when another rule is to be judged.
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

    return _balancing("rlw", lambda _: RandomState(_as_key(key)), rule)


def _balancing(
    name: str, start: Callable[[PyTree], Any], rule: Rule
) -> optax.GradientTransformationExtraArgs:
    """The transformation into the sum with the weights of the rule."""

    def update(
        per_term: PyTree,
        state: Any,
        params: PyTree = None,
        *,
        values: Array | None = None,
        **_: Any,
    ) -> tuple[PyTree, Any]:
        stacked(name, per_term, params)
        weights, state = rule(per_term, state, values)
        return combine(per_term, weights), state

    return optax.GradientTransformationExtraArgs(start, update)


def _projected(own: Array, order: Array, products: Array) -> Array:
    """The coefficients of one term's gradient once it is projected off the others in turn."""

    def project(coefficients: Array, other: Array) -> tuple[Array, None]:
        along = jnp.minimum(jnp.sum(coefficients * products[other]), 0)
        share = divide(along, products[other, other])
        return coefficients.at[other].add(-jnp.where(other == own, 0, share)), None

    one_hot = (jnp.arange(len(products)) == own).astype(products.dtype)
    return jax.lax.scan(project, one_hot, order)[0]


def _norm(products: Array, weights: Array) -> Array:
    """|Σ_i w_i g_i|, and where terms cancel no less than they round to."""
    square = jnp.sum(weights * with_weights(products, weights))
    longest = jnp.sum(weights * jnp.sqrt(jnp.diagonal(products)))
    return jnp.sqrt(jnp.maximum(square, rounding(square) * longest**2))


def _of_all(owner: str, values: Array | None, terms: int) -> Array:
    """The values, once there is one for each term."""
    if values is None:
        raise TypeError(f"{owner}: `update` takes `values`, those of all {terms} terms, got none")
    if jnp.shape(values) != (terms,):
        message = f"{owner}: `values` has shape {jnp.shape(values)}, wanted ({terms},)"
        raise ValueError(message)
    return jnp.asarray(values)


def _as_key(key: Array | int) -> Array:
    """A key as it is, or that of a seed."""
    array = jnp.asarray(key)
    return jax.random.key(array) if jnp.issubdtype(array.dtype, jnp.integer) else array
