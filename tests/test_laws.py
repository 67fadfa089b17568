"""What holds for every public loss, whatever it computes."""

import functools
import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import (
    BATCH,
    ELEMENTS,
    LARGE,
    LOSSES,
    OF_EACH_INPUT,
    OF_EACH_WRAPPER,
    PUBLIC,
    Case,
    in_double,
    outside,
    when,
    with_first,
)
from hypothesis import HealthCheck, given, settings
from jax import export

from jaxloss.core.loss import Distance, Loss, Margin
from jaxloss.losses.generative.denoising import Denoising

EVERY_EXAMPLE = np.ones(BATCH, bool), np.ones(BATCH, np.float32)  # a mask and weights
COUPLED = {name: x for name, x in LOSSES.items() if x.signature.is_set}


def of_each(losses, *, twice=False, of_wrappers=False):
    """A law for each loss; all laws of one loss run together, as they share what is compiled.

    What makers of losses give is slow. So are second derivatives of large programs, where a law
    looks at these; and a law of wrappers for large programs, and for all but one of each wrapper.
    """
    cases, quick = [], OF_EACH_WRAPPER - LARGE if of_wrappers else PUBLIC
    for name, loss in losses.items():
        if name in LARGE and twice:
            cases.append(pytest.param(Case(loss), id=f"{name}, twice", marks=pytest.mark.slow))
        case = Case(loss, order=1 if name in LARGE and not of_wrappers else 2)
        cases.append(pytest.param(case, id=name, marks=when(name, quick)))
    return pytest.mark.parametrize("case", cases, scope="module")


every_loss, every_coupled_loss = of_each(LOSSES), of_each(COUPLED)
every_loss_twice = of_each(LOSSES, twice=True)
every_wrapper = of_each(LOSSES, of_wrappers=True)
drawn = settings(
    max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


# One after another, as losses share their operations.
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=when(n, OF_EACH_INPUT - LARGE)) for n in sorted(OF_EACH_WRAPPER)]
)
def test_compiled_equals_eager(name):
    case = Case(LOSSES[name])
    arrays = case.ordinary()
    with jax.disable_jit():
        eager = case.loss(*arrays, **case.some_hyper)
    np.testing.assert_allclose(case.loss(*arrays, **case.some_hyper), eager, rtol=1e-5, atol=1e-6)


@every_wrapper
def test_a_batch_is_its_examples(case):
    """With no batch axis, one or several, none of them shared, and empty or not."""
    arrays, loss = case.ordinary(), functools.partial(case.loss, **case.some_hyper)
    together = loss(*arrays)
    assert together.shape[0] == BATCH
    alone, rows, _ = mapped(case.loss)
    np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(together, rows.reshape(together.shape), rtol=1e-6, atol=1e-6)
    turned = loss(*[x[::-1] for x in arrays])
    np.testing.assert_allclose(together[::-1], turned, rtol=1e-6, atol=1e-6)
    assert jax.eval_shape(loss, *case.ordinary(batch=(3, 0))).shape[:2] == (3, 0)


@every_wrapper
def test_hyper_parameters_can_be_mapped_over(case):
    arrays, (*_, settings) = case.ordinary(), mapped(case.loss)
    for i, values in enumerate(settings):
        alone = case.loss(*arrays, **{name: every[i] for name, every in case.hyper.items()})
        np.testing.assert_allclose(values, alone, rtol=1e-6, atol=1e-6)


@every_loss
def test_gradient_is_the_finite_difference(case):
    rng, step = np.random.default_rng(0), 1e-6
    with jax.enable_x64(True):
        moving, whole = case.split([in_double(x) for x in case.ordinary(seed=3)])
    point = jax.tree.map(np.asarray, (moving, jax.tree.map(in_double, case.some_hyper)))
    direction = jax.tree.map(lambda x: rng.normal(size=x.shape), point)

    def at(distance):
        moved, hyper = jax.tree.map(lambda x, d: x + distance * d, point, direction)
        return precisely(case, whole(moved), hyper, direction)

    quotient = np.sum(at(step)[0] - at(-step)[0]) / (2 * step)
    _, slope, gradient = at(0)
    products = jax.tree.map(lambda g, d: np.sum(g * d), gradient, direction)
    assert slope == pytest.approx(quotient, rel=1e-5, abs=1e-6)
    assert slope == pytest.approx(sum(jax.tree.leaves(products)), rel=1e-9)


