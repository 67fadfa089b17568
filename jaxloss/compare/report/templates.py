"""The templates of the reports."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def fill(name: str, *, html: bool, filters: dict[str, Callable[..., str]], **given: Any) -> str:
    """A template of this folder with what it is given, escaped where it is HTML."""
    environment = Environment(
        loader=PackageLoader("jaxloss.compare.report", package_path=""),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name).render(**given)
