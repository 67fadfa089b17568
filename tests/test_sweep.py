"""Expressions, pairing, one program for all, and rows that survive an interruption."""

import contextlib
import dataclasses
import itertools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxloss as jl
from jaxloss.catalog import public_losses
from jaxloss.compare.sweep.contenders import REPLICATE_SUFFIX, Lineup
from jaxloss.compare.sweep.expression import MAX_COMBINATIONS, ExpressionError, parse_expression
from jaxloss.compare.sweep.plan import LEAST_SEEDS, Network, Phase, Plan
from jaxloss.compare.sweep.program import Sweep
from jaxloss.compare.sweep.records import Record, Store, to_jsonl
from jaxloss.compare.sweep.results import Results
from jaxloss.compare.sweep.run import run
from jaxloss.compare.sweep.trials import trials
from jaxloss.compare.tasks.digits import DIGITS
from jaxloss.compare.tasks.models import perceptron
from jaxloss.compare.tasks.outputs import BINARY, classes, values
from jaxloss.compare.tasks.registry import TASKS

TEN = classes(10)
NUMBER = values(TEN.metric)
LOGITS = jnp.asarray(np.random.default_rng(0).normal(size=(5, 10)), jnp.float32)
LABELS = jnp.arange(5) * 2
SMALL = dataclasses.replace(DIGITS, model=perceptron((10,), 8))


def small(losses=("brier", "cauchy_schwarz"), **options):
    grid = {"seeds": 2, "noise": (0.0, 0.4), "rates": (1e-3, 1e-2), "epochs": 2} | options
    return Plan(SMALL, Lineup.of(SMALL, losses), **grid)


def objectives(text, output):
    return [variant.objective for variant in parse_expression(text, output).variants]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("brier", jl.brier(LOGITS, LABELS)),
        ("cross_entropy", jl.softmax_cross_entropy_with_integer_labels(LOGITS, LABELS)),
        ("brier(temperature=2)", jl.brier(LOGITS / 2, LABELS)),
        ("hinge(margin=0.5)", jl.one_vs_all(jl.hinge)(LOGITS, LABELS, margin=0.5)),
        ("nll", jl.softmax_cross_entropy_with_integer_labels(LOGITS, LABELS)),
        ("kl_divergence", jl.softmax_cross_entropy_with_integer_labels(LOGITS, LABELS)),
        ("reverse_kl", jnp.inf),
        ("categorical_cross_entropy", jl.softmax_cross_entropy_with_integer_labels(LOGITS, LABELS)),
        ("2 * squared_error", 2 * jl.squared_error(LOGITS, jax.nn.one_hot(LABELS, 10))),
        ("- cosine_distance", -jl.cosine_distance(LOGITS, jax.nn.one_hot(LABELS, 10))),
        (
            "brier-.5*expectation+1e-1*squared_log",
            jl.brier(LOGITS, LABELS)
            - 0.5 * jl.expectation(LOGITS, LABELS)
            + 0.1 * jl.squared_log(LOGITS, LABELS),
        ),
    ],
)
def test_an_expression_is_the_sum_that_it_says(text, wanted):
    (objective,) = objectives(text, TEN)
    assert float(objective(LOGITS, LABELS)) == pytest.approx(float(jnp.mean(wanted)), rel=1e-6)


@pytest.mark.parametrize("name", ["hinge", "cross_entropy", "binary_cross_entropy", "savage"])
def test_losses_of_two_classes_see_one_score(name):
    scores, labels = jnp.array([-1.0, 0.5, 2.0]), jnp.array([0, 0, 1])
    of_scores = {
        "hinge": jl.hinge(scores, labels),
        "savage": jl.savage(scores, labels),
        "cross_entropy": jl.logistic(scores, labels),
        "binary_cross_entropy": jl.logistic(scores, labels),
    }
    (objective,) = objectives(name, BINARY)
    assert float(objective(scores, labels)) == pytest.approx(
        float(of_scores[name].mean()), rel=1e-6
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("huber(delta=0.1..10)", [0.1, 0.3162, 1, 3.162, 10]),
        ("generalized_cross_entropy(q=0.1..0.9)", [0.1, 0.3, 0.5, 0.7, 0.9]),
        ("huber(delta=[2, .5])", [2, 0.5]),
        ("cross_entropy(temperature=[0.25,4])", [0.25, 4]),
    ],
)
def test_a_range_is_spaced_as_its_domain_asks(text, values):
    found = [next(iter(v.hyperparameters.values())) for v in parse_expression(text, TEN).variants]
    assert found == pytest.approx(values)


