"""Losses of a linear head: equal to the loss of all logits, in bounded memory."""

import copy
import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dense_heads import (
    CE,
    CLASSES,
    FEATURES,
    HEAD,
    LABELS,
    MOVING,
    SOFT,
    TERMS,
    TOKENS,
    WHERE,
    close,
    dense,
    draw,
    put,
    relative,
    slopes_of_mean,
    value_and_gradients,
)
from jax import export
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import jaxloss as jl

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("tokens", "classes", "at_once"),
    [(256, 100, 1024), (251, 2500, 64), (127, 2049, 50), (7, 50257, 2), (1, 1, 128)],
)
def test_ragged_sizes_equal_dense(tokens, classes, at_once):
    features = 16
    for scale in (0.02, features**-0.5):
        moving, labels = draw(tokens, features, classes, scale)
        ours = value_and_gradients(jl.linear_head(CE, tokens=at_once), moving, labels)
        theirs = value_and_gradients(dense(CE), moving, labels)
        for found, expected in zip(*map(jax.tree.leaves, (ours, theirs)), strict=True):
            largest = np.max(np.abs(expected))
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * largest)


# Liger#968, Liger#1298
def test_any_cotangent_with_and_without_masked_rows():
    cotangent = np.arange(TOKENS, dtype=np.float32)
    ours = value_and_gradients(HEAD, MOVING, LABELS, cotangent=cotangent)
    theirs = value_and_gradients(dense(CE), MOVING, LABELS, cotangent=cotangent)
    jax.tree.map(close, ours, theirs)

    def masked(*moving):
        return jl.Objective(HEAD, reduction=jl.none)(moving, LABELS, where=WHERE)

    dirty = (put(MOVING[0], ~WHERE, np.nan), *MOVING[1:])
    found, slopes = value_and_gradients(masked, dirty, cotangent=cotangent)
    values, expected = value_and_gradients(dense(CE), MOVING, LABELS, cotangent=cotangent * WHERE)
    close(found, np.asarray(values) * WHERE)
    jax.tree.map(close, slopes, expected)


# CCE#52, Liger#423, Liger#243, Liger#330, maxtext#3211
@pytest.mark.parametrize(
    ("bias", "hyper"),
    [(MOVING[2], {name: value}) for name, value in TERMS.items()]
    + [(0.0, TERMS), (0, {"class_weights": np.linspace(0.5, 2, CLASSES, dtype=np.float32)})],
    ids=[*TERMS, "all without bias", "class_weights without bias"],
)
def test_every_term_equals_dense(bias, hyper):
    def total(loss):
        return jax.jit(
            jax.value_and_grad(
                lambda h, w, hyper: jnp.sum(loss(h, w, bias, LABELS, **hyper)), argnums=(0, 1, 2)
            )
        )

    hyper = jax.tree.map(np.float32, hyper)
    ours, theirs = (total(loss)(*MOVING[:2], hyper) for loss in (HEAD, dense(CE)))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), ours, theirs)


mean_with_terms = jax.jit(jax.value_and_grad(jl.Objective(HEAD, **TERMS)))


# CCE#52, Liger#423, Liger#243, Liger#330, maxtext#3211
@pytest.mark.parametrize("masked", ["one chunk", "all"])
def test_a_chunk_that_is_all_masked(masked):
    where = np.arange(TOKENS) % 3 != 1 if masked == "one chunk" else np.zeros(TOKENS, bool)
    hidden, weight, bias = MOVING
    dirty, labels = put(hidden, ~where, np.nan), put(LABELS, ~where, CLASSES + 1)
    value, slopes = mean_with_terms((dirty, weight, bias), labels, where=where)
    few = jax.jit(jax.value_and_grad(jl.Objective(dense(CE), **TERMS)))
    expected = few((hidden[where], weight, bias), LABELS[where])
    close(value, expected[0])
    slope = np.asarray(slopes[0])
    close(slope[where], expected[1][0])
    assert not np.any(slope[~where])
    jax.tree.map(close, slopes[1:], expected[1][1:])


# pytorch#181574
def test_chunks_and_company_change_nothing():
    expected = value_and_gradients(dense(CE), MOVING, LABELS)
    for tokens in (1, 3, 10, None):
        found = value_and_gradients(jl.linear_head(CE, tokens=tokens), MOVING, LABELS)
        jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-6), found, expected)
    hidden, *shared = MOVING
    alone = jax.jit(lambda h, y: HEAD(h, *shared, y))
    for row, value in enumerate(np.asarray(expected[0])):
        np.testing.assert_allclose(alone(hidden[row], LABELS[row]), value, rtol=1e-6)


