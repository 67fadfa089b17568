"""Gradient accumulation: a batch by parts, of which one is in memory, exact under any mask."""

import functools
import operator
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_batching import custom_vmap

from jaxloss.core.batch import Batch, as_arrays
from jaxloss.core.reduction import Average
from jaxloss.core.term import Term
from jaxloss.numerics import computing_dtype
from jaxloss.numerics.broadcasting import Shape
from jaxloss.numerics.trees import PyTree
from jaxloss.training.binding import Bound
from jaxloss.training.pieces import Given, Leaves, Model, Pieces

Aux = Callable[[PyTree, PyTree], PyTree]


class Accumulated(NamedTuple):
    """The auxiliary results of `accumulate`, beside the value.

    Attributes:
        terms: Each term's average over all examples, unscaled, by name.
        aux: The results of `aux`: each `Average` over all examples, all else with a first axis of
            parts.
        params: The parameters as the last part left them, with new batch statistics and counters.
    """

    terms: dict[str, Average]
    aux: PyTree
    params: PyTree


def accumulate(
    bound: Bound,
    parts: int,
    *,
    aux: Aux | None = None,
    in_axes: PyTree = 0,
) -> Callable[..., tuple[Any, PyTree]]:
    """Make a function that computes the value and gradient of a batch by a scan over its parts.

        Σ_b s T_b / Σ_b M_b,   T_b = total, M_b = mass of part b, s = scale, summed over terms

    The mean of the parts' means is another number wherever a mask leaves them unequal. A term whose
    value does not depend on the examples, such as a penalty on parameters that the model returns
    beside its predictions, counts once.

    Args:
        bound: An objective joined to a model by `bind`. Its terms are reduced by what adds up over
            parts, as `mean` and `total` do. Parameters are what the model takes, with whatever
            leaves beside arrays of floats, such as an NNX or Equinox module.
        parts: How many parts; it divides the number of examples. A part has every n-th of them.
        aux: Maps the predictions and targets of a part to figures, such as an accuracy: an
            `Average` is added up, all else gets a first axis of parts. A mask that it needs goes
            with the targets. `lambda predictions, targets: None` for the terms alone.
        in_axes: The axes of the examples in `inputs`, as of `jax.vmap`: an integer, or `None` for
            what all parts share, or a structure of these that is a prefix of `inputs`. Scalars,
            single typed keys, and what is no array are shared in any case. So are the targets and
            masks of a term whose predictions do not depend on the inputs that are split.

    Returns:
        A function of `(params, inputs, targets, *, where, weights)`. It gives the value and the
        gradient in `params` of `bound`, to rounding; with `aux` as `jax.value_and_grad` does, the
        value in a pair with an `Accumulated`. Sums are in float32 or wider, gradients come back in
        the types of the parameters. They have the structure of `params`, with `None` for leaves
        that hold no floats, as of `equinox.filter_grad`; `optimizer.update(model, gradient)` of
        NNX takes them. Python's floats are differentiated where all leaves are floats, as of
        `jax.grad`, and are constants otherwise, as of `equinox.filter_grad`.
        What a part changes in a mutable module, the next finds: batch statistics are of one part
        after another, dropout draws again. `nnx.update(model, nnx.state(accumulated.params,
        nnx.BatchStat))` keeps it. A key among the inputs is the same in all parts; split it into
        one for each example for others.

    Raises:
        ValueError: `parts` is below 1, or does not divide the number of examples; arrays that are
            split differ in that number. A term is no sum over parts: it takes several examples as
            one event, or its arrays have not one first axis of examples, or its reduction needs all
            values at once. Of a function that is no loss of jaxloss only the shapes are known: that
            it gives each example's value from that example alone is assumed.

    Use when activations of the whole batch do not fit in memory.
    Avoid when the model couples examples, as batch normalisation does: parts are other batches.
        When the loss does, as contrastive losses do, take its gradient in the embeddings, and from
        there part by part (GradCache, the second example).

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> from jaxloss import training
        >>> bound = training.bind(jl.Objective(jl.squared_error), lambda w, x: w * x)
        >>> x, y, where = jnp.ones(4), jnp.array([1.0, 2.0, 3.0, 9.0]), jnp.arange(4) < 3
        >>> value, gradient = training.accumulate(bound, 2)(jnp.array(0.0), x, y, where=where)
        >>> round(float(value), 4), float(gradient)
        (4.6667, -4.0)

        A loss over the set of all examples, with the activations of two of them at a time:

        >>> objective, embed = jl.Objective(jl.symmetric_info_nce), lambda w, x: jnp.tanh(x @ w)
        >>> w, x, texts = jnp.eye(3), jnp.arange(12.0).reshape(4, 3) / 12, jnp.eye(4, 3)
        >>> rows = x.reshape(2, 2, 3)
        >>> embeddings = jax.lax.map(lambda part: embed(w, part), rows).reshape(4, 3)
        >>> value, cotangents = objective.value_and_grad(embeddings, texts)
        >>> def add(gradient, part):
        ...     row, cotangent = part
        ...     return gradient + jax.vjp(lambda w: embed(w, row), w)[1](cotangent)[0], None
        >>> parts = rows, cotangents.reshape(2, 2, 3)
        >>> gradient, _ = jax.lax.scan(add, jnp.zeros_like(w), parts)
        >>> whole = jax.grad(lambda w: objective(embed(w, x), texts))(w)
        >>> bool(jnp.allclose(gradient, whole, atol=1e-6))
        True

    References:
        Gao, Zhang, Han & Callan (2021), Scaling deep contrastive learning batch size under memory
        limited setup, arXiv:2101.06983.
    """
    if parts < 1:
        raise ValueError(f"accumulate: `parts` is an integer >= 1, got {parts}")

    def value_and_grad(
        params: PyTree,
        inputs: PyTree,
        targets: PyTree,
        *,
        where: PyTree = None,
        weights: PyTree = None,
    ) -> tuple[Any, PyTree]:
        data = inputs, *map(as_arrays, (targets, where, weights))
        model = Model.of(bound.apply, params)
        axes = in_axes, *_axes_of_others(bound, model, (data, in_axes), parts)
        scan = Scan.of(bound, model, Pieces.of(data, axes, parts))
        value, accumulated, gradient = scan.run(aux)
        return (value if aux is None else (value, accumulated)), gradient

    return value_and_grad


