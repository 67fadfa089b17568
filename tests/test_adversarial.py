"""The two sides of a game: published values, divergences at the best critic, masks, leaves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxloss as jl

P, Q = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.1, 0.3, 0.35, 0.25])
REAL, FAKE = np.array([2.0, -0.5, 0.25]), np.array([-1.0, 1.5])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def game_of(loss, fooling=None):
    return jl.Adversarial(jl.Objective(loss), None if fooling is None else jl.Objective(fooling))


# The judging and the fooling loss, then critic and generator as their papers write them.
PUBLISHED = [
    (
        (jl.logistic,),
        -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean(),
        -np.log(sigmoid(FAKE)).mean(),
    ),
    (
        (jl.sigmoid_binary_cross_entropy,),
        -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean(),
        -np.log(sigmoid(FAKE)).mean(),
    ),
    (
        (jl.squared_margin,),
        ((REAL - 1) ** 2).mean() + ((FAKE + 1) ** 2).mean(),
        ((FAKE - 1) ** 2).mean(),
    ),
    ((jl.squared_error,), ((REAL - 1) ** 2).mean() + (FAKE**2).mean(), ((FAKE - 1) ** 2).mean()),
    (
        (jl.hinge, jl.unhinged),
        np.maximum(1 - REAL, 0).mean() + np.maximum(1 + FAKE, 0).mean(),
        1 - FAKE.mean(),
    ),
    ((jl.unhinged,), 2 + FAKE.mean() - REAL.mean(), 1 - FAKE.mean()),
]


@jax.jit
def both_sides(game, real, fake):
    return game.critic(real, fake), game.generator(fake)


@pytest.mark.parametrize(("losses", "critic", "generator"), PUBLISHED)
def test_published_games(losses, critic, generator):
    found = both_sides(game_of(*losses), REAL, FAKE)
    np.testing.assert_allclose(found, (critic, generator), rtol=1e-14)


def test_the_saturating_generator_moves_as_minus_the_critic():
    game = game_of(jl.logistic)
    ours = jax.grad(lambda fake: -game.critic(REAL, fake))
    published = jax.grad(lambda fake: jnp.mean(jnp.log(1 - jax.nn.sigmoid(fake))))
    found, wanted = jax.jit(lambda fake: (ours(fake), published(fake)))(FAKE)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_relativistic_games_are_those_of_pairs_and_of_centred_scores():
    fake = np.append(FAKE, 0.5)
    pairs = jl.Objective(jl.ranking(jl.logistic))
    found = pairs((REAL, fake), np.ones(3)), pairs((REAL, fake), np.zeros(3))
    wanted = [-np.log(sigmoid(sign * (REAL - fake))).mean() for sign in (1, -1)]
    np.testing.assert_allclose(found, wanted, rtol=1e-13)
    game, r, f = game_of(jl.logistic), REAL - FAKE.mean(), FAKE - REAL.mean()
    found = game.critic(r, f), game.critic(f, r)
    critic = -np.log(sigmoid(r)).mean() - np.log(sigmoid(-f)).mean()
    generator = -np.log(sigmoid(f)).mean() - np.log(sigmoid(-r)).mean()
    np.testing.assert_allclose(found, (critic, generator), rtol=1e-13)


def total_variation():
    return np.abs(P - Q).sum() / 2


def jensen_shannon():
    with np.errstate(divide="ignore"):
        return float(jl.jensen_shannon(np.log(P), Q))


# A critic's loss, the best scores of distributions P and Q, and the value there.
BEST = [
    (jl.logistic, lambda: np.log(P / Q), lambda: 2 * np.log(2) - 2 * jensen_shannon()),
    (jl.hinge, lambda: np.sign(P - Q), lambda: 2 - 2 * total_variation()),
    (jl.squared_margin, lambda: (P - Q) / (P + Q), lambda: 2 - ((P - Q) ** 2 / (P + Q)).sum()),
    (jl.exponential, lambda: np.log(P / Q) / 2, lambda: 2 * np.sqrt(P * Q).sum()),
]


@pytest.mark.parametrize(("loss", "scores", "value"), BEST)
def test_the_best_critic_tells_a_divergence(loss, scores, value):
    with np.errstate(divide="ignore"):
        best = np.maximum(scores(), -200.0)
    measure = lambda s: game_of(loss).critic(s, s, weights={"real": P, "fake": Q})
    moves = np.random.default_rng(0).normal(size=(50, 4))
    points = best + np.concatenate([np.zeros((1, 4)), moves, 1e-3 * moves])
    found = np.asarray(jax.jit(jax.vmap(measure))(points))
    assert found[0] == pytest.approx(value(), rel=1e-12)
    assert np.all(found[1:] >= found[0] - 1e-12)


def test_least_squares_with_the_neutral_code_is_pearsons_divergence():
    """Of real and fake mixed, from fake: with the codes -1, 1 and for the generator 0."""
    best = (P - Q) / (P + Q)
    neutral = jl.Objective(jl.squared_error, reduction=jl.total)
    found = neutral(best, np.zeros(4), weights=P + Q)
    pearson = ((2 * Q - (P + Q)) ** 2 / (P + Q)).sum()
    assert float(found) == pytest.approx(pearson, rel=1e-13)


def test_without_a_bound_on_its_slope_the_wasserstein_critic_has_no_best():
    values = [float(game_of(jl.unhinged).critic(k * REAL, k * FAKE)) for k in (1, 10, 1000)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < -100


def test_masks_and_weights_of_each_side():
    game = game_of(jl.hinge, jl.unhinged)
    shown = np.array([True, False, True])
    dirty = np.where(shown, REAL, np.nan)
    masked = jax.value_and_grad(lambda r: game.critic(r, FAKE, where={"real": shown}))
    value, slope = jax.tree.map(np.asarray, jax.jit(masked)(dirty))
    assert float(value) == pytest.approx(float(game.critic(REAL[shown], FAKE)), rel=1e-14)
    np.testing.assert_array_equal(slope[~shown], 0)
    weighted = game.critic(REAL, FAKE, weights={"fake": np.array([1.0, 3.0])})
    wanted = game.critic(REAL, FAKE[[0, 1, 1, 1]])
    assert float(weighted) == pytest.approx(float(wanted), rel=1e-14)
    assert float(game.generator(dirty, where=shown)) == 1 - REAL[shown].mean()


def test_scores_in_parts():
    """As those of a critic that looks at several scales."""
    hinge = jl.Objective(jl.hinge)
    game = jl.Adversarial(hinge.at("coarse") + 2 * hinge.at("fine"))
    real, fake = ({"coarse": x, "fine": x[:1] / 2} for x in (REAL, FAKE))
    simple = jl.Adversarial(hinge)
    wanted = simple.critic(REAL, FAKE) + 2 * simple.critic(REAL[:1] / 2, FAKE[:1] / 2)
    assert float(game.critic(real, fake)) == pytest.approx(float(wanted), rel=1e-14)
    assert float(game.generator(fake)) == pytest.approx(
        float(simple.generator(FAKE) + 2 * simple.generator(FAKE[:1] / 2)), rel=1e-14
    )


def test_its_leaves_are_those_of_its_objectives():
    game = jl.Adversarial(0.5 * jl.Objective(jl.hinge, margin=1.5), jl.Objective(jl.unhinged))
    assert jax.tree.leaves(game) == [0.5, 1.5, 1.0]
    slope = jax.jit(jax.grad(lambda g: g.critic(REAL, FAKE)))(game)
    scale, margin, fooling = jax.tree.leaves(slope)
    expected = [3.25 / 3 + 3.5 / 2, 0.5 * (2 / 3 + 1)]
    np.testing.assert_allclose([scale, margin, fooling], [*expected, 0], rtol=1e-13)


def test_narrow_scores_are_summed_in_single_precision():
    narrow = jnp.asarray(np.linspace(-3, 3, 4096), jnp.bfloat16)
    game = game_of(jl.logistic)
    assert game.critic(narrow, narrow).dtype == jnp.float32
    wide = game.critic(*[narrow.astype(jnp.float64)] * 2)
    assert float(game.critic(narrow, narrow)) == pytest.approx(float(wide), rel=1e-6)


def test_a_loss_is_to_be_wrapped():
    with pytest.raises(TypeError, match="wrap the loss"):
        jl.Adversarial(jl.hinge)
    with pytest.raises(TypeError, match="wrap the loss"):
        jl.Adversarial(jl.Objective(jl.hinge), jl.unhinged)
