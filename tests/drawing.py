"""Inputs for every public loss, drawn from the domains in its signature."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np

import jaxloss as jl
from jaxloss.catalog import public_losses

PUBLIC = {name: getattr(jl, name) for name in dir(jl)}
BATCH, ELEMENTS, CLASSES = 6, 5, 4
IMAGE = (3, 3, 2)  # few pixels, as each is drawn by itself
MADE = (
    jl.one_vs_all(jl.hinge),
    jl.one_vs_each(jl.squared_hinge),
    jl.taylor_cross_entropy(order=3),
    jl.fenchel_young(jax.nn.logsumexp),
    jl.ranking(jl.logistic),
    jl.triplet_of(jl.cosine_distance),
    jl.adaptive_softmax((2, 4, 7)),
    jl.with_temperature(jl.softmax_cross_entropy),
    jl.clipped(jl.half_squared_error),
    jl.mixed(jl.softmax_cross_entropy_with_integer_labels),
    jl.velocity_prediction(jl.min_snr),
)
LOSSES = public_losses() | {loss.__name__: loss for loss in MADE}
LARGE = {  # programs, in their second derivatives
    "barlow_twins",
    "barron_nll",
    "beta_nll",
    "bi_tempered_logistic",
    "circle",
    "ctc",
    "ms_ssim",
    "negative_binomial_nll",
    "student_t_nll",
    "supervised_contrastive",
    "triplet_with_swap",
    "vicreg",
}
INF = float("inf")

# For each array domain: an interval to draw ordinary values from, and the values at its edges.
ORDINARY_AND_EDGES = {
    "Real": ((-3, 3), [0, 1, -1, 1e-6, 1e4, -1e4]),
    "SharedReal": ((-3, 3), [0, 1, -1, 1e-6, 1e4, -1e4]),
    "LogSnr": ((-4, 4), [0, 30, -30, INF, -INF]),
    "NonNegativeReal": ((0.1, 5), [0, 1e-6, 1, 1e4]),
    "PositiveReal": ((0.1, 5), [1e-4, 1, 1e4]),
    "NonZeroReal": ((0.2, 4), [1e-4, -1, 1e4]),
    "Variance": ((0.2, 3), [1e-4, 1, 1e4]),
    "Spread": ((0.2, 3), [1e-4, 1, 1e4]),
    "Concentration": ((0.2, 5), [0, 1e-4, 1e4]),
    "Angle": ((-3, 3), [0, 1e-6, 1, np.pi, -np.pi]),
    "Vector": ((-3, 3), [0, 1e-12, 1, -1, 1e12]),
    "Point": ((-3, 3), [0, 1e-6, 1, -1, 4, -4]),
    "Score": ((-3, 3), [0, 1, -1, 0.5, 1e4, -1e4]),
    "Sign": (None, [0, 1]),
    "Logit": ((-4, 4), [0, 1e4, -1e4, INF, -INF]),
    "Probability": ((0.05, 0.95), [0, 1]),
    "OpenProbability": ((0.05, 0.95), [1e-6, 0.5, 1 - 1e-6]),
    "Logits": ((-4, 4), [0, 1e4, -1e4, -INF]),
    "Scores": ((-3, 3), [0, 1, -1, 1e4, -1e4]),
    "LogProbabilities": ((-4, 4), [0, 1e4, -INF]),
    "Simplex": ((-3, 3), [0, 1e4, -INF]),
    "Label": (None, list(range(CLASSES))),
    "VocabularyLabel": (None, list(range(7))),
    "FrameLogits": ((-4, 4), [0, 1e4, -1e4, -INF]),
    "FrameCounts": (None, [ELEMENTS - 1, ELEMENTS]),
    "LabelCounts": (None, [0, 1, 2]),
    "SequenceLabels": (None, list(range(1, CLASSES))),
    "MultiHot": (None, [0, 1]),
    "ItemScores": ((-3, 3), [0, 1, -1, 1e4, -1e4]),
    "Relevance": ((0.1, 2), [0, 1]),
    "Region": ((0.05, 0.95), [0, 1]),
    "Regions": ((0.05, 0.95), [0, 1]),
    "PixelScores": ((-3, 3), [0, 1, -1, 1e4, -1e4]),
    "PixelSigns": (None, [0, 1]),
    "PixelLogits": ((-4, 4), [0, 1e4, -1e4, -INF]),
    "PixelLabels": (None, list(range(CLASSES))),
    "Image": ((0.05, 0.95), [0, 1e-6, 0.5, 1]),
    "FeatureMap": ((-3, 3), [0, 1, -1, 1e-6, 10, -10]),
    "Embeddings": ((-3, 3), [0, 1e-12, 1, -1, 1e12]),
    "Groups": (None, [0, -1, 7]),
}

HYPER_VALUES = {
    "Number": (0.5, -1.0, 2.0),
    "Extended": (0.5, -1.5, 3.0),
    "Positive": (0.5, 1.0, 2.0),
    "NonNegative": (0.25, 0.5, 2.0),
    "AtLeastOne": (1.2, 1.5, 3.0),
    "Unit": (0.1, 0.5, 0.8),
    "OpenUnit": (0.2, 0.5, 0.9),
    "ZeroToTwo": (0.5, 1.0, 1.5),
    "ClassWeights": tuple(np.linspace(0.5, top, CLASSES, dtype=np.float32) for top in (1, 2, 3)),
}


@dataclass(frozen=True)
class Case:
    """A loss with what the laws need to know of it."""

    loss: jl.Loss

    @property
    def domains(self):
        return tuple(self.loss.contract.arrays.values())

    @property
    def hyper(self) -> dict[str, tuple[Any, ...]]:
        """Three values of each hyper-parameter, by name."""
        keywords = self.loss.contract.hyperparameters.items()
        return {name: HYPER_VALUES[item.domain.name] for name, item in keywords}

    @property
    def some_hyper(self) -> dict[str, Any]:
        return {name: values[0] for name, values in self.hyper.items()}

    def shape(self, domain, batch=(BATCH,), elements=ELEMENTS, classes=CLASSES, image=IMAGE):
        per_class = any(
            item.domain.per_class for item in self.loss.contract.hyperparameters.values()
        )
        sizes = dict.fromkeys(("classes", "features", "labels"), classes)
        sizes |= dict.fromkeys(("elements", "frames", "items", "keys", "pixels"), elements)
        sizes |= dict(zip(("height", "width", "channels"), image, strict=True))
        if per_class and self.loss.contract.elementwise:
            return (*batch, classes)
        return (*batch, *(sizes.get(axis, axis) for axis in domain.axes))

    def ordinary(self, seed: int = 0, batch=(BATCH,), **sizes) -> tuple[np.ndarray, ...]:
        """Arrays well inside their domains."""
        rng = np.random.default_rng(seed)
        return tuple(_ordinary(rng, d, self.shape(d, batch, **sizes)) for d in self.domains)

    def of_any_size(self, batch, **sizes) -> tuple[jax.ShapeDtypeStruct, ...]:
        """What stands for the arrays while tracing; sizes may be symbols of `jax.export`."""
        shapes = [self.shape(domain, batch, **sizes) for domain in self.domains]
        pairs = zip(shapes, self.ordinary(), strict=True)
        return tuple(jax.ShapeDtypeStruct(shape, x.dtype) for shape, x in pairs)

    def edges(self) -> st.SearchStrategy:
        """Arrays whose entries are ordinary or at the edge of their domain."""
        return st.tuples(*[_edges(d, self.shape(d)) for d in self.domains])

    def split(self, arrays) -> tuple[tuple[jax.Array, ...], Callable]:
        """The arrays that a derivative is taken in, and the way back to all of them."""
        at = [i for i, x in enumerate(arrays) if jnp.issubdtype(x.dtype, jnp.floating)]

        def whole(moving):
            full = dict(enumerate(arrays)) | dict(zip(at, moving, strict=True))
            return tuple(full.values())

        return tuple(jnp.asarray(arrays[i]) for i in at), whole

    def summed(self, arrays):
        """The sum over examples, as a function of the arrays that may move and the numbers."""
        _, whole = self.split(arrays)
        return lambda moving, hyper: jnp.sum(self.loss(*whole(moving), **hyper))

    def objective(self, arrays, hyper, **keywords):
        """The objective of this loss at these arrays."""
        *heads, targets = arrays if len(arrays) > 1 else (*arrays, None)
        return jl.Objective(self.loss, **hyper)(tuple(heads), targets, **keywords)


def _ordinary(rng, domain, shape):
    interval, edges = ORDINARY_AND_EDGES[domain.name]
    if interval is None:
        edges = edges[1:] if domain.name == "LabelCounts" else edges  # without any, none is seen
        return rng.choice(np.asarray(edges, np.int32), shape)
    return _finish(domain, rng.uniform(*interval, shape))


def _edges(domain, shape):
    interval, edges = ORDINARY_AND_EDGES[domain.name]
    if interval is None:
        return hnp.arrays(np.int32, shape, elements=st.sampled_from(edges))
    inside = np.random.default_rng(len(edges)).uniform(*interval, 2 * len(edges)).round(4)
    elements = st.sampled_from([*map(float, edges), *inside.tolist()])
    return hnp.arrays(np.float64, shape, elements=elements).map(lambda x: _finish(domain, x))


def _finish(domain, values):
    """Normalised where the domain wants probabilities; the first class is never masked."""
    if not values.size:
        return np.asarray(values, np.float32)
    if domain.name in ("Logits", "PixelLogits", "FrameLogits", "LogProbabilities", "Simplex"):
        values = np.array(values)
        values[..., 0] = np.nan_to_num(values[..., 0], neginf=0.0)
    if domain.name in ("LogProbabilities", "Simplex"):
        log_probabilities = values - np.logaddexp.reduce(values, axis=-1, keepdims=True)
        values = (
            log_probabilities if domain.name == "LogProbabilities" else np.exp(log_probabilities)
        )
    return np.asarray(values, np.float32)


def outside(domain):
    """Values that are not in a domain, NaN among them unless it holds integers."""
    if getattr(domain, "indexes", False):
        return [-1, CLASSES, -100, 1000]
    low, high = domain.low, domain.high
    if getattr(domain, "accepts", None) == ("integer",):
        return [int(x) for x in (low - 1, high + 1) if np.isfinite(x)]
    near = np.array([low - 1, low, high, high + 1, 0, 0.5, -INF, INF, np.nan], np.float32)
    return np.unique(near[~domain.contains(near)]).tolist()


def in_double(x):
    """Floats in double precision, labels as they are."""
    host = np.asarray(x)
    return host if host.dtype == np.int32 else host.astype(np.float64)


def name_of(function):
    """What a test is called by: the same in each process, as the address of a function is not."""
    return getattr(function, "__name__", None) or repr(function)
