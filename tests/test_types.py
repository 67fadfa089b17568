"""Type checkers accept the calls that the documentation shows, and refuse what cannot work."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
USERS = '''
"""Code of a user; each line that is wrong says so."""

import jax.numpy as jnp
import numpy as np
from jax import Array

import jaxloss as jl

p, t = jnp.ones(3), np.zeros(3)
row: list[float] = [0.5, 3.0, -1.0]
rows: list[list[float]] = [row, row]
found: Array = jl.huber([0.5, 3.0], [0.0, 0.0])
found = jl.huber(row, tuple(row))
found = jl.huber(rows, rows, delta=np.float32(2))
found = jl.huber(0.5, 1)
found = jl.huber([p, p], [t, t])
found = jl.huber(p, t)
found = jl.huber(p, t, delta=jnp.ones(()))
found = jl.huber(predictions=p, targets=t)
found = jl.huber(p, targets=row)
found = jl.hinge(scores=row, labels=[1, -1, 1])
found = jl.gaussian_nll(mean=p, variance=[1.0, 2.0, 3.0], targets=t)
found = jl.softmax_focal(rows, [0, 1], class_weights=[1.0, 2.0, 0.5])
found = jl.sigmoid_focal(row, [0, 1, 1], alpha=None)
found = jl.dice(p, [0.0, 1.0, 1.0], where=[True, False, True])
found = jl.one_vs_all(jl.hinge)(rows, labels=[0, 1])
found = jl.with_temperature(jl.brier)(rows, [0, 1], temperature=2.0)
objective = 0.7 * jl.Objective(jl.huber, delta=2.0) + 0.3 * jl.Objective(jl.log_cosh)
found = objective(p, t, where=np.ones(3, bool), weights=[1.0, 2.0, 3.0])


@jl.distance(convex=True)
def quartic(residual: Array, *, scale: jl.domains.Positive = 1.0) -> Array:
    """A loss of one's own."""
    return (residual / scale) ** 4


found = quartic(row, targets=row, scale=2.0)
jl.huber("a", t)  # wrong
jl.huber(["a"], t)  # wrong
jl.huber(p, None)  # wrong
jl.huber(p, t, delta="a")  # wrong
jl.huber(predictions=p, targets="a")  # wrong
jl.mse(p, t)  # wrong
number: float = jl.huber(p, t)  # wrong
'''


@pytest.mark.slow  # mypy reads all of JAX and NumPy
def test_strict_mypy_agrees_with_what_runs(tmp_path):
    file = tmp_path / "users.py"
    file.write_text(USERS)
    command = [sys.executable, "-m", "mypy", "--strict", file.name]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    refused = {int(line) for line in re.findall(r"users\.py:(\d+): error", done.stdout)}
    wrong = {i for i, line in enumerate(USERS.split("\n"), 1) if line.endswith("# wrong")}
    assert refused == wrong, done.stdout + done.stderr


def test_what_mypy_accepts_runs():
    right = [line for line in USERS.split("\n") if not line.endswith("# wrong")]
    exec("\n".join(right), {"__name__": "users"})
