"""Arrays of one's own as a task: pairs of inputs and targets, in parts or to be split."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.kinds import Kind
from jaxloss.compare.tasks.targets import (
    CLASSES,
    COUNTS,
    MAX_CLASSES,
    MIN_PER_CLASS,
    MIN_ROWS,
    NUMBERS,
    require_counts,
)
from jaxloss.compare.tasks.task import Data, DataSplit, Generator, Task

Values = NDArray[Any]
Pair = tuple[Values, Values]  # inputs and targets

_WANTED = (
    "a pair of inputs and targets; a mapping of such pairs called 'training', 'validation' (may be "
    "left out) and 'test'; a DataFrame or a file with a `target`; or a function of a "
    "`numpy.random.Generator` that returns `Data`"
)
_FIFTHS = "trains on three fifths, validates on one fifth and tests on one fifth"


@dataclass(frozen=True)
class ArraySource:
    """The source of a task's data: arrays that each seed splits anew.

    Attributes:
        inputs: [example, ...].
        targets: [example, ...].
        groups: The group of each example, none of which is in two parts; None without groups.
    """

    inputs: Values
    targets: Values
    groups: Values | None = None

    def __call__(self, generator: Generator) -> Data:
        """Split the arrays, by classes where there are enough examples of each."""
        if self.groups is not None:
            index = sampling.split_groups(self.groups, generator)
        else:
            index = sampling.split(len(self.targets), generator, _strata(self.targets))
        return sampling.take(self.inputs, self.targets, index)


@dataclass(frozen=True)
class PartsSource:
    """The source of a task's data: parts that are the same for all seeds.

    Attributes:
        training: Inputs and targets.
        validation: The same; None if each seed validates on a fifth of the training part.
        test: The same.
    """

    training: Pair
    validation: Pair | None
    test: Pair

    def __call__(self, generator: Generator) -> Data:
        """Return the parts."""
        training, validation = self.training, self.validation
        if validation is None:
            order = generator.permutation(len(training[1]))
            cut = len(order) // 5
            validation, training = (
                (training[0][part], training[1][part]) for part in (order[:cut], order[cut:])
            )
        inputs, targets = zip(training, validation, self.test, strict=True)
        return Data(DataSplit(*inputs), DataSplit(*targets), np.arange(len(training[1])))


def array_task(
    data: Any, groups: Any = None, kind: str | None = None, *, standardise: bool
) -> Task:
    """Make a task of arrays, or of a function that draws them.

    Args:
        data: A pair of inputs and targets, of which integers are labels from 0, texts are names of
            classes and floats are numbers; a mapping of pairs; or a function that draws `Data`.
        groups: The group of each example of a pair: no two parts share one.
        kind: Of the targets: "classes", "numbers" or "counts"; by default by their type.
        standardise: Standardise inputs, and targets that are numbers, by the training part.

    Raises:
        TypeError: `data` is none of these.
        ValueError: Arrays are of different lengths, too few, not finite, or of no usable type.
    """
    if isinstance(data, DataSplit):
        data = data._asdict()
    source, says, overlap = _source(data, groups, labelled=kind in {None, CLASSES})
    drawn = source(np.random.default_rng(0))
    targets = np.concatenate(drawn.targets)
    kind = _kind_of(targets, kind)
    scaled = standardise and np.issubdtype(drawn.inputs.training.dtype, np.floating)
    if scaled:
        says += " Numbers are standardised by the training part."
    task = Kind.of(targets, kind).task(
        name="data",
        title="data of your own",
        story=f"{says} Inputs are {_described(drawn.inputs)}, targets {_described(drawn.targets)}.",
        draw=(lambda generator: _standardised(source(generator), kind)) if scaled else source,
        examples=len(drawn.eligible),
    )
    return replace(task, levels=(0.0,), overlap=overlap)


def _kind_of(targets: Values, kind: str | None) -> str:
    """The kind of targets by their type, or what it is said to be, once they are of it.

    Raises:
        ValueError: They are not.
    """
    labels = np.issubdtype(targets.dtype, np.integer)
    if kind == CLASSES and not labels:
        message = "classes are integers from 0 or texts, got numbers that are not whole by type"
        raise ValueError(f"compare: the targets in `data` are {targets.dtype}; {message}")
    if kind == COUNTS:
        require_counts("compare: an array of targets", targets)
        if targets.ndim > 1:
            message = f"one for each example, got {list(targets.shape[1:])}"
            raise ValueError(f"compare: the targets in `data` are counts, {message}")
    return kind or (CLASSES if labels else NUMBERS)


def _source(
    data: Any, groups: Any, *, labelled: bool
) -> tuple[Callable[[Generator], Data], str, float | None]:
    """The source of the data, a sentence on it, and the overlap of the seeds.

    Args:
        data: What `array_task` takes.
        groups: Likewise.
        labelled: Whether integers are labels, and not numbers.
    """
    if groups is None and callable(data):
        return (data if labelled else _as_numbers(data)), "Each seed draws new data.", 0.0
    if groups is None and isinstance(data, Mapping):
        parts = _parts(data, labelled=labelled)
        more = "" if parts.validation else "; each validates on another fifth of the training part"
        return parts, f"The parts are the same for all seeds{more} ({_digest(*parts.test)}).", None
    if isinstance(data, (tuple, list)) and len(data) == 2:
        source = _pair(data, groups, labelled=labelled)
        apart = "" if groups is None else ", and no two parts share a group"
        count = f"Of {len(source.targets)} examples ({_digest(source.inputs, source.targets)})"
        return source, f"{count} each seed {_FIFTHS}{apart}.", 1 / 3
    single = "" if groups is None else ", of which a pair can have `groups`"
    raise TypeError(f"compare: `data` is {_WANTED}{single}; got {type(data).__name__}")


def _as_numbers(draw: Callable[[Generator], Data]) -> Callable[[Generator], Data]:
    """The same data with targets of single precision."""

    def drawn(generator: Generator) -> Data:
        data = draw(generator)
        return data._replace(targets=DataSplit(*[np.float32(part) for part in data.targets]))

    return drawn


def _pair(data: Sequence[Any], groups: Any, *, labelled: bool) -> ArraySource:
    inputs = _inputs("data[0]", data[0])
    targets = _targets("data[1]", data[1], labelled=labelled)[0]
    lengths = {"inputs": len(inputs), "targets": len(targets)}
    if groups is not None:
        groups = np.asarray(groups)
        lengths["groups"] = len(groups) if groups.ndim == 1 else 0
    if len(set(lengths.values())) > 1 or len(targets) < MIN_ROWS:
        message = f"compare: `data` has {lengths}; equally many are needed, at least {MIN_ROWS}"
        raise ValueError(message)
    return ArraySource(inputs, targets, groups)


def _parts(data: Mapping[str, Any], *, labelled: bool) -> PartsSource:
    pairs = {name: pair for name, pair in data.items() if pair is not None}
    if not {"training", "test"} <= set(pairs) <= set(DataSplit._fields):
        message = "compare: the parts of `data` are 'training', 'validation' (or not) and 'test', "
        raise ValueError(f"{message}got {', '.join(map(repr, pairs))}")
    for name, pair in pairs.items():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"compare: `data[{name!r}]` is a pair of inputs and targets")
    inputs = {name: _inputs(f"data[{name!r}][0]", pair[0]) for name, pair in pairs.items()}
    # All parts at once: they share the names of classes.
    given = [pair[1] for pair in pairs.values()]
    targets = dict(zip(pairs, _targets("data", *given, labelled=labelled), strict=True))
    made = {name: (inputs[name], targets[name]) for name in pairs}
    different = len({x.shape[1:] for x in inputs.values()}) > 1
    if different or any(len(x) != len(t) for x, t in made.values()):
        shapes = {name: [x.shape for x in pair] for name, pair in made.items()}
        message = "compare: the parts of `data` have equally many inputs as targets, of one shape"
        raise ValueError(f"{message}; got {shapes}")
    return PartsSource(made["training"], made.get("validation"), made["test"])


def _inputs(name: str, values: Any) -> Values:
    """Inputs as numbers of single precision, or as integers; bytes of images are from 0 to 1."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        message = f"compare: `{name}` is an array of numbers, got {array.dtype}"
        raise ValueError(message)
    if array.dtype == np.uint8 and array.ndim > 2:
        return array.astype(np.float32) / 255
    array = array.astype(np.int32 if array.dtype.kind in "iu" else np.float32)
    return _finite(name, array)


