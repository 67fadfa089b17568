"""The losses by family, read from their sources: a list of them need not wait for JAX."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import jaxloss
from jaxloss.hints import nearest

T = TypeVar("T")

# The first line of a docstring, of a file and of what is decorated with facts, as by
# `@distance(convex=True)`.
_OF_FILE = re.compile(r'\A"""(.+?)(?:"""|$)', re.MULTILINE)
_OF_LOSS = re.compile(
    r'^@(?!with_slopes)\w+\([^@]*?\)\ndef (\w+)\(.*?"""(.+?)(?:"""|$)',
    re.MULTILINE | re.DOTALL,
)


class Listed(NamedTuple):
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
    root = Path(__file__).parent / "losses"
    files = {
        "/".join(file.with_suffix("").relative_to(root).parts): file for file in root.rglob("*.py")
    }
    every = {name: found for name in sorted(files) if (found := _read(files[name])).losses}
    if family is None:
        return every
    field = {name: found for name, found in every.items() if name.startswith(f"{family}/")}
    return field or {family: known("family", family, every)}


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
    source, public = file.read_text(encoding="utf-8"), set(dir(jaxloss))
    losses = {name: line for name, line in _OF_LOSS.findall(source) if name in public}
    return Listed(_OF_FILE.findall(source)[0], dict(sorted(losses.items())))
