"""The layer that stands in for `optax.losses`, held to the tests that optax ships with it."""

import importlib.util
import inspect
import unittest
import warnings
from pathlib import Path

import numpy as np
import optax
import pytest

from jaxloss.compat import optax as ours

FILES = sorted(Path(optax.losses.__file__).parent.glob("*_test.py"))
NAMES = sorted(name for name, value in vars(optax.losses).items() if inspect.isfunction(value))
EXCEPT = {}


def cases_in(path):
    """The tests in one of optax's files, of our functions instead of those of its module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in list(vars(optax.losses).items()):
            if inspect.ismodule(value):
                patch.setattr(optax.losses, name, ours)
        spec.loader.exec_module(module)
        return list(flat(unittest.TestLoader().loadTestsFromModule(module)))


def flat(suite):
    for test in suite:
        yield from flat(test) if isinstance(test, unittest.TestSuite) else [test]


def name_of(path, test):
    bare = test.id().split(" ")[0]  # without the values of parameters, of which some are addresses
    return f"{path.stem}::{'.'.join(bare.split('.')[-2:])}"


TESTS = {name_of(path, test): test for path in FILES for test in cases_in(path)}


def excused(name):
    reason = EXCEPT.get(name)
    return [pytest.mark.xfail(reason=reason, strict=True)] if reason else []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [pytest.param(name, id=name, marks=excused(name)) for name in TESTS]
)
def test_of_optax(name):
    np.random.set_bit_generator(np.random.MT19937(0))
    result = unittest.TestResult()
    TESTS[name].run(result)
    assert (result.testsRun, result.skipped) == (1, [])
    assert result.wasSuccessful(), "\n".join(text for _, text in result.errors + result.failures)


def test_nothing_is_excused_that_does_not_exist():
    assert TESTS.keys() >= EXCEPT.keys()
    assert len({name.split("::")[0] for name in TESTS}) == len(FILES) == 7


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_that_of_optax(name):
    assert parameters(getattr(ours, name)) == parameters(getattr(optax.losses, name))


def parameters(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