# Liger#1391, Liger#512
@pytest.mark.parametrize(("dtype", "rounding"), [("bfloat16", 2e-3), ("float16", 3e-4)])
def test_many_chunks_add_no_error_to_narrow_gradients(dtype, rounding):
    moving, labels = draw(1024, 16, 40, 0.25, dtype)
    with jax.enable_x64(True):
        exact = slopes_of_mean(tuple(x.astype(np.float64) for x in moving), labels)
    errors = {}
    for tokens in (1024, 1):
        head = jl.linear_head(CE, tokens=tokens)
        found = jax.jit(jax.grad(lambda m, head=head: jnp.mean(head(*m, labels))))(moving)
        assert {x.dtype for x in found} == {jnp.dtype(dtype)}
        errors[tokens] = [relative(x, y) for x, y in zip(found, exact, strict=True)]
    np.testing.assert_allclose(errors[1], errors[1024], rtol=0.02)  # 1024 chunks, or one
    assert max(errors[1]) < rounding


@pytest.mark.parametrize(
    ("loss", "others", "hyper"),
    [
        (jl.softmax_cross_entropy, (SOFT,), TERMS),
        (jl.softmax_focal, (LABELS,), {"gamma": 1.5}),
        (jl.crammer_singer, (LABELS,), {}),
        (jl.one_vs_all(jl.logistic), (LABELS,), {}),
        (jl.fenchel_young(jax.nn.logsumexp), (SOFT,), {}),
        (jl.multilabel_soft_margin, (SOFT > 1 / CLASSES,), {}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_any_loss_over_classes_equals_dense(loss, others, hyper):
    ours, theirs = [
        value_and_gradients(made, MOVING, *others, **hyper)
        for made in (jl.linear_head(loss, tokens=4), dense(loss))
    ]
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5), ours, theirs)


@pytest.mark.parametrize("tokens", [1, 4])
def test_saturated_logits_equal_dense(tokens):
    """Among them logits of 1e4 and -1e4, and of one class alone."""
    hidden, weight, bias = MOVING
    for by in (1e4, -1e4):
        far = (put(hidden, slice(4), hidden[:4] * by), weight, put(bias, slice(1, None), by))
        heads = jl.linear_head(CE, tokens=tokens), dense(CE)
        ours, theirs = (value_and_gradients(loss, far, LABELS) for loss in heads)
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=2e-5, atol=1e-2), ours, theirs
        )
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(ours))


def test_hyper_parameters_can_be_mapped_over():
    each = {name: np.float32([0.1, 0.4, 0.9]) * value for name, value in TERMS.items()}
    mapped = jax.jit(jax.vmap(lambda hyper: HEAD(*MOVING, LABELS, **hyper)))(each)
    for i, found in enumerate(np.asarray(mapped)):
        close(found, HEAD(*MOVING, LABELS, **{name: each[name][i] for name in each}))


@pytest.mark.parametrize(
    ("loss", "hyper"), [(CE, {}), (jl.crammer_singer, {}), (jl.softmax_focal, {"gamma": 2.0})]
)
def test_a_head_is_as_convex_as_its_loss(loss, hyper):
    """Chords between random features lie above the graph, or some do not."""
    head, rng = jl.linear_head(loss, tokens=512), np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 4000)
    with jax.enable_x64(True):
        _, weight, bias = (x.astype(np.float64) for x in MOVING)
        left, right = 6 * rng.normal(size=(2, len(labels), FEATURES))
        value = jax.jit(lambda h: head(h, weight, bias, labels, **hyper))
        *ends, middle = (np.asarray(value(h)) for h in (left, right, (left + right) / 2))
    gaps = sum(ends) / 2 - middle
    convex = head.facts.at(**hyper)["convex"]
    assert gaps.min() > -1e-12 if convex else gaps.min() < -1e-3


def test_batch_axes_are_any():
    moving, labels = draw(12)
    hidden, *shared = moving
    expected = HEAD(hidden, *shared, labels)
    found = HEAD(hidden.reshape(2, 3, 2, FEATURES), *shared, labels.reshape(2, 3, 2))
    close(found, expected.reshape(2, 3, 2))


