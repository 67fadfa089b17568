"""Losses of a linear head, which never hold the logits or scores of all tokens at once.

The logits of a language model are its largest array by far. Here those of some tokens at a time
are made, reduced to their losses, and dropped; the backward pass makes them again.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.contract import Loss
from jaxloss.domains import ArrayDomain, Values
from jaxloss.facts import Facts
from jaxloss.masking import Shape
from jaxloss.numerics import computing_dtype
from jaxloss.signature import Signature

_LOGITS_AT_ONCE = 2**24  # 64 MiB in single precision
_FEWEST_TOKENS = 512  # with fewer, an accelerator waits for the weight to be read

_HEAD = {
    "hidden": ArrayDomain("Hidden", "features over the last axis", event=1, accepts=("floating",)),
    "weight": ArrayDomain(
        "Weight", "a row a feature, a column a class", event=2, benign=None, accepts=("floating",)
    ),
    "bias": ArrayDomain("Bias", "one number a class, or a scalar for all", event=1, benign=None),
}


@dataclass(frozen=True)
class HeadSignature(Signature):
    """The contract of a head, and that of the loss of its logits."""

    inner: Signature = field(kw_only=True)

    def wanted(self, shapes: Sequence[Shape]) -> list[Shape]:
        """The shapes that fit together: the logits are between those of hidden and weight."""
        hidden, weight, bias, *others = shapes
        *batch, features = hidden or (-1,)
        given = weight[-1] if weight[:-1] == (features,) else -1
        (*_, classes), *rest = self.inner.wanted([(*batch, given), *others])
        return [(*batch, features), (features, classes), (classes,) if bias else (), *rest]

    def inside(self, arrays: Sequence[Values]) -> dict[str, Values]:
        """Of each array, which entries lie in its domain."""
        _, weight, _, *others = arrays
        inner = self.inner.inside([weight, *others])  # it has as many classes as the logits
        own = zip(_HEAD.items(), arrays, strict=False)
        rest = list(inner.items())[1:]
        return {name: domain.contains(array) for (name, domain), array in own} | dict(rest)


class LinearHead(Loss[...]):
    """A loss over classes of the logits that a linear map makes, some tokens at a time."""

    def __init__(self, loss: Loss[...], tokens: int | None) -> None:
        """Take the loss's other arrays, its hyper-parameters, and its convexity."""
        self.loss, self.tokens = loss, tokens
        arrays = _HEAD | _others(loss)
        function = _by_chunks(loss, tokens)
        own, hyperparameters = loss.contract, loss.contract.hyperparameters
        contract = HeadSignature(function.__name__, arrays, hyperparameters, inner=own)
        super().__init__(function, contract, Facts(convex=loss.facts.convex))

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(linear_head, tokens=self.tokens), (self.loss,)

    def _trace(self, *given: Array, **keywords: Any) -> Array:
        """Leave casts and poison to the loss of the logits, so that narrow factors stay narrow."""
        self.contract.check(given)
        with jax.named_scope(self.__name__):
            return self.function(*given, **keywords)


def linear_head(loss: Loss[...], *, tokens: int | None = None) -> LinearHead:
    """Make a loss of a linear head from a loss of its logits, which are never held all at once.

        loss(h W + b, ...),   h = hidden,   W = weight,   b = bias

    The logits of `tokens` tokens are made at a time and made again in the backward pass: one
    product more, for a memory that does not grow with tokens times classes. Factors of 16 bits are
    multiplied as such; sums, and the gradient of the weight over all tokens, are in float32.

    Args:
        loss: A loss whose first array holds logits or scores over classes, such as
            `softmax_cross_entropy_with_integer_labels` or `crammer_singer`.
        tokens: How many tokens are processed at once, >= 1; by default the power of two that makes
            up to 64 MiB of float32 logits, and at least 512.

    Returns:
        A loss of `hidden`, shape `[..., features]`, `weight`, shape `[features, classes]`, `bias`,
        shape `[classes]` or a scalar (0.0 is no bias), and the other arrays of `loss`, with its
        hyper-parameters: one value per token, shape `[...]`; the same object each time. Weight and
        bias are shared by all tokens; no mask of an objective hides them.

    Raises:
        TypeError: `loss` is no loss over one axis of classes, or `tokens` is no integer.
        ValueError: `tokens` is below 1.

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
        `tokens` is.

    References:
        Chen, Xu, Zhang & Guestrin (2016), Training deep nets with sublinear memory cost,
        arXiv:1604.06174.
        Wijmans et al. (2024), Cut your losses in large-vocabulary language models,
        arXiv:2411.09009.
    """
    if isinstance(tokens, bool) or not isinstance(tokens, int | None):
        raise TypeError(f"linear_head: `tokens` is an integer >= 1, got {tokens!r}")
    if tokens is not None and tokens < 1:
        raise ValueError(f"linear_head: `tokens` is an integer >= 1, got {tokens!r}")
    return _linear_head(loss, tokens)


