"""Fits that take an epoch when they are told to, and listeners."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from harness.contracts import LabeledImages, SealedSet
from harness.train import NetworkClassifier
from harness.train.batches import Pool
from harness.train.cuda_graphs import Replay, Stepper, recorder_for
from harness.train.fit import EpochState, Plan, Training, begin_epoch, take_steps
from harness.train.step import Step

Weights = dict[str, torch.Tensor]


class StartedFit:
    """A fit between its epochs; see `started`."""

    def __init__(self, training: Training, plan: Plan, stepper: Stepper) -> None:
        self.training, self.plan, self.stepper = training, plan, stepper

    def begin(self) -> EpochState:
        """Return the state of a new epoch."""
        return begin_epoch(self.training, self.plan)

    def steps(self, state: EpochState) -> None:
        """Take the steps of an epoch; the device may still be at work when this returns."""
        take_steps(self.training, state, self.plan, self.stepper)

    def epoch(self) -> torch.Tensor:
        """Take the next epoch and return the losses of its steps, float32 on the CPU."""
        state = self.begin()
        self.steps(state)
        self.training.history.append({})
        return state.losses.cpu()

    def weights(self) -> Weights:
        """Return copies of parameters and buffers on the CPU, of the follower too where there is one."""
        named = dict(self.training.step.network.state_dict())
        if self.training.step.follower:
            follower = self.training.step.follower.network.state_dict()
            named |= {f"follower {name}": value for name, value in follower.items()}
        return {name: value.detach().cpu().clone() for name, value in named.items()}


@contextmanager
def started(
    classifier: NetworkClassifier, train: LabeledImages, validation: LabeledImages | None = None, records: bool = True
) -> Iterator[StartedFit]:
    """Lend a fit before its first step; `records` False has each step taken by itself."""
    with classifier.begun(train, validation) as (training, plan):
        record = recorder_for(training.step, plan.train)
        if record and not records:
            record = refuse
        yield StartedFit(training, plan, Stepper(training.step, plan.train, plan.recipe.batch_size, record))


def refuse(step: Step, pool: Pool, batch_size: int, epoch: torch.Tensor) -> Replay:  # noqa: ARG001
    """Record nothing; unlike no recorder at all this leaves learning rates where they are for recorded steps.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("this benchmark asks for single steps here")


def different(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> int:
    """Return how many tensors do not have the same bits; those that only one side has count."""
    shared = first.keys() & second.keys()
    return len(first.keys() ^ second.keys()) + sum(not torch.equal(first[name], second[name]) for name in shared)


class Hearing:
    """A listener that passes epochs on, or on to nobody."""

    def __init__(self, hear: Callable[[int, Mapping[str, float]], None] | None = None) -> None:
        self._hear = hear

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Pass an epoch on."""
        if self._hear:
            self._hear(epoch, metrics)

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        """Hear an opening."""
