"""The bytes that a device receives from others in one run of a compiled program.

A device receives 2 (n - 1) / n of what is reduced over n devices, (n - 1) / n of what is gathered,
n - 1 times its own part of what is reduced and scattered, and all of what is permuted: as in a
ring, which moves least (Patarasu & Yuan 2009, doi:10.1016/j.jpdc.2008.09.002). The body of a loop
counts as often as it runs, and of a conditional the branch that receives most.
"""

from collections.abc import Callable, Mapping

from jaxloss.bench.hlo import HloProgram, Instruction, size

# Bytes received over bytes of the result, for n devices. The result of a reduce-scatter is the part
# of one device.
_SHARES: Mapping[str, Callable[[int], float]] = {
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "all-gather": lambda n: (n - 1) / n,
    "all-to-all": lambda n: (n - 1) / n,
    "reduce-scatter": lambda n: n - 1,
    "collective-permute": lambda n: float(n > 1),
}


def received(program: HloProgram, devices: int) -> float:
    """The bytes that each device receives in one run of the program.

    Args:
        program: The program, whose collectives are over all devices.
        devices: How many there are.

    Raises:
        ValueError: There are collectives in a loop that may run any number of times.
    """

    def of_computation(name: str) -> float:
        return sum(map(of_instruction, program.computations[name]))

    def of_instruction(instruction: Instruction) -> float:
        # Of an asynchronous collective, `-done` counts, which has the type of the result, and
        # `-start` does not.
        share = _SHARES.get(instruction.operation.removesuffix("-done"))
        if share is not None:
            return share(devices) * size(instruction.kind)
        inner = [of_computation(name) for name in instruction.called]
        if instruction.operation == "conditional":
            return max(inner, default=0.0)
        # A loop without collectives need not say how often it runs.
        loops = instruction.operation == "while" and any(inner)
        return sum(inner) * (_trips(program, instruction) if loops else 1)

    return of_computation(program.entry)


def _trips(program: HloProgram, loop: Instruction) -> int:
    trips = program.trips(loop)
    if trips is None:
        message = f"how often a loop runs cannot be told from: {loop.rest}"
        raise ValueError(message)
    return trips
