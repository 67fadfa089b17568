"""Cross-entropy with two temperatures, which bound the loss and give the softmax heavy tails."""

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
    """Cross-entropy with two temperatures: one bounds it, one gives the softmax heavy tails.

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
    surprises, degree = _tempered_surprises(logits, t2 - 1), jnp.asarray(1 - t1)
    masked = surprises == jnp.inf
    powers = jnp.exp(-jnp.where(masked, 0, surprises) * (1 + degree))
    rivals = jnp.where(masked | is_label(labels, logits), 0, powers)
    return quotient(jnp.sum(rivals, axis=-1), 1 + degree) + _regret(
        at_label(surprises, labels), degree
    )


def _regret(surprise: Array, degree: Array) -> Array:
    """(1 - p^m) / m - (1 - p^(1 + m)) / (1 + m) of the surprise -log p, and the degree m >= 0."""
    near = surprise < 0.5  # there the difference would cancel to second order
    small, large = jnp.where(near, surprise, 0), jnp.where(near, 1, surprise)
    bend = (1 + degree) * phi2(-(1 + degree) * small) - degree * phi2(-degree * small)
    return jnp.where(
        near,
        small * small * bend,
        one_minus_exp_over_rate(large, degree) - one_minus_exp_over_rate(large, 1 + degree),
    )


def _tempered_surprises(logits: Array, rate: ArrayLike) -> Array:
    """-log p of every class, +inf where masked; p is the tempered softmax, 1 + rate its t2."""
    is_top = is_label(jnp.argmax(logits, axis=-1), logits)
    masked = logits == -jnp.inf
    top = jnp.sum(jnp.where(is_top & ~masked, logits, 0), axis=-1, keepdims=True)
    gaps = jnp.where(is_top | masked, 0, top - logits)
    least = _least_surprise(
        jnp.where(is_top | masked, jnp.inf, gaps), jnp.asarray(rate, gaps.dtype)
    )
    return jnp.where(masked, jnp.inf, least[..., None] + _lags(least, gaps, rate))


def _lags(least: Array, gaps: Array, rate: ArrayLike) -> Array:
    """log(p_top / p_j) from the gaps between the logits and the surprise at the largest."""
    return log1p_over_rate(gaps * jnp.exp(-least * rate)[..., None], rate)


@jax.custom_jvp
def _least_surprise(gaps: Array, rate: Array) -> Array:
    """-log p of the likeliest class, from the gaps to its rivals; +inf is no rival."""

    def newton(_: int, state: tuple[Array, ...]) -> tuple[Array, ...]:
        least, low, high = state
        excess, slope = _excess_and_slope(least, gaps, rate)
        low, high = jnp.where(excess > 0, least, low), jnp.where(excess > 0, high, least)
        step = least - excess / slope
        inside = (step >= low) & (step <= high)
        return jnp.where(inside, step, (low + high) / 2), low, high

    low = jnp.zeros_like(jnp.min(gaps, axis=-1))  # spread over devices as the examples are
    high = jnp.full_like(low, math.log(gaps.shape[-1]))  # that of the uniform distribution
    root: Array = jax.lax.fori_loop(0, _NEWTON_STEPS, newton, (low, low, high))[0]
    return root


@_least_surprise.defjvp
def _implicitly(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    """The derivative of the root, from those of the equation that it solves."""
    least = _least_surprise(*primals)
    _, slope = _excess_and_slope(least, *primals)
    _, change = jax.jvp(functools.partial(_excess, least), primals, tangents)
    return least, -change * reciprocal(slope)


def _excess(least: Array, gaps: Array, rate: Array) -> Array:
    """log(Σ_j p_j / p_top) + log p_top, which falls in -log p_top and is 0 where Σ_j p_j = 1."""
    rival = gaps < jnp.inf
    lags = _lags(least, jnp.where(rival, gaps, 0), rate)
    return jnp.log1p(jnp.sum(jnp.where(rival, jnp.exp(-lags), 0), axis=-1)) - least


def _excess_and_slope(least: Array, gaps: Array, rate: Array) -> tuple[Array, Array]:
    return jax.jvp(lambda x: _excess(x, gaps, rate), (least,), (jnp.ones_like(least),))
