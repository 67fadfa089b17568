"""The compiled training program of a plan, for all its objectives."""

import functools
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxloss.compare.sweep import devices
from jaxloss.compare.sweep.criteria import Criteria, Selector
from jaxloss.compare.sweep.plan import Plan
from jaxloss.compare.sweep.training import Measured, train
from jaxloss.compare.sweep.trials import Trial, trials
from jaxloss.compare.tasks.task import DataSplit

# How a function of one network becomes one of several, whose arrays have a further axis in front.
Mapper = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]

_LOG = logging.getLogger(__name__)
_TOO_LARGE = "%d of the %d networks of an objective train at a time, as memory has no room for all"


def _in_turn(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return functools.partial(jax.lax.map, function)


def _unrolled(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The values are constants of the program, which is as many times as long."""

    def each(values: Iterable[Any]) -> Any:
        return jax.tree.map(lambda *one: jnp.stack(one), *map(function, values))

    return each


@dataclass(frozen=True)
class Layout:
    """Which networks are trained at the same time, in one vmapped loop.

    Attributes:
        plan: The plan.
        at_once: How many networks may be trained at the same time.
    """

    plan: Plan
    at_once: int

    @property
    def seeds(self) -> int:
        """The number of seeds that a call of the program trains: at least one on each device."""
        count = jax.device_count()
        fitting = max(self.at_once // self.plan.networks_per_seed, 1)
        return -(-min(fitting, self.plan.seeds) // count) * count

    @property
    def workers(self) -> int:
        """The number of objectives that are trained at the same time, each by a thread.

        The matrices of small networks occupy one core, hence a thread for each core. Large ones, as
        those of which not all fit, occupy several; and several devices must execute the programs in
        the same order.
        """
        alone = jax.device_count() == 1 and jax.default_backend() == "cpu"
        return (os.cpu_count() or 1) if alone and self.at_once >= self.plan.cells else 1

    def train(self, criteria: Criteria, selector: Selector, stacked: Trial) -> Measured:
        """Train the networks of one objective, [seed, level, rate]."""
        # The loop over rates is inside of that over levels, and this inside of that over seeds, so
        # that inputs, which differ by the seed alone, are in memory once for each seed.
        task, rates = self.plan.task, np.asarray(self.plan.rates, np.float32)
        criterion, each_level = criteria.at(selector), self._mapper(self.plan.networks_per_seed)
        each_rate = self._mapper(len(rates)) if task.optimizer.traceable else _unrolled

        def of_seed(trial: Trial) -> Any:
            def of_level(noisy: tuple[Array, Array]) -> Any:
                at_level = trial._replace(targets=DataSplit(*noisy, trial.targets.test))
                one = functools.partial(train, task, criterion, selector.reverse, at_level)
                return each_rate(one)(rates)

            return each_level(of_level)(trial.targets[:2])

        measured: Measured = each_level(of_seed)(stacked)
        return measured

    def _mapper(self, networks: int) -> Mapper:
        return jax.vmap if networks <= self.at_once else _in_turn


@dataclass(frozen=True)
class CompiledSweep:
    """A compiled training program.

    Attributes:
        layout: Which networks it trains at the same time.
        criteria: The objectives that it can train on.
        program: The program, of a selector and of stacked trials on the devices.
    """

    layout: Layout
    criteria: Criteria
    program: Callable[[Selector, Trial], Measured]

    @classmethod
    def compiled(cls, plan: Plan) -> Self:
        """Compile the sweep for as many networks at once as the plan says or as memory holds.

        The memory is that of the machine or the device, whatever else is in it: the same run is
        done alike each time.
        """
        layout = Layout(plan, plan.at_once or plan.cells)
        sweep, used = cls._compiled(layout)
        limit = devices.memory() / 2
        while plan.at_once is None and layout.at_once > 1 and used * layout.workers > limit:
            fitting = int(layout.at_once * limit / (used * layout.workers))
            layout = Layout(plan, max(min(fitting, layout.at_once // 2), 1))
            _LOG.warning(_TOO_LARGE, layout.at_once, plan.cells)
            sweep, used = cls._compiled(layout)
        return sweep

    def loaded(self, seeds: Sequence[int]) -> Trial:
        """The trials of these seeds on the devices; the last is repeated to fill the program."""
        filled = [*seeds, *[seeds[-1]] * (self.layout.seeds - len(seeds))]
        loaded: Trial = devices.put(trials(self.layout.plan, filled), devices.sharded())
        return loaded

    def run(self, index: int, loaded: Trial, *, reverse: bool = False) -> Measured:
        """Train the networks of the objective with this index, [seed, level, rate]."""
        selector = devices.put(self.criteria.selector(index, reverse=reverse), devices.replicated())
        measured: Measured = jax.tree.map(np.asarray, self.program(selector, loaded))
        return measured

    @classmethod
    def _compiled(cls, layout: Layout) -> tuple[Self, int]:
        """The sweep of a layout, and how many bytes of memory it takes on a device."""
        criteria = Criteria([variant.objective for _, variant in layout.plan.units])
        everywhere, apart = devices.replicated(), devices.sharded()
        # Each device trains its own seeds, one after another if need be.
        sweep = jax.shard_map(
            functools.partial(layout.train, criteria),
            mesh=apart.mesh,
            in_specs=(everywhere.spec, apart.spec),
            out_specs=apart.spec,
            check_vma=False,
        )
        one = trials(layout.plan, [0])
        stacked = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((layout.seeds, *x.shape[1:]), x.dtype, sharding=apart),
            one,
        )
        selector = devices.put(criteria.selector(0, reverse=False), everywhere)
        # Compiled before the threads of `run` start, which would otherwise each compile it. Results
        # are put on every device: each process then reads them without further communication.
        program = jax.jit(sweep, out_shardings=everywhere).lower(selector, stacked).compile()
        sizes = program.memory_analysis()
        fields = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
        used = sum(getattr(sizes, name, 0) for name in fields)
        return cls(layout, criteria, program), used
