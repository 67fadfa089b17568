"""The command line: compare and measure losses, and read the catalog of them."""

import argparse
import os
import sys
from collections.abc import Sequence

from jaxloss.cli import bench, compare, show, tune
from jaxloss.cli import list as listing
from jaxloss.cli.failure import fail
from jaxloss.cli.legible import make_legible

_EPILOG = """examples:
  jaxloss compare                          rank the losses on real digits, write report/
  jaxloss compare --loss brier --seeds 10  one loss beside cross-entropy, on ten seeds
  jaxloss tune --loss 'huber(delta=0.1..10)' --task diabetes
                                           the best hyper-parameters and learning rate
  jaxloss list --family regression         the losses of one field or family
  jaxloss show huber --plot huber.svg      all about one loss, and its shape
  jaxloss bench --quick                    speed and memory beside optax, Keras and PyTorch
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 2 where the request cannot be met, 130 on Ctrl-C."""
    make_legible(sys.stdout, sys.stderr)  # before an hour of training, not after it
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except KeyboardInterrupt:  # while packages are imported, or by a command that holds nothing
        return fail("jaxloss", "interrupted", 130)
    except BrokenPipeError:  # the reader has seen enough, as `jaxloss list | head` has
        # The interpreter flushes standard output once more as it ends, which would fail again.
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
    for name, command, summary in (
        ("compare", compare, "train with each of several losses and rank them"),
        ("tune", tune, "find the best loss with its hyper-parameters"),
        ("list", listing, "list the losses"),
        ("show", show, "show one loss"),
        ("bench", bench, "measure speed and memory beside other libraries"),
    ):
        one = commands.add_parser(name, help=summary)
        # Options are declared without JAX, so that --help and mistakes do not wait for it.
        command.add_arguments(one)
        one.set_defaults(run=command.run)
    return parser
