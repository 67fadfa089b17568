"""Every fact that a loss claims, derived again from its values alone.

Losses of one number (a residual, a margin, a prediction beside its target) are looked at along a
line; losses of a vector (logits, scores, probabilities) at random vectors.
"""

import functools
import inspect
import itertools
from math import inf, log

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from drawing import LARGE, LOSSES, PUBLIC, Case, when

from jaxloss.core.domains import Scale
from jaxloss.core.loss import Distance, Margin

NEAR = np.unique(np.concatenate([np.linspace(-6, 6, 9601), np.linspace(-30, 30, 1201)]).round(6))
HALF_LINE = np.concatenate(
    [np.logspace(-9, 0, 200), np.linspace(1.01, 12, 1100), np.logspace(1.1, 5, 40)]
)
OPEN_UNIT = np.concatenate(
    [np.logspace(-30, -4, 60), np.linspace(1e-3, 0.999, 1999), 1 - np.logspace(-4, -15, 30)]
)
FAR = np.concatenate([-np.logspace(5, 1.5, 60), NEAR, np.logspace(1.5, 5, 60)])
SAMPLE = np.random.default_rng(7).lognormal(0.1, 0.5, 400)
CHANCES = (0.1, 0.3, 0.6, 0.9)
DISTRIBUTIONS = [(0.5, 0.3, 0.2), (0.4, 0.35, 0.25), (0.7, 0.2, 0.1)]

UNIT, HALF = (0, 1), (0, inf)  # the intervals of probabilities, and of what is not negative

CHECKED: set = set()  # which loss claims which fact, as the tests below collect them


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def settings_of(loss):
    """The defaults, then two other choices of the hyper-parameters."""
    items = loss.signature.hyperparameters.items()
    default = {name: item.default for name, item in items if item.default is not None}
    varied = {name: values for name, values in Case(loss).hyper.items() if name in default}
    return [default, *({n: v[i] for n, v in varied.items()} for i in (0, 2) if varied)]


def interval(domain):
    return domain.low, domain.high


def along(domain):
    """Points all along a domain, the densest near 0 or at its ends."""
    everywhere = NEAR if domain.scale is Scale.LOGIT else FAR
    return {UNIT: OPEN_UNIT, HALF: HALF_LINE}.get(interval(domain), everywhere)


def beside(domain):
    """A few members, small and large ones."""
    if domain.whole:
        return [-1.0, 1.0]
    if interval(domain) == UNIT:
        return [1e-3, 0.3, 0.999] if domain.open else [0.0, 0.3, 1.0]
    if interval(domain) != HALF:
        return [-8.0, 1e-3, 2.0]
    flat = [] if domain.shared else [1e5]  # a scale as large leaves curvature below rounding
    return [1e-3, 1.0, 4.0, *flat]


def is_line(loss):
    return loss.signature.elementwise


def claims(fact, condition):
    """Every loss that claims the fact, at each setting, with what it claims."""
    rows = []
    for name, loss in LOSSES.items():
        for place, hyper in enumerate(settings_of(loss) if condition(loss) else []):
            facts, quick = loss.facts.at(**hyper), () if place else PUBLIC.keys() - LARGE
            if fact in facts:
                label = ",".join(f"{key}={value:g}" for key, value in hyper.items())
                marks, title = when(name, quick), f"{name}({label})"
                rows.append(pytest.param(loss, hyper, facts[fact], id=title, marks=marks))
    CHECKED.update((row.values[0], fact) for row in rows)
    return pytest.mark.parametrize(("loss", "hyper", "claim"), rows)


on_a_line = functools.partial(claims, condition=is_line)
on_vectors = functools.partial(claims, condition=lambda loss: not is_line(loss))


# Losses of one number.


@functools.cache
def compiled(loss):
    """Value and slope at many points, beside fixed further arguments."""
    bare = isinstance(loss, (Distance, Margin))
    function = loss.function if bare else loss
    value = lambda x, beside, hyper: function(x, *beside, **hyper)
    return jax.jit(jax.vmap(value, (0, None, None))), jax.jit(
        jax.vmap(jax.grad(value), (0, None, None))
    )


