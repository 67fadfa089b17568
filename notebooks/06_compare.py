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
# `jaxloss compare` trains the same small network on scikit-learn's digits with up to thirteen
# losses and says which differences are real. This notebook drives it from Python on a small grid,
# and reads what comes out: the learning rate that each loss needs, paired differences with
# intervals, what "not significant" means, how much is temperature, and what wrong labels do.

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy.special import stdtrit

import jaxloss as jl
from jaxloss.compare import experiment, session, terminal
from jaxloss.compare.contenders import CONTROL, REFERENCE, Contender

# %% [markdown]
# ## A plan
#
# The grid: losses, seeds, shares of wrong labels, learning rates, epochs. Cross-entropy always
# takes part, as the reference. The control is cross-entropy of doubled logits: the same loss at
# half the temperature.

# %%
plan = session.plan(
    losses=["brier", "cauchy_schwarz", "expectation", "squared_hinge", CONTROL],
    seeds=6,
    noise=(0.0, 0.2, 0.4, 0.6),
    rates=(1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    epochs=10,
)
print(plan.networks, "networks")
for contender in plan.contenders:
    print(f"{contender.name:23} {contender.written}")

# %% [markdown]
# `prepare` draws the data and compiles one program for all; what it returns trains. For each seed
# all losses get the same split, the same wrong labels, the same initial weights and the same
# batches, so that their differences are *paired*: what is luck of the draw cancels.

# %%
quiet = lambda _: None
outcome = experiment.prepare(plan)(quiet)
terminal.show(outcome)

# %% [markdown]
# On the command line this is
#
#     jaxloss compare --loss brier --loss cauchy_schwarz --loss expectation --loss squared_hinge \
#         --loss tempered_cross_entropy --seeds 6 --noise 0 0.2 0.4 0.6 \
#         --rates 1e-3 3e-3 1e-2 3e-2 1e-1 --epochs 10
#
# which also writes a page with figures, and every network as a row of `results.csv`.

# %%
rows = list(outcome.rows())
rows[0]

# %% [markdown]
# ## Each loss has its learning rate
#
# The slopes of losses differ in size and in shape, so a rate that suits one is too small or too
# large for another. Each loss gets the rate that is best on validation data, on average over the
# seeds; the accuracy that counts is that on test data.

# %%
names = list(outcome.curves)
colours = {name: f"C{i}" for i, name in enumerate(names)}
figure, panels = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True, layout="constrained")
for panel, level in zip(panels, (0, 2), strict=True):
    for name in names:
        accuracy = 100 * outcome.curves[name].validation[:, level, :, -1].mean(axis=0)
        chosen = outcome.standing(name, level).rate_index
        dashes = "--" if name == CONTROL else "-"
        panel.plot(plan.rates, accuracy, dashes, color=colours[name], label=name)
        panel.plot(plan.rates[chosen], accuracy[chosen], "o", color=colours[name])
    panel.set(xscale="log", xlabel="learning rate", title=f"{plan.noise[level]:.0%} wrong labels")
panels[0].set_ylabel("validation accuracy, %")
panels[0].legend(fontsize=8)

# %% [markdown]
# With wrong labels, validation accuracy is low because the validation labels are wrong as well, as
# they would be in practice; the best rate is found all the same. A dot at the rim is a warning: a
# rate beyond the grid may be better. Had all losses shared one rate, the winner at 40 % would
# depend on it:

# %%
for index, rate in enumerate(plan.rates):
    tested = {name: outcome.curves[name].test[:, 2, index, -1].mean() for name in names}
    best, worst = max(tested, key=tested.get), min(tested, key=tested.get)
    print(f"rate {rate:5g}   {best:14} {tested[best]:.3f}   ...   {worst:24} {tested[worst]:.3f}")

# %% [markdown]
# ## Paired differences
#
# A seed with an easy test set is easy for all losses. The difference on the *same* seed is
# therefore steadier than either accuracy. Here the deviations over the seeds, on clean labels:

