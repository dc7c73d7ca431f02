from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from harness.errors import TrainingError
from harness.train.device import number_format
from harness.train.step import Step
from tests.train.conftest import CPU, classifier, pictures, recipe

DATA = pictures(64)


def half(step: Step, scale: float) -> Step:
    """Return the step in fp16 with scaled losses; the CPU computes in it, slowly."""
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=1000)
    return replace(step, format=torch.float16, scaler=scaler)


def weights(network: torch.nn.Module) -> list[Any]:
    return [value.tolist() for value in network.parameters()]


def test_fp32_never_casts_and_the_cpu_never_does_by_itself() -> None:
    assert number_format("fp32", CPU) == torch.float32
    assert number_format("auto", CPU) == torch.float32


def test_fp16_is_for_gpus() -> None:
    with pytest.raises(TrainingError, match=r"recipe\.precision: cpu has no fp16 instructions; set precision to auto"):
        number_format("fp16", CPU)


def test_scaled_losses_in_fp16_have_the_course_of_fp32() -> None:
    losses: list[list[float]] = []
    for is_half in (False, True):
        with classifier(recipe()).begun(DATA, None) as (training, plan):
            step = half(training.step, 1024.0) if is_half else training.step
            batch = plan.train.gather(torch.arange(64))
            losses.append([float(step.take(batch, number, 1.0)[0]) for number in range(20)])
    assert losses[1] == pytest.approx(losses[0], rel=2e-2)
    assert losses[1][-1] < 0.8 * losses[1][0]


def test_a_step_whose_gradients_overflow_is_left_out_and_the_scale_halved() -> None:
    with classifier(recipe(gradient_clip=1.0)).begun(DATA, None) as (training, plan):
        step = half(training.step, 2.0**40)
        before = weights(step.network)
        step.take(plan.train.gather(torch.arange(64)), 0, 1.0)
        assert weights(step.network) == before
        assert step.scaler is not None
        assert step.scaler.get_scale() == 2.0**39


def test_the_scale_is_in_the_checkpoint() -> None:
    with classifier(recipe()).begun(DATA, None) as (training, _):
        training.step = half(training.step, 4096.0)
        state = training.capture()
        training.step = half(training.step, 2.0)
        training.restore(state)
        assert training.step.scaler is not None
        assert training.step.scaler.get_scale() == 4096.0
