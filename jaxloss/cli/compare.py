"""The options of `jaxloss compare`, and what it does with them."""

import argparse
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxloss.cli.failure import fail

DESCRIPTION = """\
Train a small network with each of several losses, many times over, and rank the losses by a
measure that is none of them, on clean test data.

Every loss gets the same data, noise, initial weights and batches, seed by seed, so that differences
to the reference are paired. First its learning rate, and every hyper-parameter that is given as a
range, is chosen on validation data by successive halving; then what was chosen is tested on fresh
seeds until the time is up. Cross-entropy with a temperature of its own shows which differences
are differences of scale; the reference repeated with other roundings shows the noise floor. What
chance may explain is called "open". The first line says which loss to use, by how much it is
better, and how sure that is.

The folder OUT receives report.html (one self-contained page), report.md, decision.json,
rankings.tex, figures, results.csv and results.jsonl (one row for each trained network, with its
curves).
"""

EPILOG = """\
examples:
  jaxloss compare                                  twelve losses on handwritten digits
  jaxloss compare --loss brier --loss tanimoto     two losses beside cross-entropy
  jaxloss compare --task diabetes --loss 'huber(delta=0.1..10)' --noise 0 0.1 0.3
  jaxloss compare --loss '0.7*cross_entropy + 0.3*brier' --loss 'expectation(temperature=[1, 2])'
  jaxloss compare --data patients.csv --target outcome --groups patient
  jaxloss compare --data mnist.npz --model mine.py:CNN --optimizer 'adamw(weight_decay=0.01)'
  jaxloss compare --budget 5min --resume           more seeds, and none is trained again
  jaxloss compare --task digits --thorough --out careful      and, once interrupted, --resume

tasks:
  digits               ten classes of small pictures; noise: wrong labels
  mnist1d              ten classes of short signals, drawn anew for each seed
  breast_cancer        two classes: margin losses beside binary cross-entropy
  diabetes             a number; noise: outliers in the targets, all to one side
  diabetes-heavy-tails the same; noise: symmetric errors that have no mean
  engel                the upper tenth of food expenditure; measured by coverage
  super-resolution     small photographs at twice the resolution; measured by PSNR and SSIM
  generation           points from noise, by a diffusion model; measured by their energy distance

losses:
  any loss of `jaxloss list` that fits the task, with hyper-parameters; `a..b` tries five values, in
  equal ratios for positive numbers from a factor of ten on, and more beyond an end at which the
  best lies; `[a, b, c]` tries these alone; sums of losses with factors; `temperature` for losses of
  logits; `cross_entropy` for that of the task

your own:
  --data is a .csv, .tsv (or .gz of these), .parquet, .jsonl, .npz or .npy file with a --target, an
  .npz file of x_train, y_train, x_test and y_test, or a folder with a folder of images per class;
  --model, --optimizer and --metric name what a module or file has, as mine.py:CNN: a model of Flax,
  Haiku or Equinox, a function of the learning rate, a function of predictions and targets

exit codes:
  0 done   1 something is not installed   2 the request cannot be met   3 another process is gone
  130 interrupted
"""

# Rates and temperatures are in about equal ratios.
THOROUGH: dict[str, Any] = {
    "budget": "30min",
    "noise": (0.0, 0.2, 0.4, 0.6),
    "rates": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1),
    "temperatures": (0.25, 0.5, 1.0, 2.0, 4.0),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command and give it its options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.set_defaults(command="compare", candidates=None)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    whole, positive = number(int, 1), number(float, 0, above=True)
    fraction = number(float, 0, below=1)
    what = parser.add_argument_group("what is compared")
    what.add_argument("--task", default="digits", metavar="NAME", help="default: %(default)s")
    what.add_argument("--data", type=Path, metavar="FILE", help="your own table, arrays or images")
    what.add_argument("--target", metavar="COLUMN", help="what to predict from the rest of --data")
    what.add_argument("--groups", metavar="COLUMN", help="what no two parts of --data may share")
    what.add_argument("--kind", choices=("classes", "numbers", "counts"), help="of the --target")
    what.add_argument("--imbalance", type=number(float, 0, above=True, below=1), metavar="RATIO")
    what.add_argument("--loss", action="append", default=[], metavar="EXPRESSION", help="repeat it")
    what.add_argument("--reference", metavar="EXPRESSION", help="what the others are compared with")
    what.add_argument(
        "--margin", type=number(float, 0), metavar="SIZE", help="differences that count as none"
    )
    how = parser.add_argument_group("how")
    long = how.add_mutually_exclusive_group()
    long.add_argument("--budget", metavar="TIME", help="as 90s, 5min or 1h (default: 60s)")
    long.add_argument("--seeds", type=number(int, 2), metavar="N", help="tests, whatever the time")
    how.add_argument(
        "--noise", type=fraction, nargs="+", metavar="FRACTION", help="levels of noise"
    )
    how.add_argument("--model", metavar="MODULE:NAME", help="your own, as mine.py:cnn")
    how.add_argument(
        "--optimizer", metavar="TEXT", help="of optax, as 'sgd(momentum=0.9)'; or yours"
    )
    how.add_argument("--metric", metavar="NAME", help="of the task; or yours, as mine.py:score")
    how.add_argument("--better", choices=("higher", "lower"), help="values of your own --metric")
    how.add_argument("--rates", type=positive, nargs="+", metavar="RATE", help="to try at first")
    how.add_argument("--epochs", type=whole, metavar="N", help="passes over the training part")
    how.add_argument("--batch", type=whole, metavar="N", help="examples in a step")
    how.add_argument("--at-once", type=whole, metavar="N", help="networks trained at the same time")
    how.add_argument("--temperatures", type=positive, nargs="+", metavar="T", help="to try, too")
    how.add_argument("--thorough", action="store_true", help="30 minutes, 4 levels, 5 temperatures")
    where = parser.add_argument_group("where")
    where.add_argument(
        "--out", type=Path, default=Path("report"), metavar="DIR", help="%(default)s"
    )
    kept = where.add_mutually_exclusive_group()
    kept.add_argument("--resume", action="store_true", help="go on with DIR's run, or add to it")
    kept.add_argument("--overwrite", action="store_true", help="replace DIR's run")
    where.add_argument(
        "--json", action="store_true", help="print the outcome as JSON, nothing else"
    )
    where.add_argument("--coordinator", metavar="HOST:PORT", help='one of several; or "auto"')
    where.add_argument("--processes", type=whole, metavar="N", help="how many there are")
    where.add_argument("--process-id", type=number(int, 0), metavar="I", help="which this is")


