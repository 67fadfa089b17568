"""The text of a compiled program (HLO): its computations, each a list of instructions.

XLA has no interface for this in Python; the text is what `compiled.as_text()` gives.
"""

import re
from typing import NamedTuple

_ARRAY = re.compile(r"\b(pred|bf16|[a-z]\d+)\w*\[([\d,]*)\](\{[^}]*\})?")
_HEADING = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.-]+) = (.*?)\s([a-z][a-z\d-]*)\((.*)$")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|\w+_computations?)=\{?((?:%[\w.-]+(?:, )?)+)")
_CONDITION = re.compile(r"\bcondition=%([\w.-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_CONSTANT = re.compile(r"^(\d+)\)")
_NAME = re.compile(r"%([\w.-]+)")
# Other memories than that of the device: of the cores of a TPU, or of its host.
_ELSEWHERE = re.compile(r"S\([1-9]")


class Instruction(NamedTuple):
    """One line of a computation.

    Attributes:
        name: What others call its result by.
        kind: The type of the result.
        operation: What is done, as "fusion".
        rest: Operands and attributes, as they are written.
        is_root: Whether it is the result of the computation.
    """

    name: str
    kind: str
    operation: str
    rest: str
    is_root: bool = False

    @property
    def operands(self) -> list[str]:
        """The names of the operands."""
        return _NAME.findall(self.rest.partition(")")[0])

    @property
    def called(self) -> list[str]:
        """The names of the computations that are called: of a loop its body."""
        return [name for found in _CALLED.findall(self.rest) for name in _NAME.findall(found)]


class HloProgram:
    """The computations of a program by name; `entry` is that of the program itself."""

    def __init__(self, text: str) -> None:
        """Cut the text into computations."""
        self.entry, computations = "", dict[str, list[Instruction]]()
        name = ""
        for line in text.splitlines():
            if heading := _HEADING.match(line):
                name = heading[2]
                computations[name] = []
                self.entry = name if heading[1] else self.entry
            elif name and (found := _INSTRUCTION.match(line)):
                root, own, kind, operation, rest = found.groups()
                instruction = Instruction(own, kind, operation, rest, bool(root))
                computations[name].append(instruction)
        self.computations = computations

    def trips(self, loop: Instruction) -> int | None:
        """How often a loop runs: as XLA annotates it, or else the bound in its condition.

        `None` where it has no annotation, and not exactly one constant in its condition.
        """
        if known := _TRIPS.search(loop.rest):
            return int(known[1])
        condition = _CONDITION.search(loop.rest)
        lines = self.computations.get(condition[1], []) if condition else []
        bounds = [
            int(bound[1])
            for line in lines
            if line.operation == "constant" and line.kind.startswith("s32[]")
            if (bound := _CONSTANT.match(line.rest))
        ]
        return bounds[0] if len(bounds) == 1 else None


def arrays(kind: str) -> list[tuple[str, str, str]]:
    """The element type, the lengths and the layout of each array in a type."""
    return _ARRAY.findall(kind)


def size(kind: str) -> float:
    """The bytes in the memory of the device of an array, or of all in a tuple."""
    return sum(map(size_of_array, arrays(kind)))


def size_of_array(array: tuple[str, str, str]) -> float:
    """The bytes of one array; 0 where it is in another memory."""
    name, shape, layout = array
    if _ELSEWHERE.search(layout):
        return 0.0
    bits = 8 if name == "pred" else int(re.sub(r"\D", "", name))  # bf16, s32, f8...
    for length in filter(None, shape.split(",")):
        bits *= int(length)
    return bits / 8
