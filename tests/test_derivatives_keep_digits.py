"""First and second derivatives are right where their terms cancel, or where a square overflows."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from drawing import LOSSES, SIZES, Case, given_loss, in_double

import jaxloss as jl
from jaxloss.core.domains import Scale
from jaxloss.core.loss import Distance, Margin
from jaxloss.numerics import quotient

pytestmark = pytest.mark.default_flags  # fused, x - x and x / x are simplified

ONE_NUMBER = {name: loss for name, loss in LOSSES.items() if isinstance(loss, (Distance, Margin))}
SCALES = {"scale", "delta", "beta", "epsilon", "margin"}  # in the unit of the residual
ROUNDED = {  # where all numbers are small or large, what is left of them in single precision
    "lovasz_hinge",  # errors of 1 - 1e-10 and 1 + 1e-10 are tied
    "mixed(softmax_cross_entropy_with_integer_labels)",  # a difference of losses at two labels
    "sigmoid_focal",  # the derivative in labels, a difference of losses, at logits near 0
    "truncated_snr",  # the ratio at a logarithm of 1e10 is infinite
    "velocity_prediction(min_snr)",  # the same
    "von_mises_nll",  # angles of 1e10 are further apart than a turn
}
RESIDUALS = np.array([1e-4, 3e-3, 0.05, 0.3, 0.7, 1.9, 3, 20, 300, 1e4])


def defaults_of(loss):
    return {name: item.default for name, item in loss.signature.hyperparameters.items()}


def is_small(domain):
    """Whether no member is much above 1, as of probabilities, and products are in reach."""
    low, high = domain.ordinary
    return low >= 0 and high <= 1


def is_free(domain):
    """Whether members are as small or as large as one likes, or else as small."""
    return not domain.choices(SIZES) and domain.normalised is np.asarray


def is_scaled(domain):
    """Whether ordinary numbers say little of how large or small it is in use."""
    return domain.scale in (Scale.LOGIT, Scale.SCORE) or domain.axes == ("features",)


def each(losses):
    return pytest.mark.parametrize("name", losses)


@pytest.mark.parametrize(("dtype", "tiny", "huge"), [("f4", 1e-37, 1e37), ("f8", 1e-300, 1e300)])
def test_a_quotient_has_its_derivatives_at_denominators_of_any_size(dtype, tiny, huge):
    with jax.enable_x64(dtype == "f8"):
        for size in np.array([tiny, 1e-20, 1e20, huge], dtype):
            by_n, by_d = jax.jit(jax.grad(quotient, (0, 1)))(size, size)
            np.testing.assert_allclose([by_n * size, by_d * size], [1, -1], rtol=1e-6)

        def falling(x):  # as a probability does, in numerator and denominator
            return quotient(jnp.exp(-x), jnp.exp(-x) + jnp.exp(-x / 2))

        x = np.asarray(80 if dtype == "f4" else 650, dtype)
        first, second = (jax.jit(f)(x) for f in (jax.grad(falling), jax.grad(jax.grad(falling))))
        value = np.exp(-np.float64(x) / 2)
        np.testing.assert_allclose([first, second], [-value / 2, value / 4], rtol=1e-4)


@pytest.mark.parametrize("name", [given_loss(name) for name in LOSSES])
def test_no_derivative_divides_by_the_square_of_a_denominator(name):
    """JAX's rule of division does, so that it fails from 1e-19 or 1e19 on."""
    case = Case(LOSSES[name])
    arrays = case.ordinary()
    moving, _ = case.split(arrays)
    program = jax.make_jaxpr(jax.grad(case.summed(arrays), (0, 1)))(moving, case.some_hyper)
    assert not list(negative_powers(program.jaxpr))


def negative_powers(program):
    for equation in program.eqns:
        if equation.primitive.name == "integer_pow" and equation.params["y"] < 0:
            yield equation
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
            if is_program(inner):
                yield from negative_powers(inner)


def is_program(x):
    return hasattr(x, "eqns")


