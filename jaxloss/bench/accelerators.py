"""What programs of losses take on an accelerator, compiled for one that need not be there.

They are value and gradient of a mean; nothing runs, and no array is made.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from jaxloss.bench import cases, inputs, peers, programs
from jaxloss.bench.cases import HEAD, LABELLED, Case
from jaxloss.bench.hlo import HloProgram
from jaxloss.bench.hlo_costs import Costs, costs
from jaxloss.bench.programs import Program, Question
from jaxloss.bench.topologies import devices_of

# Topologies of one device, or of the fewest that there are.
ACCELERATORS = {"h100": "h100:1x1", "v5e": "v5e:2x2"}
PEERS = ("optax", "plain")  # by default
# Where a peer has no such dtype or shape, or a program does not fit into the memory of the device.
_FAILURES = (TypeError, ValueError, RuntimeError, NotImplementedError)
_COLUMNS = (
    "program", "of", "kernels", "MB moved", "over least", "MB temporaries", "conditions", "trips",
    "Mcycles",
)  # fmt: skip
_MEGA = 1e6


@dataclass(frozen=True)
class Entry:
    """One program to be counted.

    Attributes:
        case: The loss and its shape.
        dtype: Of all inputs that are no integers.
        options: Hyper-parameters by name, in place of those that peers have too.
        weighted: Whether each example has a weight.
    """

    case: Case
    dtype: str = "float32"
    options: tuple[tuple[str, float], ...] = ()
    weighted: bool = False

    @property
    def name(self) -> str:
        """What tells it from others."""
        words = [f"{name}={value}" for name, value in self.options]
        words += ["weights"] * self.weighted + [self.dtype] * (self.dtype != "float32")
        return " ".join([self.case.name, *words])


@dataclass(frozen=True)
class Count:
    """What was counted of one program.

    Attributes:
        name: Of the entry.
        who: "ours", or a library.
        least: Bytes of its inputs and outputs.
        temporaries: Bytes beside them.
        costs: What it takes, if it compiles.
        note: Why it does not.
    """

    name: str
    who: str
    least: int = 0
    temporaries: int = 0
    costs: Costs | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """Bytes moved over the least possible."""
        return self.costs.moved / max(self.least, 1) if self.costs else 0.0


_LOGITS, _ROWS, _SET, _NUMBERS = (4096, 32768), (512, 32768), (8192, 256), (2**24,)
_PAIRS = "symmetric_info_nce", "siglip", "info_nce", "ntxent", "supervised_contrastive", "circle"

ENTRIES = (
    *(Entry(Case(loss, _NUMBERS)) for loss in cases.SMOOTH_AND_SHARP),
    *(Entry(Case(loss, _NUMBERS), weighted=True) for loss in ("sigmoid_focal", "huber")),
    *(Entry(Case(loss, _NUMBERS)) for loss in ("gaussian_nll", "beta_nll", "gamma_nll")),
    Entry(Case("gaussian_nll", _NUMBERS), weighted=True),
    *(Entry(Case(LABELLED, _LOGITS), dtype) for dtype in ("float32", "bfloat16")),
    *(
        Entry(Case(LABELLED, _LOGITS), dtype, ((option, value),))
        for option, value in (("label_smoothing", 0.1), ("z_loss", 1e-4))
        for dtype in ("float32", "bfloat16")
    ),
    *(
        Entry(Case(loss, _ROWS))
        for loss in ("softmax_cross_entropy", "kl_divergence", "categorical_cross_entropy")
    ),
    *(Entry(Case(loss, (64, 262144))) for loss in ("dice", "jaccard")),
    Entry(Case("cosine_distance", (65536, 256))),
    *(Entry(Case(loss, _SET)) for loss in _PAIRS),
    *(Entry(Case(HEAD, (8192, 2048, 128256)), dtype) for dtype in ("float32", "bfloat16")),
    Entry(Case("ctc", (16, 200, 32))),
    Entry(Case("lovasz_hinge", (1, 1048576))),
    Entry(Case("ssim", (8, 256, 256, 1))),
)


def counts(
    accelerator: str, wanted: Iterable[Entry], libraries: Sequence[str] = PEERS
) -> Iterator[Count]:
    """The counts of our program of each entry, then of each peer that has the loss.

    Args:
        accelerator: A name, or a topology as `devices_of` takes it.
        wanted: The entries.
        libraries: Installed ones, whose programs JAX compiles.

    Raises:
        ValueError: The devices are not to be had.
    """
    device = devices_of(ACCELERATORS.get(accelerator, accelerator), 1)[0]
    for entry in wanted:
        question = _question(entry)
        yield _count(entry, "ours", programs.our_program(question), device)
        for library, match in peers.matches(entry.case.loss, entry.options or None).items():
            if library in libraries and not entry.weighted:
                yield _count(entry, library, programs.peer_program(question, match), device)


def table(found: Iterable[Count]) -> Iterator[str]:
    """The lines of a table in Markdown, as they come."""
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "| --- " * len(_COLUMNS) + "|"
    for count in found:
        yield f"| {' | '.join([count.name, count.who, *_cells(count)])} |"


def plainly(found: Iterable[Count]) -> list[dict[str, Any]]:
    """The counts for JSON."""
    return [asdict(x) | {"costs": x.costs and x.costs._asdict()} for x in found]


def _cells(count: Count) -> list[str]:
    if not (taken := count.costs):
        return [count.note, *[""] * (len(_COLUMNS) - 3)]
    return [
        f"{taken.kernels:,}",
        f"{taken.moved / _MEGA:,.0f}",
        f"{count.ratio:.2f}",
        f"{count.temporaries / _MEGA:,.1f}",
        f"{taken.conditions:,}",
        f"{taken.trips:,}",
        f"{taken.cycles / _MEGA:,.2f}" if taken.cycles else "",
    ]


def _question(entry: Entry) -> Question:
    question = Question.of(entry.case, entry.dtype, "gradient", inputs.shaped)
    if entry.options:
        question = replace(question, hyperparameters=dict(entry.options))
    if not entry.weighted:
        return question
    first = next(iter(question.arrays.values()))
    return replace(question, arrays={**question.arrays, "weights": first})


def _count(entry: Entry, who: str, program: Program, device: Any) -> Count:
    place = SingleDeviceSharding(device)

    def like(array: np.ndarray, dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(array.shape, dtype, sharding=place)

    arguments = program.arguments(like)
    try:
        compiled: Any = jax.jit(program.step).lower(*arguments).compile()
    except _FAILURES as error:
        return Count(entry.name, who, note=f"failed: {error}".partition("\n")[0])
    least = jax.tree.leaves((arguments, jax.eval_shape(program.step, *arguments)))
    return Count(
        entry.name,
        who,
        sum(x.size * x.dtype.itemsize for x in least),
        compiled.memory_analysis().temp_size_in_bytes,
        costs(HloProgram(compiled.as_text())),
    )
