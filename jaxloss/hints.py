"""What to say of a name that is not known."""

import difflib
from collections.abc import Iterable


def alike(name: str, known: Iterable[str]) -> list[str]:
    """The names that look like it, at most three, the likest first."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)


def nearest(name: str, known: Iterable[str]) -> str:
    """The same as the end of a sentence; "" where none looks like it."""
    near = alike(name, known)
    return f"; the nearest are {', '.join(near)}" if near else ""
