"""The two objectives of an adversarial game, from any loss of a score and its label.

A critic learns to tell real from fake examples by a score; a generator learns to make fakes that
score as real ones do. The critic's loss determines the divergence that the generator minimises.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

from jaxloss.core.batch import as_arrays
from jaxloss.core.objective import Objective
from jaxloss.numerics.trees import PyTree


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Adversarial:
    """Objectives of critic and generator in a generative adversarial network (GAN).

        critic:     mean ψ(real scores) + mean ψ(-fake scores)
        generator:  mean φ(fake scores),   ψ = judging, φ = fooling, margin-based losses

    With the losses of the published games:

        original, non-saturating      ψ = φ = `logistic`
        original, saturating          ψ = `logistic`; the generator minimises minus the critic's
        least squares                 ψ = φ = `squared_margin`, or `squared_error` for codes 0, 1
        geometric, spectrally normed  ψ = `hinge`, φ = `unhinged`
        Wasserstein                   ψ = φ = `unhinged`, of a 1-Lipschitz critic: see
                                      `gradient_norm`
        relativistic                  of pairs: `Objective(ranking(logistic))((real, fake), ones)`,
                                      and with zeros for the generator
        relativistic average          any ψ: `critic(r, f)` and for the generator `critic(f, r)`,
                                      r = real - mean(fake), f = fake - mean(real)

    A frozen pytree, whose leaves are those of its objectives. Real and fake batches may differ in
    size: each has its own mean.

    Args:
        judging: What the critic minimises: an objective of scores and of labels, 1 for real, 0
            for fake. Scores that come in parts are picked by `at`, as in any objective.
        fooling: What the generator minimises at the scores of its fakes and the label 1; `judging`
            where there is none.

    Raises:
        TypeError: A loss was given where an objective of it is wanted.

    Use when a distribution should be matched that can be sampled and not evaluated.
    Avoid when a likelihood is at hand: a game has no value to watch, and need not settle.

    Example:
        >>> import jaxloss as jl
        >>> game = jl.Adversarial(jl.Objective(jl.hinge), jl.Objective(jl.unhinged))
        >>> real, fake = [2.0, 0.5], [-1.0, -0.5, 0.5, -2.0]
        >>> float(game.critic(real, fake)), float(game.generator(fake))
        (0.75, 1.75)
        >>> where = {"fake": [True, False, True, False]}
        >>> float(game.critic(real, [-1.0, float("nan"), 0.5, -2.0], where=where))
        1.0

    Limits:
        At the best scores for distributions p of real and q of fake examples the critic's value is
        2 log 2 - 2 `jensen_shannon`(p, q) for `logistic`, Σ 2 min(p, q), which is 2 - 2 total
        variation, for `hinge`, 2 - Σ (p - q)² / (p + q) for `squared_margin`, and for `unhinged`
        it has no lower bound: it is 2 - mean real score + mean fake score.

    References:
        Goodfellow et al. (2014), Generative adversarial nets, arXiv:1406.2661.
        Mao et al. (2017), Least squares generative adversarial networks, arXiv:1611.04076.
        Lim & Ye (2017), Geometric GAN, arXiv:1705.02894.
        Miyato, Kataoka, Koyama & Yoshida (2018), Spectral normalization for generative adversarial
        networks, arXiv:1802.05957.
        Arjovsky, Chintala & Bottou (2017), Wasserstein GAN, arXiv:1701.07875.
        Jolicoeur-Martineau (2018), The relativistic discriminator: a key element missing from
        standard GAN, arXiv:1807.00734.
    """

    judging: Objective
    fooling: Objective | None = None

    def __post_init__(self) -> None:
        """Refuse what is no objective; JAX also passes placeholders, which no one can call."""
        for objective in (self.judging, self.fooling):
            if callable(objective) and not isinstance(objective, Objective):
                message = f"Adversarial: wrap the loss, as in jaxloss.Objective, got {objective!r}"
                raise TypeError(message)

    def critic(
        self, real: PyTree, fake: PyTree, *, where: PyTree = None, weights: PyTree = None
    ) -> Array:
        """What the critic minimises.

        Args:
            real: Scores of real examples.
            fake: Scores of fake ones; it is for the caller to stop gradients to the generator.
            where: Masks by the keys "real" and "fake", either of which may be missing.
            weights: Numbers, likewise.

        Returns:
            The sum of the objective's values on both.
        """
        scores = as_arrays({"real": real, "fake": fake})
        labels = {
            "real": _ones(scores["real"]),
            "fake": jax.tree.map(jnp.zeros_like, scores["fake"]),
        }
        # Two terms, each with its own mean: the batches may differ in size, and in their masks.
        both = self.judging.at("real") + self.judging.at("fake")
        return both(scores, labels, where=where, weights=weights)

    def generator(self, fake: PyTree, *, where: PyTree = None, weights: PyTree = None) -> Array:
        """What the generator minimises, from the scores of its fakes."""
        scores = as_arrays(fake)
        objective = self.judging if self.fooling is None else self.fooling
        return objective(scores, _ones(scores), where=where, weights=weights)


def _ones(scores: PyTree) -> PyTree:
    return jax.tree.map(jnp.ones_like, scores)
