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
# # Generation: games, bounds, diffusion and flows
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxloss/jaxloss/blob/main/notebooks/08_generation.ipynb)
#
# Four ways to learn to sample a distribution, on one problem in the plane that can be looked at:
# adversarial games, variational autoencoders, diffusion and flow matching. The network, the
# optimizer and the number of steps are the same for all; what differs is the objective.

# %%
import itertools

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import jaxloss as jl

# %% [markdown]
# ## The data, the network, the loop
#
# Five Gaussians on a ring, scaled so that each coordinate has variance 1. Examples are drawn
# afresh in every step, so nothing here overfits.

# %%
MODES, SPREAD, BATCH, STEPS = 5, 0.15, 256, 2000
turns = 2 * jnp.pi * jnp.arange(MODES) / MODES
radius = jnp.sqrt(2 * (1 - SPREAD**2))
centres = radius * jnp.stack([jnp.cos(turns), jnp.sin(turns)], axis=-1)


def data(key, size):
    """Examples of the ring."""
    which, around = jax.random.split(key)
    middle = centres[jax.random.randint(which, (size,), 0, MODES)]
    return middle + SPREAD * jax.random.normal(around, (size, 2))


def network(key, inputs, outputs, width=64):
    """Parameters of three hidden layers."""
    sizes = [inputs, width, width, width, outputs]
    shapes = list(itertools.pairwise(sizes))
    keys = jax.random.split(key, len(shapes))
    start = jax.nn.initializers.he_normal()
    return [(start(k, shape), jnp.zeros(shape[1])) for k, shape in zip(keys, shapes, strict=True)]


def run(layers, x):
    """The network at inputs."""
    for weight, bias in layers[:-1]:
        x = jax.nn.silu(x @ weight + bias)
    weight, bias = layers[-1]
    return x @ weight + bias


def minimise(value, params, rate=3e-3, **momenta):
    """Adam on a value of parameters and of a random key, all steps in one scan."""
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, STEPS), **momenta)

    def step(carry, key):
        params, state = carry
        updates, state = optimizer.update(jax.grad(value)(params, key), state)
        return (optax.apply_updates(params, updates), state), None

    carry = params, optimizer.init(params)
    return jax.lax.scan(step, carry, jax.random.split(jax.random.key(1), STEPS))[0][0]


# %% [markdown]
# Each section ends with functions from a key and a size to samples. They are collected here with
# their objectives, and measured against held-out data at the end.

# %%
generators = {}
still = jax.lax.stop_gradient
normal = lambda key, size: jax.random.normal(key, (size, 2))