def test_ranges_of_several_terms_are_combined_and_named_apart():
    found = parse_expression(
        "huber(delta=[1, 2]) + 0.1*generalized_cross_entropy(q=0.2..0.8)", TEN
    ).variants
    assert len(found) == 10
    assert set(found[0].hyperparameters) == {"huber.delta", "generalized_cross_entropy.q"}
    assert len({json.dumps(v.hyperparameters) for v in found}) == 10


def test_temperatures_are_tried_for_what_depends_on_one_and_says_none():
    tried = (0.5, 2.0)
    assert len(parse_expression("brier", TEN, tried).variants) == 2
    assert len(parse_expression("brier(temperature=3)", TEN, tried).variants) == 1
    assert len(parse_expression("hinge", TEN, tried).variants) == 1


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "a name"),
        ("huber(", 7, "')'"),
        ("huber(delta=)", 13, "number"),
        ("huber(delta=1..)", 16, "number"),
        ("0.7 huber", 5, "'*'"),
        ("huber + + log_cosh", 9, "a name"),
        ("huber) ", 6, "the end"),
        ("brier + hubr", 9, "huber"),
        ("huber(dleta=1)", 7, "delta"),
        ("mse", 1, "no loss is called 'mse'; here there is squared_error\n"),
        ("mean_absolute_error", 1, "here there is absolute_error"),
        ("CrossEntropyLoss", 1, "here there is softmax_cross_entropy_with_integer_labels"),
        ("bce", 1, "here there is binary_cross_entropy or sigmoid_binary_cross_entropy"),
        ("brier + huber(delta=-1..2)", 15, "a number > 0"),
        ("huber(delta=1, delta=2)", 16, "twice"),
        ("poisson_nll", 1, "rates: numbers >= 0"),
        ("ctc", 1, "10 classes"),
        ("huber(delta=[" + "1," * MAX_COMBINATIONS + "1])", 1, "too many"),
    ],
)
def test_a_mistake_is_pointed_at(text, column, says):
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text, TEN)
    message, _, pointer = str(caught.value).rsplit("\n", 2)
    assert says in f"{message}\n"
    assert pointer.index("^") - 2 == column - 1 == caught.value.column - 1


def test_reference_echo_and_control_join_whoever_is_asked_for():
    lineup = Lineup.of(DIGITS, ["brier", "hinge", "cross_entropy"])
    names = [contender.name for contender in lineup.contenders]
    assert names == [
        "cross_entropy",
        "brier",
        "hinge",
        "cross_entropy" + REPLICATE_SUFFIX,
        DIGITS.control,
    ]
    assert [c.name for c in lineup.contenders if c.replicate] == [lineup.replicate]
    assert Lineup.of(DIGITS, ["hinge"]).control is None


def test_losses_and_objectives_take_part_and_a_mapping_names_them():
    mixed = 0.5 * jl.Objective(jl.brier) + 0.5 * jl.Objective(jl.expectation)
    lineup = Lineup.of(DIGITS, {"mine": mixed, "theirs": jl.brier, "text": "hinge"})
    assert [c.name for c in lineup.contenders[1:4]] == ["mine", "theirs", "text"]
    assert [c.name for c in Lineup.of(DIGITS, [jl.hinge]).contenders[:2]] == [
        "cross_entropy",
        "hinge",
    ]
    with pytest.raises(ValueError, match="'hinge'"):
        Lineup.of(DIGITS, [jl.hinge, "hinge"])
    with pytest.raises(ValueError, match="poisson_nll is of"):
        Lineup.of(DIGITS, [jl.poisson_nll])


# A task for each kind of predictions.
KINDS = {tuple(task.output.predictions): task for task in TASKS.values()}.values()