def test_an_empty_batch_has_no_values_and_the_gradient_zero():
    _, *shared = MOVING
    for shape in ((0, FEATURES), (2, 0, FEATURES)):
        arrays = ((np.zeros(shape, np.float32), *shared), np.zeros(shape[:-1], np.int32))
        values, slopes = value_and_gradients(HEAD, *arrays)
        assert values.shape == shape[:-1]
        assert not any(np.any(slope) for slope in slopes)
        assert jl.Objective(HEAD)(*arrays) == 0


def test_forward_and_second_derivatives_equal_dense():
    direction = tuple(np.ones_like(x) for x in MOVING)

    def derivatives(loss):
        total = lambda m: jnp.sum(loss(*m, LABELS, z_loss=0.1))
        slope_and_curvature = jax.jvp(jax.value_and_grad(total), (MOVING,), (direction,))
        jacobian = jax.jacfwd(lambda m: loss(*m, LABELS))(MOVING)
        hessian = jax.hessian(lambda bias: total((*MOVING[:2], bias)))(MOVING[2])
        return slope_and_curvature, jacobian, hessian

    ours, theirs = (jax.jit(derivatives, static_argnums=0)(loss) for loss in (HEAD, dense(CE)))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=2e-5), ours, theirs)


def test_vmap_equals_the_single_calls():
    hidden, weight, bias = MOVING
    per_row = jax.grad(lambda w, h, y: jnp.sum(HEAD(h, w, bias, y)))
    found = jax.jit(jax.vmap(per_row, in_axes=(None, 0, 0)))(weight, hidden, LABELS)
    expected = jax.jit(jax.jacrev(lambda w: dense(CE)(hidden, w, bias, LABELS)))(weight)
    close(found, expected)
    many = jax.jit(jax.vmap(lambda w: HEAD(hidden, w, bias, LABELS)))(np.stack([weight, -weight]))
    close(np.asarray(many)[1], HEAD(hidden, -weight, bias, LABELS))


def test_the_gradient_needs_a_fraction_of_the_memory():
    struct = jax.ShapeDtypeStruct
    shapes = [(4096, 32), (32, 4096), (4096,)]
    labels = struct((4096,), jnp.int32)

    def memory(loss, dtype):
        total = jax.value_and_grad(lambda m, y: jnp.mean(loss(*m, y)))
        compiled = jax.jit(total).lower(tuple(struct(s, dtype) for s in shapes), labels).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    logits = 4096 * 4096 * 4
    for dtype in (jnp.float32, jnp.bfloat16):
        assert memory(jl.linear_head(CE, tokens=128), dtype) < logits / 4
    assert memory(dense(CE), jnp.float32) > logits


def test_tokens_at_once_by_default():
    from jaxloss.kernels.chunking import tokens_at_once

    assert tokens_at_once(2**14, 1, 4, None) == (1024, 4096)
    assert tokens_at_once(128256, 512, 4, None) == (175, 4096)
    assert tokens_at_once(128256, 4096, 4, None) == (1024, 4096)
    assert tokens_at_once(2**20, 512, 4, None) == (128, 512)
    assert tokens_at_once(0, 0, 4, None) == (2**24, 2**24)
    assert tokens_at_once(1000, 512, 4, 8_000) == (1, 1)


@pytest.mark.parametrize("label", [-1, CLASSES, FEATURES + CLASSES])
def test_a_label_that_is_no_class_is_nan_in_its_row_only(label):
    values, (hidden_slope, *_) = value_and_gradients(HEAD, MOVING, put(LABELS, 2, label))
    wrong = np.arange(TOKENS) == 2
    np.testing.assert_array_equal(np.isnan(values), wrong)
    np.testing.assert_array_equal(np.isnan(hidden_slope), np.tile(wrong[:, None], FEATURES))


def test_labels_beyond_the_features_are_classes():
    assert np.all(np.isfinite(HEAD(*MOVING, np.full(TOKENS, FEATURES + 1))))


@pytest.mark.parametrize("row", [0, 2, TOKENS - 1])
def test_nan_stays_in_its_row(row):
    hidden, *shared = MOVING
    dirty = (put(hidden, (row, 3), np.nan), *shared)
    values, (slope, *_) = value_and_gradients(HEAD, dirty, LABELS)
    wrong = np.arange(TOKENS) == row
    np.testing.assert_array_equal(np.isnan(values), wrong)
    np.testing.assert_array_equal(np.isnan(slope), np.tile(wrong[:, None], FEATURES))


