"""The public face: every loss keeps the rules of naming, signature, text and facts."""

import builtins
import importlib
import inspect
import math
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import LOSSES, PUBLIC

import jaxloss as jl
from jaxloss.catalog import (
    UnknownNameError,
    catalog,
    families,
    fields,
    look_up,
    markdown_table,
    migration_table,
    public_losses,
)
from jaxloss.core.loss import Distance, Margin

ROOT = Path(__file__).parents[1]
ENTRIES = catalog()
every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
SURVEYED = {
    "squared_error",
    "half_squared_error",
    "absolute_error",
    "huber",
    "smooth_l1",
    "pseudo_huber",
    "charbonnier",
    "log_cosh",
    "pinball",
    "expectile",
    "quantile_huber",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
    "lp",
    "cauchy",
    "geman_mcclure",
    "welsch",
    "tukey",
    "fair",
    "barron",
    "linex",
    "absolute_percentage_error",
    "symmetric_absolute_percentage_error",
    "squared_log_error",
    "cosine_similarity",
    "cosine_distance",
    "poisson_nll",
    "poisson_nll_with_log_rates",
    "gaussian_nll",
    "nll",
    "hinge",
    "squared_hinge",
    "cubed_hinge",
    "smoothed_hinge",
    "modified_huber",
    "logistic",
    "exponential",
    "perceptron",
    "ramp",
    "sigmoid_margin",
    "savage",
    "tangent",
    "squared_margin",
    "unhinged",
    "dwd",
    "sigmoid_binary_cross_entropy",
    "binary_cross_entropy",
    "softmax_cross_entropy",
    "softmax_cross_entropy_with_integer_labels",
    "categorical_cross_entropy",
    "crammer_singer",
    "weston_watkins",
    "kl_divergence",
    "kl_divergence_with_log_targets",
    "reverse_kl",
    "jensen_shannon",
    "cauchy_schwarz_divergence",
    "one_hot_absolute_error",
    "one_hot_squared_error",
    "expectation",
    "brier",
    "chebyshev",
    "squared_log",
    "tanimoto",
    "cauchy_schwarz",
}
SHAPE_FACTS = {"convex", "strictly_convex", "lipschitz", "smooth", "supremum"}


def test_nothing_of_the_survey_is_missing():
    assert public_losses().keys() >= SURVEYED


def test_the_catalog_is_what_is_exported():
    assert {entry.name for entry in ENTRIES} == {
        name for name, value in PUBLIC.items() if isinstance(value, jl.Loss)
    }
    exporting = {getattr(value, "__module__", "") for value in PUBLIC.values()}
    for path in (ROOT / "jaxloss/losses").rglob("[a-z]*.py"):
        assert ".".join(path.relative_to(ROOT).with_suffix("").parts) in exporting


@every_entry
def test_signature(entry):
    parameters = inspect.signature(entry.loss.function).parameters.values()
    positional = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    assert list(parameters)[: len(positional)] == positional
    assert all(p.default is p.empty for p in positional)
    for name, item in entry.hyperparameters.items():
        assert name not in {"axis", "reduction", "where", "eps", "name", "dtype"}
        assert item.default is None or type(item.default) is float, f"{name} is a flag or an int"
        assert item.default is None or item.domain.contains(jl.numerics.as_array(item.default))


@every_entry
def test_name(entry):
    assert entry.name == entry.loss.__name__ == entry.loss.__qualname__
    assert not entry.name.endswith("_loss")


@every_entry
def test_text(entry):
    assert re.fullmatch(r"[^\n]*\.", entry.summary), "one sentence on the first line"
    assert entry.formula
    assert entry.use_when.startswith("Use when ")
    assert entry.avoid_when.startswith("Avoid when ")
    assert re.search(r"doi:10\.\d{4,}/\S+|arXiv:\d{4}\.\d{4,5}|ISBN", entry.references)
    doc = inspect.getdoc(entry.loss)
    order = ["Args:", "Returns:", "Use when", "Avoid when", "Example:", "References:", "Raises:"]
    places = [doc.find(f"\n{title}") for title in order]
    assert -1 not in places, [t for t, p in zip(order, places, strict=True) if p == -1]
    assert places == sorted(places)
    documented = re.findall(r"(?m)^    (\w+):", doc[places[0] : places[1]])
    assert documented == list(inspect.signature(entry.loss).parameters)


