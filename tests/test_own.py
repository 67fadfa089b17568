"""Models, optimizers, metrics and data of one's own, compared in about ten lines each."""

import functools
import json
import re
import shlex
from pathlib import Path

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from flax import nnx
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score

import jaxloss as jl
from jaxloss.__main__ import main
from jaxloss.compare import Data, DataSplit, Metric, Model, compare
from jaxloss.compare.comparison import planned
from jaxloss.compare.sweep.program import Sweep
from jaxloss.compare.sweep.run import run
from jaxloss.compare.tasks import loading, sampling
from jaxloss.compare.tasks.frameworks import adapted
from jaxloss.compare.tasks.optimizers import Optimizer

IMAGES, LABELS = load_digits(return_X_y=True)
IMAGES = (IMAGES[:600] / 16).astype(np.float32).reshape(-1, 8, 8, 1)
LABELS = LABELS[:600]
LOSSES = ["brier", "generalized_cross_entropy(q=[0.3, 0.7])", "softmax_focal"]
FEW = {"data": (IMAGES, LABELS), "seeds": 2, "epochs": 15, "batch": 32}


# as the README has it


@pytest.mark.slow
def test_the_example_of_the_readme_runs_on_the_command_line(tmp_path, monkeypatch):
    text = (Path(__file__).parents[1] / "README.md").read_text().partition("### Your own model")[2]
    file, command = re.findall(r"```(?:python|console)\n(.*?)```", text, re.DOTALL)[:2]
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(file)
    parts = {"x_train": IMAGES[:400, ..., 0], "y_train": LABELS[:400]}
    np.savez("mnist.npz", **parts, x_test=IMAGES[400:, ..., 0], y_test=LABELS[400:])
    few = ["--seeds", "2", "--epochs", "2", "--rates", "0.01"]
    assert main([*shlex.split(command)[1:], *few]) == 0
    assert json.loads(Path("report/plan.json").read_text())["model"] == "CNN"
    assert "top2" in Path("report/report.md").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "mine.py:CNN"], "mine.py cannot be imported: No module named 'mine'"),
        (["--model", "optax:adams"], "optax has no 'adams'; the nearest are adam"),
        (["--model", "optax:adam"], "`model` is a module of Flax Linen; .*which needs learning_r"),
        (["--model", "optax"], "'optax' is to name a module and what is in it"),
        (["--optimizer", "adamm"], "optax has no optimizer called 'adamm'; the nearest are adam"),
        (["--optimizer", "adamw(weigth_decay=1)"], "takes no 'weigth_decay'; the nearest are wei"),
        (["--optimizer", "adamw(weight_decay=x)"], "is to name an optimizer, as adamw"),
        (["--optimizer", "adamw(0.1)"], "is to name an optimizer, as adamw"),
        (["--optimizer", "adamw("], "is to name an optimizer, as adamw"),
        (["--optimizer", "chain"], "optax has no optimizer called 'chain'"),
        (["--metric", "acuracy"], "no metric of digits is called 'acuracy'; the nearest are acc"),
        (["--metric", "sklearn.metrics:f1_score"], "`better` says whether 'higher' or 'lower'"),
        (["--groups", "who"], "--groups COLUMN and --kind KIND are of --data FILE"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(words, says, tmp_path, capsys):
    assert main(["compare", *words, "--out", str(tmp_path / "none")]) == 2
    assert re.search(says, capsys.readouterr().err)


def test_an_optimizer_in_text_is_that_of_optax():
    for text, ours in (
        ("sgd(momentum=0.9, nesterov=True)", optax.sgd(0.1, momentum=0.9, nesterov=True)),
        ("adam", optax.adam(0.1)),
        ("sgd(learning_rate=0.5)", optax.chain(optax.sgd(0.5), optax.scale(0.1))),
        ("optax:sgd", optax.sgd(0.1)),
    ):
        theirs = loading.optimizer(text)(0.1)
        found = (each.update(2.0, each.init(1.0), 1.0)[0] for each in (ours, theirs))
        assert float(next(found)) == pytest.approx(float(next(found)))


# what a framework makes


class Convolutions(nnx.Module):
    def __init__(self, rngs):
        self.filters = nnx.Conv(1, 8, (3, 3), rngs=rngs)
        self.norm, self.dropout = nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(0.2, rngs=rngs)
        self.classes = nnx.Linear(8 * 16, 10, rngs=rngs)

    def __call__(self, images):
        hidden = nnx.max_pool(nnx.relu(self.norm(self.filters(images))), (2, 2), (2, 2))
        return self.classes(self.dropout(hidden.reshape(len(images), -1)))


class Transformer(nn.Module):
    @nn.compact
    def __call__(self, images, train):
        rows = nn.Dense(16)(images.reshape(len(images), 8, 8))
        rows += self.param("places", nn.initializers.normal(0.1), (8, 16))
        rows += nn.MultiHeadDotProductAttention(2)(nn.LayerNorm()(rows))
        rows = nn.BatchNorm(use_running_average=not train)(rows)
        return nn.Dense(10)(nn.Dropout(0.1, deterministic=not train)(rows).mean(1))


@hk.transform
def multilayer(images, is_training):
    rng, dropout = (hk.next_rng_key(), 0.1) if is_training else (None, None)
    return hk.nets.MLP([32, 10])(images.reshape(len(images), -1), rng=rng, dropout_rate=dropout)


@hk.transform_with_state
def normed(images, is_training):
    hidden = hk.Linear(32)(images.reshape(len(images), -1))
    return hk.Linear(10)(jax.nn.relu(hk.BatchNorm(True, True, 0.9)(hidden, is_training)))


class Layers(eqx.Module):
    layers: eqx.nn.MLP
    dropout: eqx.nn.Dropout

    def __init__(self, key):
        self.layers, self.dropout = eqx.nn.MLP(64, 10, 32, 1, key=key), eqx.nn.Dropout(0.1)

    def __call__(self, image, key):
        return self.layers(self.dropout(image.reshape(-1), key=key))


class Normed(eqx.Module):
    layers: eqx.nn.MLP
    norm: eqx.nn.BatchNorm

    def __init__(self, key):
        self.layers = eqx.nn.MLP(64, 10, 32, 1, key=key)
        self.norm = eqx.nn.BatchNorm(10, "batch", mode="batch")

    def __call__(self, image, state):
        return self.norm(self.layers(image.reshape(-1)), state)


def warmed_up(rate):
    schedule = optax.warmup_cosine_decay_schedule(0, rate, 20, 165)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=0.01))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "optimizer", "rate"),
    [
        (Convolutions, optax.adamw, 1e-2),
        (Transformer(), warmed_up, 1e-2),
        (multilayer, optax.adam(1e-2), 1.0),
        (Layers, functools.partial(optax.sgd, momentum=0.9, nesterov=True), 0.1),
    ],
    ids=["nnx", "linen", "haiku", "equinox"],
)
def test_a_model_of_any_framework_is_compared_with_an_optimizer_of_its_own(model, optimizer, rate):
    losses = ["brier", "cross_entropy", "softmax_focal"]
    own = {"model": model, "optimizer": optimizer, "rates": [rate]}
    outcome = compare(losses, **own, reference="brier", **FEW)
    scores = {standing.loss: standing.score.mean for standing in outcome.rankings[0.0]}
    assert set(losses) == set(scores)
    assert min(scores.values()) > 0.5  # by chance it is 0.1