@dataclass(frozen=True)
class Scan:
    """A scan over the parts of a batch, with what tracing shows of it beforehand.

    Attributes:
        bound: The objective and the model.
        model: The model as leaves.
        pieces: The data as leaves.
        predictions: The shapes of the predictions of one part.
        summed: The names of the terms that differ from part to part; the others count once.
        changed: The leaves of the model that a call changes, by index.
    """

    bound: Bound
    model: Model
    pieces: Pieces
    predictions: PyTree
    summed: Collection[str]
    changed: Collection[int]

    @classmethod
    def of(cls, bound: Bound, model: Model, pieces: Pieces) -> "Scan":
        """Trace the model under `vmap` over parts, which shows what depends on the examples."""
        named, changed, summed = bound.objective.named, set[int](), set[str]()
        depends: dict[str, PyTree] = {}

        def arrays_of(data: Given) -> tuple[PyTree, dict[str, PyTree]]:
            predictions, new = model.call({}, data[0])
            changed.update(new)
            batch = Batch(as_arrays(predictions), data[1])
            return predictions, {
                name: term.positional(term.part(batch)) for name, term in named.items()
            }

        def of_part(rows: Leaves) -> tuple[PyTree, dict[str, PyTree]]:
            _, targets, where, weights = data = pieces.part(rows)
            predictions, arrays = arrays_of(data)
            depends.update(mapped(arrays))
            for name, term in named.items():
                if pieces.parts > 1 and any(jax.tree.leaves(depends[name][0])):
                    term.refuse_event("accumulate", arrays[name][0].shape)
            terms = bound.objective.terms(predictions, targets, where=where, weights=weights)
            totals = mapped({name: average.total for name, average in terms.items()})
            summed.update(name for name, total in totals.items() if total and pieces.parts > 1)
            return predictions, arrays

        # Shapes only: nothing is computed.
        every = jax.eval_shape(jax.vmap(of_part), pieces.split())
        predictions, arrays = jax.eval_shape(lambda x: jax.tree.map(lambda y: y[0], x), every)
        if summed:
            _, whole = jax.eval_shape(lambda: arrays_of(pieces.whole))
            for name in summed:
                own = arrays[name], whole[name], depends[name]
                _refuse_coupled(named[name], *own, pieces.parts)
        return cls(bound, model, pieces, predictions, summed, changed)

    def run(self, aux: Aux | None) -> tuple[Array, Accumulated, PyTree]:
        """Compute the value, the auxiliary results, and the gradient."""
        named, rows, moving = self.bound.objective.named, self.pieces.split(), self.model.moving
        masses = self._masses(rows)

        def share(own: Leaves, state: Leaves, row: Leaves) -> tuple[Array, Any]:
            inputs, targets, *masks = self.pieces.part(row)
            predictions, changed = self.model.call(state | own, inputs)
            batch = Batch(as_arrays(predictions), targets, *masks)
            # A term that is the same in all parts counts once, by a share in each.
            shares = [
                term.share(masses[name], batch)
                if name in self.summed
                else term.value(batch) / self.pieces.parts
                for name, term in named.items()
            ]
            value = functools.reduce(operator.add, shares)
            if aux is None:
                return value, (changed, {}, None)
            terms = {name: term.average(batch) for name, term in named.items()}
            return value, (changed, terms, aux(predictions, targets))

        def step(carry: tuple[Leaves, Leaves], row: Leaves) -> tuple[tuple[Leaves, Leaves], Any]:
            sums, state = carry
            # Where earlier parts have changed a leaf, the gradient is taken at its new value.
            own = {i: state.get(i, x) for i, x in moving.items()}
            (part, found), slopes = jax.value_and_grad(share, has_aux=True)(own, state, row)
            changed, *figures = found
            added = {i: x + slopes[i].astype(x.dtype) for i, x in sums.items()}
            return (added, changed), (part, *figures)

        # Sums in float32 or wider: in bfloat16, adding 1 to 256 changes nothing.
        zeros = {i: jnp.zeros_like(x, computing_dtype(x)) for i, x in moving.items()}
        start = {i: jnp.asarray(self.model.leaves[i]) for i in self.changed}
        (sums, state), (parts, terms, figures) = jax.lax.scan(step, (zeros, start), rows)
        value = jnp.sum(parts)
        value += jnp.asarray(self.bound.objective.constant, value.dtype)
        gradient = {i: sums[i].astype(x.dtype) for i, x in moving.items()}
        accumulated = Accumulated(
            {name: self._whole(name, average) for name, average in terms.items()},
            jax.tree.map(
                lambda x: _added(x) if _is_average(x) else x, figures, is_leaf=_is_average
            ),
            self.model.rebuilt(state),
        )
        return value, accumulated, self.model.tree(gradient)

    def _masses(self, rows: Leaves) -> dict[str, Array]:
        """The mass of each term over all parts, from masks, weights and shapes.

        The masses divide the sums of every part, so they are needed before the first one.
        """
        named = self.bound.objective.named
        blank = as_arrays(jax.tree.map(jnp.zeros_like, self.predictions))

        def masses(row: Leaves) -> dict[str, Array]:
            batch = Batch(blank, *self.pieces.part(row)[1:])
            return {name: named[name].average(batch).mass for name in self.summed}

        every: dict[str, Array] = jax.lax.map(masses, rows)
        return {name: jnp.sum(x, 0, dtype=x.dtype) for name, x in every.items()}

    def _whole(self, name: str, averages: Average) -> Average:
        """The average of a term over the whole batch, from its averages over the parts."""
        if name in self.summed:
            return _added(averages)
        whole: Average = jax.tree.map(lambda x: x[0], averages)
        return whole