@every_entry
def test_facts_are_claimed(entry):
    claimed = entry.facts.keys()
    wanted = {"convex"}
    if isinstance(entry.loss, Distance):
        wanted = SHAPE_FACTS | {"symmetric", "redescending"}
    if isinstance(entry.loss, Margin):
        wanted = SHAPE_FACTS | {"calibrated", "proper"}
        wanted |= {"link"} if entry.facts.get("proper") else set()
    assert claimed >= wanted


def test_the_readme_holds_the_tables_of_the_catalog():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert markdown_table() in readme
    assert migration_table() in readme


def test_what_is_offered_is_what_is_exported():
    """No helper, no import of our own and no private name stands beside the public ones."""
    offered = {name: getattr(jl, name) for name in dir(jl)}
    assert sorted(offered) == sorted([*jl.__all__, "mean"])
    assert [name for name, value in offered.items() if inspect.ismodule(value)] == ["domains"]
    assert not [name for name in offered if name.startswith("_")]


@pytest.mark.parametrize(
    "module", [builtins, math, np, jax, jnp, jax.nn, jax.scipy.special], ids=lambda x: x.__name__
)
def test_a_star_import_takes_no_name_away(module):
    """After `from jaxloss import *`, names that users have mean what they did."""
    starred: dict[str, object] = {}
    exec("from jaxloss import *", starred)
    del starred["__builtins__"]
    assert len(starred) > 100
    assert {name for name in starred if hasattr(module, name)} == set()


def test_the_public_modules_of_the_readme_are_there_and_explain_themselves():
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What is public")[2]
    named = re.findall(r"`(jaxloss(?:\.\w+)*)`", section.partition(";")[0])
    assert named[0] == "jaxloss"
    assert len(named) == 5
    for name in named:
        module = importlib.import_module(name)
        public = [getattr(module, key) for key in dir(module) if not key.startswith("_")]
        offered = [x for x in public if getattr(x, "__module__", "").startswith("jaxloss.")]
        assert offered
        assert all(inspect.getdoc(x) for x in offered if callable(x))


def test_import_is_lean():
    """`import jaxloss` loads jax, and none of the packages that only parts of it need."""
    code = "import sys, jaxloss; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    heavy = {"optax", "matplotlib", "sklearn", "scipy", "rich", "jinja2", "jaxloss.compare"}
    assert not heavy & set(loaded.stdout.split())


def test_losses_are_values():
    """A loss can be pickled, copied, hashed, and prints its signature."""
    import copy
    import pickle

    for loss in LOSSES.values():
        assert copy.deepcopy(loss) is loss
        assert hash(loss) == hash(loss)
        assert repr(loss).startswith(f"<loss {loss.__name__}(")
    for name, loss in public_losses().items():
        assert pickle.loads(pickle.dumps(loss)) is loss, name


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="the nearest are huber"):
        look_up("hubert")
    with pytest.raises(UnknownNameError, match="margin"):
        families("margins")


def test_the_catalog_is_grouped_by_the_folders_and_files_of_the_losses():
    """A field is a folder, a family one of its files, and each says in a sentence what it is."""
    grouped = fields()
    assert [x for field in grouped for family in field.families for x in family.entries] == ENTRIES
    assert [family for field in grouped for family in field.families] == families()
    for family in families():
        assert (ROOT / "jaxloss/losses" / family.field / f"{family.name}.py").exists()
    for group in (*grouped, *families()):
        assert re.fullmatch(r"[^\n]*\.", group.summary), group.name
    both = {(family.field, family.name) for family in families("robust")}
    assert both == {("margin", "robust"), ("regression", "robust")}
    assert {family.field for family in families("margin")} == {"margin"}


HELP = [
    ["--help"],
    *([command, "--help"] for command in ("compare", "tune", "list", "show", "bench")),
]


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_the_help_does_without_jax(words):
    watch = "import atexit, sys; atexit.register(lambda: print('jax' in sys.modules))"
    code = f"{watch}; from jaxloss.__main__ import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, *words]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stdout.endswith("False\n")
