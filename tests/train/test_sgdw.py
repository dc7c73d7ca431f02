from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tests.train.conftest import CATALOG


def sgdw(weight: nn.Parameter, decay: float = 0.0, **options: Any) -> torch.optim.Optimizer:
    chosen = CATALOG.realize("optimizer", "sgdw", options)
    built: torch.optim.Optimizer = chosen.build([{"params": [weight], "weight_decay": decay}], False)
    return built


def walk(build: Callable[[nn.Parameter], torch.optim.Optimizer], steps: int = 6) -> torch.Tensor:
    weight = nn.Parameter(torch.linspace(-2, 2, 10).view(2, 5))
    optimizer = build(weight)
    for _ in range(steps):
        weight.grad = weight.detach().sin() + 0.2
        optimizer.step()
    return weight.detach()


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, True), (0.9, False), (0.0, False)])
def test_without_decay_it_is_torchs_sgd(momentum: float, nesterov: bool) -> None:
    mine = walk(lambda weight: sgdw(weight, lr=0.1, momentum=momentum, nesterov=nesterov))
    torchs = walk(lambda weight: torch.optim.SGD([weight], lr=0.1, momentum=momentum, nesterov=nesterov))
    torch.testing.assert_close(mine, torchs)


def test_the_decay_is_a_share_of_the_weight_whatever_the_rate_and_the_momentum() -> None:
    """Loshchilov and Hutter 2019, algorithm 1, line 9, by hand: without gradients nothing but the decay is left."""
    for rate, momentum in ((0.1, 0.9), (2.0, 0.0)):
        weight = nn.Parameter(torch.full((2, 2), 8.0))
        optimizer = sgdw(weight, 0.25, lr=rate, momentum=momentum)
        for _ in range(2):
            weight.grad = torch.zeros(2, 2)
            optimizer.step()
        assert weight[0, 0].item() == pytest.approx(8 * 0.75**2)


def test_a_schedule_scales_the_decay_with_the_rate() -> None:
    weight = nn.Parameter(torch.full((2, 2), 8.0))
    optimizer = sgdw(weight, 0.25, lr=0.4)
    optimizer.param_groups[0]["lr"] = 0.2
    weight.grad = torch.zeros(2, 2)
    optimizer.step()
    assert weight[0, 0].item() == pytest.approx(8 * (1 - 0.25 / 2))


def test_biases_have_their_own_rate() -> None:
    bias, matrix = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3, 3))
    options = CATALOG.realize("optimizer", "sgdw", {"lr": 0.1, "bias_factor": 64.0})
    groups = options.build([{"params": [bias, matrix], "weight_decay": 0.0}], False).param_groups
    assert [(group["lr"], [each.ndim for each in group["params"]]) for group in groups] == [(0.1, [2]), (6.4, [1])]
