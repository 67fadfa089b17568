"""The options of `jaxloss tune`, which are those of `jaxloss compare` and one more."""

import argparse

from jaxloss.cli import compare

DESCRIPTION = """\
Find the best loss with its hyper-parameters and learning rate for your data, and test it beside the
reference on fresh seeds.

Settings are drawn from all ranges, those of the learning rate and of weights in a sum too, in equal
ratios where both ends are positive and a factor of ten or more apart. All losses together, the
better ones are trained on more and more seeds, by a measure on validation data that is none of the
losses. Where the best lies at an end of a range, values beyond it are tried. What is best is then
tested as `jaxloss compare` tests, on seeds that took no part in the search, until the time is up.
The files are those of `jaxloss compare`.
"""

EPILOG = """\
examples:
  jaxloss tune --loss 'generalized_cross_entropy(q=0.1..1)' --loss brier --noise 0.4
  jaxloss tune --task diabetes --loss 'barron(alpha=-2..2, scale=0.1..10)' --loss huber --noise 0.1
  jaxloss tune --loss '0.1..10*brier + cross_entropy' --data mnist.npz --budget 10min

See `jaxloss compare --help` for tasks, losses, models and data of your own, and exit codes.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command and give it its options."""
    compare.add_arguments(parser)
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument(
        "--candidates",
        type=compare.number(int, 1),
        default=8,
        metavar="N",
        help="tried at first of a loss, for each number that is tuned (default: %(default)s)",
    )
    parser.set_defaults(command="tune")


def run(arguments: argparse.Namespace) -> int:
    """Search, test, print and write; returns the exit code."""
    return compare.run(arguments)