@every_loss_twice
def test_forward_and_reverse_mode_agree(case):
    found = minimised(case, case.ordinary())
    slope = sum(np.sum(x) for x in jax.tree.leaves(found.gradient))
    assert found.slope == pytest.approx(slope, rel=1e-4, abs=1e-5)


# t5x#351, pytorch#90916
@every_loss_twice
def test_derivatives_are_finite_at_the_edges_and_values_keep_their_digits(case):
    @drawn
    @given(case.edges())
    def law(arrays):
        value = np.asarray(case.loss(*arrays, **case.some_hyper))
        assert not np.any(np.isnan(value))
        if np.all(np.isfinite(value)):
            found = minimised(case, arrays)
            assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(found)), found
        exact = precisely(case, arrays, case.some_hyper)[0]
        fits = np.abs(exact) < np.finfo(np.float32).max
        np.testing.assert_allclose(value[fits], exact[fits], rtol=2e-5, atol=3e-6)

    law()


@every_loss_twice
def test_nothing_behind_a_mask_can_be_seen(case):
    clean, where = case.ordinary(), np.arange(BATCH) % 3 != 1
    expected = cleanly(case, clean, where)
    for gradient in expected.gradient[0]:
        np.testing.assert_array_equal(gradient[~where], 0)
    for hidden in (np.nan, np.inf, -np.inf, 1e30):
        dirty = tuple(np.array(x) for x in clean)
        for x in dirty:
            x[~where] = hidden if np.issubdtype(x.dtype, np.floating) else -100
        jax.tree.map(np.testing.assert_array_equal, cleanly(case, dirty, where), expected)


