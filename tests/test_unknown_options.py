"""An option of another library is answered with code of ours, which runs."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import BATCH, LOSSES, Case

import jaxloss as jl

WEIGHTS = np.ones(BATCH, np.float32)
MASK = WEIGHTS > 0
GIVEN = {  # the options, each with a value that a user of another library gives it
    "reduction": "mean",
    "reduce": True,
    "reduce_fn": None,
    "size_average": False,
    "axis": 0,
    "axes": 0,
    "dim": 0,
    "name": "fit",
    "ignore_index": -100,
    "ignore_class": 0,
    "where": MASK,
    "mask": MASK,
    "weights": WEIGHTS,
    "sample_weight": WEIGHTS,
    "weight": WEIGHTS,
    "class_weight": 1.0,
    "pos_weight": 2.0,
    "from_logits": True,
    "label_smoothing": 0.1,
    "smoothing": 0.1,
    "eps": 1e-6,
    "epsilon": 1e-6,
    "sigma": 0.5,
    "tau": 0.5,
    "log_target": False,
    "log_input": False,
    "swap": False,
}


def kind(loss):
    return (*loss.signature.arrays.values(), *loss.signature.hyperparameters)


ONE_OF_EACH_KIND = {kind(loss): loss for loss in LOSSES.values()}.values()


def refused(loss, option, arrays):
    with pytest.raises(TypeError, match="has no hyper-parameter `") as caught:
        loss(*arrays, **{option: GIVEN.get(option, 1.0)})
    return str(caught.value)


def calls_in(text):
    return [code for code in re.findall("`([^`]*)`", text) if "(" in code]


@pytest.mark.parametrize("loss", ONE_OF_EACH_KIND, ids=lambda loss: loss.__name__)
def test_the_code_in_the_answer_runs(loss):
    """Of the user's own variables; traced, as names, shapes and options are what may be wrong."""
    own = (
        {**loss.signature.hyperparameters, "where": None}
        if loss.signature.takes_where
        else (loss.signature.hyperparameters)
    )
    per_class = {"weight": 1.0} if "class_weights" in own else {}
    arrays = Case(loss).ordinary()
    for option in GIVEN.keys() - own.keys():
        for code in calls_in(refused(loss, option, arrays)):
            names = {"jl": jl, "jnp": jnp, "jax": jax, "loss": loss, "logits": arrays[0]}
            names |= GIVEN | per_class
            named = dict(zip(loss.signature.arrays, arrays, strict=True))
            jax.eval_shape(lambda given, code=code, names=names: eval(code, names | given), named)


@pytest.mark.parametrize(
    ("loss", "option", "says"),
    [
        ("huber", "reduction", "`jl.Objective(jl.huber)` is their mean"),
        ("huber", "reduction", "`jl.Objective(jl.huber, reduction=jl.total)` their sum"),
        ("huber", "dim", "`jl.huber(predictions, targets).mean(dim)` is their mean"),
        ("huber", "where", "`jl.Objective(jl.huber)(predictions, targets, where=where)`"),
        ("huber", "sample_weight", "(predictions, targets, weights=sample_weight)`"),
        ("huber", "dleta", "(it has: delta); did you mean `delta`?"),
        ("huber", "nonsense", "(it has: delta)"),
        ("huber", "label_smoothing", "no soft labels"),
        ("gaussian_nll", "eps", "`jl.gaussian_nll(mean, variance, targets)`"),
        ("gaussian_nll", "weights", "`jl.Objective(jl.gaussian_nll)((mean, variance), targets, we"),
        (
            "total_variation",
            "where",
            "`jl.Objective(jl.total_variation)(images, None, where=where)",
        ),
        ("brier", "axis", "`jnp.moveaxis(logits, axis, -1)`"),
        ("brier", "ignore_index", "`jl.Objective(jl.brier)(logits, labels, where=mask)`"),
        ("softmax_focal", "weight", "called `class_weights`"),
        ("sigmoid_binary_cross_entropy", "pos_weight", "positive_weight=pos_weight)`"),
        (
            "binary_cross_entropy",
            "from_logits",
            "`jl.sigmoid_binary_cross_entropy(logits, labels)`",
        ),
        ("kl_divergence", "log_target", "`jl.kl_divergence_with_log_targets(log_predictions, tar"),
        ("kl_divergence", "label_smoothing", "jl.smooth_labels(targets, label_smoothing))`"),
        ("dice", "eps", "`jl.dice(probabilities, targets, smooth=eps)`"),
        ("dice", "mask", "`jl.dice(probabilities, targets, where=mask)`"),
        ("one_vs_all(hinge)", "reduction", "`jl.Objective(loss)` is their mean"),
    ],
)
def test_an_option_of_another_library_is_answered(loss, option, says):
    assert says in refused(LOSSES[loss], option, Case(LOSSES[loss]).ordinary())


def test_a_users_own_loss_is_called_by_its_name():
    @jl.distance(convex=True)
    def quartic(residual):
        return residual**4

    with pytest.raises(TypeError, match=r"`jl\.Objective\(quartic\)` is their mean"):
        quartic(1.0, 2.0, reduction="mean")
    with pytest.raises(TypeError, match=r"`jl\.Objective\(quartic\)\.called\(name\)`"):
        jl.Objective(quartic, name="fit")
