"""Two medical tasks, and the names of all tasks."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score

import jaxloss as jl
from jaxloss.compare.sweep.expression import parse_expression
from jaxloss.compare.tasks import registry
from jaxloss.compare.tasks.imbalance import imbalanced
from jaxloss.compare.tasks.medical import BREAST_CANCER, DIABETES, HEAVY_TAILS, REAL
from jaxloss.compare.tasks.outputs import BINARY
from jaxloss.compare.tasks.populations import Tails


def draw(task, seed=0):
    return task.draw(np.random.default_rng(seed))


def shapes(data):
    return [x.shape for x in (*data.inputs, *data.targets)]


def test_breast_cancer():
    data = draw(BREAST_CANCER)
    assert shapes(data) == [(341, 30), (114, 30), (114, 30), (341,), (114,), (114,)]
    labels = load_breast_cancer().target
    assert sum(part.sum() for part in data.targets) == labels.sum()
    fitted = LogisticRegression().fit(data.inputs.training, data.targets.training)
    assert fitted.score(data.inputs.test, data.targets.test) > 0.93
    assert BREAST_CANCER.output is BINARY


def test_diabetes():
    data = draw(DIABETES)
    assert shapes(data) == [(264, 10), (89, 10), (89, 10), (264,), (89,), (89,)]
    assert np.round(load_diabetes().target.std()) == 77  # as the story says
    assert data.targets.training.std() == pytest.approx(1, abs=1e-6)
    fitted = LinearRegression().fit(data.inputs.training, data.targets.training)
    assert 0.35 < r2_score(data.targets.test, fitted.predict(data.inputs.test)) < 0.6


def test_outliers_move_the_mean_and_not_the_median():
    targets = draw(DIABETES).targets.training
    spoilt = DIABETES.corrupt(targets, 0.3, np.random.default_rng(0))
    assert np.sum(spoilt != targets) == round(0.3 * len(targets))
    assert spoilt.mean() == pytest.approx(0.3 * 10, abs=0.4)
    assert np.median(spoilt) < 1


def test_heavy_tails_are_those_of_cauchy():
    targets = np.random.default_rng(1).normal(3, 2, size=20_000)
    errors = HEAVY_TAILS.corrupt(targets, 1.0, np.random.default_rng(0)) - targets
    quartiles = np.quantile(errors / targets.std(), [0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(quartiles, [-1, 0, 1, 1 / math.tan(math.pi / 20)], atol=0.25)


def test_heavy_tails_are_nested():
    targets = draw(HEAVY_TAILS).targets.training
    few, many = (HEAVY_TAILS.corrupt(targets, r, np.random.default_rng(0)) for r in (0.1, 0.4))
    changed = few != targets
    assert changed.sum() == round(0.1 * targets.size)
    assert np.sum(many != targets) == round(0.4 * targets.size)
    np.testing.assert_array_equal(many[changed], few[changed])


@pytest.mark.parametrize(
    ("objective", "noise", "deviation"),
    [
        (jl.Objective(jl.squared_error), 0.0, 1),
        (jl.Objective(jl.absolute_error), 0.0, math.sqrt(math.pi / 2)),
        (jl.Objective(jl.huber, delta=1.345), 0.0, math.sqrt(1 / 0.95)),  # as it is tuned to be
        (jl.Objective(jl.tukey, scale=4.685), 0.0, math.sqrt(1 / 0.95)),
        # Of a normal and a Cauchy variable the density at 0 is e^½ erfc(√½) / √2π.
        (
            jl.Objective(jl.absolute_error),
            1.0,
            math.sqrt(math.pi / 2) / (math.exp(0.5) * math.erfc(math.sqrt(0.5))),
        ),
    ],
)
def test_how_much_a_location_varies_is_what_the_books_say(objective, noise, deviation):
    displacement, found = Tails().moments(objective, noise, 1000)
    assert displacement == pytest.approx(0, abs=1e-6)
    assert found == pytest.approx(deviation, rel=5e-3)


def test_theory_says_which_losses_bear_heavy_tails():
    said = {
        loss: Tails().predicted(jl.Objective(loss), 0.3)
        for loss in (jl.squared_error, jl.absolute_error, jl.welsch, jl.pinball)
    }
    assert said[jl.squared_error] == "varies unbounded"
    assert said[jl.absolute_error] == "varies by 1.47/√n deviations"
    assert float(said[jl.welsch].split()[2].split("/")[0]) < 1.47
    tilted = jl.Objective(jl.pinball, quantile=0.9)
    assert Tails().predicted(tilted, 0.3) == "does not seek the centre"


@pytest.mark.parametrize("task", [BREAST_CANCER, DIABETES], ids=lambda task: task.name)
def test_every_contender_of_a_medical_task_can_be_trained_on(task):
    for written in filter(None, (*task.contenders, task.reference, task.control)):
        assert parse_expression(written, task.output).variants


def test_a_margin_loss_cannot_be_trained_on_real_numbers():
    with pytest.raises(ValueError, match="here it would be given a real number and its target"):
        parse_expression("hinge", DIABETES.output)


def test_the_measures_of_real_targets():
    predictions, targets = jnp.array([0.0, 1.0, 2.0, 9.0]), jnp.array([0.5, 1.0, 2.25, 3.0])
    median, ranks, explained = (metric(predictions, targets) for metric in REAL.metrics)
    assert REAL.metric.name == "median_error"
    assert not REAL.metric.higher
    assert float(median) == pytest.approx(0.375)
    assert float(ranks) == pytest.approx(1)
    assert float(explained) == pytest.approx(r2_score(targets, predictions), rel=1e-6)


# The names of tasks.


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digit", "no task is called 'digit'; the nearest are digits"),
        ("Breast Cancer", "the nearest are breast_cancer"),
        ("MNIST1D", "the nearest are mnist1d"),
        ("", "no task is called ''; there are digits, mnist1d, breast_cancer, diabetes, "),
    ],
)
def test_an_unknown_task_is_answered_with_the_nearest(name, message):
    with pytest.raises(ValueError, match=message):
        registry.find(name)


@pytest.mark.parametrize("name", registry.TASKS)
def test_every_task_is_found_under_its_name(name):
    assert registry.find(name).name == name


def test_tasks_with_classes_can_be_imbalanced():
    thinned = imbalanced(registry.find("digits"), 0.1)
    sizes = np.bincount(draw(thinned).targets.training[draw(thinned).eligible])
    assert sizes.min() / sizes.max() == pytest.approx(0.1, abs=0.01)
    with pytest.raises(ValueError, match="the task diabetes cannot be imbalanced"):
        imbalanced(DIABETES, 0.1)
    for ratio in (0, -1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"an imbalance in \(0, 1\] is needed, not"):
            imbalanced(registry.find("digits"), ratio)
