"""Losses of diffusion models: the squared error of the noise, weighted by the log-SNR.

They differ in how much the noise levels count. Inputs and targets are made by
`jaxloss.losses.generative.forward_process`.
"""

from math import inf

import jax.numpy as jnp
from jax import Array

from jaxloss.core.domains import NonNegative, Number, Positive
from jaxloss.losses.generative.denoising import denoising
from jaxloss.numerics import quotient, reciprocal
from jaxloss.numerics.logistic import sigmoid


@denoising(smooth=2.0)
def noise_error(log_snr: Array) -> Array:
    """Squared error of the noise, the same at every log-SNR: the simple loss of DDPM.

        r²,   r = prediction - target

    Args:
        predictions: Predicted noise, shape `[...]`.
        log_snr: Log of the signal-to-noise ratio; its shape is a prefix of `[...]`.
        targets: The noise, shape `[...]`.

    Returns:
        One value per element, shape `[...]`.

    Use when the likelihood is wanted, with `weights=` half of -dλ/dt, λ = log-SNR at time t; or as
        it is, with the emphasis that the schedule happens to give each log-SNR.
    Avoid when the log-SNR reaches -∞, where the input is the noise and any network is right.

    Example:
        >>> import jaxloss as jl
        >>> jl.noise_error([1.5, 1.5], [0.0, 9.0], [1.0, 0.0]).tolist()
        [0.25, 2.25]
        >>> float(jl.velocity_prediction(jl.noise_error)(3.0, 0.0, 1.0))
        2.0

    Limits:
        `squared_error` of predictions and targets; `min_snr` as gamma → ∞. By how much half its
        integral over all log-SNRs exceeds the least possible is the Kullback-Leibler divergence of
        the model from the data.

    References:
        Ho, Jain & Abbeel (2020), Denoising diffusion probabilistic models, arXiv:2006.11239.
        Kingma, Salimans, Poole & Ho (2021), Variational diffusion models, arXiv:2107.00630.
    """
    return jnp.ones_like(log_snr)


@denoising(smooth=2.0)
def min_snr(log_snr: Array, *, gamma: Positive = 5.0) -> Array:
    """Min-SNR loss: squared error of the noise, weighted by min(1, gamma / SNR).

        min(1, gamma / SNR) r²,   r = prediction - target

    For clean data the weight is min(SNR, gamma), for velocities min(SNR, gamma) / (SNR + 1).

    Args:
        predictions: Predicted noise, shape `[...]`.
        log_snr: Log of the signal-to-noise ratio; its shape is a prefix of `[...]`.
        targets: The noise, shape `[...]`.
        gamma: The signal-to-noise ratio above which weight falls off, > 0.

    Returns:
        One value per element, shape `[...]`.

    Use when training should converge fast: no noise level outweighs the others.
    Avoid when the last details count, or the likelihood: both lie at high signal-to-noise ratios.

    Example:
        >>> import jaxloss as jl
        >>> jl.min_snr([3.0, 3.0], [0.0, -float("inf")], [1.0, 1.0], gamma=0.5).tolist()
        [2.0, 4.0]
        >>> objective = jl.Objective(jl.velocity_prediction(jl.min_snr), gamma=5.0)
        >>> float(objective(([[3.0, 1.0]], [0.0]), [[1.0, 1.0]]))
        1.0

    Limits:
        gamma → ∞ is `noise_error`; `sigmoid_snr` with bias log gamma is at least half of it, and
        at most all.

    References:
        Hang et al. (2023), Efficient diffusion training via min-SNR weighting strategy,
        arXiv:2303.09556.
    """
    # Here and below exp stays finite: `Denoising.weight` bounds the log-SNR by ±80.
    return jnp.minimum(1, gamma * jnp.exp(-log_snr))


@denoising(smooth=inf)
def truncated_snr(log_snr: Array) -> Array:
    """Truncated SNR loss: the larger of the squared errors of the noise and of the clean data.

        max(1, 1 / SNR) r²,   r = prediction - target

    For clean data the weight is max(SNR, 1).

    Args:
        predictions: Predicted noise, shape `[...]`.
        log_snr: Log of the signal-to-noise ratio; its shape is a prefix of `[...]`.
        targets: The noise, shape `[...]`.

    Returns:
        One value per element, shape `[...]`.

    Use when samples are made in few steps, so that errors at low signal-to-noise ratios stay.
    Avoid when the network predicts noise and the log-SNR is far below 0: the weight is huge.

    Example:
        >>> import jaxloss as jl
        >>> jl.truncated_snr([3.0, 3.0], [0.0, float("inf")], [1.0, 1.0]).tolist()
        [4.0, 4.0]

    Limits:
        At least half of `edm` with `data_scale` 1, and at most all of it.

    References:
        Salimans & Ho (2022), Progressive distillation for fast sampling of diffusion models,
        arXiv:2202.00512.
    """
    return jnp.maximum(1, jnp.exp(-log_snr))


