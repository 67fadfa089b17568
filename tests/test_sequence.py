"""Losses of unaligned sequences: every alignment enumerated, reported faults, peers, digits."""

import functools
import itertools
from math import inf, log

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxloss as jl

pytestmark = pytest.mark.slow

CE = jl.softmax_cross_entropy_with_integer_labels
RNG = np.random.default_rng(5)
BATCH, FRAMES, CLASSES, LABELS = 6, 12, 5, 4
LOGITS = (RNG.normal(size=(BATCH, FRAMES, CLASSES)) * 2).astype(np.float32)
FRAME_COUNTS = np.array([12, 11, 9, 8, 12, 10], np.int32)
LABEL_COUNTS = np.array([4, 3, 4, 0, 1, 2], np.int32)
TARGETS = RNG.integers(1, CLASSES, (BATCH, LABELS)).astype(np.int32)
TARGETS[0] = [2, 2, 1, 1]

close = functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=2e-6)


def summed(logits, frame_counts, label_counts, labels, infeasible):
    values = jl.ctc(logits, frame_counts, label_counts, labels, infeasible=infeasible)
    return jnp.sum(values), values


differentiated = jax.jit(jax.value_and_grad(summed, has_aux=True))


def value_and_gradient(logits, *others, infeasible=inf):
    logits = jnp.asarray(logits, jnp.result_type(float))
    (_, values), gradient = differentiated(logits, *map(jnp.asarray, others), infeasible)
    return np.asarray(values), np.asarray(gradient)


def alone(logits, frame_count, label_count, labels, infeasible=inf):
    """One short sequence, in arrays of one shape, so that all of them are compiled once."""
    given = np.asarray(logits, float)
    padded = np.full((1, 3, 4), -inf)
    padded[0, : given.shape[0], : given.shape[1]] = given
    others = ([frame_count], [label_count], [[*labels, -1, -1, -1][:3]])
    (value,), (gradient,) = value_and_gradient(padded, *others, infeasible=infeasible)
    return value, gradient[: given.shape[0], : given.shape[1]]


def collapsed(path):
    return tuple(c for c, _ in itertools.groupby(path) if c)


@jax.jit
def enumerated(logits, chosen):
    """By definition: the sum over all paths that collapse to the labels."""
    log_p = jax.nn.log_softmax(logits)
    totals = log_p[np.arange(3), PATHS].sum(-1)
    return -jax.nn.logsumexp(totals, where=chosen)


def with_derivatives(function):
    def both(logits, *others):
        value = lambda x: function(x, *others)
        return value(logits), jax.grad(value)(logits), jax.hessian(value)(logits)

    return jax.jit(both)


SMALL = RNG.normal(size=(3, 3)) * 2
PATHS = np.array(list(itertools.product(range(3), repeat=3)))
SEQUENCES = sorted({collapsed(path) for path in PATHS.tolist()})
ROWS = np.array([[*x, *[-1] * (3 - len(x))] for x in SEQUENCES])
CHOSEN = np.array([[collapsed(path) == x for path in PATHS.tolist()] for x in SEQUENCES])
PAIRS = list(zip(SEQUENCES, CHOSEN, strict=True))


def test_value_and_derivatives_are_those_of_all_alignments():
    """Two derivatives; with padding behind the frames and the labels, which does not count."""
    padding = jnp.full((1, 3), jnp.nan)
    ours = with_derivatives(lambda x, *others: jl.ctc(jnp.concatenate([x, padding]), 3, *others))
    theirs = with_derivatives(enumerated)
    with jax.enable_x64(True):
        for labels, row, chosen in zip(SEQUENCES, ROWS, CHOSEN, strict=True):
            found = ours(SMALL, len(labels), row)
            for x, y in zip(found, theirs(SMALL, chosen), strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12, err_msg=str(labels))


def test_probabilities_of_all_label_sequences_sum_to_one():
    counts = np.array([len(x) for x in SEQUENCES])
    logits = np.broadcast_to(SMALL, (len(counts), 3, 3)).astype(np.float32)
    close(np.exp(-jl.ctc(logits, np.full(len(counts), 3), counts, ROWS)).sum(), 1)


