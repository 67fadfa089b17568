"""The compiled training program of a plan, for all its objectives and settings."""

import functools
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax import Array

from jaxloss.compare.sweep import devices
from jaxloss.compare.sweep.criteria import Criteria
from jaxloss.compare.sweep.plan import Network, Phase, Plan
from jaxloss.compare.sweep.training import Lane, Measured, train
from jaxloss.compare.sweep.trials import Trial, trials

_LOG = logging.getLogger(__name__)
_TOO_LARGE = "%d networks train at a time in place of %d, as memory does not hold all"
# Networks of one call of the program. Small calls waste little where few networks are wanted, as in
# the later rounds of a search; a CPU gains nothing of larger ones.
_ON_CPU, _ELSEWHERE = 8, 64
_MOST_SEEDS = 8  # whose data are loaded at the same time


@dataclass(frozen=True)
class Call:
    """Networks that are trained by one call of the program: of one structure and one phase.

    Attributes:
        networks: The networks, at most as many as a call takes.
        branch: The index of the structure of their objectives.
        trials: The trials of the seeds, on the devices.
        seeds: The seeds of the trials.
    """

    networks: Sequence[Network]
    branch: int
    trials: Trial
    seeds: Sequence[int]


@dataclass
class Sweep:
    """A training program that takes any network of a plan.

    Args:
        plan: The plan.
    """

    plan: Plan
    criteria: Criteria = field(init=False)
    lanes: int = field(init=False)
    workers: int = field(init=False)

    def __post_init__(self) -> None:
        """Compile for as many networks at once as the plan says or as memory holds.

        The memory is that of the machine or the device, whatever else is in it: the same run is
        done alike each time.
        """
        contenders, rates = self.plan.lineup.contenders, self.plan.rates
        first = [each.objective(each.space(rates).start[0]) for each in contenders]
        self.criteria = Criteria(first)
        on_cpu = jax.default_backend() == "cpu"
        usual = _ON_CPU if on_cpu else _ELSEWHERE
        self.lanes = self.plan.at_once or usual
        # The matrices of small networks occupy one core, hence a thread for each core. Large ones
        # occupy several, and several devices must execute the programs in the same order.
        alone = on_cpu and jax.device_count() == 1 and self.lanes >= usual
        self.workers = (os.cpu_count() or 1) if alone else 1
        self._programs: dict[float | None, Any] = {}
        used, limit = self._memory(), devices.memory() / 2
        if used * self.workers > limit:
            self.workers = 1
        while self.plan.at_once is None and self.lanes > 1 and used > limit:
            fitting = max(min(int(self.lanes * limit / used), self.lanes // 2), 1)
            _LOG.warning(_TOO_LARGE, fitting, self.lanes)
            self.lanes = fitting
            self._programs.clear()
            used = self._memory()

    @property
    def seeds(self) -> int:
        """The number of seeds whose data are loaded at the same time."""
        return max(min(self.lanes // len(self.plan.noise), _MOST_SEEDS), 1)

    def calls(self, networks: Sequence[Network]) -> Iterator[list[Call]]:
        """Divide networks into calls of the program, those of a few seeds at a time.

        The data of these seeds are loaded when their calls are asked for.
        """
        size = self.lanes * jax.device_count()
        for phase in Phase:
            ours = [network for network in networks if network.phase is phase]
            seeds = sorted({network.seed for network in ours})
            for start in range(0, len(seeds), self.seeds):
                block = seeds[start : start + self.seeds]
                filled = [*block, *block[-1:] * (self.seeds - len(block))]
                loaded = devices.put(trials(self.plan, phase, filled), devices.replicated())
                alike: dict[Any, list[Network]] = {}
                for network in ours:
                    if network.seed in block:
                        alike.setdefault(self._kind(network), []).append(network)
                yield [
                    Call(group[first : first + size], branch, loaded, block)
                    for (branch, _), group in alike.items()
                    for first in range(0, len(group), size)
                ]

    def run(self, call: Call) -> Measured:
        """Train the networks of a call, [network]."""
        lanes = [self._lane(network, call.seeds) for network in call.networks]
        missing = self.lanes * jax.device_count() - len(lanes)
        stacked = jax.tree.map(lambda *x: np.stack(x), *lanes, *lanes[:1] * missing)
        branch = devices.put(np.int32(call.branch), devices.replicated())
        program = self._program(self._static(call.networks[0]))
        measured = program(branch, devices.put(stacked, devices.sharded()), call.trials)
        result: Measured = jax.tree.map(lambda x: np.asarray(x)[: len(lanes)], measured)
        return result

    def _kind(self, network: Network) -> tuple[int, float | None]:
        """What all networks of a call have in common."""
        objective = self.plan.lineup[network.loss].objective(network.point)
        return self.criteria.branch(objective), self._static(network)

    def _static(self, network: Network) -> float | None:
        """The learning rate, where it is a constant of the program."""
        return None if self.plan.task.optimizer.traceable else network.point[-1]

    def _lane(self, network: Network, seeds: Sequence[int]) -> Lane:
        contender = self.plan.lineup[network.loss]
        return Lane(
            trial=np.int32(seeds.index(network.seed)),
            level=np.int32(self.plan.noise.index(network.noise)),
            rate=np.float32(network.point[-1]),
            numbers=self.criteria.numbers(contender.objective(network.point)),
            reverse=np.bool_(contender.replicate),
        )

    def _memory(self) -> int:
        """The bytes of memory that the program takes on a device."""
        rate = None if self.plan.task.optimizer.traceable else self.plan.rates[0]
        sizes = self._program(rate).memory_analysis()
        fields = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
        return sum(getattr(sizes, name, 0) for name in fields)

    def _program(self, rate: float | None) -> Any:
        """The compiled program; one for each rate where rates are constants."""
        if rate not in self._programs:
            self._programs[rate] = self._compiled(rate)
        return self._programs[rate]

    def _compiled(self, rate: float | None) -> Any:
        def one(branch: Array, stacked: Trial, lane: Lane) -> Measured:
            criterion = self.criteria.at(branch, lane.numbers)
            lane = lane if rate is None else lane._replace(rate=rate)
            return train(self.plan.task, criterion, stacked, lane)

        def several(branch: Array, lanes: Lane, stacked: Trial) -> Measured:
            each = functools.partial(one, branch, stacked)
            measured: Measured
            if self.lanes == 1:  # large models are slower with an axis of one
                measured = each(jax.tree.map(lambda x: x[0], lanes))
                return Measured(*(jax.tree.map(lambda x: x[None], part) for part in measured))
            measured = jax.vmap(each)(lanes)
            return measured

        everywhere, apart = devices.replicated(), devices.sharded()
        # Each device trains its own networks.
        sharded = jax.shard_map(
            several,
            mesh=apart.mesh,
            in_specs=(everywhere.spec, apart.spec, everywhere.spec),
            out_specs=apart.spec,
            check_vma=False,
        )
        start = Network(
            Phase.TUNING,
            self.plan.lineup.reference,
            self.plan.noise[0],
            self.plan.lineup[self.plan.lineup.reference].space(self.plan.rates).start[0],
            0,
        )
        size = self.lanes * jax.device_count()
        lanes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((size, *np.shape(x)), x.dtype, sharding=apart),
            self._lane(start, [0]),
        )
        one_trial = trials(self.plan, Phase.TUNING, [0])
        stacked = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(
                (self.seeds, *x.shape[1:]), x.dtype, sharding=everywhere
            ),
            one_trial,
        )
        branch = devices.put(np.int32(0), everywhere)
        # Compiled before the threads of `run` start, which would otherwise each compile it. Results
        # are put on every device: each process then reads them without further communication.
        return jax.jit(sharded, out_shardings=everywhere).lower(branch, lanes, stacked).compile()
