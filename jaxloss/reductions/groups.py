"""Group robustness: losses by groups of examples, so that no group is served worse than others.

Groups are data, as targets are, so these are functions of the values of an objective with
`reduction=none`, and no reductions.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.reduction import Average
from jaxloss.numerics import as_array, computing_dtype, log, poison, zero_if_weightless


def group_averages(
    values: ArrayLike, groups: ArrayLike, count: int, weights: ArrayLike | None = None
) -> Average:
    """Compute the average of each group, undivided, so that averages of several parts add up.

        Σ_i w_i v_i and Σ_i w_i   over the examples of each group

    Args:
        values: One value per example, as of an objective with `reduction=none`.
        groups: The group of each example, an integer in [0, count), of the shape of the values;
            any other integer at an example with mass gives NaN in all groups.
        count: The number of groups.
        weights: A number for each example, or a boolean mask, of the same shape; 1 by default.

    Returns:
        An `Average` whose parts have the shape `[count]`; the `value` of a group without mass is 0.

    Raises:
        ValueError: The shapes differ.
        TypeError: The groups are no integers.

    Example:
        >>> import jaxloss as jl
        >>> averages = jl.group_averages([1.0, 3.0, 6.0], [0, 0, 2], 3)
        >>> averages.value.tolist()
        [2.0, 0.0, 6.0]
    """
    of_each, members = as_array(values), as_array(groups)
    amounts = None if weights is None else as_array(weights)
    shapes = [x.shape for x in (of_each, members, amounts) if x is not None]
    if len(set(shapes)) > 1:
        raise ValueError(f"group_averages: values, groups and weights differ in shape: {shapes}")
    if not jnp.issubdtype(members.dtype, jnp.integer):
        raise TypeError(f"group_averages: `groups` are integers, got {members.dtype}")

    def of_group(group: Array) -> Average:
        member = members == group
        own = member if amounts is None else jnp.where(member, amounts, jnp.zeros_like(amounts))
        return Average.of(jnp.where(member, of_each, 0), own)

    # By a mask for each group, not by products with one-hot groups, in which 0 times an infinite
    # value of one group would be NaN in all others.
    averages = jax.vmap(of_group)(jnp.arange(count, dtype=members.dtype))
    known = (members >= 0) & (members < count)
    counted = known if amounts is None else known | (amounts == 0)
    valid, dtype = jnp.all(counted), averages.total.dtype
    return Average(poison(averages.total, valid), poison(averages.mass.astype(dtype), valid))


def worst_group(
    values: ArrayLike, groups: ArrayLike, count: int, weights: ArrayLike | None = None
) -> Array:
    """Compute the mean of the group with the largest mean; groups without mass are left out.

        max_g  Σ_i w_i v_i / Σ_i w_i   over the examples of group g

    Args:
        values: One value per example, as of an objective with `reduction=none`.
        groups: The group of each example, an integer in [0, count), of the shape of the values.
        count: The number of groups.
        weights: A number for each example, or a boolean mask, of the same shape; 1 by default.

    Returns:
        A scalar, 0 where nothing has mass.

    Use when every group matters and each has many examples in every batch.
    Avoid when batches are small: the largest of noisy means says little. `group_dro_weights`
        remembers earlier batches.

    Example:
        >>> import jaxloss as jl
        >>> float(jl.worst_group([1.0, 3.0, 6.0], [0, 0, 1], 2))
        6.0

    Limits:
        With one group it is `mean`, with a group for each example the maximum.

    References:
        Sagawa, Koh, Hashimoto & Liang (2020), Distributionally robust neural networks for group
        shifts, arXiv:1911.08731.
    """
    averages = group_averages(values, groups, count, weights)
    present = averages.mass != 0
    worst = jnp.max(jnp.where(present, averages.value, -jnp.inf), initial=-jnp.inf)
    known = ~jnp.any(jnp.isnan(averages.value))  # which XLA's maximum of many loses on a CPU
    return poison(jnp.where(jnp.any(present), worst, 0), known)


def group_dro_weights(weights: ArrayLike, losses: ArrayLike, step_size: ArrayLike) -> Array:
    """Take one exponentiated gradient step of the weights, towards groups with large losses.

        q_g exp(η l_g) / Σ_h q_h exp(η l_h),   q = weights,   l = losses,   η = step_size

    Args:
        weights: The weight of each group, probabilities, shape `[groups]`; uniform at first.
        losses: The mean loss of each group, shape `[groups]`; constants of the gradient, as it is
            the model that descends, and the adversary that ascends.
        step_size: The number η > 0, in the inverse unit of the loss.

    Returns:
        The new weights, shape `[groups]`, with which the losses are summed. A weight of 0 stays 0,
        whatever the loss, also an infinite one; a group of weight > 0 with an infinite loss has no
        finite share and gives NaN.

    Use when every group matters and a batch holds few examples of some.
    Avoid when the model fits every example: all groups then have the loss 0 on training data, and
        only strong regularisation keeps them apart.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> targets, groups = jnp.array([1.0, 1.0, 1.0, -1.0]), jnp.array([0, 0, 0, 1])
        >>> each = jl.Objective(jl.squared_error, reduction=jl.none)
        >>> @jax.jit
        ... def step(centre, weights):
        ...     def risk(centre):
        ...         values = each(jnp.full(4, centre), targets)
        ...         losses = jl.group_averages(values, groups, 2).value
        ...         moved = jl.group_dro_weights(weights, losses, 0.05)
        ...         return moved @ losses, moved
        ...     (_, moved), gradient = jax.value_and_grad(risk, has_aux=True)(centre)
        ...     return centre - 0.1 * gradient, moved
        >>> centre, weights = 0.5, jnp.array([0.5, 0.5])
        >>> for _ in range(200):
        ...     centre, weights = step(centre, weights)
        >>> abs(round(float(centre), 2)), weights.round(2).tolist()
        (0.0, [0.5, 0.5])

    Limits:
        With these weights held, the gradient is that of Σ_g q_g l_g; at a saddle point the losses
        of all groups of weight > 0 are equal, to that of `worst_group`.

    References:
        Sagawa, Koh, Hashimoto & Liang (2020), Distributionally robust neural networks for group
        shifts, arXiv:1911.08731, algorithm 1.
    """
    probabilities, constants = as_array(weights), jax.lax.stop_gradient(as_array(losses))
    dtype = computing_dtype(probabilities, constants)
    probabilities = probabilities.astype(dtype)
    gain = jnp.asarray(step_size, dtype) * constants.astype(dtype)
    # In logs, so that no exponential overflows; a weight of 0 stays 0 whatever the loss.
    return jax.nn.softmax(log(probabilities) + zero_if_weightless(probabilities, gain))
