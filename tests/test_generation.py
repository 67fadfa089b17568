"""The task of generation: its data, its samples and what they are measured by."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

import jaxloss as jl
from jaxloss.compare import compare
from jaxloss.compare.sweep.expression import parse_expression
from jaxloss.compare.tasks import generation
from jaxloss.compare.tasks.generation import GENERATION, NOISIEST, SIZES, WIDTH


@pytest.fixture(scope="module")
def data():
    return GENERATION.draw(np.random.default_rng(0))


def centres():
    turns = 2 * np.pi * np.arange(generation.MODES) / generation.MODES
    return np.sqrt(2 * (1 - WIDTH**2)) * np.stack([np.cos(turns), np.sin(turns)], axis=-1)


def test_a_noisy_point_less_its_noise_is_a_point_of_the_ring(data):
    noisy, levels = data.inputs.training[:, :2], data.inputs.training[:, 2]
    clear = levels > 0
    clean = jl.clean_from_noise(data.targets.training, noisy, levels)[clear]
    gaps = distance.cdist(clean, centres()).min(-1)
    assert np.quantile(gaps, 0.99) < 4 * WIDTH
    np.testing.assert_allclose(np.var(data.targets.training, axis=0), 1, atol=0.1)


def test_the_other_parts_hold_noise_and_points_of_variance_one(data):
    for part in (1, 2):
        assert set(data.inputs[part][:, 2]) == {NOISIEST}
        np.testing.assert_allclose(data.targets[part].var(axis=0), 1, atol=0.2)
        assert distance.cdist(data.targets[part], centres()).min(-1).max() < 6 * WIDTH
        assert len(data.targets[part]) == SIZES[part]


def test_the_energy_distance_is_that_of_scipy_on_a_line(data):
    x, y = data.targets.validation[:, 0], data.inputs.test[:, 0]
    on_a_line = lambda values: jnp.stack([values, 0 * values], axis=-1)
    rows = jnp.stack([x, 0 * x, 0 * x], axis=-1)
    found = generation.energy_distance(rows, on_a_line(y))
    assert float(found) == pytest.approx(stats.energy_distance(x, y) ** 2, rel=1e-4)


def test_the_gap_is_the_distance_to_the_nearest_sample(data):
    rows, points = data.inputs.test, data.targets.test
    wanted = distance.cdist(points, rows[:, :2]).min(-1).mean()
    assert float(generation.mean_gap(rows, points)) == pytest.approx(wanted, rel=1e-5)


def test_a_fraction_of_the_targets_belongs_to_other_examples(data):
    clean = data.targets.training
    noisy = GENERATION.corrupt(clean, 0.3, np.random.default_rng(0))
    assert np.mean(np.any(noisy != clean, axis=-1)) == pytest.approx(0.3, abs=1e-3)
    np.testing.assert_array_equal(np.sort(noisy, axis=0), np.sort(clean, axis=0))


def test_losses_of_noise_and_of_diffusion_models_are_given_what_they_take(data):
    predictions = jnp.concatenate([data.targets.training + 0.5, data.inputs.training[:, 2:]], -1)
    targets, levels = data.targets.training, data.inputs.training[:, 2]
    for written in GENERATION.contenders:
        assert parse_expression(written, GENERATION.output).variants
    (snr,) = parse_expression("min_snr(gamma=5)", GENERATION.output).variants
    wanted = jl.Objective(jl.min_snr, gamma=5.0)((predictions[:, :2], levels), targets)
    np.testing.assert_allclose(snr.objective(predictions, targets), wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="triplet is of"):
        parse_expression("triplet", GENERATION.output)


@pytest.mark.slow
def test_a_network_that_was_trained_makes_better_samples():
    outcome = compare(["noise_error"], task="generation", seeds=2, rates=[1e-3])
    (best,) = outcome.rankings[0.0]
    drawn = GENERATION.draw(np.random.default_rng(0))
    weights = GENERATION.model.initial(jax.random.key(0), drawn.inputs.training)
    untrained = GENERATION.model.predict(weights, drawn.inputs.test)
    assert best.score.mean < 0.3 * generation.energy_distance(untrained, drawn.targets.test)
