"""Loss functions and objectives for JAX.

What is exported stands in `__init__.pyi` and is imported when it is first asked for.
"""

import importlib
import re
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_stub = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
_exports = re.findall(r"^from (\S+) import \(?\s*(\w+)", _stub, re.MULTILINE)
_home = {name: module for module, name in _exports}
__all__ = list(_home)


def __getattr__(name: str) -> Any:
    if name not in _home:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = globals()[name] = getattr(importlib.import_module(_home[name]), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *_home]
