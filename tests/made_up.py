"""Runs whose networks are not trained: their scores are those of a function."""

import contextlib
import itertools
import types
import zlib

import numpy as np
import pytest

from jaxloss.compare.sweep import run as running
from jaxloss.compare.sweep.program import Call
from jaxloss.compare.sweep.training import Measured


def noise(network, size, *, paired=True):
    """Random numbers that belong to a network, or to all networks of its seed and level."""
    what = (network.phase, network.noise, network.seed) if paired else network
    return np.random.default_rng(zlib.crc32(repr(what).encode())).normal(size=size)


class MadeUp:
    """In place of the program: the curve of a network, on test and validation data, is `score`."""

    workers, seeds = 2, 4

    def __init__(self, plan, score):
        self.plan, self.score, self.trained = plan, score, []

    def calls(self, networks):
        for start in range(0, len(networks), 5):
            yield [Call(networks[start : start + 5], 0, None, ())]

    def run(self, call):
        self.trained += call.networks
        curves = np.array([self.score(network) for network in call.networks], float)
        curves = curves.reshape(len(call.networks), -1) * np.ones(self.plan.epochs)
        first, *others = (metric.name for metric in self.plan.task.output.metrics)
        measures = {first: curves[:, -1]} | dict.fromkeys(others, curves[:, -1] / 3)
        return Measured(curves[:, -1], curves, measures)


@contextlib.contextmanager
def replaced(score):
    """Context in which nothing is trained; yields a list of the programs that were made.

    The time is the number of times that it was asked for.
    """
    made, clock = [], types.SimpleNamespace(perf_counter=itertools.count().__next__)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "time", clock)
        patch.setattr(running, "Sweep", lambda plan: made.append(MadeUp(plan, score)) or made[-1])
        yield made


def run(plan, score):
    """Run a plan; returns its results and what was trained."""
    with replaced(score) as made:
        results = running.run(plan)
    return results, [network for program in made for network in program.trained]
