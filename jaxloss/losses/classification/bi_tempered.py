"""Bi-tempered logistic loss: a bounded logarithm and a softmax with heavy tails."""

import functools
import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import AtLeastOne, Label, Logits, Unit
from jaxloss.core.loss import loss
from jaxloss.numerics import at_label, is_label, quotient, reciprocal
from jaxloss.numerics.special import log1p_over_rate, one_minus_exp_over_rate, phi2

_NEWTON_STEPS = 20  # 8 are enough for all but contrived gaps, where bisection helps


@loss(convex=lambda t1, t2: t1 == 1 == t2, strictly_convex=False, calibrated=True)
def bi_tempered_logistic(
    logits: Logits, labels: Label, *, t1: Unit = 0.8, t2: AtLeastOne = 1.2
) -> Array:
    """Bi-tempered logistic loss: cross-entropy of a bounded logarithm and a heavy-tailed softmax.

        Σ_{j != y} p_j^(1 + m) / (1 + m) + (1 - p_y^m) / m - (1 - p_y^(1 + m)) / (1 + m),
        p_j = (1 + k (z - o_j))^(-1 / k) with z such that Σ_j p_j = 1,
        o = logits,   y = label,   m = 1 - t1,   k = t2 - 1

    The largest logit has the largest p, and p is the distribution of the labels where the risk is
    least: the loss is a Bregman divergence of the one-hot label from p.

    Args:
        logits: Unnormalised tempered log-probabilities, -inf for masked classes, shape
            `[..., classes]`.
        labels: The true class, an integer in [0, classes), shape `[...]`.
        t1: Temperature of the logarithm, in [0, 1]. Below 1 the loss is at most 1 / (1 - t1), so
            that labels far from the boundary may be wrong.
        t2: Temperature of the exponential, >= 1. Above 1 the tails of p are heavy, so that
            labels near the boundary may be wrong.

    Returns:
        One value per example, shape `[...]`, in [0, 1 / (1 - t1)].

    Use when labels are wrong both near the boundary and far from it.
    Avoid when time is short: z is found by 20 steps of Newton's method over the classes.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.bi_tempered_logistic([0.0, 0.0], 1, t1=0.0, t2=2.0))
        0.25

    Limits:
        t1 = t2 = 1 is `softmax_cross_entropy_with_integer_labels`; t1 = 0, t2 = 1 is half of
        `brier`. A masked class as the label gives 1 / (1 - t1).

    References:
        Amid, Warmuth, Anil & Koren (2019), Robust bi-tempered logistic loss based on Bregman
        divergences, arXiv:1906.03361.
    """
    # n = -log p, m = 1 - t1 and k = t2 - 1: powers of p are exp(-m n), without a difference.
    n, m = _negative_log_probabilities(logits, t2 - 1), jnp.asarray(1 - t1)
    masked = n == jnp.inf
    powers = jnp.exp(-jnp.where(masked, 0, n) * (1 + m))
    others = jnp.where(masked | is_label(labels, logits), 0, powers)
    return quotient(jnp.sum(others, axis=-1), 1 + m) + _label_term(at_label(n, labels), m)


def _label_term(n: Array, m: Array) -> Array:
    """(1 - p^m) / m - (1 - p^(1 + m)) / (1 + m) at p = exp(-n), for m >= 0."""
    # (1 - exp(-a n)) / a = n - a n² φ2(-a n), with φ2(x) = (exp(x) - 1 - x) / x²: the terms n
    # of both quotients cancel, which near n = 0 would leave no digit of the difference.
    near = n < 0.5
    small, large = jnp.where(near, n, 0), jnp.where(near, 1, n)
    second_order = (1 + m) * phi2(-(1 + m) * small) - m * phi2(-m * small)
    return jnp.where(
        near,
        small * small * second_order,
        one_minus_exp_over_rate(large, m) - one_minus_exp_over_rate(large, 1 + m),
    )


def _negative_log_probabilities(logits: Array, k: ArrayLike) -> Array:
    """-log p of each class, +inf where masked; p is the tempered softmax of temperature 1 + k."""
    is_top = is_label(jnp.argmax(logits, axis=-1), logits)
    masked = logits == -jnp.inf
    top = jnp.sum(jnp.where(is_top & ~masked, logits, 0), axis=-1, keepdims=True)
    gaps = jnp.where(is_top | masked, 0, top - logits)
    top_n = _top_negative_log_probability(
        jnp.where(is_top | masked, jnp.inf, gaps), jnp.asarray(k, gaps.dtype)
    )
    return jnp.where(masked, jnp.inf, top_n[..., None] + _log_ratios(top_n, gaps, k))


def _log_ratios(top_n: Array, gaps: Array, k: ArrayLike) -> Array:
    """log(p_top / p_j) from the gaps o_top - o_j and -log p_top."""
    # p_j^-k = 1 + k (z - o_j) = p_top^-k + k gap_j, so (p_top / p_j)^k = 1 + k gap_j p_top^k:
    # the normaliser z, a difference of large numbers, appears nowhere.
    return log1p_over_rate(gaps * jnp.exp(-top_n * k)[..., None], k)


# Differentiated as it is, the loop would keep all its steps for the backward pass. The root needs
# none: f(root, x) = 0 implies d root = -(∂f/∂x dx) / (∂f/∂root) (implicit function theorem).
@jax.custom_jvp
def _top_negative_log_probability(gaps: Array, k: Array) -> Array:
    """-log p of the most probable class, from its gaps to the others; +inf stands for none."""

    def newton(_: int, state: tuple[Array, ...]) -> tuple[Array, ...]:
        top_n, low, high = state
        excess, derivative = _excess_and_derivative(top_n, gaps, k)
        low, high = jnp.where(excess > 0, top_n, low), jnp.where(excess > 0, high, top_n)
        step = top_n - excess / derivative
        between = (step >= low) & (step <= high)  # elsewhere, bisect
        return jnp.where(between, step, (low + high) / 2), low, high

    low = jnp.zeros_like(jnp.min(gaps, axis=-1))  # sharded as the examples are
    high = jnp.full_like(low, math.log(gaps.shape[-1]))  # that of the uniform distribution
    root: Array = jax.lax.fori_loop(0, _NEWTON_STEPS, newton, (low, low, high))[0]
    return root


@_top_negative_log_probability.defjvp
def _implicit_derivative(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    top_n = _top_negative_log_probability(*primals)
    _, derivative = _excess_and_derivative(top_n, *primals)
    _, tangent = jax.jvp(functools.partial(_excess, top_n), primals, tangents)
    return top_n, -tangent * reciprocal(derivative)


def _excess(top_n: Array, gaps: Array, k: Array) -> Array:
    """log(Σ_j p_j / p_top) + log p_top, which falls in -log p_top and is 0 where Σ_j p_j = 1."""
    present = gaps < jnp.inf
    log_ratios = _log_ratios(top_n, jnp.where(present, gaps, 0), k)
    # log1p of the sum without the top, whose ratio is 1: small ratios keep their digits.
    return jnp.log1p(jnp.sum(jnp.where(present, jnp.exp(-log_ratios), 0), axis=-1)) - top_n


def _excess_and_derivative(top_n: Array, gaps: Array, k: Array) -> tuple[Array, Array]:
    return jax.jvp(lambda x: _excess(x, gaps, k), (top_n,), (jnp.ones_like(top_n),))
