"""Every fact that a loss claims, derived again from its values alone."""

import itertools
from math import inf

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from drawing import LOSSES, Case, in_double
from jaxloss.contract import Distance, Margin

NEAR = np.linspace(-6, 6, 2401)
FAR = np.concatenate([-np.logspace(12, 1, 60), NEAR, np.logspace(1, 12, 60)])
HALF_LINE = np.concatenate([np.logspace(-6, 0, 200), np.linspace(1.01, 12, 1100), np.logspace(1.1, 6, 40)])
UNIT_INTERVAL = np.linspace(1e-4, 1 - 1e-4, 2001)
PREDICTIONS = {"NonNegativeReal": HALF_LINE, "Probability": UNIT_INTERVAL, "Logit": NEAR * 5, "Real": FAR}
TARGETS = {"Real": [-1.5, 0.3, 2.0], "NonNegativeReal": [0.5, 1.0, 4.0], "Probability": [0.0, 0.3, 1.0]}

SAMPLE = np.random.default_rng(7).lognormal(0.1, 0.5, 400)
DISTRIBUTIONS = [np.array(q) for q in ([0.5, 0.3, 0.2], [0.4, 0.35, 0.25], [0.7, 0.2, 0.1])]


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def settings_of(loss):
    """The defaults, then one choice of hyper-parameters after the other."""
    items = loss.contract.hyperparameters.items()
    default = {name: item.default for name, item in items if item.default is not None}
    varied = {name: values for name, values in Case(loss).hyper.items() if name in default}
    return [default] + [{n: v[i] for n, v in varied.items()} for i in range(3) if varied]


def claims(fact, kinds):
    """Every loss of these kinds that claims the fact, at each setting, with what it claims."""
    rows = []
    for (name, loss) in LOSSES.items():
        for hyper in settings_of(loss) if kind_of(loss) in kinds else []:
            claimed = loss.facts.at(**hyper)
            if fact in claimed:
                label = ",".join(f"{k}={v:g}" for k, v in hyper.items())
                rows.append(pytest.param(loss, hyper, claimed[fact], id=f"{name}({label})"))
    return pytest.mark.parametrize(("loss", "hyper", "claim"), rows)


def kind_of(loss):
    """How many numbers the first argument of one example is: a line, or a vector."""
    first, *others = loss.contract.arrays.values()
    if first.event:
        return "labelled" if others[-1].indexes else "paired"
    return "line" if len(others) == 1 else "headed"


def curves(loss, hyper):
    """The loss as functions of one variable, each with the points to look at it."""
    if isinstance(loss, (Distance, Margin)):
        points = FAR if isinstance(loss, Distance) else NEAR * 5
        return [(lambda x: loss.function(x, **hyper), points)]
    first, second = (domain.name for domain in loss.contract.arrays.values())
    at = [jnp.asarray(float(t)) for t in TARGETS[second]]
    return [(lambda x, t=t: loss(x, jnp.broadcast_to(t, x.shape), **hyper), PREDICTIONS[first]) for t in at]


def slopes(function, points):
    """Difference quotients between neighbours: bounded by a Lipschitz constant, and near it."""
    values = np.asarray(function(jnp.asarray(points)))
    quotients = np.abs(np.diff(values)) / np.diff(points)
    return quotients[np.isfinite(quotients)]


def steepest(function, points):
    """The largest difference quotient, sought ever closer where the function changes fastest."""
    points = points[np.isfinite(np.asarray(function(jnp.asarray(points))))]
    best = slopes(function, points)
    order = np.argsort(best)[-12:]
    for low, high in zip(points[order], points[order + 1], strict=True):
        for _ in range(25):
            middle = (low + high) / 2
            left, here, right = np.asarray(function(jnp.asarray([low, middle, high])))
            low, high = (low, middle) if abs(here - left) > abs(right - here) else (middle, high)
        best = np.append(best, slopes(function, np.array([low, high])))
    return best.max()


def check_constant(found, claim):
    if claim == inf:
        assert max(found) > 50
    else:
        assert max(found) <= claim * (1 + 1e-5) + 1e-9
        assert max(found) >= claim * 0.99


