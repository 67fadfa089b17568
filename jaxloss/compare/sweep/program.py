"""The compiled training program of a plan, for all its objectives."""

import functools
import logging
import os
from collections.abc import Callable, Sequence
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

_LOG = logging.getLogger(__name__)
_TOO_LARGE = "%d of the %d networks of an objective train at a time, as memory has no room for all"


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
    def rates(self) -> Any:
        """The learning rates, an argument of the program: constants take longer to compile."""
        return np.asarray(self.plan.rates, np.float32)

    @property
    def workers(self) -> int:
        """The number of objectives that are trained at the same time, each by a thread.

        The matrices of small networks occupy one core, hence a thread for each core. Large ones, as
        those of which not all fit, occupy several; and several devices must execute the programs in
        the same order.
        """
        alone = jax.device_count() == 1 and jax.default_backend() == "cpu"
        return (os.cpu_count() or 1) if alone and self.at_once >= self.plan.cells else 1

    def train(
        self, criteria: Criteria, selector: Selector, rates: Array, stacked: Trial
    ) -> Measured:
        """Train the networks of one objective, [seed, level, rate]."""
        # Levels and rates are one axis: of three, a program took twice as long to compile as of two
        # (jax 0.10.2, 2 cores). Inputs, which differ by the seed alone, are in memory once for it.
        task, levels = self.plan.task, jnp.arange(len(self.plan.noise))
        one = functools.partial(train, task, criteria.at(selector), selector.reverse)

        def of_seed(trial: Trial) -> Any:
            if task.optimizer.traceable:
                grid = (x.ravel() for x in jnp.meshgrid(levels, rates, indexing="ij"))
                flat = self._each(lambda cell: one(trial, *cell), tuple(grid))
                return jax.tree.map(lambda x: x.reshape(len(levels), -1, *x.shape[1:]), flat)
            # Each rate is a constant of a part of the program of its own.
            by_rate = [
                self._each(functools.partial(one, trial, rate=r), levels) for r in self.rates
            ]
            return jax.tree.map(lambda *parts: jnp.stack(parts, axis=1), *by_rate)

        whole = self.at_once >= self.plan.networks_per_seed
        measured: Measured = jax.vmap(of_seed)(stacked) if whole else jax.lax.map(of_seed, stacked)
        return measured

    def _each(self, function: Callable[[Any], Any], cells: Any) -> Any:
        """Train the networks of several cells of the grid, as many at once as may be."""
        if self.at_once >= len(jax.tree.leaves(cells)[0]):
            return jax.vmap(function)(cells)
        return jax.lax.map(function, cells, batch_size=self.at_once if self.at_once > 1 else None)


@dataclass(frozen=True)
class CompiledSweep:
    """A compiled training program.

    Attributes:
        layout: Which networks it trains at the same time.
        criteria: The objectives that it can train on.
        program: The program, of a selector, rates and stacked trials on the devices.
    """

    layout: Layout
    criteria: Criteria
    program: Callable[[Selector, Array, Trial], Measured]

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
        selected = self.criteria.selector(index, reverse=reverse), self.layout.rates
        selector, rates = devices.put(selected, devices.replicated())
        measured: Measured = jax.tree.map(np.asarray, self.program(selector, rates, loaded))
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
            in_specs=(everywhere.spec, everywhere.spec, apart.spec),
            out_specs=apart.spec,
            check_vma=False,
        )
        one = trials(layout.plan, [0])
        stacked = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((layout.seeds, *x.shape[1:]), x.dtype, sharding=apart),
            one,
        )
        first = criteria.selector(0, reverse=False), layout.rates
        selected = devices.put(first, everywhere)
        # Compiled before the threads of `run` start, which would otherwise each compile it. Results
        # are put on every device: each process then reads them without further communication.
        program = jax.jit(sweep, out_shardings=everywhere).lower(*selected, stacked).compile()
        sizes = program.memory_analysis()
        fields = ("argument_size_in_bytes", "output_size_in_bytes", "temp_size_in_bytes")
        used = sum(getattr(sizes, name, 0) for name in fields)
        return cls(layout, criteria, program), used
