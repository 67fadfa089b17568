"""The options of `jaxloss show`, and the entry of a loss in the catalog as text."""

import argparse
from typing import TYPE_CHECKING, Any

from jaxloss.cli.failure import fail

if TYPE_CHECKING:  # the options are read, and help is given, without JAX
    from jaxloss.catalog import Entry

DESCRIPTION = (
    "Show a loss: formula, arrays, hyper-parameters, facts, when to use it, where it is from."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command and give it its options."""
    parser.description = DESCRIPTION
    parser.add_argument("name", metavar="NAME", help="a loss, as `jaxloss list` names it")
    parser.add_argument("--plot", metavar="FILE", help="draw it into FILE (.svg, .png or .pdf)")


def run(arguments: argparse.Namespace) -> int:
    """Print the entry of a loss, and draw the loss if asked to; returns the exit code."""
    from jaxloss.catalog import UnknownNameError, look_up
    from jaxloss.cli.plot import plot

    try:
        entry = look_up(arguments.name)
        print(describe(entry))  # before the figure, which needs an extra and may fail
        if arguments.plot:
            plot(entry, arguments.plot)
            print(f"\nDrawn into {arguments.plot}")
    except (UnknownNameError, ModuleNotFoundError, OSError, ValueError) as error:
        return fail("jaxloss", error)
    return 0


def describe(entry: "Entry") -> str:
    """The entry as text for a terminal."""
    hyper = [
        f"{name}: {item.domain.says}; default {item.default}"
        for name, item in entry.hyperparameters.items()
    ]
    arrays = [
        f"{name} [{', '.join(['...', *map(str, item.axes)])}]: {item.says}"
        for name, item in entry.arrays.items()
    ]
    facts = [f"{name.replace('_', ' ')}: {_fact(value)}" for name, value in entry.facts.items()]
    parts = [
        f"jaxloss.{entry.name}{entry.loss.signature.as_inspect()}",
        f"{entry.summary} (family: {entry.field}/{entry.family})",
        _titled("Formula", entry.formula.splitlines()),
        _titled("Arrays", arrays),
        _titled("Hyper-parameters", hyper),
        _titled("Facts, at the defaults", facts),
        entry.use_when,
        entry.avoid_when,
        _titled("Limits", entry.limits.splitlines()),
        _titled("References", entry.references.splitlines()),
    ]
    return "\n\n".join(part for part in parts if part)


def _titled(title: str, lines: list[str]) -> str:
    return "\n    ".join([f"{title}:", *lines]) if lines else ""


def _fact(value: Any) -> str:
    if callable(value):
        return "known"  # a link, which is a function and has no name to print
    return f"{value:.6g}" if isinstance(value, float) else str(value)
