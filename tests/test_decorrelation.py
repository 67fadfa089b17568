"""Losses of the moments of two embeddings: hand-derived values, plain formulas, limits, edges."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss as jl

RNG = np.random.default_rng(11)
ELEMENTS, FEATURES = 9, 4
FIRST, SECOND = RNG.normal(size=(2, 3, ELEMENTS, FEATURES))
FIRST[..., 1] += 2 * FIRST[..., 0]
SECOND[..., 0] += FIRST[..., 0]
WHERE = np.array([[True] * ELEMENTS, [True] * 6 + [False] * 3, [False, True, True] * 3])
WEIGHTS = {"invariance": 3.0, "variance": 2.0, "covariance": 0.7, "deviation": 1.4}
BOTH = [jl.barlow_twins, jl.vicreg]
each_loss = pytest.mark.parametrize("loss", BOTH)

close = functools.partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12)


def twins(first, second, redundancy=5e-3):
    """The paper's: normalised by the biased deviation, over the number of elements."""
    x, y = ((z - z.mean(0)) / z.std(0) for z in (first, second))
    c = x.T @ y / len(x)
    off = c[~np.eye(len(c), dtype=bool)]
    return ((np.diag(c) - 1) ** 2).sum() + redundancy * (off**2).sum()


def vicreg(first, second, invariance=25.0, variance=25.0, covariance=1.0, deviation=1.0):
    """The paper's, but for a mean over features as in its algorithm, and no addend in the root."""
    value = invariance * np.mean((first - second) ** 2)
    for z in (first, second):
        c, hinge = np.cov(z.T), np.maximum(0, deviation - z.std(0, ddof=1))
        off = c[~np.eye(len(c), dtype=bool)]
        value += variance * hinge.mean() + covariance * (off**2).sum() / z.shape[1]
    return value


@functools.cache
def derived(loss):
    """Values, and the gradients of their sum in both sets."""

    @jax.jit
    def measure(first, second, where, hyper):
        values = lambda *sets: loss(*sets, where=where, **hyper)
        summed = lambda *sets: jnp.sum(values(*sets))
        return values(first, second), jax.grad(summed, (0, 1))(first, second)

    def run(first, second, where=None, **hyper):
        where = np.ones(np.shape(first)[:-1], bool) if where is None else where
        return jax.tree.map(np.asarray, measure(first, second, where, hyper))

    return run


@pytest.mark.parametrize(
    ("loss", "plain", "hyper"),
    [
        (jl.barlow_twins, twins, {}),
        (jl.barlow_twins, twins, {"redundancy": 0.3}),
        (jl.vicreg, vicreg, {}),
        (jl.vicreg, vicreg, WEIGHTS),
    ],
)
def test_values_and_slopes_are_those_of_the_plain_formula(loss, plain, hyper):
    """Of the elements that count; and the slopes are its difference quotients."""
    step, tangents = 1e-6, RNG.normal(size=(2, *FIRST.shape)) * WHERE[..., None]
    at = lambda by: FIRST + by * tangents[0], lambda by: SECOND + by * tangents[1]

    def expected(by):
        sets = zip(at[0](by), at[1](by), WHERE, strict=True)
        return np.array([plain(x[w], y[w], **hyper) for x, y, w in sets])

    with jax.enable_x64(True):
        values, gradients = derived(loss)(FIRST, SECOND, WHERE, **hyper)
    close(values, expected(0))
    quotient = (expected(step) - expected(-step)).sum() / (2 * step)
    assert np.sum(np.stack(gradients) * tangents) == pytest.approx(quotient, rel=1e-7)
    for gradient in gradients:
        np.testing.assert_array_equal(gradient[~WHERE], 0)


ORACLE = [  # correlations 3/5, 0, 4/5, 0 of features 1 with 1, 1 with 2, 2 with 1 and 2 with 2
    (
        jl.barlow_twins,
        [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]],
        [[7.0, 5.0], [-1.0, 5.0], [1.0, 5.0], [-7.0, 5.0]],
        {"redundancy": 0.5},
        (1 - 0.6) ** 2 + 1 + 0.5 * 0.8**2,
    ),
    (jl.vicreg, [[0.0], [3.0]], [[0.0], [0.0]], {"variance": 0.0}, 25 * 4.5),
    (jl.vicreg, [[0.0], [1.0]], [[0.0], [1.0]], {}, 50 * (1 - np.sqrt(0.5))),
    (jl.vicreg, [[0.0, 0.0], [2.0, 4.0]], [[0.0, 0.0], [2.0, 4.0]], {}, 2 * 2 * 4.0**2 / 2),
]