def chords(points, seed=0):
    """Random pairs of points, near and far."""
    rng = np.random.default_rng(seed)
    left, right = rng.choice(points, (2, 20000))
    apart = np.abs(left - right) > 1e-3
    return left[apart], right[apart]


def sags(function, points):
    """How far the graph hangs below random chords, relative to the values there: negative is above."""
    left, right = chords(points)
    share = np.random.default_rng(1).uniform(0.05, 0.95, left.shape)
    ends = [np.asarray(function(jnp.asarray(x))) for x in (left, right)]
    chord = share * ends[0] + (1 - share) * ends[1]
    values = np.asarray(function(jnp.asarray(share * left + (1 - share) * right)))
    size = 1 + np.abs(ends[0]) + np.abs(ends[1])
    relative = (chord - values) / size
    return relative[np.isfinite(relative)]


@claims("convex", {"line"})
def test_convex_on_a_line(loss, hyper, claim):
    lowest = min(sags(f, points[np.abs(points) < 1e5]).min() for f, points in curves(loss, hyper))
    assert lowest >= -1e-12 if claim else lowest < -1e-6


@claims("strictly_convex", {"line"})
def test_strictly_convex_near_zero(loss, hyper, claim):
    within = np.linspace(-3.5, 3.5, 701)
    gaps = []
    for function, _ in curves(loss, hyper):
        left, right = (x.ravel() for x in np.meshgrid(within[::7], within[::7]))
        apart = right - left > 0.5
        left, right = jnp.asarray(left[apart]), jnp.asarray(right[apart])
        gaps.append((function(left) + function(right)) / 2 - function((left + right) / 2))
    assert np.min(gaps) > 1e-7 if claim else np.min(gaps) < 1e-12


@claims("symmetric", {"line"})
def test_symmetric(loss, hyper, claim):
    forward, backward = loss.rho(jnp.asarray(NEAR), **hyper), loss.rho(-jnp.asarray(NEAR), **hyper)
    assert np.allclose(forward, backward, rtol=1e-12) == claim


@claims("lipschitz", {"line"})
def test_lipschitz_on_a_line(loss, hyper, claim):
    check_constant([steepest(f, points) for f, points in curves(loss, hyper)], claim)


@claims("smooth", {"line"})
def test_smooth_on_a_line(loss, hyper, claim):
    found = []
    for function, points in curves(loss, hyper):
        gradient = jax.vmap(jax.grad(lambda x, f=function: f(x[None])[0]))
        found.append(steepest(gradient, points[np.abs(points) < 1e5]))
    check_constant(found, claim)


@claims("supremum", {"line"})
def test_supremum_on_a_line(loss, hyper, claim):
    highest = [np.asarray(f(jnp.asarray(points))) for f, points in curves(loss, hyper)]
    top = max(values[~np.isnan(values)].max() for values in highest)
    if claim == inf:
        (function, points) = curves(loss, hyper)[0]
        assert top > 20 or grows(function, points)
    else:
        assert claim - 0.01 * max(abs(claim), 0.1) <= top <= claim + 1e-9


def grows(function, points):
    """Whether the value keeps rising by as much each time the distance is multiplied."""
    steps = points[-1] ** np.array([1 / 3, 2 / 3, 1])
    low, middle, high = np.asarray(function(jnp.asarray(steps)))
    return high - middle > 0.5 * (middle - low) > 0


@claims("redescending", {"line"})
def test_redescending(loss, hyper, claim):
    influence = jax.vmap(jax.grad(lambda r: loss.rho(r, **hyper)))
    largest = np.abs(influence(jnp.asarray(NEAR))).max()
    ends = np.abs(influence(jnp.asarray([-1e12, 1e12])))
    assert bool(np.all(ends < 1e-4 * largest)) == claim


def conditional_risk(loss, hyper, eta):
    return lambda m: eta * loss.psi(m, **hyper) + (1 - eta) * loss.psi(-m, **hyper)


