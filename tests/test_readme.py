"""The README: its examples run, and its recipe for adding a loss works to the letter."""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_examples_run():
    """All but the recipe's, whose loss does not exist until the recipe is followed."""
    examples = (ROOT / "README.md").read_text().partition("## Adding a loss")[0]
    found = doctest.DocTestParser().get_doctest(examples, {}, "README.md", "README.md", 0)
    assert len(found.examples) > 10
    assert doctest.DocTestRunner().run(found).failed == 0


@pytest.mark.slow
def test_one_function_and_one_line_pass_every_law(tmp_path):
    for folder in ("jaxloss", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path)

    recipe = (ROOT / "README.md").read_text().partition("## Adding a loss")[2]
    function, export = BLOCK.findall(recipe)[:2]
    for file, block in (("losses/regression/huber.py", function), ("__init__.pyi", export)):
        with (tmp_path / "jaxloss" / file).open("a") as module:
            module.write(f"\n\n{block}")

    def run(*command):
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )

    assert run("jaxloss", "list", "--into", "README.md").returncode == 0
    assert "| `berhu` |" in (tmp_path / "README.md").read_text()
    files = [f"tests/test_{name}.py" for name in ("api", "bench", "cli", "facts", "laws", "memory")]
    files.append("jaxloss/losses/regression/huber.py")
    all_of_it = ["-k", "berhu or holds_the_tables", "-m", "slow or not slow"]
    for flags, least in (([], 31), (["--default-flags"], 1)):  # memory is that of users' programs
        laws = run("pytest", *files, *all_of_it, *flags, "-q", "-n", "0")
        assert laws.returncode == 0, laws.stdout
        assert int(re.search(r"(\d+) passed", laws.stdout)[1]) >= least
