"""The options of `jaxloss compare`, and what it does with them."""

import argparse
import importlib
import math
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

NOISE = (0.0, 0.4)
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
SEEDS = 10
EPOCHS = 20

DESCRIPTION = """\
Train the same small network on scikit-learn's handwritten digits with each of twelve losses
(Janocha & Czarnecki 2017) and one control, and rank the losses by accuracy.

Every loss gets the same splits, wrong labels, initial weights and batches, so that differences to
cross-entropy are paired. Its learning rate is tuned on validation data; the accuracy is that on
test data with clean labels. A difference that chance may explain is called "not significant".

The folder OUT receives report.html (one self-contained page), results.csv and results.jsonl
(one row for each trained network).
"""

EPILOG = """\
examples:
  jaxloss compare                                  everything, in well under a minute
  jaxloss compare --loss brier --loss tanimoto     two losses against cross-entropy
  jaxloss compare --noise 0 0.2 0.4 0.6            how they fare as labels get worse
  jaxloss compare --seeds 30 --out careful         narrower intervals, in another folder
  jaxloss compare --rates 1e-3 3e-3 1e-2 --epochs 100

losses:
  one_hot_absolute_error, one_hot_squared_error, expectation, brier, chebyshev, hinge,
  squared_hinge, cubed_hinge, cross_entropy, squared_log, tanimoto, cauchy_schwarz, and the control
  tempered_cross_entropy: cross-entropy at temperature 1/2, for how much mere scale changes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command and give it its options."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--loss",
        action="append",
        metavar="NAME",
        help="compare this loss to cross-entropy; may be repeated (default: all thirteen)",
    )
    parser.add_argument(
        "--seeds",
        type=_number(int, lambda n: n > 1, "a whole number of at least 2"),
        default=SEEDS,
        metavar="N",
        help="repetitions, each with its own split, wrong labels, weights and batches; at least 2 "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--noise",
        type=_number(float, lambda x: 0 <= x < 1, "a fraction, at least 0 and below 1"),
        nargs="+",
        default=NOISE,
        metavar="FRACTION",
        help="how many labels of the training and validation parts are wrong (default: 0 0.4)",
    )
    parser.add_argument(
        "--rates",
        type=_number(float, lambda x: 0 < x < math.inf, "a positive number"),
        nargs="+",
        default=RATES,
        metavar="RATE",
        help="learning rates of Adam to choose from (default: 3e-4 to 3e-1, two a decade)",
    )
    parser.add_argument(
        "--epochs",
        type=_number(int, lambda n: n >= 1, "a whole number of at least 1"),
        default=EPOCHS,
        metavar="N",
        help="passes over the training part (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("report"),
        metavar="DIR",
        help="folder for the report and the results (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, print and write; returns the exit code."""
    try:
        session = importlib.import_module("jaxloss.compare.session")
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed; pip install 'jaxloss[compare]'", 1)
    try:
        plan = session.plan(
            arguments.loss, arguments.seeds, arguments.noise, arguments.rates, arguments.epochs
        )
        arguments.out.mkdir(parents=True, exist_ok=True)
    except (ValueError, OSError) as error:
        return _fail(str(error), 2)
    session.compare(plan, arguments.out, command(arguments))
    return 0


def command(arguments: argparse.Namespace) -> str:
    """The command line that gives these arguments, without those at their defaults."""
    words = ["jaxloss", "compare"]
    for name in arguments.loss or ():
        words += ["--loss", name]
    for option, default in {
        "seeds": SEEDS,
        "noise": NOISE,
        "rates": RATES,
        "epochs": EPOCHS,
    }.items():
        value = getattr(arguments, option)
        many = isinstance(default, tuple)
        if (tuple(value) if many else value) != default:
            words += [f"--{option}", *(f"{each:g}" for each in (value if many else [value]))]
    return shlex.join(words)


def _number(
    kind: type[int] | type[float], valid: Callable[[float], bool], wanted: str
) -> Callable[[str], float]:
    """A converter for argparse, whose message says what is wanted."""

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not valid(value):
            message = f"{wanted} is needed, not {text!r}"
            raise argparse.ArgumentTypeError(message)
        return value

    return convert


def _fail(message: str, code: int) -> int:
    print(f"jaxloss compare: error: {message}", file=sys.stderr)
    return code