@pytest.mark.parametrize("name", [given_loss(name) for name in LOSSES if name not in ROUNDED])
def test_gradients_are_those_in_double_precision_where_all_numbers_are_small_or_large(name):
    """And those of double precision have squares enough."""
    case, limits = Case(LOSSES[name]), np.finfo(np.float32)
    bounded = any(map(is_small, case.domains))
    for size in (1e-15, 1e-10) if bounded else (1e-25, 1e-20, 1e-10, 1e10, 1e20):
        pairs = zip(case.ordinary(), case.domains, strict=True)
        arrays = tuple(np.float32(x * size) if is_free(d) else x for x, d in pairs)
        found = gradients(case.loss)(arrays)
        with jax.enable_x64(True):
            wanted = gradients(case.loss)(tuple(in_double(x) for x in arrays))
        if not np.all(np.isfinite(found[0])):
            continue  # the value itself is out of reach
        for x, exact in zip(found[1], wanted[1], strict=True):
            shown = np.abs(exact) < limits.max
            floor = 1e-5 * np.max(np.abs(exact), initial=0, where=shown) + 100 * limits.tiny
            np.testing.assert_allclose(x[shown], exact[shown], rtol=1e-3, atol=floor)


@pytest.mark.parametrize("size", [1e-3, 1e-10, 1e-20, 1e-25])
@each(["dice", "jaccard", "tversky", "focal_tversky", "generalized_dice"])
def test_gradients_of_overlaps_are_those_in_double_precision_where_hardly_any_is_inside(name, size):
    arrays = tuple(np.float32(x * size) for x in Case(LOSSES[name]).ordinary())
    found = gradients(LOSSES[name])(arrays)[1]
    with jax.enable_x64(True):
        wanted = gradients(LOSSES[name])(tuple(in_double(x) for x in arrays))[1]
    for x, exact in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, exact, rtol=2e-4)