STATEFUL = {
    "nnx": Convolutions,
    "linen": Transformer(),
    "haiku": normed,
    "equinox": lambda key: eqx.nn.make_with_state(Normed)(key=key),
}


@pytest.mark.slow
@pytest.mark.parametrize("model", STATEFUL.values(), ids=STATEFUL)
def test_statistics_of_batches_follow_the_training_and_are_kept_out_of_it(model):
    """After many batches of one kind the running statistics are theirs: both ways agree."""
    model, x = adapted(model), jnp.asarray(IMAGES[:64])
    weights = model.initial(jax.random.key(0), 3 * jnp.asarray(IMAGES[64:128]))
    before = model.predict(weights, x)

    def seen(_, weights):
        return weights._replace(state=model.train(weights, x, jax.random.key(1))[1])

    weights = jax.jit(lambda weights: jax.lax.fori_loop(0, 2000, seen, weights))(weights)
    after = model.predict(weights, x)
    assert float(jnp.abs(after - before).max()) > 0.1
    if model.says not in {"Convolutions", "Transformer"}:  # those have dropout as well
        trained = model.train(weights, x, jax.random.key(1))[0]
        np.testing.assert_allclose(after, trained, atol=0.05)


DROPPING = {"nnx": Convolutions, "linen": Transformer(), "haiku": multilayer, "equinox": Layers}


