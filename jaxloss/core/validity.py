"""Checks of domains in compiled code: where a value lies outside its domain, the loss is NaN.

A concrete hyper-parameter outside its domain is refused when it is bound. What is known only inside
`jit` cannot be refused, so that value and gradient become NaN.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxloss.core.signature import Signature
from jaxloss.kernels.flags import all_true
from jaxloss.numerics import poison
from jaxloss.numerics.broadcasting import Shape, expand_trailing


def cast_numbers(
    signature: Signature, keywords: Mapping[str, Any], shape: Shape, dtype: Any
) -> dict[str, Any]:
    """Hyper-parameters in the computing dtype, those per class in the shape of the scores.

    One outside its domain is NaN from here on: where no gradient leads back to it, as to a margin
    that no example is within, NaN in the value alone would leave its gradient at 0.
    """
    cast = {}
    for name, value in keywords.items():
        if value is None or name == "where":
            cast[name] = value
            continue
        domain = signature.hyperparameters[name].domain
        number = jnp.asarray(value).astype(dtype)
        number = poison(number, jnp.all(domain.contains(number)))
        if domain.per_class and number.shape in ((), shape[-1:]):
            number = jnp.broadcast_to(number, shape)
        elif number.shape:
            raise ValueError(
                f"{signature.name}: `{name}` has shape {number.shape} where the arrays have "
                f"{shape}; a hyper-parameter is a scalar (use jax.vmap for many), or where it is "
                "said to be so one number for each entry of the last axis"
            )
        cast[name] = number
    return cast


def all_in_domain(
    signature: Signature, arrays: Sequence[Array], numbers: Mapping[str, Any]
) -> Array:
    """In which examples all values lie inside their domains: one for each, or one for all.

    Of the numbers, as `cast_numbers` gives them, those outside are NaN.
    """
    batch = arrays[0].ndim - signature.event_axes
    together: dict[tuple[int, Shape], Array] = {}  # arrays that are alike are one pass over memory
    for domain, inside in zip(
        signature.domains, in_domain(signature, arrays).values(), strict=True
    ):
        if not domain.unchecked:
            alike = len(domain.axes), inside.shape
            together[alike] = together[alike] & inside if alike in together else inside
    valid = jnp.ones((), bool)
    for (axes, _), inside in together.items():
        valid = valid & expand_trailing(all_true(inside, axes), batch)
    given = [x for name, x in numbers.items() if name != "where" and x is not None]
    checks = [~jnp.any(jnp.isnan(number)) for number in given]
    of_numbers = functools.reduce(jnp.logical_and, checks) if checks else None
    return signature.on_all_devices(valid, of_numbers)


def in_domain(signature: Signature, arrays: Sequence[Array]) -> dict[str, Array]:
    """Which entries of each array lie in its domain, by the name of the array."""
    pairs = list(zip(signature.arrays.items(), arrays, strict=True))
    if signature.elementwise:
        return {name: domain.contains(array) for (name, domain), array in pairs}
    sizes = signature.axis_sizes([array.shape for array in arrays])
    counts = {domain.counts: array for (_, domain), array in pairs if domain.counts}
    return {name: domain.members(array, sizes, counts) for (name, domain), array in pairs}
