"""Debugging: an objective that raises at the first invalid value, also under `jit`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from jaxloss.core.batch import Batch, as_arrays
from jaxloss.core.loss import Loss
from jaxloss.core.objective import Objective
from jaxloss.core.signature import Signature
from jaxloss.core.term import Term
from jaxloss.core.validity import in_domain
from jaxloss.numerics import computing_dtype
from jaxloss.numerics.trees import PyTree

AnyArray = NDArray[Any]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Checked:
    """A checked objective: a pytree, and picklable if its objective is.

    Attributes:
        objective: The objective.
    """

    objective: Objective

    def __call__(
        self, predictions: PyTree, targets: PyTree, *, where: PyTree = None, weights: PyTree = None
    ) -> Array:
        """Check all values on the host, and return the value of the objective."""
        value = self.objective(predictions, targets, where=where, weights=weights)
        batch = Batch(*as_arrays((predictions, targets, where, weights)))
        for term in self.objective.named.values():
            if isinstance(term.loss, Loss):
                # The gradient of a product depends on its factors, so that it waits for the check,
                # as that of a sum would not.
                value = value * _look(term, term.loss.signature, batch).astype(value.dtype)
        return value


def checked(objective: Objective) -> Checked:
    """Make a function of an objective that raises at values outside their domain.

    Tracing cannot raise for values, so under `jit` an invalid label gives NaN. This function checks
    the values on the host when they are computed: the arrays of the losses, except behind a mask;
    the hyper-parameters; the values of the losses, which are NaN where numbers in their domains,
    such as inf, are too large for the formula; and weights that turn values into NaN. This costs a
    copy to the host at each step, and a second evaluation outside `jit`: it is for debugging, not
    for training.

    Args:
        objective: The objective. Terms whose loss is not of jaxloss are not checked.

    Returns:
        A function with the signature, value and gradient of the objective; it works under `jit`,
        `grad` and `vmap`.

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
    return Checked(objective)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Seen:
    """The values that the host checks.

    Attributes:
        arrays: The arguments of the loss by name, with valid fill values behind the mask.
        numbers: The hyper-parameters, by name.
        inside: For each array and number, which entries lie in its domain, as the compiled program
            decides with its own rounding.
        values: The loss of each example, 0 behind the mask.
        amounts: The weight of each example, unless all are equal.
        reduced: The reduction of values and weights.
    """

    arrays: Mapping[str, Array]
    numbers: Mapping[str, Array]
    inside: Mapping[str, Array]
    values: Array
    amounts: Array | None
    reduced: Array


def _look(term: Term, signature: Signature, batch: Batch) -> Array:
    """Check the arguments and values of a term's loss on the host, and return 1.

    The result is a factor of the value, since XLA drops a callback whose result is not used.
    """
    # A callback has no derivative; that of a constant is not asked for.
    still = jax.lax.stop_gradient((term, batch))
    seen, one = _seen(signature, *still), jnp.ones((), jnp.float32)
    # Outside of transformations no callback is needed, and the error is a plain ValueError.
    if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(seen)):
        _refuse_bad(signature, seen)
        return one

    def on_host(one: Array, seen: Seen) -> AnyArray:
        _refuse_bad(signature, seen)
        return np.asarray(one)

    looked: Array = jax.pure_callback(on_host, one, one, seen, vmap_method="broadcast_all")
    return looked


def _seen(signature: Signature, term: Term, batch: Batch) -> Seen:
    inputs = term.inputs(batch)
    arrays = inputs.arrays
    if inputs.mask is not None:
        arrays = signature.fill_masked(inputs.mask, arrays)
    numbers = {k: jnp.asarray(v) for k, v in term.traced.items() if v is not None}
    contained = {k: signature.hyperparameters[k].domain.contains(v) for k, v in numbers.items()}
    inside = in_domain(signature, signature.cast(arrays, computing_dtype(*arrays))) | contained
    values, amounts = term.measure(batch)
    of_arrays = dict(zip(signature.arrays, arrays, strict=True))
    return Seen(of_arrays, numbers, inside, values, amounts, term.reduction(values, amounts))


def _refuse_bad(signature: Signature, seen: Seen) -> None:
    wanted = {name: domain.says for name, domain in signature.arrays.items()}
    wanted |= {name: item.domain.says for name, item in signature.hyperparameters.items()}
    for name, array in {**seen.arrays, **seen.numbers}.items():
        if bad := _first(array, ~np.asarray(seen.inside[name])):
            raise ValueError(f"{signature.name}: `{name}`{bad}, wanted are {wanted[name]}")
    if bad := _first(seen.values, np.isnan(seen.values)):
        places = {name: _first(x, ~np.isfinite(x)) for name, x in seen.arrays.items()}
        large = [f"`{name}`{place}, " for name, place in places.items() if place]
        raise ValueError(
            f"{signature.name}: the value{bad}, as numbers that lie in their domains are too large "
            f"for the formula: {''.join(large)}wanted are smaller ones"
        )
    # Only weights that made NaN: a reduction of one's own may have a use for negative ones.
    amounts = np.ones(()) if seen.amounts is None else np.asarray(seen.amounts)
    bad = _first(amounts, ~(np.isfinite(amounts) & (amounts >= 0)))
    if bad and np.any(np.isnan(seen.reduced)):
        raise ValueError(
            f"{signature.name}: the weight{bad}, wanted in `weights` are finite numbers >= 0, and "
            "`where` hides what is not to count"
        )


def _first(array: Any, bad: Any) -> str:
    """The index and the value of the first bad entry as text, or "" if there is none."""
    if not np.any(bad):
        return ""
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{list(place) if place else ''} is {np.asarray(array)[place]}"
