"""The forward process of diffusion and flow models: noisy inputs, network targets, log-SNRs.

A variance-preserving process mixes clean data and noise, both of variance 1, by an angle; all that
the mix depends on is the log-SNR. Any other process alpha x + sigma ε is this one with the log-SNR
log(alpha² / sigma²), times √(alpha² + sigma²): its noise is the same, under the same losses.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.masking import as_prefix
from jaxloss.numerics import as_array, computing_dtype, quotient
from jaxloss.numerics.broadcasting import expand_trailing


def _mixing(owner: str, log_snr: ArrayLike, **arrays: ArrayLike) -> list[Array]:
    """The arrays, then alpha and sigma."""
    # By logarithms: the derivative of a root is infinite at 0, which is alpha or sigma at ±∞.
    *cast, level = _together(owner, "log_snr", log_snr, **arrays)
    return [*cast, *(jnp.exp(jax.nn.log_sigmoid(x) / 2) for x in (level, -level))]


def _together(owner: str, name: str, level: ArrayLike, **arrays: ArrayLike) -> list[Array]:
    """The arrays, of one shape and in the computing dtype, then the level, with as many axes."""
    converted = {key: as_array(value) for key, value in {**arrays, name: level}.items()}
    dtype = computing_dtype(*converted.values())
    (first, like), *others = converted.items()
    for key, array in others[:-1]:
        if array.shape != like.shape:
            shapes = f"`{first}` {like.shape}, `{key}` {array.shape}"
            message = f"{owner}: shapes are equal, never broadcast, got {shapes}"
            raise ValueError(message)
    as_prefix(owner, name, converted[name], like.shape)
    return [expand_trailing(array.astype(dtype), like.ndim) for array in converted.values()]


def diffuse(clean: ArrayLike, noise: ArrayLike, log_snr: ArrayLike) -> Array:
    """Noisy input of a diffusion model: clean data and noise mixed at a log-SNR.

        alpha x + sigma ε,   alpha² = sigmoid(λ), sigma² = sigmoid(-λ),
        x = clean, ε = noise, λ = log-SNR

    Args:
        clean: The data, shape `[...]`, scaled to a variance of about 1.
        noise: Standard normal noise, shape `[...]`.
        log_snr: Log of alpha² / sigma², ±inf included; its shape is a prefix of `[...]`.

    Returns:
        The noisy input, shape `[...]`: the clean data at log-SNR ∞, the noise at -∞.

    Raises:
        ValueError: Shapes do not fit together.

    Example:
        >>> import jaxloss as jl
        >>> jl.diffuse([[3.0, 1.0], [3.0, 1.0]], [[4.0, 2.0]] * 2, [float("inf"), -float("inf")])
        Array([[3., 1.],
               [4., 2.]], dtype=float32)

    References:
        Ho, Jain & Abbeel (2020), Denoising diffusion probabilistic models, arXiv:2006.11239.
        Kingma, Salimans, Poole & Ho (2021), Variational diffusion models, arXiv:2107.00630.
    """
    x, e, alpha, sigma = _mixing("diffuse", log_snr, clean=clean, noise=noise)
    return alpha * x + sigma * e


def velocity(clean: ArrayLike, noise: ArrayLike, log_snr: ArrayLike) -> Array:
    """Velocity target of v-prediction: the derivative of the noisy input in the mixing angle.

        alpha ε - sigma x,   alpha² = sigmoid(λ), sigma² = sigmoid(-λ),
        x = clean, ε = noise, λ = log-SNR

    It is a useful target at every log-SNR: the data where the input is noise, the noise where it is
    clean data, and never what the input already contains.

    Args:
        clean: The data, shape `[...]`; or what a network takes for it.
        noise: The noise, shape `[...]`; or what a network takes for it.
        log_snr: Log of alpha² / sigma², ±inf included; its shape is a prefix of `[...]`.

    Returns:
        The velocity, shape `[...]`.

    Raises:
        ValueError: Shapes do not fit together.

    Example:
        >>> import jaxloss as jl
        >>> jl.velocity([3.0, 3.0], [4.0, 4.0], [float("inf"), -float("inf")]).tolist()
        [4.0, -3.0]

    References:
        Salimans & Ho (2022), Progressive distillation for fast sampling of diffusion models,
        arXiv:2202.00512.
    """
    x, e, alpha, sigma = _mixing("velocity", log_snr, clean=clean, noise=noise)
    return alpha * e - sigma * x


def clean_from_velocity(velocity: ArrayLike, noisy: ArrayLike, log_snr: ArrayLike) -> Array:
    """Clean data computed from a predicted velocity.

        alpha z - sigma v,   z = noisy, v = velocity

    Args:
        velocity: The prediction, shape `[...]`.
        noisy: The output of `diffuse`, shape `[...]`.
        log_snr: As for `diffuse`.

    Returns:
        The clean data, shape `[...]`, as exact as the prediction at every log-SNR.

    Raises:
        ValueError: Shapes do not fit together.

    Example:
        >>> import jaxloss as jl
        >>> noisy, velocity = jl.diffuse(3.0, 4.0, 0.5), jl.velocity(3.0, 4.0, 0.5)
        >>> round(float(jl.clean_from_velocity(velocity, noisy, 0.5)), 4)
        3.0
    """
    v, z, alpha, sigma = _mixing("clean_from_velocity", log_snr, velocity=velocity, noisy=noisy)
    return alpha * z - sigma * v


def noise_from_velocity(velocity: ArrayLike, noisy: ArrayLike, log_snr: ArrayLike) -> Array:
    """Noise computed from a predicted velocity.

        sigma z + alpha v,   z = noisy, v = velocity

    Args:
        velocity: The prediction, shape `[...]`.
        noisy: The output of `diffuse`, shape `[...]`.
        log_snr: As for `diffuse`.

    Returns:
        The noise, shape `[...]`, as exact as the prediction at every log-SNR.

    Raises:
        ValueError: Shapes do not fit together.

    Example:
        >>> import jaxloss as jl
        >>> noisy, velocity = jl.diffuse(3.0, 4.0, 0.5), jl.velocity(3.0, 4.0, 0.5)
        >>> round(float(jl.noise_from_velocity(velocity, noisy, 0.5)), 4)
        4.0
    """
    v, z, alpha, sigma = _mixing("noise_from_velocity", log_snr, velocity=velocity, noisy=noisy)
    return sigma * z + alpha * v


def clean_from_noise(noise: ArrayLike, noisy: ArrayLike, log_snr: ArrayLike) -> Array:
    """Clean data computed from predicted noise.

        (z - sigma ε) / alpha,   z = noisy, ε = noise

    Args:
        noise: The prediction, shape `[...]`.
        noisy: The output of `diffuse`, shape `[...]`.
        log_snr: As for `diffuse`.

    Returns:
        The clean data, shape `[...]`. An error of the noise is exp(-λ / 2) times as large in it:
        at log-SNR -∞ nothing follows from the noise, and the result is infinite or NaN.

    Raises:
        ValueError: Shapes do not fit together.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.clean_from_noise(4.0, jl.diffuse(3.0, 4.0, 0.5), 0.5)), 4)
        3.0
    """
    e, z, alpha, sigma = _mixing("clean_from_noise", log_snr, noise=noise, noisy=noisy)
    # By `quotient`: JAX's rule of division has alpha² in it, which underflows sooner.
    return quotient(z - sigma * e, alpha)


def noise_from_clean(clean: ArrayLike, noisy: ArrayLike, log_snr: ArrayLike) -> Array:
    """Noise computed from predicted clean data.

        (z - alpha x) / sigma,   z = noisy, x = clean

    Args:
        clean: The prediction, shape `[...]`.
        noisy: The output of `diffuse`, shape `[...]`.
        log_snr: As for `diffuse`.

    Returns:
        The noise, shape `[...]`. An error of the data is exp(λ / 2) times as large in it: at
        log-SNR ∞ nothing follows from the data, and the result is infinite or NaN.

    Raises:
        ValueError: Shapes do not fit together.

    Example:
        >>> import jaxloss as jl
        >>> round(float(jl.noise_from_clean(3.0, jl.diffuse(3.0, 4.0, 0.5), 0.5)), 4)
        4.0
    """
    x, z, alpha, sigma = _mixing("noise_from_clean", log_snr, clean=clean, noisy=noisy)
    return quotient(z - alpha * x, sigma)


def flow(
    clean: ArrayLike, noise: ArrayLike, times: ArrayLike, *, sigma_min: ArrayLike = 0.0
) -> Array:
    """Input of a flow-matching model: the point at a time on a straight path from noise to data.

        t x + (1 - (1 - sigma_min) t) ε,   x = clean, ε = noise, t = time

    Args:
        clean: The data, or for flows between two data sets the second, shape `[...]`.
        noise: The noise, or the first data set, shape `[...]`.
        times: From 0, noise, to 1, data; the shape is a prefix of `[...]`.
        sigma_min: How much noise is left at time 1; 0 is the rectified flow.

    Returns:
        The point on the path, shape `[...]`. The network's target there is
        `flow_velocity`, under any distance-based loss, such as `squared_error`.

    Raises:
        ValueError: Shapes do not fit together.

    Example:
        >>> import jaxloss as jl
        >>> clean, noise = [[2.0, 4.0], [2.0, 4.0]], [[1.0, 0.0], [1.0, 0.0]]
        >>> jl.flow(clean, noise, [0.0, 0.5]).tolist()
        [[1.0, 0.0], [1.5, 2.0]]
        >>> jl.flow_velocity(clean, noise).tolist()
        [[1.0, 4.0], [1.0, 4.0]]

    References:
        Lipman, Chen, Ben-Hamu, Nickel & Le (2022), Flow matching for generative modeling,
        arXiv:2210.02747.
        Liu, Gong & Liu (2022), Flow straight and fast: learning to generate and transfer data
        with rectified flow, arXiv:2209.03003.
    """
    x, e, t = _together("flow", "times", times, clean=clean, noise=noise)
    # In this order the factor of the noise is exactly sigma_min at time 1.
    return t * x + (1 - t + sigma_min * t) * e


def flow_velocity(clean: ArrayLike, noise: ArrayLike, *, sigma_min: ArrayLike = 0.0) -> Array:
    """Velocity along a straight path from noise to data, the same at all times.

        x - (1 - sigma_min) ε,   x = clean, ε = noise

    A prediction u at the point z and the time t amounts, with sigma_min 0, to the clean data
    z + (1 - t) u and to the noise z - t u.

    Args:
        clean: The data, shape `[...]`.
        noise: The noise, shape `[...]`.
        sigma_min: As for `flow`.

    Returns:
        The velocity, shape `[...]`.

    Raises:
        ValueError: Shapes do not fit together.

    Example:
        >>> import jaxloss as jl
        >>> clean, noise, outputs = [2.0, 4.0], [1.0, 0.0], [1.0, 2.0]
        >>> float(jl.Objective(jl.squared_error)(outputs, jl.flow_velocity(clean, noise)))
        2.0
    """
    x, e, _ = _together("flow_velocity", "times", 0.0, clean=clean, noise=noise)
    return x - e + sigma_min * e


def flow_log_snr(times: ArrayLike, *, sigma_min: ArrayLike = 0.0) -> Array:
    """Log-SNR of a straight path from noise to data, with which its errors can be weighted.

        2 log(t / (1 - (1 - sigma_min) t)),   t = time

    Times drawn as sigmoid(m + s n), n standard normal, thus have normal log-SNRs, of mean 2 m and
    standard deviation 2 s: the logit-normal times of Esser et al. (2024).

    Args:
        times: From 0, noise, to 1, data, any shape.
        sigma_min: As for `flow`.

    Returns:
        The log-SNR, of the shape of `times`: -∞ at 0, and with `sigma_min` 0 ∞ at 1.

    Example:
        >>> import jaxloss as jl
        >>> jl.flow_log_snr([0.0, 0.5, 1.0]).tolist()
        [-inf, 0.0, inf]

    References:
        Lipman, Chen, Ben-Hamu, Nickel & Le (2022), Flow matching for generative modeling,
        arXiv:2210.02747.
        Esser et al. (2024), Scaling rectified flow transformers for high-resolution image
        synthesis, arXiv:2403.03206.
    """
    (t,) = _together("flow_log_snr", "times", times)
    # log1p has all digits of log(1 - t) for small t, where 1 - t has rounded them away.
    return 2 * (jnp.log(t) - jnp.log1p(sigma_min * t - t))
