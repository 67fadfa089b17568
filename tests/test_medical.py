"""Two medical tasks, and the names of all tasks."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score

from jaxloss.compare.sweep.expression import parsed
from jaxloss.compare.tasks import registry
from jaxloss.compare.tasks.imbalance import imbalanced
from jaxloss.compare.tasks.medical import BREAST_CANCER, DIABETES, REAL
from jaxloss.compare.tasks.outputs import BINARY


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


@pytest.mark.parametrize("task", [BREAST_CANCER, DIABETES], ids=lambda task: task.name)
def test_every_contender_of_a_medical_task_can_be_trained_on(task):
    for written in filter(None, (*task.contenders, task.reference, task.control)):
        assert parsed(written, task.output).variants


def test_a_margin_loss_cannot_be_trained_on_real_numbers():
    with pytest.raises(ValueError, match="here it would be given a real number and its target"):
        parsed("hinge", DIABETES.output)


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
        ("", "no task is called ''; there are digits, mnist1d, breast_cancer, diabetes, engel"),
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
