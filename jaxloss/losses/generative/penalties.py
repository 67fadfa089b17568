"""Penalties on the gradient of a function in its inputs, which keep a critic Lipschitz or flat.

They have two parts: points, and the norm of the gradient there. Any loss of that norm and of a
target norm is a penalty, so masks, weights and means are those of an objective.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.batch import as_arrays
from jaxloss.numerics import as_array, computing_dtype, norm
from jaxloss.numerics.broadcasting import Shape, expand_trailing
from jaxloss.numerics.trees import PyTree


def gradient_norm(critic: Callable[[PyTree], Array]) -> Callable[[PyTree], Array]:
    """Norm of the gradient of a critic in its input, per example, as a function of the input.

        |∂ score_i / ∂ input_i|₂

    With `points` where the gradient matters, and `norms = gradient_norm(critic)(points)`,
    these are the published gradient penalties:

        WGAN-GP          `squared_error`(norms, 1) at `interpolates(key, real, fake)`
        one-sided, LP    `squared_error`(max(norms, 1), 1) at the same
        R1, R2           `half_squared_error`(norms, 0) at the real, at the fake examples
        DRAGAN           `squared_error`(norms, 1) at real examples with noise added
        eikonal          `squared_error`(norms, 1), of a signed distance, anywhere

    Any other distance-based loss, as `huber`, is as good a penalty.

    Args:
        critic: From inputs to scores, shape `[...]`. Each score must depend on its own example
            only, so no batch normalisation; parameters and conditions are closed over.

    Returns:
        A function of inputs, an array of shape `[..., *event]` or a pytree of such arrays with an
        event of their own each, to the norm over all of an event, shape `[...]`, float32 or wider.
        Where the gradient is 0 the norm has gradient 0. The function can be compiled, mapped and
        differentiated again, in the inputs and in all that the critic closes over.

    Raises:
        ValueError: The shape of the scores is no prefix of that of an input.

    Use when a critic should be Lipschitz, as in a Wasserstein GAN, or flat at the data.
    Avoid when every layer's bound is wanted instead: spectral normalisation costs no second pass.
        Mind masks: `where` of an objective hides a norm, yet the critic ran on the point, and NaN
        there reaches its parameters' gradient. Pass points that are finite, as
        `jnp.where(mask, points, 0)`.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> weight, real, fake = jnp.array([3.0, 4.0]), jnp.ones((8, 2)), jnp.zeros((8, 2))
        >>> points = jl.interpolates(jax.random.key(0), real, fake)
        >>> norms = jl.gradient_norm(lambda x: x @ weight)(points)
        >>> norms.tolist()[:2]
        [5.0, 5.0]
        >>> penalty = 10 * jl.Objective(jl.squared_error)
        >>> float(penalty(norms, jnp.ones_like(norms)))
        160.0

    Limits:
        |w| for the critic w·x + b, whatever the points; |A x| for x·A x / 2 with symmetric A.

    References:
        Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville (2017), Improved training of Wasserstein
        GANs, arXiv:1704.00028.
        Petzka, Fischer & Lukovnikov (2018), On the regularization of Wasserstein GANs,
        arXiv:1709.08894.
        Mescheder, Geiger & Nowozin (2018), Which training methods for GANs do actually converge?,
        arXiv:1801.04406.
        Kodali, Abernethy, Hays & Kira (2017), On convergence and stability of GANs,
        arXiv:1705.07215.
        Gropp, Yariv, Haim, Atzmon & Lipman (2020), Implicit geometric regularization for learning
        shapes, arXiv:2002.10099.
    """

    # As each score depends on its own example only, the gradient of the sum is all of theirs.
    def summed(inputs: PyTree) -> tuple[Array, Shape]:
        scores = as_array(critic(inputs))
        return jnp.sum(scores.astype(computing_dtype(scores))), scores.shape

    def norms(inputs: PyTree) -> Array:
        gradients, batch = jax.grad(summed, has_aux=True)(as_arrays(inputs))
        rows = [_rows(x, batch) for x in jax.tree.leaves(gradients)]
        return norm(jnp.concatenate(rows, axis=-1))

    return norms


def interpolates(key: Array, real: PyTree, fake: PyTree) -> PyTree:
    """Points between real and fake examples, at a random place on the line between each two.

        u real + (1 - u) fake,   u uniform in [0, 1), one for each example

    Args:
        key: A random key of JAX.
        real: Real examples, shape `[examples, ...]`, or a pytree of such arrays.
        fake: As many fake ones, of the same shape.

    Returns:
        Points of that shape and type, between integers float32. All arrays of an example share its
        u.

    Raises:
        ValueError: Shapes differ.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> points = jl.interpolates(jax.random.key(0), jnp.ones((4, 3)), jnp.zeros((4, 3)))
        >>> bool(jnp.all((points >= 0) & (points < 1) & (points == points[:, :1])))
        True

    References:
        Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville (2017), Improved training of Wasserstein
        GANs, arXiv:1704.00028.
    """

    def between(one: Array, other: Array) -> Array:
        if one.shape != other.shape:
            message = f"interpolates: shapes are equal, got {one.shape} and {other.shape}"
            raise ValueError(message)
        wide = computing_dtype(one, other)
        # The same key for all arrays of an example: they share its u, and lie on one line.
        share = expand_trailing(jax.random.uniform(key, one.shape[:1], wide), one.ndim)
        point = share * one.astype(wide) + (1 - share) * other.astype(wide)
        dtype = jnp.result_type(one, other)
        return point.astype(dtype if jnp.issubdtype(dtype, jnp.floating) else wide)

    return jax.tree.map(between, as_arrays(real), as_arrays(fake))


def _rows(gradient: Array, batch: Shape) -> Array:
    """The gradient with all axes after those of the batch as one."""
    if gradient.shape[: len(batch)] != batch:
        message = (
            f"gradient_norm: the critic gives scores of shape {batch} for inputs of shape "
            f"{gradient.shape}, of which it is no prefix; reduce its scores to one an example"
        )
        raise ValueError(message)
    event = math.prod(gradient.shape[len(batch) :])
    return gradient.astype(computing_dtype(gradient)).reshape(*batch, event)
