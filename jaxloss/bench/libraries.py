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
    """Those that can be measured here; the plain form always can."""
    return [name for name in LIBRARIES if name == "plain" or importlib.util.find_spec(name)]


def version(name: str) -> str:
    """The version of a package, or nothing where it is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def namespace(library: str) -> dict[str, Any]:
    """What the names of functions in a call of this library stand for."""
    if library == "torch":
        torch = importlib.import_module("torch")
        functions = vars(importlib.import_module("torch.nn.functional"))
        return {**functions, "torch": torch, "ssim": references.ssim}
    if library == "keras":
        os.environ["KERAS_BACKEND"] = "jax"  # read where Keras is first imported
    module = {"optax": "optax.losses", "keras": "keras.losses", "plain": references.__name__}
    functions = vars(importlib.import_module(module.get(library, library)))
    return {"jax": jax, "jnp": jnp, **functions}
