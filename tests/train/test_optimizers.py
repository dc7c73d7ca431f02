from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from harness.train.step import build_optimizer
from tests.train.conftest import CATALOG, CPU, classifier, recipe


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_sparing_leaves_norms_and_biases_without_weight_decay(name: str) -> None:
    network = classifier(recipe()).network
    options = CATALOG.realize("optimizer", name, {"weight_decay": 0.2, "decay_norms_and_biases": False})
    decayed, spared = build_optimizer(options, network, CPU).param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.2, 0.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert {names[id(each)] for each in decayed["params"]} == {"0.weight", "6.weight"}
    assert {names[id(each)] for each in spared["params"]} == {"1.weight", "1.bias", "6.bias"}


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_by_default_everything_decays_in_one_fused_group(name: str) -> None:
    network = classifier(recipe()).network
    built = build_optimizer(CATALOG.realize("optimizer", name, {"weight_decay": 0.2}), network, CPU)
    (group,) = built.param_groups
    assert (group["weight_decay"], group["fused"], len(group["params"])) == (0.2, True, 5)


def test_frozen_parameters_are_not_optimized() -> None:
    network = classifier(recipe()).network
    network.get_submodule("0").requires_grad_(False)
    (group,) = build_optimizer(CATALOG.realize("optimizer", "sgd", {}), network, CPU).param_groups
    assert len(group["params"]) == 4


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_fused_steps_equal_the_plain_ones(name: str) -> None:
    options = CATALOG.realize("optimizer", name, {"lr": 0.01, "weight_decay": 0.1})
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 9)) for _ in range(2)]
    built = [options.build([{"params": [each]}], fused) for each, fused in zip(weights, (True, False), strict=True)]
    for _ in range(10):
        for weight, optimizer in zip(weights, built, strict=True):
            weight.grad = weight.detach().sin()
            optimizer.step()
    torch.testing.assert_close(weights[0], weights[1])


def test_nesterov_without_momentum_is_refused() -> None:
    with pytest.raises(ValidationError, match="nesterov needs a momentum above 0"):
        CATALOG.realize("optimizer", "sgd", {"momentum": 0.0})