def test_same_value_and_gradient_as_optax():
    def theirs(logits):
        frames = np.arange(FRAMES) >= FRAME_COUNTS[:, None]
        labels = np.arange(LABELS) >= LABEL_COUNTS[:, None]
        values = optax.losses.ctc_loss(logits, frames * 1.0, TARGETS, labels * 1.0)
        return jnp.sum(values), values

    (_, expected), slope = jax.jit(jax.value_and_grad(theirs, has_aux=True))(LOGITS)
    values, gradient = value_and_gradient(LOGITS, FRAME_COUNTS, LABEL_COUNTS, TARGETS)
    close(values, expected, rtol=1e-5)
    close(gradient, slope, atol=2e-5)


def test_a_blank_that_is_the_last_class_is_rolled_to_the_front():
    def theirs(logits):
        frames = np.arange(FRAMES) >= FRAME_COUNTS[:, None]
        labels = np.arange(LABELS) >= LABEL_COUNTS[:, None]
        last = CLASSES - 1
        return optax.losses.ctc_loss(logits, frames * 1.0, TARGETS - 1, labels * 1.0, blank_id=last)

    rolled = jnp.roll(LOGITS, 1, axis=-1)
    found = jl.ctc(rolled, FRAME_COUNTS, LABEL_COUNTS, (TARGETS - 1) + 1)
    close(found, jax.jit(theirs)(LOGITS), rtol=1e-5)
    by_class = jnp.roll(LOGITS, -(CLASSES - 1), axis=-1)
    np.testing.assert_array_equal(by_class, rolled)


def test_limits_are_cross_entropies():
    one = jnp.asarray(LOGITS[:, :1])
    close(
        jl.ctc(one, np.ones(BATCH, int), np.ones(BATCH, int), TARGETS), CE(one[:, 0], TARGETS[:, 0])
    )
    blanks = CE(LOGITS, np.zeros((BATCH, FRAMES), int)).sum(-1)
    close(jl.ctc(LOGITS, np.full(BATCH, FRAMES), np.zeros(BATCH, int), TARGETS), blanks)
    none = np.zeros((BATCH, 0), int)
    close(jl.ctc(LOGITS, np.full(BATCH, FRAMES), np.zeros(BATCH, int), none), blanks)


def test_is_an_objective_whose_mask_hides_bad_sequences():
    where = np.array([True, False, True, True, False, True])
    logits, labels = np.array(LOGITS), np.array(TARGETS)
    logits[~where], labels[~where] = np.nan, 99
    objective = jl.Objective(jl.ctc, infeasible=0.0)
    found = objective((logits, FRAME_COUNTS, LABEL_COUNTS), labels, where=where)
    close(found, jl.ctc(LOGITS, FRAME_COUNTS, LABEL_COUNTS, TARGETS)[where].mean())


# optax#1771
def test_a_near_certain_sequence_costs_little_but_not_less_than_nothing():
    value, gradient = alone([[0, 17], [0, 17]], 2, 1, [1])
    assert value == pytest.approx(1.713908e-15, rel=1e-5)
    np.testing.assert_allclose(gradient, [[1.713908e-15, -1.713908e-15]] * 2, rtol=1e-5)


@pytest.mark.parametrize("far", [1, 3, 6, 9, 12, 20, 30])
def test_near_certain_sequences_keep_their_digits(far):
    """Where the labels are (1, 2), and a third class, the blank and repetitions compete."""
    logits = np.array([[0, far, 0, 1], [far, 0, 0, -1], [0, 1, far, 0]], np.float32)
    value, gradient = alone(logits, 3, 2, [1, 2])
    with jax.enable_x64(True):
        expected, slope = alone(logits, 3, 2, [1, 2])
    assert 0 <= value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-5, atol=1e-6 * float(expected))


def test_near_certain_value_is_the_probability_of_all_else():
    """Which is enumerated here, where one less the probability has no digits."""
    logits = np.array([[0, 40, 0], [40, 0, 0], [0, 2, 42]], np.float64)
    with jax.enable_x64(True):
        rest = [np.exp(-enumerated(logits, c)) for x, c in PAIRS if x != (1, 2)]
        np.testing.assert_allclose(jl.ctc(logits, 3, 2, [1, 2, 0]), sum(rest), rtol=1e-12)


