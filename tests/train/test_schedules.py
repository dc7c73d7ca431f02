from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from harness.train.step import Rates
from tests.train.conftest import CATALOG

EPOCHS = 12
STEPS = 5  # an epoch

Make = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]


def ours(name: str, **options: Any) -> list[float]:
    rates = Rates(CATALOG.realize("schedule", name, options), STEPS, EPOCHS)
    return [0.1 * rates.factor(step) for step in range(STEPS * EPOCHS)]


def theirs(make: Make, per: int) -> list[float]:
    """Return torch's rate of each step; the scheduler is stepped each `per` steps."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make(optimizer)
    rates = []
    for step in range(STEPS * EPOCHS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if (step + 1) % per == 0 and step + 1 < STEPS * EPOCHS:
            scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("name", "options", "make", "per"),
    [
        ("constant", {}, lambda given: lr_scheduler.ConstantLR(given, factor=1.0), 1),
        ("step", {"every": 5, "gamma": 0.3}, lambda given: lr_scheduler.StepLR(given, 5, 0.3), STEPS),
        ("multistep", {"milestones": (3, 9)}, lambda given: lr_scheduler.MultiStepLR(given, [3, 9]), STEPS),
        ("cosine", {}, lambda given: lr_scheduler.CosineAnnealingLR(given, EPOCHS), STEPS),
        ("cosine", {"floor": 0.2}, lambda given: lr_scheduler.CosineAnnealingLR(given, EPOCHS, 0.02), STEPS),
        ("cosine", {"per": "step"}, lambda given: lr_scheduler.CosineAnnealingLR(given, EPOCHS * STEPS), 1),
        ("linear", {}, lambda given: lr_scheduler.LinearLR(given, 1.0, 0.0, EPOCHS * STEPS), 1),
        ("linear", {"end": 0.1}, lambda given: lr_scheduler.LinearLR(given, 1.0, 0.1, EPOCHS * STEPS), 1),
        ("one_cycle", {}, lambda given: lr_scheduler.OneCycleLR(given, 0.1, 60, cycle_momentum=False), 1),
        (
            "triangular",
            {"start": 0.1, "end": 0.1, "peak": 0.25},
            lambda given: lr_scheduler.CyclicLR(given, 0.01, 0.1, 15, 45, cycle_momentum=False),
            1,
        ),
    ],
)
def test_schedule_equals_torchs(name: str, options: dict[str, Any], make: Make, per: int) -> None:
    np.testing.assert_allclose(ours(name, **options), theirs(make, per), rtol=1e-9, atol=1e-12)


def test_warmup_equals_torchs_linear_one_chained_with_the_schedule() -> None:
    def make(given: torch.optim.Optimizer) -> lr_scheduler.LRScheduler:
        steps = 2 * STEPS
        warmup = lr_scheduler.LinearLR(given, 1 / steps, total_iters=steps - 1)
        return lr_scheduler.ChainedScheduler([warmup, lr_scheduler.CosineAnnealingLR(given, STEPS * EPOCHS)])

    expected = theirs(make, 1)
    np.testing.assert_allclose(ours("cosine", per="step", warmup_epochs=2), expected, rtol=1e-9)


def test_warmup_may_be_a_part_of_an_epoch() -> None:
    assert ours("constant", warmup_epochs=0.8)[:6] == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


def test_triangular_equals_interpolation_with_ends_of_its_own() -> None:
    steps = STEPS * EPOCHS
    expected = 0.1 * np.interp(np.arange(steps), [0, int(0.23 * steps), steps], [0.2, 1, 0.07])
    np.testing.assert_allclose(ours("triangular"), expected)


def test_shortest_trainings_have_a_learning_rate() -> None:
    for name, (steps, epochs) in itertools.product(CATALOG.names("schedule"), [(1, 1), (2, 1), (1, 3)]):
        rates = Rates(CATALOG.realize("schedule", name, {}), steps, epochs)
        factors = [rates.factor(step) for step in range(steps * epochs)]
        assert all(0 <= factor <= 1 for factor in factors), name
        assert name == "one_cycle" or factors[0] > 0


@pytest.fixture(autouse=True)
def _epoch_argument_is_deprecated() -> Any:
    """CyclicLR and ChainedScheduler step their parts with an argument torch itself warns about."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*epoch parameter.*")
        yield
