"""Models of Flax NNX, Flax Linen, Haiku and Equinox as two pure functions."""

import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.compare.tasks.models import FLAGS, Model
from jaxloss.numerics.trees import PyTree

_WANTED = (
    "a module of Flax Linen; a transformed function of Haiku; a class or function of `rngs` that "
    "makes a module of Flax NNX, or one of `key` that makes a module of Equinox, or such a module; "
    "a pair `(init, apply)`; or a `Model`"
)


_VARIADIC = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


def adapted(model: Any) -> Model:
    """Return a model of any framework as a `Model`.

    A module of NNX or Equinox, whose weights are there already, starts with them in every seed; a
    class or function that makes it starts with new ones. A module of Equinox is of one example, and
    its axis of examples is called "batch".

    Raises:
        TypeError: It is none of the models that are known.
    """
    kinds = ("flax.linen", _linen), ("flax.nnx", _given(_nnx)), ("equinox", _given(_equinox))
    for framework, adapt in kinds:
        # Whoever has a module of a framework has imported it.
        if framework in sys.modules and isinstance(model, sys.modules[framework].Module):
            return adapt(model)
    if isinstance(model, Model):
        return model
    if hasattr(model, "init") and hasattr(model, "apply"):  # as of Haiku
        return Model(model.init, model.apply)
    if isinstance(model, tuple) and len(model) == 2 and all(map(callable, model)):
        return Model(*model)
    return _made(model)


def _given(adapt: Callable[..., Model]) -> Callable[[Any], Model]:
    """One that adapts a module, whose weights are there already."""
    return lambda module: adapt(
        lambda _: module, f"{type(module).__name__}, which starts with the weights that it has"
    )


def _made(factory: Any) -> Model:
    """The model of a class or function that makes a module."""
    takes = _takes(factory) if callable(factory) else {}
    needed = [n for n, p in takes.items() if p.default is p.empty and p.kind not in _VARIADIC]
    others = [name for name in needed if name not in {"rngs", "key"}]
    if not callable(factory) or others:
        more = f", which needs {', '.join(others)} as well: give a function of the key alone"
        message = f"compare: `model` is {_WANTED}; got {factory!r}"
        raise TypeError(message + (more if others else ""))
    name = getattr(factory, "__name__", "a model of your own")
    if "rngs" in takes:
        nnx = importlib.import_module("flax.nnx")
        return _nnx(lambda key: factory(rngs=nnx.Rngs(key)), name)
    return _equinox(lambda key: factory(key=key), name) if "key" in takes else adapted(factory())