def scatter(panel, points, title, **style):
    """Points in the plane."""
    panel.plot(*np.asarray(points).T, ".", **{"markersize": 2, **style})
    panel.set(title=title, xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal", xticks=[], yticks=[])


# %% [markdown]
# ## Adversarial games
#
# `Adversarial` makes of one loss of scores and labels what the critic minimises and what the
# generator does. A penalty is an objective too: of the lengths that the critic's slope has at some
# points, and of the length it is to have there. Two games:
#
# - non-saturating, with `logistic`, and R1: slopes of length 0 at the real examples;
# - Wasserstein, with `unhinged`, and slopes of length 1 between real and fake examples.
#
# Each player takes the other for a constant, so one gradient of the sum moves both at once.


# %%
def play(game, penalty, length, points):
    """Train a critic and a generator."""
    one, other = jax.random.split(jax.random.key(0))

    def value(players, key):
        keys = jax.random.split(key, 3)
        real, fake = data(keys[0], BATCH), run(players["generator"], normal(keys[1], BATCH))
        critic = lambda x: run(players["critic"], x)[:, 0]
        opponent = lambda x: run(still(players["critic"]), x)[:, 0]
        norms = jl.gradient_norm(critic)(points(keys[2], real, still(fake)))
        judged = game.critic(critic(real), critic(still(fake)))
        return judged + penalty(norms, length + 0 * still(norms)) + game.generator(opponent(fake))

    players = {"critic": network(one, 2, 1), "generator": network(other, 2, 2)}
    return minimise(value, players, rate=1e-3, b1=0.0, b2=0.9)


games = {
    "logistic, R1": (
        jl.Adversarial(jl.Objective(jl.logistic)),
        0.2 * jl.Objective(jl.half_squared_error),
        0.0,
        lambda _key, real, _fake: real,
    ),
    "Wasserstein": (
        jl.Adversarial(jl.Objective(jl.unhinged)),
        1.0 * jl.Objective(jl.squared_error),
        1.0,
        jl.interpolates,
    ),
}
played = {name: play(*rules) for name, rules in games.items()}
for name, players in played.items():
    sample = lambda key, size, layers=players["generator"]: run(layers, normal(key, size))
    generators[name] = sample, f"{games[name][0].judging} and {games[name][1]}"

# %% [markdown]
# The critics, and 600 samples of each generator. At the end of a perfect game nothing is left to
# tell: the logistic critic scores everything 0, which costs it 2 log 2 = 1.386, and the Wasserstein
# critic, whose value is 2 less an estimate of the distance, is left with 2.

# %%
grid = jnp.stack(jnp.meshgrid(*[jnp.linspace(-2.4, 2.4, 80)] * 2), axis=-1)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
keys = jax.random.split(jax.random.key(2), 3)
for panel, (name, players) in zip(axes, played.items(), strict=True):
    critic = lambda x, layers=players["critic"]: run(layers, x)[..., 0]
    surface = critic(grid)
    filled = panel.contourf(grid[..., 0], grid[..., 1], surface, 15, cmap="YlGnBu_r")
    figure.colorbar(filled, ax=panel, label="score: fake to real")
    sample, _ = generators[name]
    scatter(panel, sample(keys[0], 600), name, color="black")
    real, fake = data(keys[1], 4000), sample(keys[2], 4000)
    value = games[name][0].critic(critic(real), critic(fake))
    slope = jnp.mean(jl.gradient_norm(critic)(real))
    print(f"{name:12}  value of the critic {value:.3f}, mean slope at the data {slope:.2f}")

# %% [markdown]
# ## A bound on the likelihood
#
# The negative ELBO is a sum of two objectives: how surprising the example is to the decoder, and
# what the code costs beyond its prior. Both are sums over the elements of an example, hence
# `mean_by_batch`. The decoder learns its variance, so the first term is a true likelihood.

# %%
surprise = jl.Objective(jl.gaussian_nll, reduction=jl.mean_by_batch).at("x")
information = jl.Objective(jl.gaussian_kl, reduction=jl.mean_by_batch).at("z")
negative_elbo = surprise + 1.0 * information
negative_elbo


# %%
def outputs(params, x, key):
    """The means and the variance of the decoder, and of the code what its cost depends on."""
    mean, log_variance = jnp.split(run(params["encoder"], x), 2, axis=-1)
    code = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
    variance = jnp.exp(params["log_variance"])
    return {"x": (run(params["decoder"], code), variance), "z": (mean, log_variance, 0.0)}


def autoencode(objective):
    """Train an encoder and a decoder."""
    one, other = jax.random.split(jax.random.key(0))

    def value(params, key):
        one, other = jax.random.split(key)
        x = data(one, BATCH)
        return objective(outputs(params, x, other), {"x": x, "z": 0.0})

    start = {"encoder": network(one, 2, 4), "decoder": network(other, 2, 2)}
    return minimise(value, {**start, "log_variance": jnp.array(-3.0)})


# %% [markdown]
# The factor of the second term, beta, is a leaf of the objective: three autoencoders train in one
# mapped program.

# %%
betas = jnp.array([0.25, 1.0, 4.0])
autoencoders = jax.vmap(lambda beta: autoencode(surprise + beta * information))(betas)
trained = [jax.tree.map(lambda leaf, i=i: leaf[i], autoencoders) for i in range(3)]


def decode(params, key, size):
    """Samples: a code of the prior, decoded, and the decoder's noise."""
    one, other = jax.random.split(key)
    mean = run(params["decoder"], normal(one, size))
    return mean + jnp.exp(params["log_variance"] / 2) * normal(other, size)


generators["VAE"] = lambda key, size: decode(trained[1], key, size), negative_elbo

# %% [markdown]
# With the constant log 2π, which `gaussian_nll` leaves out, the negative ELBO bounds the
# cross-entropy, in nats, from above, and the entropy of the data bounds that from below. A small
# beta buys sharp reconstructions with codes that the prior seldom draws; under the largest the
# codes cost nothing and say nothing.

# %%
x, key = data(jax.random.key(3), 4000), jax.random.key(4)
figure, axes = plt.subplots(2, 3, figsize=(8, 5.4), layout="constrained")
for column, beta, params in zip(axes.T, betas, trained, strict=True):
    made = outputs(params, x, key)
    terms = [float(o(made, {"x": x, "z": 0.0})) for o in (surprise, information)]
    bound = sum(terms) + np.log(2 * np.pi)
    print(f"beta {beta:4}   surprise {terms[0]:6.3f} + code {terms[1]:.3f}: at least {bound:.3f}")
    scatter(column[0], made["x"][0][:600], f"reconstructions, beta {beta}", color="tab:green")
    scatter(column[1], decode(params, jax.random.key(5), 600), f"samples, beta {beta}")
entropy = np.log(MODES) + np.log(2 * np.pi * np.e * SPREAD**2)
print(f"entropy of the data, to three digits: {entropy:.3f}")

# %% [markdown]
# ## Codes of a codebook
#
# With `nearest_code` in the place of noise the code is one of sixteen vectors. Gradients pass the
# choice by `straight_through`, and three squared errors share the work: of the example, of the
# codebook from the latents, and of the latents from their codes.

# %%
error = jl.Objective(jl.squared_error)
quantised = error.at("x") + error.at("codebook") + 0.25 * error.at("commitment")
CODES = 16


def quantise(params, x):
    """Reconstructions, latents, and which code each example has."""
    latents = run(params["encoder"], x)
    which = jl.nearest_code(latents, params["codebook"])
    codes = params["codebook"][which]
    return run(params["decoder"], jl.straight_through(latents, codes)), latents, codes, which


def value(params, key):
    """The objective on a batch."""
    x = data(key, BATCH)
    rebuilt, latents, codes, _ = quantise(params, x)
    moving = {"x": rebuilt, "codebook": codes, "commitment": latents}
    return quantised(moving, {"x": x, "codebook": still(latents), "commitment": still(codes)})


keys = jax.random.split(jax.random.key(0), 3)
start = {"encoder": network(keys[0], 2, 2), "decoder": network(keys[1], 2, 2)}
codebook = run(start["encoder"], data(keys[2], CODES))
vq = minimise(value, {**start, "codebook": codebook})

# %% [markdown]
# Colours are codes, black points what they decode to. As a generator it needs a prior over codes:
# here, how often each is used.

# %%
rebuilt, _, _, which = quantise(vq, x)
use = jnp.bincount(which, length=CODES) / len(x)
decoded = run(vq["decoder"], vq["codebook"])
generators["VQ-VAE"] = (
    lambda key, size: decoded[jax.random.choice(key, CODES, (size,), p=use)],
    quantised,
)
figure, panel = plt.subplots(figsize=(3.6, 3.6), layout="constrained")
panel.scatter(*x[:1500].T, c=which[:1500], s=4, cmap="tab20")
used = use > 0
scatter(panel, decoded[used], "codes", color="black", markersize=7)
nats = -jnp.sum(jnp.where(used, use * jnp.log(jnp.where(used, use, 1)), 0))
print(f"{int(used.sum())} codes used, as good as {jnp.exp(nats):.1f} used evenly")
print(f"squared error {error(rebuilt, x):.4f}, of the nearest centre {SPREAD**2:.4f}")

# %% [markdown]
# ## Diffusion
#
# A diffusion model sees `diffuse(clean, noise, log_snr)` and guesses what was mixed. A weighting of
# log-SNRs is a loss of predicted noise, `velocity_prediction` carries it over to another output,
# and its `weight` can be looked at.

# %%
weightings = {
    "noise_error": jl.noise_error,
    "min_snr": jl.min_snr,
    "truncated_snr": jl.truncated_snr,
    "p2": jl.p2,
    "sigmoid_snr": jl.sigmoid_snr,
    "edm": jl.edm,
}
levels = jnp.linspace(-8, 8, 200)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained", sharey=True)
styles = ["-", "-", "--", ":", "-.", "-"]
for (name, weighting), style in zip(weightings.items(), styles, strict=True):
    left.plot(levels, weighting.weight(levels), style, label=name)
    right.plot(levels, jl.velocity_prediction(weighting).weight(levels), style, label=name)
left.set(title="of the noise's squared error", yscale="log", ylim=(3e-4, 3e3), xlabel="log-SNR")
right.set(title="of the velocity's squared error", xlabel="log-SNR")
left.set(ylabel="weight")
figure.legend(*left.get_legend_handles_labels(), loc="outside right")

# %% [markdown]
# Two networks, both with the weights of `min_snr`: one puts out the noise, the other the velocity.
# A weighting says what counts; the output says what the network finds easy.

# %%
goals = {
    "noise": jl.Objective(jl.min_snr, gamma=5.0),
    "velocity": jl.Objective(jl.velocity_prediction(jl.min_snr), gamma=5.0),
}
log_snr = lambda times: -2 * jnp.log(jnp.tan(jnp.pi / 2 * times))  # the cosine schedule
CLEANEST, NOISIEST = 0.01, 0.99


def guess(params, noisy, level):
    """The network at noisy inputs, one level for each."""
    return run(params, jnp.concatenate([noisy, level[:, None]], axis=-1))


def denoiser(goal):
    """Train a network to put out the noise or the velocity."""

    def value(params, key):
        keys = jax.random.split(key, 3)
        x, noise = data(keys[0], BATCH), normal(keys[1], BATCH)
        levels = log_snr(jax.random.uniform(keys[2], BATCH, minval=CLEANEST, maxval=NOISIEST))
        target = noise if goal == "noise" else jl.velocity(x, noise, levels)
        guessed = guess(params, jl.diffuse(x, noise, levels), levels / 4)
        return goals[goal]((guessed, levels), target)

    return minimise(value, network(jax.random.key(0), 3, 2))


denoisers = {goal: denoiser(goal) for goal in goals}

# %% [markdown]
# A deterministic sampler (DDIM; Song, Meng & Ermon 2020) asks for the clean data and the noise, and
# mixes them again at the next level.


# %%
def ddim(goal, key, size, steps):
    """Samples in so many steps."""
    levels = log_snr(jnp.linspace(NOISIEST, CLEANEST, steps + 1))

    def step(noisy, pair):
        level, following = (jnp.full(size, number) for number in pair)
        guessed = guess(denoisers[goal], noisy, level / 4)
        if goal == "noise":
            clean, noise = jl.clean_from_noise(guessed, noisy, level), guessed
        else:
            clean = jl.clean_from_velocity(guessed, noisy, level)
            noise = jl.noise_from_velocity(guessed, noisy, level)
        return jl.diffuse(clean, noise, following), None

    return jax.lax.scan(step, normal(key, size), (levels[:-1], levels[1:]))[0]


for goal in goals:
    sample = lambda key, size, goal=goal: ddim(goal, key, size, 50)
    generators[f"diffusion, {goal}"] = sample, goals[goal]

# %%
counts = [5, 10, 50]
figure, axes = plt.subplots(2, 3, figsize=(8, 5.4), layout="constrained")
for row, goal in zip(axes, goals, strict=True):
    for panel, steps in zip(row, counts, strict=True):
        scatter(panel, ddim(goal, jax.random.key(6), 600, steps), f"{goal}, {steps} steps")

# %% [markdown]
# From a guess of the noise, `clean_from_noise` divides by alpha, which at the noisiest level makes
# an error 64 times as large; few steps cannot repair that. From a velocity nothing is divided.
#
# ## Flow matching
#
# A straight path leads from each noise to an example. The network learns the mean velocity of the
# paths through a point: `squared_error` of `flow_velocity`, and nothing else.

# %%
matching = jl.Objective(jl.squared_error)


def value(params, key):
    """The objective on a batch."""
    keys = jax.random.split(key, 3)
    x, noise = data(keys[0], BATCH), normal(keys[1], BATCH)
    times = jax.random.uniform(keys[2], BATCH)
    guessed = guess(params, jl.flow(x, noise, times), times)
    return matching(guessed, jl.flow_velocity(x, noise))


field = minimise(value, network(jax.random.key(0), 3, 2))


def euler(start, steps):
    """Follow the velocity from time 0 to 1: all points on the way."""
    times = jnp.arange(steps) / steps

    def step(z, time):
        z = z + guess(field, z, jnp.full(len(z), time)) / steps
        return z, z

    return jnp.concatenate([start[None], jax.lax.scan(step, start, times)[1]])


generators["flow"] = lambda key, size: euler(normal(key, size), 50)[-1], matching

# %% [markdown]
# The paths that the field makes are not straight, though those that it was trained on are: where
# those cross, the field has their mean. So few steps are not quite enough.

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
paths = euler(normal(jax.random.key(7), 80), 50)
axes[0].plot(paths[..., 0], paths[..., 1], color="tab:blue", lw=0.6)
axes[0].plot(*paths[0].T, ".", color="grey", markersize=4)
scatter(axes[0], paths[-1], "noise to data, 80 paths", color="tab:red", markersize=4)
for panel, steps in zip(axes[1:], [5, 50], strict=True):
    start = normal(jax.random.key(6), 600)
    scatter(panel, euler(start, steps)[-1], f"flow, {steps} steps")

# %% [markdown]
# ## Which one samples best?
#
# The losses cannot say: each is of something else. The sliced Wasserstein distance is none of
# them: the mean over directions of how far the sorted projections of two samples are apart. Of two
# samples of the data it is not 0, and that is the floor.

# %%
angles = jnp.pi * jnp.arange(32) / 32
directions = jnp.stack([jnp.cos(angles), jnp.sin(angles)])
SIZE, TIMES = 2000, 10


def distance(one, other):
    """Sliced Wasserstein, in the unit of the data."""
    sorted_along = lambda points: jnp.sort(points @ directions, axis=0)
    return jnp.mean(jnp.abs(sorted_along(one) - sorted_along(other)))


def measure(sample, key):
    """Distance to the data, and how many samples lie within three spreads of a centre."""
    one, other = jax.random.split(key)
    points = sample(one, SIZE)
    nearest = jnp.min(jnp.linalg.norm(points[:, None] - centres, axis=-1), axis=-1)
    return distance(points, data(other, SIZE)), jnp.mean(nearest < 3 * SPREAD)


rows = {"data": (data, ""), **generators}
keys = jax.random.split(jax.random.key(8), TIMES)
print(f"{'':20} distance         on a mode   objective")
for name, (sample, objective) in rows.items():
    far, on = jax.jit(jax.vmap(lambda key, sample=sample: measure(sample, key)))(keys)
    print(f"{name:20} {far.mean():.3f} ± {far.std():.3f}   {on.mean():8.1%}    {objective}")

# %%
figure, axes = plt.subplots(2, 4, figsize=(9, 4.9), layout="constrained")
for panel, (name, (sample, _)) in zip(axes.flat, rows.items(), strict=True):
    scatter(panel, sample(jax.random.key(9), 600), name, color="grey" if name == "data" else None)

# %% [markdown]
# The straight paths and the diffusion come closest, at the price of fifty evaluations of the
# network for a sample where the others need one. The codebook shows why one number is not enough:
# each of its samples is on a mode, and no two thousand of them look like the data. What is between
# the modes is not an error of a loss: a continuous network that maps one Gaussian to five must
# cross the gaps somewhere. One seed and one size of network do not rank objectives.
