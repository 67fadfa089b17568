"""One part of a structure by a key, an index or an attribute, and masks given part by part."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from jaxloss.hints import alike

PyTree = Any
Key = str | int
Path = tuple[Key, ...]


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


def refuse_unread(name: str, tree: PyTree, paths: Iterable[Path]) -> None:
    """Refuse a mask or weight for a part that no term acts on, as it would mask nothing.

    Args:
        name: `where` or `weights`.
        tree: An array for all, or for each part what it has, `None` included.
        paths: Where the terms act.

    Raises:
        ValueError: There is such a mask.
    """
    paths = list(paths)
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
        refuse_unread(name, part, [p[1:] for p in paths if p and _place(tree, p[0]) == key])


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