@every_loss_twice
def test_a_mask_is_the_subset_and_a_zero_weight(case):
    arrays, where = case.ordinary(), np.arange(BATCH) % 3 != 1
    masked = cleanly(case, arrays, where).value
    weighted = cleanly(case, arrays, weights=where.astype(np.float32)).value
    few = np.mean(case.loss(*arrays, **case.some_hyper)[where])
    np.testing.assert_allclose(masked, few, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(masked, weighted, rtol=1e-6, atol=1e-7)


@every_coupled_loss
def test_elements_behind_a_mask_are_not_in_the_set(case):
    """Masked elements, whatever they hold, change nothing; and theirs is the gradient 0."""
    keep = np.arange(ELEMENTS) % 3 != 1
    where = np.broadcast_to(keep, (BATCH, ELEMENTS))
    few = [x[:, keep] for x in case.ordinary()]
    expected = jax.jit(functools.partial(with_gradient, case, slice(None)))(few)
    masked = jax.jit(functools.partial(with_gradient, case, keep))
    for hidden in (np.nan, np.inf, -np.inf, 1e30):
        arrays = tuple(np.array(x) for x in case.ordinary())
        for x in arrays:
            x[:, ~keep] = hidden if np.issubdtype(x.dtype, np.floating) else -100
        values, gradients = masked(arrays, where=where)
        np.testing.assert_allclose(values, expected[0], rtol=2e-5, atol=1e-6)
        for gradient, wanted in zip(gradients, expected[1], strict=True):
            np.testing.assert_array_equal(gradient[:, ~keep], 0)
            np.testing.assert_allclose(gradient[:, keep], wanted, rtol=2e-4, atol=1e-5)


@every_coupled_loss
def test_an_objective_counts_the_sets_that_have_elements(case):
    arrays = case.ordinary()
    where = np.arange(ELEMENTS) < np.array([ELEMENTS, 3, 0, 3, ELEMENTS, 0])[:, None]

    @jax.jit
    def both(arrays, hyper, where):
        return case.loss(*arrays, **hyper, where=where), case.objective(arrays, hyper, where=where)

    values, found = both(arrays, case.some_hyper, where)
    counts = where if values.ndim == 2 else where.any(-1)
    np.testing.assert_allclose(found, np.mean(values[counts]), rtol=1e-5)


@every_coupled_loss
def test_the_order_of_a_set_does_not_matter(case):
    arrays, order = case.ordinary(), np.random.default_rng(0).permutation(ELEMENTS)
    values = case.loss(*arrays, **case.some_hyper)
    turned = case.loss(*[x[:, order] for x in arrays], **case.some_hyper)
    np.testing.assert_allclose(turned, of_elements(values, order), rtol=2e-5, atol=1e-6)


@every_coupled_loss
def test_a_mask_of_numbers_or_of_another_shape_is_refused(case):
    arrays = case.ordinary()
    with pytest.raises(TypeError, match=f"{case.loss.__name__}: `where` is boolean"):
        case.loss(*arrays, where=np.ones((BATCH, ELEMENTS)))
    with pytest.raises(ValueError, match=f"{case.loss.__name__}: `where` has shape"):
        case.loss(*arrays, where=np.ones((BATCH, 1), bool))


# pytorch#70348, pytorch#116349
@every_loss_twice
def test_an_empty_mean_is_zero_with_zero_gradient(case):
    found = cleanly(case, case.ordinary(), np.zeros(BATCH, bool))
    for part in jax.tree.leaves(found):
        np.testing.assert_array_equal(part, 0)


@every_loss_twice
def test_nan_is_never_lost(case):
    """NaN in an example makes its value NaN, and its gradient, and no other's."""
    arrays = case.ordinary()
    moving, _ = case.split(arrays)
    for i in range(len(moving)):
        dirty = [with_first(x, np.nan) if i == j else x for j, x in enumerate(moving)]
        values, gradients = value_and_gradients(case, arrays, dirty)
        assert np.isnan(values[0]).any()
        assert np.isnan(gradients[i][0]).any()
        assert np.isfinite(values[1:]).all()
        assert np.isfinite(gradients[i][1:]).all()


@every_loss_twice
def test_values_outside_the_domain_give_nan_in_value_and_gradient(case):
    clean = case.ordinary()
    for i, domain in enumerate(case.domains):
        for value in outside(domain):
            dirty = [with_first(x, value) if i == j else x for j, x in enumerate(clean)]
            values, gradients = value_and_gradients(case, dirty, case.split(dirty)[0])
            assert np.isnan(values[0]).any()
            assert np.isnan(gradients[0][0]).any()
            assert np.isfinite(values[1:]).all()


@every_loss_twice
def test_hyper_parameters_outside_their_domain_are_refused_or_give_nan(case):
    arrays = case.ordinary()
    for name, item in case.loss.signature.hyperparameters.items():
        for value in outside(item.domain):
            with pytest.raises(ValueError, match=f"{name}.*{re.escape(item.domain.says)}"):
                case.loss(*arrays, **{name: value})
            numbers = case.some_hyper | {name: broad(value, case.some_hyper[name])}
            found = minimised(case, arrays, hyper=numbers)
            assert np.isnan(jax.jit(case.loss)(*arrays, **numbers)).all()
            assert np.isnan(found.gradient[1][name]).all()


@every_loss
def test_hyper_parameters_are_traced_once(case):
    traces = []

    @functools.wraps(case.loss.function)
    def counting(*arrays, **hyper):
        traces.append(hyper)
        return case.loss.function(*arrays, **hyper)

    kinds = (Distance, Margin, Denoising, Loss)
    kind = next(kind for kind in kinds if isinstance(case.loss, kind))
    counted = kind(counting, case.loss.signature, case.loss.facts)
    for at in range(3):
        hyper = {name: values[at] for name, values in case.hyper.items()}
        jax.eval_shape(functools.partial(counted, **hyper), *case.ordinary(seed=at))
    assert len(traces) == 1


@every_wrapper
def test_narrow_types_are_computed_in_single_precision(case):
    """All that is computed is single, and the gradient as narrow as its array."""
    arrays = case.ordinary()
    moving, whole = case.split(arrays)
    for half in (jnp.bfloat16, jnp.float16):
        narrow = [x.astype(half) for x in moving]
        program = jax.make_jaxpr(case.loss)(*whole(narrow), **case.some_hyper)
        assert floating_types(program) == {jnp.dtype(jnp.float32)}
        gradients = jax.eval_shape(jax.grad(case.summed(arrays)), narrow, case.some_hyper)
        assert {gradient.dtype for gradient in gradients} == {jnp.dtype(half)}


@every_wrapper
def test_double_precision_is_kept_and_hyper_parameters_do_not_cause_it(case):
    single = case.ordinary()
    dtype = lambda arrays, hyper: (
        jax.eval_shape(functools.partial(case.loss, **hyper), *arrays).dtype
    )
    with jax.enable_x64(True):
        numbers = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), case.some_hyper)
        assert dtype(single, numbers) == np.float32
        for hyper in (case.some_hyper, {}):  # the defaults too
            assert strictly(dtype, [in_double(x) for x in single], hyper) == np.float64


