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
# # Style transfer and super-resolution
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxloss/jaxloss/blob/main/notebooks/07_style_transfer_and_super_resolution.ipynb)
#
# Losses of images: what they see that squared error does not, and what is made by minimising them.
# The two photographs are those that scikit-learn ships; nothing is downloaded.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib_inline.backend_inline import set_matplotlib_formats
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_sample_image

import jaxloss as jl
from jaxloss import training

set_matplotlib_formats("jpeg", pil_kwargs={"quality": 75})  # photographs: a small file
china, flower = (
    (load_sample_image(name) / 255).astype(np.float32) for name in ("china.jpg", "flower.jpg")
)


def show(pictures, width=1.8):
    """Pictures in a row, each under its title."""
    size = (width * len(pictures), width * 1.2)
    _, axes = plt.subplots(1, len(pictures), figsize=size, layout="constrained")
    for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
        axis.imshow(np.clip(np.squeeze(picture), 0, 1), cmap="gray", vmin=0, vmax=1)
        axis.set_title(title, fontsize=8)
        axis.axis("off")


# %% [markdown]
# ## What the measures see
#
# Five kinds of damage to one picture, each made as strong as it takes to reach the same squared
# error, by bisection.

# %%
picture = china[40:216, 80:256]
rng = np.random.default_rng(0)
noise, dice = rng.normal(size=picture.shape), rng.random(picture.shape[:2])
salt = rng.integers(0, 2, picture.shape[:2])[..., None]
damages = {
    "brightness": lambda s: picture + s,
    "contrast": lambda s: picture + s * (0.5 - picture),
    "noise": lambda s: picture + s * noise,
    "salt and pepper": lambda s: np.where(dice[..., None] < s, salt, picture),
    "blur": lambda s: gaussian_filter(picture, (20 * s, 20 * s, 0)),
}


def error_of(damaged):
    """Mean squared error."""
    return float(np.mean((damaged - picture) ** 2))


damaged = {"original": picture}
for name, damage in damages.items():
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        less = error_of(np.clip(damage(middle), 0, 1)) < 0.01
        low, high = (middle, high) if less else (low, middle)
    damaged[name] = np.clip(damage(low), 0, 1).astype(np.float32)
show(damaged)

# %% [markdown]
# Every loss is smaller when better, so the usual index is one minus `ssim` or `ms_ssim`, and the
# usual level minus `psnr`. Squared error and PSNR cannot tell these five apart; the structural
# measures do.

# %%
measures = jax.jit(
    lambda x, y: (
        jnp.mean(jl.squared_error(x, y)),
        -jl.psnr(x, y),
        1 - jl.ssim(x, y),
        1 - jl.ms_ssim(x, y),
    )
)
print(f"{'':16} squared error    PSNR   SSIM  MS-SSIM")
for name in damages:
    error, level, index, scales = measures(damaged[name], picture)
    print(f"{name:16} {error:13.4f} {level:7.2f} {index:6.3f} {scales:8.3f}")

# %% [markdown]
# ## Denoising by an objective
#
# A noisy picture, and an objective of what is to replace it: near to the noisy one, and smooth. A
# loss of a single array, `total_variation`, is given the predictions alone. It is a sum over the
# picture where squared error is a mean, hence the division by the number of pixels.
#
# The scale is a leaf, so one compiled program descends for all values of it at once.

# %%
clean = jnp.asarray(china[60:156, 90:186].mean(-1)[None, ..., None])
noisy = clean + 0.1 * jax.random.normal(jax.random.key(0), clean.shape)
near = jl.Objective(jl.squared_error)
scales = jnp.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5])


def denoise(smooth, scale, steps=250):
    """Gradient descent on the picture itself."""
    objective = near + scale / clean.size * jl.Objective(smooth)
    optimizer = optax.adam(optax.cosine_decay_schedule(0.02, steps))

    def step(carry, _):
        image, state = carry
        updates, state = optimizer.update(jax.grad(objective)(image, noisy), state)
        return (image + updates, state), None

    (image, _), _ = jax.lax.scan(step, (noisy, optimizer.init(noisy)), None, steps)
    return image


quality = jax.jit(lambda x, y: (-jl.psnr(x, y), 1 - jl.ssim(x, y)))
kinds = {"along axes": jl.total_variation, "isotropic": jl.isotropic_total_variation}
swept = {
    name: jax.jit(jax.vmap(lambda scale, smooth=smooth: denoise(smooth, scale)[0]))(scales)
    for name, smooth in kinds.items()
}

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), layout="constrained")
floor = quality(noisy[0], clean[0])
best = {"clean": clean[0], f"noisy\n{floor[0]:.1f} dB, SSIM {floor[1]:.2f}": noisy[0]}
for name, images in swept.items():
    levels, indices = quality(images, jnp.broadcast_to(clean, images.shape))
    axes[0].plot(scales, levels, ".-", label=name)
    axes[1].plot(scales, indices, ".-", label=name)
    i = int(jnp.argmax(indices))
    title = f"{name}, scale {scales[i]:.2f}\n{levels[i]:.1f} dB, SSIM {indices[i]:.2f}"
    best[title] = images[i]
