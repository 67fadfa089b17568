"""What one run of a compiled program takes: kernels, bytes moved, conditions, trips of loops.

Each instruction outside a fusion is a kernel, which reads its operands from the memory of the
device and writes its results there: of a slice, and of what is replaced in place, only that part.
The body of a loop counts as often as it runs, and of a condition the branch that moves most.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from jaxloss.bench.hlo import HloProgram, Instruction, arrays, size, size_of_array

Body = Mapping[str, Instruction]  # the instructions of a computation by name

# They move nothing, or the operation that they end has moved it.
_FREE = frozenset(
    (
        "after-all", "bitcast", "constant", "get-tuple-element", "opt-barrier", "parameter",
        "partition-id", "replica-id", "tuple", "async-done", "async-update", "copy-done",
        "slice-done",
    )
)  # fmt: skip
_CALLS = frozenset(("async-start", "call", "conditional", "while"))
_SLICES = frozenset(("dynamic-slice", "gather", "slice"))
_IN_PLACE = {"dynamic-update-slice": 1, "scatter": 2}  # the place of the operand that is written
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')  # on a TPU


class Costs(NamedTuple):
    """What is counted of a program, or of a part of it.

    Attributes:
        kernels: What is launched.
        moved: Bytes that kernels read from the memory of the device and write there.
        conditions: Branches that are chosen while the program runs, and loops of unknown length: on
            a GPU the host may wait for each.
        trips: Those of all loops; of one of unknown length a single one.
        cycles: What the compiler estimates that a TPU takes; 0 on a GPU.
    """

    kernels: int = 0
    moved: float = 0.0
    conditions: int = 0
    trips: int = 0
    cycles: int = 0

    def times(self, count: int) -> Self:
        """Those of so many runs."""
        return type(self)(
            count * self.kernels,
            count * self.moved,
            count * self.conditions,
            count * self.trips,
            count * self.cycles,
        )


def costs(program: HloProgram) -> Costs:
    """What one run of the program takes."""
    return _of_computation(program, program.entry)


def _of_computation(program: HloProgram, name: str) -> Costs:
    body = _by_name(program, name)
    return _sum(_of_instruction(program, body, each) for each in body.values())


def _of_instruction(program: HloProgram, body: Body, each: Instruction) -> Costs:
    if each.operation in _FREE:
        return Costs()
    if each.operation not in _CALLS:
        cycles = sum(map(int, _CYCLES.findall(each.rest)))
        return Costs(1, _moved(program, body, each), cycles=cycles)
    inner = [_of_computation(program, name) for name in each.called]
    if each.operation == "conditional":
        dearest = max(inner, key=lambda branch: branch.moved)
        return dearest._replace(conditions=dearest.conditions + 1)
    if each.operation == "while":
        trips = program.trips(each)
        turns = Costs(conditions=int(trips is None), trips=trips or 1)
        return _sum([_sum(inner).times(turns.trips), turns])
    return _sum(inner)


def _moved(program: HloProgram, body: Body, each: Instruction) -> float:
    """The bytes that a kernel reads and writes."""
    if each.operation == "copy-start":
        return size(each.kind)  # of a tuple of both arrays
    if each.operation == "slice-start":
        part = arrays(each.kind)[1]  # after the whole
        return size_of_array((*part[:2], "")) + size_of_array(part)
    reads = sum(
        min(size(body[name].kind), _read(program, each, place))
        for place, name in enumerate(each.operands)
        if name in body
    )
    if each.operation != "fusion":
        return reads + _written(body, each)
    inner = _by_name(program, each.called[0])
    root = next(x for x in inner.values() if x.is_root)
    results = [inner[name] for name in root.operands] if root.operation == "tuple" else [root]
    # The fusion has the layout, and so the memory, of each result.
    whole = map(size_of_array, arrays(each.kind))
    return reads + sum(map(min, whole, (_written(inner, result) for result in results)))


def _read(program: HloProgram, each: Instruction, place: int) -> float:
    """The bytes that an instruction reads of an operand; infinity for all of it."""
    if each.operation in _SLICES and place == 0:
        return size(each.kind)
    if each.operation in _IN_PLACE and place == 0:
        return 0.0
    if each.operation != "fusion":
        return math.inf
    inner = _by_name(program, each.called[0])
    parameter = next(x.name for x in inner.values() if _is_parameter(x, place))
    return sum(_read(program, user, k) for user, k in _uses(inner, parameter))


def _is_parameter(each: Instruction, place: int) -> bool:
    return each.operation == "parameter" and each.rest.startswith(f"{place})")


def _uses(body: Body, name: str) -> Iterator[tuple[Instruction, int]]:
    """Where a value is used: the instruction, and the place among its operands."""
    for each in body.values():
        for place, operand in enumerate(each.operands):
            if operand == name and each.operation == "bitcast":
                yield from _uses(body, each.name)
            elif operand == name:
                yield each, place


def _written(body: Body, result: Instruction) -> float:
    """The bytes of a result: of an array that is updated in place, of the update."""
    while result.operation == "bitcast":
        result = body[result.operands[0]]
    update = _IN_PLACE.get(result.operation)
    return size(result.kind if update is None else body[result.operands[update]].kind)


def _by_name(program: HloProgram, name: str) -> Body:
    return {each.name: each for each in program.computations[name]}


def _sum(parts: Iterable[Costs]) -> Costs:
    return Costs(*map(sum, zip(Costs(), *parts, strict=True)))
