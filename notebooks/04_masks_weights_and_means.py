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
# # Masks, weights and means
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxloss/jaxloss/blob/main/notebooks/04_masks_weights_and_means.ipynb)
#
# Most wrong numbers in training come from the same few lines: a mask that is multiplied, a mean
# that is divided twice, a mean of means. This notebook breaks each of them the usual way, and
# shows what an objective does instead.

# %%
import functools
import operator

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jaxloss as jl
from jaxloss import training

# %% [markdown]
# ## A product with 0 does not hide NaN
#
# The third target is missing. Multiplying by the mask keeps its NaN, and selecting after the loss
# keeps it in the gradient, as the slope of what was not selected is 0 times NaN.

# %%
predictions = jnp.array([1.0, 2.0, 3.0])
targets = jnp.array([1.5, 1.0, jnp.nan])
where = jnp.array([True, True, False])

multiplied = lambda p: jnp.sum(where * jnp.sqrt(jnp.abs(p - targets)))
selected = lambda p: jnp.sum(jnp.where(where, jnp.sqrt(jnp.abs(p - targets)), 0))
print("multiplied", multiplied(predictions), jax.grad(multiplied)(predictions))
print("selected  ", selected(predictions), jax.grad(selected)(predictions))

# %% [markdown]
# An objective makes the inputs harmless *before* the loss and selects after it: nothing behind the
# mask is seen, in value or gradient, whatever it holds.

# %%
error = jl.Objective(jl.lp, p=1.2)
jax.value_and_grad(error)(predictions, targets, where=where)

# %% [markdown]
# ## Weights are arithmetic, masks are not
#
# A weight of 0 is a number: its example costs nothing, but its slope in the weight is alive, as
# learned weights need. So it cannot hide a NaN; a mask does.

# %%
known = jnp.array([1.5, 1.0, 9.0])
jax.grad(lambda w: error(predictions, known, weights=w))(jnp.array([1.0, 1.0, 0.0]))

# %%
error(predictions, targets, weights=jnp.array([1.0, 1.0, 0.0]))

# %% [markdown]
# ## Which mean?
#
# Two sequences: one has four tokens that count, the other one. The default mean counts every token
# the same. Others are reductions by name.

# %%
tokens = jnp.array([[1.0, 1.0, 1.0, 1.0], [6.0, 0.0, 0.0, 0.0]])
counts = jnp.array([[1, 1, 1, 1], [1, 0, 0, 0]], bool)
reductions = [jl.mean, jl.mean_of_sequences, jl.mean_by_batch, jl.total]
for reduction in reductions:
    objective = jl.Objective(jl.absolute_error, reduction=reduction)
    value = objective(tokens, jnp.zeros((2, 4)), where=counts)
    print(f"{reduction.__name__:20} {float(value):.2f}")

# %% [markdown]
# In a packed row the sequences are segments, and `segment_weights` makes each count the same.

# %%
packed, segments = jnp.array([1.0, 1.0, 1.0, 1.0, 6.0]), jnp.array([0, 0, 0, 0, 1])
jl.Objective(jl.absolute_error)(packed, jnp.zeros(5), weights=jl.segment_weights(segments))

# %% [markdown]
# A mean of nothing is 0, with gradient 0: a batch without a single known label trains nothing, and
# breaks nothing.

# %%
nothing = jnp.zeros(3, bool)
jax.value_and_grad(jl.Objective(jl.squared_error))(predictions, targets, where=nothing)

# %% [markdown]
# ## The mean of means is another number
#
# Sixty-four examples in eight micro-batches, of which fewer and fewer are masked. The mean of the
# micro-batches' means weighs an example of a nearly empty one many times over.

# %%
rng = np.random.default_rng(0)
x = jnp.asarray(rng.normal(size=64), jnp.float32)
y = 2 * x + 1 + jnp.asarray(rng.normal(size=64) * np.linspace(3, 0.1, 64), jnp.float32)
counted = jnp.asarray(rng.random(64) < np.linspace(0.05, 1, 64))
bound = training.bind(jl.Objective(jl.squared_error), lambda w, x: w[0] * x + w[1])
w = jnp.zeros(2)

parts = [slice(i, i + 8) for i in range(0, 64, 8)]
means = [bound(w, x[p], y[p], where=counted[p]) for p in parts]
print(f"mean of means {sum(means) / 8:.4f}")
print(f"whole batch   {bound(w, x, y, where=counted):.4f}")

# %% [markdown]
# `terms` gives a mean before its division: totals and masses add up, and one division ends it.

# %%
terms = [bound.with_terms(w, x[p], y[p], where=counted[p])[1].terms for p in parts]
added = functools.reduce(operator.add, [each["squared_error"] for each in terms])
print(f"added up      {added.value:.4f}   from {int(added.mass)} examples")

# %% [markdown]
# For gradients it is the same: `masses` counts first, without running the model, and the `share` of
# each micro-batch adds up to the objective. `accumulate` does both in a scan.

# %%
masses = bound.masses(w, x, y, where=counted)
shares = [jax.grad(bound.share)(w, x[p], y[p], masses, where=counted[p]) for p in parts]
print("sum of shares", sum(shares))
print("accumulate   ", training.accumulate(bound, 8)(w, x, y, where=counted)[1])
print("whole batch  ", jax.grad(bound)(w, x, y, where=counted))

# %% [markdown]
# And it matters for what is learned: gradient descent along either gradient ends at another line.


# %%
def descend(gradient):
    """A hundred steps along a gradient, and the offset on the way."""
    step = lambda w, _: (w - 0.1 * gradient(w), w[1])
    return jax.lax.scan(step, jnp.zeros(2), length=100)[1]


folded = [a.reshape(8, 8) for a in (x, y, counted)]
naive = lambda w: jnp.mean(jax.vmap(lambda a, b, m: jax.grad(bound)(w, a, b, where=m))(*folded), 0)
exact = lambda w: training.accumulate(bound, 8)(w, x, y, where=counted)[1]
figure, axes = plt.subplots(figsize=(5, 3), layout="constrained")
axes.plot(
    descend(lambda w: jax.grad(bound)(w, x, y, where=counted)), "k:", lw=3, label="whole batch"
)
axes.plot(descend(naive), label="mean of means")
axes.plot(descend(exact), label="sum of shares")
axes.set(xlabel="step", ylabel="offset")
axes.legend()
# %% [markdown]
# ## Masks inside a loss
#
# A loss that couples examples, such as one over pairs or lists, must know the mask itself: a hidden
# item is in no pair. The same `where` serves; the objective passes it on.

# %%
scores = jnp.array([[2.0, 1.0, 9.0]])
relevance = jnp.array([[1.0, 0.0, 0.0]])
listed = jnp.array([[True, True, False]])
ranking = jl.Objective(jl.ranking_softmax)
print("all three items", ranking(scores, relevance))
print("third hidden   ", ranking(scores, relevance, where=listed))
print("only two items ", ranking(scores[:, :2], relevance[:, :2]))
