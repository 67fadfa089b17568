"""A loss of one linear head, with a weight of its own or tied to an embedding."""

import functools
from collections.abc import Callable
from typing import Any

from jax import Array

from jaxloss.core.derive import derive
from jaxloss.core.facts import Facts
from jaxloss.core.loss import Loss
from jaxloss.heads.loss import ChunkPolicy, HeadLoss, HeadSignature, head_arrays, others_of


def linear_head(
    loss: Loss[...], *, tokens: int | None = None, memory: int | None = None
) -> HeadLoss:
    """Make a loss of a linear head from a loss of its logits, which are never held all at once.

        loss(h W + b, ...),   h = hidden,   W = weight,   b = bias

    The logits of some tokens are made at a time and dropped, so that the memory does not grow with
    tokens times classes. In an objective reduced by `mean` or `total`, the gradients are formed
    together with the value, in three products as if all logits were held; of what is frozen none
    is formed. Called by itself, or reduced otherwise, logits are made again in the backward pass:
    one product more. So they are for second derivatives. Factors of 16 bits are multiplied as such;
    sums, and the gradient of the weight over all tokens, are in float32.

    Args:
        loss: A loss whose first array holds logits or scores over classes, such as
            `softmax_cross_entropy_with_integer_labels` or `crammer_singer`.
        tokens: How many tokens are processed at once, >= 1.
        memory: How many bytes the logits and their gradient may take at once, >= 1, in place of
            `tokens`. By default on a CPU 180 MB, or half of what the gradient of the weight takes
            if that is more; elsewhere what 4096 tokens take, up to 4.3 GB. One token is there at
            least; with few, the weight is read for short products, which take longer.

    Returns:
        A loss of `hidden`, shape `[..., features]`, `weight`, shape `[features, classes]`, `bias`,
        shape `[classes]` or a scalar (0.0 is no bias), and the other arrays of `loss`, with its
        hyper-parameters: one value per token, shape `[...]`; the same object each time. Called by
        itself it takes `where` too, a mask of the tokens that count: of the others, labels and
        features may be anything, -100 and NaN too. Weight and bias are shared by all tokens; no
        mask hides them.

    Raises:
        TypeError: `loss` is no loss over one axis of classes, or a size is no integer.
        ValueError: A size is below 1, or both are given.

    Use when tokens times classes is large beside the weight, as with a vocabulary.
    Avoid when all logits fit in memory with ease, or are wanted for something else too.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> head = jl.linear_head(jl.softmax_cross_entropy_with_integer_labels)
        >>> hidden, weight = jnp.ones((3, 2)), jnp.zeros((2, 4))
        >>> [round(value, 4) for value in head(hidden, weight, 0.0, jnp.array([0, 1, 3])).tolist()]
        [1.3863, 1.3863, 1.3863]
        >>> objective = jl.Objective(head, label_smoothing=0.1)
        >>> round(float(objective((hidden, weight, jnp.zeros(4)), jnp.array([0, 1, 3]))), 4)
        1.3863

    Limits:
        linear_head(loss)(h, W, b, ...) is loss(h @ W + b, ...) in value and gradient, whatever
        `tokens` and `memory` are.

    References:
        Chen, Xu, Zhang & Guestrin (2016), Training deep nets with sublinear memory cost,
        arXiv:1604.06174.
        Wijmans et al. (2024), Cut your losses in large-vocabulary language models,
        arXiv:2411.09009.
    """
    return _head(linear_head, loss, ChunkPolicy(tokens, memory), tied=False)


def tied_head(loss: Loss[...], *, tokens: int | None = None, memory: int | None = None) -> HeadLoss:
    """Make a loss of a linear head whose weight is that of an embedding.

        loss(h Wᵀ + b, ...),   h = hidden,   W = weight,   b = bias

    It is `linear_head` with a row for each class, as an embedding has it: of the transposed weight
    a copy may be made, and another of its gradient.

    Args:
        loss: As for `linear_head`.
        tokens: As for `linear_head`.
        memory: As for `linear_head`.

    Returns:
        A loss as of `linear_head`, but of a `weight` of shape `[classes, features]`.

    Raises:
        TypeError: `loss` is no loss over one axis of classes, or a size is no integer.
        ValueError: A size is below 1, or both are given.

    Use when the embedding of the input's tokens serves as the weight of the head too.
    Avoid when the weight is stored `[features, classes]`.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> head = jl.tied_head(jl.softmax_cross_entropy_with_integer_labels)
        >>> hidden, embedding = jnp.ones((2, 2)), jnp.zeros((4, 2))
        >>> [round(x, 4) for x in head(hidden, embedding, 0.0, jnp.array([0, 3])).tolist()]
        [1.3863, 1.3863]

    Limits:
        linear_head(loss)(h, W.T, b, ...) in value and gradient.

    References:
        Press & Wolf (2017), Using the output embedding to improve language models,
        arXiv:1608.05859.
    """
    return _head(tied_head, loss, ChunkPolicy(tokens, memory), tied=True)


def _head(
    maker: Callable[..., HeadLoss], loss: Loss[...], chunk_policy: ChunkPolicy, *, tied: bool
) -> HeadLoss:
    """The loss with the other arrays, the hyper-parameters, and the convexity of that of logits."""
    arrays = head_arrays(tied=tied) | others_of(maker.__name__, loss)
    signature = loss.signature

    def function(logits: Any, others: Any, hyper: Any) -> Array:
        return loss(*logits, *others, **hyper)

    return derive(
        maker,
        loss,
        function=function,
        doc=_text(loss.__name__, tied=tied),
        facts=Facts(convex=loss.facts.convex),
        signature=HeadSignature(
            signature.name, arrays, signature.hyperparameters, heads=1, tied=tied
        ),
        kind=functools.partial(HeadLoss, chunk_policy=chunk_policy),
        options=chunk_policy.as_options(),
    )


def _text(name: str, *, tied: bool) -> str:
    product, shape = ("h Wᵀ", "[classes, features]") if tied else ("h W", "[features, classes]")
    return f"""`{name}` of the logits of a linear head, some tokens at a time.

        {name}({product} + b, ...),   h = hidden,   W = weight,   b = bias

    Args:
        hidden: Features of each token, shape `[..., features]`.
        weight: What makes the logit of each class, shape `{shape}`, shared by all tokens.
        bias: A number of each class, shape `[classes]`, or a scalar for all; 0.0 is no bias.
        *others: The other arrays of `{name}`.
        **hyperparameters: Those of `{name}`.
        where: Which tokens count, boolean, shape `[...]` or a prefix; all by default.

    Returns:
        One value per token, shape `[...]`; 0 with gradient 0 where the token does not count.
    """
