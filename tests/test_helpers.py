"""What is called beside losses takes whatever losses take: lists, NumPy's arrays, and JAX's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from drawing import PUBLIC

import jaxloss as jl

KEY = jax.random.key(0)
VALUES, WEIGHTS, MASK, GROUPS = [3.0, 1.0, 2.0], [0.5, 2.0, 1.0], [True, False, True], [0, 1, 0]
ROWS, OTHERS = [[0.5, 0.25], [0.125, 2.0]], [[1.0, 0.5], [0.25, 0.5]]
IMAGES = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]
CLEAN, NOISE, LEVELS, TIMES = ROWS, OTHERS, [1.0, -2.0], [0.25, 0.5]
REDUCTIONS = {
    "mean": jl.mean,
    "total": jl.total,
    "none": jl.none,
    "mean_by_count": jl.mean_by_count,
    "mean_by_batch": jl.mean_by_batch,
    "mean_of_sequences": jl.mean_of_sequences,
    "hardest": jl.hardest(2),
    "cvar": jl.cvar(0.4),
    "tilted": jl.tilted(-1.5),
    "self_paced": jl.self_paced(2.5),
}
REDUCTIONS |= {f"flooded({name})": jl.flooded(0.5, of) for name, of in REDUCTIONS.items()}

# Each public function of arrays with what it is given, arrays as lists; `Average.of` beside them.
CALLS = {
    "Average": (jl.Average.of, VALUES, WEIGHTS),
    "clean_from_noise": (jl.clean_from_noise, NOISE, CLEAN, LEVELS),
    "clean_from_velocity": (jl.clean_from_velocity, NOISE, CLEAN, LEVELS),
    "cutmix": (lambda *given: jl.cutmix(KEY, *given), IMAGES, 1.0),
    "cvar": (jl.cvar(0.4), VALUES, WEIGHTS),
    "diffuse": (jl.diffuse, CLEAN, NOISE, LEVELS),
    "flow": (jl.flow, CLEAN, NOISE, TIMES),
    "flow_log_snr": (jl.flow_log_snr, TIMES),
    "flow_velocity": (jl.flow_velocity, CLEAN, NOISE),
    "flooded": (jl.flooded(0.5), VALUES, MASK),
    "gradient_norm": (jl.gradient_norm(lambda x: jnp.sum(x**2, axis=-1)), ROWS),
    "group_averages": (
        lambda *given: jl.group_averages(*given[:2], 2, given[2]),
        VALUES,
        GROUPS,
        MASK,
    ),
    "group_dro_weights": (jl.group_dro_weights, [0.25, 0.75], [1.0, 2.0], 0.5),
    "hardest": (jl.hardest(2), VALUES, WEIGHTS),
    "interpolates": (lambda *given: jl.interpolates(KEY, *given), ROWS, OTHERS),
    "mean": (jl.mean, VALUES, WEIGHTS),
    "mean_by_batch": (jl.mean_by_batch, VALUES, MASK),
    "mean_by_count": (jl.mean_by_count, VALUES, WEIGHTS),
    "mean_of_sequences": (jl.mean_of_sequences, ROWS, OTHERS),
    "mixup": (lambda x, m: jl.mixup(KEY, x, 0.5, where=m), ROWS, [True, True]),
    "nearest_code": (jl.nearest_code, ROWS, OTHERS),
    "noise_from_clean": (jl.noise_from_clean, CLEAN, NOISE, LEVELS),
    "noise_from_velocity": (jl.noise_from_velocity, CLEAN, NOISE, LEVELS),
    "none": (jl.none, VALUES, WEIGHTS),
    "segment_weights": (jl.segment_weights, GROUPS, MASK),
    "self_paced": (jl.self_paced(2.5), VALUES, WEIGHTS),
    "smooth_labels": (jl.smooth_labels, ROWS, 0.1),
    "straight_through": (jl.straight_through, ROWS, OTHERS),
    "tilted": (jl.tilted(-1.5), VALUES, WEIGHTS),
    "token_log_probabilities": (jl.token_log_probabilities, ROWS, OTHERS, [0.0, 1.0], [1, 0]),
    "total": (jl.total, VALUES, MASK),
    "velocity": (jl.velocity, CLEAN, NOISE, LEVELS),
    "worst_group": (
        lambda *given: jl.worst_group(*given[:2], 2, given[2]),
        VALUES,
        GROUPS,
        WEIGHTS,
    ),
}
MAKERS_AND_FUNCTIONS_OF_FUNCTIONS = {
    "adaptive_softmax",
    "checked",
    "clean_prediction",
    "clipped",
    "denoising",
    "derive",
    "distance",
    "distillation_head",
    "fenchel_young",
    "flow_prediction",
    "linear_head",
    "loss",
    "map_pairs",
    "margin",
    "mixed",
    "one_vs_all",
    "one_vs_each",
    "perceptual",
    "ranking",
    "taylor_cross_entropy",
    "tied_head",
    "triplet_of",
    "velocity_prediction",
    "with_temperature",
}
INSIDE_SHARD_MAP = {
    "all_gathered",
    "global_moments",
    "in_ring",
    "vocabulary_parallel_cross_entropy",
}


def is_function(value):
    return callable(value) and not isinstance(value, (type, jl.Loss))


def test_every_public_function_of_arrays_is_called_here():
    public = {name for name, value in PUBLIC.items() if is_function(value)}
    others = MAKERS_AND_FUNCTIONS_OF_FUNCTIONS | INSIDE_SHARD_MAP
    assert {name for name in public if not name.startswith("_")} - CALLS.keys() == others


@pytest.mark.parametrize("name", CALLS)
def test_lists_and_arrays_of_either_kind_are_the_same(name):
    function, *lists = CALLS[name]
    expected = function(*map(jnp.asarray, lists))
    for given in (lists, list(map(np.asarray, lists))):
        jax.tree.map(np.testing.assert_array_equal, function(*given), expected)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_what_has_no_mass_is_zero_with_gradient_zero(name):
    """In every reduction: of no examples, and of examples of which none counts."""
    reduction, values = REDUCTIONS[name], jnp.array([[0.1, 0.2], [0.3, 2.0]])
    nothing = [jnp.zeros(shape) for shape in ((0,), (0, 3), (3, 0))]
    cases = [(x, None) for x in nothing] + [(x, jnp.zeros(x.shape, bool)) for x in nothing]
    cases += [(values, jnp.zeros((2, 2), bool)), (values, jnp.zeros((2, 2)))]
    for given, weights in cases:
        value = lambda x, weights=weights: jnp.sum(reduction(x, weights))
        for part in (reduction(given, weights), jax.grad(value)(given)):
            np.testing.assert_array_equal(part, 0)


def test_a_flood_is_of_what_has_mass():
    each = jl.flooded(0.5, jl.none)
    np.testing.assert_array_equal(each([0.25, 0.25, 2.0], [True, False, True]), [0.75, 0, 2])


def test_no_groups_and_groups_without_mass():
    empty, none = jnp.zeros(0), jnp.zeros(0, int)
    assert jl.worst_group(empty, none, 0) == 0
    assert jl.worst_group(empty, none, 2) == 0
    assert jl.worst_group(VALUES, GROUPS, 2, [False] * 3) == 0
    np.testing.assert_array_equal(jl.group_averages(VALUES, GROUPS, 2, [0.0] * 3).value, [0, 0])
    with pytest.raises(TypeError, match="group_averages: `groups` are integers, got float32"):
        jl.group_averages(VALUES, WEIGHTS, 2)


def test_points_between_integers_are_no_integers():
    points = jl.interpolates(KEY, np.full((4, 2), 255, np.uint8), np.zeros((4, 2), np.uint8))
    assert points.dtype == jnp.float32
    assert np.all(points != np.round(points))
