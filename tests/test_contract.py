"""What a loss refuses, and in which words."""

import functools
import re
import subprocess
import sys
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.axes import Axes

import jaxloss as jl
from jaxloss.__main__ import main
from jaxloss.bench import inputs
from jaxloss.compare.tasks.outputs import classes
from jaxloss.core.domains import (
    ArrayDomain,
    Embeddings,
    Label,
    Positive,
    Real,
    Scale,
    Simplex,
    Variance,
)

LOGITS = jnp.zeros((3, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: jl.huber(jnp.ones((4, 1)), jnp.ones(4)),
            ValueError,
            r"huber: `targets`.*`predictions` \(4, 1\), `targets` \(4,\).*reshape it to \(4, 1\)",
        ),
        (
            lambda: jl.huber(jnp.ones((4, 3)), jnp.ones((4, 1))),
            ValueError,
            r"`predictions` \(4, 3\), `targets` \(4, 1\).*never broadcast",
        ),
        (
            lambda: jl.lovasz_softmax(jnp.ones((4, 3)), jnp.ones(5, int)),
            ValueError,
            "^lovasz_softmax: `labels` does not fit in .*: it has 5 pixels for 4; shapes are equal",
        ),
        (
            lambda: jl.softmax_cross_entropy(jnp.ones((4, 3)), jnp.ones((4, 2))),
            ValueError,
            "^softmax_cross_entropy: `targets` does not fit in .*: it has 2 classes for 3; ",
        ),
        (
            lambda: jl.softmax_cross_entropy_with_integer_labels(
                jnp.ones((2, 3, 8, 8)), jnp.ones((2, 8, 8), int)
            ),
            ValueError,
            r"classes are the last axis: jnp.moveaxis\(logits, 1, -1\)",
        ),
        (
            lambda: jl.crammer_singer(jnp.ones((2, 8, 3, 8)), jnp.ones((2, 8, 8), int)),
            ValueError,
            r"classes are the last axis: jnp.moveaxis\(scores, 2, -1\)",
        ),
        (
            lambda: jl.huber(jnp.ones(4)),
            TypeError,
            r"huber takes 2 arrays \(predictions, targets\)",
        ),
        (lambda: jl.huber(1.0, 2.0, 3.0), TypeError, "huber takes 2 arrays .*, got 3"),
        (
            lambda: jl.huber(y_true=1.0, y_pred=2.0, delta=0.5),
            TypeError,
            "got 0; `y_true` is called `targets`, `y_pred` is called `predictions`$",
        ),
        (lambda: jl.huber(1.0, targtes=2.0), TypeError, "got 1; `targtes` is called `targets`$"),
        (lambda: jl.huber(None, 2.0), TypeError, "huber: `predictions` is an array, got None"),
        (lambda: jl.huber(1.0, "b"), TypeError, "huber: `targets` is an array, got 'b'"),
        (lambda: jl.huber(1.0, 2.0, axis=-1), TypeError, "huber has no hyper-parameter `axis`"),
        (lambda: jl.huber(1.0, 2.0, delta=0), ValueError, "`delta` is a number > 0, got 0"),
        (lambda: jl.huber(1.0, 2.0, delta=np.nan), ValueError, "`delta` is a number > 0, got nan"),
        (lambda: jl.huber(1.0, 2.0, delta=None), TypeError, "`delta` is a number > 0, got None"),
        (lambda: jl.huber(1.0, 2.0, delta=True), TypeError, "`delta` is a number > 0, got True"),
        (lambda: jl.huber(jnp.ones(2), jnp.ones(2), delta=jnp.ones(2)), ValueError, "jax.vmap"),
        (lambda: jl.huber(jnp.ones(2, bool), jnp.ones(2)), TypeError, "got bool"),
        (lambda: jl.huber(jnp.ones(2, complex), jnp.ones(2)), TypeError, "got complex64"),
    ],
)
def test_mistakes_are_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
    with pytest.raises(error, match=words):
        jax.jit(call)()


