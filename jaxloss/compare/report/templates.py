"""Templates of the page and of the Markdown report."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def fill(name: str, *, html: bool, filters: dict[str, Callable[..., str]], **values: Any) -> str:
    """Render a template of this folder; values are escaped if it is HTML."""
    environment = Environment(
        loader=PackageLoader("jaxloss.compare.report", package_path=""),
        autoescape=html,
        undefined=StrictUndefined,  # a misspelt name is an error, not an empty cell
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name).render(**values)
