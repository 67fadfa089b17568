"""The one way to make a loss of a loss: name, text, signature, facts, identity and pickling."""

import copy
import inspect
import math
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import MADE

import jaxloss as jl
from jaxloss.core.domains import Label, NonNegative, Positive, PositiveReal, Real, Scores
from jaxloss.core.loss import Distance

PREDICTIONS, TARGETS = np.float32([0.5, 1.0, 4.0]), np.float32([1.0, 1.0, 1.0])


def of_logarithms(loss):
    """Make a loss of the logarithms of both arrays, as a third party would."""

    def function(predictions: PositiveReal, targets: PositiveReal, **hyperparameters):
        return loss.compute(jnp.log(predictions), jnp.log(targets), **hyperparameters)

    doc = f"""`{loss.__name__}` of the logarithms.

    Returns:
        One value per element.
    """
    facts = jl.Facts(convex=False, supremum=loss.facts.supremum)
    return jl.derive(of_logarithms, loss, function=function, doc=doc, facts=facts)


def shifted(loss, *, kind=None):
    """Make a distance-based loss of another one, with a hyper-parameter of its own."""

    def function(residual, *, offset: NonNegative = 0.0, **hyperparameters):
        return loss.rho(residual + offset, **hyperparameters)

    return jl.derive(
        shifted,
        loss,
        function=function,
        doc=f"`{loss.__name__}` of a residual that is shifted.",
        signature=loss.signature,
        kind=Distance,
        options={"kind": kind},
    )


def named_after(*arguments):
    def function(predictions: Real):
        return predictions

    return jl.derive(named_after, *arguments, function=function, doc="The predictions.")


HUBER = of_logarithms(jl.huber)


def test_a_loss_is_called_by_its_maker_and_the_arguments():
    assert HUBER.__name__ == HUBER.__qualname__ == "of_logarithms(huber)"
    assert HUBER.__module__ == of_logarithms.__module__
    assert repr(HUBER) == "<loss of_logarithms(huber)(predictions, targets, *, delta=1.0)>"
    nested = of_logarithms(jl.clipped(jl.huber))
    assert nested.__name__ == "of_logarithms(clipped(huber))"
    every = named_after(jl.hinge, jnp.exp, Distance, "batch", 2, (1, 2))
    assert every.__name__ == "named_after(hinge, exp, Distance, 'batch', 2, (1, 2))"


def test_the_text_is_that_given_with_what_every_loss_raises():
    text = inspect.getdoc(HUBER)
    assert text.startswith("`huber` of the logarithms.\n\nReturns:\n    One value per element.")
    assert "\n\nRaises:\n    TypeError: An array's dtype is outside its domain" in text


def test_annotations_say_the_arrays_and_the_rest_stands_for_the_losses_hyper_parameters():
    domains = {name: domain.name for name, domain in HUBER.signature.arrays.items()}
    assert domains == {"predictions": "PositiveReal", "targets": "PositiveReal"}
    assert HUBER.signature.hyperparameters == jl.huber.signature.hyperparameters
    assert list(inspect.signature(HUBER).parameters) == ["predictions", "targets", "delta"]
    assert list(inspect.signature(HUBER.function).parameters) == ["predictions", "targets", "delta"]
    assert named_after(jl.huber).signature.hyperparameters == {}, "nothing stands for them"


def test_a_signature_to_start_from_gives_the_arrays_and_the_function_adds_its_own_numbers():
    loss = shifted(jl.huber)
    assert loss.signature.arrays == jl.huber.signature.arrays
    assert list(loss.signature.hyperparameters) == ["delta", "offset"]
    assert isinstance(loss, Distance)
    assert float(loss(1.0, 0.5, offset=0.25, delta=0.5)) == 0.25
    assert float(loss.rho(jnp.float32(0.5), offset=0.5)) == 0.5


def test_facts_are_those_given_and_none_are_claimed_by_default():
    assert HUBER.facts.at(delta=1.0) == {"convex": False, "supremum": math.inf}
    assert shifted(jl.huber).facts.at() == {}