for axis, value, title in zip(axes, floor, ["PSNR in dB", "SSIM"], strict=True):
    axis.axhline(float(value), color="grey", linestyle=":", label="noisy")
    axis.set(title=title, xlabel="scale of the total variation")
_ = figure.legend(*axes[1].get_legend_handles_labels(), loc="outside right")

# %% [markdown]
# Too little leaves the noise, too much wipes out what is fine. Below, the best by SSIM of each.

# %%
show(best, 2.1)

# %% [markdown]
# ## Super-resolution
#
# A network of three small convolutions adds detail to a picture enlarged twofold by interpolation.
# It learns from patches of the pagoda, and is judged twice: on the trees of the same photograph,
# which it has not seen, and on the other photograph. The objectives differ; seed, batches, steps
# and learning rate do not. The last one is the mixture of Zhao et al.
# (2017, arXiv:1511.08861), without their Gaussian weights on the absolute error.


# %%
def patches(photograph, top, left, height, width, stride):
    """Grey patches of 24 by 24, from a rectangle of a photograph."""
    grey = photograph.mean(-1)[..., None]
    corners = [
        (i, j)
        for i in range(top, top + height - 23, stride)
        for j in range(left, left + width - 23, stride)
    ]
    return jnp.asarray(np.stack([grey[i : i + 24, j : j + 24] for i, j in corners]))


def halved(images):
    """Means of 2 by 2 pixels."""
    batch, height, width, channels = images.shape
    return images.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))


def doubled(images, method):
    """Twice as large, by interpolation."""
    batch, height, width, channels = images.shape
    return jax.image.resize(images, (batch, 2 * height, 2 * width, channels), method)


def convolve(images, kernel):
    """A convolution that keeps the size."""
    return jax.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def enlarge(kernels, small):
    """Interpolation, and what the network adds: four pixels for each."""
    hidden = jax.nn.relu(convolve(small, kernels[0]))
    hidden = jax.nn.relu(convolve(hidden, kernels[1]))
    batch, height, width, _ = small.shape
    detail = convolve(hidden, kernels[2]).reshape(batch, height, width, 2, 2)
    detail = detail.swapaxes(2, 3).reshape(batch, 2 * height, 2 * width, 1)
    return doubled(small, "cubic") + detail


known = patches(china, 20, 60, 400, 320, 11)
held_out = {
    "trees": patches(china, 200, 400, 227, 240, 24),
    "flower": patches(flower, 80, 160, 280, 280, 24),
}
print(len(known), "patches to learn from;", {name: len(test) for name, test in held_out.items()})
shapes = [(3, 3, 1, 16), (3, 3, 16, 16), (3, 3, 16, 4)]
gains = [np.sqrt(2 / 9), np.sqrt(2 / 144), 0.01]
keys = jax.random.split(jax.random.key(0), 3)
start = [
    gain * jax.random.normal(key, shape)
    for key, shape, gain in zip(keys, shapes, gains, strict=True)
]


def train(objective, steps=400):
    """The same seed, batches and learning rate for each objective."""
    bound = training.bind(objective, enlarge)
    optimizer = optax.adam(optax.cosine_decay_schedule(3e-3, steps))

    def step(carry, key):
        kernels, state = carry
        batch = known[jax.random.randint(key, (16,), 0, len(known))]
        gradient = jax.grad(bound)(kernels, halved(batch), batch)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(kernels, updates), state), None

    keys = jax.random.split(jax.random.key(1), steps)
    return jax.lax.scan(step, (start, optimizer.init(start)), keys)[0][0]


absolute = jl.Objective(jl.absolute_error)
objectives = {
    "squared error": jl.Objective(jl.squared_error),
    "absolute error": absolute,
    "SSIM": jl.Objective(jl.ssim),
    "MS-SSIM + absolute": 0.84 * jl.Objective(jl.ms_ssim) + 0.16 * absolute,
}
networks = {
    name: jax.jit(lambda objective=objective: train(objective))()
    for name, objective in objectives.items()
}

# %%
enlargers = {
    method: lambda small, method=method: doubled(small, method) for method in ("linear", "cubic")
}
enlargers |= {
    name: lambda small, kernels=kernels: enlarge(kernels, small)
    for name, kernels in networks.items()
}
print(f"{'':20}", *(f"{name:>8} PSNR    SSIM" for name in held_out))
for name, guess in enlargers.items():
    judged = [quality(guess(halved(test)), test) for test in held_out.values()]
    numbers = [f"{levels.mean():13.2f}  {indices.mean():.4f}" for levels, indices in judged]
    print(f"{name:20}", *numbers)

