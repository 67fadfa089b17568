"""Logits that are huge or infinite: what every loss of the logits of several classes makes of them.

A finite logit is a number, however low: `finfo.min`, with which many mask a class, is one. One of
-inf or +inf is the limit, where there is one.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import BATCH, LOSSES, Case, given_loss, half_square, in_double

import jaxloss as jl
from jaxloss.core.domains import Scale

INF, CE = np.inf, jl.softmax_cross_entropy_with_integer_labels
LOWEST = float(np.finfo(np.float32).min)
LOW = [LOWEST, LOWEST / 2, float(jnp.finfo(jnp.bfloat16).min), -1e30, -1e9, -65504.0]
FAR = 1e30  # in double precision as good as infinite, and no number that rounding would reach
MORE = (jl.fenchel_young(jnp.max), jl.one_vs_all(jl.logistic), jl.with_temperature(jl.brier))


def place(loss):
    """Which array holds the logits, the first if several do; None without any."""
    domains = loss.signature.arrays.values()
    return next((i for i, domain in enumerate(domains) if is_scored(domain)), None)


def is_scored(domain):
    """Whether it has scores or logits of several classes, or of items."""
    several = domain.axes and domain.axes[-1] != "pixels"
    return several and domain.scale in (Scale.LOGIT, Scale.SCORE)


SCORED = {
    name: loss
    for name, loss in {**LOSSES, **{loss.__name__: loss for loss in MORE}}.items()
    if place(loss) is not None
}
every_scored_loss = pytest.mark.parametrize(
    "case", [given_loss(name, Case(loss)) for name, loss in SCORED.items()], scope="module"
)


@every_scored_loss
def test_a_finite_logit_is_a_number_however_low(case):
    """As in double precision, where the same number is nowhere near the end of the range."""
    logits = drawn(case)
    rng, rows = np.random.default_rng(1), logits.reshape(-1, logits.shape[-1])
    for i, row in enumerate(rows):
        row[rng.permutation(len(row))[: 1 + i % len(row)]] = LOW[i % len(LOW)]
    rows[0], rows[1], rows[2, 0] = 0, LOWEST, LOWEST
    agree(case, logits)
    if case.domains[place(case.loss)].scale is Scale.LOGIT and logits.ndim == 2:
        labels = [np.repeat(x[:1], BATCH, 0) for x in case.ordinary()]
        even = at(case, np.repeat(rows[:2], BATCH // 2, 0), arrays=labels)[0]
        np.testing.assert_allclose(even, even[0], rtol=1e-5)


@every_scored_loss
@pytest.mark.parametrize("infinite", [-INF, INF])
def test_an_infinite_logit_is_the_limit(case, infinite):
    logits = drawn(case)
    exact = with_classes(logits, np.sign(infinite) * FAR)
    value, slope = at(case, with_classes(logits, infinite))
    limit, limit_slope = in_limit(case, exact)
    np.testing.assert_allclose(value, limit, rtol=2e-5, atol=1e-5)
    known = np.isfinite(limit_slope)
    if case.loss is jl.ctc:  # which has the gradient 0 where no alignment is possible
        known[np.isinf(limit)] = False
    np.testing.assert_allclose(slope[known], limit_slope[known], rtol=1e-3, atol=1e-4)


@every_scored_loss
def test_of_two_logits_of_inf_comes_the_limit_or_nan(case):
    """NaN at least where the limit depends on which of the two is larger."""
    logits = drawn(case)
    both = with_classes(with_classes(logits, INF), INF, shift=1)
    value, slope = at(case, both)
    orders = [
        in_limit(case, with_classes(with_classes(logits, a * FAR), b * FAR, shift=1))[0]
        for a, b in ((1, 2), (2, 1))
    ]
    same = np.isclose(*orders, rtol=1e-5, atol=1e-5)
    unknown = np.isnan(value)
    assert unknown[~same].all()
    np.testing.assert_allclose(value[~unknown], orders[0][~unknown], rtol=2e-5, atol=1e-5)
    assert np.isnan(slope.reshape(BATCH, -1)[unknown]).any(-1).all()


@every_scored_loss
def test_logits_of_16_bits_are_those_in_single_precision(case):
    logits = drawn(case)
    logits.reshape(-1, logits.shape[-1])[::2, 1:3] = LOW[2]
    narrow = jnp.asarray(logits, jnp.bfloat16)
    expected = at(case, np.asarray(narrow, np.float32))[0]
    given = list(case.ordinary())
    given[place(case.loss)] = narrow
    found = case.loss(*given)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("low", [*LOW, 0.0, -float(LOWEST)])
def test_classes_that_are_all_masked_by_the_same_number_are_even(low):
    logits, one_hot = np.full((1, 5), low, np.float32), np.eye(5, dtype=np.float32)[:1]
    label, terms = np.zeros(1, np.int32), {"label_smoothing": 0.25, "z_loss": 0.0}
    for value in (
        jl.softmax_cross_entropy(logits, one_hot),
        jl.softmax_cross_entropy(logits, one_hot, **terms),
        jl.softmax_cross_entropy_with_integer_labels(logits, label),
        jl.softmax_cross_entropy_with_integer_labels(logits, label, **terms),
        jl.linear_head(CE, memory=1)(np.ones((1, 1), np.float32), logits, 0.0, label),
        jl.fenchel_young(jax.nn.logsumexp)(logits, one_hot),
    ):
        np.testing.assert_allclose(value, np.log(5), rtol=1e-6)


@pytest.mark.parametrize("masked", [-INF, LOWEST])
def test_a_conjugate_sees_no_masked_class(masked):
    scores, targets = jnp.array([0.0, 1.0, masked]), jnp.array([1.0, 0.0, 0.0])
    for conjugate in (jax.nn.logsumexp, half_square, jnp.max):
        loss = jl.fenchel_young(conjugate)
        value, slope = jax.value_and_grad(loss)(scores, targets)
        few, steps = jax.value_and_grad(loss)(scores[:2], targets[:2])
        np.testing.assert_allclose(value, few, rtol=1e-6)
        np.testing.assert_allclose(slope, [*steps, 0], rtol=1e-6)
    expected = CE(scores, 0)
    np.testing.assert_allclose(jl.fenchel_young(jax.nn.logsumexp)(scores, targets), expected)
    np.testing.assert_allclose(expected, 1.3132617, rtol=1e-6)


@pytest.mark.parametrize("low", [-1e9, -1e30, LOWEST])
def test_ctc_tells_an_unlikely_label_from_one_that_is_masked(low):
    """The only alignment runs through the class that has this logit."""
    logits = jnp.array([[[0.0, low, 1.0]]])
    value, slope = jax.value_and_grad(lambda x: jl.ctc(x, [1], [1], [[1]], infeasible=0.0)[0])(
        logits
    )
    np.testing.assert_allclose(value, -low, rtol=1e-6)
    np.testing.assert_allclose(slope, [[[0.26894143, -1, 0.7310586]]], rtol=1e-5)
    assert jl.ctc(logits.at[0, 0, 1].set(-INF), [1], [1], [[1]], infeasible=0.0) == 0


def drawn(case):
    """Ordinary logits."""
    return np.array(case.ordinary()[place(case.loss)])


def with_classes(logits, value, shift=0):
    """One class in each example with this value, another one from row to row."""
    changed = np.array(logits, np.float64)
    rows = changed.reshape(len(logits), -1)
    rows[np.arange(len(rows)), (np.arange(len(rows)) + shift) % logits.shape[-1]] = value
    return changed


def agree(case, logits):
    """That value and gradient are those in double precision, rounded."""
    found, exact = at(case, logits), at(case, logits, np.float64)
    for single, double in zip(found, exact, strict=True):
        fits = np.abs(double) < 1e38
        np.testing.assert_allclose(single[fits], double[fits], rtol=2e-4, atol=1e-5)
        assert (np.abs(single[~fits]) > 9e37).all()


def in_limit(case, logits):
    """Value and gradient in double precision, infinite where they are huge."""
    derived = at(case, logits, np.float64)
    return [np.where(np.abs(x) > np.sqrt(FAR), np.copysign(INF, x), x) for x in derived]


def at(case, logits, dtype=np.float32, arrays=None):
    """Values, and the gradient of their sum in the logits."""
    given = list(case.ordinary() if arrays is None else arrays)
    with jax.enable_x64(dtype == np.float64), np.errstate(all="ignore"):
        if dtype == np.float64:
            given = [in_double(x) for x in given]
        given[place(case.loss)] = np.asarray(logits, dtype)
        return [np.asarray(x, np.float64) for x in _derived(case.loss)(given)]


@functools.cache
def _derived(loss):
    at = place(loss)

    @jax.jit
    def derived(given):
        def total(logits):
            values = loss(*given[:at], logits, *given[at + 1 :])
            return jnp.sum(values), values

        slopes, values = jax.grad(total, has_aux=True)(given[at])
        return values, slopes

    return derived
