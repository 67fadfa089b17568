"""The benchmark: its cases, its clock, who is measured beside whom, its command."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jaxloss.__main__ import main
from jaxloss.bench import (
    clock,
    goals,
    inputs,
    libraries,
    memory,
    peers,
    programs,
    report,
    roofline,
    session,
)
from jaxloss.bench.cases import CASES, HEAD, LABELLED, Case
from jaxloss.bench.clock import Pace
from jaxloss.bench.goals import Goal
from jaxloss.bench.measure import Measurement, Reading
from jaxloss.bench.programs import Question
from jaxloss.catalog import public_losses
from jaxloss.core.axes import refuse_misfits
from jaxloss.core.validity import in_domain

SMALL = {HEAD: (8, 4, 6), "ctc": (2, 10, 4), "ssim": (2, 16, 16, 3)}
COMPARED = [
    (loss, library)
    for loss in (*public_losses(), HEAD)
    for library, match in peers.matches(loss).items()
    if match.peer in peers.ROWS
]


def tiny(loss):
    return Case(loss, SMALL[loss]) if loss in SMALL else inputs.few(loss)


def test_every_case_is_known_by_its_name_and_fits_its_loss():
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        assert session.chosen([], [case.name], quick=True) == [case]
        assert len(inputs.fitting(case)) == len(inputs.find(case.loss).signature.arrays)


@pytest.mark.parametrize("name", public_losses())
def test_inputs_of_every_loss_lie_in_their_domains(name):
    signature = inputs.find(name).signature
    arrays = [jnp.asarray(array) for array in inputs.draw(inputs.few(name)).values()]
    refuse_misfits(signature.name, signature.arrays, arrays)
    assert all(
        inside.all() for inside in in_domain(signature, list(map(np.asarray, arrays))).values()
    )
    assert set(inputs.moving(inputs.find(name))) <= signature.arrays.keys()
    assert inputs.usual(name).name.startswith(f"{name}@")


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "library"), COMPARED)
def test_peers_compute_what_we_compute(loss, library):
    if library not in libraries.installed():
        pytest.skip(f"{library} is not installed")
    question = Question.of(tiny(loss), "float32", "value")
    ours = programs.ours(question).run()
    theirs = programs.peer(question, peers.matches(loss)[library]).run()
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=2e-4, atol=1e-5)


def test_a_loss_is_measured_at_the_hyperparameters_that_most_peers_share():
    assert peers.matches("huber").keys() == {"optax", "keras", "torch"}
    assert Question.of(Case("huber", (4,)), "float32", "value").spelled == "huber(delta=2.0)"
    assert Question.of(Case(LABELLED, (4, 3)), "float32", "value").spelled == LABELLED
    assert peers.matches("tanimoto") == {}


def test_a_contender_says_what_the_compiler_says():
    question = Question.of(Case("symmetric_info_nce", (64, 8)), "bfloat16", "gradient")
    plain = programs.peer(question, peers.matches("symmetric_info_nce")["plain"])
    value, gradients = plain.run()
    assert np.isfinite(value)
    assert {name: str(x.dtype) for name, x in gradients.items()} == dict.fromkeys(
        ("first", "second"), "bfloat16"
    )
    assert plain.temporaries >= 64 * 64 * 2
    assert plain.read >= 2 * 64 * 8 * 2
    assert plain.written >= 2 * 64 * 8 * 2 + 2
    assert min(plain.lowering, plain.compiling) > 0


def test_turns_alternate_and_times_are_told_apart():
    order = []
    runs = {name: lambda name=name: order.append(name) or sum(range(200_000)) for name in "abc"}
    samples = clock.interleaved(runs, Pace(0, repeats=2))
    turns = [name for name, before in zip(order, ["", *order], strict=False) if name != before]
    assert "".join(turns)[-5:] == "abcba"
    assert {len(times) for times in samples.values()} == {2}


def test_ratio_of_medians_with_quartiles_of_pairs():
    found = clock.ratio([1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
    assert (found.median, found.low, found.high) == (1.0, 0.5, 1.5)
    assert clock.ratio([3.0], [2.0]).low == 1.5


@pytest.mark.parametrize(
    ("pace", "once", "turns"),
    [(Pace(2), 0.1, 20), (Pace(2), 10, 3), (Pace(2), 1e-6, 41), (Pace(2, repeats=3), 1e-6, 3)],
)
def test_turns_fill_the_time(pace, once, turns):
    assert pace.turns(once) == turns


def test_the_floor_moves_as_many_bytes_as_it_is_told():
    run = roofline.moving(8 * 1024, 1024)
    assert [run() for _ in range(3)] == [None] * 3  # in place, so that each call must replace it


@pytest.mark.slow
def test_peak_memory_of_a_process_of_its_own():
    assert (
        memory.peak(Case("symmetric_info_nce", (1024, 8)), "float32", "gradient", "plain")
        > 4 * 1024**2
    )


def reading(who, **found):
    return Reading("huber@8", "float32", "value", who, "", **found)


@pytest.mark.parametrize(
    ("goal", "found", "met"),
    [
        (("time", ("optax",), 0.6), 0.5, True),
        (("time", ("optax", "keras"), 0.6), 2.0, False),
        (("time", ("torch",), 0.6), None, None),
        (("temporaries", ("optax",), 0.5), 0.0, True),
        (("temporaries", ("keras",), 0.5), 0.0, True),
        (("peak", ("optax",), 0.5), None, None),
        (("extra", ("keras",), 0.1), 1.0, False),
        (("seconds", (), 3.0), 2.0, True),
        (("floors", (), 1.5), 1.7, False),
    ],
)
def test_goals_are_judged_from_readings(goal, found, met):
    measure, others, bound = goal
    measurement = Measurement(Case("huber", (8,)), quantity="value")
    readings = [
        reading("ours", seconds=2.0, temporaries=0, floors=1.7),
        reading("optax", seconds=4.0, temporaries=64),
        reading("keras", seconds=1.0, temporaries=0),
    ]
    wanted = Goal("row", measurement, bound, measure, others)
    (judged,) = report.judged([wanted], readings)
    assert (judged["found"], judged["met"]) == (found, met)
    assert {True: "met", False: "missed", None: "unmeasured"}[met] in report.goal_table([judged])


def test_every_goal_is_about_a_case_that_can_be_measured():
    for row, wanted in goals.rows().items():
        assert len(goals.measurements(wanted)) <= len(wanted), row
        for measurement in goals.measurements(wanted):
            if isinstance(measurement, Measurement):
                inputs.fitting(measurement.case)
    assert set(goals.elementwise()) >= {"huber", "hinge", "sigmoid_focal", "gaussian_nll"}


@pytest.mark.slow
def test_json_holds_readings_beside_the_peers(capsys):
    quick = ["--dtype", "bfloat16", "--peer", "optax", "--peer", "plain", "--repeats", "2"]
    assert main(["bench", "--case", "huber@64", *quick, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {"environment", "absent", "readings", "goals"} == told.keys()
    found = {(x["quantity"], x["who"]): x for x in told["readings"]}
    assert found.keys() == {(q, who) for q in ("value", "gradient") for who in ("ours", "optax")}
    optax = found["gradient", "optax"]
    assert optax["call"] == "huber_loss(predictions, targets, delta=2.0)"
    assert optax["ratio"]["low"] <= optax["ratio"]["high"]
    assert optax["seconds"] > 0
    assert optax["floors"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["eager", "compile"])
def test_calls_and_compiling_are_measured_too(quantity, capsys):
    quick = ["--peer", "optax", "--repeats", "1", "--quantity", quantity]
    assert main(["bench", "--case", "squared_error@16", *quick]) == 0
    shown = capsys.readouterr().out
    assert f"| {quantity}" in shown
    assert ("| jit " if quantity == "eager" else "| optax ") in shown


def test_list_shows_cases_and_goals(capsys):
    assert main(["bench", "--list"]) == 0
    shown = capsys.readouterr().out
    assert all(case.name in shown for case in CASES)
    assert "softmax-gradient" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--loss", "hubert"], "no loss `hubert`; the nearest are huber"),
        (["--case", "hubert@10"], "no loss `hubert`"),
        (["--case", "huber"], "no case `huber`: it is LOSS@SHAPE"),
        (["--case", "symmetric_info_nce@8"], "at least 2 axes"),
        (["--case", "linear_head@8x8"], "tokens, features and classes"),
        (["--case", "huber@0"], "case `huber@0`"),
        (["--peer", "tensorflow"], "no peer `tensorflow`, there are optax"),
        (["--peer", "tokamax"], "tokamax is not installed"),
        (["--goals", "fame"], "no goal `fame`, there are temporaries"),
        (["--list", "--json"], "--list lists the cases and goals, and measures nothing: leave out"),
        (["--goals", "--list", "--quick"], "measures nothing: leave out --goals, --quick"),
        (["--scale", "--loss", "huber", "--memory"], "runs none: leave out --loss, --memory"),
        (["--scale", "h100:64x8", "--goals"], "runs none: leave out --goals"),
        (["--programs", "h100", "--memory"], "compiles, and runs nothing: leave out --memory"),
        (["--programs", "h100", "--peer", "torch"], "torch runs its calls one by one"),
        (["--programs", "h100", "--case", "huber@0"], "case `huber@0`"),
        (["--goals", "head", "--case", "huber@8"], "what its rows name: leave out --case"),
        (["--goals", "--dtype", "bfloat16", "--peer", "optax"], "rows name: leave out --dtype"),
        (["--goals", "--quantity", "eager", "--memory"], "leave out --quantity, --memory"),
    ],
)
def test_mistakes_exit_with_2_and_a_hint(arguments, words, capsys):
    assert main(["bench", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_number_of_repeats_is_refused_by_the_parser(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["bench", "--repeats", "0"])
    assert "at least 1" in capsys.readouterr().err


def test_the_options_are_read_without_jax():
    file = Path(session.__file__).parents[1] / "cli/bench.py"
    code = f"import runpy, sys; runpy.run_path({str(file)!r}); sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert runpy.run_path(str(file))["QUANTITIES"]
