"""What losses of linear heads have in common: shapes, chunks, and fused sums."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.axes import refuse_misfits
from jaxloss.core.domains import ArrayDomain
from jaxloss.core.facts import Facts
from jaxloss.core.loss import Loss
from jaxloss.core.signature import Signature
from jaxloss.heads.affine import Affine
from jaxloss.heads.fused import FusedChunkedLoss, HeadInputs
from jaxloss.kernels.chunking import Sizes, map_by_chunks, tokens_at_once
from jaxloss.numerics import computing_dtype, divide
from jaxloss.numerics.broadcasting import broadcast_prefix
from jaxloss.numerics.sizes import is_known
from jaxloss.numerics.trees import PyTree

_ARRAYS = 3  # of a head: hidden, weight, bias
_SHORT = 128  # tokens, of which halves would be short products


@dataclass(frozen=True)
class ChunkPolicy:
    """The size of a chunk: so many tokens, or as many as fit in so many bytes."""

    tokens: int | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that are no counts."""
        for name, value in (("tokens", self.tokens), ("memory", self.memory)):
            message = f"`{name}` is an integer >= 1, got {value!r}"
            if isinstance(value, bool) or not isinstance(value, int | None):
                raise TypeError(f"linear head: {message}")
            if value is not None and value < 1:
                raise ValueError(f"linear head: {message}")
        if self.tokens and self.memory:
            raise ValueError("linear head: give `tokens` or `memory`, not both")

    def as_options(self) -> dict[str, Any]:
        """The sizes as the keyword arguments of a maker."""
        return {"tokens": self.tokens, "memory": self.memory}

    def at_once(self, heads: Sequence[Affine]) -> Sizes[int]:
        """The number of tokens in a chunk."""
        if self.tokens:
            return Sizes(self.tokens, self.tokens)
        sizes = [head.weight.size for head in heads]
        features = max(head.rows.shape[-1] for head in heads)
        classes = sum(sizes) // max(features, 1)
        itemsize = computing_dtype(*heads[0]).itemsize
        fitting = tokens_at_once(classes, features, itemsize, self.memory)
        tokens = heads[0].rows.shape[0]
        if not is_known(tokens) or tokens < _SHORT:
            return fitting
        # In two chunks at least on a CPU, where a part of the product that is added to the gradient
        # of the weight is held too: beside all logits that would be more than without chunks.
        return fitting._replace(cpu=min(fitting.cpu, -(-tokens // 2)))


@dataclass(frozen=True)
class HeadSignature(Signature):
    """The signature of losses of the logits that heads compute."""

    heads: int = field(kw_only=True)
    tied: bool = field(kw_only=True)

    @property
    def takes_where(self) -> bool:
        """Whether a call takes a mask of what counts: of the tokens."""
        return True

    def heads_of(self, items: Sequence[Any]) -> list[Sequence[Any]]:
        """The items of each head, from those of all arrays, such as their shapes."""
        starts = range(0, _ARRAYS * self.heads, _ARRAYS)
        return [items[start : start + _ARRAYS] for start in starts]


class HeadLoss(Loss[...]):
    """A loss of the logits of linear maps, which are computed some tokens at a time."""

    signature: HeadSignature

    def __init__(
        self,
        values: Callable[..., Array],
        signature: HeadSignature,
        facts: Facts,
        *,
        chunk_policy: ChunkPolicy,
    ) -> None:
        """Store the loss of logits, other arrays and hyper-parameters, and the chunk policy."""
        self.chunk_policy = chunk_policy
        super().__init__(values, signature, facts)

    def compute(self, *arrays: Array, **hyperparameters: Any) -> Array:
        """The value at arrays that fit, without checks, casts or compilation."""
        return self._each(self.head_inputs(arrays, hyperparameters)).reshape(arrays[0].shape[:-1])

    def sum(
        self,
        *arrays: Array,
        weights: Array | None,
        counted: Array | None,
        divisor: Array | None = None,
        **keywords: Any,
    ) -> Array:
        """Sum of weight times value over the tokens that count, and its gradients in one pass.

        The weights are divided beforehand: the gradients, as large as the weight of the head, are
        formed with the sum, and nothing is left to be multiplied with them.
        """
        refuse_misfits(self.__name__, self.signature.arrays, arrays)
        if counted is not None:
            arrays = self.signature.fill_masked(counted, arrays)
        wide, shape = computing_dtype(*arrays[:2]), arrays[0].shape[:-1]
        numbers = jnp.ones((), wide) if weights is None else weights.astype(wide)
        counts = jnp.ones((), bool) if counted is None else counted
        if divisor is not None:
            mass = divisor.astype(wide)
            numbers, counts = divide(numbers, mass), counts & (mass != 0)
        with jax.named_scope(self.__name__):
            inputs = self.head_inputs(arrays, keywords)
            return self._sum(
                inputs._replace(
                    weights=broadcast_prefix(numbers, shape).ravel(),
                    counted=broadcast_prefix(counts, shape).ravel(),
                )
            )

    def _trace(self, *given: Array, where: Array | None = None, **keywords: Any) -> Array:
        """Leave casts and poison to the loss of the logits, so that narrow factors stay narrow."""
        refuse_misfits(self.__name__, self.signature.arrays, given)
        with jax.named_scope(self.__name__):
            values: Array = self.masked(partial(self.compute, **keywords), given, where)
            return values

    def masked(
        self, of_tokens: Callable[..., PyTree], arrays: Sequence[Array], where: Array | None
    ) -> PyTree:
        """The function of each token's arrays; 0 where it is masked, with arrays filled there."""
        if where is None:
            return of_tokens(*arrays)
        filled, counted = self._count_elements(where, arrays)
        return jax.tree.map(lambda x: jnp.where(counted, x, 0), of_tokens(*filled))

    def _sum(self, inputs: HeadInputs) -> Array:
        at_once = self.chunk_policy.at_once(inputs.heads)
        return FusedChunkedLoss(self.function, at_once, self.signature.tied).total(inputs)

    def _each(self, inputs: HeadInputs) -> Array:
        """One value per token."""
        at_once = self.chunk_policy.at_once(inputs.heads)
        values: Array = map_logits(self.function, inputs, at_once, tied=self.signature.tied)
        return values

    def head_inputs(self, arrays: Sequence[Array], keywords: Mapping[str, Any]) -> HeadInputs:
        """The arrays by their roles, with one axis of tokens."""
        batch, wide = arrays[0].shape[:-1], computing_dtype(*arrays[:2])
        tokens = math.prod(batch)

        def rows(x: Array) -> Array:
            return x.reshape(tokens, *x.shape[len(batch) :])

        heads = [Affine(*given) for given in self.signature.heads_of(arrays)]
        hyper = jax.tree.map(lambda x: jnp.asarray(x).astype(wide), dict(keywords))
        return HeadInputs(
            tuple(head._replace(rows=rows(head.rows)) for head in heads),
            tuple(map(rows, arrays[_ARRAYS * len(heads) :])),
            hyper,
            jnp.ones(tokens, wide),
            jnp.ones(tokens, bool),
        )


def map_logits(
    values: Callable[..., Any], inputs: HeadInputs, at_once: Sizes[int], *, tied: bool
) -> Any:
    """The function of each token's logits, which are computed again in the backward pass."""
    heads = [head.with_wide_weight() for head in inputs.heads]

    def of_chunk(rows: Any) -> Any:
        features, others = rows
        of_tokens = [head._replace(rows=x) for head, x in zip(heads, features, strict=True)]
        logits = tuple(head.logits_of_wide_weight(tied=tied) for head in of_tokens)
        return values(logits, others, inputs.hyper)

    return map_by_chunks(of_chunk, ([head.rows for head in heads], inputs.others), at_once)


def head_arrays(prefix: str = "", *, tied: bool = False) -> dict[str, ArrayDomain]:
    """The domains of the arrays of a head."""
    rows = "a row a class, a column a feature" if tied else "a row a feature, a column a class"
    features = f"{prefix}features"
    axes, least = (("classes", features), (1, 0)) if tied else ((features, "classes"), (0, 1))
    floats = ("floating",)
    domains = (
        ArrayDomain("Hidden", "features over the last axis", axes=(features,), accepts=floats),
        ArrayDomain("Weight", rows, axes=axes, common=True, least=least, accepts=floats),
        ArrayDomain(
            "Bias",
            "one number a class, or a scalar for all",
            axes=("classes",),
            common=True,
            prefix=True,
        ),
    )
    names = ("hidden", "weight", "bias")
    return {prefix + name: domain for name, domain in zip(names, domains, strict=True)}


def others_of(maker: str, loss: Loss[...], logits: int = 1) -> dict[str, ArrayDomain]:
    """The domains of the arrays that the loss takes beside the logits."""
    if isinstance(loss, Loss) and not isinstance(loss, HeadLoss) and not loss.signature.is_set:
        first, others = _cut(loss.signature.arrays, logits)
        over_classes = all(len(domain.axes) == 1 and not domain.bounded for domain in first)
        if over_classes and all(len(domain.axes) <= 1 for domain in others.values()):
            return others
    message = "is a loss of logits or scores over the last axis, as crammer_singer"
    raise TypeError(f"{maker}: `loss` {message}, got {loss!r}")


def _cut(
    arrays: Mapping[str, ArrayDomain], count: int
) -> tuple[list[ArrayDomain], dict[str, ArrayDomain]]:
    items = list(arrays.items())
    return [domain for _, domain in items[:count]], dict(items[count:])
