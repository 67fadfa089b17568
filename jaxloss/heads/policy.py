"""Log-probabilities of tokens, and entropies, under a linear head: for losses of policies."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.axes import refuse_misfits
from jaxloss.heads.linear import linear_head
from jaxloss.heads.loss import HeadLoss, map_logits
from jaxloss.losses.classification.cross_entropy import softmax_cross_entropy_with_integer_labels
from jaxloss.numerics import as_argument, divide_by_temperature, log_softmax, poison, weighted


class TokenLogProbabilities(NamedTuple):
    """Log-probability of the chosen token and entropy of the policy, at each position.

    Attributes:
        log_probability: Of each token's label, in nats.
        entropy: Of the distribution that the label was drawn from, in nats.
    """

    log_probability: Array
    entropy: Array


class ChunkOptions(TypedDict, total=False):
    """The size of a chunk, as `linear_head` takes it."""

    tokens: int | None
    memory: int | None


def token_log_probabilities(
    hidden: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    labels: ArrayLike,
    *,
    temperature: ArrayLike = 1.0,
    where: ArrayLike | None = None,
    **chunk: Unpack[ChunkOptions],
) -> TokenLogProbabilities:
    """Log-probability and entropy of tokens under a linear head that never holds all logits.

        log p_y,   -Σ_j p_j log p_j,   p = softmax((h W + b) / T)
        h = hidden,   W = weight,   b = bias,   y = label,   T = temperature

    Args:
        hidden: Features of each token, shape `[..., features]`.
        weight: What makes the logit of each class, shape `[features, classes]`.
        bias: A number of each class, shape `[classes]`, or a scalar for all; 0.0 is no bias.
        labels: The token that was chosen, an integer in [0, classes), shape `[...]`.
        temperature: What the logits are divided by, > 0.
        where: Which tokens count, boolean, shape `[...]` or a prefix; all by default. Label and
            features of the others, such as those of a prompt, may be anything, -100 and NaN too.
        **chunk: `tokens` or `memory`, as for `linear_head`.

    Returns:
        Both for each token, shape `[...]`, in nats, with gradients; logits are computed again in
        the backward pass. Where a token does not count both are 0, and so are their gradients. A
        label that is no class gives NaN.

    Raises:
        TypeError: An array has a type outside its domain, `where` is not boolean, or a size is no
            integer.
        ValueError: Shapes do not fit together, a size is below 1, or both are given.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> found = jl.token_log_probabilities(jnp.ones((1, 2)), jnp.zeros((2, 4)), 0.0, [3])
        >>> [round(float(x[0]), 4) for x in found]
        [-1.3863, 1.3863]
        >>> labels = jnp.array([-100, 3])  # a token of the prompt, and one of the answer
        >>> hidden, weight = jnp.ones((2, 2)), jnp.zeros((2, 4))
        >>> found = jl.token_log_probabilities(hidden, weight, 0.0, labels, where=labels >= 0)
        >>> [round(x, 4) for x in found.log_probability.tolist()]
        [0.0, -1.3863]

    References:
        Schulman, Wolski, Dhariwal, Radford & Klimov (2017), Proximal policy optimization
        algorithms, arXiv:1707.06347.
    """
    head = linear_head(_CROSS_ENTROPY, **chunk)
    arrays = head.signature.bind((hidden, weight, bias, labels), {})
    mask = None if where is None else as_argument(where)
    results: TokenLogProbabilities = _compiled(head, arrays, jnp.asarray(temperature), mask)
    return results


_CROSS_ENTROPY = softmax_cross_entropy_with_integer_labels


@functools.partial(jax.jit, static_argnums=0)
def _compiled(
    head: HeadLoss, arrays: Sequence[Array], temperature: Array, where: Array | None
) -> TokenLogProbabilities:
    refuse_misfits(head.__name__, head.signature.arrays, arrays)

    def of_tokens(*arrays: Array) -> TokenLogProbabilities:
        inputs = head.head_inputs(arrays, {"temperature": temperature})
        at_once = head.chunk_policy.at_once(inputs.heads)
        of_rows = map_logits(_of_logits, inputs, at_once, tied=False)
        return TokenLogProbabilities(*(x.reshape(arrays[0].shape[:-1]) for x in of_rows))

    results: TokenLogProbabilities = head.masked(of_tokens, arrays, where)
    return results


def _of_logits(logits: Any, labels: Any, hyper: Any) -> tuple[Array, Array]:
    temperature = hyper["temperature"]
    scores = divide_by_temperature(logits[0], poison(temperature, temperature > 0))
    log_probabilities = log_softmax(scores)
    entropy = -jnp.sum(weighted(jnp.exp(log_probabilities), log_probabilities), axis=-1)
    return -_CROSS_ENTROPY(scores, *labels), entropy
