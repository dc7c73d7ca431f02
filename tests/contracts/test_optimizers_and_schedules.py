from __future__ import annotations

import math

import pytest
import torch

from harness.plugins import Catalog, Found


def test_an_optimizer_keeps_the_weight_decay_of_each_group_and_trains_filters_at_its_rate(
    optimizer: Found, catalog: Catalog
) -> None:
    decayed, spared = (torch.nn.Parameter(torch.ones(3, 2, 1, 1)) for _ in range(2))
    groups = [{"params": [decayed], "weight_decay": 0.5}, {"params": [spared], "weight_decay": 0.0}]
    built = catalog.realize("optimizer", optimizer.name, {"lr": 0.01}).build(groups, fused=False)
    assert [group["weight_decay"] for group in built.param_groups] == [0.5, 0.0]
    assert [group["lr"] for group in built.param_groups] == [0.01, 0.01]


def test_an_optimizer_lowers_a_loss(optimizer: Found, catalog: Catalog) -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    built = catalog.realize("optimizer", optimizer.name, {"lr": 0.01}).build([{"params": [weight]}], fused=False)
    losses = [_descend(built, weight) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_an_optimizer_refuses_a_learning_rate_of_zero(optimizer: Found, catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="lr"):
        catalog.realize("optimizer", optimizer.name, {"lr": 0.0})


@pytest.mark.parametrize(("steps_per_epoch", "epochs"), [(10, 5), (1, 1), (3, 40)])
def test_factors_are_finite_and_not_negative(
    schedule: Found, catalog: Catalog, steps_per_epoch: int, epochs: int
) -> None:
    realized = catalog.realize("schedule", schedule.name, {})
    factors = [realized.factor(step, steps_per_epoch, epochs) for step in range(steps_per_epoch * epochs)]
    assert all(math.isfinite(factor) and factor >= 0 for factor in factors)
    assert max(factors) > 0
    assert factors == [realized.factor(step, steps_per_epoch, epochs) for step in range(steps_per_epoch * epochs)]


def _descend(optimizer: torch.optim.Optimizer, weight: torch.nn.Parameter) -> float:
    optimizer.zero_grad()
    loss = (weight**2).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()