def _takes(factory: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a function, of a class, or of either with some arguments given."""
    if isinstance(factory, functools.partial):
        left = [p for p in _takes(factory.func).values() if p.name not in factory.keywords]
        return {p.name: p for p in left[len(factory.args) :]}
    # The signature of a class of NNX is that of its metaclass, which takes anything.
    of_class = isinstance(factory, type)
    takes = inspect.signature(factory.__init__ if of_class else factory).parameters
    return dict(list(takes.items())[of_class:])


def _linen(module: Any) -> Model:
    flags = _flags(module)

    def init(key: Array, inputs: Array) -> tuple[PyTree, PyTree]:
        state = dict(module.init(_streams(key), inputs, **flags(training=True)))
        return state.pop("params", {}), state

    def apply(
        parameters: PyTree, inputs: Array, *, state: PyTree, key: Array, training: bool
    ) -> tuple[PyTree, PyTree]:
        call = functools.partial(module.apply, {"params": parameters, **state}, inputs)
        options = {"rngs": _streams(key), **flags(training=training)}
        if training:
            made: tuple[PyTree, PyTree] = call(mutable=list(state), **options)
            return made
        return call(**options), state

    return Model(init, apply, type(module).__name__)


def _streams(key: Array) -> dict[str, Array]:
    """Keys for Linen, where any stream without a key takes that of the parameters."""
    return {"params": key, "dropout": jax.random.fold_in(key, 1)}


def _nnx(make: Callable[[Array], Any], says: str) -> Model:
    nnx = importlib.import_module("flax.nnx")

    def parts(module: Any) -> tuple[Any, PyTree, PyTree, PyTree]:
        split: tuple[Any, PyTree, PyTree, PyTree]
        split = nnx.split(module, nnx.Param, nnx.RngState, ...)
        return split

    abstract = nnx.eval_shape(lambda: make(jax.random.key(0)))
    (graph, _, streams, _), flags = parts(abstract), _flags(abstract)

    def init(key: Array, _: Array) -> tuple[PyTree, PyTree]:
        _, parameters, _, state = parts(make(key))
        return parameters, state

    def apply(
        parameters: PyTree, inputs: Array, *, state: PyTree, key: Array, training: bool
    ) -> tuple[PyTree, PyTree]:
        # Its own streams would draw the same in every step: they begin with a key of the step.
        module = nnx.merge(graph, parameters, _reseeded(streams, key), state, copy=True)
        module.train() if training else module.eval()
        return module(inputs, **flags(training=training)), parts(module)[-1]

    return Model(init, apply, says)


def _reseeded(streams: PyTree, key: Array) -> PyTree:
    """The random state of a module of NNX: keys that are drawn of this one, and counts of 0."""
    leaves, structure = jax.tree.flatten(streams)
    return jax.tree.unflatten(
        structure,
        [
            jax.random.split(jax.random.fold_in(key, i), x.shape)
            if jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
            else jnp.zeros(x.shape, x.dtype)
            for i, x in enumerate(leaves)
        ],
    )


def _equinox(make: Callable[[Array], Any], says: str) -> Model:
    eqx = importlib.import_module("equinox")
    # A module, or with `eqx.nn.make_with_state` a module and its state. The leaves of a second one
    # fit into the structure of this first one, though states are told apart by identity.
    abstract = eqx.filter_eval_shape(make, jax.random.key(0))
    leaves, structure = jax.tree.flatten(abstract)
    stateful = isinstance(abstract, tuple)
    module = abstract[0] if stateful else abstract
    arrays = [i for i, x in enumerate(leaves) if isinstance(x, jax.ShapeDtypeStruct)]
    trained = [
        i
        for i in arrays
        if i < len(jax.tree.leaves(module)) and jnp.issubdtype(leaves[i].dtype, jnp.inexact)
    ]
    others = [i for i in arrays if i not in trained]
    takes_key = "key" in inspect.signature(type(module).__call__).parameters

    def init(key: Array, _: Array) -> tuple[list[Array], list[Array]]:
        made = jax.tree.leaves(make(key))
        return [made[i] for i in trained], [made[i] for i in others]

    def apply(
        parameters: list[Array], inputs: Array, *, state: list[Array], key: Array, training: bool
    ) -> tuple[PyTree, list[Array]]:
        filled = dict(enumerate(leaves)) | dict(
            zip(trained + others, parameters + state, strict=True)
        )
        made = jax.tree.unflatten(structure, filled.values())
        module, *memory = made if stateful else (made,)
        module = eqx.nn.inference_mode(module, value=not training)

        def of_one(example: Array, key: Array) -> tuple[PyTree, ...]:
            found = module(example, *memory, **({"key": key} if takes_key else {}))
            return tuple(found) if stateful else (found,)

        keys = jax.random.split(key, len(inputs))
        out_axes = (0, None) if stateful else (0,)
        predictions, *memory = jax.vmap(of_one, out_axes=out_axes, axis_name="batch")(inputs, keys)
        after = jax.tree.leaves((module, *memory))
        return predictions, [after[i] for i in others]

    return Model(init, apply, says)


def _flags(module: Any) -> Callable[..., dict[str, bool]]:
    """The training flag that a call of the module takes, if any, as keyword arguments."""
    takes = inspect.signature(type(module).__call__).parameters
    names = [name for name in takes if name in FLAGS]
    return lambda *, training: {name: FLAGS[name] == training for name in names}
