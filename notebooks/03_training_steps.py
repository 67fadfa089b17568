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
# # Training steps in four frameworks
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxloss/jaxloss/blob/main/notebooks/03_training_steps.ipynb)
#
# An objective knows nothing of models, a model nothing of losses. `training.bind` joins the two
# into one function of the parameters, and every framework differentiates that function in its own
# way. Here the same model learns the same digits in Flax NNX, Flax Linen, Haiku and Equinox; only
# the idiom differs.

# %%
import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx
from flax.training.train_state import TrainState
from sklearn.datasets import load_digits

import jaxloss as jl
from jaxloss import training

# %% [markdown]
# ## Data with holes
#
# Eight by eight pixels, ten classes. A fifth of the labels are unknown: they hold -1, which is no
# class, and a mask says so. Beside the class the model is to rebuild the image, with a weight for
# each image.

# %%
images, labels = load_digits(return_X_y=True)
images, labels = (images / 16).astype(np.float32), labels.astype(np.int32)
train, test = slice(0, 1400), slice(1400, None)
rng = np.random.default_rng(0)
known = rng.random(1400) > 0.2
batch = {
    "inputs": images[train],
    "targets": {"logits": np.where(known, labels[train], -1), "image": images[train]},
    "where": {"logits": known},
    "weights": {"image": rng.uniform(0.5, 1.5, 1400).astype(np.float32)},
}

# %% [markdown]
# ## One objective
#
# A sum of two terms, each on its part of the predictions.

# %%
classes = jl.Objective(jl.softmax_cross_entropy_with_integer_labels, label_smoothing=0.05)
rebuilt = jl.Objective(jl.squared_error)
objective = classes.at("logits") + 0.1 * rebuilt.at("image")
objective

# %%
STEPS, HIDDEN = 150, 32
optimizer = optax.adam(1e-2)
histories = {}


def accuracy(logits):
    """On the digits that were not trained on."""
    return float(np.mean(np.argmax(logits, -1) == labels[test]))


# %% [markdown]
# ## Flax NNX
#
# Models are objects. `nnx.value_and_grad` takes a function of the model; `with_terms` gives, beside
# the value, each term's average for the log.


# %%
class Model(nnx.Module):
    """One hidden layer, two heads."""

    def __init__(self, rngs):
        """Three linear layers."""
        self.hidden = nnx.Linear(64, HIDDEN, rngs=rngs)
        self.classes, self.image = (nnx.Linear(HIDDEN, n, rngs=rngs) for n in (10, 64))

    def __call__(self, images):
        """Logits, and the image rebuilt."""
        hidden = nnx.relu(self.hidden(images))
        return {"logits": self.classes(hidden), "image": self.image(hidden)}


model = Model(nnx.Rngs(0))
state = nnx.Optimizer(model, optimizer, wrt=nnx.Param)
bound = training.bind(objective, lambda model, images: model(images))


@nnx.jit
def step(model, state, batch):
    """One update in place, and what to log."""
    value_of = lambda model: bound.with_terms(model, **batch)
    (value, outcome), grads = nnx.value_and_grad(value_of, has_aux=True)(model)
    state.update(model, grads, value=value)
    return {name: average.value for name, average in outcome.terms.items()}


histories["Flax NNX"] = [step(model, state, batch) for _ in range(STEPS)]
print(f"accuracy {accuracy(model(images[test])['logits']):.3f}")

# %% [markdown]
# ## Flax Linen
#
# Models are functions of parameters, and `model.apply` is what `bind` wants.


# %%
class Network(nn.Module):
    """The same in Linen."""

    @nn.compact
    def __call__(self, images):
        """Logits, and the image rebuilt."""
        hidden = nn.relu(nn.Dense(HIDDEN)(images))
        return {"logits": nn.Dense(10)(hidden), "image": nn.Dense(64)(hidden)}


network = Network()
params = network.init(jax.random.key(0), images[:1])
state = TrainState.create(apply_fn=network.apply, params=params, tx=optimizer)
bound = training.bind(objective, network.apply)


@jax.jit
def step(state, batch):
    """The next state, and what to log."""
    grads, outcome = jax.grad(bound.with_terms, has_aux=True)(state.params, **batch)
    terms = {name: average.value for name, average in outcome.terms.items()}
    return state.apply_gradients(grads=grads), terms


histories["Flax Linen"] = []
for _ in range(STEPS):
    state, terms = step(state, batch)
    histories["Flax Linen"].append(terms)
print(f"accuracy {accuracy(network.apply(state.params, images[test])['logits']):.3f}")

# %% [markdown]
# ## Haiku


