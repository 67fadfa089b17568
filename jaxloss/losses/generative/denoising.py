"""What losses of diffusion models have in common: squared errors, weighted by the log-SNR.

Networks predict the noise, the clean data or a velocity. Given the noisy input these are one
function, whose squared errors differ by a factor of the log-SNR. Weightings are defined for the
noise; `clean_prediction`, `velocity_prediction` and `flow_prediction` convert them.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Annotated, Any, Concatenate, ParamSpec

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.derive import derive
from jaxloss.core.domains import ArrayDomain, Real
from jaxloss.core.facts import Facts
from jaxloss.core.loss import Loss
from jaxloss.core.signature import Signature
from jaxloss.numerics import as_array, computing_dtype
from jaxloss.numerics.broadcasting import expand_trailing
from jaxloss.numerics.logistic import sigmoid

P = ParamSpec("P")

_FARTHEST = 80.0  # beyond it noise or data is below rounding, and in single precision exp overflows

LogSnr = Annotated[
    Array,
    ArrayDomain(
        "LogSnr",
        "log-SNRs, ±inf included, in a shape that is a prefix of the first",
        prefix=True,
        ordinary=(-4.0, 4.0),
        edges=(0.0, 30.0, -30.0, inf, -inf),
    ),
]


class Denoising(Loss[Concatenate[Array, Array, Array, P]]):
    """A squared error that is weighted by a function of the log-SNR."""

    def weight(self, log_snr: ArrayLike, **hyperparameters: Any) -> Array:
        """The weight of the squared error at each log-SNR, for use with another loss.

        A weighted mean would divide by the sum of the weights; `mean_by_count` does not.

        Example:
            >>> import jaxloss as jl
            >>> robust = jl.Objective(jl.absolute_error, reduction=jl.mean_by_count)
            >>> weights = jl.min_snr.weight([0.0, float("inf")], gamma=0.5)
            >>> float(robust([3.0, 3.0], [0.0, 0.0], weights=weights))
            0.75
        """
        level = as_array(log_snr)
        # At ±inf a product of two factors, as in `clean_prediction`, may be 0 times infinity.
        level = jnp.clip(level.astype(computing_dtype(level)), -_FARTHEST, _FARTHEST)
        return self.function(level, **hyperparameters) + 0 * level  # NaN stays

    def compute(self, *arrays: Array, **hyperparameters: Any) -> Array:
        """The value at arrays that fit, without checks, casts or compilation."""
        predictions, log_snr, targets = arrays
        residual = predictions - targets
        weight = expand_trailing(self.weight(log_snr, **hyperparameters), residual.ndim)
        return residual * (weight * residual)  # in this order: the square alone may overflow


_WEIGHTED_SQUARE = Facts(
    convex=True, strictly_convex=True, lipschitz=inf, supremum=inf, elicits="mean"
)
_ARRAYS = {"predictions": Real, "log_snr": LogSnr, "targets": Real}


def denoising(**facts: Any) -> Callable[[Callable[Concatenate[Array, P], Array]], Denoising[P]]:
    """Turn a weight w, a function of the log-SNR, into the loss w r² of predicted noise.

    Args:
        **facts: What is known beside the facts of every weighted square, such as `smooth`.

    Returns:
        A decorator of functions of `log_snr` and keywords, whose annotations are domains.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> @jl.denoising(smooth=float("inf"))
        ... def inverse_root(log_snr: jax.Array) -> jax.Array:
        ...     return jnp.exp(-log_snr / 2)
        >>> float(jl.velocity_prediction(inverse_root)(3.0, 0.0, 1.0))
        2.0
    """

    def decorate(weight: Callable[Concatenate[Array, P], Array]) -> Denoising[P]:
        signature = Signature.of(weight, _ARRAYS)
        return Denoising(weight, signature, replace(_WEIGHTED_SQUARE, **facts))

    return decorate


class Prediction(Denoising[...]):
    """The same loss for a network that predicts something else than the noise."""


def _carried(
    maker: Callable[..., Prediction], weighting: Denoising[...], factor: Callable[[Array], Array]
) -> Prediction:
    """The loss with the weight times the factor of squared errors from prediction to noise."""
    if isinstance(weighting, Prediction) or not isinstance(weighting, Denoising):
        message = "is a loss of predicted noise, as min_snr"
        raise TypeError(f"{maker.__name__}: `weighting` {message}, got {weighting!r}")

    def function(log_snr: Array, **hyperparameters: Any) -> Array:
        return weighting.function(log_snr, **hyperparameters) * factor(log_snr)

    doc = f"""`{weighting.__name__}` where the network predicts something else than the noise.

    Args:
        predictions: What `{maker.__name__}` is named after, shape `[...]`.
        log_snr: Log of the signal-to-noise ratio; its shape is a prefix of `[...]`.
        targets: The same of the data and its noise, shape `[...]`.
        **hyperparameters: Those of `{weighting.__name__}`.

    Returns:
        One value per element, shape `[...]`.
    """
    return derive(
        maker,
        weighting,
        function=function,
        doc=doc,
        facts=_WEIGHTED_SQUARE,
        signature=weighting.signature,
        kind=Prediction,
    )


def clean_prediction(weighting: Denoising[...]) -> Prediction:
    """Turn a loss of predicted noise into that of predicted clean data.

        w SNR r²,   r = prediction - target, w = the weight for the noise

    Given the noisy input, an error of the clean data is one of the noise times √SNR. The weight is
    finite at every log-SNR; at its ends, ±∞, it is that of log-SNR ±80.

    Args:
        weighting: A loss of predicted noise, such as `min_snr` or `truncated_snr`.

    Returns:
        A loss of `predictions` and `targets`, clean data of shape `[...]`, with `log_snr` between
        them and the hyper-parameters of `weighting`; the same object each time.

    Raises:
        TypeError: `weighting` is no loss of predicted noise.

    Use when the data is easier to predict than the noise, as where it is discrete or sharp.
    Avoid when log-SNRs are high and the weighting does not fall: SNR makes the gradients huge.

    Example:
        >>> import jaxloss as jl
        >>> loss = jl.clean_prediction(jl.min_snr)
        >>> loss([3.0, 3.0], [0.0, float("inf")], [1.0, 1.0], gamma=5.0).tolist()
        [4.0, 20.0]

    Limits:
        clean_prediction(loss) of data is loss of `noise_from_clean` of it.

    References:
        Salimans & Ho (2022), Progressive distillation for fast sampling of diffusion models,
        arXiv:2202.00512.
    """
    return _carried(clean_prediction, weighting, jnp.exp)


def velocity_prediction(weighting: Denoising[...]) -> Prediction:
    """Turn a loss of predicted noise into that of predicted velocities.

        w r² SNR / (SNR + 1),   r = prediction - target, w = the weight for the noise

    Given the noisy input, an error of the velocity is one of the noise over alpha, and one of the
    clean data over sigma: each finite at every log-SNR.

    Args:
        weighting: A loss of predicted noise, such as `min_snr` or `sigmoid_snr`.

    Returns:
        A loss of `predictions` and `targets`, velocities of shape `[...]`, with `log_snr` between
        them and the hyper-parameters of `weighting`; the same object each time.

    Raises:
        TypeError: `weighting` is no loss of predicted noise.

    Use when log-SNRs reach -∞, or samples are made in few steps.
    Avoid when the process does not preserve the variance: `velocity` is meant, not a flow's.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> clean, noise = jax.random.normal(jax.random.key(0), (2, 8, 4, 4, 3))
        >>> log_snr = jnp.linspace(-20, 20, 8)
        >>> network = lambda noisy, log_snr: 0 * noisy
        >>> outputs = network(jl.diffuse(clean, noise, log_snr), log_snr)
        >>> targets = jl.velocity(clean, noise, log_snr)
        >>> objective = jl.Objective(jl.velocity_prediction(jl.min_snr), gamma=5.0)
        >>> objective((outputs, log_snr), targets, where=log_snr > -10).shape
        ()

    Limits:
        velocity_prediction(loss) of velocities is loss of `noise_from_velocity` of them; of
        `edm` with data scale 1 it is `squared_error`.

    References:
        Salimans & Ho (2022), Progressive distillation for fast sampling of diffusion models,
        arXiv:2202.00512.
        Lin, Liu, Li & Yang (2023), Common diffusion noise schedules and sample steps are flawed,
        arXiv:2305.08891.
    """
    return _carried(velocity_prediction, weighting, sigmoid)


def _squared_time(log_snr: Array) -> Array:
    # t / (1 - t) = √SNR on a straight path, so t = sigmoid(λ / 2).
    return jnp.square(sigmoid(log_snr / 2))


def flow_prediction(weighting: Denoising[...]) -> Prediction:
    """Turn a loss of predicted noise into that of predicted velocities of a flow.

        w t² r²,   r = prediction - target, w = the weight for the noise, t = 1 / (1 + 1 / √SNR)

    Given the point on the path from noise to data, an error of its velocity is one of the noise
    times 1 / t, and one of the clean data times 1 / (1 - t).

    Args:
        weighting: A loss of predicted noise, such as `min_snr` or `sigmoid_snr`.

    Returns:
        A loss of `predictions` and `targets`, velocities of shape `[...]`, with `log_snr` between
        them and the hyper-parameters of `weighting`; the same object each time.

    Raises:
        TypeError: `weighting` is no loss of predicted noise.

    Use when a flow should be trained with the emphasis of a diffusion model.
    Avoid when all times should count alike: that is `squared_error` of velocities, unweighted.

    Example:
        >>> import jaxloss as jl
        >>> outputs, times = [[3.0, 2.0], [1.0, 3.0]], [0.5, 1.0]
        >>> targets = jl.flow_velocity([[2.0, 4.0], [2.0, 4.0]], [[1.0, 0.0], [1.0, 0.0]])
        >>> loss = jl.flow_prediction(jl.noise_error)
        >>> loss(outputs, jl.flow_log_snr(times), targets).tolist()
        [[1.0, 1.0], [0.0, 1.0]]

    Limits:
        flow_prediction(loss) of velocities u at points z is loss of the noise z - t u. Unweighted,
        over even times, it is `noise_error` with a weight of 1 / (2 √SNR) over all log-SNRs.

    References:
        Lipman, Chen, Ben-Hamu, Nickel & Le (2022), Flow matching for generative modeling,
        arXiv:2210.02747.
        Kingma & Gao (2023), Understanding diffusion objectives as the ELBO with simple data
        augmentation, arXiv:2303.00848.
    """
    return _carried(flow_prediction, weighting, _squared_time)