@pytest.mark.parametrize(("loss", "first", "second", "hyper", "value"), ORACLE)
def test_value(loss, first, second, hyper, value):
    with jax.enable_x64(True):
        assert float(loss(first, second, **hyper)) == pytest.approx(value, rel=1e-13)


def test_equal_sets_without_redundancy_are_a_perfect_fit_of_barlow_twins():
    signs = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32) * [3.0, 0.1] + [100.0, 1.0]
    value, gradients = derived(jl.barlow_twins)(signs, signs)
    np.testing.assert_allclose(value, 0, atol=1e-12)
    for gradient in gradients:
        np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_units_and_offsets_do_not_matter_to_barlow_twins():
    """Even where squares would overflow, or vanish."""
    units = np.array([1e25, 1e-25, -3.0, 1.0]) * [1, 1, 1, 1e-3]
    found = jl.barlow_twins(FIRST * units, SECOND + np.array([0, 0, 1e3, -50]))
    np.testing.assert_allclose(found, jl.barlow_twins(FIRST * np.sign(units), SECOND), rtol=2e-4)
    gradients = derived(jl.barlow_twins)((FIRST * units).astype(np.float32), SECOND)[1]
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_digits_are_kept_far_from_zero():
    first, second = (np.asarray(1e4 + x, np.float32) for x in (FIRST, SECOND))
    for loss, plain in ((jl.barlow_twins, twins), (jl.vicreg, vicreg)):
        exact = [plain(*map(np.float64, pair)) for pair in zip(first, second, strict=True)]
        np.testing.assert_allclose(loss(first, second), exact, rtol=2e-6)


def test_vicreg_of_one_weight():
    weights = dict.fromkeys(WEIGHTS, 0.0)
    error, _ = derived(jl.vicreg)(FIRST, SECOND, **weights | {"invariance": 1.0})
    squares = (FIRST - SECOND) ** 2
    np.testing.assert_allclose(error, squares.mean(axis=(1, 2)), rtol=1e-6)
    lack = derived(jl.vicreg)(
        np.full_like(FIRST, 0.1),
        np.full_like(SECOND, 7.7),
        **weights | {"variance": 1.0, "deviation": 3.0},
    )
    np.testing.assert_array_equal(lack[0], 6)
    np.testing.assert_array_equal(lack[1], 0)


def test_features_that_vary_enough_are_left_alone():
    weights = dict.fromkeys(WEIGHTS, 0.0) | {"variance": 1.0, "deviation": 0.01}
    for part in jax.tree.leaves(derived(jl.vicreg)(FIRST, SECOND, **weights)):
        np.testing.assert_array_equal(part, 0)


@each_loss
def test_a_constant_feature_has_no_slope_by_its_spread(loss):
    """Whatever its value; 0.1 has no exact mean. Covariances keep their second derivative."""
    first, second = (np.asarray(x[0], np.float32) for x in (FIRST, SECOND))
    first[:, 2] = 0.1
    hyper = {"invariance": 0.0} if loss is jl.vicreg else {}
    value, (slope, _) = derived(loss)(first, second, **hyper)
    assert np.isfinite(value)
    np.testing.assert_array_equal(slope[:, 2], 0)
    assert np.abs(slope[:, :2]).max() > 1e-3
    curvature = np.asarray(jax.jit(jax.hessian(lambda x: loss(x, second, **hyper)))(first))
    assert np.isfinite(curvature).all()
    if loss is jl.vicreg:
        assert np.abs(curvature[:, 2, :, 2]).max() > 1e-3


@each_loss
def test_sets_of_one_element_and_of_none(loss):
    where = np.zeros((3, ELEMENTS), bool)
    where[0, 4] = where[1, :] = True
    values, gradients = derived(loss)(FIRST, SECOND, where)
    alone = derived(loss)(FIRST[:1, 4:5], SECOND[:1, 4:5])
    np.testing.assert_array_equal(values[0], alone[0][0])
    gap = FIRST[0, 4] - SECOND[0, 4]
    by_vicreg = loss is jl.vicreg
    np.testing.assert_allclose(values[0], 25 * np.mean(gap**2) + 50 if by_vicreg else 4, rtol=1e-6)
    slope = 25 * 2 * gap / FEATURES if by_vicreg else 0 * gap
    np.testing.assert_allclose(gradients[0][0, 4], slope, rtol=1e-5)
    for part in (values, *gradients):
        np.testing.assert_array_equal(part[2], 0)
    assert derived(loss)(np.zeros((3, 0, 2)), np.zeros((3, 0, 2)))[0].tolist() == [0, 0, 0]


@each_loss
def test_the_sets_may_be_exchanged(loss):
    close(loss(FIRST, SECOND), loss(SECOND, FIRST), rtol=2e-6)