@pytest.mark.slow
@pytest.mark.parametrize("model", DROPPING.values(), ids=DROPPING)
def test_dropout_is_drawn_from_the_key_in_training_and_absent_outside(model):
    model, x = adapted(model), jnp.asarray(IMAGES[:8])
    weights = model.initial(jax.random.key(0), x)
    one, same, other = (model.train(weights, x, jax.random.key(i))[0] for i in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)
    np.testing.assert_array_equal(model.predict(weights, x), model.predict(weights, x))
    new = model.initial(jax.random.key(1), x)
    assert np.any(model.predict(new, x) != model.predict(weights, x))


def test_a_module_that_has_weights_starts_with_them():
    model = adapted(Layers(jax.random.key(3)))
    one, other = (model.initial(jax.random.key(i), None) for i in (0, 1))
    jax.tree.map(np.testing.assert_array_equal, one, other)
    assert "starts with the weights that it has" in str(model)
    with pytest.raises(TypeError, match="which needs width as well: give a function"):
        adapted(lambda width, key: Layers(width + key))
    assert str(
        adapted(functools.partial(lambda width, key: Layers(jax.random.fold_in(key, width)), 8))
    )


# two functions


def of_weights(key, x):
    return jax.random.normal(key, (x.shape[-1], 10)) / 10


def zeros(*shape, state=False):
    """An `init` of weights of this shape, all of them 0."""
    return lambda _: (jnp.zeros(shape), 0.0) if state else jnp.zeros(shape)


PLAIN = {"data": (IMAGES.reshape(-1, 64), LABELS), "seeds": 2, "epochs": 1}


