"""Models, optimizers and metrics by their names in text, as on the command line."""

import ast
import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import optax

from jaxloss.compare.tasks.optimizers import Optimizer
from jaxloss.hints import nearest


def load(text: str) -> Any:
    """Return what a text such as "mine:cnn" or "models/mine.py:cnn" names.

    Modules are found in the working directory, too.

    Raises:
        ValueError: The text has another form, or there is no such module or name in it.
    """
    where, _, name = text.rpartition(":")
    if not where or not name.isidentifier():
        message = f"{text!r} is to name a module and what is in it, as mine:cnn or mine.py:cnn"
        raise ValueError(message)
    module = _module(where)
    if not hasattr(module, name):
        known = [each for each in vars(module) if not each.startswith("_")]
        raise ValueError(f"{where} has no {name!r}{nearest(name, known)}")
    return getattr(module, name)


def _module(where: str) -> Any:
    path = Path(where)
    folder, name = (str(path.parent), path.stem) if path.suffix == ".py" else ("", where)
    if folder not in sys.path:  # a console script, unlike `python -m`, looks in no such folder
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"{where} cannot be imported: {error}") from error


def optimizer(text: str) -> Optimizer:
    """The optimizer of a text: one of optax with some arguments, or what `load` takes.

    Its learning rate is left open, unless it is among the arguments.

    Raises:
        ValueError: The text has another form, or optax has no such optimizer or argument.

    Example:
        >>> str(optimizer("adamw(weight_decay=0.01)"))
        'adamw(weight_decay=0.01)'
    """
    if ":" in text:
        return Optimizer.of(load(text))
    name, options = _call(text)
    known = [each for each in dir(optax) if _takes_rate(getattr(optax, each))]
    if name not in known:
        message = f"optax has no optimizer called {name!r}{nearest(name, known)}"
        raise ValueError(message)
    function = getattr(optax, name)
    takes = inspect.signature(function).parameters
    wrong = [each for each in options if each not in takes]
    if wrong:
        message = f"{name} takes no {wrong[0]!r}{nearest(wrong[0], takes)}; it takes "
        raise ValueError(message + ", ".join(takes))
    if "learning_rate" in options:
        return Optimizer.of(function(**options))
    return Optimizer(lambda rate: function(learning_rate=rate, **options), text)


def metric(text: str) -> Any:
    """The function that a text names, or the text if it is the name of a metric of the task.

    Raises:
        ValueError: There is no such module or name in it.
    """
    return load(text) if ":" in text else text


def _takes_rate(function: Any) -> bool:
    is_function = inspect.isfunction(function)
    return is_function and "learning_rate" in inspect.signature(function).parameters


def _call(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the keyword arguments of a call of literals, or of a name alone."""
    try:
        match ast.parse(text.strip(), mode="eval").body:
            case ast.Name(name):
                return name, {}
            case ast.Call(ast.Name(name), [], keywords):
                return name, {str(each.arg): ast.literal_eval(each.value) for each in keywords}
    except (SyntaxError, ValueError):  # of the text, or of a value that is no literal
        pass
    message = f"{text!r} is to name an optimizer, as adamw(weight_decay=0.01) or mine.py:optimizer"
    raise ValueError(message)
