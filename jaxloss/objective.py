"""What is minimised: a weighted sum of reduced losses, closed under addition and scaling."""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.numerics import as_argument, as_array
from jaxloss.reduction import Average, Reduction, mean
from jaxloss.term import Key, PyTree, Term


@jax.tree_util.register_pytree_with_keys_class
@dataclass(frozen=True, init=False, eq=False, repr=False)
class Objective:
    """A sum of terms, each a scale, a loss with its hyper-parameters, and a reduction.

    A frozen pytree: its leaves are the scales and the hyper-parameters that were given, so `grad`,
    `vmap` and an optax optimizer act on them. Closed under `+`, `-` and multiplication by a number.

    Args:
        loss: A loss, or any function `(*predictions, targets, **hyperparameters)` that gives one
            value per example, such as those of optax. A loss of a single array, such as
            `total_variation`, is given the predictions alone.
        reduction: From values and weights to the result: `mean`, `total`, `none` or your own.
        **hyperparameters: Passed to the loss. For a function that is not a loss of jaxloss only
            floats and arrays are leaves; all else is static.

    Raises:
        TypeError: The loss or the reduction is no function, or there is no such hyper-parameter.
        ValueError: A hyper-parameter is outside its domain.

    Example:
        >>> import jax.numpy as jnp, jaxloss as jl
        >>> objective = 0.7 * jl.Objective(jl.huber, delta=1.0) + 0.3 * jl.Objective(jl.log_cosh)
        >>> objective
        0.7 * Objective(huber, delta=1.0) + 0.3 * Objective(log_cosh)
        >>> predictions, targets = jnp.array([1.0, jnp.nan]), jnp.array([3.0, 0.0])
        >>> print(objective(predictions, targets, where=jnp.array([True, False])).round(4))
        1.4475
    """

    _terms: tuple[Term, ...]

    __array_ufunc__ = None  # leaves `numpy_number * objective` to `__rmul__`

    def __init__(
        self, loss: Callable[..., Array], *, reduction: Reduction = mean, **hyperparameters: Any
    ) -> None:
        if isinstance(loss, Objective) or not callable(loss):
            message = f"Objective: `loss` is a function of arrays, got {loss!r}"
            raise TypeError(message)
        if not callable(reduction):
            message = f"Objective: `reduction` is a function as jaxloss.mean, got {reduction!r}"
            raise TypeError(message)
        object.__setattr__(self, "_terms", (Term.of(loss, reduction, hyperparameters),))

    def __call__(
        self, predictions: PyTree, targets: PyTree, *, where: PyTree = None, weights: PyTree = None
    ) -> Array:
        """The value to minimise.

        Args:
            predictions: What the loss takes first; a tuple is several arrays.
            targets: What the loss takes last.
            where: Boolean mask of the examples that count, a prefix of the per-example shape. What
                it hides, NaN and invalid labels included, changes neither value nor gradient.
            weights: A number for each example, likewise a prefix. A weight of 0 is plain
                arithmetic and keeps its gradient: to hide a NaN, use `where`.

        Returns:
            A scalar, or with `reduction=none` one value per example.

        Raises:
            TypeError: `where` is not boolean.
            ValueError: `where` or `weights` is no prefix of the per-example shape.
        """
        value: Array = self._value(*map(_as_arguments, (predictions, targets, where, weights)))
        return value

    def value_and_grad(
        self, predictions: PyTree, targets: PyTree, *, where: PyTree = None, weights: PyTree = None
    ) -> tuple[Array, PyTree]:
        """The value and its gradient in the predictions, in one compiled call.

        `jax.grad` outside `jit` traces anew at each call; that takes a hundred times longer than
        this. The arguments are those of a call; the reduction must give a scalar.

        Example:
            >>> import jaxloss as jl
            >>> value, gradient = jl.Objective(jl.squared_error).value_and_grad([3.0, 1.0], [1, 1])
            >>> float(value), gradient.tolist()
            (2.0, [2.0, 0.0])
        """
        given = map(_as_arguments, (predictions, targets, where, weights))
        pair: tuple[Array, PyTree] = self._value_and_grad(*given)
        return pair

    def terms(
        self, predictions: PyTree, targets: PyTree, *, where: PyTree = None, weights: PyTree = None
    ) -> dict[str, Average]:
        """Each term's mean before its division, unscaled, by name: for logging and exact sums.

        The arguments are those of a call. A second term of the same name is numbered.

        Example:
            >>> import jax.numpy as jnp, jaxloss as jl
            >>> both = jl.Objective(jl.absolute_error) + 2 * jl.Objective(jl.squared_error)
            >>> terms = both.terms(jnp.array([1.0, 3.0]), jnp.zeros(2))
            >>> {name: float(average.value) for name, average in terms.items()}
            {'absolute_error': 2.0, 'squared_error': 5.0}
        """
        given = map(_as_arguments, (predictions, targets, where, weights))
        averages: dict[str, Average] = self._averages(*given)
        return averages

    def share(
        self,
        predictions: PyTree,
        targets: PyTree,
        masses: Mapping[str, ArrayLike],
        *,
        where: PyTree = None,
        weights: PyTree = None,
    ) -> Array:
        """What these examples add to the value over many, so that the shares sum to that value.

        Args:
            predictions: Of these examples, as in a call.
            targets: Likewise.
            masses: The mass of each term over all examples, as `terms` names and gives it.
            where: As in a call.
            weights: As in a call.

        Raises:
            ValueError: The masses are not those of the terms, or a term is no sum of shares: it is
                reduced by neither `mean` nor `total`, or takes these examples as one event, such as
                a set, with no batch axis in front.

        Example:
            >>> import jax.numpy as jnp, jaxloss as jl
            >>> objective, zeros = jl.Objective(jl.absolute_error), jnp.zeros(3)
            >>> few, many = jnp.array([4.0]), jnp.array([1.0, 2.0, 5.0])
            >>> whole = {"absolute_error": 4}
            >>> float(objective.share(few, zeros[:1], whole) + objective.share(many, zeros, whole))
            3.0
        """
        given = map(_as_arguments, (predictions, targets, where, weights))
        if set(masses) != set(self.named):
            message = f"of the terms {list(self.named)}, got those of {list(masses)}"
            raise ValueError(f"Objective.share: `masses` has the mass {message}")
        value: Array = self._share(_as_arguments(dict(masses)), *given)
        return value

    @property
    def named(self) -> dict[str, Term]:
        """The terms by name; a second one of the same name is numbered."""
        named: dict[str, Term] = {}
        for term in self._terms:
            same = sum(name.split("#")[0] == term.name for name in named)
            named[f"{term.name}#{same + 1}" if same else term.name] = term
        return named

    def replace(self, hyperparameters: Mapping[str, Mapping[str, Any]]) -> Self:
        """The same objective with other hyper-parameters, by the name of the term and their own.

        Raises:
            ValueError: There is no such term, or a hyper-parameter is outside its domain.
            TypeError: The term's loss has no such hyper-parameter.

        Example:
            >>> import jaxloss as jl
            >>> objective = jl.Objective(jl.huber, delta=1.0) + 2 * jl.Objective(jl.log_cosh)
            >>> objective.replace({"huber": {"delta": 3.0}})
            Objective(huber, delta=3.0) + 2.0 * Objective(log_cosh)
        """
        named = self.named
        for name in hyperparameters:
            if name not in named:
                message = f"Objective.replace: no term {name!r}, there are {list(named)}"
                raise ValueError(message)
        changed = (term.given(hyperparameters.get(name, {})) for name, term in named.items())
        return self._of(changed)

    def at(self, *path: Key) -> Self:
        """The same objective on one part of predictions and targets, by key, index or attribute.

        `where` and `weights` may be given for each part, as a mapping, or once for all.

        Example:
            >>> import jax.numpy as jnp, jaxloss as jl
            >>> depth, pose = jl.Objective(jl.huber), jl.Objective(jl.squared_error)
            >>> both = depth.at("depth") + pose.at("pose")
            >>> parts = {"depth": jnp.array([2.0]), "pose": jnp.array([3.0])}
            >>> float(both(parts, {"depth": jnp.array([0.0]), "pose": jnp.array([1.0])}))
            5.5
        """
        return self._of(term.within(path) for term in self._terms)

    def __add__(self, other: object) -> Self:
        if isinstance(other, Objective):
            return self._of((*self._terms, *other._terms))
        return self if other == 0 else NotImplemented

    __radd__ = __add__  # so that the built-in `sum` works, which starts from 0

    def __mul__(self, factor: ArrayLike) -> Self:
        if isinstance(factor, Objective) or np.ndim(factor):
            return NotImplemented
        return self._of(term.scaled(factor) for term in self._terms)

    __rmul__ = __mul__

    def __truediv__(self, divisor: ArrayLike) -> Self:
        return self * (1 / divisor)

    def __neg__(self) -> Self:
        return self * -1.0

    def __sub__(self, other: "Objective") -> Self:
        return self + -other

    def __repr__(self) -> str:
        first, *rest = [term.written() for term in self._terms]
        head = f"-{first[1]}" if first[0] == "-" else first[1]
        return " ".join([head, *[f"{sign} {text}" for sign, text in rest]])

    def tree_flatten_with_keys(self) -> tuple[tuple[tuple[Any, tuple[Term, ...]]], None]:
        """The terms, as children of the pytree."""
        return ((jax.tree_util.GetAttrKey("terms"), self._terms),), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[tuple[Term, ...]]) -> Self:
        """The objective of these terms, unchecked, as JAX also passes placeholders."""
        return cls._of(children[0])

    @functools.partial(jax.jit, inline=True)
    def _value(self, predictions: PyTree, targets: PyTree, where: PyTree, weights: PyTree) -> Array:
        values = [term.value(predictions, targets, where, weights) for term in self._terms]
        if len({value.shape for value in values}) > 1:
            named = zip(self._terms, values, strict=True)
            shapes = ", ".join(f"{term.name} {value.shape}" for term, value in named)
            message = f"Objective: terms reduce to different shapes ({shapes}) and cannot be added"
            raise ValueError(message)
        return functools.reduce(operator.add, values)

    _value_and_grad = jax.jit(jax.value_and_grad(_value, argnums=1), inline=True)

    @functools.partial(jax.jit, inline=True)
    def _averages(
        self, predictions: PyTree, targets: PyTree, where: PyTree, weights: PyTree
    ) -> dict[str, Average]:
        given = predictions, targets, where, weights
        return {name: term.average(*given) for name, term in self.named.items()}

    @functools.partial(jax.jit, inline=True)
    def _share(
        self,
        masses: dict[str, Array],
        predictions: PyTree,
        targets: PyTree,
        where: PyTree,
        weights: PyTree,
    ) -> Array:
        given = predictions, targets, where, weights
        return functools.reduce(
            operator.add, [term.share(masses[name], *given) for name, term in self.named.items()]
        )

    @classmethod
    def _of(cls, terms: Iterable[Term]) -> Self:
        objective = cls.__new__(cls)
        object.__setattr__(objective, "_terms", terms if isinstance(terms, tuple) else tuple(terms))
        return objective


def as_arrays(tree: PyTree) -> PyTree:
    """Arrays throughout; a list is an array, a tuple or mapping is several."""
    return _throughout(as_array, tree)


def _as_arguments(tree: PyTree) -> PyTree:
    """Likewise for a compiled function."""
    return _throughout(as_argument, tree)


def _throughout(receive: Callable[[ArrayLike], ArrayLike], tree: PyTree) -> PyTree:
    if tree is None or isinstance(tree, Array):
        return tree
    return jax.tree.map(receive, tree, is_leaf=lambda node: isinstance(node, list))