@claims("calibrated", {"line"})
def test_calibrated_margin(loss, hyper, claim):
    """The best score of the wrong sign is strictly worse than the best score."""
    scores = np.linspace(-30, 30, 60001)
    gaps = []
    for eta in (0.55, 0.7, 0.9):
        risk = np.asarray(conditional_risk(loss, hyper, eta)(jnp.asarray(scores)))
        gaps.append(risk[scores <= 0].min() - risk.min())
    assert (min(gaps) > 1e-6) == claim


@claims("proper", {"line"})
def test_proper_on_a_line(loss, hyper, claim):
    """The minimiser of the risk tells the probability of the class +1, through the link."""
    minimisers = [minimiser(loss, hyper, eta) for eta in (0.1, 0.3, 0.6, 0.9)]
    assert (np.min(np.diff(minimisers)) > 1e-3) == claim


@pytest.mark.parametrize("name", [n for n, x in LOSSES.items() if x.facts.link is not None])
def test_link_inverts_the_minimiser(name):
    loss = LOSSES[name]
    for hyper, eta in itertools.product(settings_of(loss), (0.1, 0.3, 0.6, 0.9)):
        wanted = set(loss.facts.link.__code__.co_varnames[1 : loss.facts.link.__code__.co_argcount])
        found = loss.facts.link(jnp.asarray(minimiser(loss, hyper, eta)), **{k: hyper[k] for k in wanted})
        assert float(found) == pytest.approx(eta, abs=2e-3)


def minimiser(loss, hyper, eta):
    """The score, logit or probability with the least risk where the class +1 has probability eta."""
    probability = next(iter(loss.contract.arrays.values())).name == "Probability"
    low, high = (1e-6, 1 - 1e-6) if probability else (-12, 12)
    both = [jnp.asarray(0), jnp.asarray(1)] if isinstance(loss, Margin) else [jnp.asarray(0.0), jnp.asarray(1.0)]
    risk = jax.jit(lambda x: eta * loss(x, both[1] + jnp.zeros_like(x, both[1].dtype), **hyper) + (1 - eta) * loss(x, both[0] + jnp.zeros_like(x, both[0].dtype), **hyper))
    return least(risk, low, high)


def least(risk, low, high):
    """The minimiser of a function of one variable, by ever finer grids."""
    for _ in range(6):
        grid = np.linspace(low, high, 2001)
        best = int(np.argmin(np.asarray(risk(jnp.asarray(grid)))))
        low, high = grid[max(best - 2, 0)], grid[min(best + 2, 2000)]
    return (low + high) / 2


FUNCTIONALS = {
    "mean": lambda y: np.mean(y),
    "log mean": lambda y: np.log(np.mean(y)),
    "median": lambda y: np.median(y),
    "quantile": lambda y, quantile: np.quantile(y, quantile),
    "expectile": lambda y, quantile: expectile(y, quantile),
    "certainty equivalent": lambda y, a: -np.log(np.mean(np.exp(-a * y))) / a,
}


def expectile(sample, level):
    """The root of the asymmetric first-order condition (Newey & Powell 1987)."""
    gap = lambda x: level * np.maximum(sample - x, 0).mean() - (1 - level) * np.maximum(x - sample, 0).mean()
    return scipy.optimize.brentq(gap, sample.min(), sample.max())


@claims("elicits", {"line"})
def test_elicited_functional(loss, hyper, claim):
    if claim in ("class", "class probability"):
        pytest.skip("shown by the tests of `calibrated`, `proper` and `link`")
    functional = FUNCTIONALS[claim]
    names = functional.__code__.co_varnames[1 : functional.__code__.co_argcount]
    sample = jnp.asarray(SAMPLE)
    risk = jax.jit(jax.vmap(lambda x: jnp.mean(loss(jnp.full(SAMPLE.shape, x), sample, **hyper))))
    found = least(risk, -1.0 if "log" in claim else 0.05, 4.0)
    assert found == pytest.approx(functional(SAMPLE, **{n: hyper[n] for n in names}), rel=0.02, abs=5e-3)