# pytorch#31557
@pytest.mark.parametrize("labels", [[1, 1], [1, 2, 1]], ids=str)
@pytest.mark.parametrize("infeasible", [inf, 0.0, 7.0])
def test_without_an_alignment_the_value_is_as_said_and_the_gradient_zero(labels, infeasible):
    value, gradient = alone(np.zeros((2, 3)), 2, len(labels), labels, infeasible)
    assert value == infeasible
    np.testing.assert_array_equal(gradient, 0)


# pytorch#31557
def test_masked_classes_can_leave_no_alignment():
    value, gradient = alone([[0, 0, -inf], [0, 0, -inf]], 2, 1, [2])
    assert value == inf
    np.testing.assert_array_equal(gradient, 0)


# pytorch#18215
def test_empty_target():
    value, gradient = alone(np.zeros((2, 3)), 2, 0, [])
    assert value == pytest.approx(2 * log(3), rel=1e-6)
    close(gradient, [[-2 / 3, 1 / 3, 1 / 3]] * 2)


# pytorch#81459
@pytest.mark.parametrize(("labels", "expected"), [([], 0), ([1], inf)])
def test_no_frames(labels, expected):
    value, gradient = alone(np.zeros((2, 3)), 0, len(labels), labels)
    assert value == expected
    np.testing.assert_array_equal(gradient, 0)
    assert jl.ctc(np.zeros((0, 3)), 0, len(labels), np.array([*labels, -1])[:1]) == expected


# jax#6811
def test_masked_classes_have_gradient_zero():
    value, gradient = alone([[0, 0, -inf]] * 2, 2, 1, [1])
    assert value == pytest.approx(log(4 / 3), rel=1e-6)
    close(gradient, [[1 / 6, -1 / 6, 0]] * 2)


@pytest.mark.parametrize("hidden", [np.nan, inf, -inf, 1e30])
def test_padding_cannot_be_seen(hidden):
    clean = value_and_gradient(LOGITS, FRAME_COUNTS, LABEL_COUNTS, TARGETS)
    logits = np.where((np.arange(FRAMES) < FRAME_COUNTS[:, None])[..., None], LOGITS, hidden)
    labels = np.where(np.arange(LABELS) < LABEL_COUNTS[:, None], TARGETS, -1)
    dirty = value_and_gradient(logits.astype(np.float32), FRAME_COUNTS, LABEL_COUNTS, labels)
    jax.tree.map(np.testing.assert_array_equal, dirty, clean)
    moved = lambda x: jl.ctc(x, FRAME_COUNTS, LABEL_COUNTS, labels)
    assert np.isfinite(jax.jvp(moved, (jnp.asarray(logits),), (jnp.ones_like(logits),))[1]).all()


INVALID = [
    (2, 1, [0]),
    (2, 1, [4]),
    (2, 2, [1, -1]),
    (2, 2, [1, 1000]),
    (0, 1, [0]),
    (4, 1, [1]),
    (-1, 1, [1]),
    (2, 4, [1, 2, 1]),
    (2, -1, [1]),
]


@pytest.mark.parametrize(("frame_count", "label_count", "labels"), INVALID)
def test_invalid_labels_and_counts_are_nan_in_value_and_gradient(frame_count, label_count, labels):
    value, gradient = alone(np.zeros((3, 3)), frame_count, label_count, labels)
    assert np.isnan(value)
    assert np.isnan(gradient).all()


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_long_and_steep_sequences_keep_their_digits(scale):
    logits = (RNG.normal(size=(1, 400, 6)) * scale).astype(np.float32)
    others = ([400], [40], RNG.integers(1, 6, (1, 40)))
    value, gradient = value_and_gradient(logits, *others)
    with jax.enable_x64(True):
        expected, slope = value_and_gradient(logits, *others)
    np.testing.assert_allclose(value, expected, rtol=2e-6)
    np.testing.assert_allclose(gradient, slope, atol=5e-5)


