"""A weighted sum of losses of logits, with its gradients computed in the same pass over the tokens.

Where values are summed, the cotangent of each is known before the backward pass: its weight. So the
gradients of a chunk are computed while its logits are there, and no product is computed twice. As
a JVP rule this serves reverse mode too, where transposition only scales the finished gradients;
second derivatives differentiate the pass itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.reduction import weigh
from jaxloss.heads.affine import (
    Affine,
    add_weight_gradient,
    as_factor,
    bias_gradient,
    rows_gradient,
)
from jaxloss.kernels.blocks import sum_by_blocks
from jaxloss.kernels.chunking import (
    Blocks,
    Sizes,
    by_platform,
    cond_on_some,
    count_of,
    rematerialized,
)
from jaxloss.numerics import computing_dtype
from jaxloss.numerics.active import activity, none_active, only, with_active
from jaxloss.numerics.shard_map_axes import Axes, axes_of, sum_but_over, vary
from jaxloss.numerics.trees import PyTree


class HeadInputs(NamedTuple):
    """The inputs of a sum, or flags of what is differentiated, or gradients with None for the rest.

    Attributes:
        heads: The operands of the logits of each head.
        others: The other arrays of the loss, a row for each token.
        hyper: The hyper-parameters of the loss, shared by all tokens.
        weights: The weight of each token in the sum.
        counted: Which tokens are not masked.
    """

    heads: tuple[Affine, ...]
    others: tuple[Array, ...]
    hyper: Mapping[str, Any]
    weights: Array
    counted: Array

    def rows(self) -> PyTree:
        """The arrays with one row for each token."""
        return [head.rows for head in self.heads], self.others, self.weights, self.counted

    def with_rows(self, rows: PyTree) -> "HeadInputs":
        """The inputs of these tokens in place of all."""
        features, *rest = rows
        pairs = zip(self.heads, features, strict=True)
        heads = tuple(head._replace(rows=x) for head, x in pairs)
        return HeadInputs(heads, rest[0], self.hyper, *rest[1:])


@dataclass(frozen=True)
class FusedChunkedLoss:
    """The sum of losses of all tokens, by chunks, with gradients from the same pass.

    Attributes:
        values: The loss of each token, of logits, other arrays and hyper-parameters.
        at_once: The numbers of tokens in a chunk.
        tied: Whether the weight is `[classes, features]`.
    """

    values: Callable[..., Array]
    at_once: Sizes[int]
    tied: bool

    def total(self, inputs: HeadInputs) -> Array:
        """Sum of weight times value over the tokens that count."""
        summed = jax.custom_jvp(self._value)
        summed.defjvp(self._rule, symbolic_zeros=True)
        heads = tuple(head.aligned() for head in inputs.heads)
        total: Array = summed(inputs._replace(heads=heads))
        return total

    def _value(self, inputs: HeadInputs) -> Array:
        return self._value_and_gradients(inputs, none_active(inputs))[0]

    def _rule(self, primals: tuple[HeadInputs], tangents: tuple[HeadInputs]) -> tuple[Array, Array]:
        active = activity(tangents[0])
        value, gradients = self._value_and_gradients(primals[0], active)
        changes = jax.tree.map(_inner_product, gradients, only(active, tangents[0]))
        # In `shard_map` the tangent of a sum that devices share is the sum of each one's own.
        summed = [sum_but_over(axes_of(value), x) for x in jax.tree.leaves(changes)]
        return value, sum(summed, jnp.zeros_like(value))

    def _value_and_gradients(self, inputs: PyTree, active: PyTree) -> tuple[Array, HeadInputs]:
        """The sum, and the gradients in what is active."""
        found: tuple[Array, HeadInputs] = by_platform(
            partial(self._by_chunks, active), self.at_once, inputs
        )
        return found

    def _by_chunks(self, active: PyTree, at_once: int, inputs: PyTree) -> tuple[Array, HeadInputs]:
        """The same by chunks of so many tokens."""
        dtype, axes = computing_dtype(inputs.heads[0].bias), self._axes(inputs)
        inputs = _varied(inputs, axes)
        shared = only(_shared(active), _shared(inputs))
        start = jax.tree.map(lambda x: jax.lax.full_like(x, 0, dtype), shared)
        step = rematerialized(partial(self._step, inputs, active))
        blocks = Blocks.of_at_most(count_of(inputs.rows()), at_once)
        features, others, weights, counted = blocks.split(inputs.rows())
        rows = features, others, weights, counted & blocks.present()
        zero = vary(jnp.zeros((), dtype), axes)
        (value, of_shared), of_rows = jax.lax.scan(step, (zero, start), rows)
        features, others, weights = blocks.join(of_rows)
        heads = tuple(Affine(x, *y) for x, y in zip(features, of_shared[0], strict=True))
        return value, inputs._replace(
            heads=heads, others=others, hyper=of_shared[1], weights=weights, counted=None
        )

    def _axes(self, inputs: HeadInputs) -> Axes:
        """The axes of a mesh that the sum varies over, as the carry of a scan has to at once."""
        if not axes_of(inputs):
            return frozenset()
        few = inputs.with_rows(jax.tree.map(lambda x: x[: self.at_once.cpu], inputs.rows()))
        return axes_of(jax.eval_shape(partial(self._gradients, none_active(few)), few)[0])

    def _step(
        self, whole: HeadInputs, active: PyTree, carry: tuple[Array, PyTree], rows: PyTree
    ) -> tuple[tuple[Array, PyTree], PyTree]:
        """The sums plus those of these tokens, and the gradients in the rows of these tokens."""
        (value, (head_sums, hyper_sums)), inputs = carry, whole.with_rows(rows)
        added, (logits, others, hyper, weights) = self._if_counted(inputs, active)
        items = list(zip(active.heads, inputs.heads, logits, strict=True))
        features = [
            rows_gradient(factor, head, tied=self.tied) if wanted.rows else None
            for wanted, head, (factor, _) in items
        ]
        head_sums = [self._add(sums, *item) for sums, item in zip(head_sums, items, strict=True)]
        hyper_sums = jax.tree.map(jnp.add, hyper_sums, hyper)
        return (value + added, (head_sums, hyper_sums)), (features, others, weights)

    def _if_counted(self, inputs: PyTree, active: PyTree) -> tuple[Array, PyTree]:
        """The result of `_gradients`, or zeros, without computing it, where no token counts.

        Without the condition, JAX would move what does not depend on the chunk, such as the indices
        of classes, out of the loop, to be held.
        """
        gradients = partial(self._gradients, active)

        def none(inputs: PyTree) -> PyTree:
            return jax.tree.map(_zeros, jax.eval_shape(gradients, inputs))

        chunk: tuple[Array, PyTree] = cond_on_some(
            jnp.any(inputs.counted), gradients, none, inputs, but_on=("tpu",)
        )
        return chunk

    def _gradients(self, active: PyTree, inputs: PyTree) -> tuple[Array, PyTree]:
        """The sum over these tokens, and its gradients in the arguments of the loss and weights.

        Those in the operands of the logits follow from that in the logits by products.
        """
        logits = tuple(head.logits(tied=self.tied) for head in inputs.heads)
        arguments = logits, inputs.others, inputs.hyper, inputs.weights
        wanted = tuple(map(any, active.heads)), active.others, active.hyper, active.weights

        def of_tokens(examples: PyTree, hyper: PyTree) -> Array:
            logits, others, weights, counted = examples
            return weigh(self.values(logits, others, hyper), weights, counted)

        def total(of_active: PyTree) -> Array:
            logits, others, hyper, weights = with_active(of_active, arguments)
            examples = logits, others, weights, inputs.counted
            return sum_by_blocks(of_tokens, inputs.counted.shape, examples, hyper, None)

        value, gradients = jax.value_and_grad(total)(only(wanted, arguments))
        # Narrow already here: no kernel of a GPU reaches across the condition around this.
        heads = zip(active.heads, inputs.heads, gradients[0], strict=True)
        of_logits = tuple(starmap(_factor_and_bias_gradient, heads))
        return value, (of_logits, *gradients[1:])

    def _add(self, sums: PyTree, wanted: Affine, head: Affine, of_logits: PyTree) -> PyTree:
        """The gradients in weight and bias, if wanted, plus those of these tokens."""
        (weight, bias), (factor, of_bias) = sums, of_logits
        if wanted.weight:
            weight = add_weight_gradient(weight, factor, head.rows, tied=self.tied)
        return weight, bias + of_bias if wanted.bias else bias


def _factor_and_bias_gradient(wanted: Affine, head: Affine, gradient: Array) -> PyTree:
    """The gradient in logits as a factor of products, if wanted, and the sum of it for the bias."""
    factor = as_factor(gradient, head.weight) if wanted.rows or wanted.weight else None
    return factor, bias_gradient(gradient, head.bias) if wanted.bias else None


def _shared(inputs: HeadInputs) -> PyTree:
    return [(head.weight, head.bias) for head in inputs.heads], inputs.hyper


def _varied(inputs: HeadInputs, axes: Axes) -> HeadInputs:
    """The inputs as varying over these axes, and operands over all that their products vary over.

    So the gradients in the loop are each device's own, and are summed over devices once, after it.
    """
    heads = tuple(vary(head, axes | axes_of(head)) for head in inputs.heads)
    varied: HeadInputs = vary(inputs._replace(heads=()), axes)
    return varied._replace(heads=heads)


def _zeros(like: jax.ShapeDtypeStruct) -> Array:
    """Zeros sharded as the abstract array, as both branches of a condition have one type."""
    zeros = jax.lax.full(like.shape, 0, like.dtype, sharding=like.sharding)
    varying: Array = vary(zeros, axes_of(like))
    return varying


def _inner_product(gradient: Array, tangent: Array) -> Array:
    return jnp.sum(gradient * tangent.astype(gradient.dtype))
