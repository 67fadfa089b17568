# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Comparing losses
#
# [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/jaxloss/jaxloss/blob/main/notebooks/06_compare.ipynb)
#
# `jaxloss compare` trains the same small network with several losses and says which differences are
# real. This notebook drives it from Python on a small grid of scikit-learn's digits, and reads what
# comes out: the learning rate that each loss needs, paired differences with intervals, what the
# verdicts mean, how much is temperature or rounding, and what wrong labels do.

# %%
import matplotlib.pyplot as plt
import numpy as np

import jaxloss as jl
from jaxloss.compare import compare

# %% [markdown]
# ## One call
#
# Losses are given by name, with hyper-parameters and their ranges, as sums, or as objects. For each
# seed all of them get the same split, the same wrong labels, the same initial weights and the same
# batches, so that their differences are *paired*: what is luck of the draw cancels. First each loss
# is tuned; then what was chosen is tested on fresh seeds, here twelve of them. Without `seeds`
# there are as many as a `budget` of a minute allows.

# %%
losses = ["brier", "cauchy_schwarz", "expectation", "squared_hinge(margin=0.5)"]
noise, rates = [0.0, 0.2, 0.4, 0.6], [1e-3, 3e-3, 1e-2, 3e-2, 1e-1]
outcome = compare(losses, seeds=12, noise=noise, rates=rates, epochs=10)
print(len(outcome.results.rows), "networks of", [c.name for c in outcome.plan.lineup.contenders])

# %% [markdown]
# Three more take part than were asked for: cross-entropy, with which all are compared; the same
# again with every batch in reverse order, which changes nothing but roundings; and cross-entropy at
# four other temperatures, of which validation data choose one. On the command line this is
#
#     jaxloss compare --loss brier --loss cauchy_schwarz --loss expectation \
#         --loss 'squared_hinge(margin=0.5)' --seeds 12 --noise 0 0.2 0.4 0.6 \
#         --rates 1e-3 3e-3 1e-2 3e-2 1e-1 --epochs 10
#
# which also writes a page with figures. Every network is a row:

# %%
outcome.frame().sample(5, random_state=0)

# %% [markdown]
# ## Each loss has its learning rate
#
# The slopes of losses differ in size and in shape, so a rate that suits one is too small or too
# large for another. Each loss gets the rate that is best on validation data: all are tried on two
# seeds, the better ones on four, the best on six, and where the best lies at an end of the range,
# rates beyond it are tried. The accuracy that counts is that of other seeds, on test data.

# %%
names = ["cross_entropy", *losses]
mean = lambda scores: 100 * np.mean([*scores.values()])
colours = {name: f"C{i}" for i, name in enumerate(names)}
figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
for panel, level in zip(panels, (0, 2), strict=True):
    for name in names:
        by_rate = {each.rate: mean(each.validation) for each in outcome.results.tried(name, level)}
        chosen = outcome.standing(name, noise[level]).rate
        panel.plot(list(by_rate), list(by_rate.values()), color=colours[name], label=name)
        panel.plot(chosen, by_rate[chosen], "o", color=colours[name])
    panel.set(xscale="log", xlabel="learning rate", title=f"{noise[level]:.0%} wrong labels")
panels[0].set_ylabel("validation accuracy, %")
panels[0].legend(fontsize=8)

# %% [markdown]
# With wrong labels, validation accuracy is low because the validation labels are wrong as well, as
# they would be in practice; the best rate is found all the same. Had all losses shared one rate,
# the winner at 40 % would depend on it:

# %%
for rate in rates:
    tried = {name: outcome.results.tried(name, 2) for name in names}
    at_rate = {name: mean(x.test) for name in names for x in tried[name] if x.rate == rate}
    best, worst = max(at_rate, key=at_rate.get), min(at_rate, key=at_rate.get)
    print(f"rate {rate:5g}   {best:14} {at_rate[best]:.1f}   ...   {worst:25} {at_rate[worst]:.1f}")

# %% [markdown]
# ## Paired differences
#
# A seed with an easy test set is easy for all losses. The difference on the *same* seed is
# therefore steadier than either accuracy. Here the deviations over the seeds, on clean labels:


# %%
def by_seed(name, level):
    return outcome.results.chosen(name, level).measures["accuracy"]


spread = lambda values: 100 * np.std(values, ddof=1)
a, b = by_seed("brier", 0), by_seed("cross_entropy", 0)
print(f"brier {spread(a):.2f}, cross-entropy {spread(b):.2f}, brier less cross-entropy", end=" ")
print(f"{spread(a - b):.2f} points; unpaired it would be {np.hypot(spread(a), spread(b)):.2f}")

# %%
figure, panels = plt.subplots(1, 4, figsize=(9, 2.6), sharey=True, layout="constrained")
for panel, level in zip(panels, noise, strict=True):
    for row, name in enumerate(losses):
        comparison = outcome.standing(name, level).to_reference
        low, high = (100 * end for end in comparison.difference.interval)
        panel.plot([low, high], [row, row], color=colours[name])
        fill = colours[name] if comparison.significant else "white"
        panel.plot(100 * comparison.difference.mean, row, "o", color=colours[name], mfc=fill)
    panel.axvline(0, color="grey", lw=1)
    panel.set_title(f"{level:.0%} wrong labels", fontsize=10)
