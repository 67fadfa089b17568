"""The options of `jaxloss bench`, and what it does with them."""

import argparse
from typing import TYPE_CHECKING

from jaxloss.cli.failure import fail

if TYPE_CHECKING:
    from jaxloss.bench.session import Request

DESCRIPTION = """\
Measure losses on this hardware, each beside the same computation in every other library that is
installed: optax and Keras compiled by JAX, PyTorch eager, tokamax, and the formula of the textbook
in jax.numpy ("plain").

All contenders of a case take turns in one process, A B C C B A, so that what else the machine does
hits them alike; times are medians, and a ratio is ours over theirs with the quartiles of the ratios
of the single turns. Values are means over all examples. "floors" are units of the time this
machine takes to read and write as many bytes as inputs and outputs have; temporaries are what the
compiler allocates beyond these.
"""

EPILOG = """\
examples:
  jaxloss bench --quick                            a few cases, under a minute
  jaxloss bench --loss huber --loss brier          two losses, at their usual shapes
  jaxloss bench --case huber@1000x4 --dtype bfloat16
  jaxloss bench --case linear_head@4096x512x32768 --peer optax --memory
  jaxloss bench --goals softmax-value head         rows of the table of goals, met or missed
  jaxloss bench --programs h100                    what programs take on a GPU, without one
  GLIBC_TUNABLES=glibc.malloc.hugetlb=1 jaxloss bench      with huge pages, on Linux

cases:
  LOSS@SHAPE, any loss of `jaxloss list` or a linear_head at any shape that fits it; --list shows
  those that are measured by default, and the names of the goals

exit codes:
  0 done   2 the request cannot be met   130 interrupted
"""

# Here and not in `jaxloss.bench`, which loads JAX.
DTYPES = ("float32", "bfloat16")
QUANTITIES = ("value", "gradient", "eager", "compile")

# Options that replace what the others choose, with those that they do read. An option that is not
# read is an error, as its user would take the figures for what was asked.
_BY_ITSELF: dict[str, tuple[str, tuple[str, ...]]] = {
    "list": ("lists the cases and goals, and measures nothing", ()),
    "scale": ("compiles programs of its own, and runs none", ()),
    "programs": ("compiles, and runs nothing", ("loss", "case", "peer", "dtype", "json")),
    "goals": ("measures what its rows name", ("peer", "quick", "repeats", "json")),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command and give it its options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    what = parser.add_argument_group("what is measured")
    what.add_argument("--loss", action="append", metavar="NAME", help="repeat it")
    what.add_argument("--case", action="append", metavar="LOSS@SHAPE", help="repeat it")
    what.add_argument("--peer", action="append", metavar="NAME", help="repeat it")
    what.add_argument("--dtype", action="append", choices=DTYPES, help="default: float32")
    what.add_argument(
        "--quantity",
        action="append",
        choices=QUANTITIES,
        help="value, gradient (value and gradient), eager (one call outside jit), or compile "
        "(lowering and compiling, again and again); default: value and gradient",
    )
    what.add_argument("--goals", nargs="*", metavar="ROW", help="those of speed, all or some rows")
    how = parser.add_argument_group("how")
    how.add_argument("--quick", action="store_true", help="few cases, few turns: under a minute")
    how.add_argument("--repeats", type=_count, metavar="N", help="turns of each, whatever it takes")
    how.add_argument("--memory", action="store_true", help="peak memory, in processes of their own")
    how.add_argument(
        "--scale",
        nargs="?",
        const="cpu",
        metavar="TOPOLOGY",
        help="what each of many devices holds and gets, compiled and not run: of a CPU cut into "
        "512, of a TPU as v5p:8x8x8, with libtpu, or of H100s as h100:64x8 (hosts, GPUs of each), "
        "with jax[cuda12]",
    )
    how.add_argument(
        "--programs",
        metavar="ACCELERATOR",
        help="what value and gradient take there, compiled and not run: kernels, bytes moved and "
        "these over inputs and outputs, bytes of temporaries, conditions, trips of loops, on a TPU "
        "the cycles that its compiler estimates; h100 (with jax-cuda12-plugin and jax-cuda12-pjrt, "
        "without a GPU), v5e (with libtpu), or a topology as of --scale",
    )
    how.add_argument("--list", action="store_true", help="list the cases and goals, and end")
    how.add_argument("--json", action="store_true", help="print all as JSON, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    from jaxloss.bench import scale, session  # loads JAX

    try:
        _refuse_unread(arguments)
        if arguments.list:
            print(session.listing())
        elif arguments.scale:
            for line in scale.table(arguments.scale):
                print(line, flush=True)
        elif arguments.programs:
            session.count(arguments.programs, _request(arguments), as_json=arguments.json)
        else:
            session.bench(_request(arguments), as_json=arguments.json)
    except ValueError as error:
        return fail("jaxloss bench: error", error)
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells have it
    return 0


def _request(arguments: argparse.Namespace) -> "Request":
    """What is asked for, with what stands in where nothing is."""
    from jaxloss.bench.session import Request

    return Request(
        losses=arguments.loss or (),
        cases=arguments.case or (),
        peers=arguments.peer or (),
        dtypes=arguments.dtype or DTYPES[:1],
        quantities=arguments.quantity or QUANTITIES[:2],
        goals=arguments.goals,
        quick=arguments.quick,
        repeats=arguments.repeats,
        memory=arguments.memory,
    )


def _refuse_unread(arguments: argparse.Namespace) -> None:
    """Refuse options beside one that does not read them."""
    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    given = [name for name, value in options.items() if value not in (None, False)]
    for name, (does, beside) in _BY_ITSELF.items():
        unread = [other for other in given if other not in (name, *beside)]
        if name in given and unread:
            others = ", ".join(f"--{other}" for other in unread)
            raise ValueError(f"--{name} {does}: leave out {others}")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        message = f"a whole number of at least 1 is needed, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)