@pytest.mark.parametrize("task", KINDS, ids=lambda task: task.name)
def test_every_hyperparameter_of_every_loss_can_be_given_whatever_its_name(task):
    """Also where there is called as an array might be: `lp(p=1.5)`."""
    tried = set()
    for name, loss in public_losses().items():
        with contextlib.suppress(TypeError):  # of other arrays than there are here
            known = task.output.fit(loss).hyperparameters
            usual = {k: 0.5 if x.default is None else x.default for k, x in known.items()}
            given = ", ".join(f"{keyword}={value}" for keyword, value in usual.items())
            (objective,) = objectives(f"{name}({given})", task.output)
            assert jax.eval_shape(objective, *task.example).shape == ()
            tried |= set(known)
    assert {"p", "delta"} <= tried


def test_a_hyperparameter_called_p_is_that_of_the_loss():
    scores, targets = LOGITS[:, 0], LOGITS[:, 1]
    (objective,) = objectives("lp(p=1.5)", NUMBER)
    expected = jl.lp(scores, targets, p=1.5).mean()
    assert float(objective(scores, targets)) == pytest.approx(float(expected), rel=1e-6)


def plain_entropy(scores, labels):
    return optax.losses.softmax_cross_entropy_with_integer_labels(scores, labels)


def test_a_function_takes_part_as_it_is():
    lineup = Lineup.of(DIGITS, [plain_entropy, "brier"])
    assert [c.name for c in lineup.contenders[1:3]] == ["plain_entropy", "brier"]
    contender, expected = lineup["plain_entropy"], plain_entropy(LOGITS, LABELS).mean()
    objective = contender.objective((0.1,))
    assert float(objective(LOGITS, LABELS)) == pytest.approx(float(expected), rel=1e-6)
    assert not contender.tempered
    alone = Lineup.of(DIGITS, plain_entropy)
    assert alone.contenders[1].name == "plain_entropy"


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (3, TypeError, "`losses` are several.*or a function.*got 3"),
        ([None], TypeError, "'None' of `losses` is None; wanted is an expression"),
        ({"mine": 2.0}, TypeError, "'mine' of `losses` is 2.0; wanted"),
        ({"mine": lambda p: p}, ValueError, r"'mine' cannot be trained on .*\[64, 10\]"),
        ({"mine": lambda p, t: p.numpy() - t}, ValueError, "'mine' cannot be trained on .*numpy"),
        ({"mine": jl.Objective(jl.huber)}, ValueError, r"'mine' .*\[64\] \(scores of 10 classes"),
        ({"mine": jl.Objective(plain_entropy, reduction=jl.none)}, ValueError, "one real number"),
        (
            [lambda p, t: p - t, lambda p, t: t - p],
            ValueError,
            "two of `losses` are called '<lambda>'",
        ),
    ],
)
def test_what_cannot_be_trained_on_is_refused_before_anything_is_trained(given, error, says):
    with pytest.raises(error, match=says):
        Lineup.of(DIGITS, given)


def test_another_reference_has_no_control():
    lineup = Lineup.of(DIGITS, ["brier"], reference="hinge(margin=0.5)")
    assert (lineup.reference, lineup.control) == ("hinge(margin=0.5)", None)


@pytest.mark.parametrize("phase", Phase)
def test_trials_differ_in_nothing_but_seed_and_noise(phase):
    drawn = trials(small(), phase, [0, 1])
    clean, noisy = np.moveaxis(drawn.targets.training, 1, 0)
    assert (clean != noisy).mean() == pytest.approx(0.4, abs=1e-3)
    clean, noisy = np.moveaxis(drawn.targets.validation, 1, 0)
    assert (clean != noisy).mean() == pytest.approx(0.4, abs=2e-3)
    assert drawn.targets.test.shape == (2, 360)  # always clean
    weights = drawn.weights.parameters[0].weights
    for first, second in (drawn.inputs.training, drawn.order, weights, drawn.seed):
        assert not np.array_equal(first, second)