def run(arguments: argparse.Namespace) -> int:
    """Compare, print and write; returns the exit code."""
    try:  # scikit-learn and others come with the extra alone
        from jaxloss.compare.session import Destination, execute, loaded
        from jaxloss.compare.sweep import devices
    except ModuleNotFoundError as error:
        return _fail(f"{error.name} is not installed; pip install 'jaxloss[compare]'", 1)
    try:
        _complete(arguments)
        if arguments.coordinator:
            devices.join(arguments.coordinator, arguments.processes, arguments.process_id)
        to = Destination(
            arguments.out,
            command(arguments),
            resume=arguments.resume,
            overwrite=arguments.overwrite,
            json=arguments.json,
            margin=arguments.margin,
            candidates=arguments.candidates,
        )
        execute(arguments.loss, to, **loaded(options(arguments)))
    except BrokenPipeError:
        raise  # whoever reads what is printed has seen enough
    except OSError as error:  # as of a full disk; what is in the folder is not trained again
        return _fail(f"{error}; once that is mended: {command(arguments)} --resume", 2)
    except ValueError as error:
        return _fail(str(error), 2)
    except KeyboardInterrupt:
        return _fail(f"interrupted; go on with: {command(arguments)} --resume", 130)
    except devices.LostError as error:  # returning would wait for the process that died
        devices.abort(_fail(f"{error}; go on in each process with --resume", 3))
    return 0


def command(arguments: argparse.Namespace) -> str:
    """The command line that reproduces the results: all that changes them, and the folder."""
    words = ["jaxloss", arguments.command]
    for name in ("loss", "candidates", "margin", *_SETTINGS, "out"):
        if _is_given(arguments, name):
            words += _option(name, getattr(arguments, name))
    return shlex.join(words + (["--thorough"] if arguments.thorough else []))


# Options that are arguments of `planned`, by the same names.
_SETTINGS = (
    *(
        "task",
        "data",
        "target",
        "groups",
        "kind",
        "imbalance",
        "reference",
        "budget",
        "seeds",
        "noise",
        "model",
    ),
    *("optimizer", "metric", "better", "rates", "epochs", "batch", "at_once", "temperatures"),
)
_DEFAULTS = {"task": "digits", "out": Path("report"), "candidates": 8}


def _option(name: str, value: Any) -> list[str]:
    if name == "loss":
        return [word for each in value for word in ("--loss", each)]
    values = value if isinstance(value, list) else [value]
    words = [f"{x:g}" if isinstance(x, float) else str(x) for x in values]
    return [f"--{name.replace('_', '-')}", *words]


def _complete(arguments: argparse.Namespace) -> None:
    """Refuse options that contradict each other."""
    if not arguments.data and (arguments.target or arguments.groups or arguments.kind):
        message = "--target COLUMN, --groups COLUMN and --kind KIND are of --data FILE"
        raise ValueError(message)
    if arguments.data and arguments.task != "digits":
        message = f"--data is a task of its own: leave out --task {arguments.task}"
        raise ValueError(message)
    # "auto" asks the cluster for the other two, which are then not the user's to say.
    numbers = (arguments.processes, arguments.process_id)
    if arguments.coordinator in (None, "auto") and numbers != (None, None):
        message = "--processes and --process-id need --coordinator HOST:PORT"
        raise ValueError(message)
    if arguments.coordinator not in (None, "auto") and None in numbers:
        message = "--coordinator HOST:PORT needs --processes N and --process-id I"
        raise ValueError(message)


def number(
    kind: type[int] | type[float], least: float, *, above: bool = False, below: float = math.inf
) -> Callable[[str], float]:
    """A converter for argparse, whose message says what is wanted."""
    name = "a whole number" if kind is int else "a number"
    lower = f"above {least:g}" if above else f"of at least {least:g}"
    wanted = f"{name} {lower}" + (f" and below {below:g}" if below < math.inf else "")

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan  # which no bound below accepts
        if not (least < value < below or (value == least and not above)):
            message = f"{wanted} is needed, not {text!r}"
            raise argparse.ArgumentTypeError(message)
        return value

    return convert


def options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `planned` that were given, or that --thorough stands for."""
    chosen = {name: getattr(arguments, name) for name in _SETTINGS if _is_given(arguments, name)}
    usual = dict(THOROUGH) if arguments.thorough else {}
    if "seeds" in chosen:
        usual.pop("budget", None)
    return usual | chosen


def _is_given(arguments: argparse.Namespace, name: str) -> bool:
    return getattr(arguments, name) not in (None, [], _DEFAULTS.get(name))


def _fail(message: str, code: int) -> int:
    return fail("jaxloss compare: error", message, code)
