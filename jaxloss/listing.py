"""The losses by family, read from their sources: a list of them need not wait for JAX."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import jaxloss
from jaxloss.hints import nearest

T = TypeVar("T")


@dataclass(frozen=True)
class Listed:
    """The losses of one file: its first line, and that of each by name."""

    summary: str
    losses: Mapping[str, str]


class UnknownNameError(Exception):
    """A name that the catalog does not hold."""


def listed(family: str | None = None) -> dict[str, Listed]:
    """All families by name, or the one of this name.

    Raises:
        UnknownNameError: There is none of that name; the message names the nearest.
    """
    files = sorted((Path(__file__).parent / "losses").glob("*.py"))
    every = {file.stem: found for file in files if (found := _read(file)).losses}
    return every if family is None else {family: known("family", family, every)}


def known(kind: str, name: str, every: Mapping[str, T]) -> T:
    """What has this name.

    Raises:
        UnknownNameError: Nothing has; the message names the nearest.
    """
    if name not in every:
        message = f"no {kind} `{name}`{nearest(name, every)} (`jaxloss list` shows all)"
        raise UnknownNameError(message)
    return every[name]


def _read(file: Path) -> Listed:
    module = ast.parse(file.read_text(encoding="utf-8"))
    return Listed(_first_line(module), dict(sorted(_losses(module))))


def _losses(module: ast.Module) -> Iterator[tuple[str, str]]:
    """What is public and decorated with facts, as by `@distance(convex=True)`."""
    public = set(dir(jaxloss))
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and _has_facts(node) and node.name in public:
            yield node.name, _first_line(node)


def _has_facts(node: ast.FunctionDef) -> bool:
    return any(isinstance(decorator, ast.Call) for decorator in node.decorator_list)


def _first_line(node: ast.Module | ast.FunctionDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]
