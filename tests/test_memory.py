"""Memory that a loss needs beside its arrays and its gradient: that of a block, however many.

It is that of programs which XLA optimised, and includes masks and weights of the first axis.
"""

import functools

import jax
import jax.numpy as jnp
import pytest
from drawing import LOSSES, OF_EACH_WRAPPER, Case

pytestmark = [pytest.mark.slow, pytest.mark.default_flags]

BATCH, CLASSES = (1 << 11, 1 << 9), 1 << 9
BLOCK = 8e6  # bytes: eight arrays of a block
GAMMA, TRIPLE, MIXTURE = "gamma functions", "three rows", "what mixtures lie between"
LARGER = {  # in blocks, and why
    "beta_nll": (12.5, GAMMA),
    "bi_tempered_logistic": (1.2, "a normaliser by iteration"),
    "gamma_nll": (3, GAMMA),
    "generalized_jensen_shannon": (1.5, MIXTURE),
    "jensen_shannon": (1.5, MIXTURE),
    "multilabel_margin": (1.5, "pairs of labels"),
    "negative_binomial_nll": (6, GAMMA),
    "von_mises_nll": (2, "a Bessel function"),
    "triplet": (1.5, TRIPLE),
    "triplet_with_swap": (3, TRIPLE),
}
CASES = {name: Case(x) for name, x in LOSSES.items() if x.signature.by_blocks}


@pytest.mark.parametrize(
    ("name", "dtype", "masked"),
    [(name, jnp.float32, True) for name in CASES]
    + [(name, jnp.bfloat16, False) for name in CASES if name in OF_EACH_WRAPPER],
)
def test_no_array_is_made_but_the_gradient(name, dtype, masked):
    """Of all predictions under a mask and weights, or of the first without."""
    case = CASES[name]
    shapes = case.of_any_size(BATCH, classes=CLASSES, elements=CLASSES)
    if shapes[0].ndim > len(BATCH):  # rows, or numbers of which each class has its own
        shapes = case.of_any_size(BATCH[:1], classes=CLASSES, elements=CLASSES)
    batch = shapes[0].shape[: 2 if case.loss.signature.elementwise else 1]
    arrays = [
        jax.ShapeDtypeStruct(x.shape, x.dtype if x.dtype == jnp.int32 else dtype) for x in shapes
    ]
    every = tuple(i for i in range(max(len(arrays) - 1, 1)) if arrays[i].dtype == dtype)
    options = {"where": jax.ShapeDtypeStruct(batch, bool), "weights": jnp.ones(batch[:1])}
    predictions, options = (every, options) if masked else ((0,), {})
    derived = jax.value_and_grad(functools.partial(mean_of, case, *options), predictions)
    program = jax.jit(derived).lower(*arrays, *options.values()).compile()
    # Gradients of 16 bits are written as integers, and then copied as what they are.
    copied = sum(2 * arrays[i].size for i in predictions) if dtype == jnp.bfloat16 else 0
    held = program.memory_analysis().temp_size_in_bytes - copied
    assert held <= BLOCK * LARGER.get(name, (1, None))[0]


def mean_of(case, *rest):
    """The objective of arrays, and of options by these names."""
    names = [x for x in rest if isinstance(x, str)]
    arrays = [x for x in rest if not isinstance(x, str)]
    count = len(arrays) - len(names)
    options = dict(zip(names, arrays[count:], strict=True))
    return case.objective(tuple(arrays[:count]), {}, **options)
