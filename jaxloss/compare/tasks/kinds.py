"""Kinds of targets: what is compared, predicted, corrupted and measured by default."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxloss.compare.tasks import sampling
from jaxloss.compare.tasks.digits import JANOCHA
from jaxloss.compare.tasks.medical import COUNTED, MARGINS, REAL, RESIDUALS, TEMPERATURES
from jaxloss.compare.tasks.models import perceptron
from jaxloss.compare.tasks.outputs import (
    AREA,
    BALANCED,
    BINARY,
    OF_COUNTS,
    Output,
    classes,
    numbers,
)
from jaxloss.compare.tasks.targets import CLASSES, COUNTS
from jaxloss.compare.tasks.task import Data, Task

_LARGE = 3_000  # examples from which batches are of 256 and not of 64
_MIN_STEPS = 300  # of training, if 100 epochs are enough for them
# The commonest class is so many times as frequent as the rarest where accuracy, which is 90 % for
# whoever always predicts one of two classes, ranks no longer.
_RARE = 9


@dataclass(frozen=True)
class Kind:
    """The settings of a task that depend on its targets.

    Attributes:
        output: The predictions.
        noise: The kind of noise, in words.
        corrupt: Adds the noise.
        reference: The objective that the others are compared with.
        contenders: The objectives of a default run.
        worst: The level of noise of a default run.
        control: The reference at other temperatures, if it depends on one.
        start: What predictions begin at, before training.
        note: A sentence on what ranks the losses, if it is not what usually does.
    """

    output: Output
    noise: str
    corrupt: Callable[[NDArray[Any], float, np.random.Generator], NDArray[Any]]
    reference: str
    contenders: tuple[str, ...]
    worst: float
    control: str | None = None
    start: float = 0.0
    note: str = ""

    @classmethod
    def of(cls, targets: NDArray[Any], kind: str) -> "Kind":
        """The kind of targets [example, ...]: labels from 0, numbers or counts."""
        shape = targets.shape[1:]
        if kind == CLASSES:
            return cls.of_classes(max(int(targets.max()) + 1, 2), shape).ranked_for(targets)
        return cls.of_counts(targets) if kind == COUNTS else cls.of_numbers(shape)

    @classmethod
    def of_classes(
        cls, count: int, places: tuple[int, ...] = (), *, single: bool | None = None
    ) -> "Kind":
        """Labels from 0 of so many classes.

        Args:
            count: The number of classes.
            places: The shape of the labels of one example, of which there is one as a rule.
            single: Whether one score is predicted for a label, as by default of two classes.
        """
        single = count == 2 if single is None else single
        output = replace(BINARY if single else classes(count), shape=(*places, *[count][single:]))
        contenders, worst = (MARGINS, 0.3) if single else (JANOCHA, 0.4)
        noise, corrupt, reference = "wrong labels", sampling.flipped, "cross_entropy"
        return cls(output, noise, corrupt, reference, contenders, worst, TEMPERATURES)

    @classmethod
    def of_numbers(cls, shape: tuple[int, ...] = ()) -> "Kind":
        """Real numbers, of this shape for each example."""
        noise, corrupt = "gross outliers", sampling.contaminated
        output = numbers(shape) if shape else REAL
        return cls(output, noise, corrupt, "squared_error", RESIDUALS, 0.3)

    @classmethod
    def of_counts(cls, counts: NDArray[Any]) -> "Kind":
        """Counts, of which the log of a rate is predicted, at first that of their mean."""
        noise, corrupt, start = "gross outliers", sampling.miscounted, math.log(counts.mean())
        return cls(OF_COUNTS, noise, corrupt, "poisson_nll", COUNTED, 0.1, start=start)

    def ranked_for(self, labels: NDArray[Any]) -> "Kind":
        """Ranked by what rare classes count as much in as common ones, if there are such."""
        present = np.bincount(labels.ravel())
        times = int(present.max() / present[present > 0].min())
        if times < _RARE:
            return self
        metric = AREA if AREA in self.output.metrics else BALANCED
        others = (each for each in self.output.metrics if each != metric)
        note = f"As one class is {times} times as frequent as another, losses are ranked by the "
        output = replace(self.output, metrics=(metric, *others))
        return replace(self, output=output, note=f"{note}{metric.says}.")

    def task(
        self,
        name: str,
        title: str,
        story: str,
        draw: Callable[[np.random.Generator], Data],
        examples: int,
    ) -> Task:
        """A task of these data, of which so many examples are trained on, with a small model."""
        # Larger batches for larger tables, whose steps would otherwise grow in number with rows.
        batch = 64 if examples < _LARGE else 256
        steps = max(examples // batch, 1)
        model = perceptron(self.output.shape)
        if self.start:
            model = model.mapped(lambda predicted: predicted + self.start)
        return Task(
            name=name,
            title=title,
            story=f"{story} {self.note}".rstrip(),
            noise=self.noise,
            draw=draw,
            corrupt=self.corrupt,
            model=model,
            output=self.output,
            reference=self.reference,
            contenders=self.contenders,
            control=self.control,
            levels=(0.0, self.worst),
            batch=batch,
            epochs=min(max(math.ceil(_MIN_STEPS / steps), 10), 100),
        )


def kind_of(predicted: tuple[int, ...], targets: NDArray[Any]) -> Kind:
    """The kind of targets [example, ...], for a model that predicts arrays of a shape for each.

    Raises:
        ValueError: The shapes do not belong together, or there are more labels than predictions.
    """
    shape, labelled = targets.shape[1:], np.issubdtype(targets.dtype, np.integer)
    most = int(targets.max()) if labelled else 0
    if labelled and predicted and predicted[:-1] == shape and most < predicted[-1]:
        return Kind.of_classes(predicted[-1], shape, single=False)
    if labelled and predicted == shape and most < 2:
        return Kind.of_classes(2, shape)
    if not labelled and predicted == shape:
        return Kind.of_numbers(shape)
    wanted = (
        f"labels up to {most} want scores of more classes in a last axis"
        if labelled
        else f"numbers of the shape {shape} want predictions of the same"
    )
    message = f"compare: `model` predicts {predicted} for an example, of which the target is "
    raise ValueError(f"{message}{targets.dtype}{list(shape)}; {wanted}")