# pytorch#16045, pytorch#16413, keras#14627, flax#5496
@of_each({name: x for name, x in LOSSES.items() if x.signature.takes_targets}, of_wrappers=True)
def test_shapes_are_never_broadcast(case):
    arrays = case.ordinary()
    last = max(i for i, domain in enumerate(case.domains) if not domain.shared)
    for batch in [(BATCH, 1), (1,), (), (2 * BATCH,)]:
        shape = case.shape(case.domains[last], batch)
        bad = list(arrays)
        bad[last] = np.broadcast_to(arrays[last].ravel()[0], shape)
        with pytest.raises(ValueError, match=re.escape(case.loss.signature.name)) as caught:
            case.loss(*bad)
        assert str(arrays[0].shape) in str(caught.value)
        assert str(shape) in str(caught.value)
        with pytest.raises(ValueError, match="never broadcast"):
            jax.jit(case.loss)(*bad)
        with pytest.raises(ValueError, match="never broadcast"):
            jax.vmap(case.loss)(*[np.stack([x, x]) for x in bad])


# jax#7510
@every_loss_twice
def test_strict_modes_of_jax(case):
    """Ranks and dtypes are not promoted, wherever `minimised` traces, and no NaN is made."""
    found = cleanly(case, case.ordinary())
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(found))


@every_wrapper
def test_lowers_for_every_platform_and_any_number_of_examples(case):
    platforms, examples = ["cpu", "cuda", "rocm", "tpu"], export.symbolic_shape("examples")
    masks = [jax.ShapeDtypeStruct(examples, x.dtype) for x in EVERY_EXAMPLE]
    derived = export.export(_minimised(case), platforms=platforms)
    lowered = strictly(derived, case.of_any_size(examples), case.some_hyper, *masks)
    assert set(lowered.platforms) == set(platforms)


def of_elements(values, chosen):
    """The values of chosen elements, or of the sets where these have one value each."""
    return values if values.ndim == 1 else values[:, chosen]


def broad(value, like):
    """The number, or an array of it where the hyper-parameter has one for each class."""
    return np.full_like(like, value) if np.ndim(like) else value


def value_and_gradients(case, arrays, moving):
    """Values, and the gradient of their sum, with one row an example."""
    _, whole = case.split(arrays)
    values = np.asarray(case.loss(*whole(moving), **case.some_hyper))
    gradients = [values.size * x for x in minimised(case, whole(moving)).gradient[0]]
    rows = [x.reshape(BATCH, -1) for x in (values, *gradients)]
    return rows[0], rows[1:]