# axon#662
def test_labels_and_probabilities_are_not_confused():
    labels = jnp.array([0, 1, 2])
    with pytest.raises(ValueError, match="softmax_cross_entropy_with_integer_labels"):
        jl.softmax_cross_entropy(LOGITS, labels)
    with pytest.raises(TypeError, match=r"got float32.*such as softmax_cross_entropy;"):
        jl.softmax_cross_entropy_with_integer_labels(LOGITS, labels.astype(float))
    with pytest.raises(ValueError, match=r"`logits` \(4, 3\), `labels` \(1,\)"):
        jl.softmax_cross_entropy_with_integer_labels(jnp.zeros((4, 3)), jnp.zeros(1, int))


def test_arrays_may_be_given_by_name():
    by_name = jl.softmax_cross_entropy_with_integer_labels(labels=[0, 1, 2], logits=LOGITS)
    np.testing.assert_array_equal(
        by_name, jl.softmax_cross_entropy_with_integer_labels(LOGITS, [0, 1, 2])
    )


def test_integers_are_numbers_and_narrow_labels_are_labels():
    assert jl.huber(np.array([3]), np.array([1])).tolist() == [1.5]
    logits = jnp.zeros((1, 300)).at[0, 200].set(5.0)
    narrow = jl.softmax_cross_entropy_with_integer_labels(logits, jnp.array([200], jnp.uint8))
    wide = jl.softmax_cross_entropy_with_integer_labels(logits, jnp.array([200]))
    np.testing.assert_array_equal(narrow, wide)


# pytorch#176244, pytorch#53392, pytorch#53964
def test_a_variance_may_be_shared_and_nothing_else():
    mean = jnp.ones((4, 3, 2, 2))
    for shape in [(4, 3, 2, 2), (4, 3, 1, 1), (), (4, 1, 2, 2)]:
        found = jl.gaussian_nll(mean, jnp.full(shape, 2.0), 0 * mean)
        whole = jl.gaussian_nll(mean, jnp.full(mean.shape, 2.0), 0 * mean)
        assert found.shape == mean.shape
        np.testing.assert_allclose(found, whole, rtol=1e-6)
    for bad in [(4,), (4, 3, 2), (2, 3, 2, 2)]:
        with pytest.raises(ValueError, match="variance"):
            jl.gaussian_nll(mean, jnp.ones(bad), mean)
    with pytest.raises(ValueError, match=r"\(4,\).*\(4, 1\)"):
        jl.gaussian_nll(jnp.ones(4), jnp.ones(4), jnp.ones((4, 1)))


def test_a_label_that_32_bits_do_not_hold_is_refused_not_wrapped():
    with pytest.raises(TypeError, match="`labels` holds integers"):
        jl.softmax_cross_entropy_with_integer_labels(LOGITS[:1], np.array([2**40]))
    assert jl.absolute_error(np.array([2**40]), np.array([0])).tolist() == [2.0**40]


def test_eight_bit_floats_are_computed_in_single_precision():
    eight = jnp.ones(2, jnp.float8_e4m3fn)
    assert jl.huber(eight, eight).dtype == jnp.float32


def test_a_loss_of_your_own():
    @jl.loss(convex=True)
    def weighted_distance(predictions: Real, scales: Variance, targets: Real):
        """Absolute error in units of a scale."""
        return jnp.abs(predictions - targets) / scales

    assert weighted_distance([2.0, 4.0], 2.0, [0.0, 0.0]).tolist() == [1.0, 2.0]
    assert np.isnan(weighted_distance([2.0], [-1.0], [0.0])).all()
    assert "weighted_distance(predictions, scales, targets)" in repr(weighted_distance)

    @jl.loss()
    def linear_score(predictions: Simplex, targets: Simplex):
        """One minus the expected probability."""
        return 1 - jnp.sum(predictions * targets, axis=-1)

    assert linear_score([[0.5, 0.5]], [[1.0, 0.0]]).tolist() == [0.5]
    with pytest.raises(ValueError, match="linear_score"):
        linear_score(0.5, 0.5)


def without_annotations(predictions, targets):
    return predictions - targets


def with_plain_annotations(predictions: jax.Array, targets: jax.Array):
    return predictions - targets


def with_a_plain_number(predictions: Real, targets: Real, *, c: float = 1.0):
    return c * (predictions - targets)


def with_a_bare_number(predictions: Real, targets: Real, *, c=1.0):
    return c * (predictions - targets)


def with_an_array_for_a_number(predictions: Real, targets: Real, *, c: Real = 1.0):
    return c * (predictions - targets)


