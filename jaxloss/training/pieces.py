"""Batches and models as flat leaves, for a scan over parts of a batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.kernels.chunking import Blocks, count_of
from jaxloss.numerics import as_array
from jaxloss.numerics.trees import PyTree

Leaves = dict[int, Array]
Given = tuple[PyTree, ...]  # inputs, targets, masks and weights
_ARRAYS = (jax.Array, np.ndarray, np.generic)


@dataclass(frozen=True)
class Pieces:
    """Inputs, targets, masks and weights as leaves, of which some are split into parts.

    Attributes:
        leaves: The leaves as they were given.
        axes: The axis of examples of each leaf that is split, by the index of the leaf.
        structure: The structure of the tree.
        parts: The number of parts.
    """

    leaves: Sequence[Any]
    axes: Mapping[int, int]
    structure: Any
    parts: int

    @classmethod
    def of(cls, given: Given, axes: Given, parts: int) -> Self:
        """Flatten data and its axes, and require equally many examples in all arrays."""
        leaves, structure = jax.tree.flatten(given, _is_none)
        every = enumerate(jax.tree.leaves(jax.tree.broadcast(axes, given, _is_none), _is_none))
        split = {i: axis for i, axis in every if axis is not None and _is_split(leaves[i])}
        shapes = [np.shape(leaves[i]) for i in split]
        counts = {shape[axis] for shape, axis in zip(shapes, split.values(), strict=True)}
        if not split:
            raise ValueError("accumulate: no array of inputs, targets or masks is split into parts")
        if len(counts) > 1:
            message = "arrays that are split have the same number of examples"
            hint = "`in_axes=None` is for inputs that all parts share"
            raise ValueError(f"accumulate: {message}, got shapes {shapes}; {hint}")
        if counts.pop() % parts:
            message = f"accumulate: an array of shape {shapes[0]} does not fall into {parts} parts"
            raise ValueError(f"{message} of as many examples each")
        return cls(leaves, split, structure, parts)

    def split(self) -> Leaves:
        """The arrays that are split, with a first axis of parts, each of every n-th example."""
        every = {i: self._rows(i) for i in self.axes}
        apart: Leaves = Blocks(count_of(every), self.parts).split(every)
        return apart

    def part(self, rows: Leaves) -> Given:
        """The data of one part, in the given structure."""
        own = {i: jnp.moveaxis(row, 0, self.axes[i]) for i, row in rows.items()}
        given: Given = self.structure.unflatten(_replaced(self.leaves, own))
        return given

    @property
    def whole(self) -> Given:
        """The data of all parts, in the given structure."""
        return self.part({i: self._rows(i) for i in self.axes})

    def _rows(self, i: int) -> Array:
        """An array that is split, with the examples along its first axis."""
        return jnp.moveaxis(as_array(self.leaves[i]), self.axes[i], 0)


@dataclass(frozen=True)
class Model:
    """A model as leaves, some of which are differentiated and some of which change in a call."""

    apply: Callable[[PyTree, PyTree], PyTree]
    leaves: Sequence[Any]
    structure: Any

    @classmethod
    def of(cls, apply: Callable[[PyTree, PyTree], PyTree], params: PyTree) -> Self:
        """The model of these parameters."""
        return cls(apply, *jax.tree.flatten(params))

    @property
    def moving(self) -> Leaves:
        """The leaves that are differentiated: float arrays, or all leaves if all are floats."""
        arrays = {i: x for i, x in enumerate(self.leaves) if _is_floating(x)}
        only = all(isinstance(x, float) or i in arrays for i, x in enumerate(self.leaves))
        chosen = dict(enumerate(self.leaves)) if only else arrays
        return {i: jnp.asarray(x) for i, x in chosen.items()}

    def call(self, own: Leaves, inputs: PyTree) -> tuple[PyTree, Leaves]:
        """Compute the predictions with some leaves replaced, and return the leaves that changed.

        The module is rebuilt first, so that a mutable one keeps no tracers.
        """
        before = _replaced(self.leaves, own)
        module = self.structure.unflatten(before)
        predictions = self.apply(module, inputs)
        after = jax.tree.leaves(module)
        if len(after) != len(before):
            message = f"`params` of {len(before)} leaves has {len(after)} after a call of the model"
            raise ValueError(f"accumulate: {message}; let it keep its structure")
        # A leaf that the call has replaced is another object; the others stay the same objects.
        pairs = enumerate(zip(before, after, strict=True))
        return predictions, {i: jnp.asarray(new) for i, (old, new) in pairs if new is not old}

    def rebuilt(self, own: Leaves) -> PyTree:
        """The model with some leaves replaced."""
        return self.structure.unflatten(_replaced(self.leaves, own))

    def tree(self, own: Leaves) -> PyTree:
        """A tree like the model with these leaves, and `None` for the others."""
        return self.structure.unflatten([own.get(i) for i in range(len(self.leaves))])


def _replaced(leaves: Sequence[Any], own: Leaves) -> list[Any]:
    return [own.get(i, leaf) for i, leaf in enumerate(leaves)]


def _is_none(node: Any) -> bool:
    return node is None  # `None`, such as of no mask, is a leaf here, and keeps its place


def _is_split(leaf: Any) -> bool:
    """Whether a leaf has axes, unlike scalars, single keys, and what is no array."""
    return isinstance(leaf, _ARRAYS) and bool(np.ndim(leaf))


def _is_floating(leaf: Any) -> bool:
    return isinstance(leaf, _ARRAYS) and jnp.issubdtype(leaf.dtype, jnp.inexact)
