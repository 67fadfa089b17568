"""An objective that stops at the first bad value and says where it is, also under `jit`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from jaxloss.contract import Loss
from jaxloss.objective import Objective, as_arrays
from jaxloss.parts import PyTree
from jaxloss.signature import Signature
from jaxloss.term import Term

AnyArray = NDArray[Any]


def checked(objective: Objective) -> Callable[..., Array]:
    """The objective as a function that refuses values outside their domain.

    Inside `jit` values cannot be refused while tracing, so a bad label makes NaN. This function
    looks at the values on the host instead, when they are there: labels, probabilities, rates and
    all other arrays of the losses, but for what is masked, and the hyper-parameters. That costs a
    copy to the host each step: for finding the fault, not for training.

    Args:
        objective: What to evaluate. Terms whose loss is not of jaxloss are not looked at.

    Returns:
        A function called as the objective is, with the same value and gradient; it works under
        `jit`, `grad` and `vmap`.

    Raises:
        ValueError: At the call, with the name of the loss and of the argument, the first bad
            value, its index and the domain. Under `jit` the same text comes at the end of an
            error of JAX's, a ValueError or a JaxRuntimeError, when the result is waited for.

    Example:
        >>> import jaxloss as jl
        >>> loss = jl.checked(jl.Objective(jl.softmax_cross_entropy_with_integer_labels))
        >>> loss([[0.0, 1.0], [2.0, 3.0]], [1, 7])
        Traceback (most recent call last):
        ...
        ValueError: softmax_cross_entropy_with_integer_labels: `labels`[1] is 7, wanted are \
integers in [0, classes)
    """
    looks = [
        partial(_look, term, term.loss.contract)
        for term in jax.tree.leaves(objective, is_leaf=lambda node: isinstance(node, Term))
        if isinstance(term.loss, Loss)
    ]

    def call(
        predictions: PyTree, targets: PyTree, *, where: PyTree = None, weights: PyTree = None
    ) -> Array:
        value = objective(predictions, targets, where=where, weights=weights)
        given = as_arrays((predictions, targets, where))
        for look in looks:  # a factor, because a summand would not be waited for by the gradient
            value = value * look(*given).astype(value.dtype)
        return value

    return call


def _look(
    term: Term, contract: Signature, predictions: PyTree, targets: PyTree, where: PyTree
) -> Array:
    """One, once the host has found nothing bad in what the term's loss is given."""
    arrays, _ = term.inputs(predictions, targets, where)
    everything = jax.lax.stop_gradient((arrays, term.traced))
    one = jnp.ones((), jnp.float32)
    if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(everything)):
        _refuse_bad(contract, *everything)
        return one

    def on_host(one: Array, arrays: tuple[Array, ...], numbers: dict[str, Any]) -> AnyArray:
        _refuse_bad(contract, arrays, numbers)
        return np.asarray(one)

    looked: Array = jax.pure_callback(on_host, one, one, *everything, vmap_method="broadcast_all")
    return looked


def _refuse_bad(contract: Signature, arrays: Sequence[Array], numbers: dict[str, Any]) -> None:
    given = [np.asarray(array) for array in arrays]
    rows = zip(contract.arrays.items(), given, contract.inside(given).values(), strict=True)
    for (name, domain), array, inside in rows:
        _refuse(contract.name, name, domain.says, array, inside)
    for name, value in numbers.items():
        interval, number = contract.hyperparameters[name].domain, np.asarray(value)
        _refuse(contract.name, name, interval.says, number, interval.contains(number))


def _refuse(loss: str, name: str, says: str, array: AnyArray, inside: AnyArray) -> None:
    if np.all(inside):
        return
    first = tuple(int(i) for i in np.argwhere(~inside)[0])
    place = f"[{', '.join(map(str, first))}]" if first else ""
    message = f"{loss}: `{name}`{place} is {array[first]}, wanted are {says}"
    raise ValueError(message)