def test_a_seed_is_the_same_whatever_else_is_asked_for_and_another_in_each_phase():
    few = trials(small(), Phase.TEST, [1])
    many = trials(small(noise=(0.0, 0.2, 0.4)), Phase.TEST, [0, 1, 2])
    for i, targets in enumerate(few.targets[:2]):
        np.testing.assert_array_equal(targets[0], many.targets[i][1, ::2])
    alone = few._replace(targets=few.targets.test)
    jax.tree.map(
        lambda a, b: np.testing.assert_array_equal(a[0], b[1]),
        alone,
        many._replace(targets=many.targets.test),
    )
    tuning = trials(small(), Phase.TUNING, [1])
    assert not np.array_equal(tuning.inputs.training, few.inputs.training)


@pytest.fixture(scope="module")
def plan():
    return small(["brier(temperature=[1, 2])", "expectation", "2*cross_entropy"])


@pytest.fixture(scope="module")
def results(plan):
    return run(plan)


@pytest.mark.slow
def test_every_choice_is_the_best_of_its_last_round_and_is_tested_on_every_seed(plan, results):
    for level, contender in itertools.product(range(2), plan.lineup.contenders[:-1]):
        name = plan.lineup.reference if contender.replicate else contender.name
        tried = results.tried(name, level)
        finalists = [each for each in tried if len(each.validation) == 6]
        assert {len(each.validation) for each in tried} <= {2, 4, 6}
        best = max(finalists, key=lambda each: np.mean([*each.validation.values()]))
        chosen = results.chosen(contender.name, level)
        assert (chosen.rate, chosen.hyperparameters) == (best.rate, best.hyperparameters)
        assert chosen.curves.shape == (plan.seeds, plan.epochs)
        np.testing.assert_array_equal(chosen.curves[:, -1], chosen.measures["accuracy"])
    assert {t.hyperparameters["temperature"] for t in results.temperatures[0]} == {0.25, 0.5, 2, 4}
    networks = [row.network for row in results.rows]
    assert len(set(networks)) == len(networks)


@pytest.mark.slow
def test_a_network_is_what_a_plain_loop_trains(plan):
    """The vmapped, switched program against optax in a Python loop."""
    sweep = Sweep(plan)
    network = Network(Phase.TEST, "expectation", 0.4, (1e-2,), 1)
    ((call,),) = sweep.calls([network])
    found = sweep.run(call)
    data = jax.tree.map(lambda x: jnp.asarray(x[0]), trials(plan, Phase.TEST, [1]))
    parameters, optimizer = data.weights.parameters, optax.adam(1e-2)
    moments = optimizer.init(parameters)
    apply = SMALL.model.apply
    loss = lambda p, i: jl.expectation(
        apply(p, data.inputs.training[i]), data.targets.training[1][i]
    ).mean()
    step = jax.jit(
        lambda p, m, i: (lambda u, m: (optax.apply_updates(p, u), m))(
            *optimizer.update(jax.grad(loss)(p, i), m)
        )
    )
    for batch in data.order.reshape(-1, data.order.shape[-1]):
        parameters, moments = step(parameters, moments, batch)
    decided = apply(parameters, data.inputs.test).argmax(-1)
    assert np.mean(decided == data.targets.test) == pytest.approx(found.test[0, -1], abs=0.006)


@pytest.mark.slow
def test_the_echo_differs_by_roundings_only(plan, results):
    for level in range(2):
        reference, replicate = (
            results.chosen(name, level) for name in (plan.lineup.reference, plan.lineup.replicate)
        )
        assert np.abs(reference.curves - replicate.curves).max() < 0.02
        ours, theirs = reference.measures["nll"], replicate.measures["nll"]
        np.testing.assert_allclose(ours, theirs, rtol=1e-2)


@pytest.mark.slow
def test_a_factor_is_invisible_to_adam(results):
    twice, once = (
        {(each.rate, seed): x for each in results.tried(name, 0) for seed, x in each.test.items()}
        for name in ("2*cross_entropy", "cross_entropy")
    )
    shared = set(twice) & set(once)
    assert len(shared) >= 4
    assert max(abs(twice[x] - once[x]) for x in shared) < 0.02