def test_second_derivatives_of_the_von_mises_distribution_are_those_of_bessel_functions():
    concentrations = np.float32([1e-6, 0.1, 1, 4, 9, 11, 20, 30, 45, 49, 51, 60, 1e3, 1e6])
    second = jax.grad(jax.grad(lambda c: jl.von_mises_nll(0.3, c, 0.7)))
    found = jax.jit(jax.vmap(second))(concentrations)
    with mpmath.workdps(40):
        exact = [mpmath.mpf(float(c)) for c in concentrations]
        ratios = [mpmath.besseli(1, c) / mpmath.besseli(0, c) for c in exact]
        wanted = [float(1 - r / c - r * r) for r, c in zip(ratios, exact, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=5e-5)


def compiled(function):
    """As users compile; in double precision, as a reference, as quickly as can be."""
    quickly = {
        "xla_backend_optimization_level": 0,
        "xla_llvm_disable_expensive_passes": True,
    }
    return jax.jit(function, compiler_options=quickly if jax.config.jax_enable_x64 else None)


def with_reference(derive):
    """What it makes of a loss, once for each precision."""
    made = functools.cache(lambda loss, _: derive(loss))
    return lambda loss: made(loss, jax.config.jax_enable_x64)


@with_reference
def gradients(loss):
    """The values, and their gradients in the arrays."""
    case = Case(loss)

    @compiled
    def derived(arrays):
        moving, whole = case.split(arrays)
        values, back = jax.vjp(lambda moved: loss(*whole(moved)), moving)
        return values, back(jnp.ones_like(values))[0]

    return lambda arrays: jax.tree.map(np.asarray, derived(arrays))


@each(ONE_NUMBER)
def test_curvatures_are_those_in_double_precision(name):
    """Of a convex loss none is negative, however far out and at whatever scale."""
    loss = ONE_NUMBER[name]
    second = curvature(loss)
    for hyper in settings(loss):
        unit = next((hyper[key] for key in hyper if key in SCALES), 1.0)
        points = np.float32(np.concatenate([RESIDUALS, -RESIDUALS * 1.03]) * unit)
        numbers = {key: np.float32(value) for key, value in hyper.items()}
        found = np.asarray(second(points, numbers))
        with jax.enable_x64(True):
            point, exact = points.astype(np.float64), jax.tree.map(np.float64, numbers)
            wanted = np.asarray(second(point, exact))
        shown = np.abs(wanted) < np.finfo(np.float32).max
        floor = 1e3 * np.finfo(np.float32).tiny
        np.testing.assert_allclose(found[shown], wanted[shown], rtol=1e-4, atol=floor)
        if loss.facts.at(**hyper)["convex"]:
            assert np.all(found >= 0)


VECTORS = [
    name
    for name, loss in LOSSES.items()
    if name not in ONE_NUMBER and loss.facts.at(**defaults_of(loss)).get("convex")
]


@pytest.mark.parametrize("name", [given_loss(name) for name in VECTORS])
def test_no_convex_loss_has_negative_curvature_in_any_direction(name):
    """But for what rounding leaves of the largest; and it is that in double precision."""
    case, rng = Case(LOSSES[name]), np.random.default_rng(0)
    first, *others = case.ordinary()
    for size in (1e-3, 1, 30, 1e3) if is_scaled(case.domains[0]) else (1,):
        point = np.float32(first * size)
        even, uneven = np.ones_like(point), rng.normal(size=point.shape).astype(np.float32)
        for direction in (even, uneven):
            found, _ = along(case.loss)(point, direction, *others)
            with jax.enable_x64(True):
                exact = [in_double(x) for x in (point, direction, *others)]
                wanted, _ = along(case.loss)(*exact)
                terms = along(case.loss)(exact[0], in_double(uneven), *exact[2:])[1]
            shown = np.abs(wanted) < np.finfo(np.float32).max
            machine_epsilon = 1e-6 * np.max(terms, initial=1, where=shown)
            assert np.all(found[shown] >= -machine_epsilon)
            np.testing.assert_allclose(found[shown], wanted[shown], rtol=1e-3, atol=machine_epsilon)


@with_reference
def along(loss):
    """The second derivative of each example along a direction, and the sum of its terms' sizes."""

    @compiled
    def curvatures(point, direction, *others):
        gradient = jax.grad(lambda x: jnp.sum(loss(x, *others)))
        _, change = jax.jvp(gradient, (point,), (direction,))
        terms = (direction * change).reshape(*np.shape(loss(point, *others)), -1)
        return jnp.sum(terms, axis=-1), jnp.sum(jnp.abs(terms), axis=-1)

    return lambda *arrays: jax.tree.map(np.asarray, curvatures(*arrays))


@with_reference
def curvature(loss):
    other = 1 if isinstance(loss, Margin) else 0.0
    value = lambda x, hyper: loss(x, jnp.full_like(x, other), **hyper)
    return compiled(jax.vmap(jax.grad(jax.grad(value)), in_axes=(0, None)))


def settings(loss):
    """The defaults, and each hyper-parameter at other values."""
    defaults = defaults_of(loss)
    yield defaults
    for name, item in loss.signature.hyperparameters.items():
        others = (1e-3, 1e3) if name in SCALES else (item.domain.low, item.domain.high, 0.7)
        yield from (defaults | {name: x} for x in others if accepts_dtype(item.domain, x))


def accepts_dtype(domain, value):
    return np.isfinite(value) and bool(np.all(domain.contains(np.asarray(value))))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("double", [False, True])
def test_curvatures_and_derivatives_in_the_scale_are_those_of_the_formula(scale, double):
    """To all digits of the type, against differences of the formula in many more."""
    with jax.enable_x64(double), mpmath.workdps(80):
        dtype = np.float64 if double else np.float32
        c = np.asarray(scale, dtype)
        points = np.asarray(RESIDUALS * scale, dtype)
        for name, derivatives in in_residual_and_scale(points, c).items():
            for order, found in zip(ORDERS, derivatives, strict=True):
                exact = [float(mixed(FORMULAS[name][1], r, c, *order)) for r in points]
                np.testing.assert_allclose(
                    found,
                    exact,
                    rtol=1e3 * np.finfo(dtype).eps,
                    atol=1e6 * np.finfo(dtype).tiny,
                    err_msg=f"{name} {order}",
                )


@jax.jit
def in_residual_and_scale(points, c):
    """For each formula the derivatives of the loss, in the order of `ORDERS`."""

    def derivatives(loss, key):
        value = lambda r, c: loss(r, jnp.zeros_like(r), **{key: c})
        first = jax.grad(value, (0, 1))
        both = lambda r, c: (first(r, c)[1], *jax.jacrev(first, (0, 1))(r, c))
        by_c, (rr, rc), (cr, cc) = jax.vmap(both, (0, None))(points, c)
        return by_c, rr, rc, cr, cc

    return {name: derivatives(getattr(jl, name), key) for name, (key, _) in FORMULAS.items()}


ORDERS = [(0, 1), (2, 0), (1, 1), (1, 1), (0, 2)]
FORMULAS = {
    "charbonnier": ("scale", lambda r, c: mpmath.sqrt(r * r + c * c)),
    "pseudo_huber": ("delta", lambda r, c: c * (mpmath.sqrt(r * r + c * c) - c)),
    "fair": ("scale", lambda r, c: c * (r - c * mpmath.log(1 + r / c))),
    "cauchy": ("scale", lambda r, c: c * c / 2 * mpmath.log(1 + (r / c) ** 2)),
    "geman_mcclure": ("scale", lambda r, c: r * r / 2 / (1 + (r / c) ** 2)),
}


def mixed(formula, r, c, by_r, by_c):
    """A derivative of a function of two numbers, by central differences."""
    step = mpmath.mpf(10) ** -20
    total = mpmath.mpf(0)
    for i in range(by_r + 1):
        for j in range(by_c + 1):
            weight = (-1) ** (i + j) * mpmath.binomial(by_r, i) * mpmath.binomial(by_c, j)
            at = mpmath.mpf(float(r)) * (1 + (by_r / 2 - i) * step)
            total += weight * formula(at, mpmath.mpf(float(c)) * (1 + (by_c / 2 - j) * step))
    return total / (mpmath.mpf(float(r)) * step) ** by_r / (mpmath.mpf(float(c)) * step) ** by_c


def test_derivatives_in_the_shape_of_barron_are_those_of_the_formula():
    """Also second ones, near the shapes at which its closed form changes."""
    value = lambda r, a: jl.barron(r, 0.0, alpha=a)
    derived = jax.jit(
        jax.vmap(lambda r, a: (jax.grad(value, 1)(r, a), jax.hessian(value, 1)(r, a)))
    )
    residuals, shapes = np.meshgrid([0.01, 0.5, 3, 40], [-900, -2, -0.5, 1e-3, 0.9, 1, 1.9, 2.1, 3])
    points = np.float32(residuals.ravel()), np.float32(shapes.ravel())
    with mpmath.workdps(80):
        for order, found in enumerate(derived(*points), 1):
            exact = [float(mixed(barron, r, a, 0, order)) for r, a in zip(*points, strict=True)]
            np.testing.assert_allclose(found, exact, rtol=2e-4)


def barron(r, a):
    b = abs(a - 2)
    return b / a * ((r * r / b + 1) ** (a / 2) - 1)


def test_second_derivatives_in_hyper_parameters_are_finite_everywhere():
    value = lambda a, r: jl.barron_nll(r, 0.0, alpha=a)
    second = jax.jit(jax.vmap(jax.vmap(jax.grad(jax.grad(value)), (None, 0)), (0, None)))
    found = second(np.linspace(0, 2, 41, dtype=np.float32), np.float32([0, 1e-3, 0.5, 30]))
    assert np.all(np.isfinite(found))
    wanted = [0.02942625, -0.20098496, -1.42911555]  # by mpmath.diff of the integral
    np.testing.assert_allclose(
        second(np.float32([1, 1.6, 1.9]), np.float32([0.5]))[:, 0], wanted, rtol=1e-4
    )


def test_the_derivative_in_a_soft_target_is_minus_the_logit():
    logits = np.float32([1e-30, -1e-10, 3, 80])
    found = jax.vmap(jax.grad(jl.sigmoid_binary_cross_entropy, 1))(logits, np.float32([0.5] * 4))
    np.testing.assert_array_equal(found, -logits)


def test_a_divergence_from_a_class_without_mass_has_its_gradient():
    target = jnp.array([1.0, 0.0])
    value = lambda x: jl.jensen_shannon(jax.nn.log_softmax(x), target)
    gradient = jax.jit(jax.grad(value))(jnp.array([50.0, 0.0]))
    np.testing.assert_allclose(gradient, [-6.6845e-23, 6.6845e-23], rtol=1e-4)


@each(["negative_binomial_nll", "beta_nll", "gamma_nll", "student_t_nll", "poisson_nll"])
def test_a_likelihood_has_its_derivatives_where_one_number_is_large_beside_another(name):
    """As right as its inputs are, each of which may be off by a rounding error."""
    formula, grids = LIKELIHOODS[name]
    points = [np.float32(x.ravel()) for x in np.meshgrid(*grids)]
    loss = jax.vmap(jax.grad(getattr(jl, name), tuple(range(len(grids)))))
    every = jax.jit(loss)(*points)
    with mpmath.workdps(50):
        for i, found in enumerate(every):
            exact, doubt = zip(
                *(partial(formula, i, *at) for at in zip(*points, strict=True)), strict=True
            )
            error = np.abs(np.asarray(found, np.float64) - exact)
            allowed = 2e-5 * np.abs(exact) + 10 * np.array(doubt)
            at = np.argmax(error - allowed)
            assert error[at] <= allowed[at], (i, [x[at] for x in points], found[at], exact[at])


def partial(formula, i, *at):
    """The derivative in an argument, and by how much rounding the arguments changes it."""
    at = [mpmath.mpf(float(x)) for x in at]
    step = mpmath.mpf(10) ** -15

    def derivative(j=None):
        around = [x * (1 + mpmath.mpf(2) ** -24 * (j == k)) for k, x in enumerate(at)]
        ends = [[x * (1 + s * step * (i == k)) for k, x in enumerate(around)] for s in (1, -1)]
        return (formula(*ends[0]) - formula(*ends[1])) / (2 * step * around[i])

    exact = derivative()
    return float(exact), float(sum(abs(derivative(j) - exact) for j in range(len(at))))


def negative_binomial(m, d, y):
    r = 1 / d
    gammas = mpmath.loggamma(r) - mpmath.loggamma(y + r)
    return gammas - y * mpmath.log(m / (m + r)) + r * mpmath.log(1 + m / r)


def beta(a, b, y):
    gammas = mpmath.loggamma(a) + mpmath.loggamma(b) - mpmath.loggamma(a + b)
    return gammas - a * mpmath.log(y) - b * mpmath.log(1 - y)


def gamma(m, d, y):
    k, q = 1 / d, y / m
    return k * (q - mpmath.log(q)) + mpmath.loggamma(k) - k * mpmath.log(k)


def student_t(m, s, y, n=4):
    return mpmath.log(s) + mpmath.mpf(n + 1) / 2 * mpmath.log(1 + ((y - m) / s) ** 2 / n)


WIDE = [1e-8, 1e-3, 0.1, 1, 30, 1e5, 1e8]
LIKELIHOODS = {
    "negative_binomial_nll": (negative_binomial, (WIDE, WIDE, [1e-3, 1, 30, 1e5, 1e8])),
    "beta_nll": (beta, (WIDE, WIDE, [1e-3, 0.3, 0.5, 0.99])),
    "gamma_nll": (gamma, (WIDE, WIDE, WIDE)),
    "student_t_nll": (student_t, (WIDE, WIDE, WIDE)),
    "poisson_nll": (lambda m, y: m - y * mpmath.log(m), (WIDE, WIDE)),
}


def test_reported_derivatives_of_likelihoods():
    counts = jax.jit(jax.grad(jl.negative_binomial_nll, 1))(1e5, 0.1, 1e5)
    shares = jax.jit(jax.grad(jl.beta_nll))(0.1, 1e8, 0.5)
    np.testing.assert_allclose([counts, shares], [5.0827478, -28.151288], rtol=1e-5)


def test_many_degrees_of_freedom_have_a_derivative():
    """It falls as their square, beside terms that fall as they do."""
    value = lambda n: jl.student_t_nll(0.0, 1.0, 2.0, degrees_of_freedom=n)
    found = jax.jit(jax.vmap(jax.grad(value)))(np.float32([4, 1e2, 1e4, 1e6]))
    with mpmath.workdps(50):
        exact = [
            mpmath.diff(student_t_in_freedom, n, h=n * mpmath.mpf(10) ** -15)
            for n in (4, 1e2, 1e4, 1e6)
        ]
    np.testing.assert_allclose(found, np.array(exact, float), rtol=1e-4)


def student_t_in_freedom(n):
    gammas = mpmath.loggamma(n / 2) - mpmath.loggamma((n + 1) / 2) + mpmath.log(n / 2) / 2
    return (n + 1) / 2 * mpmath.log(1 + mpmath.mpf(4) / n) + gammas
