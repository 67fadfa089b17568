"""The goals of speed and memory as data: what is measured, beside what, and its upper bound."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from jaxloss.bench import inputs, peers, processes
from jaxloss.bench.cases import HEAD, LABELLED, SIZES, Case
from jaxloss.bench.measure import OURS, Measurement, Reading
from jaxloss.bench.processes import Process
from jaxloss.catalog import public_losses

_MANY = SIZES[2]
_BOTH = ("float32", "bfloat16")


@dataclass(frozen=True)
class Goal:
    """An upper bound on a measured quantity.

    Attributes:
        row: The row of the table that it belongs to.
        measurement: What has to be measured.
        bound: The largest number that meets the goal.
        measure: "time", "temporaries" or "peak", each of ours over theirs; or of ours alone
            "floors", "bytes" or "seconds"; or "extra" seconds over theirs.
        beside: Theirs; of several, the least favourable to us counts.
    """

    row: str
    measurement: Measurement | Process
    bound: float
    measure: str = "time"
    beside: tuple[str, ...] = ()

    def found(self, readings: Iterable[Reading]) -> float | None:
        """What was measured, or None where an implementation is absent."""
        own = {x.who: x for x in readings if self._is_of(x)}
        if OURS not in own:
            return None
        if not self.beside:
            return _ALONE[self.measure](own[OURS])
        found = [_BESIDE[self.measure](own[OURS], own[who]) for who in self.beside if who in own]
        known = [value for value in found if value is not None]
        return max(known, default=None)

    @property
    def subject(self) -> str:
        """What is measured, in words."""
        if isinstance(self.measurement, Process):
            return self.measurement.name
        return (
            f"{_case(self.measurement).name} {self.measurement.dtype} {self.measurement.quantity}"
        )

    @property
    def wanted(self) -> str:
        """The bound in words."""
        names = f" of {' and '.join(self.beside)}" if self.beside else ""
        return f"{self.measure} <= {self.bound:g}{names}"

    def _is_of(self, reading: Reading) -> bool:
        if isinstance(self.measurement, Process):
            return reading.case == self.measurement.name
        wanted = (_case(self.measurement).name, self.measurement.dtype, self.measurement.quantity)
        return (reading.case, reading.dtype, reading.quantity) == wanted


def _case(measurement: Measurement) -> Case:
    """The case that readings name; calls outside `jit` are measured at few numbers."""
    return (
        inputs.few(measurement.case.loss) if measurement.quantity == "eager" else measurement.case
    )


# What the compiler allocates may be 0 bytes, of ours or of theirs.
def _over(ours: float | None, theirs: float | None) -> float | None:
    if ours is None or theirs is None:
        return None
    return ours / theirs if theirs else math.inf if ours else 0.0


def _extra(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs


_BESIDE: dict[str, Callable[[Reading, Reading], float | None]] = {
    "time": lambda ours, theirs: _over(ours.seconds, theirs.seconds),
    "temporaries": lambda ours, theirs: _over(ours.temporaries, theirs.temporaries),
    "peak": lambda ours, theirs: _over(ours.peak, theirs.peak),
    "extra": lambda ours, theirs: _extra(ours.seconds, theirs.seconds),
}
_ALONE: dict[str, Callable[[Reading], float | None]] = {
    "floors": lambda ours: ours.floors,
    "bytes": lambda ours: ours.temporaries,
    "seconds": lambda ours: ours.seconds,
}


def rows() -> dict[str, list[Goal]]:
    """The goals of each row, by its name."""
    every = itertools.chain(
        _no_temporaries(), _elementwise(), _no_slower(), _rows(), _softmax(), _heads(), _pairs(),
        _structured(), _calls(), _programs(),
    )  # fmt: skip
    found: dict[str, list[Goal]] = {}
    for goal in every:
        found.setdefault(goal.row, []).append(goal)
    return found


def measurements(goals: Sequence[Goal]) -> list[Measurement | Process]:
    """What has to be measured, each once."""
    return list(dict.fromkeys(goal.measurement for goal in goals))


def elementwise() -> list[str]:
    """The public losses whose values depend on one number of each array."""
    arrays = {name: loss.signature.arrays.values() for name, loss in public_losses().items()}
    return [name for name, domains in arrays.items() if not any(x.axes for x in domains)]


def _no_temporaries() -> Iterator[Goal]:
    for name, dtype, quantity in itertools.product(elementwise(), _BOTH, ("value", "gradient")):
        # However many numbers there are, those of a block, in a few arrays.
        measurement = Measurement(Case(name, (2**22,)), dtype, quantity, timed=False)
        yield Goal("temporaries", measurement, 8e6, "bytes")


def _elementwise() -> Iterator[Goal]:
    binary, focal = "sigmoid_binary_cross_entropy", "sigmoid_focal"
    values = {binary: 0.28, focal: 0.11, "log_cosh": 0.3}
    # Of these optax's mean is one native pass.
    values |= {"hinge": 1.9, "huber": 1.9, "poisson_nll": 1.9}
    gradients = {binary: 0.35, focal: 0.2, "huber": 0.55, "log_cosh": 0.65}
    gradients |= {"hinge": 0.8, "poisson_nll": 0.8}
    for quantity, bounds in (("value", values), ("gradient", gradients)):
        for name, bound in bounds.items():
            case = Case(name, (_MANY,))
            yield _timed(f"elementwise-{quantity}", case, quantity, bound, "optax")
    yield _timed("elementwise-gradient", Case(binary, (_MANY,)), "gradient", 0.4, "torch")


def _no_slower() -> Iterator[Goal]:
    # XLA fuses each of them into one pass over memory already: as fast, and 3 % for noise.
    losses = ("squared_error", "absolute_error")
    for name, size, quantity in itertools.product(losses, SIZES, ("value", "gradient")):
        case = Case(name, (size,))
        yield _timed("plain-elementwise", case, quantity, 1.03, "optax", "keras")
        yield _timed("plain-elementwise", case, quantity, 0.3, "torch")


def _rows() -> Iterator[Goal]:
    bounds = {
        Case("softmax_cross_entropy", (4096, 1000)): (1.7, 1.1),
        Case("softmax_cross_entropy", (512, 32768)): (0.45, 0.65),
        Case("kl_divergence", (512, 32768)): (0.5, 0.9),
        Case("cosine_distance", (65536, 256)): (0.2, 0.6),
    }
    for case, (value, gradient) in bounds.items():
        yield _timed("rows-value", case, "value", value, "optax")
        yield _timed("rows-gradient", case, "gradient", gradient, "optax")


def _softmax() -> Iterator[Goal]:
    shapes = ((4096, 1000), (2048, 32768), (512, 128256))
    bounds = {
        ("value", "optax"): (1.0, 0.7, 0.12),
        ("value", "torch"): (0.5, 0.2, 0.2),
        ("gradient", "optax"): (1.3, 0.9, 0.8),
        ("gradient", "torch"): (0.6, 0.45, 0.4),
    }
    for (quantity, library), most in bounds.items():
        for shape, bound in zip(shapes, most, strict=True):
            yield _timed(f"softmax-{quantity}", Case(LABELLED, shape), quantity, bound, library)
    for shape in shapes:  # a second pass over the logits would take 2 floors
        measurement = Measurement(Case(LABELLED, shape), quantity="value")
        yield Goal("softmax-value", measurement, 1.7, "floors")


def _heads() -> Iterator[Goal]:
    case = Case(HEAD, (4096, 512, 128256))
    single, half = Measurement(case, peak=True), Measurement(case, "bfloat16")
    yield Goal("head", single, 0.95, "time", ("optax",))
    yield Goal("head", single, 1 / 20, "temporaries", ("optax",))
    yield Goal("head", single, 200e6, "bytes")  # all logits would be 2.1 GB
    yield Goal("head", single, 1.0, "time", ("torch",))
    yield Goal("head", single, 1.0, "peak", ("torch",))
    yield Goal("head-bfloat16", half, 0.75, "time", ("optax",))
    yield Goal("head-bfloat16", half, 0.85, "time", ("torch",))


def _pairs() -> Iterator[Goal]:
    table = (
        (Case("symmetric_info_nce", (8192, 256)), "plain", 0.65),
        (Case("siglip", (8192, 256)), "plain", 0.8),
        (Case("ntxent", (2048, 64)), "optax", 0.02),
    )
    for case, library, bound in table:
        yield _timed("contrastive", case, "gradient", bound, library)
        yield Goal("contrastive", Measurement(case), 1 / 30, "temporaries", (library,))
    for name in ("symmetric_info_nce", "siglip"):
        measurement = Measurement(Case(name, (32768, 256)), timed=False)
        yield Goal("contrastive", measurement, 300e6, "bytes")  # all pairs would be 4.3 GB


def _structured() -> Iterator[Goal]:
    for quantity in ("value", "gradient"):
        lovasz = Case("lovasz_hinge", (1, 1048576))
        yield _timed("structured", lovasz, quantity, 0.35, "plain")
        yield _timed("structured", Case("ssim", (8, 256, 256, 1)), quantity, 0.65, "torch")
        yield _timed("structured", Case("ctc", (16, 200, 32)), quantity, 1.0, "optax")


def _calls() -> Iterator[Goal]:
    for name in public_losses():
        measurement = Measurement(inputs.few(name), quantity="eager")
        yield Goal("eager", measurement, 1.1, "time", ("jit",))
        if "optax" in peers.matches(name):
            yield _timed("compile", inputs.usual(name), "compile", 2.5, "optax")


def _programs() -> Iterator[Goal]:
    yield Goal("import", processes.IMPORT, 0.025, "extra", ("bare",))
    yield Goal("import", processes.LIST, 0.1, "seconds")
    yield Goal("import", processes.HELP, 0.1, "seconds")
    yield Goal("compare", processes.COMPARE, 3.0, "seconds")
    yield Goal("compare", processes.AGAIN, 1.2, "seconds")


def _timed(row: str, case: Case, quantity: str, bound: float, *libraries: str) -> Goal:
    return Goal(row, Measurement(case, quantity=quantity), bound, "time", libraries)
