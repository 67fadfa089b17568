"""Custom derivative rules: partial derivatives by hand.

JAX differentiates operation by operation, which loses digits where the terms of the sum cancel.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
from jax import Array
from jax.custom_derivatives import SymbolicZero

Partial = Callable[..., Array]


def with_partials(*partials: Partial) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Give a function its partial derivatives, each a function of the value and the arguments.

    Those of arguments that are held fixed are not computed, as `defjvps` would compute them.
    """

    def decorate(function: Callable[..., Array]) -> Callable[..., Array]:
        ruled = jax.custom_jvp(function)

        def rule(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
            # With its rule, as partials may depend on the value and are differentiated again.
            value = ruled(*primals)
            pairs = zip(partials, tangents, strict=True)
            active = [(partial, tangent) for partial, tangent in pairs if not _is_zero(tangent)]
            terms = [partial(value, *primals) * tangent for partial, tangent in active]
            return value, functools.reduce(operator.add, terms)

        ruled.defjvp(rule, symbolic_zeros=True)
        return ruled

    return decorate


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, SymbolicZero)