def test_the_same_arguments_give_the_same_object_and_others_another():
    assert of_logarithms(jl.huber) is HUBER
    assert of_logarithms(jl.fair) is not HUBER
    assert shifted(jl.huber, kind=1) is shifted(jl.huber, kind=1)
    assert shifted(jl.huber, kind=1) is not shifted(jl.huber)
    assert named_after(2) is named_after(2)
    assert len({named_after(x) for x in (2, 2.0, True, 1)}) == 4


def test_a_loss_is_pickled_and_copied_as_the_call_of_its_maker():
    assert HUBER.made_by == (of_logarithms, (jl.huber,))
    nested = jl.mixed(of_logarithms(jl.clipped(jl.huber)))
    for loss in (HUBER, nested, shifted(jl.huber, kind="other")):
        assert pickle.loads(pickle.dumps(loss)) is loss
        assert copy.deepcopy(loss) is loss


def test_hyper_parameters_are_checked_as_those_of_any_loss():
    with pytest.raises(ValueError, match=r"of_logarithms\(huber\): `delta` is a number > 0, got 0"):
        HUBER(1.0, 1.0, delta=0)
    with pytest.raises(TypeError, match=r"did you mean `delta`\?"):
        HUBER(1.0, 1.0, delte=1.0)
    with pytest.raises(ValueError, match=r"shifted\(huber\): `offset` is a number >= 0, got -1"):
        shifted(jl.huber)(1.0, 1.0, offset=-1.0)
    np.testing.assert_array_equal(HUBER([1.0, -1.0], [1.0, 1.0]), [0.0, np.nan])
    assert np.isnan(jax.jit(lambda d: HUBER(1.0, 1.0, delta=d))(-1.0))


def test_values_and_derivatives_are_those_of_the_formula_also_compiled_and_mapped():
    expected = np.asarray(jl.huber(np.log(PREDICTIONS), np.log(TARGETS), delta=0.5))
    mapped = jax.jit(jax.vmap(jax.value_and_grad(HUBER), (0, 0)))
    np.testing.assert_allclose(HUBER(PREDICTIONS, TARGETS, delta=0.5), expected, rtol=1e-6)
    value, slope = mapped(PREDICTIONS, TARGETS)
    logs = np.log(PREDICTIONS)
    np.testing.assert_allclose(value, jl.huber(logs, 0 * logs), rtol=1e-6)
    np.testing.assert_allclose(slope, np.clip(logs, -1, 1) / PREDICTIONS, rtol=1e-6)
    deltas = jnp.array([0.25, 0.5])
    by_delta = jax.vmap(jax.grad(lambda d: HUBER(4.0, 1.0, delta=d)))(deltas)
    np.testing.assert_allclose(by_delta, math.log(4) - deltas, rtol=1e-5)


def test_a_third_partys_loss_serves_in_an_objective_whose_mask_hides_what_is_outside():
    objective = jl.Objective(HUBER, delta=0.5)
    assert repr(objective) == "Objective(of_logarithms(huber), delta=0.5)"
    where = np.array([True, False, True])
    dirty = np.where(where, PREDICTIONS, -1)
    value, slope = jax.jit(jax.value_and_grad(objective))(dirty, TARGETS, where=where)
    expected = np.asarray(HUBER(PREDICTIONS, TARGETS, delta=0.5))[where].mean()
    assert float(value) == pytest.approx(expected, rel=1e-6)
    assert slope[1] == 0
    assert np.isfinite(slope).all()


@jax.jit
def difference(predictions: Real, targets: Real):
    return predictions - targets


def test_a_function_that_others_use_too_keeps_its_name():
    def excess():
        return jl.derive(excess, function=difference, doc="By how much predictions exceed targets.")

    assert excess().__name__ == excess().signature.name == "excess()"
    assert float(excess()(3.0, 1.0)) == 2
    assert difference.__name__ == "difference"


def test_what_cannot_be_told_apart_is_refused():
    for unhashable in ([1], np.ones(2), {"a": 1}):
        with pytest.raises(TypeError, match="named_after: each argument is hashable"):
            named_after(unhashable)
    with pytest.raises(TypeError, match="fenchel_young: each argument is hashable"):
        jl.fenchel_young([1])