def curves(loss, hyper, *, slope=False):
    """The loss, or its slope, as functions of one number, and the points to look at them."""
    first, *others = loss.signature.arrays.values()
    bare = isinstance(loss, (Distance, Margin))
    points = FAR if bare else along(first)
    function = compiled(loss)[slope]
    choices = [()] if bare else itertools.product(*map(beside, others))
    return [
        (lambda x, at=at: by_blocks(lambda part: function(part, at, hyper), x), points)
        for at in choices
    ]


def by_blocks(function, x):
    """The values at all points, in blocks of one of two sizes: a size is compiled only once."""
    size = 64 if len(x) <= 64 else len(FAR)
    parts = [x[at : at + size] for at in range(0, len(x), size)]
    full = [np.pad(part, (0, size - len(part)), mode="edge") for part in parts]
    return np.concatenate([function(part) for part in full])[: len(x)]


def steepest(function, points):
    """The largest difference quotient, sought ever closer where the function changes fastest."""
    values = function(points)
    points, values = points[np.isfinite(values)], values[np.isfinite(values)]
    quotients = np.abs(np.diff(values)) / np.diff(points)
    order = np.argsort(quotients)[-16:]
    low, high = points[order], points[order + 1]
    for _ in range(18):
        middle = (low + high) / 2
        left, here, right = np.split(function(np.concatenate([low, middle, high])), 3)
        leftwards = np.abs(here - left) > np.abs(right - here)
        low, high = np.where(leftwards, low, middle), np.where(leftwards, middle, high)
    left, right = np.split(function(np.concatenate([low, high])), 2)
    machine_epsilon = 4e-16 * (np.abs(left) + np.abs(right))
    return max(quotients.max(), np.max((np.abs(right - left) - machine_epsilon) / (high - low)))


def check_constant(found, claim):
    if claim == inf:
        assert max(found) > 20
    else:
        assert max(found) <= claim * (1 + 1e-5) + 1e-9
        assert max(found) >= claim * 0.99


def sags(function, points):
    """How far the graph hangs below random chords, relative to the values at their ends."""
    rng = np.random.default_rng(0)
    left, right = rng.choice(points, (2, 20000))
    share = rng.uniform(0.05, 0.95, left.shape)
    ends = function(np.concatenate([left, right])).reshape(2, -1)
    with np.errstate(invalid="ignore"):
        chord = share * ends[0] + (1 - share) * ends[1]
        gaps = (chord - function(share * left + (1 - share) * right)) / (1 + np.abs(ends).sum(0))
    return gaps[np.isfinite(gaps) & (np.abs(left - right) > 1e-3)]


@on_a_line("convex")
def test_convex(loss, hyper, claim):
    lowest = min(sags(function, points).min() for function, points in curves(loss, hyper))
    assert lowest >= -1e-12 if claim else lowest < -1e-6


@on_a_line("strictly_convex")
def test_strictly_convex(loss, hyper, claim):
    """Midpoints of chords, wide and narrow, around the centre of the domain."""
    first = next(iter(loss.signature.arrays.values()))
    centre, widths = {UNIT: (0.5, (0.49, 0.1)), HALF: (3.5, (3.4, 0.1))}.get(
        interval(first), (0.0, (3.5, 0.35, 0.0035))
    )
    gaps = []
    for (function, _), width in itertools.product(curves(loss, hyper), widths):
        left, right = (
            x.ravel() for x in np.meshgrid(*[centre + width * np.linspace(-1, 1, 60)] * 2)
        )
        apart = right - left > 0.1 * width
        values = function(np.concatenate([left[apart], right[apart], (left + right)[apart] / 2]))
        ends, middle = values[: 2 * apart.sum()].reshape(2, -1), values[2 * apart.sum() :]
        gaps.append(np.min(ends.mean(0) - middle))
    assert min(gaps) > 1e-12 if claim else min(gaps) < 1e-13


@on_a_line("symmetric")
def test_symmetric(loss, hyper, claim):
    ((rho, _),) = curves(loss, hyper)
    assert np.allclose(rho(NEAR), rho(-NEAR), rtol=1e-12) == claim