def test_masked_classes_stay_masked():
    hidden, weight, bias = MOVING
    closed = (hidden, weight, put(bias, 0, -np.inf))
    labels = np.maximum(LABELS, 1)
    ours, theirs = (value_and_gradients(f, closed, labels) for f in (HEAD, dense(CE)))
    jax.tree.map(close, ours, theirs)
    masked = jax.jit(jax.grad(jl.Objective(HEAD)))(closed, labels, where=WHERE)
    assert all(np.all(np.isfinite(slope)) for slope in masked)


def test_objective_with_weights_mask_and_its_own_gradient():
    weights = np.linspace(0.5, 2, TOKENS, dtype=np.float32)

    @jax.jit
    @functools.partial(jax.value_and_grad, argnums=(0, 1))
    def ours(smoothing, moving):
        objective = jl.Objective(HEAD, label_smoothing=smoothing)
        return objective(moving, LABELS, where=WHERE, weights=weights)

    @jax.jit
    @functools.partial(jax.value_and_grad, argnums=(0, 1))
    def theirs(smoothing, moving):
        values = dense(CE)(*moving, LABELS, label_smoothing=smoothing)
        return jnp.sum(values * weights * WHERE) / jnp.sum(weights * WHERE)

    jax.tree.map(close, ours(0.1, MOVING), theirs(0.1, MOVING))


def test_weight_and_bias_of_the_length_of_the_mask_are_not_masked():
    """Seven tokens, features and classes: shapes alone do not tell them apart."""
    moving, labels = draw(7, 7, 7)
    where = np.arange(7) < 4
    value = jl.Objective(HEAD)(moving, labels, where=where)
    few = jl.Objective(HEAD)((moving[0][:4], *moving[1:]), labels[:4])
    close(value, few)


def test_checked_finds_the_label():
    look = jl.checked(jl.Objective(HEAD))
    close(look(MOVING, LABELS), jl.Objective(HEAD)(MOVING, LABELS))
    close(look((*MOVING[:2], 0.0), LABELS), jl.Objective(HEAD)((*MOVING[:2], 0.0), LABELS))
    with pytest.raises(ValueError, match=r"linear_head\(softmax.*`labels`\[3\] is 7"):
        look(MOVING, put(LABELS, 3, CLASSES))
    with pytest.raises(ValueError, match=r"`weight`\[1, 2\] is nan"):
        look((MOVING[0], put(MOVING[1], (1, 2), np.nan), MOVING[2]), LABELS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {0: np.ones((TOKENS, 4))},
            r"`weight` does not fit in `hidden` \(11, 4\), .*: it has 5 features for 4; .*\(4, 7\)",
        ),
        ({1: MOVING[1].T}, r"`weight` does not fit in .* give it the shape \(5, 7\)"),
        ({1: np.ones(FEATURES)}, r"`weight` does not fit in .* give it the shape \(5, 7\)"),
        ({2: np.ones(CLASSES + 1)}, r"`bias` does not fit in .* give it the shape \(7,\)"),
        ({2: np.ones(1)}, r"`bias` does not fit in .*`bias` \(1,\).* shape \(7,\)"),
        ({2: np.ones((1, CLASSES))}, r"`bias` does not fit in .* reshape it to \(7,\)"),
        ({3: np.zeros(TOKENS - 1, int)}, r"`labels` does not fit in .* the shape \(11,\)"),
        ({3: np.zeros((TOKENS, 1), int)}, r"`labels` does not fit in .* reshape it to \(11,\)"),
        ({0: np.float32(1)}, "`hidden` does not fit in"),
    ],
)
def test_shapes_that_do_not_fit_are_named(change, words):
    arrays = dict(enumerate((*MOVING, LABELS))) | change
    with pytest.raises(ValueError, match=words) as refused:
        HEAD(*arrays.values())
    assert f"{HEAD.__name__}: `" in str(refused.value)


def test_soft_targets_are_as_wide_as_the_weight():
    head = jl.linear_head(jl.softmax_cross_entropy)
    with pytest.raises(ValueError, match=r"`targets` does not fit in .* the shape \(11, 7\)"):
        head(*MOVING, SOFT[:, :FEATURES])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((MOVING[0].astype(int), *MOVING[1:], LABELS), "`hidden` holds features"),
        ((*MOVING, LABELS.astype(float)), "`labels` holds integers in .* softmax_cross_entropy;"),
    ],
)
def test_other_dtypes_are_refused(arrays, words):
    with pytest.raises(TypeError, match=rf"linear_head\(softmax.*{words}"):
        HEAD(*arrays)