_linear_head = functools.cache(LinearHead)


def _others(loss: Loss[...]) -> dict[str, ArrayDomain]:
    """What the loss takes beside the logits."""
    if isinstance(loss, Loss) and not loss.contract.couples:
        others = dict(loss.contract.arrays)
        logits = others.pop(next(iter(others)))
        over_classes = logits.event == 1 and not logits.bounded
        if over_classes and all(domain.event <= 1 for domain in others.values()):
            return others
    message = "is a loss of logits or scores over the last axis, as crammer_singer"
    raise TypeError(f"linear_head: `loss` {message}, got {loss!r}")


def _by_chunks(loss: Loss[...], tokens: int | None) -> Callable[..., Array]:
    """The bare function of `linear_head`, with a name and a text of its own."""

    def function(
        hidden: Array, weight: Array, bias: Array, *others: Array, **keywords: Any
    ) -> Array:
        batch, wide = hidden.shape[:-1], computing_dtype(hidden, weight)
        narrow = hidden.dtype if hidden.dtype == weight.dtype else wide
        # What all tokens share is wide outside the loop: there its gradient is summed.
        weight, bias, keywords = jax.tree.map(
            lambda x: jnp.asarray(x).astype(wide), (weight, bias, keywords)
        )

        def of_one(row: tuple[Array, ...]) -> Array:
            logits = _product(row[0].astype(narrow), weight) + bias
            return loss(logits, *row[1:], **keywords)

        rows = [x.reshape(math.prod(batch), *x.shape[len(batch) :]) for x in (hidden, *others)]
        values = _map_by_chunks(of_one, rows, tokens or _tokens_at_once(weight.shape[-1]))
        return values.reshape(batch)

    function.__name__ = function.__qualname__ = f"linear_head({loss.__name__})"
    function.__doc__ = f"""`{loss.__name__}` of the logits of a linear head, some tokens at a time.

        {loss.__name__}(h W + b, ...),   h = hidden,   W = weight,   b = bias

    Args:
        hidden: Features of each token, shape `[..., features]`.
        weight: A column of each class, shape `[features, classes]`, shared by all tokens.
        bias: A number of each class, shape `[classes]`, or a scalar for all; 0.0 is no bias.
        *others: The other arrays of `{loss.__name__}`.
        **hyperparameters: Those of `{loss.__name__}`.

    Returns:
        One value per token, shape `[...]`.
    """
    return function


def _map_by_chunks(of_one: Callable[..., Array], rows: Sequence[Array], at_once: int) -> Array:
    """The function of each row, of so many at once, and once more in the backward pass.

    With n chunks each holds every n-th row, so that all devices have work in each of them where
    the rows are spread over devices. The last row is repeated to fill up the chunks.
    """
    count = len(rows[0])
    chunks = max(1, math.ceil(count / at_once))
    missing = -count % chunks

    def split(x: Array) -> Array:
        full = jnp.pad(x, [(0, missing), *[(0, 0)] * (x.ndim - 1)], mode="edge") if missing else x
        return jnp.swapaxes(full.reshape(len(full) // chunks, chunks, *x.shape[1:]), 0, 1)

    of_chunk = jax.checkpoint(jax.vmap(of_one), prevent_cse=False)  # a loop is barrier enough
    values: Array = jax.lax.map(of_chunk, tuple(map(split, rows)))
    return jnp.swapaxes(values, 0, 1).ravel()[:count]


@jax.custom_jvp
def _product(row: Array, weight: Array) -> Array:
    """The product in the type of the row, summed in that of the weight.

    Its own derivative would round the weight's gradient to the type of the row for each chunk.
    """
    narrow = weight.astype(row.dtype)
    return jnp.matmul(row, narrow, preferred_element_type=weight.dtype)


@_product.defjvp
def _product_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    (row, weight), (row_dot, weight_dot) = primals, tangents
    moved = jnp.matmul(row_dot, weight.astype(row.dtype), preferred_element_type=weight.dtype)
    return _product(row, weight), moved + jnp.matmul(row.astype(weight.dtype), weight_dot)


def _tokens_at_once(classes: int) -> int:
    """A power of two, as the number of tokens mostly is one too: then no odd rest is left."""
    most = max(_LOGITS_AT_ONCE // max(classes, 1), _FEWEST_TOKENS)
    return 1 << (most.bit_length() - 1)
