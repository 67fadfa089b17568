"""The bytes that a device receives from others in a compiled program, read from its HLO text.

A device receives 2 (n - 1) / n of what is reduced over n devices, (n - 1) / n of what is gathered,
n - 1 times its own part of what is reduced and scattered, and all of what is permuted: as in a
ring, which moves least (Patarasu & Yuan 2009, doi:10.1016/j.jpdc.2008.09.002). The body of a loop
counts as often as it runs, and of a conditional the branch that receives most.
"""

import re
from collections.abc import Callable, Mapping

_BITS = re.compile(r"\b(pred|bf16|[a-z]\d+)\w*\[([\d,]*)\]")
_HEADING = re.compile(r"^(ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.-]+ = (.*?)\s([a-z][a-z\d-]*)\((.*)$")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|\w+_computations?)=\{?((?:%[\w.-]+(?:, )?)+)")
_CONDITION = re.compile(r"\bcondition=%([\w.-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_CONSTANT = re.compile(r"\bs32\[\]\S* constant\((\d+)\)")

# Bytes received over bytes of the result, for n devices. The result of a reduce-scatter is the part
# of one device.
_SHARES: Mapping[str, Callable[[int], float]] = {
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "all-gather": lambda n: (n - 1) / n,
    "all-to-all": lambda n: (n - 1) / n,
    "reduce-scatter": lambda n: n - 1,
    "collective-permute": lambda n: float(n > 1),
}


def received(text: str, devices: int) -> float:
    """The bytes that each device receives in one run of the program.

    Args:
        text: What `compiled.as_text()` gives; its collectives are over all devices.
        devices: How many there are.
    """
    program = HloProgram(text, devices)
    return program.of_computation(program.entry)


class HloProgram:
    """The computations of a program by name, each a list of lines."""

    def __init__(self, text: str, devices: int) -> None:
        """Cut the text into computations."""
        self.devices, self.entry, self.lines = devices, "", dict[str, list[str]]()
        name = ""
        for line in text.splitlines():
            if heading := _HEADING.match(line):
                name = heading[2]
                self.lines[name] = []
                self.entry = name if heading[1] else self.entry
            elif name:
                self.lines[name].append(line)

    def of_computation(self, name: str) -> float:
        """The bytes received in one run of a computation."""
        return sum(map(self.of_line, self.lines[name]))

    def of_line(self, line: str) -> float:
        """The bytes received by an instruction and by all that it calls."""
        instruction = _INSTRUCTION.match(line)
        if instruction is None:
            return 0.0
        kind, operation, rest = instruction.groups()
        # Of an asynchronous collective, `-done` counts, which has the type of the result, and
        # `-start` does not.
        share = _SHARES.get(operation.removesuffix("-done"))
        if share is not None:
            return share(self.devices) * _bytes(kind)
        called = [name.strip(" %") for x in _CALLED.findall(rest) for name in x.split(",")]
        inner = [self.of_computation(name) for name in called if name in self.lines]
        if operation == "conditional":
            return max(inner, default=0.0)
        # A loop without collectives need not say how often it runs.
        return sum(inner) * (self.trips(rest) if operation == "while" and any(inner) else 1)

    def trips(self, rest: str) -> int:
        """How often a loop runs: as XLA annotates it, or else the bound in its condition.

        Raises:
            ValueError: It has no annotation, and not exactly one constant in its condition.
        """
        if known := _TRIPS.search(rest):
            return int(known[1])
        condition = _CONDITION.search(rest)
        lines = self.lines.get(condition[1], []) if condition else []
        bounds = [int(bound) for line in lines for bound in _CONSTANT.findall(line)]
        if len(bounds) != 1:
            message = f"how often a loop runs cannot be told from: {rest}"
            raise ValueError(message)
        return bounds[0]


def _bytes(kind: str) -> float:
    """The size of an array, or of all in a tuple."""
    return sum(map(_array_bytes, _BITS.findall(kind)))


def _array_bytes(array: tuple[str, str]) -> float:
    name, shape = array
    size = 8 if name == "pred" else int(re.sub(r"\D", "", name))  # of bits: bf16, s32, f8...
    for length in filter(None, shape.split(",")):
        size *= int(length)
    return size / 8
