"""Replays of a recorded step, with a recorder that needs no GPU."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from harness.contracts import Recipe
from harness.train import NetworkClassifier
from harness.train import cuda_graphs as stepper
from harness.train.batches import Pool
from harness.train.cuda_graphs import WARM_UP, Replay, Stepper, Taken, recorder_for
from harness.train.fit import begin_epoch, take_steps
from harness.train.step import Step
from tests.train.conftest import AUGMENT, assert_same_bits, classifier, pictures, recipe

DATA = pictures(100)  # six batches of 16 and one of 4
OPTIMIZERS: list[dict[str, Any]] = [
    {"name": "sgd", "lr": 0.05},
    {"name": "adamw", "lr": 0.01},
    {"name": "sgdw", "lr": 0.05, "bias_factor": 2.0},
    {"name": "muon", "lr": 0.05, "weight_decay": 0.01},
]


@dataclass
class Recorder:
    """Records as a CUDA graph does: what is replayed is one function of rows put in one place."""

    sizes: list[int] = field(default_factory=list)
    replays: int = 0

    def __call__(self, step: Step, pool: Pool, batch_size: int, epoch: torch.Tensor) -> Replay:
        self.sizes.append(batch_size)
        held = torch.zeros(batch_size, dtype=torch.int64)

        def replay(rows: torch.Tensor) -> Taken:
            self.replays += 1
            held.copy_(rows)
            return step.update(pool.gather(held, epoch))

        return replay


def train(settings: Recipe, record: Recorder | None, epochs: int = 2) -> NetworkClassifier:
    """Take the steps of some epochs; without a recorder rates are put on the device all the same."""
    built = classifier(settings)
    with built.begun(DATA, None) as (training, plan):
        steps = Stepper(training.step, plan.train, settings.batch_size, record or _never)
        for _ in range(epochs):
            training.epoch = begin_epoch(training, plan)
            take_steps(training, training.epoch, plan, steps)
            training.history.append({})
    return built


def _never(*_: object) -> Replay:
    raise RuntimeError("operation not permitted when stream is capturing")


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: each["name"])
def test_replays_leave_the_weights_of_single_steps(optimizer: dict[str, Any]) -> None:
    settings = recipe(
        optimizer=optimizer, augment=[*AUGMENT, {"name": "alternating_flip"}], schedule={"name": "linear"}
    )
    recorder = Recorder()
    assert_same_bits(train(settings, recorder), train(settings, None))
    assert recorder.sizes == [16]
    assert recorder.replays == 12 - WARM_UP


def test_followers_hear_of_replays() -> None:
    settings = recipe(lookahead={"every": 2, "decay": 0.5, "power": 0})
    assert_same_bits(train(settings, Recorder()), train(settings, None))


def test_other_parameters_to_train_want_another_recording() -> None:
    recorder = Recorder()
    train(recipe(freeze=[{"parameters": "1.*", "epochs": 1}]), recorder, epochs=3)
    assert recorder.sizes == [16, 16]


def test_a_step_that_cannot_be_recorded_is_taken_by_itself_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        train(recipe(), None)
    assert [record.message.count("cannot be recorded") for record in caplog.records] == [1]


def test_a_step_in_which_the_host_waits_is_not_recorded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(stepper, "noting_waits", lambda _: nullcontext(["my_net.py:7"]))
    with caplog.at_level(logging.WARNING):
        train(recipe(), recorder)
    assert recorder.sizes == []
    assert [record.message for record in caplog.records] == [
        "steps are taken one by one, since they cannot be recorded as a CUDA graph: "
        "the host waits for the device (my_net.py:7)"
    ]


def test_nothing_is_recorded_on_the_cpu() -> None:
    with classifier(recipe()).begun(DATA, None) as (training, plan):
        assert recorder_for(training.step, plan.train) is None
