"""What is said of a name that `jaxloss` does not have."""

from collections.abc import Collection
from importlib.util import find_spec

from jaxloss.hints import nearest
from jaxloss.peers.names import snake_case, translation


def answer(name: str, exported: Collection[str]) -> str:
    """The message: what the name is called here, or the names that look like it."""
    missing = f"module 'jaxloss' has no attribute {name!r}"
    if name.isidentifier() and find_spec(f"jaxloss.{name}"):
        return f"{missing} until `import jaxloss.{name}`"
    near = nearest(snake_case(name), exported)
    return missing + (translation(name, exported) or near or "; see `dir(jaxloss)`")
