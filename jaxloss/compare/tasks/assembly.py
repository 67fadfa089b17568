"""A task with a model and a metric of one's own."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

import jaxloss as jl
from jaxloss.compare.tasks.arrays import array_task
from jaxloss.compare.tasks.frameworks import adapted
from jaxloss.compare.tasks.kinds import kind_of
from jaxloss.compare.tasks.metrics import Metric
from jaxloss.compare.tasks.models import Model
from jaxloss.compare.tasks.stored import stored_arrays
from jaxloss.compare.tasks.tables import table
from jaxloss.compare.tasks.targets import KINDS
from jaxloss.compare.tasks.task import Task
from jaxloss.hints import nearest

_DIRECTIONS = {"higher": True, "lower": False}


def task_of(
    data: Any, target: str | None, groups: Any, kind: str | None = None, *, standardise: bool
) -> Task:
    """The task of data of one's own, with a small model.

    Args:
        data: A table, a file, a folder of images, or what `array_task` takes.
        target: The column of a table that is predicted.
        groups: The column of a table, or an array, that says which examples belong together.
        kind: Of the targets: "classes", "numbers" or "counts"; by default recognised.
        standardise: Standardise arrays; tables are in any case.

    Raises:
        TypeError: It is none of these.
        ValueError: It cannot be used; the message says why.
    """
    if kind not in (None, *KINDS):
        message = f"`kind` of targets is one of {', '.join(KINDS)}, got {kind!r}"
        raise ValueError(f"compare: {message}{nearest(str(kind), KINDS)}")
    if isinstance(data, (str, Path)) and target is None and (stored := stored_arrays(Path(data))):
        name = Path(data).name
        task = array_task(stored, groups, kind, standardise=standardise)
        return replace(task, name=name, title=name)
    if isinstance(data, (str, Path, pd.DataFrame)):
        return table(data, target, groups, kind)
    if target is not None:
        message = "`target` is the column of a table; those of arrays are the second of a pair"
        raise TypeError(f"compare: {message}")
    return array_task(data, groups, kind, standardise=standardise)


def with_model(task: Task, model: Any) -> Task:
    """The task with another model, and with the losses and metrics that its predictions ask for.

    Raises:
        TypeError: It is no model.
        ValueError: It cannot be called with the inputs, changes the structure of its state, or
            predicts nothing that fits the targets.
    """
    trained, data = adapted(model), task.draw(np.random.default_rng(0))
    targets = np.concatenate(data.targets)
    predicted = _predicted(trained, data.inputs.training[: task.batch])
    if predicted == (*targets.shape[1:], 1):
        # One number for each target, in an axis of its own.
        trained, predicted = trained.mapped(lambda made: made[..., 0]), targets.shape[1:]
    task = replace(task, model=trained, convex=False)
    if predicted == task.output.shape:
        return task
    kind = kind_of(predicted, targets)
    names = "output", "reference", "contenders", "control"
    return replace(task, **{name: getattr(kind, name) for name in names})


def _predicted(model: Model, inputs: Any) -> tuple[int, ...]:
    """The shape that a model predicts for an example, without computing anything."""

    def called(key: Array, inputs: Array) -> tuple[Any, Any, Any]:
        weights = model.initial(key, inputs)
        made, state = model.train(weights, inputs, key)
        return made, weights.state, state

    given = f"{inputs.dtype}{list(inputs.shape)}"
    try:
        made, before, after = jax.eval_shape(called, jax.random.key(0), inputs)
    except Exception as error:  # of a user's model, which may fail by any
        message = f"compare: `model` cannot be called with inputs {given}: {error}"
        raise ValueError(message) from error
    if jax.tree.map(_kind, before) != jax.tree.map(_kind, after):
        message = f"compare: `model` changes the structure of its state, from {before} to {after}"
        raise ValueError(message)
    shape = getattr(made, "shape", ())
    if shape[:1] != inputs.shape[:1]:
        message = f"compare: `model` gives {jax.tree.map(_kind, made)} for inputs {given}; wanted "
        raise ValueError(f"{message}is an array with a prediction for each")
    return tuple(shape[1:])


def _kind(x: Any) -> str:
    return f"{x.dtype}{list(x.shape)}"


def with_metric(task: Task, metric: Any, better: str | None = None) -> Task:
    """The task ranked by another metric; those that it has follow.

    Args:
        task: The task.
        metric: The name of one of the task's metrics, a `Metric`, or a function of all predictions
            and targets that returns one number, by JAX or by NumPy.
        better: Whether "higher" or "lower" is better, of a function.

    Raises:
        TypeError: It is none of these, or a loss.
        ValueError: There is no such metric, its direction is not known, or it returns an array.
    """
    chosen = _metric(task, metric, better)
    if isinstance(chosen.function, (jl.Loss, jl.Objective)):
        message = f"`metric` is none of the losses, got {chosen.function!r}"
        raise TypeError(f"compare: {message}")
    computed = replace(chosen, function=_on_arrays(chosen.function, *task.example))
    others = [each for each in task.output.metrics if each.name != chosen.name]
    return replace(task, output=replace(task.output, metrics=(computed, *others)))


def _metric(task: Task, metric: Any, better: str | None) -> Metric:
    known = {each.name: each for each in task.output.metrics}
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric not in known:
            hint = nearest(metric, known) or f"; there are {', '.join(known)}"
            raise ValueError(f"compare: no metric of {task.name} is called {metric!r}{hint}")
        return known[metric]
    if not callable(metric):
        message = "the name of one, a `Metric`, or a function of predictions and targets"
        raise TypeError(f"compare: `metric` is {message}; got {metric!r}")
    if better not in _DIRECTIONS:
        message = "`better` says whether 'higher' or 'lower' values of `metric` are better"
        raise ValueError(f"compare: {message}; got {better!r}")
    name = getattr(metric, "__name__", type(metric).__name__)
    return Metric(name, name.replace("_", " "), metric, higher=_DIRECTIONS[better])


def _on_arrays(function: Callable[..., Any], predictions: Any, targets: Any) -> Callable[..., Any]:
    """The function, called on the host if it computes by other means than JAX."""

    def on_host(predictions: Array, targets: Array) -> Array:
        def computed(*arrays: Any) -> Any:
            return np.asarray(function(*map(np.asarray, arrays)), np.float32)

        scalar = jax.ShapeDtypeStruct((), jnp.float32)
        value: Array
        value = jax.pure_callback(computed, scalar, predictions, targets, vmap_method="sequential")
        return value

    try:
        found = jax.eval_shape(lambda p, t: jnp.asarray(function(p, t)), predictions, targets)
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError):
        return on_host
    if found.shape:
        message = f"compare: `metric` returns one number, got an array of the shape {found.shape}"
        raise ValueError(message)
    return lambda predictions, targets: jnp.asarray(function(predictions, targets))