panels[0].set_yticks(range(len(losses)), losses)
figure.supxlabel("accuracy less that of cross-entropy, points; filled: significant", fontsize=10)

# %% [markdown]
# ## What the verdicts say
#
# "better" and "worse" are shown by a test, "same" by an interval within the margin of half a point.
# "open" says that chance could have made this difference, not that there is none.
#
# Many comparisons are made at once, and of twenty comparisons of equal losses one would look real
# by luck. Intervals and p-values are corrected alike (Bonferroni), so that a false claim anywhere
# in this notebook is as rare as 5 %.
#
# And the seeds split *one* data set again and again. A claim *on this data* is about other seeds
# with the same digits. One *on new data* is about other digits, as to which the seeds are
# correlated: Nadeau and Bengio (2003, doi:10.1023/A:1024068626366) replace the variance of the
# mean, s² / n, by s² (1 / n + test / training). For networks, whose own randomness is larger, a
# seventh of the last term is the most that was measured. The probabilities are those of Benavoli
# et al. (2017): that the loss is better on new data by more than the margin.

# %%
print("in points                  difference       p   P(better)   verdict")
for name in losses:
    standing = outcome.standing(name, 0.6)
    comparison = standing.to_reference
    numbers = f"{100 * comparison.difference.mean:10.2f} {comparison.p:8.2g}"
    print(f"{name:26} {numbers} {comparison.probabilities.better:10.2f}   {standing.verdict}")

# %% [markdown]
# The report begins with the decision that follows:

# %%
print(outcome.decision)

# %% [markdown]
# ## Temperature is not a better loss, and rounding is no loss at all
#
# A network can scale its logits, so cross-entropy of 2 z has the same minimum as cross-entropy of
# z. But training starts elsewhere and stops before the minimum, and that shows. So a loss that
# beats cross-entropy is compared with cross-entropy at its best temperature too, and one that loses
# to it with the same at its worst: the difference is "more than temperature" where it is shown
# there as well, "no more than temperature" where the interval shows that, and "open" where neither
# is shown. The Cauchy-Schwarz divergence to a label *is* half of cross-entropy at half the
# temperature, and Adam does not see the half.

# %%
for level, (reach, floor) in enumerate(
    zip(outcome.analysis.temperature_range, outcome.analysis.floor, strict=True)
):
    print(
        f"{noise[level]:.0%} wrong labels: temperature moves it by {100 * reach[0]:+.1f} to "
        f"{100 * reach[1]:+.1f} points, rounding by {100 * floor.difference.mean:+.2f}"
    )
[sentence for sentence in outcome.summary["findings"] if "Cauchy-Schwarz" in sentence]

# %% [markdown]
# ## What theory foretells
#
# In a population where 60 % of the labels are wrong, spread evenly over nine other classes, the
# right label is still the most frequent. Does the minimum of the expected loss single it out? That
# needs no network: the expected loss is minimised over ten scores.

# %%
for prediction in outcome.predictions:
    accuracy = 100 * prediction.standing.score.mean
    print(f"{prediction.loss:46} {prediction.says:18} accuracy {accuracy:5.1f} %")

# %% [markdown]
# A loss that ties all classes there cannot learn them, whatever the network. `hinge` against all
# others is one: it needs a majority.

# %%
collapse = compare(["hinge(margin=0.5)"], seeds=3, noise=[0.4, 0.6], rates=[3e-3, 1e-2], epochs=10)
for level in (0.4, 0.6):
    accuracy = {s.loss: 100 * s.score.mean for s in collapse.rankings[level]}
    print(
        f"{level:.0%} wrong labels:", {name: f"{value:.1f} %" for name, value in accuracy.items()}
    )
{s.loss: s.says for s in collapse.predictions}

# %% [markdown]
# ## Noise, and hyper-parameters
#
# Test accuracy with clean labels, as the training labels get worse, each loss at its best rate. The
# generalized cross-entropy has an exponent q, from cross-entropy (0) to the expectation loss (1);
# given as a range it is chosen on validation data, like the rate. An objective of one's own takes
# part under the name one gives it.

# %%
mixed = 0.5 * jl.Objective(jl.softmax_cross_entropy_with_integer_labels)
mixed += 0.5 * jl.Objective(jl.expectation)
tuned = {"generalized": "generalized_cross_entropy(q=0.1..0.9)", "mixed": mixed}
more = compare(tuned, seeds=12, noise=noise, rates=rates, epochs=10)
for level in noise:
    standing = more.standing("generalized", level)
    print(f"{level:.0%} wrong labels: {standing.hyperparameters}, {standing.verdict}")

# %%
figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
for run, shown in ((outcome, names), (more, tuned)):
    for name in shown:
        estimates = [run.standing(name, level).score for level in noise]
        means, errors = (
            100 * np.array([getattr(e, p) for e in estimates]) for p in ("mean", "error")
        )
        axes.errorbar(noise, means, errors, capsize=3, ls="--" if run is more else "-", label=name)
axes.set(xlabel="share of wrong labels", ylabel="test accuracy, %")
axes.legend(fontsize=8)

# %% [markdown]
# Three grains of salt. The rates are chosen on seeds of their own, but an image that validates
# there may be among those that test here. Each point has its own rate, but ten epochs; others may
# rank otherwise. And it is one task with one small network: `task=` has others, and
# `jaxloss.compare.table` makes a task of a file of your own.