def test_integers_of_every_width_are_accepted_and_floats_refused():
    expected = jl.ctc(LOGITS, FRAME_COUNTS, LABEL_COUNTS, TARGETS)
    given = zip((FRAME_COUNTS, LABEL_COUNTS, TARGETS), (np.int8, np.uint8, np.uint32), strict=True)
    np.testing.assert_array_equal(jl.ctc(LOGITS, *[x.astype(kind) for x, kind in given]), expected)
    with jax.enable_x64(True):
        given = (x.astype(np.uint64) for x in (FRAME_COUNTS, LABEL_COUNTS, TARGETS))
        close(jl.ctc(LOGITS, *given), expected)
    with pytest.raises(TypeError, match=r"`frame_counts` holds how many frames.*cast it to int32"):
        jl.ctc(LOGITS, FRAME_COUNTS * 1.0, LABEL_COUNTS, TARGETS)


@pytest.mark.parametrize(
    ("name", "bad"), [("frame_counts", np.ones(3, int)), ("labels", np.ones((), int))]
)
def test_shapes_that_do_not_fit_are_named(name, bad):
    given = {"frame_counts": FRAME_COUNTS, "label_counts": LABEL_COUNTS, "labels": TARGETS}
    with pytest.raises(ValueError, match=f"ctc: `{name}` does not fit"):
        jl.ctc(LOGITS, **(given | {name: bad}))
    with pytest.raises(ValueError, match=f"ctc: `{name}` does not fit"):
        jl.ctc(LOGITS[0], **({key: x[0] for key, x in given.items()} | {name: bad}))


def test_runs_on_explicitly_sharded_arrays_and_inside_shard_map():
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(AxisType.Explicit,))
    spread = PartitionSpec("batch")
    arrays = (LOGITS, FRAME_COUNTS, LABEL_COUNTS, TARGETS)
    expected = jl.ctc(*arrays)
    with jax.set_mesh(mesh):
        placed = [jax.device_put(x, NamedSharding(mesh, spread)) for x in arrays]
        close(jax.jit(jl.ctc)(*placed), expected)
        mapped = jax.shard_map(jl.ctc, in_specs=(spread,) * 4, out_specs=spread)
        close(jax.jit(mapped)(*placed), expected)


def test_near_certain_and_other_sequences_in_one_batch_are_as_alone():
    """Each by itself takes one way through the loss, both together take the two."""
    sharp = np.zeros((3, 4), np.float32)
    sharp[np.arange(3), [1, 0, 2]] = 12
    both = np.stack([sharp, LOGITS[0, :3, :4]])
    others = ([3, 3], [2, 2], [[1, 2, -1], [1, 2, -1]])
    values, gradients = value_and_gradient(both, *others)
    mapped = jax.vmap(jax.value_and_grad(jax.jit(jl.ctc)))(both, *map(jnp.asarray, others))
    assert values[0] < log(2) < values[1]
    for k in range(2):
        value, gradient = alone(both[k], 3, 2, [1, 2])
        np.testing.assert_allclose(values[k], value, rtol=1e-6)
        np.testing.assert_allclose(gradients[k], gradient, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(mapped[0][k], value, rtol=1e-6)
        np.testing.assert_allclose(mapped[1][k], gradient, rtol=1e-6, atol=1e-12)


def test_forward_mode_and_reverse_mode_agree():
    value = lambda x: jnp.sum(jl.ctc(x, FRAME_COUNTS, LABEL_COUNTS, TARGETS))
    direction = RNG.normal(size=LOGITS.shape)
    with jax.enable_x64(True):
        logits, tangent = jnp.asarray(LOGITS, float), jnp.asarray(direction)
        _, forward = jax.jvp(value, (logits,), (tangent,))
        reverse = jax.jit(jax.grad(value))
        assert float(forward) == pytest.approx(float(jnp.vdot(reverse(logits), tangent)), rel=1e-12)
        step = 1e-5
        ahead, back = (reverse(logits + s * step * tangent) for s in (1, -1))
        _, curved = jax.jvp(reverse, (logits,), (tangent,))
        np.testing.assert_allclose(curved, (ahead - back) / (2 * step), rtol=1e-5, atol=1e-6)
