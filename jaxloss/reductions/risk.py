"""Risk measures: reductions that emphasise the worst examples, or the easiest.

An example counts by its mass: its weight, or 1 where a mask includes it. None of these is a mean
over parts: over micro-batches or devices, all values are needed at once.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.reduction import Average, Reduction, mean
from jaxloss.kernels.sorting import descending_order, whole
from jaxloss.numerics import abs_zero_grad, as_array, computing_dtype, divide, poison
from jaxloss.numerics.sizes import is_known
from jaxloss.numerics.special import log1p_over_rate, one_minus_exp_over_rate

# At most one in so many values are found by `top_k`, which is then faster than a sort of all.
_FEW = 16


@dataclass(frozen=True, repr=False)
class Parametric:
    """A reduction with parameters.

    Two with equal parameters are equal, so that `jit` does not compile an objective twice.

    Attributes:
        maker: The public function that made it.
        function: Maps values, weights and the parameters to the result.
        parameters: The arguments of the maker.
    """

    maker: Callable[..., Reduction]
    function: Callable[..., Array]
    parameters: tuple[Any, ...]

    def __call__(self, values: ArrayLike, weights: ArrayLike | None = None) -> Array:
        """Reduce the values; boolean weights are a mask."""
        amounts = None if weights is None else as_array(weights)
        return self.function(as_array(values), amounts, *self.parameters)

    def __repr__(self) -> str:
        given = [getattr(item, "__name__", None) or repr(item) for item in self.parameters]
        return f"{self.maker.__name__}({', '.join(given)})"


def hardest(count: int) -> Reduction:
    """Make the mean over the hardest examples: those with the largest losses.

        Σ_i w_i v_i / Σ_i w_i   over the k examples of weight w_i != 0 with the largest v_i

    Args:
        count: The number k >= 1 of examples; where fewer count, the mean is over those.

    Returns:
        A reduction, `Objective(..., reduction=hardest(k))`. Other examples have the gradient 0.

    Raises:
        TypeError: `count` is no integer.
        ValueError: `count` is below 1.

    Use when most examples, such as pixels of the background, are soon fit and drown the others.
    Avoid when labels are wrong: the hardest examples are then the wrong ones.

    Example:
        >>> import jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.hardest(2))
        >>> error
        Objective(absolute_error, reduction=hardest(2))
        >>> float(error([1.0, 4.0, 2.0], [0.0, 0.0, 0.0]))
        3.0

    Limits:
        hardest(1) is the maximum; hardest(n) is `mean` for n examples; hardest(k) is `cvar(k / n)`
        for n examples of equal weight.

    References:
        Shrivastava, Gupta & Girshick (2016), Training region-based object detectors with online
        hard example mining, arXiv:1604.03540.
        Fan, Lyu, Ying & Hu (2017), Learning with average top-k loss, arXiv:1705.08826.
    """
    if isinstance(count, bool) or operator.index(count) < 1:
        raise ValueError(f"hardest: `count` is an integer >= 1, got {count!r}")
    return Parametric(hardest, _mean_of_hardest, (operator.index(count),))


def cvar(share: ArrayLike) -> Reduction:
    """Make the conditional value at risk: the mean over the worst share of all mass.

        min_t  t + Σ_i w_i max(0, v_i - t) / (a Σ_i w_i),   a = share,   w = weights, v = values

    The example at the boundary counts with the fraction of its weight that completes the share.

    Args:
        share: The share a of the mass, in (0, 1].

    Returns:
        A reduction, `Objective(..., reduction=cvar(a))`. In an objective a is a constant; called
        itself, as `cvar(a)(values, weights)`, it may be traced.

    Raises:
        ValueError: `share` is outside (0, 1]. What is known only inside `jit` gives NaN there.

    Use when rare bad outcomes cost most, or when a group of unknown members matters.
    Avoid when the batch is small beside 1 / a: the estimate is then too low.

    Example:
        >>> import jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.cvar(0.5))
        >>> float(error([1.0, 5.0, 2.0], [0.0, 0.0, 0.0]))
        4.0

    Limits:
        cvar(1) is `mean`; a → 0 is the maximum; it falls as a grows; at a = k / n it is
        `hardest(k)` for n examples of equal weight.

    References:
        Rockafellar & Uryasev (2000), Optimization of conditional value-at-risk,
        doi:10.21314/JOR.2000.038.
    """
    number = _static(share)
    if isinstance(number, float) and not 0 < number <= 1:
        raise ValueError(f"cvar: `share` is a number in (0, 1], got {share!r}")
    return Parametric(cvar, _mean_of_worst, (number,))


def tilted(tilt: ArrayLike) -> Reduction:
    """Make the log-mean-exp: a mean tilted towards the worst examples, or away from them.

        log(Σ_i w_i exp(t v_i) / Σ_i w_i) / t,   t = tilt,   w = weights, v = values

    Args:
        tilt: The number t, in the inverse unit of the loss: above 0 hard examples count more, below
            0 less.

    Returns:
        A reduction, `Objective(..., reduction=tilted(t))`. In an objective t is a constant; called
        itself, as `tilted(t)(values, weights)`, it may be traced.

    Use when a smooth compromise between the mean and the worst case is wanted, or with t < 0 one
        that outliers do not move.
    Avoid when values differ by far more than 1 / |t|: a single example then decides.

    Example:
        >>> import jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.tilted(1.0))
        >>> round(float(error([0.0, 1.0], [0.0, 0.0])), 4)
        0.6201

    Limits:
        t → 0 is `mean`, t → ∞ the maximum, t → -∞ the minimum; it grows with t. For t > 0 it is
        the largest Σ_i q_i v_i - KL(q || w) / t over distributions q: robust to all of those near
        the weights.

    References:
        Li, Beirami, Sanjabi & Smith (2021), Tilted empirical risk minimization, arXiv:2007.01162.
    """
    return Parametric(tilted, _log_mean_exp, (_static(tilt),))


def self_paced(threshold: ArrayLike) -> Reduction:
    """Make the mean over the easy examples: those with losses below a threshold.

        Σ_i w_i v_i / Σ_i w_i   over the examples with v_i < λ,   λ = threshold

    Which examples are easy is a constant in the gradient. Without easy examples the value is 0.

    Args:
        threshold: The number λ, in the unit of the loss, which grows as training goes on.

    Returns:
        A reduction, `Objective(..., reduction=self_paced(λ))`. In an objective λ is a constant; for
        a schedule call it itself, as in the example, where it may be traced.

    Use when some labels are wrong, or the fit is to start from what is easy to learn.
    Avoid when rare examples matter: they stay hard, and may never count.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> each = jl.Objective(jl.absolute_error, reduction=jl.none)
        >>> @jax.jit
        ... def risk(predictions, targets, step):
        ...     return jl.self_paced(1 + 0.1 * step)(each(predictions, targets))
        >>> [float(risk(jnp.array([1.0, 3.0]), jnp.zeros(2), step)) for step in (0, 10, 30)]
        [0.0, 1.0, 2.0]

    Limits:
        Above the largest value it is `mean`.

    References:
        Kumar, Packer & Koller (2010), Self-paced learning for latent variable models, Advances in
        Neural Information Processing Systems 23.
    """
    return Parametric(self_paced, _mean_of_easy, (_static(threshold),))


def flooded(level: ArrayLike, reduction: Reduction = mean) -> Reduction:
    """Make a reduction whose result, under gradient descent, does not fall below a level.

        |r - b| + b,   r = the reduced loss,   b = level

    Below the level the gradient changes its sign, so that the loss stays around b.

    Args:
        level: The number b, in the unit of the loss.
        reduction: The reduction r.

    Returns:
        A reduction, `Objective(..., reduction=flooded(b))`: 0 where nothing has mass, and with
        gradient 0 where r = b.

    Use when a network fits all training labels and its confidence goes on growing.
    Avoid when several terms are added and only their sum should stay up: apply the formula to it.

    Example:
        >>> import jax, jaxloss as jl
        >>> error = jl.Objective(jl.absolute_error, reduction=jl.flooded(1.0))
        >>> value, gradient = jax.value_and_grad(error)(0.25, 0.0)
        >>> float(value), float(gradient)
        (1.75, -1.0)

    Limits:
        Where r >= b it is r.

    References:
        Ishida, Yamane, Sakai, Niu & Sugiyama (2020), Do we need zero training loss after achieving
        zero training error?, arXiv:2002.08709.
    """
    return Parametric(flooded, _above_level, (_static(level), reduction))


def _static(number: ArrayLike) -> ArrayLike:
    """Convert a known number to a float, which compares and prints as one; keep a traced one."""
    return number if isinstance(number, jax.core.Tracer) else float(np.asarray(number))


def _counted(values: Array, weights: Array | None) -> tuple[Array, Array]:
    """Flat values and masses: values are 0 behind a mask, and NaN where their mass is NaN."""
    values = jnp.ravel(values).astype(computing_dtype(values))
    if weights is None:
        return values, jnp.ones_like(values)
    if weights.dtype == jnp.bool_:
        values = jnp.where(weights.ravel(), values, 0)
    masses = weights.ravel().astype(values.dtype)
    return poison(values, ~jnp.isnan(masses)), masses  # else what is not chosen would hide it


def _mean_of_hardest(values: Array, weights: Array | None, count: int) -> Array:
    values, masses = map(whole, _counted(values, weights))
    order = jax.lax.stop_gradient(jnp.where(masses == 0, -jnp.inf, values))
    # The choice is a constant, so that the gradient is that of a plain mean over the chosen.
    chosen = jnp.zeros(values.shape, bool).at[_largest(order, count)].set(True)
    return Average.of(values, jnp.where(chosen, masses, 0)).value


def _largest(values: Array, count: int) -> Array:
    if is_known(values.size) and count * _FEW <= values.size:
        return jax.lax.top_k(values, count)[1]
    return descending_order(values)[: jax.core.min_dim(count, values.size)]


def _mean_of_worst(values: Array, weights: Array | None, share: ArrayLike) -> Array:
    values, masses = map(whole, _counted(values, weights))
    order = descending_order(values)
    upto = jnp.cumsum(masses[order])  # the mass of all values at least as large
    alpha = jnp.asarray(share, values.dtype)
    wanted = poison(alpha, (alpha > 0) & (alpha <= 1)) * jnp.sum(masses)
    taken = jnp.clip(wanted - (upto - masses[order]), 0, masses[order])
    return Average.of(values[order], taken).value


def _mean_of_easy(values: Array, weights: Array | None, threshold: ArrayLike) -> Array:
    values, masses = _counted(values, weights)
    most = jnp.asarray(threshold, values.dtype)
    hard = values >= most  # so that NaN is not
    return poison(Average.of(values, jnp.where(hard, 0, masses)).value, ~jnp.isnan(most))


def _log_mean_exp(values: Array, weights: Array | None, tilt: ArrayLike) -> Array:
    """Log-mean-exp as the extreme value less a shortfall: no exp overflows, no digit is lost.

    With gaps g and m = mean((1 - exp(-t g)) / t), e = mean(exp(-t g)) = 1 - t m, the shortfall
    -log(e) / t is log(1 + t m / e) / t, which is smooth at t = 0.
    """
    values, masses = _counted(values, weights)
    signed = jnp.asarray(tilt, values.dtype)
    sign = jnp.where(signed < 0, -1, 1).astype(values.dtype)
    rate, turned = sign * signed, sign * values
    counts = masses != 0
    top = jax.lax.stop_gradient(jnp.max(turned, where=counts, initial=-jnp.inf))
    gaps = jnp.where(jnp.isinf(top) | ~counts, 0, top - turned)
    lost = divide(
        mean(one_minus_exp_over_rate(gaps, rate), masses), mean(jnp.exp(-rate * gaps), masses)
    )
    reached = sign * (jnp.where(jnp.any(counts), top, 0) - log1p_over_rate(lost, rate))
    return poison(reached, ~jnp.any(jnp.isnan(values)))  # also where the weight is 0, as in `mean`


def _above_level(
    values: Array, weights: Array | None, level: ArrayLike, reduction: Reduction
) -> Array:
    reduced = reduction(values, weights)
    counts = jnp.ones(values.shape, bool) if weights is None else weights != 0
    has_mass = jnp.any(counts, axis=range(reduced.ndim, counts.ndim))  # each result
    return jnp.where(has_mass, abs_zero_grad(reduced - level) + level, 0)