def _targets(name: str, *parts: Any, labelled: bool) -> list[Values]:
    """Targets of some parts as labels from 0, or as numbers of single precision."""
    arrays = [_single(np.asarray(part)) for part in parts]
    if labelled and all(array.dtype.kind == "U" or _all_text(array) for array in arrays):
        # Texts are the names of classes. Labels and numbers are as they are.
        texts = [array.astype(str) for array in arrays]
        classes = np.unique(np.concatenate(texts))
        arrays = [np.searchsorted(classes, text) for text in texts]
    wrong = [array.dtype for array in arrays if array.dtype.kind not in "biuf"]
    if wrong:
        message = f"compare: the targets in `{name}` are labels, numbers or texts, got {wrong[0]}"
        raise ValueError(message)
    if not labelled or any(array.dtype.kind == "f" for array in arrays):
        return [_finite(name, array.astype(np.float32)) for array in arrays]
    least = min(int(array.min(initial=0)) for array in arrays)
    most = max(int(array.max(initial=0)) for array in arrays)
    if least < 0 or (most >= MAX_CLASSES and arrays[0].ndim == 1):
        message = f"compare: integers in `{name}` are labels from 0, got {least} to {most}"
        raise ValueError(f"{message}; of others say the `kind`, 'numbers' or 'counts'")
    return [array.astype(np.int32) for array in arrays]


def _single(targets: Values) -> Values:
    """One target for each example without the axis of length 1 that Keras gives it."""
    return targets[:, 0] if targets.ndim == 2 and targets.shape[1] == 1 else targets


def _all_text(array: Values) -> bool:
    return array.dtype.kind == "O" and all(isinstance(x, str) for x in array.flat)


def _finite(name: str, array: Values) -> Values:
    lost = array.size - int(np.isfinite(array).sum())
    if lost:
        message = f"compare: {lost} of {array.size} numbers in `{name}` are not finite"
        raise ValueError(f"{message}; leave them out or fill them")
    return array


def _strata(targets: Values) -> Values | None:
    """Labels by which a split can be stratified, as there are enough of each class."""
    if targets.ndim > 1 or not np.issubdtype(targets.dtype, np.integer):
        return None
    counts = np.bincount(targets)
    return targets if counts[counts > 0].min() >= MIN_PER_CLASS else None


def _standardised(data: Data, kind: str) -> Data:
    """Inputs, and targets that are numbers, in deviations of the training part."""
    scale = sampling.standardised
    targets = scale(data.targets) if kind == NUMBERS else data.targets
    return data._replace(inputs=scale(data.inputs), targets=targets)


def _described(parts: DataSplit) -> str:
    return f"{parts.training.dtype}{list(parts.training.shape[1:])}"


def _digest(*arrays: Values) -> str:
    """A checksum, by which the report and `--resume` know the data."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return f"SHA-256 {digest.hexdigest()[:12]}…"