# %%
def forward(images):
    """The same in Haiku."""
    hidden = jax.nn.relu(hk.Linear(HIDDEN)(images))
    return {"logits": hk.Linear(10)(hidden), "image": hk.Linear(64)(hidden)}


network = hk.without_apply_rng(hk.transform(forward))
params = network.init(jax.random.key(0), images[:1])
bound = training.bind(objective, network.apply)


@jax.jit
def step(params, state, batch):
    """The next parameters and state, and what to log."""
    grads, outcome = jax.grad(bound.with_terms, has_aux=True)(params, **batch)
    updates, state = optimizer.update(grads, state)
    terms = {name: average.value for name, average in outcome.terms.items()}
    return optax.apply_updates(params, updates), state, terms


state, histories["Haiku"] = optimizer.init(params), []
for _ in range(STEPS):
    params, state, terms = step(params, state, batch)
    histories["Haiku"].append(terms)
print(f"accuracy {accuracy(network.apply(params, images[test])['logits']):.3f}")

# %% [markdown]
# ## Equinox
#
# Models are trees and act on one example: `vmap` is part of what is bound.


# %%
class Tree(eqx.Module):
    """The same in Equinox."""

    hidden: eqx.nn.Linear
    classes: eqx.nn.Linear
    image: eqx.nn.Linear

    def __init__(self, key):
        """Three linear layers."""
        keys = jax.random.split(key, 3)
        self.hidden = eqx.nn.Linear(64, HIDDEN, key=keys[0])
        self.classes = eqx.nn.Linear(HIDDEN, 10, key=keys[1])
        self.image = eqx.nn.Linear(HIDDEN, 64, key=keys[2])

    def __call__(self, image):
        """Logits of one image, and the image rebuilt."""
        hidden = jax.nn.relu(self.hidden(image))
        return {"logits": self.classes(hidden), "image": self.image(hidden)}


tree = Tree(jax.random.key(0))
bound = training.bind(objective, lambda tree, images: jax.vmap(tree)(images))


@eqx.filter_jit
def step(tree, state, batch):
    """The next tree and state, and what to log."""
    (_, outcome), grads = eqx.filter_value_and_grad(bound.with_terms, has_aux=True)(tree, **batch)
    updates, state = optimizer.update(grads, state)
    terms = {name: average.value for name, average in outcome.terms.items()}
    return eqx.apply_updates(tree, updates), state, terms


state, histories["Equinox"] = optimizer.init(eqx.filter(tree, eqx.is_array)), []
for _ in range(STEPS):
    tree, state, terms = step(tree, state, batch)
    histories["Equinox"].append(terms)
print(f"accuracy {accuracy(jax.vmap(tree)(images[test])['logits']):.3f}")

# %% [markdown]
# ## Both terms, in all four

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for name, history in histories.items():
    for panel, term in zip(axes, history[0], strict=True):
        panel.plot([float(terms[term]) for terms in history], label=name)
        panel.set(title=term.partition(".")[0], xlabel="step", yscale="log")
axes[0].legend()
# %% [markdown]
# ## Optimizers that want the value
#
# A bound objective is a bare scalar function, so L-BFGS and line searches call it themselves.

# %%
network = Network()
bound = training.bind(objective, network.apply)
lbfgs = optax.lbfgs()
evaluate = optax.value_and_grad_from_state(bound)


@jax.jit
def step(params, state):
    """One step of L-BFGS, which calls the bound objective along its line search."""
    value, grad = evaluate(params, **batch, state=state)
    updates, state = lbfgs.update(
        grad, state, params, value=value, grad=grad, value_fn=bound, **batch
    )
    return optax.apply_updates(params, updates), state, value


params = network.init(jax.random.key(0), images[:1])
state = lbfgs.init(params)
for i in range(41):
    params, state, value = step(params, state)
    if i % 10 == 0:
        print(f"step {i:3}   value {value:.4f}")

# %% [markdown]
# ## Micro-batches, exactly
#
# Of what does not fit into memory at once, `training.accumulate` takes a part at a time. With masks
# the parts are unequal, and the mean of their means is wrong; the sum of their shares is the value.

# %%
value, slope = jax.jit(training.accumulate(bound, 7))(params, **batch)
whole, whole_slope = jax.jit(jax.value_and_grad(bound))(params, **batch)
print(f"by parts {value:.6f}, at once {whole:.6f}")
gap = jax.tree.map(lambda a, b: jnp.max(jnp.abs(a - b)), slope, whole_slope)
print(f"largest difference of a gradient {max(jax.tree.leaves(gap)):.1e}")