# %%
level = 0
by_seed = {
    name: outcome.curves[name].test[:, level, outcome.standing(name, level).rate_index, -1]
    for name in names
}
spread = lambda values: 100 * np.std(values, ddof=1)
a, b = by_seed["brier"], by_seed[REFERENCE]
print(f"brier {spread(a):.2f}, cross-entropy {spread(b):.2f}, brier less cross-entropy", end=" ")
print(f"{spread(a - b):.2f} points; unpaired it would be {np.hypot(spread(a), spread(b)):.2f}")

# %%
figure, panels = plt.subplots(1, 4, figsize=(9, 2.6), sharey=True, layout="constrained")
others = [name for name in names if name != REFERENCE]
for level, panel in enumerate(panels):
    for row, name in enumerate(others):
        standing = outcome.standing(name, level)
        low, high = (100 * end for end in standing.difference.interval)
        panel.plot([low, high], [row, row], color=colours[name])
        fill = colours[name] if standing.significant else "white"
        panel.plot(100 * standing.difference.mean, row, "o", color=colours[name], mfc=fill)
    panel.axvline(0, color="grey", lw=1)
    panel.set_title(f"{plan.noise[level]:.0%} wrong labels", fontsize=10)
panels[0].set_yticks(range(len(others)), others)
figure.supxlabel(
    "test accuracy less that of cross-entropy, points; filled: significant", fontsize=10
)

# %% [markdown]
# ## What "not significant" says
#
# It says that chance could have made this difference, not that there is none. Some open circles
# above have intervals that exclude 0. The intervals are for one comparison each; here are twenty,
# and of twenty comparisons of equal losses one would exclude 0 by luck. The verdict is corrected
# for that, after Holm: a false claim anywhere is to be as rare as 5 %. Its price is that real
# differences go unproven when seeds are few. What would have been found at 60 % wrong labels?

# %%
tests = len(plan.noise) * len(others)
print("in points                 difference      p   the least that would count, at once")
for name in others:
    standing = outcome.standing(name, 3)
    least = stdtrit(plan.seeds - 1, 1 - 0.05 / tests / 2) * standing.difference.error
    numbers = f"{100 * standing.difference.mean:10.2f} {standing.p:8.2g} {100 * least:8.1f}"
    print(f"{name:24} {numbers}   {standing.verdict}")

# %% [markdown]
# So at 60 % wrong labels `expectation` is ahead by points, and six seeds cannot prove it: the
# difference varies too much from seed to seed. `brier` is another case: its interval holds 0 and
# reaches less than 3 points to either side. That is no proof of a tie either, but it bounds what
# could be missed. Read the interval, not only the verdict; to know more, take more seeds.

# %% [markdown]
# ## What the seeds do not tell
#
# The seeds split *one* data set again and again. Their training parts overlap, so the seeds are not
# independent, and the standard error over them tells how the result varies over splits of these
# digits. For new digits it is too small, and no number of seeds mends that. Nadeau and Bengio
# (2003, doi:10.1023/A:1024068626366) suggest to replace the variance of the mean, s² / n, by
# s² (1 / n + test / training): a rough correction, but in the right direction.
#
# Two more grains of salt. The rate is chosen on the average over all seeds, and an image that
# validates in one seed tests in another. And it is one task, with one small network.

# %%
inflation = np.sqrt(1 + plan.seeds * (1 / 5) / (3 / 5))
print(f"standard errors times {inflation:.2f}; with 30 seeds times {np.sqrt(1 + 30 / 3):.2f}")
t = stdtrit(plan.seeds - 1, 0.975)
figure, panels = plt.subplots(1, 4, figsize=(9, 2.6), sharey=True, layout="constrained")
for level, panel in enumerate(panels):
    for row, name in enumerate(others):
        difference = outcome.standing(name, level).difference
        for factor, width in ((inflation, 1), (1, 3)):
            half = 100 * t * factor * difference.error
            ends = np.array([-half, half]) + 100 * difference.mean
            panel.plot(ends, [row, row], color=colours[name], lw=width)
    panel.axvline(0, color="grey", lw=1)
    panel.set_title(f"{plan.noise[level]:.0%} wrong labels", fontsize=10)