def _axes_of_others(
    bound: Bound, model: Model, given: tuple[Given, PyTree], parts: int
) -> tuple[PyTree, PyTree, PyTree]:
    """The axes of targets, masks and weights, none for those of terms without examples.

    Tracing under `vmap` shows whether a term's predictions depend on the examples; replacing each
    array by its index shows which targets, masks and weights it reads.
    """
    (inputs, *others), in_axes = given
    rows, found = Pieces.of((inputs,), (in_axes,), parts), list[PyTree]()

    def of_part(row: Leaves) -> None:
        predictions = as_arrays(model.call({}, *rows.part(row))[0])
        found.append(jax.tree.map(_filled, predictions, mapped(predictions)))

    jax.eval_shape(jax.vmap(of_part), rows.split())
    leaves, structure = jax.tree.flatten(others)
    places = jax.tree.unflatten(structure, map(_filled, leaves, range(len(leaves))))
    read: dict[bool, set[int]] = {True: set(), False: set()}
    for term in bound.objective.named.values():
        predictions, *beside = term.part(Batch(*found, *places))
        read[any(_values(predictions))].update(map(int, _values(beside)))
    shared = read[False] - read[True]
    axes = [None if i in shared else 0 for i in range(len(leaves))]
    targets, where, weights = jax.tree.unflatten(structure, axes)
    return targets, where, weights


