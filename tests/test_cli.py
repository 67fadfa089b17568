"""The command line, as a user calls it."""

import subprocess
import sys

import pytest

from jaxloss.__main__ import main
from jaxloss.catalog import catalog

# The drawing knows a loss only by the domains of its arrays.
ONE_OF_EACH_KIND = {
    tuple(domain.name for domain in entry.arrays.values()): entry for entry in catalog()
}.values()


def test_list_names_every_loss(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {entry.name} " in shown and entry.summary in shown for entry in catalog())


def test_list_of_one_family(capsys):
    assert main(["list", "--family", "regression"]) == 0
    shown = capsys.readouterr().out
    assert "huber" in shown
    assert "hinge" not in shown


def test_show_tells_all(capsys):
    assert main(["show", "huber"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "jaxloss.huber(predictions, targets, *, delta=1.0)",
        "delta (|r| - delta / 2)",
        "predictions [...]: real numbers",
        "delta: a number > 0; default 1.0",
        "lipschitz: 1",
        "Use when",
        "Avoid when",
        "doi:10.1214/aoms/1177703732",
    ):
        assert part in shown


@pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)
def test_every_loss_can_be_shown(entry, capsys):
    assert main(["show", entry.name]) == 0
    assert entry.summary in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("entry", ONE_OF_EACH_KIND, ids=lambda entry: entry.name)
def test_every_kind_of_loss_can_be_drawn(entry, tmp_path):
    file = tmp_path / "shape.svg"
    assert main(["show", entry.name, "--plot", str(file)]) == 0
    assert file.read_text().count("<path") > 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "hubert"], "no loss `hubert`; the nearest are huber"),
        (["list", "--family", "margins"], "no family `margins`; the nearest are margin"),
        (["show", "huber", "--plot", "shape.nonsense"], "nonsense"),
        (["show", "huber", "--plot", "no/such/folder/shape.svg"], "no/such/folder"),
    ],
)
def test_mistakes_exit_with_2_and_a_hint(arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_help_teaches():
    """The help of the program shows what to type."""
    code = "import sys, jaxloss.__main__ as m; sys.argv[0] = 'jaxloss'; m.main(['--help'])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "jaxloss show huber --plot huber.svg" in shown.stdout
    for command in ("compare", "list", "show"):
        assert command in shown.stdout
