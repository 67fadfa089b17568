"""Advice for unknown keywords: the counterpart of an option of losses in other libraries."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Protocol

from jaxloss.core.domains import ArrayDomain, Scale


class _Described(Protocol):
    """The part of a signature that advice depends on."""

    @property
    def name(self) -> str: ...
    @property
    def arrays(self) -> Mapping[str, ArrayDomain]: ...
    @property
    def hyperparameters(self) -> Mapping[str, object]: ...
    @property
    def elementwise(self) -> bool: ...
    @property
    def takes_where(self) -> bool: ...


_OPTIONS = {
    "reduction": "it gives one value per example; `jl.Objective({loss})` is their mean, "
    "`jl.Objective({loss}, reduction=jl.total)` their sum",
    "where": "a mask comes with an objective: `jl.Objective({loss})({parts}, where={option})`",
    "weights": "weights come with an objective: `jl.Objective({loss})({parts}, weights={option})`",
    "ignore_index": "a mask says what counts: `jl.Objective({loss})({parts}, where=mask)`, where "
    "`mask` is boolean, with one entry per example",
    "axis": "an example lies along the last axes; `jnp.moveaxis({first}, {option}, -1)` brings "
    "another there",
    "eps": "nothing is clamped, and values and gradients are exact without: `{loss}({arrays})`",
    "name": "a term of an objective has a name: `jl.Objective({loss}).called({option})`",
}
"""The counterpart of each option. The code in it uses the names of the loss's arguments."""

_ELEMENTWISE = {
    "axis": "it gives one value per element; `{loss}({arrays}).mean({option})` is their mean along "
    "an axis",
    "ignore_index": "a mask says what counts: `jl.Objective({loss})({parts}, where=mask)`, where "
    "`mask` is boolean, with one entry per element",
}

_SETS = {
    "where": "it is called `where`: `{loss}({arrays}, where={option})`",
    "ignore_index": "a mask says which elements count: `{loss}({arrays}, where=mask)`",
}

_SPELT = {
    "reduce": "reduction",
    "reduce_fn": "reduction",
    "size_average": "reduction",
    "mask": "where",
    "sample_weight": "weights",
    "sample_weights": "weights",
    "weight": "weights",
    "ignore_class": "ignore_index",
    "axes": "axis",
    "dim": "axis",
    "epsilon": "eps",
}

_RENAMED = {
    "class_weight": ("class_weights",),
    "weight": ("class_weights",),
    "pos_weight": ("positive_weight",),
    "smoothing": ("label_smoothing", "smooth"),
    "eps": ("smooth", "epsilon"),
    "epsilon": ("smooth",),
    "sigma": ("scale",),
    "tau": ("temperature", "quantile"),
}
"""Options that some losses have by another name."""

_PLACES = {
    "input": 0,
    "inputs": 0,
    "logits": 0,
    "prediction": 0,
    "predictions": 0,
    "y_pred": 0,
    "label": -1,
    "labels": -1,
    "target": -1,
    "targets": -1,
    "y_true": -1,
}
"""Where an array is given that Keras, PyTorch, optax or scikit-learn gives by this name."""

_OTHER_LOSSES = {
    ("binary_cross_entropy", "from_logits"): "sigmoid_binary_cross_entropy(logits, labels)",
    ("categorical_cross_entropy", "from_logits"): "softmax_cross_entropy(logits, targets)",
    ("kl_divergence", "log_target"): "kl_divergence_with_log_targets(log_predictions, targets)",
    ("poisson_nll", "log_input"): "poisson_nll_with_log_rates(rates, targets)",
    ("triplet", "swap"): "triplet_with_swap(anchors, positives, negatives)",
}
"""Options that a loss of its own stands for."""

_FROM_LOGITS = {
    "logits": "it takes logits: `{loss}({arrays})`",
    "scores": "it takes scores, which logits are: `{loss}({arrays})`",
    "probabilities": "it takes probabilities: those of logits are `jax.nn.sigmoid(logits)`, over "
    "classes `jax.nn.softmax(logits)`",
    "log_probabilities": "it takes logs of probabilities: `jax.nn.log_softmax(logits)`",
    "log_predictions": "it takes logs of probabilities: `jax.nn.log_softmax(logits)`",
}

_OF_LABELS = "with integer labels, `jl.softmax_cross_entropy_with_integer_labels` has it"
_OF_PROBABILITIES: dict[tuple[str | int, ...], str] = {
    ("classes",): "smooth the targets: `{loss}({front}, jl.smooth_labels({last}, {option}))`",
    (): "smooth the labels: `{loss}({front}, (1 - {option}) * {last} + {option} / 2)`",
}
"""How labels are smoothed, by the axes of the targets."""


def advice(signature: _Described, option: str) -> str:
    """The counterpart of an unknown option, as the end of a message; "" if there is none."""
    *front, last = signature.arrays
    words = {
        "loss": _as_code(signature.name),
        "option": option,
        "arrays": ", ".join(signature.arrays),
        "first": next(iter(signature.arrays)),
        "front": ", ".join(front),
        "last": last,
        "parts": _parts(front, last),
    }
    if template := _template(signature, option):
        return f"; {template.format(**words)}"
    near = difflib.get_close_matches(option, signature.hyperparameters, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""


def own_names(signature: _Described, given: Iterable[str]) -> str:
    """What arrays of other or misspelt names are called here, as the end of a message."""
    arrays, renamed = list(signature.arrays), []
    for name in given:
        near = difflib.get_close_matches(name, arrays, n=1)
        own = arrays[_PLACES[name]] if name in _PLACES else near[0] if near else None
        if own and name not in signature.hyperparameters:
            renamed.append(f"`{name}` is called `{own}`")
    return f"; {', '.join(renamed)}" if renamed else ""


def _template(signature: _Described, option: str) -> str:
    if other := _OTHER_LOSSES.get((signature.name, option)):
        return f"a loss of its own has it: `jl.{other}`"
    for name in _RENAMED.get(option, ()):
        if name in signature.hyperparameters:
            return f"it is called `{name}`: `{{loss}}({{arrays}}, {name}={{option}})`"
    first, last = next(iter(signature.arrays)), list(signature.arrays.values())[-1]
    if option == "from_logits":
        return _FROM_LOGITS.get(first, "it takes no logits: `{loss}({arrays})`")
    if option == "label_smoothing":
        return _label_smoothing(last)
    special = _ELEMENTWISE if signature.elementwise else _SETS if signature.takes_where else {}
    return (_OPTIONS | special).get(_SPELT.get(option, option), "")


def _label_smoothing(targets: ArrayDomain) -> str:
    if targets.indexes == "classes" and not targets.axes:
        return _OF_LABELS
    is_soft = targets.scale is Scale.PROBABILITY and not targets.open
    known = _OF_PROBABILITIES if is_soft else {}
    return known.get(targets.axes, "there are no soft labels in it")


def _parts(front: list[str], last: str) -> str:
    """The arguments of an objective: a tuple of several arrays, and `None` without a target."""
    if not front:
        return f"{last}, None"
    return f"{front[0]}, {last}" if len(front) == 1 else f"({', '.join(front)}), {last}"


def _as_code(loss: str) -> str:
    """How a user writes the loss: one that was made has no name that is known here."""
    import jaxloss

    if loss in dir(jaxloss):
        return f"jl.{loss}"
    return loss if loss.isidentifier() else "loss"