@pytest.mark.parametrize(
    ("apply", "error", "says"),
    [
        (lambda w: w, TypeError, "a model's `apply` takes parameters and inputs"),
        (lambda w, x, mask: x @ w + mask, TypeError, "takes mask, which nothing is known of"),
        (lambda w, x: x @ w.T, ValueError, r"`model` cannot be called with .*float32\[64, 64\]"),
        (lambda w, x: x @ w[:, :9], ValueError, "labels up to 9 want scores of more classes"),
        (lambda w, x: (x @ w).sum(0), ValueError, r"gives float32\[10\] for .*a prediction for"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_anything_is_trained(apply, error, says):
    with pytest.raises(error, match=says):
        planned(model=(of_weights, apply), **PLAIN)


def test_a_state_that_changes_its_structure_is_refused():
    init, apply = zeros(64, 10, state=True), lambda w, x, state: (x @ w, (state, 1))
    with pytest.raises(ValueError, match="changes the structure of its state"):
        planned(model=(init, apply), **PLAIN)


@pytest.mark.slow
def test_state_key_and_flag_are_given_by_their_names():
    """A network that counts its steps in training, and learns nothing outside of it."""

    def init(key, x):
        return of_weights(key, x), jnp.zeros((), jnp.int32)

    def apply(weights, x, state, rng, training):
        noise = 0.01 * jax.random.normal(rng, x.shape) if training else 0.0
        return (x + noise) @ weights * (1 if training else state / state), state + training

    outcome = compare(["brier"], model=(init, apply), **{**PLAIN, "epochs": 3}, rates=[0.03])
    assert outcome.standing("brier", 0.0).score.mean > 0.5


# how they are trained


def trained(**options):
    options = {"rates": [0.003, 0.03], "noise": [0.0, 0.4], **PLAIN, **options}
    return run(planned(["brier"], model=(of_weights, lambda w, x: x @ w), **options))


@pytest.mark.slow
def test_networks_are_the_same_however_many_train_at_once():
    every = {row.network: row.test for row in trained(at_once=8).rows}
    for at_once in (1, 3):
        rows = trained(at_once=at_once).rows
        # Where two rates do alike, the one or the other is chosen.
        found = [(row.test, every[row.network]) for row in rows if row.network in every]
        assert len(found) >= 2 * 2 * 2 * 2  # the first round
        np.testing.assert_allclose(*zip(*found, strict=True), atol=0.01)


@pytest.mark.slow
def test_as_many_train_at_once_as_memory_holds_and_that_is_logged(monkeypatch, caplog):
    from jaxloss.compare.sweep import devices

    plan = planned(["brier"], model=(of_weights, lambda w, x: x @ w), rates=[0.01, 0.1], **PLAIN)
    usual = Sweep(plan).lanes
    monkeypatch.setattr(devices, "memory", lambda: 1 << 20)
    less = Sweep(plan).lanes
    assert less < usual
    assert f"{less} networks train at a time in place of" in caplog.text


@pytest.mark.slow
def test_a_schedule_that_looks_at_its_rate_trains_as_one_that_does_not():
    """`warmup_cosine_decay_schedule` asks whether the rate is 0, which no traced number answers."""

    def plain(rate):
        warm = optax.linear_schedule(0, rate, 5)
        parts = [warm, optax.cosine_decay_schedule(rate, 15)]
        return optax.adam(optax.join_schedules(parts, [5]))

    def looking(rate):
        return optax.adam(optax.warmup_cosine_decay_schedule(0, rate, 5, 20))

    assert Optimizer.of(plain).traceable
    assert not Optimizer.of(looking).traceable
    ours, theirs = (trained(optimizer=each, epochs=3).rows for each in (looking, plain))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.test, b.test, atol=0.01)


@pytest.mark.slow
def test_the_updates_of_a_transformation_are_multiplied_by_the_rates():
    plan = planned(model=(of_weights, lambda w, x: x @ w), optimizer=optax.sgd(0.5), **PLAIN)
    assert plan.rates == (0.1, 0.3, 1.0, 3.0, 10.0)
    fixed = trained(optimizer=optax.sgd(0.5), rates=[0.2, 1.0])
    free = trained(optimizer=optax.sgd, rates=[0.1, 0.5])
    for a, b in zip(fixed.rows, free.rows, strict=True):
        np.testing.assert_allclose(a.test, b.test, atol=0.01)


@pytest.mark.slow
def test_an_optimizer_may_ask_for_the_value_of_the_loss():
    plateau = lambda rate: optax.chain(optax.adam(rate), optax.contrib.reduce_on_plateau())
    assert len(trained(optimizer=plateau).rows)


# metrics


def confident(predictions, targets):
    return jnp.mean(jax.nn.softmax(predictions).max(-1)) + 0.0 * targets[0]


def macro_f1(predictions, targets):
    return f1_score(targets, predictions.argmax(-1), average="macro", zero_division=0)


@pytest.mark.slow
def test_a_metric_of_ones_own_ranks_and_those_of_the_task_stay():
    outcome = compare(["brier"], **PLAIN, metric=macro_f1, better="higher", rates=[1e-2])
    metrics = outcome.plan.task.output.metrics
    assert [metric.name for metric in metrics[:2]] == ["macro_f1", "accuracy"]
    row = outcome.results.rows[0]
    assert row.measures["macro_f1"] == row.test[-1] != row.measures["accuracy"]
    assert abs(row.measures["macro_f1"] - row.measures["balanced_accuracy"]) < 0.2


def test_a_metric_is_named_or_is_a_function_whose_direction_is_given():
    least = planned(metric=confident, better="lower", **PLAIN).task.output.metric
    assert (least.name, least.higher) == ("confident", False)
    given = Metric("mine", "my measure", confident, higher=False)
    assert planned(metric=given, **PLAIN).task.output.metric.name == "mine"
    assert planned(metric="nll", **PLAIN).task.output.metric.name == "nll"
    assert len(planned(metric="nll", **PLAIN).task.output.metrics) == 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"metric": confident}, "`better` says whether 'higher' or 'lower' .* got None"),
        ({"metric": confident, "better": "up"}, "got 'up'"),
        ({"metric": "accurac"}, "no metric of data is called 'accurac'; the nearest are accuracy"),
        (
            {"metric": lambda p, t: p + t[:, None], "better": "lower"},
            "`metric` returns one number, got an array",
        ),
        ({"metric": confident, "better": "lower", "losses": [confident]}, "is none of the losses"),
    ],
)
def test_a_metric_that_does_not_rank_is_refused(options, says):
    with pytest.raises(ValueError, match=says):
        planned(**{**PLAIN, **options})


# data


def drawn(plan, seed=0):
    return plan.task.draw(np.random.default_rng(seed))


