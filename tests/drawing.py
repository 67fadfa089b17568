"""Inputs for every public loss, drawn from the domains in its signature."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
LARGE = {  # programs, in their second derivatives: first derivatives alone are quick
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


def axes(elements=ELEMENTS, classes=CLASSES, image=IMAGE):
    """How long the axes of events are, by name."""
    sizes = dict.fromkeys(("classes", "features", "labels"), classes)
    sizes |= dict.fromkeys(("elements", "frames", "items", "keys", "pixels"), elements)
    return sizes | dict(zip(("height", "width", "channels"), image, strict=True))


SIZES = axes()


@dataclass(frozen=True)
class Case:
    """A loss with what the laws need to know of it, and how often they differentiate it."""

    loss: jl.Loss
    order: int = 2

    @property
    def domains(self):
        return tuple(self.loss.signature.arrays.values())

    @property
    def hyper(self) -> dict[str, tuple[Any, ...]]:
        """Three values of each hyper-parameter, by name."""
        keywords = self.loss.signature.hyperparameters.items()
        return {name: _settings(item.domain) for name, item in keywords}

    @property
    def some_hyper(self) -> dict[str, Any]:
        return {name: values[0] for name, values in self.hyper.items()}

    def shape(self, domain, batch=(BATCH,), elements=ELEMENTS, classes=CLASSES, image=IMAGE):
        per_class = any(
            item.domain.per_class for item in self.loss.signature.hyperparameters.values()
        )
        sizes = axes(elements, classes, image)
        if per_class and self.loss.signature.elementwise:
            return (*batch, classes)
        return (*batch, *(sizes.get(axis, axis) for axis in domain.axes))

    def ordinary(self, seed: int = 0, batch=(BATCH,), **sizes) -> tuple[np.ndarray, ...]:
        """Arrays well inside their domains."""
        rng = np.random.default_rng(seed)
        return tuple(d.draw(rng, self.shape(d, batch, **sizes), SIZES) for d in self.domains)

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


def _settings(domain):
    if not domain.per_class:
        return domain.ordinary
    return tuple(np.linspace(0.5, top, CLASSES, dtype=np.float32) for top in domain.ordinary)


def _edges(domain, shape):
    if choices := domain.choices(SIZES):
        return hnp.arrays(np.int32, shape, elements=st.sampled_from(choices))
    count = len(domain.edges)
    inside = np.random.default_rng(count).uniform(*domain.ordinary, 2 * count).round(4)
    elements = st.sampled_from([*domain.edges, *inside.tolist()])
    return hnp.arrays(np.float64, shape, elements=elements).map(lambda x: _finish(domain, x))


def _finish(domain, values):
    """Members of the domain; the first class is never masked."""
    if not values.size:
        return np.asarray(values, np.float32)
    if -INF in domain.edges and "classes" in domain.axes:
        values = np.array(values)
        values[..., 0] = np.nan_to_num(values[..., 0], neginf=0.0)
    return np.asarray(domain.normalised(values), np.float32)


def given_loss(name, *given):
    """A parameter that stands for a loss; large programs are slow, and so is what makers give."""
    slow = name in LARGE or name not in PUBLIC
    return pytest.param(*(given or (name,)), id=name, marks=[pytest.mark.slow] * slow)


def wrapper_of(loss):
    """All that binding, validating, casting and batching know of a loss: not its formula."""
    signature = loss.signature
    numbers = ((item.domain, item.default is None) for item in signature.hyperparameters.values())
    return type(loss), signature.domains, tuple(numbers), signature.is_set


def one_of_each(key):
    """The names of public losses, one for each value of a key, and none large if another is not."""
    large_first = sorted(public_losses().items(), key=lambda item: item[0] not in LARGE)
    return {*{key(loss): name for name, loss in large_first}.values()}


OF_EACH_WRAPPER = one_of_each(wrapper_of)
OF_EACH_INPUT = one_of_each(lambda loss: (loss.signature.first, loss.signature.is_set))


def when(name, quick=PUBLIC):
    """The marks of what is tried of a loss: slow but for some; under any flags for one an input."""
    if name not in quick:
        return [pytest.mark.slow]
    return [pytest.mark.any_flags] * (name in OF_EACH_INPUT)


def with_first(x, value):
    """A copy of the array whose first entry is this, as floats where this is one."""
    changed = np.array(x, np.float32 if isinstance(value, float) else x.dtype)
    changed.flat[0] = value
    return changed


def half_square(scores):
    """The conjugate of ||p||² / 2 on the simplex, with the threshold found by sorting."""
    falling = jnp.sort(scores)[::-1]
    thresholds = (jnp.cumsum(falling) - 1) / jnp.arange(1, len(scores) + 1)
    chosen = jax.nn.relu(scores - jnp.max(thresholds))
    return jnp.dot(chosen, scores) - jnp.dot(chosen, chosen) / 2


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