@on_a_line("lipschitz")
def test_lipschitz(loss, hyper, claim):
    check_constant([steepest(*curve) for curve in curves(loss, hyper)], claim)


@on_a_line("smooth")
def test_smooth(loss, hyper, claim):
    check_constant([steepest(*curve) for curve in curves(loss, hyper, slope=True)], claim)


@on_a_line("supremum")
def test_supremum(loss, hyper, claim):
    every_curve = curves(loss, hyper)
    top = max(np.nanmax(function(points)) for function, points in every_curve)
    if claim == inf:
        assert top > 20 or any(grows(*curve) for curve in every_curve)
    else:
        assert claim - 0.01 * max(abs(claim), 0.1) <= top <= claim + 1e-9


def grows(function, points):
    """Whether the value keeps rising by as much each time the distance is multiplied."""
    low, middle, high = function(points[-1] ** np.array([1, 2, 3]))
    return high - middle > 0.5 * (middle - low) > 0


@on_a_line("redescending")
def test_redescending(loss, hyper, claim):
    ((influence, _),) = curves(loss, hyper, slope=True)
    ends = np.abs(influence(np.array([-1e12, 1e12])))
    assert bool(np.all(ends < 1e-4 * np.abs(influence(NEAR)).max())) == claim


def chance_risk(loss, hyper, chance):
    """The risk of a score where the class +1 has this probability."""
    if isinstance(loss, Margin):
        ((psi, _),) = curves(loss, hyper)
        return lambda x: chance * psi(x) + (1 - chance) * psi(-x)
    value = compiled(loss)[0]
    return lambda x: chance * value(x, (1.0,), hyper) + (1 - chance) * value(x, (0.0,), hyper)


def score_range(loss):
    """Lowest score, the score that decides between the classes, highest score."""
    first = next(iter(loss.signature.arrays.values()))
    return (1e-6, 0.5, 1 - 1e-6) if interval(first) == UNIT else (-30.0, 0.0, 30.0)


def least(risk, low, high):
    """The minimiser of a function of one number, by ever finer grids."""
    for _ in range(6):
        grid = np.linspace(low, high, 2001)
        best = int(np.argmin(np.asarray(risk(grid))))
        low, high = grid[max(best - 2, 0)], grid[min(best + 2, 2000)]
    return (low + high) / 2


def best_score(loss, hyper, chance):
    low, _, high = score_range(loss)
    return least(chance_risk(loss, hyper, chance), low, high)


@on_a_line("calibrated")
def test_calibrated(loss, hyper, claim):
    """The best score on the wrong side is strictly worse than the best score."""
    low, decides, high = score_range(loss)
    scores = np.linspace(low, high, 60001)
    risks = [np.asarray(chance_risk(loss, hyper, chance)(scores)) for chance in (0.55, 0.7, 0.9)]
    gaps = [risk[scores <= decides].min() - risk.min() for risk in risks]
    assert (min(gaps) > 1e-6) == claim


@on_a_line("proper")
def test_proper(loss, hyper, claim):
    """Different probabilities have different best scores."""
    found = [best_score(loss, hyper, chance) for chance in CHANCES]
    assert (np.min(np.diff(found)) > 1e-3) == claim


@on_a_line("link")
def test_link_turns_the_best_score_into_the_probability(loss, hyper, claim):
    wanted = [name for name in inspect.signature(claim).parameters if name in hyper]
    for chance in CHANCES:
        score = jnp.asarray(best_score(loss, hyper, chance))
        found = claim(score, **{name: hyper[name] for name in wanted})
        assert float(found) == pytest.approx(chance, abs=2e-3)


def expectile(sample, quantile):
    """The root of the asymmetric first-order condition (Newey & Powell 1987)."""
    above, below = (lambda x: np.maximum(sample - x, 0)), (lambda x: np.maximum(x - sample, 0))
    gap = lambda x: quantile * above(x).mean() - (1 - quantile) * below(x).mean()
    return scipy.optimize.brentq(gap, sample.min(), sample.max())


def weighted_median(sample, weights):
    order = np.argsort(sample)
    share = np.cumsum(weights[order]) / weights.sum()
    return sample[order][np.searchsorted(share, 0.5)]


