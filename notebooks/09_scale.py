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
# # Scale: the same losses on many devices
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxloss/jaxloss/blob/main/notebooks/09_scale.ipynb)
#
# Batches, classes and sets of embeddings outgrow one device. Every loss here is written so that
# XLA can spread it; a few have a form for `jax.shard_map`, where the program says what is
# communicated. This notebook cuts a CPU into eight devices, which costs nothing and shows all of
# it: which number comes out, what is sent, and what each device has to hold.

# %%
import re

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.sharding import AxisType, NamedSharding

import jaxloss as jl
from jaxloss.bench.hlo import HloProgram
from jaxloss.bench.hlo_traffic import received

jax.config.update("jax_num_cpu_devices", 8)  # before anything is computed
DEVICES = 8
mesh = jax.make_mesh((DEVICES,), ("devices",), axis_types=(AxisType.Auto,))
rows, columns, everywhere = jax.P("devices"), jax.P(None, "devices"), jax.P()


def placed(x, spec):
    """The array, spread over the mesh."""
    return jax.device_put(x, NamedSharding(mesh, spec))


def collectives(compiled):
    """What a compiled program communicates: each kind of message, with shapes."""
    found = re.findall(
        r"= (.*?) (all-\w+|reduce-scatter|collective-permute)(?:-start)?\(", compiled.as_text()
    )
    return [f"{kind}: {re.sub(r'{[^}]*}', '', shape)}" for shape, kind in found]


# %% [markdown]
# ## Nothing to change under `jit`
#
# Give a loss arrays that are spread, and it runs spread. Here the classes are: each device has an
# eighth of the logits of every example. Only numbers of single examples travel, in the value and
# in the gradient: a maximum, sums, the label's logit. The logits, and their gradient, stay where
# they are.

# %%
rng = np.random.default_rng(0)
logits = placed(rng.normal(size=(64, 4096)).astype(np.float32), columns)
labels = placed(rng.integers(0, 4096, size=64), everywhere)
cross_entropy = jl.Objective(jl.softmax_cross_entropy_with_integer_labels)

step = jax.jit(jax.value_and_grad(cross_entropy)).lower(logits, labels).compile()
value, gradient = step(logits, labels)
print(value, gradient.sharding.spec)
collectives(step)

# %% [markdown]
# ## A mean of means is not the mean
#
# Inside `jax.shard_map` each device sees its own examples, and the usual habit is to average what
# the devices found. With a mask that is wrong as soon as they have different numbers of examples
# that count. An `Average` is a total and a mass, not yet divided: `psum` adds both.

# %%
errors = placed(jnp.array([1.0, 1.0, 1.0, 3.0] + [0.0] * 12), rows)  # two for each device
counts = placed(jnp.arange(16) < 3, rows)  # two of the first, one of the second, no others
squared = jl.Objective(jl.squared_error)


def mean_of_means(x, where):
    """The habit."""
    return jax.lax.pmean(squared(x, jnp.zeros_like(x), where=where), "devices")


def exact(x, where):
    """The sum of totals over the sum of masses."""
    (term,) = squared.terms(x, jnp.zeros_like(x), where=where).values()
    return term.psum("devices").value


for mean in (mean_of_means, exact):
    shared = jax.shard_map(mean, mesh=mesh, in_specs=(rows, rows), out_specs=everywhere)
    print(f"{mean.__name__:14}", jax.jit(shared)(errors, counts))

# %% [markdown]
# ## A head whose classes are spread
#
# With many classes the weight of the head is the largest array of a model. Its classes are spread
# over the devices, `linear_head` goes through the tokens some at a time, and
# `vocabulary_parallel_cross_entropy` is the loss of what each device has. All options of
# cross-entropy are there; masks and weights are those of any objective.

# %%
hidden = placed(rng.normal(size=(512, 64)).astype(np.float32), everywhere)
weight = placed(rng.normal(size=(64, 8192)).astype(np.float32) / 8, columns)
tokens = placed(rng.integers(0, 8192, size=512), everywhere)
count = placed(rng.random(512) > 0.2, everywhere)

