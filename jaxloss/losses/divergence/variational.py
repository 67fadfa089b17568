"""Losses of models with latent variables: Gaussian codes, and vector quantisation."""

from math import inf

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.domains import Real, SharedReal
from jaxloss.core.loss import loss
from jaxloss.numerics import as_array, square_sum, tiny
from jaxloss.numerics.custom_jvp import with_partials
from jaxloss.numerics.special import expm1_minus_x


# At a gap of 0 over a deviation of 0 JAX's derivatives would be 0 times infinity: here the partial
# in the log-variance is a multiple of the value, 0, and that in the gap is taken as 1.
@with_partials(
    lambda _, gap, log_variance: jnp.exp(_zero_if_exact(gap, -log_variance / 2)),
    lambda reduced, *_: -reduced / 2,
)
def _over_deviation(gap: Array, log_variance: Array) -> Array:
    """The gap over the standard deviation, where a gap of 0 wins over a deviation of 0."""
    bound = 1 / jnp.maximum(tiny(gap) - jnp.abs(gap), 0)  # infinite, but where the gap is 0
    return gap * jnp.minimum(jnp.exp(-log_variance / 2), bound)


def _zero_if_exact(gap: Array, shrink: Array) -> Array:
    return jnp.where((gap == 0) & jnp.isinf(jnp.exp(shrink)), 0, shrink)


@loss(convex=True, strictly_convex=True, lipschitz=inf, smooth=inf, supremum=inf)
def gaussian_kl(
    mean: Real, log_variance: SharedReal, prior_mean: SharedReal, prior_log_variance: SharedReal
) -> Array:
    """KL divergence of a Gaussian code from its Gaussian prior: the KL term of the ELBO.

        KL(N(m, v) || N(m', v')) = (v / v' - 1 - log(v / v') + (m - m')² / v') / 2,
        m, v = mean and variance of the code,   m', v' = those of the prior

    Args:
        mean: Means of the code, shape `[...]`.
        log_variance: Logs of its variances; -inf is a point, at infinite cost. Shape `[...]`, or
            shared: a scalar, or length 1 in any axis.
        prior_mean: Means of the prior, in the unit of `mean`, shape `[...]` or shared; mostly 0.
        prior_log_variance: Logs of its variances, shape `[...]` or shared; mostly 0.

    Returns:
        One value per element, shape `[...]`, in nats; that of a diagonal Gaussian is their sum. It
        keeps its digits near 0, where a code has collapsed to its prior.

    Use when a variational autoencoder has Gaussian codes. Its negative evidence lower bound (ELBO)
        sums this and the reconstruction loss over the elements of an example, so both terms take
        `mean_by_batch`; with a factor beta it is a beta-VAE. Free bits, a least cost `floor` of
        each latent dimension, are a reduction:
        `lambda values, _: jnp.sum(jnp.maximum(jnp.mean(values, axis=0), floor))`.
    Avoid when codes are classes (`kl_divergence`), or the prior is no Gaussian: sample instead.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> [round(float(x), 4) for x in jl.gaussian_kl([1.0, 0.0], [0.0, 1.0], 0.0, 0.0)]
        [0.5, 0.3591]
        >>> reconstruction = jl.Objective(jl.half_squared_error, reduction=jl.mean_by_batch)
        >>> divergence = jl.Objective(jl.gaussian_kl, reduction=jl.mean_by_batch)
        >>> negative_elbo = reconstruction.at("x") + 4.0 * divergence.at("z")  # beta = 4
        >>> decoded, mean, log_variance = jnp.ones((2, 3)), jnp.ones((2, 5)), jnp.zeros((2, 5))
        >>> outputs = {"x": decoded, "z": (mean, log_variance, 0.0)}
        >>> float(negative_elbo(outputs, {"x": jnp.zeros((2, 3)), "z": 0.0}))
        11.5

    Limits:
        0 for equal Gaussians; (m - m')² / (2 v') where variances are equal; the mean of
        `gaussian_nll` under the prior at samples of the code, less that under the code.

    References:
        Kingma & Welling (2014), Auto-encoding variational Bayes, arXiv:1312.6114.
        Higgins et al. (2017), beta-VAE: learning basic visual concepts with a constrained
        variational framework, ICLR.
        Kingma, Salimans, Jozefowicz, Chen, Sutskever & Welling (2016), Improving variational
        inference with inverse autoregressive flow, arXiv:1606.04934.
    """
    reduced = _over_deviation(mean - prior_mean, prior_log_variance)
    return (expm1_minus_x(log_variance - prior_log_variance) + reduced * reduced) / 2