@denoising(smooth=lambda k, gamma: 2 * k**-gamma)
def p2(log_snr: Array, *, k: Positive = 1.0, gamma: NonNegative = 1.0) -> Array:
    """P2 loss: squared error of the noise, with a weight that falls as a power of the SNR.

        r² / (k + SNR)^gamma,   r = prediction - target

    Args:
        predictions: Predicted noise, shape `[...]`.
        log_snr: Log of the signal-to-noise ratio; its shape is a prefix of `[...]`.
        targets: The noise, shape `[...]`.
        k: The signal-to-noise ratio around which the weight begins to fall, > 0.
        gamma: The power, >= 0; the paper has 1/2 and 1.

    Returns:
        One value per element, shape `[...]`.

    Use when coarse content should be learned before fine detail.
    Avoid when the schedule spends little time at high noise: the weight does not make up for it.

    Example:
        >>> import jaxloss as jl
        >>> jl.p2([3.0, 3.0], [0.0, float("inf")], [1.0, 1.0], gamma=2.0).tolist()
        [1.0, 0.0]

    Limits:
        gamma = 0 is `noise_error`; gamma = 1 is `sigmoid_snr` with bias log k, over k.

    References:
        Choi et al. (2022), Perception prioritized training of diffusion models, arXiv:2204.00227.
    """
    return jnp.power(k + jnp.exp(log_snr), -jnp.asarray(gamma))


@denoising(smooth=2.0)
def sigmoid_snr(log_snr: Array, *, bias: Number = 2.0) -> Array:
    """Squared error of the noise, weighted by a sigmoid that falls with the log-SNR.

        sigmoid(b - λ) r²,   r = prediction - target, b = bias, λ = log-SNR

    Args:
        predictions: Predicted noise, shape `[...]`.
        log_snr: Log of the signal-to-noise ratio; its shape is a prefix of `[...]`.
        targets: The noise, shape `[...]`.
        bias: The log-SNR at which the weight is 1/2; smaller for larger images.

    Returns:
        One value per element, shape `[...]`.

    Use when log-SNRs are drawn evenly, or with `weights=` -dλ/dt: a likelihood, of noised data.
    Avoid when the likelihood of the clean data is wanted: fine detail counts for little.

    Example:
        >>> import jaxloss as jl
        >>> jl.sigmoid_snr([3.0, 3.0], [2.0, -float("inf")], [1.0, 1.0], bias=2.0).tolist()
        [2.0, 4.0]

    Limits:
        b → ∞ is `noise_error`; `p2` with gamma = 1 and k = exp(b) is it over k.

    References:
        Kingma & Gao (2023), Understanding diffusion objectives as the ELBO with simple data
        augmentation, arXiv:2303.00848.
        Hoogeboom et al. (2024), Simpler diffusion (SiD2): 1.5 FID on ImageNet512 with pixel-space
        diffusion, arXiv:2410.19324.
    """
    return sigmoid(bias - log_snr)


@denoising(smooth=inf)
def edm(log_snr: Array, *, data_scale: Positive = 0.5) -> Array:
    """EDM loss: squared error of the preconditioned target, of variance 1 at every log-SNR.

        (1 + 1 / (s² SNR)) r²,   r = prediction - target, s = data scale

    For clean data the weight is SNR + 1 / s², or (n² + s²) / (n s)² where noise of deviation n is
    added to it and SNR = 1 / n².

    Args:
        predictions: Predicted noise, shape `[...]`.
        log_snr: Log of the signal-to-noise ratio; its shape is a prefix of `[...]`.
        targets: The noise, shape `[...]`.
        data_scale: The standard deviation s of the clean data, > 0.

    Returns:
        One value per element, shape `[...]`.

    Use when log-SNRs are drawn from a normal distribution; the paper has N(2.4, 2.4²).
    Avoid when they are drawn evenly and go far: the weight keeps all noise levels alike.

    Example:
        >>> import jaxloss as jl
        >>> jl.edm([3.0, 3.0], [0.0, float("inf")], [1.0, 1.0], data_scale=0.5).tolist()
        [20.0, 4.0]

    Limits:
        With data scale 1, `velocity_prediction` of it is `squared_error` of the velocity; → ∞ is
        `noise_error`.

    References:
        Karras, Aittala, Aila & Laine (2022), Elucidating the design space of diffusion-based
        generative models, arXiv:2206.00364.
    """
    # Divided by the scale twice: its square may overflow or underflow.
    return 1 + quotient(jnp.exp(-log_snr), data_scale) * reciprocal(data_scale)