def test_the_kind_of_targets_decides_what_is_predicted():
    x = np.random.default_rng(0).normal(size=(60, 5))
    text = np.resize(["b", "a", "c"], 60)
    for targets, reference, shape in (
        (np.resize([0, 1, 2], 60), "cross_entropy", (3,)),
        (text, "cross_entropy", (3,)),
        (text.astype(object), "cross_entropy", (3,)),
        (np.resize([0, 1], 60), "cross_entropy", ()),
        (x[:, 0] > 0, "cross_entropy", ()),
        (np.resize([[0], [1]], (60, 1)), "cross_entropy", ()),
        (x[:, 0], "squared_error", ()),
        (x[:, :1], "squared_error", ()),
        (x[:, :2], "squared_error", (2,)),
        (x.reshape(60, 5, 1, 1), "squared_error", (5, 1, 1)),
    ):
        plan = planned(data=(x, targets))
        assert (plan.lineup.reference, plan.task.output.shape) == (reference, shape)
        assert plan.noise == (0.0,)
        assert [len(part) for part in drawn(plan).targets] == [36, 12, 12]
        corrupted = plan.task.corrupt(drawn(plan).targets.training, 0.5, np.random.default_rng(0))
        assert np.mean(corrupted != drawn(plan).targets.training) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("outputs", "targets", "reference", "shape"),
    [
        ((), np.resize([0, 1], 60), "cross_entropy", ()),
        ((1,), np.resize([0, 1], 60), "cross_entropy", ()),
        ((2,), np.resize([0, 1], 60), "cross_entropy", (2,)),
        ((4,), np.resize([0, 1], 60), "cross_entropy", (4,)),
        ((7, 4), np.resize([0, 1, 2, 3], (60, 7)), "cross_entropy", (7, 4)),
        ((7,), np.resize([0, 1, 1], (60, 7)), "cross_entropy", (7,)),
        ((1,), np.linspace(0, 1, 60), "squared_error", ()),
        ((3, 2), np.ones((60, 3, 2)), "squared_error", (3, 2)),
    ],
)
def test_the_model_decides_how_classes_are_predicted(outputs, targets, reference, shape):
    """One score or two for two classes, classes at each of several places, several labels."""
    model = zeros(*outputs), (lambda w, x: w + jnp.zeros((len(x), *w.shape)))
    plan = planned(
        ["cross_entropy" if reference == "cross_entropy" else "huber"],
        data=(np.ones((60, 2)), targets),
        model=model,
        reference=reference,
    )
    assert plan.task.output.shape == shape
    predictions, of_batch = plan.task.example
    metrics = plan.task.output.metrics
    assert {jax.eval_shape(m, predictions, of_batch).shape for m in metrics} == {()}


def test_labels_at_several_places_are_measured_like_those_of_as_many_examples():
    predictions = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    labels = np.random.default_rng(1).integers(0, 4, size=(6, 5))
    from jaxloss.compare.tasks.outputs import classes

    for metric in classes(4).metrics:
        flat = metric(predictions.reshape(30, 4), labels.reshape(30))
        assert float(metric(predictions, labels)) == pytest.approx(float(flat), rel=1e-6)


def test_inputs_are_standardised_for_the_models_of_here_and_left_alone_for_others():
    x = np.random.default_rng(0).normal(7, 3, size=(60, 5))
    assert drawn(planned(data=(x, x[:, 0]))).inputs.training.mean() == pytest.approx(0, abs=1e-6)
    model = zeros(5), (lambda w, x: x @ w)
    kept = drawn(planned(data=(x, x[:, 0]), model=model))
    np.testing.assert_allclose(kept.inputs.training[:, 0], kept.targets.training)
    bright = np.resize(np.arange(256, dtype=np.uint8), (60, 4, 4))
    assert (
        drawn(
            planned(
                data=(bright, x[:, 0]),
                model=(zeros(), lambda w, x: w * x.sum((1, 2))),
            )
        ).inputs.training.max()
        == 1
    )


def test_parts_of_ones_own_are_the_same_for_every_seed():
    def part(n, seed):
        x = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
        return x, np.resize(["no", "yes"], n)

    parts = {"training": part(50, 0), "test": part(20, 1)}
    plan = planned(data=parts, model=(zeros(3), lambda w, x: x @ w))
    first, second = (drawn(plan, seed) for seed in (0, 1))
    np.testing.assert_array_equal(first.inputs.test, parts["test"][0])
    np.testing.assert_array_equal(second.inputs.test, parts["test"][0])
    assert [len(x) for x in first.targets] == [40, 10, 20]
    assert not np.array_equal(first.inputs.validation, second.inputs.validation)
    assert plan.task.overlap is None  # nothing is claimed on new data
    whole = DataSplit(part(50, 0), part(9, 2), part(20, 1))
    fixed = planned(data=whole, model=(zeros(3), lambda w, x: x @ w))
    np.testing.assert_array_equal(drawn(fixed).inputs.validation, whole.validation[0])


