"""Memory that an elementwise loss needs beside its arrays and its gradient: none.

It is that of programs which XLA optimised: what it fuses is never stored.
"""

import functools

import jax
import jax.numpy as jnp
import pytest
from drawing import LOSSES, Case

import jaxloss as jl

pytestmark = [pytest.mark.slow, pytest.mark.default_flags]

COUNT = 2**16
SLACK = 0.1  # bytes per element: constants and partial sums
ANGLE, BESSEL, GAMMA, RATIO = "halved angles", "a Bessel function", "gamma functions", "a ratio"
POWER = "a power of the error over its scale, in two factors, as its square underflows"
ALLOWED = {  # beside value and gradient in the first array, and in all predictions
    "barron": (4, 4, POWER),
    "barron_nll": (4, 4, POWER),
    "beta_nll": (760, 1170, GAMMA),
    "cauchy": (4, 4, POWER),
    "gamma_nll": (216, 216, GAMMA),
    "negative_binomial_nll": (345, 404, GAMMA),
    "student_t_nll": (0, 4, RATIO),
    "tangent": (8, 8, ANGLE),
    "von_mises_nll": (28, 36, BESSEL),
}
ELEMENTWISE = {name: Case(x) for name, x in LOSSES.items() if x.signature.elementwise}
every_elementwise_loss = pytest.mark.parametrize("name", ELEMENTWISE)


@every_elementwise_loss
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_no_array_is_made_but_the_gradient(name, dtype):
    arrays = [
        jax.ShapeDtypeStruct((COUNT,), dtype if "floating" in domain.accepts else jnp.int32)
        for domain in ELEMENTWISE[name].domains
    ]
    mean, predictions = functools.partial(mean_of, LOSSES[name]), range(len(arrays) - 1)
    first, every, _ = ALLOWED.get(name, (0, 0, "none"))
    bounds = [(mean, first), (jax.value_and_grad(mean), first)]
    if len(predictions) > 1:
        bounds.append((jax.value_and_grad(mean, argnums=tuple(predictions)), every))
    for function, allowed in bounds:
        memory = jax.jit(function).lower(*arrays).compile().memory_analysis()
        assert memory.temp_size_in_bytes / COUNT <= allowed + SLACK


def mean_of(loss, *arrays):
    """The objective, with the last array as its targets."""
    *heads, targets = arrays
    return jl.Objective(loss)(tuple(heads), targets)
