"""What is minimised: a weighted sum of reduced losses, closed under addition and scaling."""

import functools
import itertools
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxloss.core.batch import Batch, Key, refuse_unread, throughout
from jaxloss.core.reduction import Average, Reduction, mean
from jaxloss.core.signature import as_leaf
from jaxloss.core.term import Term, signed
from jaxloss.numerics import as_argument
from jaxloss.numerics.trees import PyTree


@jax.tree_util.register_pytree_with_keys_class
@dataclass(frozen=True, init=False, eq=False, repr=False)
class Objective:
    """A sum of terms, each a scale, a loss with its hyper-parameters, and a reduction.

    A frozen pytree: its leaves are the scales and the hyper-parameters that were given, so `grad`,
    `vmap` and an optax optimizer act on them. Closed under `+`, `-` and multiplication by a number;
    a number that is added is a leaf too.

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
    _constant: Any

    __array_ufunc__ = None  # leaves `numpy_number * objective` to `__rmul__`

    def __init__(
        self, loss: Callable[..., Array], /, *, reduction: Reduction = mean, **hyperparameters: Any
    ) -> None:
        if isinstance(loss, Objective) or not callable(loss):
            message = f"Objective: `loss` is a function of arrays, got {loss!r}"
            raise TypeError(message)
        if not callable(reduction):
            message = f"Objective: `reduction` is a function as jaxloss.mean, got {reduction!r}"
            raise TypeError(message)
        object.__setattr__(self, "_terms", (Term.of(loss, reduction, hyperparameters),))
        object.__setattr__(self, "_constant", None)

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

        Where terms act on parts, `where` and `weights` are an array for all of them, or a
        structure with an array for each part, like the predictions; a part may lack one.

        Returns:
            A scalar, or with `reduction=none` one value per example.

        Raises:
            TypeError: `where` is not boolean.
            ValueError: `where` or `weights` is no prefix of the per-example shape, or has a part
                that no term acts on; there is no such part of the predictions or targets.
        """
        value: Array = self._value(Batch.of(predictions, targets, where, weights))
        return value

    def value_and_grad(
        self, predictions: PyTree, targets: PyTree, *, where: PyTree = None, weights: PyTree = None
    ) -> tuple[Array, PyTree]:
        """The value and its gradient in the predictions, in one compiled call.

        `jax.grad` outside `jit` traces anew at each call; that takes a hundred times longer than
        this. The arguments are those of a call; the reduction must give a scalar. Among the
        predictions may be integers, such as the counts of `ctc`: as of `jax.grad` with `allow_int`,
        their gradient is of the type `float0`, which `jax.vjp` of a model takes.

        Example:
            >>> import jaxloss as jl
            >>> value, gradient = jl.Objective(jl.squared_error).value_and_grad([3.0, 1.0], [1, 1])
            >>> float(value), gradient.tolist()
            (2.0, [2.0, 0.0])
        """
        batch = Batch.of(predictions, targets, where, weights)
        pair: tuple[Array, PyTree] = self._value_and_grad(batch)
        return pair

    def terms(
        self, predictions: PyTree, targets: PyTree, *, where: PyTree = None, weights: PyTree = None
    ) -> dict[str, Average]:
        """Each reduced loss before any division, unscaled, by name: for logging and exact sums.

        The arguments are those of a call. Names are those given by `called`, or of part and loss;
        a second term of the same name is numbered. The sum of scale times `value`, and of what
        constants were added, is the value of the objective.

        Returns:
            By name, in the order written, an `Average` of a total and a mass. Those of parts of the
            examples add up to that of all, where the reduction allows that: `mean`, `total`,
            `mean_by_count`, `mean_by_batch` and `mean_of_sequences` do; adding two results of
            another is a TypeError.

        Example:
            >>> import jax.numpy as jnp, jaxloss as jl
            >>> both = jl.Objective(jl.absolute_error) + 2 * jl.Objective(jl.squared_error)
            >>> terms = both.terms(jnp.array([1.0, 3.0]), jnp.zeros(2))
            >>> {name: float(average.value) for name, average in terms.items()}
            {'absolute_error': 2.0, 'squared_error': 5.0}
        """
        batch = Batch.of(predictions, targets, where, weights)
        averages: tuple[Average, ...] = self._averages(batch)  # a dict would be sorted by `jit`
        return dict(zip(self.named, averages, strict=True))

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
                reduced by another than those that add up, which `terms` names, or takes these
                examples as one event, such as a set, with no batch axis in front.

        Example:
            >>> import jax.numpy as jnp, jaxloss as jl
            >>> objective, zeros = jl.Objective(jl.absolute_error), jnp.zeros(3)
            >>> few, many = jnp.array([4.0]), jnp.array([1.0, 2.0, 5.0])
            >>> whole = {"absolute_error": 4}
            >>> float(objective.share(few, zeros[:1], whole) + objective.share(many, zeros, whole))
            3.0
        """
        if set(masses) != set(self.named):
            message = f"of the terms {list(self.named)}, got those of {list(masses)}"
            raise ValueError(f"Objective.share: `masses` has the mass {message}")
        batch = Batch.of(predictions, targets, where, weights)
        value: Array = self._share(throughout(as_argument, dict(masses)), batch)
        return value

    @property
    def named(self) -> dict[str, Term]:
        """The terms by name, in the order written; a second one of the same name is numbered."""
        named: dict[str, Term] = {}
        for term in self._terms:
            numbered = (f"{term.name}#{number}" for number in itertools.count(2))
            free = next(x for x in itertools.chain([term.name], numbered) if x not in named)
            named[free] = term
        return named

    @property
    def constant(self) -> ArrayLike:
        """The sum of the numbers that were added, which is in no term; 0 by default."""
        return 0.0 if self._constant is None else self._constant

    def called(self, name: str) -> Self:
        """The same objective of one term under a name, by which `terms` and `replace` know it.

        Raises:
            TypeError: `name` is no string.
            ValueError: There are several terms; name each before they are added.

        Example:
            >>> import jaxloss as jl
            >>> elbo = jl.Objective(jl.squared_error) + jl.Objective(jl.huber).called("robust")
            >>> elbo
            Objective(squared_error) + Objective(huber).called('robust')
            >>> list(elbo.named)
            ['squared_error', 'robust']
        """
        if not isinstance(name, str):
            raise TypeError(f"Objective.called: `name` is a string, got {name!r}")
        if len(self._terms) > 1:
            message = f"a name is that of one term, and there are {list(self.named)}"
            raise ValueError(f"Objective.called: {message}; name each before they are added")
        return self._of([term.called(name) for term in self._terms], self._constant)

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
        return self._of(changed, self._constant)

    def at(self, *path: Key) -> Self:
        """The same objective on one part of predictions and targets, by key, index or attribute.

        `where` and `weights` may be given for each part, in a structure like the predictions, or
        once for all. A loss without targets, such as `total_variation`, needs none there.

        Example:
            >>> import jax.numpy as jnp, jaxloss as jl
            >>> depth, pose = jl.Objective(jl.huber), jl.Objective(jl.squared_error)
            >>> both = depth.at("depth") + pose.at("pose")
            >>> parts = {"depth": jnp.array([2.0]), "pose": jnp.array([3.0])}
            >>> float(both(parts, {"depth": jnp.array([0.0]), "pose": jnp.array([1.0])}))
            5.5
        """
        return self._of((term.within(path) for term in self._terms), self._constant)

    def __add__(self, other: object) -> Self:
        if isinstance(other, Objective):
            constants = [x for x in (self._constant, other._constant) if x is not None]
            constant = functools.reduce(operator.add, constants) if constants else None
            return self._of((*self._terms, *other._terms), constant)
        if not _is_number(other):
            return NotImplemented
        if isinstance(other, int) and other == 0:
            return self  # where the built-in `sum` starts
        return self._of(self._terms, self.constant + as_leaf(other))

    __radd__ = __add__

    def __mul__(self, factor: ArrayLike) -> Self:
        if not _is_number(factor):
            return NotImplemented
        constant = None if self._constant is None else self._constant * factor
        return self._of((term.scaled(factor) for term in self._terms), constant)

    __rmul__ = __mul__

    def __truediv__(self, divisor: ArrayLike) -> Self:
        return self * (1 / divisor)

    def __neg__(self) -> Self:
        return self * -1.0

    def __sub__(self, other: object) -> Self:
        difference: Self = -self + other
        return -difference

    def __rsub__(self, other: object) -> Self:
        return -self + other

    def __repr__(self) -> str:
        first, *rest = [term.written() for term in self._terms]
        if self._constant is not None:
            rest.append(signed(self._constant))
        head = f"-{first[1]}" if first[0] == "-" else first[1]
        return " ".join([head, *[f"{sign} {text}" for sign, text in rest]])

    def tree_flatten_with_keys(self) -> tuple[tuple[tuple[Any, Any], ...], None]:
        """The terms and the constant, as children of the pytree."""
        children = {"terms": self._terms, "constant": self._constant}
        return tuple((jax.tree_util.GetAttrKey(k), x) for k, x in children.items()), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[Any, Any]) -> Self:
        """The objective of these terms, unchecked, as JAX also passes placeholders."""
        return cls._of(*children)

    @functools.partial(jax.jit, inline=True)
    def _value(self, batch: Batch) -> Array:
        refuse_unread(batch, [term.path for term in self._terms])
        values = [term.value(batch) for term in self._terms]
        if any(value.shape != values[0].shape for value in values):
            named = zip(self._terms, values, strict=True)
            shapes = ", ".join(f"{term.name} {value.shape}" for term, value in named)
            message = f"Objective: terms reduce to different shapes ({shapes}) and cannot be added"
            raise ValueError(message)
        value = functools.reduce(operator.add, values)
        return value if self._constant is None else value + jnp.asarray(self._constant, value.dtype)

    @functools.partial(jax.jit, inline=True)
    def _value_and_grad(self, batch: Batch) -> tuple[Array, PyTree]:
        def value(predictions: PyTree) -> Array:
            reduced: Array = self._value(batch._replace(predictions=predictions))
            return reduced

        pair: tuple[Array, PyTree] = jax.value_and_grad(value, allow_int=True)(batch.predictions)
        return pair

    @functools.partial(jax.jit, inline=True)
    def _averages(self, batch: Batch) -> tuple[Average, ...]:
        refuse_unread(batch, [term.path for term in self._terms])
        return tuple(term.average(batch) for term in self._terms)

    @functools.partial(jax.jit, inline=True)
    def _share(self, masses: dict[str, Array], batch: Batch) -> Array:
        refuse_unread(batch, [term.path for term in self._terms])
        shares = [term.share(masses[name], batch) for name, term in self.named.items()]
        return functools.reduce(operator.add, shares)

    @classmethod
    def _of(cls, terms: Iterable[Term], constant: Any) -> Self:
        objective = cls.__new__(cls)
        object.__setattr__(objective, "_terms", terms if isinstance(terms, tuple) else tuple(terms))
        object.__setattr__(objective, "_constant", constant)
        return objective


def _is_number(value: object) -> TypeGuard[ArrayLike]:
    """Whether it is one number, known or traced."""
    if isinstance(value, bool) or not isinstance(
        value, (int, float, np.generic, np.ndarray, Array)
    ):
        return False
    return not np.ndim(value)