def _filled(like: Array, value: int) -> np.ndarray:
    """A constant array, which keeps its value whatever part of it a term's path selects."""
    return np.broadcast_to(value, like.shape)


def _values(tree: PyTree) -> list[Any]:
    return [value for x in jax.tree.leaves(tree) for value in x.flat[:1]]


def mapped(tree: PyTree) -> PyTree:
    """Whether each array is batched by the innermost `vmap`, and so differs along its axis.

    JAX has no public function for it, but the rule of a `custom_vmap` receives it. Outside `vmap`
    the rule does not run, and nothing is batched.
    """
    found = [jax.tree.map(lambda _: False, tree)]

    @custom_vmap
    def seen(tree: PyTree) -> PyTree:
        return tree

    @seen.def_vmap
    def _(_: int, batched: list[PyTree], tree: PyTree) -> tuple[PyTree, PyTree]:
        found.append(batched[0])
        return tree, batched[0]

    seen(tree)
    return found[-1]


def _refuse_coupled(term: Term, part: PyTree, whole: PyTree, batched: PyTree, parts: int) -> None:
    """Refuse a term whose arrays, for a part, are not a slice along the first axis of the whole."""
    for few, all_, depends in zip(*map(jax.tree.leaves, (part, whole, batched)), strict=True):
        if depends:
            _refuse_uneven(term, few.shape, all_.shape, parts)
    _refuse_uneven(term, term.counted_shape(part), term.counted_shape(whole), parts)


def _refuse_uneven(term: Term, part: Shape, whole: Shape, parts: int) -> None:
    rows = [parts * n for n in part[:1]]
    if not rows or whole != (*rows, *part[1:]):
        raise ValueError(
            f"accumulate: {term.name} has an array of shape {whole} of all examples, and {part} of "
            f"one of {parts} parts; the first axis, and no other, is to be that of examples. If "
            "examples meet each other there, take the gradient in the embeddings by "
            "`objective.value_and_grad`, and from there part by part by `jax.vjp` of the model "
            "(see help(jaxloss.training.accumulate))"
        )


def _added(stacked: Average) -> Average:
    """Add up an average with a first axis of parts."""
    first, rest = (jax.tree.map(lambda x, at=at: x[at], stacked) for at in (0, slice(1, None)))
    whole: Average = jax.lax.scan(lambda x, y: (x + y, None), first, rest)[0]
    return whole


def _is_average(node: Any) -> bool:
    return isinstance(node, Average)
