"""What an objective is called with, and the part of it that one term acts on.

A part is found by a key, an index or an attribute. Masks and weights are given once for all parts,
or part by part.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.hints import alike
from jaxloss.numerics import as_argument, as_array
from jaxloss.numerics.trees import PyTree

Key = str | int
Path = tuple[Key, ...]


class Batch(NamedTuple):
    """Some examples.

    Attributes:
        predictions: An array, a tuple of several for one loss, or a structure of these by part.
        targets: Likewise, or `None` where no loss takes any.
        where: Which examples count, once for all or by part; all of them if `None`.
        weights: What each example counts, once for all or by part; one if `None`.
    """

    predictions: PyTree
    targets: PyTree
    where: PyTree = None
    weights: PyTree = None

    @classmethod
    def of(cls, *trees: PyTree) -> Self:
        """The examples as arguments of a compiled function."""
        return cls(*(throughout(as_argument, tree) for tree in trees))

    def at(self, path: Path, *, targets: bool) -> Self:
        """The part that a path leads to; without targets for a loss that takes none."""
        part = self if targets else self._replace(targets=None)
        for key in path:
            part = type(self)(
                part_of("the predictions", part.predictions, key),
                part_of("the targets", part.targets, key) if targets else None,
                own_mask(part.where, key),
                own_mask(part.weights, key),
            )
        return part


def as_arrays(tree: PyTree) -> PyTree:
    """Arrays throughout; a list is an array, a tuple or mapping is several."""
    return throughout(as_array, tree)


def throughout(receive: Callable[[ArrayLike], ArrayLike], tree: PyTree) -> PyTree:
    """The tree with each of its leaves received as an array; a list is one leaf."""
    if tree is None or isinstance(tree, Array):
        return tree
    return jax.tree.map(receive, tree, is_leaf=lambda node: isinstance(node, list))


def part_of(owner: str, tree: PyTree, key: Key) -> PyTree:
    """The part of predictions or targets; `owner` says of which, for the error.

    Raises:
        ValueError: There is no such part.
    """
    if _is_array(tree):
        if isinstance(key, int) and np.ndim(tree) and -tree.shape[0] <= key < tree.shape[0]:
            return tree[key]
    elif (place := _place(tree, key)) in (parts := _parts(tree)):
        return parts[place]
    raise ValueError(f"Objective.at: no part {key!r} in {owner}, {_described(tree, key)}")


def own_mask(tree: PyTree, key: Key) -> PyTree:
    """Of masks given part by part, that of this part, if any; of a single one, all of it."""
    if tree is None or _is_array(tree):
        return tree
    return _parts(tree).get(_place(tree, key))


def refuse_unread(batch: Batch, paths: Sequence[Path]) -> None:
    """Refuse a mask or weight for a part that no term acts on, as it would mask nothing.

    Args:
        batch: With masks and weights as an array for all, or for each part what it has, `None`
            included.
        paths: Where the terms act.

    Raises:
        ValueError: There is such a mask.
    """
    for name, tree in (("where", batch.where), ("weights", batch.weights)):
        if tree is not None:
            _refuse_unread_in(name, tree, paths)


def _refuse_unread_in(name: str, tree: PyTree, paths: Sequence[Path]) -> None:
    read = {_place(tree, path[0]): path[0] for path in paths if path}
    for key, part in _parts(tree).items():
        if part is None:
            continue
        if key not in read:
            near = alike(str(key), map(str, read.values()))
            hint = f"; did you mean {near[0]!r}?" if near else ""
            acted = f"they act on {list(read.values())}" if read else "none was made by `at`"
            message = f"`{name}` has a part {key!r} that no term acts on ({acted}){hint}"
            raise ValueError(f"Objective: {message}")
        _refuse_unread_in(name, part, [p[1:] for p in paths if p and _place(tree, p[0]) == key])


def _parts(tree: PyTree) -> dict[Key, Any]:
    """The parts by key, index or name; an array has none."""
    if isinstance(tree, Mapping):
        return dict(tree)
    if isinstance(tree, tuple | list):
        names = getattr(tree, "_fields", range(len(tree)))
        return dict(zip(names, tree, strict=True))
    if dataclasses.is_dataclass(tree):
        return {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}
    return {} if _is_array(tree) else dict(getattr(tree, "__dict__", {}))


def _place(tree: PyTree, key: Key) -> Key:
    """The key of a part; in a tuple also an index counts, from either end."""
    if isinstance(key, int) and isinstance(tree, tuple | list) and -len(tree) <= key < len(tree):
        return list(_parts(tree))[key]
    return key


def _is_array(tree: PyTree) -> bool:
    return isinstance(tree, (jax.Array, np.ndarray))


def _described(tree: PyTree, key: Key) -> str:
    """What there is in place of the part, and what may be meant."""
    if not _is_array(tree):
        parts = list(map(str, _parts(tree)))
        near = alike(str(key), parts)
        found = f"a {type(tree).__name__}" + (f" of {parts}" if parts else "")
        return found + (f"; did you mean {near[0]!r}?" if near else "")
    shape = f"an array of shape {tree.shape}"
    return f"{shape}; give {{{key!r}: array}}" if isinstance(key, str) else shape