def with_gradient(case, chosen, arrays, **masks):
    """The values of chosen elements, and the gradient of their sum."""
    moving, whole = case.split(arrays)

    def total(moved):
        values = of_elements(case.loss(*whole(moved), **case.some_hyper, **masks), chosen)
        return jnp.sum(values), values

    gradient, values = jax.grad(total, has_aux=True)(moving)
    return values, gradient


@functools.cache
def mapped(loss):
    """A batch example by example, in two axes, and whole for each value of the hyper-parameters."""
    case = Case(loss)
    arrays, given = case.ordinary(), functools.partial(loss, **case.some_hyper)
    folded = [x.reshape(2, 3, *x.shape[1:]) for x in arrays]
    stacked = {name: np.asarray(values) for name, values in case.hyper.items()}

    @jax.jit
    def every(arrays, folded, stacked):
        settings = jax.vmap(lambda hyper: loss(*arrays, **hyper), axis_size=3)(stacked)
        return jax.vmap(given)(*arrays), given(*folded), settings

    return jax.tree.map(np.asarray, every(arrays, folded, stacked))


class Derived(NamedTuple):
    """A value with its derivatives in the arrays and in the hyper-parameters."""

    value: Any
    gradient: Any
    slope: Any
    curvature: Any


def precisely(case, arrays, hyper, direction=None):
    """Values in double precision, and of their sum slope and gradient: compiled once."""
    with jax.enable_x64(True):
        arrays, hyper = jax.tree.map(in_double, (tuple(arrays), hyper))
        direction = direction or jax.tree.map(np.ones_like, (case.split(arrays)[0], hyper))
        return jax.tree.map(np.asarray, _precise(case.loss)(arrays, hyper, direction))


def cleanly(case, *given, **masks):
    """What `minimised` gives, where NaN is an error."""
    with jax.debug_nans(True):
        return minimised(case, *given, **masks)


def minimised(case, arrays, where=None, weights=None, hyper=None):
    """The mean over what a mask shows, with its derivatives: compiled once, and strictly."""
    where = EVERY_EXAMPLE[0] if where is None else where
    weights = EVERY_EXAMPLE[1] if weights is None else weights
    hyper = case.some_hyper if hyper is None else hyper
    found = strictly(_minimised(case), tuple(arrays), hyper, where, weights)
    return jax.tree.map(np.asarray, found)


def strictly(function, *given):
    """The function of what is given, where ranks and dtypes are not promoted."""
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        return function(*given)


@functools.cache
def _precise(loss):
    case = Case(loss)

    @jax.jit
    def derived(arrays, hyper, direction):
        moving, whole = case.split(arrays)
        point, of_moving = (moving, hyper), lambda m, h: case.loss(*whole(m), **h)
        values, change = jax.linearize(of_moving, *point)
        gradient = jax.linear_transpose(change, *point)(jnp.ones_like(values))
        return values, jnp.sum(change(*direction)), gradient

    return derived


@functools.cache
def _minimised(case):
    @jax.jit
    def derived(arrays, hyper, where, weights):
        moving, whole = case.split(arrays)
        mean = lambda m, h: case.objective(whole(m), h, where=where, weights=weights)
        point = (moving, hyper)
        direction = jax.tree.map(jnp.ones_like, point)
        derivatives = jax.value_and_grad(mean, argnums=(0, 1))
        if case.order == 1:
            return Derived(*derivatives(*point), jax.jvp(mean, point, direction)[1], None)
        both, rates = jax.jvp(derivatives, point, direction)
        return Derived(*both, *rates)

    return derived


def floating_types(program):
    """The floating dtypes of all that a program computes."""
    made = set()
    for equation in program.eqns:
        made |= {
            x.aval.dtype for x in equation.outvars if jnp.issubdtype(x.aval.dtype, jnp.floating)
        }
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=is_program):
            made |= floating_types(inner) if is_program(inner) else set()
    return made


def is_program(x):
    return hasattr(x, "eqns")
