"""The command line: compare and measure losses, and read the catalog of them."""

import argparse
import os
import sys
from collections.abc import Sequence

from jaxloss.cli import bench, compare
from jaxloss.cli.legible import make_legible

_EPILOG = """examples:
  jaxloss compare                          rank the losses on real digits, write report/
  jaxloss compare --loss brier --seeds 10  one loss beside cross-entropy, more seeds
  jaxloss list --family regression         the losses of one field or family
  jaxloss show huber --plot huber.svg      all about one loss, and its shape
  jaxloss bench --quick                    speed and memory beside optax, Keras and PyTorch
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, or 2 where the request cannot be met."""
    make_legible(sys.stdout, sys.stderr)  # before an hour of training, not after it
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except BrokenPipeError:  # the reader has seen enough, as `jaxloss list | head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxloss",
        description="Loss functions for JAX: compare them on data, look them up, measure them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    ranking = commands.add_parser(
        "compare",
        help="train with each of several losses and rank them",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    compare.add_arguments(ranking)
    ranking.set_defaults(run=compare.run)

    listing = commands.add_parser("list", help="list the losses", description=_list.__doc__)
    listing.add_argument("--family", help="only those of this field or family")
    listing.add_argument(
        "--into",
        metavar="FILE",
        help="rewrite the tables of losses and of peers in a Markdown FILE",
    )
    listing.set_defaults(run=_list)

    showing = commands.add_parser("show", help="show one loss", description=_show.__doc__)
    showing.add_argument("name", metavar="NAME", help="a loss, as `jaxloss list` names it")
    showing.add_argument("--plot", metavar="FILE", help="draw it into FILE (.svg, .png or .pdf)")
    showing.set_defaults(run=_show)

    measuring = commands.add_parser("bench", help="measure speed and memory beside other libraries")
    bench.add_arguments(measuring)
    measuring.set_defaults(run=bench.run)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    """List every loss with its one-line description, by field and family."""
    from jaxloss.catalog import UnknownNameError, fields, write_tables

    if arguments.into and arguments.family:
        return _refuse("--into FILE writes the tables of all families: leave out --family")
    try:
        if arguments.into:
            write_tables(arguments.into)
            return 0
        shown = fields(arguments.family)
    except (UnknownNameError, OSError, ValueError) as error:
        return _refuse(error)
    width = max(len(x.name) for field in shown for family in field.families for x in family.entries)
    for field in shown:
        print(f"\n{field.name}: {field.summary}")
        for family in field.families:
            print(f"\n  {family.name}: {family.summary}")
            for entry in family.entries:
                print(f"    {entry.name:{width}}  {entry.summary}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    """Show a loss: formula, arrays, hyper-parameters, facts, when to use it, where it is from."""
    from jaxloss.catalog import UnknownNameError, look_up
    from jaxloss.cli.show import describe, plot

    try:
        entry = look_up(arguments.name)
        print(describe(entry))
        if arguments.plot:
            plot(entry, arguments.plot)
            print(f"\nDrawn into {arguments.plot}")
    except (UnknownNameError, ModuleNotFoundError, OSError, ValueError) as error:
        return _refuse(error)
    return 0


def _refuse(error: Exception | str) -> int:
    print(f"jaxloss: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