def test_an_argument_that_derive_is_not_given_is_refused():
    """Else the loss of the first factor would be taken for those of all others."""

    def function(predictions: Real):
        return predictions

    def scaled(loss, factor=2):
        given = (loss,) if factor else ()
        return jl.derive(scaled, *given, function=function, doc="Text.")

    with pytest.raises(TypeError, match=r"scaled: .*all arguments of scaled\(loss, factor=2\).*`f"):
        scaled(jl.huber)
    with pytest.raises(TypeError, match=r"scaled: .* missing a required argument: 'loss'"):
        scaled(jl.huber, factor=0)


def test_hyper_parameters_of_one_name_are_refused():
    def both(first, second):
        def function(predictions: Real, targets: Real, **hyper):
            return first(predictions, targets, **hyper) + second(predictions, targets, **hyper)

        return jl.derive(both, first, second, function=function, doc="Text.")

    with pytest.raises(ValueError, match="both: huber and pseudo_huber both have `delta`"):
        both(jl.huber, jl.pseudo_huber)

    def again(loss):
        def function(predictions: Real, targets: Real, *, delta: Positive = 1.0, **hyper):
            return delta * loss(predictions, targets, **hyper)

        return jl.derive(again, loss, function=function, doc="Text.")

    with pytest.raises(ValueError, match="again: huber has `delta` already"):
        again(jl.huber)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda first, second: first + second, r"bad\(\): `first` is an array; annotate"),
        (lambda *arrays: arrays[0], r"bad\(\): `\*arrays` stands for any arguments; name each"),
        (3, "derive: `function` is a function that is defined by `def`, got 3"),
    ],
)
def test_a_function_that_is_no_loss_is_refused(function, words):
    def bad():
        return jl.derive(bad, function=function, doc="Text.")

    with pytest.raises(TypeError, match=words):
        bad()


def test_a_default_outside_its_domain_is_refused():
    def bad(signature):
        def function(scores: Scores, labels: Label, *, margin: Positive = -1.0):
            return jl.crammer_singer(scores, labels, margin=margin)

        return jl.derive(
            bad, signature is None, function=function, doc="Text.", signature=signature
        )

    for signature in (None, jl.multiclass_perceptron.signature):
        with pytest.raises(ValueError, match=r"bad\(.*\): `margin` is a number > 0, got -1.0"):
            bad(signature)


@pytest.mark.parametrize("maker", [jl.one_vs_all, jl.one_vs_each, jl.ranking])
def test_makers_of_margins_refuse_what_is_none(maker):
    for wrong in (jl.huber, jnp.abs, [1]):
        with pytest.raises(TypeError, match=f"{maker.__name__}: .* is a margin-based loss"):
            maker(wrong)


OTHERS = (
    jl.clean_prediction(jl.edm),
    jl.flow_prediction(jl.p2),
    jl.linear_head(jl.crammer_singer),
    jl.tied_head(jl.crammer_singer, tokens=3),
    jl.distillation_head(jl.reverse_kl, memory=2**20),
    jl.in_ring(jl.symmetric_info_nce, "batch"),
    jl.all_gathered(jl.circle, "batch"),
    jl.global_moments(jl.vicreg, "batch"),
    jl.vocabulary_parallel_cross_entropy("classes"),
)


@pytest.mark.parametrize("loss", [*MADE, *OTHERS], ids=lambda loss: loss.__name__)
def test_every_made_loss_was_made_by_derive(loss):
    """Its maker and arguments are on record, and give it again: nothing else makes losses."""
    maker, arguments = loss.made_by
    assert maker(*arguments) is loss
    name = getattr(maker, "func", maker).__name__
    assert loss.__name__ == loss.signature.name == loss.function.__name__
    assert loss.__name__.startswith(f"{name}(")


def test_the_losses_that_are_written_out_were_made_by_no_maker():
    assert jl.huber.made_by is jl.softmax_cross_entropy.made_by is None
