"""The other libraries: which are installed, in which version, and what their calls mean."""

import importlib
import importlib.metadata
import importlib.util
import os
from typing import Any

import jax
import jax.numpy as jnp

from jaxloss.bench import references

LIBRARIES = ("optax", "keras", "torch", "tokamax", "plain")


def installed() -> list[str]:
    """Those that can be measured here; the textbook formula always can."""
    # Found and not imported: importing PyTorch or Keras takes long, and not all are asked for.
    return [name for name in LIBRARIES if name == "plain" or importlib.util.find_spec(name)]


def version(name: str) -> str:
    """The version of a package, or nothing if there is no such package."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def namespace(library: str) -> dict[str, Any]:
    """The functions that a call of this library names."""
    if library == "torch":
        torch = importlib.import_module("torch")
        functions = vars(importlib.import_module("torch.nn.functional"))
        return {**functions, "torch": torch, "ssim": references.ssim}
    if library == "keras":
        os.environ["KERAS_BACKEND"] = "jax"  # read where Keras is first imported
    module = {"optax": "optax.losses", "keras": "keras.losses", "plain": references.__name__}
    functions = vars(importlib.import_module(module.get(library, library)))
    return {"jax": jax, "jnp": jnp, **functions}