def with_a_number_for_an_array(predictions: Positive, targets: Real):
    return predictions - targets


def without_a_default(predictions: Real, targets: Real, *, c: Positive):
    return c * (predictions - targets)


def with_a_default_outside(predictions: Real, targets: Real, *, c: Positive = -1.0):
    return c * (predictions - targets)


def with_a_number_by_position(predictions: Real, targets: Real, c: Positive = 1.0):
    return c * (predictions - targets)


def of_many(predictions: Real, *others):
    return predictions - others[0]


def of_any(predictions: Real, targets: Real, **others):
    return (predictions - targets) * others["c"]


def of_nothing(*, c: Positive = 1.0):
    return c


def of_unknown(predictions, targets):
    return predictions - targets


of_unknown.__annotations__ = {"predictions": "Reel", "targets": "Real"}


def rho_of_two(residual, c: Positive):
    return c * residual


def rho_of_a_plain_number(residual: jax.Array, *, c: float = 1.0):
    return c * residual


@pytest.mark.parametrize(
    ("decorator", "function", "error", "words"),
    [
        (
            jl.loss,
            without_annotations,
            TypeError,
            "`predictions` is an array; .* `predictions: Real`",
        ),
        (jl.loss, with_plain_annotations, TypeError, "`predictions` is an array; .*got .*Array"),
        (jl.loss, with_a_plain_number, TypeError, "`c` is a .*`c: Positive = 1.0`, got `float`"),
        (jl.loss, with_a_bare_number, TypeError, "`c` is a hyper-parameter; .*got no annotation"),
        (jl.loss, with_an_array_for_a_number, TypeError, "`c` is a hyper-parameter; .*got "),
        (jl.loss, with_a_number_for_an_array, TypeError, "`predictions` is an array; .*got "),
        (jl.loss, without_a_default, TypeError, "`c` has no default; .*`c: Positive = 1.0`"),
        (jl.loss, with_a_default_outside, ValueError, "`c` is a number > 0, got -1.0"),
        (jl.loss, with_a_number_by_position, TypeError, r"`c` has a default.*`\*, c: Positive = 1"),
        (jl.loss, of_many, TypeError, r"`\*others` stands for any arguments; name each, as "),
        (jl.loss, of_any, TypeError, r"`\*\*others` stands for any arguments; name each, as "),
        (jl.loss, of_nothing, TypeError, "takes no array.*`def of_nothing.predictions: Real, targ"),
        (jl.loss, of_unknown, TypeError, "`predictions: Reel` cannot be read: name 'Reel' is not"),
        (
            jl.distance,
            without_annotations,
            TypeError,
            r"one array .*\(predictions, targets\).*jl.loss",
        ),
        (jl.margin, rho_of_two, TypeError, r"one array by position, got \(residual, c\).*`\*`, as"),
        (jl.distance, rho_of_a_plain_number, TypeError, "`c` is a hyper-parameter; .*got `float`"),
        (jl.margin, rho_of_a_plain_number, TypeError, "`c` is a hyper-parameter; .*got `float`"),
        (jl.denoising, rho_of_a_plain_number, TypeError, "`c` is a hyper-parameter; .*got `float`"),
    ],
)
def test_what_cannot_be_a_loss_is_told_so_by_name(decorator, function, error, words):
    with pytest.raises(error, match=f"^{function.__name__}: .*{words}"):
        decorator()(function)


def test_what_is_no_function_and_a_decorator_without_parentheses():
    for thing in (3, functools.partial(of_any, 1.0)):
        with pytest.raises(TypeError, match="made of a function that is defined by `def`"):
            jl.loss()(thing)
    for decorator in (jl.loss, jl.distance, jl.margin):
        with pytest.raises(TypeError, match=rf"decorator of of_any .*`@{decorator.__name__}\(\)`"):
            decorator(of_any)