@pytest.mark.parametrize(
    "loss",
    [jl.huber, jl.brier.function, jl.categorical_cross_entropy, jl.ranking_softmax, HEAD],
)
def test_only_losses_over_classes_have_heads(loss):
    with pytest.raises(TypeError, match="linear_head: `loss` is a loss of logits or scores"):
        jl.linear_head(loss)


@pytest.mark.parametrize(
    ("tokens", "error"), [(0, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_tokens_is_a_count(tokens, error):
    with pytest.raises(error, match="`tokens` is an integer >= 1"):
        jl.linear_head(CE, tokens=tokens)


def test_a_head_is_a_value():
    assert jl.linear_head(CE) is jl.linear_head(CE, tokens=None)
    assert jl.linear_head(CE, tokens=4) is HEAD
    assert copy.deepcopy(HEAD) is pickle.loads(pickle.dumps(HEAD)) is HEAD
    assert repr(HEAD).startswith(f"<loss {HEAD.__name__}(hidden, weight, bias, labels, *, label_")
    assert repr(jl.Objective(HEAD, z_loss=0.5)) == f"Objective({HEAD.__name__}, z_loss=0.5)"
    assert HEAD.facts.convex


def test_unknown_and_bad_hyperparameters():
    with pytest.raises(TypeError, match=r"linear_head\(.* did you mean `label_smoothing`"):
        HEAD(*MOVING, LABELS, label_smooth=0.1)
    with pytest.raises(ValueError, match="`label_smoothing` is a number in"):
        HEAD(*MOVING, LABELS, label_smoothing=1.5)
    assert np.all(np.isnan(jax.jit(lambda s: HEAD(*MOVING, LABELS, z_loss=s))(-1.0)))


def test_wide_stays_wide_and_mixed_is_the_wider():
    hidden, weight, bias = MOVING
    narrow, of_all = hidden.astype(jnp.bfloat16), jax.jit(dense(CE))
    expected = of_all(narrow.astype(np.float32), weight, bias, LABELS)
    close(HEAD(narrow, weight, bias, LABELS), expected)
    with jax.enable_x64(True):
        assert HEAD(hidden, weight, 0.0, LABELS).dtype == jnp.float32
        double = [x.astype(np.float64) for x in MOVING]
        found = HEAD(*double, LABELS)
        assert found.dtype == jnp.float64
        np.testing.assert_allclose(found, of_all(*double, LABELS), rtol=1e-13)


# jax#7510
def test_strict_modes_of_jax():
    strict = (
        jax.numpy_rank_promotion("raise"),
        jax.numpy_dtype_promotion("strict"),
        jax.debug_nans(True),
    )
    narrow = (MOVING[0].astype(jnp.bfloat16), MOVING[1].astype(jnp.bfloat16), MOVING[2])
    with strict[0], strict[1], strict[2]:
        mean_with_terms(narrow, LABELS, where=WHERE)


def test_tokens_may_be_spread_over_devices():
    labels = LABELS[:8]
    moving = (MOVING[0][:8], *MOVING[1:])
    expected = value_and_gradients(dense(CE), moving, labels)
    for kind in (AxisType.Auto, AxisType.Explicit):
        mesh = jax.make_mesh((1,), ("data",), axis_types=(kind,))
        along, shared = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("data",), ()))
        with jax.set_mesh(mesh):
            ones = np.ones(8, np.float32)
            hidden, spread, ones = jax.device_put((moving[0], labels, ones), along)
            arrays = (hidden, *jax.device_put(moving[1:], shared))
            found = value_and_gradients(HEAD, arrays, spread, cotangent=ones)
            jax.tree.map(close, found, expected)


def test_lowers_for_every_platform():
    platforms = ["cpu", "cuda", "rocm", "tpu"]
    moving = tuple(x.astype(jnp.bfloat16) for x in MOVING)
    total = jax.jit(jax.value_and_grad(lambda m: jnp.sum(HEAD(*m, LABELS))))
    assert set(export.export(total, platforms=platforms)(moving).platforms) == set(platforms)