# %% [markdown]
# In PSNR no network beats cubic interpolation, not even the one that was trained by squared error:
# 400 steps on one photograph of tiles and railings do not make a good enlarger. On the trees, those
# trained for structure gain in SSIM, and pay for it in PSNR. On the flower, which is smoother than
# anything they learned from, cubic interpolation is best by both.
#
# One seed and one learning rate rank no objectives: their slopes are of different size.
# `jaxloss compare` tunes the rate for each, repeats, and says which differences are real.

# %%
crop = jnp.asarray(flower[190:254, 270:334].mean(-1)[None, ..., None])
enlarged = {"truth": crop, "linear": doubled(halved(crop), "linear")}
enlarged["cubic"] = doubled(halved(crop), "cubic")
for name in ("squared error", "SSIM", "MS-SSIM + absolute"):
    enlarged[name] = enlarge(networks[name], halved(crop))
show(enlarged)

# %% [markdown]
# ## Style transfer
#
# Content is what a network sees where; style is which of its channels respond together, wherever:
# `gram`. Usually the network is a trained one. Here its weights are random and fixed, one layer at
# each of four scales, which is known to do for textures (Ustyuzhaninov et al. 2016,
# arXiv:1606.00021).

# %%
SIDE, CHANNELS, LEVELS = 64, 24, 4
banks = jax.random.normal(jax.random.key(2), (LEVELS, 5, 5, 3, CHANNELS))
banks -= banks.mean((1, 2), keepdims=True)  # blind to a flat colour, which is a channel of its own
banks /= jnp.sqrt(jnp.sum(banks**2, (1, 2, 3), keepdims=True))


def features(images):
    """Maps by name: of style and of content, from fine to coarse."""
    maps, x = {}, images
    for level, bank in enumerate(banks):
        edges = jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
        seen = jax.lax.conv_general_dilated(
            edges, bank, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        ones = jnp.ones_like(x[..., :1])
        maps[f"style {level}"] = jnp.concatenate([jax.nn.relu(seen), x - 0.5, ones], -1)
        maps[f"content {level}"] = seen
        x = jax.image.resize(x, (1, x.shape[1] // 2, x.shape[2] // 2, 3), "linear")
    return maps


def square(photograph, top, left, size):
    """A square of a photograph, at the size that is painted."""
    part = jnp.asarray(photograph[top : top + size, left : left + size])
    return jax.image.resize(part, (SIDE, SIDE, 3), "linear")[None]


pagoda, petals = square(china, 15, 60, 330), square(flower, 150, 205, 192)
leaves = square(china, 330, 400, 90)

# %% [markdown]
# `perceptual` makes a loss of images from the features and an objective on them. Content and style
# have targets of their own, so each is a part, by `at`: the predictions are the same image twice.
# One compiled program paints for every content, style and scale.

# %%
gram, error = jl.Objective(jl.gram), jl.Objective(jl.squared_error)
style = jl.perceptual(features, sum(gram.at(f"style {level}") for level in range(LEVELS)))
content = jl.perceptual(features, error.at("content 1") + error.at("content 2"))
smooth = jl.Objective(jl.total_variation, reduction=jl.mean)


@jax.jit
def paint(start, pictures, scale, roughness):
    """Adam on the image itself."""
    objective = (
        1e3 * jl.Objective(style).at("style")
        + scale * jl.Objective(content).at("content")
        + roughness / start.size * smooth.at("style")
    )
    optimizer = optax.adam(optax.cosine_decay_schedule(0.03, 150))

    def value(image):
        return objective({"style": image, "content": image}, pictures)

    def step(carry, _):
        image, state = carry
        now, slope = jax.value_and_grad(value)(image)
        updates, state = optimizer.update(slope, state)
        return (jnp.clip(image + updates, 0, 1), state), now

    (image, _), values = jax.lax.scan(step, (start, optimizer.init(start)), None, 150)
    return image, values


# %% [markdown]
# Without the content, and from noise, this is texture synthesis (Gatys et al. 2015,
# arXiv:1505.07376). With it, the pagoda is painted anew.

# %%
start_noise = 0.5 + 0.1 * jax.random.normal(jax.random.key(3), pagoda.shape)
shown, fallen = {"content": pagoda}, {}
for name, texture in {"petals": petals, "leaves": leaves}.items():
    pictures = {"style": texture, "content": pagoda}
    shown[f"style: {name}"] = texture
    shown[f"texture of {name}"], _ = paint(start_noise, pictures, 0.0, 0.05)
    shown[f"pagoda in {name}"], values = paint(pagoda, pictures, 0.3, 0.05)
    fallen[name] = float(values[0]), float(values[-1])
show(shown, 1.6)
for name, (first, last) in fallen.items():
    print(f"{name:8} objective {first:.4f} at first, {last:.4f} at last")

# %% [markdown]
# Random features carry over colours, contrast and the grain of a surface, and the layout of the
# content survives. They know no objects: no petal is drawn as a petal. For that `features` is a
# pretrained network, and nothing else changes.