panels[0].set_yticks(range(len(others)), others)
figure.supxlabel("difference in points; thick: over splits, thin: corrected", fontsize=10)

# %% [markdown]
# ## Temperature is not a better loss
#
# A network can scale its logits, so cross-entropy of 2 z has the same minimum as cross-entropy of
# z. But training starts elsewhere and stops before the minimum, and that shows: at the start,
# scaled logits are surer of themselves. A loss that beats or loses to cross-entropy by as much as
# the control may owe it to scale alone. The Cauchy-Schwarz divergence does: it is half of
# cross-entropy at half the temperature, and Adam does not see the half.

# %%
for level, noise in enumerate(plan.noise):
    pair = [outcome.standing(name, level).accuracy.mean for name in ("cauchy_schwarz", CONTROL)]
    print(f"{noise:.0%} wrong labels: cauchy_schwarz {pair[0]:.4f}, control {pair[1]:.4f}")

# %% [markdown]
# Here is temperature on its own, and a bounded loss that is not among the thirteen for comparison:
# whatever takes logits and labels can take part. A plan of one's own needs cross-entropy under its
# name.

# %%
cross_entropy = jl.Objective(jl.softmax_cross_entropy_with_integer_labels)
temperatures = {REFERENCE: 1.0, "ce / 0.25": 0.25, "ce / 0.5": 0.5, "ce / 2": 2.0, "ce / 4": 4.0}
guests = [Contender(name, "", cross_entropy, t) for name, t in temperatures.items()]
guests.append(Contender("gce", "", jl.Objective(jl.generalized_cross_entropy)))
warm = experiment.Plan(tuple(guests), plan.seeds, (0.0, 0.4), plan.rates, plan.epochs)
warmed = experiment.prepare(warm)(quiet)
for level, noise in enumerate(warm.noise):
    print(f"{noise:.0%} wrong labels")
    for standing in warmed.standings[level]:
        accuracy = f"{100 * standing.accuracy.mean:6.2f} ± {100 * standing.accuracy.error:.2f}"
        print(f"    {standing.loss:14} {accuracy}   rate {standing.rate:5g}   {standing.verdict}")

# %% [markdown]
# With clean labels no temperature can be told from another. With wrong ones a high temperature
# beats cross-entropy, significantly, and is no new loss. So a new loss that wins here must be asked
# whether it does more than that. The generalized cross-entropy is ahead of every temperature tried,
# but this table tests differences to cross-entropy only, not that one; and it is corrected for its
# own ten comparisons, not for the twenty above.

# %% [markdown]
# ## Noise
#
# Test accuracy with clean labels, as the training labels get worse, each loss at its best rate.

# %%
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for name in names:
    estimates = [outcome.standing(name, level).accuracy for level in range(len(plan.noise))]
    means, errors = (
        100 * np.array([getattr(e, part) for e in estimates]) for part in ("mean", "error")
    )
    dashes = "--" if name == CONTROL else "-"
    axes.errorbar(plan.noise, means, errors, ls=dashes, capsize=3, color=colours[name], label=name)
axes.set(xlabel="share of wrong labels", ylabel="test accuracy, %")
axes.legend(fontsize=8)

# %% [markdown]
# With clean labels the losses lie within two points of each other, and no difference is
# significant; as the labels get worse they spread, so what is ranked here is mostly sensitivity to
# noise. That the bounded `expectation` (picture 3 of notebook 02) falls least and the squared
# hinge, whose slope grows with the mistake, most, fits their shapes; it does not prove them the
# cause. Each point has its own learning rate, but ten epochs, and no other number of a loss is
# tuned, such as the margin of the hinge; other budgets may rank otherwise.