FUNCTIONALS = {
    "mean": np.mean,
    "median": np.median,
    "log mean": lambda y: log(np.mean(y)),
    "quantile": np.quantile,
    "expectile": expectile,
    "certainty equivalent": lambda y, a: -log(np.mean(np.exp(-a * y))) / a,
    "inversely weighted median": lambda y: weighted_median(y, 1 / y),
    "mean direction": lambda y: np.angle(np.mean(np.exp(1j * y))),
    "shifted geometric mean": lambda y: np.expm1(np.mean(np.log1p(y))),
}


def elicits_a_functional(loss):
    return is_line(loss) and loss.facts.elicits not in ("class", "class probability")


@claims("elicits", elicits_a_functional)
def test_elicited_functional(loss, hyper, claim):
    *heads, last = loss.signature.arrays.values()
    of_labels = interval(last) == UNIT
    sample = (SAMPLE > 1).astype(float) if of_labels else SAMPLE
    functional = FUNCTIONALS[claim]
    wanted = [name for name in ("quantile", "a") if name in hyper]
    ones = [1.0 for _ in heads[1:]]
    risk = jax.jit(
        jax.vmap(lambda x: jnp.mean(jax.vmap(lambda y: loss(x, *ones, y, **hyper))(sample)))
    )
    low, high = (1e-3, 0.999) if of_labels else (-1.0 if "log" in claim else 0.05, 4.0)
    expected = functional(sample, *[hyper[name] for name in wanted])
    assert least(risk, low, high) == pytest.approx(expected, rel=0.02, abs=5e-3)


@claims("elicits", lambda loss: is_line(loss) and not elicits_a_functional(loss))
def test_elicited_class(loss, hyper, claim):
    """What the facts `calibrated` and `proper` say in other words."""
    facts = loss.facts.at(**hyper)
    assert facts["calibrated"]
    assert facts["proper"] == (claim == "class probability")


# Losses of a vector.


def enter(domain, raw):
    """A vector of the domain from any vector."""
    if domain.scale is Scale.LOG_PROBABILITY:
        return jax.nn.log_softmax(raw)
    if domain.scale is Scale.PROBABILITY:
        return jax.nn.softmax(raw) if "classes" in domain.axes[:1] else jax.nn.sigmoid(raw)
    return (raw > 0).astype(raw.dtype) if domain.whole else raw


@functools.cache
def vector_function(loss):
    """Value and gradient for many vectors, each beside further arguments of its own."""

    def total(x, y, hyper):
        values = loss(x, *y, **hyper)
        values = jnp.sum(values, axis=range(1, values.ndim))  # over the elements of a set
        return jnp.sum(values), values

    @jax.jit
    def derived(x, y, hyper):
        gradient, values = jax.grad(total, has_aux=True)(x, y, hyper)
        return values, gradient

    return derived


