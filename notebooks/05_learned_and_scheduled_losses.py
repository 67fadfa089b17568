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
# # Learned and scheduled losses
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxloss/jaxloss/blob/main/notebooks/05_learned_and_scheduled_losses.ipynb)
#
# Hyper-parameters and scales are leaves of an objective. So they can follow a schedule without
# compiling again, be swept in one program, and be trained beside the model by the same optimizer.

# %%
import functools

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import jaxloss as jl
from jaxloss import training

# %% [markdown]
# ## A schedule is a function from the step to an objective
#
# Graduated non-convexity (Blake & Zisserman 1987; Barron 2019): begin with squared error, which has
# one minimum, and let the loss forget outliers little by little. A step counts inside the compiled
# loop, and the objective is built from it there.

# %%
rng = np.random.default_rng(0)
x = jnp.asarray(rng.uniform(-2, 2, 200), jnp.float32)
y = 1.5 * x - 0.5 + jnp.asarray(rng.normal(0, 0.2, 200), jnp.float32)
y = y.at[:80].set(jnp.asarray(-2.5 * x[:80] + 3 + rng.normal(0, 0.2, 80), jnp.float32))


def line(params, x):
    """A straight line."""
    return params["slope"] * x + params["offset"]


def fit(objective_at, start, steps=1200):
    """Train a line under an objective for each step."""
    optimizer = optax.adam(0.05)

    def step(carry, count):
        params, state = carry
        bound = training.bind(objective_at(count), line)
        updates, state = optimizer.update(jax.grad(bound)(params, x, y), state)
        return (optax.apply_updates(params, updates), state), None

    carry = (start, optimizer.init(start))
    return jax.lax.scan(step, carry, jnp.arange(steps))[0][0]


flat = {"slope": jnp.zeros(()), "offset": jnp.zeros(())}
alpha = optax.linear_schedule(2.0, -4.0, transition_steps=600, transition_begin=300)
annealed = lambda count: jl.Objective(jl.barron, alpha=alpha(count), scale=0.3)
fixed = {
    "squared error": lambda _: jl.Objective(jl.half_squared_error),
    "Geman-McClure from the start": lambda _: jl.Objective(jl.geman_mcclure, scale=0.3),
    "annealed from one to the other": annealed,
}
starts = {"slope": jnp.array([0.0, -3.0]), "offset": jnp.array([0.0, 3.0])}
fits = {
    name: jax.jit(jax.vmap(functools.partial(fit, each)))(starts) for name, each in fixed.items()
}

# %% [markdown]
# Two fifths of the points belong to another line. From either of two starts, the annealed loss
# finds the line of the majority; the one that forgets from the beginning stays where it began.

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True, layout="constrained")
ends = jnp.array([-2.0, 2.0])
for i, (panel, start) in enumerate(
    zip(axes, ("from a flat line", "from the wrong line"), strict=True)
):
    panel.plot(x, y, ".", color="grey", alpha=0.4)
    for name, found in fits.items():
        panel.plot(ends, line(jax.tree.map(lambda p, i=i: p[i], found), ends), label=name)
    panel.set(title=start, xlabel="x")
axes[0].legend(fontsize=8)
# %% [markdown]
# ## A sweep is a `vmap`
#
# One compiled program fits fifty lines, one for each scale.

# %%
scales = jnp.logspace(-2, 2, 50)
sweep = jax.jit(
    jax.vmap(lambda c: fit(lambda _: jl.Objective(jl.pseudo_huber, delta=c), flat)["slope"])
)
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.plot(scales, sweep(scales))
axes.axhline(1.5, color="grey", lw=1)
axes.set(xscale="log", xlabel="delta of pseudo_huber", ylabel="slope that is found")
# %% [markdown]
# ## Learned robustness
#
# Left alone, a learned shape would forget everything, as that costs least. As the negative
# log-likelihood of a density, `barron_nll` must pay for its tails, and finds the shape and scale of
# the noise. `unconstrain` turns hyper-parameters into real numbers for the optimizer, and
# `constrain` brings them back into the domains that the signature declares: alpha in [0, 2],
# scale > 0.

# %%
likelihood = jl.Objective(jl.barron_nll, alpha=1.0, scale=1.0)
numbers = training.unconstrain(likelihood)
numbers


# %%
def centre(params, x):
    """A constant."""
    return jnp.full(x.shape, params["centre"])


def learn(noise):
    """The centre of a sample, and the shape and scale of its noise."""
    optimizer = optax.adam(0.05)

    def value(params):
        learned = training.constrain(likelihood, params["loss"])
        return training.bind(learned, centre)(params, noise, noise)

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.grad(value)(params), state)
        params = optax.apply_updates(params, updates)
        return (params, state), training.constrain(likelihood, params["loss"])

    start = {"centre": jnp.zeros(()), "loss": numbers}
    return jax.lax.scan(step, (start, optimizer.init(start)), length=800)


noises = {
    "Gaussian": rng.normal(size=2000),
    "Laplace": rng.laplace(size=2000),
    "Student, 2 degrees": rng.standard_t(2, size=2000),
    "Cauchy": rng.standard_cauchy(size=2000),
}
compiled = jax.jit(learn)
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
for name, noise in noises.items():
    (params, _), history = compiled(jnp.asarray(noise, jnp.float32))
    found = history.named["barron_nll"].traced
    axes.plot(found["alpha"], label=name)
    print(f"{name:20} alpha {found['alpha'][-1]:.2f}   scale {found['scale'][-1]:.2f}")
axes.set(xlabel="step", ylabel="learned alpha", ylim=(0, 2))
axes.legend()
# %% [markdown]
# ## Learned scales of several terms
#
# Two targets in different units, of which the one with the large numbers is also the noisier one:
# it is all that the sum of squared errors sees. Weighed by uncertainties that are learned (Kendall,
# Gal & Cipolla 2018, arXiv:1705.07115), each ends with the spread of its own noise, 0.1 and 80.

# %%
inputs = jnp.asarray(rng.normal(size=(300, 3)), jnp.float32)
truth = jnp.array([1.0, -2.0, 0.5])
clean = inputs @ truth
targets = {
    "metres": clean + jnp.asarray(rng.normal(0, 0.1, 300), jnp.float32),
    "inches": 39.4 * clean + jnp.asarray(rng.normal(0, 80, 300), jnp.float32),
}
half = jl.Objective(jl.half_squared_error)
both = training.bind(
    half.at("metres") + half.at("inches"),
    lambda w, x: {"metres": x @ w, "inches": 39.4 * (x @ w)},
)


def train(value, params, steps=3000):
    """Adam on a function of the parameters."""
    optimizer = optax.adam(0.03, b2=0.99)

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(jax.grad(value)(params), state)
        return (optax.apply_updates(params, updates), state), None

    return jax.jit(lambda p: jax.lax.scan(step, (p, optimizer.init(p)), length=steps)[0][0])(params)


def weighed(params):
    """Both terms under their learned variances."""
    terms = both.per_term(params["w"], inputs, targets)
    return training.uncertainty_weighted(terms, params["log_variances"])


plain = train(lambda w: both(w, inputs, targets), jnp.zeros(3))
found = train(weighed, {"w": jnp.zeros(3), "log_variances": jnp.zeros(2)})
print("error of the plain sum    ", f"{jnp.linalg.norm(plain - truth):.3f}")
print("error of the learned sum  ", f"{jnp.linalg.norm(found['w'] - truth):.3f}")
print("learned standard deviations", np.exp(found["log_variances"] / 2).round(2))
