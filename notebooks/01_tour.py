# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A tour of jaxloss
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxloss/jaxloss/blob/main/notebooks/01_tour.ipynb)
#
# A **loss** is a pure function from predictions and targets to one value per example. An
# **objective** is what is minimised: a weighted sum of reduced losses, with masks and weights.
# This notebook shows both on a small regression with bad data, and then what is known of each
# loss.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import jaxloss as jl

# %% [markdown]
# ## A loss is one value per example
#
# Compiled, differentiable, and strict about what it is given.

# %%
errors = jnp.linspace(-6, 6, 401)
names = ["half_squared_error", "huber", "cauchy", "tukey"]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for name in names:
    loss = getattr(jl, name)
    left.plot(errors, loss(errors, jnp.zeros_like(errors)), label=name)
    right.plot(errors, jax.vmap(jax.grad(loss))(errors, jnp.zeros_like(errors)), label=name)
left.set(title="loss", xlabel="prediction - target", ylim=(0, 8))
right.set(title="influence: its slope", xlabel="prediction - target", ylim=(-4, 4))
right.legend()
# %%
try:
    jl.huber(jnp.ones((4, 1)), jnp.ones(4))
except ValueError as error:
    print(error)

# %% [markdown]
# A label that is no class makes NaN, in the value and in the gradient, instead of a number that
# looks right.

# %%
logits = jnp.array([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5]])
jl.softmax_cross_entropy_with_integer_labels(logits, jnp.array([0, 3]))

# %% [markdown]
# ## Bad data: outliers and holes
#
# A line, seen through noise. One target in six is far off, and some are missing altogether: NaN.

# %%
rng = np.random.default_rng(0)
x = jnp.asarray(rng.uniform(-2, 2, 120), jnp.float32)
y = 1.5 * x - 0.5 + jnp.asarray(rng.normal(0, 0.3, 120), jnp.float32)
y = y.at[::6].set(8.0)
y = y.at[3::20].set(jnp.nan)
known = ~jnp.isnan(y)


def line(parameters, x):
    """A straight line."""
    return parameters["slope"] * x + parameters["offset"]


def fit(objective, steps=400):
    """Minimise an objective over the line, with what is known."""
    optimizer = optax.adam(0.05)
    parameters = {"slope": jnp.zeros(()), "offset": jnp.zeros(())}

    def step(carry, _):
        parameters, state = carry
        gradient = jax.grad(lambda p: objective(line(p, x), y, where=known))(parameters)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(parameters, updates), state), None

    (parameters, _), _ = jax.lax.scan(step, (parameters, optimizer.init(parameters)), None, steps)
    return parameters


# %% [markdown]
# The true line has slope 1.5 and offset -0.5. The holes do no harm to any loss; the outliers do,
# to those whose influence grows.

# %%
fits = {name: fit(jl.Objective(getattr(jl, name))) for name in names}
for name, found in fits.items():
    print(f"{name:20} slope {found['slope']:5.2f}   offset {found['offset']:5.2f}")

# %%
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
axes.plot(x, y, ".", color="grey", alpha=0.5)
ends = jnp.array([-2.0, 2.0])
for name, found in fits.items():
    axes.plot(ends, line(found, ends), label=name)
axes.legend()
axes.set(xlabel="x", ylabel="y")
# %% [markdown]
# ## Objectives are an algebra
#
# They add and scale, they print as they are written, and they are pytrees: the scales and the
# hyper-parameters are leaves.

# %%
objective = 0.7 * jl.Objective(jl.huber, delta=1.0) + 0.3 * jl.Objective(jl.log_cosh)
objective

# %%
predictions = line(fits["huber"], x)
jax.grad(lambda o: o(predictions, y, where=known))(objective)

# %% [markdown]
# So a hyper-parameter can be swept with `vmap`, in one compiled program and without a
# recompilation:

# %%
deltas = jnp.array([0.1, 0.3, 1.0, 3.0, 10.0])
slopes = jax.vmap(lambda delta: fit(jl.Objective(jl.huber, delta=delta))["slope"])(deltas)
for delta, slope in zip(deltas, slopes, strict=True):
    print(f"delta {delta:5.1f}   slope {slope:.2f}")

# %% [markdown]
# `terms` gives each term before its division. Such averages add up exactly, however unequal the
# parts.

# %%
parts = [slice(0, 50), slice(50, 120)]
averages = [
    jl.Objective(jl.huber).terms(predictions[p], y[p], where=known[p])["huber"] for p in parts
]
whole = jl.Objective(jl.huber)(predictions, y, where=known)
print(f"of the parts {(averages[0] + averages[1]).value:.6f}, of the whole {whole:.6f}")
print(f"mean of means {sum(a.value for a in averages) / 2:.6f}")

# %% [markdown]
# ## What is known of a loss
#
# Facts are data, functions of the hyper-parameters where they depend on them, and each is derived
# again by the tests of the library.

# %%
jl.huber.facts.at(delta=2.0)

# %%
from jaxloss.catalog import catalog

robust = [
    entry.name
    for entry in catalog()
    if entry.facts.get("redescending") and not entry.facts["convex"]
]
print("forget outliers, and are not convex:", ", ".join(robust))

# %% [markdown]
# On the command line, `jaxloss list` shows all of them, `jaxloss show huber --plot huber.svg`
# one, and `jaxloss compare` trains with many of them and says which differences are real.