@functools.cache
def raw_vectors(classes, seed=0, count=6000):
    """Vectors that are ordinary, tiny, large and saturated, and some on the lattice of kinks."""
    rng = np.random.default_rng(seed)
    smooth = rng.normal(size=(count, classes)) * 10 ** rng.uniform(-2, 2, (count, 1))
    lattice = (
        rng.integers(-4, 5, (count // 4, classes)) / 2
        + rng.normal(size=(count // 4, classes)) * 1e-7
    )
    return jnp.asarray(np.concatenate([smooth, lattice]))


def targets_beside(loss, vectors, *, hard=False):
    """Random further arguments for each vector, or with `hard` those that are a single class."""
    _, *others = loss.signature.arrays.values()
    return tuple(
        target_beside(domain, vectors, seed, hard=hard) for seed, domain in enumerate(others)
    )


def target_beside(domain, vectors, seed, *, hard):
    count, classes = vectors.shape
    labels = jnp.asarray(np.random.default_rng(9 + seed).integers(0, classes, count))
    if domain.counts or domain.padded:  # 2 frames, the label 1
        return jnp.full((count, 1) if domain.axes else count, 2 if domain.counts == "frames" else 1)
    if domain.accepts == ("integer",):
        return labels
    if not domain.axes:
        return jnp.where(labels > 0, 1.0, -1.0)
    spread = raw_vectors(classes, seed=5 + seed, count=count)[:count]
    return jnp.eye(classes)[labels] if hard else enter(domain, spread)


@functools.lru_cache(maxsize=4)
def scenes(loss, seed=0, *, hard=False):
    """Vectors of the loss's first domain in several numbers of classes, with what is beside."""
    return jax.tree.map(np.asarray, list(_scenes(loss, seed, hard)))


def _scenes(loss, seed, hard):
    first = next(iter(loss.signature.arrays.values()))
    for classes in (2, 5):
        vectors = enter(first, raw_vectors(classes, seed))
        beside = targets_beside(loss, vectors, hard=hard)
        if loss.signature.is_set and len(first.axes) == 2:  # sets of three vectors
            sets = (x[: len(x) // 3 * 3] for x in (vectors, *beside))
            vectors, *beside = (x.reshape(-1, 3, *x.shape[1:]) for x in sets)
        if first.padded:  # two frames
            vectors = jnp.stack([vectors, -vectors], axis=1)
        if "channels" in first.axes:  # one pixel high, of one channel
            vectors, *beside = (x[:, None, :, None] for x in (vectors, *beside))
        yield vectors, tuple(beside)
        region = first.axes == ("pixels",) and first.scale is Scale.PROBABILITY
        if region and classes == 2:  # and one of many pixels, all like these
            few = (vectors[:500], *targets_beside(loss, vectors[:500], hard=hard))
            many, *beside = (jnp.repeat(x, 300, axis=-1) for x in few)
            yield many, tuple(beside)


def vector_gaps(loss, hyper, left, right, targets, share):
    """How far the graph hangs below chords, relative to the values at their ends."""
    value = lambda x: np.asarray(vector_function(loss)(x, targets, hyper)[0])
    share = share.reshape(-1, *[1] * (left.ndim - 1))
    ends = [value(x) for x in (left, right)]
    with np.errstate(invalid="ignore"):
        chord = share.ravel() * ends[0] + (1 - share.ravel()) * ends[1]
        middle = value(share * left + (1 - share) * right)
        return (chord - middle) / (1 + np.abs(ends).sum(0))


@on_vectors("convex")
def test_convex_on_vectors(loss, hyper, claim):
    lowest = inf
    for (left, targets), (right, _) in zip(scenes(loss, 0), scenes(loss, 1), strict=True):
        share = np.random.default_rng(2).uniform(0.05, 0.95, len(left))
        gaps = vector_gaps(loss, hyper, left, right, targets, share)
        lowest = min(lowest, gaps[np.isfinite(gaps)].min())
    assert lowest >= -1e-12 if claim else lowest < -1e-6


@on_vectors("strictly_convex")
def test_strictly_convex_on_vectors(loss, hyper, claim):
    """Chords in all directions, along (1, ..., 1), and between two rivals of the true class."""
    gaps = []
    for left, targets in scenes(loss, hard=True):
        labels = targets[-1] if targets[-1].ndim == 1 else np.argmax(targets[-1], axis=-1)
        own = np.arange(left.shape[-1]) == labels[:, None]
        swapped = np.where(own, left, np.roll(np.where(own, 0, left), 1, axis=-1))
        half = np.full(len(left), 0.5)
        for right in (left[::-1], left + 1, swapped):
            found = vector_gaps(loss, hyper, left, right, targets, half)
            apart = np.linalg.norm(left - right, axis=-1) > 0.5
            gaps += found[apart & (np.abs(left).max(-1) < 5) & np.isfinite(found)].tolist()
    assert min(gaps) > 1e-9 if claim else min(gaps) < 1e-12


@on_vectors("lipschitz")
def test_lipschitz_on_vectors(loss, hyper, claim):
    steepness = lambda x, y: np.linalg.norm(vector_function(loss)(x, y, hyper)[1], axis=-1)
    with np.errstate(over="ignore"):
        norms = [steepness(*scene) for scene in scenes(loss)]
    check_constant([np.max(each[np.isfinite(each)]) for each in norms], claim)


@on_vectors("smooth")
def test_smooth_on_vectors(loss, hyper, claim):
    """The change of the gradient over a short step, in the direction where it is largest."""
    gradient = lambda x, y: np.asarray(vector_function(loss)(x, y, hyper)[1])
    step, found = 1e-6, []
    for x, y in scenes(loss):
        here = gradient(x, y)
        direction = np.random.default_rng(3).normal(size=x.shape)
        for _ in range(12):
            direction /= np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-30)
            change = gradient(x + step * direction, y) - here
            direction = np.clip(np.nan_to_num(change / step), -1e100, 1e100)
        found.append(np.linalg.norm(direction, axis=-1).max())
    if claim == inf:
        assert max(found) > 50
    else:
        assert 0.98 * claim <= max(found) <= claim * (1 + 1e-3)


@on_vectors("supremum")
def test_supremum_on_vectors(loss, hyper, claim):
    top = max(np.nanmax(vector_function(loss)(x, y, hyper)[0]) for x, y in scenes(loss))
    if claim == inf:
        assert top > 100
    else:
        assert claim - 0.01 <= top <= claim + 1e-9


@functools.cache
def expected_value(loss):
    """The expected loss and its slope for labels with these chances, compiled once."""
    first, last = loss.signature.arrays.values()
    labels = jnp.arange(3) if last.indexes else jnp.eye(3)
    together = lambda raw: jnp.tile(enter(first, raw), (3, 1))
    risk = lambda raw, chances, hyper: jnp.dot(chances, loss(together(raw), labels, **hyper))
    return jax.jit(jax.value_and_grad(risk))


@functools.cache
def best_vector(loss, setting, distribution):
    """The vector with the least expected loss, for labels from this distribution."""
    hyper, chances = settings_of(loss)[setting], np.array(distribution)
    steered = lambda x: jax.tree.map(np.asarray, expected_value(loss)(x, chances, hyper))
    start = np.log(distribution) / 3
    smooth = scipy.optimize.minimize(steered, start, jac=True, method="BFGS", tol=1e-10)
    options = {"xatol": 1e-9, "fatol": 1e-13, "maxfev": 2000, "adaptive": True}
    value = lambda x: float(steered(x)[0])
    found = scipy.optimize.minimize(value, smooth.x, method="Nelder-Mead", options=options).x
    return np.asarray(enter(next(iter(loss.signature.arrays.values())), jnp.asarray(found)))


def best_vectors(loss, hyper):
    setting = settings_of(loss).index(hyper)
    return [(np.array(q), best_vector(loss, setting, q)) for q in DISTRIBUTIONS]


def as_probabilities(loss, vector):
    scale = next(iter(loss.signature.arrays.values())).scale
    if scale is Scale.LOG_PROBABILITY:
        return np.exp(vector)
    return np.asarray(jax.nn.softmax(jnp.asarray(vector))) if scale is Scale.LOGIT else vector


@on_vectors("calibrated")
def test_calibrated_on_vectors(loss, hyper, claim):
    """The best scores are largest, by a margin, at the likeliest class: for every distribution."""
    leads = [scores[0] - max(scores[1:]) for _, scores in best_vectors(loss, hyper)]
    assert (min(leads) > 1e-3) == claim


ELICITED = {
    "distribution": lambda q: q,
    "mean one-hot vector": lambda q: q,
    "square root of the distribution": lambda q: np.sqrt(q) / np.sqrt(q).sum(),
    "mode": lambda q: np.eye(len(q))[np.argmax(q)],
}


@on_vectors("elicits")
def test_elicited_distribution(loss, hyper, claim):
    for distribution, best in best_vectors(loss, hyper):
        found = as_probabilities(loss, best)
        np.testing.assert_allclose(found, ELICITED[claim](distribution), atol=0.01)


@on_vectors("proper")
def test_proper_on_vectors(loss, hyper, claim):
    pairs = best_vectors(loss, hyper)
    errors = [np.abs(as_probabilities(loss, best) - q).max() for q, best in pairs]
    assert (max(errors) < 2e-3) == claim


def test_no_claim_goes_unchecked():
    for name, loss in LOSSES.items():
        for fact in loss.facts.at(**settings_of(loss)[0]):
            assert (loss, fact) in CHECKED, f"{name} claims `{fact}`, which nothing derives"
