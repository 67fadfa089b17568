"""The command line, as a user calls it."""

import codecs
import errno
import os
import re
import subprocess
import sys

import pytest

from jaxloss.__main__ import main
from jaxloss.catalog import catalog
from jaxloss.cli.legible import spelt

# The drawing knows a loss only by the domains of its arrays.
ONE_OF_EACH_KIND = {tuple(entry.arrays.values()): entry for entry in catalog()}.values()


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
        (["show", "mse"], "no loss `mse`; see `jl.squared_error`, one value per example"),
        (["show", "mse"], "PyTorch: mse_loss(predictions, targets) is jl.squared_error("),
        (["list", "--family", "margins"], "no family `margins`; the nearest are margin"),
        (["show", "huber", "--plot", "shape.nonsense"], "nonsense"),
        (["show", "huber", "--plot", "no/such/folder/shape.svg"], "no/such/folder"),
        (["list", "--into", "README.md", "--family", "margin"], "leave out --family"),
        (["list", "--into", "nowhere.md"], "no file 'nowhere.md'; a table goes between `<!-- los"),
        (["list", "--into", "."], "directory"),
    ],
)
def test_mistakes_exit_with_2_and_a_hint(arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["compare", "bench", "show"])
def test_an_interruption_while_packages_are_imported_is_no_traceback(command, monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"jaxloss.cli.{command}.run", interrupted)
    words = {"compare": [], "bench": [], "show": ["huber"]}[command]
    assert main([command, *words]) == 130
    assert capsys.readouterr().err == "jaxloss: interrupted\n"


def test_help_teaches():
    """The help of the program shows what to type."""
    code = "import sys, jaxloss.__main__ as m; sys.argv[0] = 'jaxloss'; m.main(['--help'])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "jaxloss show huber --plot huber.svg" in shown.stdout
    for command in ("compare", "list", "show"):
        assert command in shown.stdout


BEFORE, BETWEEN, AFTER = "# Títle\n\n", "\n\nmore\n", "\nthe end"


def marked(name, text="old"):
    return f"<!-- {name} -->{text}<!-- /{name} -->"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["plain", "BOM"])
def test_tables_go_between_their_markers_and_all_else_stays(newline, mark, tmp_path):
    file = tmp_path / "text.md"
    parts = [part.replace("\n", newline) for part in (BEFORE, BETWEEN, AFTER)]
    first, second = marked("losses", " old\n"), marked("peers")
    file.write_bytes(mark + f"{parts[0]}{first}{parts[1]}{second}{parts[2]}".encode())
    file.chmod(0o640)
    for _ in range(2):  # the second time, nothing changes
        assert main(["list", "--into", str(file)]) == 0
        content = file.read_bytes()
        assert content.startswith(mark)
        text = content[len(mark) :].decode()
        assert re.sub(r"(<!-- (\w+) -->).*?(<!-- /\2 -->)", r"\1\3", text, flags=re.DOTALL) == (
            f"{parts[0]}{marked('losses', '')}{parts[1]}{marked('peers', '')}{parts[2]}"
        )
        assert f"| `huber` | {catalog_line('huber')} |" in text
        assert text.count("\n") == text.count(newline)
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["text.md"]


def catalog_line(name):
    return next(entry.summary for entry in catalog() if entry.name == name)


def test_one_of_the_tables_may_stand_alone_and_links_stay_links(tmp_path):
    file, link = tmp_path / "text.md", tmp_path / "link.md"
    file.write_text(f"a {marked('peers')} b")
    link.symlink_to(file)
    assert main(["list", "--into", str(link)]) == 0
    assert link.is_symlink()
    text = file.read_text()
    assert text.startswith("a <!-- peers -->\n| library |")
    assert text.endswith("|\n<!-- /peers --> b")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a\n<!-- losses -->\nall\nof it", 2, "`<!-- losses -->` is not closed"),
        ("a\n<!-- losses -->\n<!-- peers -->\n<!-- /peers -->", 2, "is not closed before `<!-- p"),
        ("<!-- losses -->\n<!-- losses -->\n<!-- /losses -->", 1, "is not closed before `<!-- l"),
        ("<!-- /losses -->\n<!-- losses -->", 1, "closes what was not opened"),
        (f"{marked('losses')}\n<!-- /losses -->", 2, "closes what was not opened"),
        (f"{marked('peers')}\n\n{marked('peers')}", 3, "is there twice"),
        ("<!-- losses --><!-- peers -->\n<!-- /losses --><!-- /peers -->", 1, "is not closed be"),
        (f"{marked('losses')}\n<!-- peers -->", 2, "is not closed"),
        ("# nothing\n<!-- loss -->", None, "has no markers"),
        ("", None, "has no markers"),
        (b"a\nb\n\xe9 <!-- losses --> <!-- /losses -->", 3, "is no UTF-8"),
    ],
)
def test_a_file_whose_markers_are_no_pairs_is_refused_and_left_alone(
    text, line, says, tmp_path, capsys
):
    file = tmp_path / "text.md"
    content = text if isinstance(text, bytes) else text.encode()
    file.write_bytes(content)
    assert main(["list", "--into", str(file)]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert f"text.md, line {line}: " in said if line else str(file) in said
    assert "a table goes between `<!-- losses -->`" in said or "save it" in said
    assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, capsys, monkeypatch):
    file = tmp_path / "text.md"
    file.write_text(marked("losses"))

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["list", "--into", str(file)]) == 2
    said = capsys.readouterr().err
    assert os.strerror(errno.ENOSPC) in said
    assert str(file) in said
    assert file.read_text() == marked("losses")
    assert list(tmp_path.iterdir()) == [file]


def test_a_disk_that_is_full_leaves_the_drawing_as_it_was(tmp_path, monkeypatch, capsys):
    file = tmp_path / "shape.svg"
    file.write_text("drawn before")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert main(["show", "huber", "--plot", str(file)]) == 2
    said = capsys.readouterr().err
    assert os.strerror(errno.ENOSPC) in said
    assert str(file) in said
    assert file.read_text() == "drawn before"
    assert list(tmp_path.iterdir()) == [file]


# terminals

OLD = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_what_a_terminal_cannot_show_is_written_in_other_words(encoding):
    """All that `list` and `show` print of the catalog, in one process."""
    code = (
        "import sys, jaxloss.__main__ as m\nfrom jaxloss.catalog import public_losses\n"
        "sys.exit(m.main(['list']) or any(m.main(['show', x]) for x in public_losses()))"
    )
    environment, words = {**os.environ, **OLD, "PYTHONIOENCODING": encoding}, [sys.executable, "-c"]
    done = subprocess.run([*words, code], capture_output=True, env=environment, check=True)
    shown = done.stdout.decode(encoding)
    assert "\\" not in shown.replace("\\0", "")
    assert ("r^2 / 2 " if encoding == "ascii" else "r² / 2 ") in shown
    assert ("->" if encoding != "utf-8" else "→") in shown


def test_a_name_that_no_text_can_hold_is_escaped(tmp_path):
    words = [sys.executable, "-m", "jaxloss", "list", "--into", b"\xff\xe9"]
    done = subprocess.run(words, capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert b"there is no file" in done.stderr


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("ρ² ± Lovász", "rho^2 +- Lovasz"),
        ("\N{MINUS SIGN}0.5 — ∞", "-0.5 - inf"),
        ("xᵢ → Σ√ψ", "x_i -> sum sqrt psi"),
        ("漢½\udcff", "\\u6f22\\xbd\\udcff"),
    ],
)
def test_other_words_are_those_a_reader_would_choose(text, plain):
    assert "".join(map(spelt, text)) == plain