head = jl.Objective(
    jl.linear_head(jl.vocabulary_parallel_cross_entropy("devices"), tokens=128),
    label_smoothing=0.1,
    z_loss=1e-4,
)


def spread_head(hidden, weight, tokens, count):
    """The mean over the tokens that count, with the gradients in hidden and weight."""
    loss = lambda h, w: head((h, w, 0.0), tokens, where=count)
    return jax.value_and_grad(loss, (0, 1))(hidden, weight)


program = jax.jit(
    jax.shard_map(
        spread_head,
        mesh=mesh,
        in_specs=(everywhere, columns, everywhere, everywhere),
        out_specs=(everywhere, (everywhere, columns)),
    )
)
value, (of_hidden, of_weight) = program(hidden, weight, tokens, count)

whole = jl.Objective(jl.softmax_cross_entropy_with_integer_labels, label_smoothing=0.1, z_loss=1e-4)
dense = lambda h, w: whole(h @ w, tokens, where=count)
expected, slopes = jax.jit(jax.value_and_grad(dense, (0, 1)))(hidden, weight)
print(value, expected)
for ours, theirs in zip((of_hidden, of_weight), slopes, strict=True):
    print("largest difference of gradients:", float(jnp.abs(ours - theirs).max()))

# %% [markdown]
# ## Contrastive losses in a ring
#
# A contrastive loss compares every element with every other, on whichever device it is.
# `all_gathered(loss, axis)` gives each device all embeddings; `in_ring(loss, axis)` sends them
# round, so that a device holds its own and one visiting block, forward and backward. The values
# are those of the whole batch.

# %%
first, second = (placed(x, rows) for x in rng.normal(size=(2, 1024, 64)).astype(np.float32))


def over_devices(loss):
    """The values of the elements, each on the device that it is on."""
    return jax.jit(jax.shard_map(loss, mesh=mesh, in_specs=(rows, rows), out_specs=rows))


expected = jl.siglip(first, second)
for maker in (jl.in_ring, jl.all_gathered):
    found = over_devices(maker(jl.siglip, "devices"))(first, second)
    print(maker.__name__, float(jnp.abs(found - expected).max()))

# %% [markdown]
# What does it cost? Programs can be asked before they run. With as many elements for each device
# whatever the number of devices, memory stays the same in a ring and grows where all is gathered;
# the ring sends half as much again.

# %%
EACH, WIDTH = 1024, 256


def cost(maker, devices):
    """Megabytes that a device holds, and that it gets in one step."""
    part = jax.make_mesh(
        (devices,), ("devices",), axis_types=(AxisType.Auto,), devices=jax.devices()[:devices]
    )
    loss = jax.shard_map(
        maker(jl.siglip, "devices"), mesh=part, in_specs=(rows, rows), out_specs=rows
    )
    like = jax.ShapeDtypeStruct(
        (devices * EACH, WIDTH), jnp.float32, sharding=NamedSharding(part, rows)
    )
    gradient = jax.grad(lambda x, y: loss(x, y).mean(), (0, 1))
    compiled = jax.jit(gradient).lower(like, like).compile()
    memory = compiled.memory_analysis()
    held = memory.temp_size_in_bytes + memory.argument_size_in_bytes + memory.output_size_in_bytes
    return held / 1e6, received(HloProgram(compiled.as_text()), devices) / 1e6


numbers = [1, 2, 4, 8]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
for maker in (jl.in_ring, jl.all_gathered):
    held, sent = zip(*(cost(maker, n) for n in numbers), strict=True)
    axes[0].plot(numbers, held, "o-", label=maker.__name__)
    axes[1].plot(numbers, sent, "o-", label=maker.__name__)
for axis, title in zip(axes, ("held by a device, MB", "received in a step, MB"), strict=True):
    axis.set(title=title, xlabel=f"devices, with {EACH:,} pairs each", ylim=(0, None))
    axis.legend(frameon=False)

# %% [markdown]
# For larger numbers of devices, `jaxloss bench --scale` compiles the same programs for 1, 8, 64
# and 512 of them: of a TPU that need not be there with `--scale v5p:8x8x8`, where libtpu is
# installed, and of H100s likewise with `--scale h100:64x8`, where jax[cuda12] is.