def test_annotations_may_be_strings_of_names_in_scope():
    from jaxloss.core.domains import NonNegative as OnlyHere

    def mine(predictions: "Real", targets: "Real", *, c: "OnlyHere | None" = None):
        return predictions - targets if c is None else c * (predictions - targets)

    def rho(residual, *, c: "Positive" = 2.0):
        return c * residual

    mine.__annotations__["return"] = rho.__annotations__["residual"] = "NeedNotBeKnown"
    loss, distance = jl.loss()(mine), jl.distance()(rho)
    assert loss(3.0, 1.0) == 2
    assert loss(3.0, 1.0, c=0.0) == 0
    assert distance(3.0, 1.0) == 4
    with pytest.raises(ValueError, match=r"mine: `c` is a number >= 0, got -1\.0"):
        loss(3.0, 1.0, c=-1.0)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        (lambda: 2 * jl.huber, "2 * jl.Objective(jl.huber)"),
        (lambda: jl.huber * 2, "jl.Objective(jl.huber) * 2"),
        (lambda: jl.huber / 2, "jl.Objective(jl.huber) / 2"),
        (lambda: -jl.huber, "-jl.Objective(jl.huber)"),
        (lambda: jl.huber + jl.log_cosh, "jl.Objective(jl.huber) + jl.Objective(jl.log_cosh)"),
        (lambda: jl.huber - jl.log_cosh, "jl.Objective(jl.huber) - jl.Objective(jl.log_cosh)"),
        (lambda: jl.Objective(jl.huber) + jl.log_cosh, "+ jl.Objective(jl.log_cosh)"),
        (lambda: jl.Objective(jl.huber) - jl.log_cosh, "+ jl.Objective(jl.log_cosh)"),
        (lambda: np.float64(2) * jl.huber, "* jl.Objective(jl.huber)"),
        (lambda: np.ones(2) * jl.huber, "* jl.Objective(jl.huber)"),
        (lambda: jnp.ones(2) * jl.huber, "* jl.Objective(jl.huber)"),
        (lambda: sum([jl.huber]), "0 + jl.Objective(jl.huber)"),
        (lambda: 2 * jl.one_vs_all(jl.hinge), "2 * jl.Objective(one_vs_all(hinge))"),
    ],
)
def test_sums_and_multiples_of_losses_are_those_of_objectives(expression, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        expression()


@pytest.mark.parametrize("decorator", [jl.distance, jl.margin])
@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda x: (x, x), TypeError, "returns one array, .*got a tuple of 2"),
        (lambda _: None, TypeError, "returns one array, .*got a NoneType"),
        (lambda x: {"value": x}, TypeError, "returns one array, .*got a dict"),
        (
            jnp.sum,
            ValueError,
            r"returns one value for each example, here of shape \(3,\), got \(\)",
        ),
        (lambda x: x[:, None], ValueError, r"returns .* here of shape \(3,\), got \(3, 1\)"),
    ],
)
def test_what_gives_no_value_for_each_example_is_told_so_by_name(decorator, function, error, words):
    def mine(x):
        return function(x)

    loss = decorator()(mine)
    for call in (loss, jax.jit(loss), jax.grad(lambda x, y: jnp.sum(loss(x, y)))):
        with pytest.raises(error, match=f"^mine: a loss {words}"):
            call(jnp.ones(3), jnp.ones(3))


def test_a_loss_of_events_gives_one_value_for_each_event_or_element():
    @jl.loss()
    def of_rows(predictions: Simplex, targets: Simplex):
        return predictions * targets

    with pytest.raises(ValueError, match=r"of_rows: .* of shape \(3,\), got \(3, 3\)"):
        of_rows(LOGITS, LOGITS)

    @jl.loss()
    def of_sets(first: Embeddings, second: Embeddings, *, where: jax.Array):
        return jnp.where(where, jnp.sum(first * second, axis=-1), 0)

    assert of_sets(jnp.ones((2, 3, 4)), jnp.ones((2, 3, 4))).tolist() == [[4.0] * 3] * 2


def test_mapping_over_one_argument():
    shared = jax.vmap(jl.huber, in_axes=(0, None))(
        jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.zeros(2)
    )
    assert shared.tolist() == [[0.5, 1.5], [2.5, 3.5]]


