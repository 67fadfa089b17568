"""The decision: which loss to use at each level of noise, and how sure that is."""

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from jaxloss.compare.statistics.standings import Analysis, Standing


class Ground(Enum):
    """What a recommendation rests on."""

    BETTER = "significantly better than the reference"
    NONE_BETTER = "no other loss is better than the reference by more than the margin"
    UNDECIDED = "no other loss is shown to be better than the reference"
    REFERENCE_FAILED = "the reference failed to train"
    FAILED = "every loss failed to train"


@dataclass(frozen=True)
class Advice:
    """The recommendation at one level.

    Attributes:
        level: The index of the level.
        use: The standing of the recommended loss.
        ground: What it rests on.
        likeliest: The loss that is likeliest to be better than the reference, if that is undecided.
    """

    level: int
    use: Standing
    ground: Ground
    likeliest: Standing | None = None


def decide(analysis: Analysis) -> tuple[Advice, ...]:
    """Recommend a loss at each level.

    It is the best of those that are better than the reference, by the corrected test and not
    within the margin; the reference where there is none.
    """
    return tuple(_advice(analysis, level) for level in range(len(analysis.levels)))


def _advice(analysis: Analysis, level: int) -> Advice:
    reference = analysis.standing(analysis.reference, level)
    trained = [each for each in analysis.levels[level] if not math.isnan(each.score.mean)]
    if math.isnan(reference.score.mean):
        ground = Ground.REFERENCE_FAILED if trained else Ground.FAILED
        return Advice(level, (trained or [reference])[0], ground)
    better = [standing for standing in trained if standing.verdict == "better"]
    if better:
        return Advice(level, better[0], Ground.BETTER)
    others = [(standing, standing.to_reference) for standing in trained if standing.to_reference]
    upwards = 1 if analysis.metric.higher else -1
    gains = [max(upwards * end for end in x.difference.interval) for _, x in others]
    if all(gain <= reference.margin for gain in gains):
        return Advice(level, reference, Ground.NONE_BETTER)
    likeliest, _ = max(others, key=lambda pair: np.nan_to_num(pair[1].probabilities.better))
    return Advice(level, reference, Ground.UNDECIDED, likeliest)