def vectors(seed=0, count=4000):
    """Scores in several numbers of classes: ordinary, nearly equal, and saturated."""
    rng = np.random.default_rng(seed)
    for classes in (2, 3, 5):
        scores = rng.normal(size=(count, classes)) * 10 ** rng.uniform(-2, 2, (count, 1))
        yield jnp.asarray(scores), jnp.asarray(rng.integers(0, classes, count))


@claims("convex", {"labelled"})
def test_convex_in_the_scores(loss, hyper, claim):
    lowest = inf
    for (left, labels), (right, _) in zip(vectors(0), vectors(1), strict=True):
        share = np.random.default_rng(2).uniform(0.05, 0.95, len(labels))
        ends = [np.asarray(loss(x, labels, **hyper)) for x in (left, right)]
        middle = loss(share[:, None] * left + (1 - share)[:, None] * right, labels, **hyper)
        gaps = (share * ends[0] + (1 - share) * ends[1] - middle) / (1 + np.abs(ends).sum(0))
        lowest = min(lowest, float(gaps.min()))
    assert lowest >= -1e-12 if claim else lowest < -1e-6


@claims("lipschitz", {"labelled"})
def test_lipschitz_in_the_scores(loss, hyper, claim):
    gradient = jax.jit(jax.vmap(jax.grad(lambda x, y: loss(x, y, **hyper))))
    norms = [np.linalg.norm(gradient(*pair), axis=-1).max() for pair in vectors(count=20000)]
    check_constant(norms, claim)


@claims("supremum", {"labelled"})
def test_supremum_in_the_scores(loss, hyper, claim):
    top = max(float(loss(*pair, **hyper).max()) for pair in vectors())
    if claim == inf:
        assert top > 100
    else:
        assert claim - 0.01 <= top <= claim + 1e-9


def best_scores(loss, hyper, distribution):
    """The scores with the least expected loss, for targets from this distribution."""
    classes = len(distribution)
    labels, weights = jnp.arange(classes), jnp.asarray(distribution)
    risk = lambda scores: jnp.dot(weights, loss(jnp.tile(scores, (classes, 1)), labels, **hyper))
    descend = jax.jit(jax.value_and_grad(risk))
    start = np.log(distribution) / 3
    smooth = scipy.optimize.minimize(lambda x: tuple(map(np.asarray, descend(jnp.asarray(x)))), start, jac=True, method="BFGS", options={"gtol": 1e-9})
    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000, "maxfev": 4000, "adaptive": True}
    value = lambda x: float(descend(jnp.asarray(x))[0])
    polished = scipy.optimize.minimize(value, smooth.x, method="Nelder-Mead", options=options)
    return polished.x


@claims("calibrated", {"labelled"})
def test_calibrated_in_the_scores(loss, hyper, claim):
    """The best scores are largest, by a margin, at the likeliest class: for every distribution."""
    leads = []
    for distribution in DISTRIBUTIONS:
        scores = best_scores(loss, hyper, distribution)
        leads.append(scores[0] - max(scores[1:]))
    assert (min(leads) > 1e-3) == claim


ELICITED = {
    "distribution": lambda q: q,
    "square root of the distribution": lambda q: np.sqrt(q) / np.sqrt(q).sum(),
    "mode": lambda q: np.eye(len(q))[np.argmax(q)],
}


def probabilities_of(loss, scores):
    raw = next(iter(loss.contract.arrays.values())).name == "Scores"
    return scores if raw else np.asarray(jax.nn.softmax(jnp.asarray(scores)))


@claims("elicits", {"labelled"})
def test_elicited_distribution(loss, hyper, claim):
    for distribution in DISTRIBUTIONS:
        found = probabilities_of(loss, best_scores(loss, hyper, distribution))
        np.testing.assert_allclose(found, ELICITED[claim](distribution), atol=0.01)


@claims("proper", {"labelled"})
def test_proper_in_the_scores(loss, hyper, claim):
    errors = [
        np.abs(probabilities_of(loss, best_scores(loss, hyper, q)) - q).max() for q in DISTRIBUTIONS
    ]
    assert (max(errors) < 2e-3) == claim
