from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.contracts import Layer
from harness.train import parameter_count, trace


@pytest.fixture
def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(5), nn.Flatten(), nn.Linear(80, 7)
    )


def test_layers_are_in_order_with_shapes_parameters_and_flops(network: nn.Module) -> None:
    convolution = 2 * 4 * 4 * 5 * 3 * 3 * 3
    found = trace(network, (8, 8, 3))
    assert found.layers == (
        Layer("0", "Conv2d", (5, 4, 4), 135, convolution),
        Layer("1", "BatchNorm2d", (5, 4, 4), 10, 0),
        Layer("2", "Flatten", (80,), 0, 0),
        Layer("3", "Linear", (7,), 567, 2 * 80 * 7),
    )
    assert (found.flops, found.output) == (convolution + 2 * 80 * 7, (1, 7))
    assert parameter_count(network) == 135 + 10 + 567


def test_frozen_parameters_do_not_count(network: nn.Module) -> None:
    network[0].requires_grad_(False)  # type: ignore[index]
    assert parameter_count(network) == 10 + 567
    assert trace(network, (8, 8, 3)).layers[0].parameters == 0


def test_a_traced_network_is_as_before(network: nn.Module) -> None:
    network.train()
    network[1].eval()  # type: ignore[index]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trace(network, (8, 8, 3))
    assert [module.training for module in network] == [True, False, True, True]  # type: ignore[attr-defined]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_module_that_is_called_twice_is_two_layers() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.layer(self.layer(images.flatten(1)))
            return logits

    found = trace(Twice(), (2, 2, 1))
    assert ([layer.flops for layer in found.layers], found.flops) == ([32, 32], 64)


def test_a_network_that_is_one_layer_is_traced() -> None:
    assert trace(nn.Flatten(), (2, 2, 3)).layers == (Layer("Flatten", "Flatten", (12,), 0, 0),)
