"""The learning-rate range test: the loss while the learning rate grows from step to step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from harness.contracts import Batch, LabeledImages
from harness.errors import TrainingError
from harness.phases import phase
from harness.train.classifier import NetworkClassifier
from harness.train.fit import Plan, Training

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMOOTHING: Final = 0.9
"""Share of the average that is kept at each step."""
DIVERGED: Final = 4.0
"""The test ends when the smoothed loss is this many times its least."""
UNCERTAIN: Final = 0.1
"""Share of the sweep at whose start the average is of too few losses to tell a slope."""
SLOPE: Final = 1 / 40
"""Share of the sweep on either side over which a slope is taken."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Learning rates from `low` to `high`, evenly on a log scale, one a step."""

    low: float = 1e-7
    high: float = 10.0
    steps: int = 150

    def rates(self) -> NDArray[np.float64]:
        """Return the learning rate of each step [steps]."""
        return np.geomspace(self.low, self.high, self.steps)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A learning rate, and the rule that it follows."""

    lr: float
    rule: str


@dataclass(frozen=True, slots=True)
class RangeTest:
    """Learning rate, mean loss of the batch and smoothed loss of each step that was taken, float64 [S]."""

    sweep: Sweep
    rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    smoothed: NDArray[np.float64]
    diverged: bool

    @property
    def least(self) -> int:
        """The step with the least smoothed loss."""
        return int(self.smoothed.argmin())

    def steepest(self) -> Suggestion | None:
        """Return the rate at which the smoothed loss falls fastest, before its least; None where it never falls."""
        first, reach = int(UNCERTAIN * self.sweep.steps), max(1, int(SLOPE * self.sweep.steps))
        middle = np.arange(max(first, reach), min(self.least + 1, len(self.rates) - reach))
        falls = self.smoothed[middle - reach] - self.smoothed[middle + reach]
        if not len(middle) or falls.max() <= 0:
            return None
        return Suggestion(float(self.rates[middle[falls.argmax()]]), "where the loss falls fastest")

    def tenth_of_minimum(self) -> Suggestion:
        """Return a tenth of the rate with the least smoothed loss: at that rate itself it is about to rise."""
        return Suggestion(float(self.rates[self.least]) / 10, "a tenth of where the loss is least")


def range_test(classifier: NetworkClassifier, train: LabeledImages, sweep: Sweep = Sweep()) -> RangeTest:
    """Train with a learning rate that grows at each step, until the loss diverges or the sweep is over.

    Smith 2017 (Cyclical learning rates, section 3.3), with rates on a log scale. The steps are those of a
    fit: same initial weights, order of the images, augmentation and dropout. The loss is smoothed by an
    exponential moving average without its bias towards 0 (Kingma and Ba 2015, section 3).

    Args:
        classifier: Unfitted; of no use for anything else afterwards.
        train: The training images; no others are looked at.
        sweep: Which learning rates; groups of parameters keep their proportions.

    Raises:
        TrainingError: there are no training images, or the loss is not finite from the start.
        OutOfMemoryError: names model, batch size and device.
    """
    if not len(train):
        raise TrainingError("there are no training images")
    losses: list[float] = []
    diverged = False
    with classifier.begun(train, None) as (training, plan), phase("range test", sweep.steps) as advance:
        training.step.network.train()
        plan.freezing.begin(epoch=1)
        for number, (rate, batch) in enumerate(zip(sweep.rates(), batches(training, plan), strict=False)):
            loss, _ = training.step.take(batch, number, float(rate) / training.step.base_rates[0])
            diverged = _diverges(losses, float(loss))
            if diverged:
                break
            losses.append(float(loss))
            advance(1)
    if not losses:
        raise TrainingError("the loss is not finite at the first step, whatever the learning rate")
    taken = np.array(losses)
    return RangeTest(sweep, sweep.rates()[: len(losses)], taken, smooth(taken), diverged)


def batches(training: Training, plan: Plan) -> Iterator[Batch]:
    """Yield the batches that a fit would take, epoch after epoch, without end."""
    for epoch in count():
        order = torch.randperm(len(plan.train), generator=training.streams.order).to(plan.train.device)
        number = torch.tensor(epoch, device=plan.train.device)
        for rows in torch.split(order[: sum(plan.sizes)], list(plan.sizes)):
            yield plan.train.gather(rows, number)


def smooth(losses: NDArray[np.float64], kept: float = SMOOTHING) -> NDArray[np.float64]:
    """Return the exponential moving average [S], divided by the weight it has gathered, 1 - kept ** step."""
    averages, average = np.empty(len(losses)), 0.0
    for step, loss in enumerate(losses.tolist()):
        average = kept * average + (1 - kept) * loss
        averages[step] = average / (1 - kept ** (step + 1))
    return averages


def _diverges(losses: list[float], loss: float) -> bool:
    """Whether the test is over with this loss: it is not finite, or the average has left its least far behind."""
    if not math.isfinite(loss):
        return True
    smoothed = smooth(np.array([*losses, loss]))
    return bool(smoothed[-1] > DIVERGED * smoothed.min())