# pytorch#16045, pytorch#16413, keras#14627, flax#5496
@pytest.mark.slow
def test_shapes_are_checked_without_assertions_too():
    """Under `python -O`, which removes `assert`."""
    code = "import jaxloss as jl; jl.huber([[1.0], [2.0]], [1.0, 2.0])"
    command = [sys.executable, "-O", "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "huber: `targets` does not fit in `predictions` (2, 1), `targets` (2,)" in found.stderr


Levels = Annotated[
    jax.Array,
    ArrayDomain(
        "Levels",
        "levels in decibels over the last axis, one a band",
        low=-120.0,
        high=0.0,
        axes=("bands",),
        least=(1,),
        benign=-60.0,
        ordinary=(-80.0, -20.0),
        edges=(-120.0, 0.0),
    ),
]


@jl.loss(convex=True)
def level_error(predictions: Levels, targets: Levels):
    """Mean absolute difference of levels."""
    return jnp.mean(jnp.abs(predictions - targets), axis=-1)


@pytest.fixture
def exported(monkeypatch):
    """The loss as one of the package's own, which the catalog finds by its export and its file."""
    names = [*dir(jl), "level_error"]
    monkeypatch.setattr(jl, "level_error", level_error, raising=False)
    monkeypatch.setattr(jl, "__dir__", lambda: names)
    monkeypatch.setattr(level_error.function, "__module__", jl.huber.function.__module__)


def test_a_new_domain_is_one_record():
    """Its axes, bounds and ordinary numbers serve checks, masks, inputs and messages."""
    sizes = {"bands": 5}
    first, second = (
        domain.draw(np.random.default_rng(0), (3, *(sizes[name] for name in domain.axes)), sizes)
        for domain in level_error.signature.arrays.values()
    )
    assert np.all((first >= -80) & (first <= -20))
    assert level_error(first, second).shape == (3,)
    assert np.isnan(level_error([1.0], [-20.0]))
    assert jl.Objective(level_error)([[np.nan], [-3.0]], [[1.0], [-1.0]], where=[False, True]) == 2
    with pytest.raises(ValueError, match=r"`targets` does not fit in .*: it has 4 bands for 5; "):
        level_error(first, second[:, :4])
    with pytest.raises(ValueError, match=r"`predictions` holds levels in decibels .*, at least 1"):
        level_error(np.zeros((3, 0)), np.zeros((3, 0)))


@pytest.mark.usefixtures("exported")
def test_a_new_domain_is_measured():
    usual, few = inputs.usual("level_error"), inputs.few("level_error")
    assert (usual.shape, few.shape) == ((2**14, 64), (16, 16))
    arrays = inputs.draw(few)
    assert all(np.all((x >= -80) & (x <= -20)) for x in arrays.values())
    assert inputs.moving(level_error) == ["predictions"]
    assert np.all(np.isfinite(level_error(*arrays.values())))


@pytest.mark.slow
@pytest.mark.usefixtures("exported")
def test_a_new_domain_is_shown_and_drawn(monkeypatch, capsys, tmp_path):
    drawn = []
    monkeypatch.setattr(Axes, "plot", lambda _, *line: drawn.append(line))
    file = tmp_path / "shape.svg"
    assert main(["show", "level_error", "--plot", str(file)]) == 0
    assert "predictions [..., bands]: levels in decibels over the last" in capsys.readouterr().out
    assert "targets = [-60.0, -60.0]" in file.read_text()
    (at, values), _ = drawn
    assert (at[0], at[-1]) == (-80, -20)
    np.testing.assert_allclose(values, np.abs(at + 60) / 2, rtol=1e-5)


def test_a_new_domain_of_logits_is_compared_and_divided_by_a_temperature():
    """Its scale says that predictions of classes fit, and its axes how."""
    says = "logits of classes that are ordered"
    ordered = ArrayDomain("OrderedLogits", says, axes=("classes",), scale=Scale.LOGIT)

    @jl.loss()
    def ordered_error(logits: Annotated[jax.Array, ordered], labels: Label):
        expected = jnp.sum(jax.nn.softmax(logits) * jnp.arange(logits.shape[-1]), axis=-1)
        return jnp.square(expected - labels)

    fitted = classes(3).fit(ordered_error)
    assert fitted.tempered
    found = fitted.function(LOGITS + jnp.arange(3.0), jnp.arange(3), temperature=2.0)
    halved = jl.with_temperature(ordered_error)(
        LOGITS + jnp.arange(3.0), [0, 1, 2], temperature=2.0
    )
    np.testing.assert_allclose(found, halved, rtol=1e-6)
