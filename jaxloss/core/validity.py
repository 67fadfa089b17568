"""Checks of domains in compiled code: where a value lies outside its domain, the loss is NaN.

A concrete hyper-parameter outside its domain is refused when it is bound. What is known only inside
`jit` cannot be refused, so that value and gradient become NaN.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxloss.core.signature import Signature
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
    """In which examples all values lie inside their domains: one for each, or one for all."""
    batch = len(signature.batch_of(arrays[0].shape))
    of_arrays = [expand_trailing(check, batch) for check in _arrays_in_domain(signature, arrays)]
    of_numbers = list(_numbers_in_domain(signature, numbers))
    return signature.on_all_devices(_all(of_arrays), _all(of_numbers) if of_numbers else None)


def in_domain(signature: Signature, arrays: Sequence[Array]) -> dict[str, Array]:
    """Which entries of each array lie in its domain, by the name of the array."""
    sizes = signature.axis_sizes([array.shape for array in arrays])
    pairs = list(zip(signature.arrays.items(), arrays, strict=True))
    counts = {domain.counts: array for (_, domain), array in pairs if domain.counts}
    return {name: domain.members(array, sizes, counts) for (name, domain), array in pairs}


def _all(checks: list[Array]) -> Array:
    return functools.reduce(jnp.logical_and, checks, jnp.ones((), bool))


def _arrays_in_domain(signature: Signature, arrays: Sequence[Array]) -> Iterator[Array]:
    """For each array that is checked, in which examples all of it lies in its domain."""
    pairs = zip(signature.domains, in_domain(signature, arrays).values(), strict=True)
    for domain, inside in pairs:
        if not domain.kept:
            yield jnp.all(inside, axis=tuple(range(-len(domain.axes), 0)))


def _numbers_in_domain(signature: Signature, numbers: Mapping[str, Any]) -> Iterator[Array]:
    for name, value in numbers.items():
        if name != "where" and value is not None:
            yield jnp.all(signature.hyperparameters[name].domain.contains(value))
