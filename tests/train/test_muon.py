from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from harness.train.step import build_optimizer
from tests.train.conftest import CATALOG, CPU, classifier, recipe

RANDOM = torch.Generator().manual_seed(0)


def muon(**options: Any) -> Any:
    return CATALOG.realize("optimizer", "muon", options)


def orthogonal(matrices: torch.Tensor, iterations: int) -> torch.Tensor:
    module = __import__("sys").modules[type(muon()).__module__]
    found: torch.Tensor = module.orthogonal(matrices, iterations)
    return found


@pytest.mark.parametrize("shape", [(3, 8, 20), (2, 20, 8), (1, 6, 6)])
def test_newton_schulz_keeps_singular_vectors_and_brings_singular_values_near_one(shape: tuple[int, int, int]) -> None:
    given = torch.randn(shape, generator=RANDOM)
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    turned = left.mT @ orthogonal(given, 5) @ right.mT
    values = turned.diagonal(dim1=1, dim2=2)
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.3
    torch.testing.assert_close(turned, torch.diag_embed(values), atol=1e-4, rtol=0)


def test_a_filter_bank_of_one_pixel_is_trained_as_torchs_muon_trains_the_matrix() -> None:
    """torch's averages where ours adds up, the same once the matrix is orthogonal; and it rounds to bf16."""
    start = torch.randn(8, 20, generator=RANDOM)
    ours, theirs = nn.Parameter(start[:, :, None, None].clone()), nn.Parameter(start.clone())
    options = muon(lr=0.05, momentum=0.9, iterations=5, normalize=False)
    mine = options.build([{"params": [ours], "weight_decay": 0.0}], fused=False)
    torchs = torch.optim.Muon([theirs], lr=0.05, momentum=0.9, nesterov=True, ns_steps=5, weight_decay=0.0)
    for _ in range(5):
        ours.grad, theirs.grad = ours.detach().sin() - 0.3, theirs.detach().sin() - 0.3
        mine.step()
        torchs.step()  # type: ignore[no-untyped-call]
    apart, moved = ours.detach().flatten(1) - theirs.detach(), theirs.detach() - start
    assert float(apart.norm() / moved.norm()) < 0.02


def test_each_kind_of_parameter_has_its_rate() -> None:
    network = classifier(recipe()).network
    groups = build_optimizer(muon(lr=0.3, rest_lr=0.2, bias_factor=5.0), network, CPU).param_groups
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = {names[id(each)]: group["lr"] for group in groups for each in group["params"]}
    assert found == {"0.weight": 0.3, "6.weight": 0.2, "1.weight": 1.0, "1.bias": 1.0, "6.bias": 1.0}


def test_what_is_no_filter_is_trained_by_sgdw() -> None:
    weights = [nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4)) for _ in range(2)]
    mine = muon(rest_lr=0.1, rest_momentum=0.8)
    sgdw = CATALOG.realize("optimizer", "sgdw", {"lr": 0.1, "momentum": 0.8})
    built = [
        each.build([{"params": [weight], "weight_decay": 0.1}], False)
        for each, weight in zip((mine, sgdw), weights, strict=True)
    ]
    for _ in range(4):
        for weight, optimizer in zip(weights, built, strict=True):
            weight.grad = weight.detach().cos()
            optimizer.step()
    assert torch.equal(*weights)


def test_a_normalized_filter_bank_has_the_norm_of_as_many_unit_vectors_before_its_step() -> None:
    weight = nn.Parameter(5 * torch.randn(9, 4, 3, 3, generator=RANDOM))
    built = muon(lr=1e-6).build([{"params": [weight], "weight_decay": 0.0}], False)
    weight.grad = torch.randn(weight.shape, generator=RANDOM)
    built.step()
    assert float(weight.detach().norm()) == pytest.approx(3.0, abs=1e-4)


def test_a_parameter_without_gradient_stays() -> None:
    frozen, trained = nn.Parameter(torch.ones(3, 2, 1, 1)), nn.Parameter(torch.ones(3, 2, 1, 1))
    built = muon().build([{"params": [frozen, trained], "weight_decay": 0.1}], False)
    trained.grad = torch.randn(3, 2, 1, 1, generator=RANDOM)
    built.step()
    assert torch.equal(frozen, torch.ones(3, 2, 1, 1))
    assert not torch.equal(trained, torch.ones(3, 2, 1, 1))