def nearest_code(latents: ArrayLike, codebook: ArrayLike) -> Array:
    """Index of the codebook vector nearest to each latent vector.

        argmin_k |z - c_k|₂,   z = latent, c_k = vector k of the codebook

    The losses of vector quantisation (VQ-VAE) need no function of their own: two squared errors,
    each with gradients to one side only. See the example.

    Args:
        latents: Shape `[..., features]`.
        codebook: Shape `[codes, features]`.

    Returns:
        Integers in [0, codes), shape `[...]`; the lowest of several that are equally near.

    Raises:
        ValueError: The vectors have different lengths, or there is not one axis of codes.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> latents = jnp.array([[0.5, 1.0], [3.0, 2.0]])
        >>> codebook = jnp.array([[0.0, 1.0], [2.0, 2.0]])
        >>> codes = codebook[jl.nearest_code(latents, codebook)]
        >>> codes.tolist()
        [[0.0, 1.0], [2.0, 2.0]]
        >>> error, constant = jl.Objective(jl.squared_error), jax.lax.stop_gradient
        >>> quantisation = error.at("codebook") + 0.25 * error.at("commitment")
        >>> predictions = {"codebook": codes, "commitment": latents}
        >>> targets = {"codebook": constant(latents), "commitment": constant(codes)}
        >>> float(quantisation(predictions, targets))
        0.390625

    References:
        van den Oord, Vinyals & Kavukcuoglu (2017), Neural discrete representation learning,
        arXiv:1711.00937.
    """
    points, vectors = as_array(latents), as_array(codebook)
    if vectors.ndim != 2 or points.shape[-1:] != vectors.shape[1:]:
        message = (
            "nearest_code: `latents` [..., features] and `codebook` [codes, features], got "
            f"{points.shape} and {vectors.shape}"
        )
        raise ValueError(message)
    origin = jnp.mean(vectors, axis=0)  # a common offset would round the differences away
    centred = vectors - origin
    highest = jax.lax.Precision.HIGHEST
    # |z - c|² = |z|² - 2 (z·c - |c|² / 2), and |z|² is the same for all codes: a product of
    # matrices in place of the differences of all pairs.
    along = jnp.einsum("...f,kf->...k", points - origin, centred, precision=highest)
    return jnp.argmax(along - square_sum(centred) / 2, axis=-1)


def straight_through(latents: ArrayLike, codes: ArrayLike) -> Array:
    """Straight-through estimator: the value of the codes with the gradient of the latents.

        codes, with ∂/∂latents = 1 and ∂/∂codes = 0

    Args:
        latents: What goes into a quantiser, of any shape.
        codes: What comes out, of that shape: of a codebook, or as `jnp.round(latents)`.

    Returns:
        The codes, exactly; NaN where a latent is NaN or infinite.

    Raises:
        ValueError: Shapes differ.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> rounded = lambda x: jl.straight_through(x, jnp.round(x))
        >>> float(rounded(1.75)), float(jax.grad(rounded)(1.75))
        (2.0, 1.0)

    References:
        Bengio, Léonard & Courville (2013), Estimating or propagating gradients through stochastic
        neurons for conditional computation, arXiv:1308.3432.
    """
    active, chosen = as_array(latents), as_array(codes)
    if active.shape != chosen.shape:
        message = f"straight_through: shapes are equal, got {active.shape} and {chosen.shape}"
        raise ValueError(message)
    # The difference of the latents is exactly 0; (codes - latents) + latents would round the codes.
    return jax.lax.stop_gradient(chosen) + (active - jax.lax.stop_gradient(active))