@pytest.mark.slow
def test_rows_survive_being_written(results):
    for row in results.rows[::7]:
        assert Record.from_json(row.to_json()) == row
    lost = dataclasses.replace(results.rows[0], test=[0.5, np.nan])
    assert "NaN" not in lost.to_json()
    assert np.isnan(Record.from_json(lost.to_json()).test[1])


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 5, 0.5, 0.99, 1.0])
def test_an_interrupted_run_resumes_to_the_same_rows(plan, results, kept, tmp_path, monkeypatch):
    """Whatever was written when it was killed, in whatever order, and half of a line."""
    store, text = Store(tmp_path / "results.jsonl", plan), to_jsonl(results.rows)
    count = int(kept * len(results.rows)) if isinstance(kept, float) else kept
    lines = text.splitlines(keepends=True)
    # Tuning comes first, and within it the first rounds.
    lines.sort(key=lambda line: (json.loads(line)["phase"] == "test", json.loads(line)["seed"]))
    store.path.write_text("".join(lines[:count]) + "".join(lines[count:])[:100])
    written_now, told, append = [], [], store.append
    monkeypatch.setattr(store, "append", lambda rows: written_now.extend(rows) or append(rows))
    again = run(plan, store, told.extend)
    assert len(written_now) == len(results.rows) - count
    assert len(told) == len(results.rows)
    assert again.rows == results.rows
    assert store.path.read_text() == text


@pytest.mark.slow
def test_a_run_by_the_clock_is_the_one_of_as_many_seeds(plan, results):
    """Rows that are there are not trained again, and seeds that were begun are finished."""
    timed = dataclasses.replace(plan, seeds=None)
    kept = [row for row in results.rows if row.phase is Phase.TUNING or row.loss == "expectation"]
    alone = run(dataclasses.replace(plan, seeds=LEAST_SEEDS))
    store = Remembering(kept)
    assert run(timed, store, until=0.0).rows == alone.rows
    assert not {row.network for row in kept} & {row.network for row in store.trained}


class Remembering:
    """A store in memory, which remembers what was trained."""

    def __init__(self, rows):
        self.kept, self.trained = list(rows), []

    def rows(self):
        return self.kept

    def append(self, rows):
        self.trained += rows

    def replace(self, rows):
        self.kept = list(rows)


@pytest.mark.slow
def test_incomplete_results_are_refused(plan, results):
    with pytest.raises(ValueError, match="1 test seeds in place of 2 at noise 0"):
        Results.of(plan, results.rows[:-1])


MANY = """
import sys, jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[2]))
if sys.argv[3] != "alone":
    from jaxloss.compare.sweep import devices
    devices.join(sys.argv[3], 2, int(sys.argv[4]))
sys.path.insert(0, sys.argv[5])
from pathlib import Path
from test_sweep import small
from jaxloss.compare.sweep.records import Store
from jaxloss.compare.sweep.run import run
plan = small(["brier"], seeds=3, noise=(0.0,))
run(plan, Store(Path(sys.argv[1]), plan))
"""


def process(path, devices, *where):
    words = [sys.executable, "-c", MANY, str(path), str(devices), *map(str, where)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


@pytest.fixture
def free_port():
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return server.getsockname()[1]


@pytest.mark.slow
def test_devices_and_processes_share_the_trials_and_change_nothing(tmp_path, free_port):
    """Three trials over two devices, and over two processes of which one has rows already."""
    plan, here = small(["brier"], seeds=3, noise=(0.0,)), Path(__file__).parent
    alone = run(plan)
    half = tmp_path / "two" / "results.jsonl"
    half.parent.mkdir()
    half.write_text(to_jsonl(alone.rows[: len(alone.rows) // 2]))
    address = f"localhost:{free_port}"
    running = [
        process(tmp_path / "one.jsonl", 2, "alone", 0, here),
        process(half, 1, address, 0, here),
        process(tmp_path / "nobody.jsonl", 1, address, 1, here),
    ]
    for each in running:
        _, errors = each.communicate(timeout=120)
        assert each.returncode == 0, errors
    for path in (tmp_path / "one.jsonl", half):
        found = Results.of(plan, Store(path, plan).rows())
        ours, theirs = (
            {r.network: r.test for r in each.rows if r.phase is Phase.TUNING and r.seed < 2}
            for each in (found, alone)
        )
        for network in set(ours) & set(theirs):
            np.testing.assert_allclose(ours[network], theirs[network], atol=0.02)
        assert len(set(ours) & set(theirs)) >= 2 * 2 * 2
    assert not (tmp_path / "nobody.jsonl").exists()
