"""The task of generation: points in the plane from noise, by a diffusion model."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

import jaxloss as jl
from jaxloss.compare.tasks.metrics import Metric
from jaxloss.compare.tasks.models import Layer, Model
from jaxloss.compare.tasks.outputs import Output
from jaxloss.compare.tasks.task import Data, DataSplit, Generator, Task
from jaxloss.core.domains import Point, Real, Vector
from jaxloss.losses.generative.denoising import LogSnr

SIZES = DataSplit(4096, 512, 512)
MODES, WIDTH = 5, 0.15  # Gaussians on a ring, and their deviation
NOISIEST, CLEANEST = -8.0, 8.0  # log-SNRs between which networks are trained and samples made
_STEPS = 10  # of a sample


class Layers(NamedTuple):
    """Weights of the network."""

    first: Layer
    second: Layer
    last: Layer


def ring(size: int, generator: Generator) -> NDArray[np.float32]:
    """Points of five Gaussians on a ring, [point, 2], each coordinate of variance 1."""
    turns = 2 * np.pi * generator.integers(MODES, size=size) / MODES
    radius = np.sqrt(2 * (1 - WIDTH**2))
    centres = radius * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    points: NDArray[np.float32]
    points = (centres + WIDTH * generator.normal(size=(size, 2))).astype(np.float32)
    return points


def draw(generator: Generator) -> Data:
    """Draw points, noise and log-SNRs.

    An input is a point [2] and a log-SNR, in one row. In the training part the point is noisy, and
    the target is its noise; in the others it is the noise that a sample is made of, and the target
    is any clean point.
    """
    clean = [ring(size, generator) for size in SIZES]
    noise = [generator.normal(size=(size, 2)).astype(np.float32) for size in SIZES]
    levels = generator.uniform(NOISIEST, CLEANEST, SIZES.training).astype(np.float32)
    noisy = np.asarray(jl.diffuse(clean[0], noise[0], levels))
    start = [np.full(size, NOISIEST, np.float32) for size in SIZES[1:]]
    inputs = zip([noisy, *noise[1:]], [levels, *start], strict=True)
    return Data(
        inputs=DataSplit(*(np.column_stack(pair) for pair in inputs)),
        targets=DataSplit(noise[0], *clean[1:]),
        eligible=np.arange(SIZES.training),
    )


def denoiser(hidden: int = 64) -> Model:
    """A model that predicts the noise of a point, and makes points of noise outside of training.

    Its predictions are rows [3]: in training the noise and the log-SNR that it was given, and
    outside of it a point and 0.

    Args:
        hidden: The number of units in each of two hidden layers.

    References:
        Song, Meng & Ermon (2021), Denoising diffusion implicit models, arXiv:2010.02502.
    """

    def init(key: Array) -> Layers:
        keys = jax.random.split(key, 3)
        sizes = [(4, hidden), (hidden, hidden), (hidden, 2)]
        pairs = zip(keys, sizes, strict=True)
        return Layers(*(Layer.initial(each, *size) for each, size in pairs))

    def noise_of(layers: Layers, noisy: Array, level: Array) -> Array:
        share = jax.nn.sigmoid(level)  # of the data in the variance
        seen = jnp.concatenate([noisy, level / CLEANEST, share], axis=-1)
        return layers.last(jax.nn.silu(layers.second(jax.nn.silu(layers.first(seen)))))

    def apply(layers: Layers, inputs: Array, *, training: bool) -> Array:
        points, level = inputs[:, :2], inputs[:, 2:]
        if training:
            return jnp.concatenate([noise_of(layers, points, level), level], axis=-1)

        def step(noisy: Array, ends: Array) -> tuple[Array, None]:
            now, then = ends
            noise = noise_of(layers, noisy, jnp.full((len(noisy), 1), now))
            clean = jl.clean_from_noise(noise, noisy, jnp.full(len(noisy), now))
            return jl.diffuse(clean, noise, jnp.full(len(noisy), then)), None

        levels = jnp.linspace(NOISIEST, CLEANEST, _STEPS + 1)
        samples, _ = jax.lax.scan(step, points, jnp.stack([levels[:-1], levels[1:]], axis=-1))
        return jnp.concatenate([samples, jnp.zeros_like(level)], axis=-1)

    return Model(init, apply, f"a diffusion model of two hidden layers of {hidden} units")


def energy_distance(rows: Array, points: Array) -> Array:
    """Squared energy distance of two sets of points: 2 E|X - Y| - E|X - X'| - E|Y - Y'|.

    References:
        Székely & Rizzo (2013), Energy statistics: a class of statistics based on distances,
        doi:10.1016/j.jspi.2013.03.018.
    """
    samples = rows[:, :2]
    within = _mean_distance(samples, samples) + _mean_distance(points, points)
    return 2 * _mean_distance(samples, points) - within


def mean_gap(rows: Array, points: Array) -> Array:
    """Mean distance of a point to the sample that is nearest: large where a mode is left out."""
    return jnp.mean(jnp.min(_distances(points, rows[:, :2]), axis=-1))


def other_rows(targets: NDArray[Any], rate: float, generator: Generator) -> NDArray[Any]:
    """Replace a fraction of the targets by those of other examples."""
    count = round(rate * len(targets))
    chosen = generator.permutation(len(targets))[:count]
    shifted = targets.copy()
    shifted[chosen] = targets[np.roll(chosen, 1)]
    return shifted


def _mean_distance(x: Array, y: Array) -> Array:
    return jnp.mean(_distances(x, y))


def _distances(x: Array, y: Array) -> Array:
    distances: Array = jnp.linalg.norm(x[:, None] - y[None], axis=-1)
    return distances


def _noise(rows: Array) -> Array:
    return rows[..., :2]


GENERATION = Task(
    name="generation",
    title="points from noise",
    story=f"Points of {MODES} Gaussians on a ring, made of noise in {_STEPS} steps by a network "
    "that has learned to tell the noise of a point from the point (Song et al. 2021). Each seed "
    f"draws {SIZES.training} points to train on, each with one noise at one log-SNR, and "
    f"{SIZES.validation} and {SIZES.test} that samples are held against.",
    noise="targets of other examples",
    draw=draw,
    corrupt=other_rows,
    model=denoiser(),
    output=Output(
        says="the noise of a point, its log-SNR, and its target",
        shape=(3,),
        predictions=dict.fromkeys((Real, Vector, Point), _noise),
        parameters={LogSnr: lambda rows: rows[..., 2]},
        targets=dict.fromkeys((Real, Vector, Point), lambda targets: targets),
        metrics=(
            Metric("energy", "energy distance", energy_distance, higher=False),
            Metric("gap", "distance to the nearest sample", mean_gap, higher=False),
        ),
    ),
    reference="noise_error",
    contenders=(
        "noise_error",
        "min_snr(gamma=[1, 5])",
        "truncated_snr",
        "p2(gamma=[0.5, 1])",
        "sigmoid_snr(bias=[0, 2])",
        "edm(data_scale=1)",
        "absolute_error",
        "huber(delta=[0.1, 1])",
    ),
    levels=(0.0,),
    rates=(3e-4, 1e-3, 3e-3),
    overlap=0.0,  # every seed has new data, so the seeds are independent
    batch=128,
    epochs=20,
)
