"""An objective and a model as one function of the parameters, for gradients and optimizers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.batch import Batch, as_arrays
from jaxloss.core.objective import Objective
from jaxloss.core.reduction import Average
from jaxloss.numerics.trees import PyTree

Apply = Callable[[PyTree, PyTree], PyTree]


class Outcome(NamedTuple):
    """The auxiliary results of `Bound.with_terms`, beside the value.

    Attributes:
        terms: The `Average` of each term, unscaled, by name.
        predictions: The predictions of the model.
    """

    terms: dict[str, Average]
    predictions: PyTree


@partial(jax.tree_util.register_dataclass, data_fields=["objective"], meta_fields=["apply"])
@dataclass(frozen=True)
class Bound:
    """The objective of a model's predictions, as a function of its parameters.

    A pytree whose leaves are those of the objective: given to a compiled step as an argument,
    its hyper-parameters change without compiling again.

    Attributes:
        objective: The objective.
        apply: The model, a function of parameters and inputs.
    """

    objective: Objective
    apply: Apply

    def __call__(
        self,
        params: PyTree,
        inputs: PyTree,
        targets: PyTree,
        *,
        where: PyTree = None,
        weights: PyTree = None,
    ) -> Array:
        """The value to minimise: a scalar, for `jax.value_and_grad`, L-BFGS and line searches."""
        return self.objective(self.apply(params, inputs), targets, where=where, weights=weights)

    def with_terms(
        self,
        params: PyTree,
        inputs: PyTree,
        targets: PyTree,
        *,
        where: PyTree = None,
        weights: PyTree = None,
    ) -> tuple[Array, Outcome]:
        """The value, and auxiliary results to log, for `jax.value_and_grad(..., has_aux=True)`."""
        predictions = self.apply(params, inputs)
        value = self.objective(predictions, targets, where=where, weights=weights)
        terms = self.objective.terms(predictions, targets, where=where, weights=weights)
        return value, Outcome(terms, predictions)

    def per_term(
        self,
        params: PyTree,
        inputs: PyTree,
        targets: PyTree,
        *,
        where: PyTree = None,
        weights: PyTree = None,
    ) -> Array:
        """The scaled value of each term, shape `[terms]`, for `jax.jacrev`."""
        predictions = self.apply(params, inputs)
        batch = Batch(*as_arrays((predictions, targets, where, weights)))
        return jnp.stack([term.value(batch) for term in self.objective.named.values()])

    def masses(
        self,
        params: PyTree,
        inputs: PyTree,
        targets: PyTree,
        *,
        where: PyTree = None,
        weights: PyTree = None,
    ) -> dict[str, Array]:
        """The mass of each term, from masks, weights and shapes: the model does not run."""
        # On a copy: a mutable module, such as one of NNX, would keep tracers of this trace.
        shapes = jax.eval_shape(lambda: self.apply(jax.tree.map(lambda x: x, params), inputs))
        blank = jax.tree.map(jnp.zeros_like, shapes)
        for term in self.objective.named.values():
            term.refuse_parts("Bound.masses", Batch(as_arrays(blank), as_arrays(targets)))
        terms = self.objective.terms(blank, targets, where=where, weights=weights)
        return {name: average.mass for name, average in terms.items()}

    def share(
        self,
        params: PyTree,
        inputs: PyTree,
        targets: PyTree,
        masses: Mapping[str, Array],
        *,
        where: PyTree = None,
        weights: PyTree = None,
    ) -> Array:
        """The summand of these examples in the value over all examples, whose masses are given."""
        predictions = self.apply(params, inputs)
        return self.objective.share(predictions, targets, masses, where=where, weights=weights)


def bind(objective: Objective, apply: Apply) -> Bound:
    """Join an objective and a model into a function `(params, inputs, targets) -> scalar`.

    Args:
        objective: The objective; several terms act on parts of the predictions by `at`.
        apply: Maps parameters and inputs to predictions: `model.apply` of Flax Linen,
            `lambda model, x: model(x)` of Flax NNX, `lambda model, x: jax.vmap(model)(x)` of
            Equinox, `lambda params, x: model.apply(params, None, x)` of Haiku. What the step needs
            beside predictions, such as new batch statistics, goes with them: into a part of the
            predictions that no term of the objective looks at.

    Returns:
        A callable `Bound`, with masks and weights as keywords `where` and `weights`. `with_terms`
        also gives each term's `Average` and the predictions, `per_term` the terms' values one by
        one, and `masses` and `share` serve sums over micro-batches and devices. The transforms of
        NNX take no keywords: `nnx.value_and_grad(lambda model: bound(model, **batch))(model)`.

    Raises:
        TypeError: `objective` is no objective, or `apply` no function.

    Example:
        >>> import jax, jax.numpy as jnp, jaxloss as jl
        >>> from jaxloss import training
        >>> value = training.bind(jl.Objective(jl.half_squared_error), lambda w, x: x @ w)
        >>> w, x, y = jnp.zeros(2), jnp.eye(2), jnp.array([2.0, jnp.nan])
        >>> jax.grad(value)(w, x, y, where=jnp.array([True, False])).tolist()
        [-2.0, 0.0]
    """
    if not isinstance(objective, Objective):
        message = "bind: `objective` is an Objective, as Objective(huber)"
        raise TypeError(f"{message}, got {objective!r}")
    if not callable(apply):
        message = "bind: `apply` is a function from parameters and inputs to predictions"
        raise TypeError(f"{message}, got {apply!r}")
    return Bound(objective, apply)
