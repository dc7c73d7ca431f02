"""The loop over epochs, from whatever state a training is in to its end; what is decided between two of them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from harness.contracts import EarlyStopping, Listener, Recipe
from harness.contracts.metrics import (
    EPOCH_SECONDS,
    IMAGES_PER_SECOND,
    LEARNING_RATE,
    METRICS,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    VAL_ACCURACY,
    VAL_LOSS,
)
from harness.errors import TrainingError
from harness.interrupts import between_steps, is_pending, raise_pending
from harness.train.batches import Pool, to_device
from harness.train.checkpoint import CheckpointFile
from harness.train.cuda_graphs import Stepper, recorder_for
from harness.train.device import Streams
from harness.train.evaluation import Evaluator
from harness.train.step import Rates, Step
from harness.train.weights import Freezing

Metrics = Mapping[str, float]


def best_epoch(history: Sequence[Metrics]) -> int | None:
    """Return the first epoch (from 1) with the highest validation accuracy; None without validation.

    >>> best_epoch([{"val/accuracy": 0.5}, {"val/accuracy": 0.7}, {"val/accuracy": 0.7}])
    2
    """
    return _first_best(history, EarlyStopping(metric=VAL_ACCURACY))


def is_over(history: Sequence[Metrics], recipe: Recipe) -> bool:
    """Whether all epochs are done, or validation has not improved for as many as early stopping allows."""
    if len(history) >= recipe.epochs:
        return True
    stopping = recipe.early_stopping
    best = _first_best(history, stopping) if stopping else None
    return stopping is not None and best is not None and len(history) - best >= stopping.patience


def _first_best(history: Sequence[Metrics], by: EarlyStopping) -> int | None:
    if not history or by.metric not in history[0]:
        return None
    sign = -1 if METRICS[by.metric].direction == "minimize" else 1
    values = [sign * metrics[by.metric] for metrics in history]
    return values.index(max(values)) + 1


Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Plan:
    """What stays the same throughout a fit."""

    recipe: Recipe
    train: Pool
    validation: Pool | None
    sizes: tuple[int, ...]
    """Sizes of the batches of an epoch."""
    rates: Rates
    evaluator: Evaluator
    freezing: Freezing
    checkpoint: CheckpointFile | None
    max_batches: int | None


@dataclass(slots=True)
class EpochState:
    """How far the epoch in progress is. Tensors are on the device, so nothing waits for it before the end."""

    order: torch.Tensor
    """Rows of the training images in this epoch's order, int64 [N]."""
    losses: torch.Tensor
    """Mean loss of each step, float32 [steps]; zeros from `step` on."""
    hits: torch.Tensor
    """Training images classified right so far, int64 scalar."""
    step: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Training:
    """What changes during a fit: all of it goes into a checkpoint."""

    step: Step
    streams: Streams
    history: list[Mapping[str, float]]
    best: Weights | None = None
    epoch: EpochState | None = None

    @property
    def evaluated(self) -> nn.Module:
        """The network whose figures count: the one that follows where there is one."""
        return self.step.follower.network if self.step.follower else self.step.network

    def capture(self) -> dict[str, Any]:
        """Return tensors and plain values that `restore` goes on from."""
        follower, scaler, epoch = self.step.follower, self.step.scaler, self.epoch
        return {
            "network": self.step.network.state_dict(),
            "average": follower.network.state_dict() if follower else None,
            "optimizer": self.step.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else None,
            "streams": self.streams.capture(),
            "history": [dict(metrics) for metrics in self.history],
            "best": self.best,
            "epoch": epoch and [epoch.order, epoch.losses, epoch.hits, epoch.step, epoch.seconds],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Become the training that `capture` was called on."""
        self.step.network.load_state_dict(state["network"])
        if self.step.follower:
            self.step.follower.network.load_state_dict(state["average"])
        self.step.optimizer.load_state_dict(state["optimizer"])
        if self.step.scaler:
            self.step.scaler.load_state_dict(state["scaler"])
        self.streams.restore({name: value.cpu() for name, value in state["streams"].items()})
        self.history = state["history"]
        self.best = state["best"]
        self.epoch = EpochState(*state["epoch"]) if state["epoch"] else None


def fit(training: Training, plan: Plan, listen: Listener) -> None:
    """Train to the end; the network then holds the weights that the recipe keeps.

    Each epoch: steps, evaluation, best weights, checkpoint, and only then the listener, which may
    end the fit by raising. An interrupt is heard after the step that it comes in, when a checkpoint has been saved.

    Raises:
        TrainingError: a loss or weight is not finite; names epoch and step.
        KeyboardInterrupt: an interrupt came.
    """
    record = recorder_for(training.step, plan.train)
    stepper = Stepper(training.step, plan.train, plan.recipe.batch_size, record)
    while not is_over(training.history, plan.recipe):
        with between_steps() if plan.checkpoint else nullcontext():
            metrics = _epoch(training, plan, stepper)
            training.history.append(metrics)
            training.epoch = None
            if plan.recipe.keep == "best" and best_epoch(training.history) == len(training.history):
                training.best = {name: value.clone() for name, value in training.evaluated.state_dict().items()}
            if plan.checkpoint and plan.checkpoint.is_due(len(training.history)):
                plan.checkpoint.save(training.capture())
                raise_pending()
            _tell(training, plan, listen)
    plan.freezing.end()
    kept = training.evaluated.state_dict() if training.best is None else training.best
    training.step.network.load_state_dict(kept)
    _require_finite_weights(training.step.network, len(training.history))


def _tell(training: Training, plan: Plan, listen: Listener) -> None:
    """Tell the last epoch. An interrupt that comes meanwhile is heard when a checkpoint has been saved."""
    try:
        listen.epoch(len(training.history), training.history[-1])
        raise_pending()
    except KeyboardInterrupt:
        if plan.checkpoint:
            plan.checkpoint.save(training.capture())
        raise


def _epoch(training: Training, plan: Plan, stepper: Stepper) -> dict[str, float]:
    """Run what is left of an epoch and return its metrics."""
    begun = time.perf_counter()
    number = len(training.history) + 1
    state = training.epoch = training.epoch or begin_epoch(training, plan)
    before = state.seconds
    take_steps(training, state, plan, stepper)
    metrics = _train_metrics(state, plan, number)
    training_seconds = before + time.perf_counter() - begun
    metrics |= _validation_metrics(training, plan, number)
    images = sum(plan.sizes)
    return {
        **metrics,
        LEARNING_RATE: training.step.base_rates[0] * plan.rates.factor((number - 1) * len(plan.sizes)),
        IMAGES_PER_SECOND: images / training_seconds,
        EPOCH_SECONDS: before + time.perf_counter() - begun,
    }


def begin_epoch(training: Training, plan: Plan) -> EpochState:
    """Return the state of an epoch whose steps are yet to be taken, the images in a new order."""
    device = plan.train.device
    order = to_device(_order(plan, training.streams.order), device)
    losses = torch.zeros(len(plan.sizes), device=device)
    return EpochState(order, losses, torch.zeros((), dtype=torch.int64, device=device))


def _order(plan: Plan, random: torch.Generator) -> torch.Tensor:
    """Return the images of an epoch, int64 [N], by `recipe.sampler`; drawn as torch's WeightedRandomSampler does."""
    count = len(plan.train)
    if plan.recipe.sampler == "shuffle":
        return torch.randperm(count, generator=random)
    labels = plan.train.labels.cpu()
    weights = 1 / torch.bincount(labels).double()[labels]
    return torch.multinomial(weights, count, replacement=True, generator=random)


def take_steps(training: Training, state: EpochState, plan: Plan, stepper: Stepper) -> None:
    """Take the steps of an epoch that are left, saving midway where minutes ask for it; no step waits."""
    training.step.network.train()
    epoch = len(training.history) + 1
    stepper.begin_epoch(epoch, plan.freezing.begin(epoch))
    taken = len(training.history) * len(plan.sizes)
    batches = torch.split(state.order[: sum(plan.sizes)], list(plan.sizes))
    begun, before = time.perf_counter(), state.seconds
    for index in range(state.step, len(plan.sizes)):
        number = taken + index
        state.losses[index], hits = stepper.take(batches[index], number, plan.rates.factor(number))
        state.hits += hits
        state.step = index + 1
        is_last = state.step == len(plan.sizes)  # then the epoch's own checkpoint comes next, unless time is short
        if plan.checkpoint and (is_pending() if is_last else plan.checkpoint.is_due()):
            state.seconds = before + time.perf_counter() - begun
            plan.checkpoint.save(training.capture())
            raise_pending()


def _train_metrics(state: EpochState, plan: Plan, epoch: int) -> dict[str, float]:
    """Wait for the device, check the losses, and return their mean over images and the share of hits."""
    losses = state.losses.double().cpu()
    for index in (~losses.isfinite()).nonzero().flatten().tolist()[:1]:
        raise TrainingError(
            f"loss is {float(losses[index])} at epoch {epoch}, step {index + 1} of {len(losses)}; "
            "try a lower recipe.optimizer.lr, recipe.schedule.warmup_epochs or recipe.gradient_clip"
        )
    sizes = torch.tensor(plan.sizes, dtype=torch.float64)
    images = sum(plan.sizes)
    return {TRAIN_LOSS: float(losses @ sizes) / images, TRAIN_ACCURACY: int(state.hits) / images}


def _validation_metrics(training: Training, plan: Plan, epoch: int) -> dict[str, float]:
    if plan.validation is None:
        return {}
    loss, accuracy = plan.evaluator.loss_and_accuracy(training.evaluated, plan.validation, plan.max_batches)
    if not math.isfinite(loss):
        raise TrainingError(f"validation loss is {loss} after epoch {epoch}, step {len(plan.sizes)} of it")
    return {VAL_LOSS: loss, VAL_ACCURACY: accuracy}


def _require_finite_weights(network: nn.Module, epoch: int) -> None:
    for name, parameter in network.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise TrainingError(f"weights {name} are not finite after the last step of epoch {epoch}")