@pytest.mark.parametrize("source", ["arrays", "frame"])
def test_no_two_parts_share_a_group(source):
    r = np.random.default_rng(0)
    patient, x = np.sort(r.integers(0, 40, size=300)), r.normal(size=(300, 2))
    frame = pd.DataFrame({"a": x[:, 0], "b": patient + 0.0, "patient": patient, "y": x[:, 1]})
    if source == "arrays":
        plan = planned(data=(patient[:, None] + 0.0, x[:, 1]), groups=patient)
    else:
        plan = planned(data=frame, target="y", groups="patient")
        assert "No two parts share a value of 'patient'" in plan.task.story
    shapes = set()
    for seed in range(5):
        parts = [set(np.unique(part[:, -1])) for part in drawn(plan, seed).inputs]
        assert not any(a & b for i, a in enumerate(parts) for b in parts[:i])
        shapes.add(tuple(len(part) for part in drawn(plan, seed).targets))
    assert len(shapes) == 1
    assert shapes.pop()[1:] == (60, 60)


def test_a_function_draws_data():
    def draw(generator):
        x = generator.normal(size=(300, 4)).astype(np.float32)
        data = sampling.take(x, x.sum(1), sampling.split(300, generator))
        return Data(*data)

    plan = planned(data=draw)
    assert plan.task.overlap == 0
    assert not np.array_equal(drawn(plan, 0).inputs.test, drawn(plan, 1).inputs.test)


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        ((np.ones((20, 2)), np.ones(19)), ValueError, "'inputs': 20, 'targets': 19"),
        ((np.ones((9, 2)), np.ones(9)), ValueError, "at least 10"),
        ((np.full((20, 2), np.nan), np.ones(20)), ValueError, r"40 of 40 numbers in `data\[0\]`"),
        ((np.ones((20, 2)), np.full(20, np.inf)), ValueError, r"20 of 20 numbers in `data\[1\]`"),
        ((np.ones((20, 2), complex), np.ones(20)), ValueError, "numbers, got complex128"),
        ((np.full((20, 2), "a"), np.ones(20)), ValueError, "`data\\[0\\]` is an array of numbers"),
        ((np.ones((20, 2)), np.array([None] * 20)), ValueError, "labels, numbers or texts"),
        ((np.ones((20, 2)), np.arange(20) - 1), ValueError, "labels from 0, got -1 to 18"),
        ((np.ones((20, 2)), np.arange(20) * 9), ValueError, "of others say the `kind`"),
        ({"training": (1, 2)}, ValueError, "'training', 'validation' .* got 'training'"),
        ({"training": 1, "test": 2}, TypeError, r"data\['training'\]` is a pair of inputs and"),
        (
            {"training": (np.ones((20, 2)), np.ones(20)), "test": (np.ones((20, 3)), np.ones(20))},
            ValueError,
            "equally many inputs as targets, of one shape",
        ),
        ([1, 2, 3], TypeError, "`data` is a pair of inputs and targets; .*; got list"),
    ],
)
def test_data_that_cannot_be_used_are_refused(data, error, says):
    with pytest.raises(error, match=says):
        planned(data=data)


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        (np.arange(19), "'groups': 19"),
        (np.ones((20, 2)), "'groups': 0"),
        (np.zeros(20), "one of 1 groups has 20 of 20 examples"),
    ],
)
def test_groups_that_cannot_be_kept_apart_are_refused(groups, says):
    with pytest.raises(ValueError, match=says):
        planned(data=(np.ones((20, 2)), np.arange(20.0)), groups=groups)


def test_a_model_is_described_in_the_plan_that_is_resumed():
    plan = planned(model=Model(of_weights, lambda w, x: x @ w, "my model"), **PLAIN)
    assert plan.identity["model"] == "my model"
    assert plan.identity["optimizer"] == "Adam at a constant rate"
    assert "SHA-256" in plan.identity["story"]


def test_the_losses_may_be_functions_of_arrays_of_any_shape():
    x = np.ones((20, 3))
    own = jl.Objective(lambda p, t: jnp.abs(p - t).sum(-1))
    plan = planned({"mine": own}, data=(x, x), model=(zeros(), lambda w, x: x + w))
    assert "mine" in [contender.name for contender in plan.lineup.contenders]
