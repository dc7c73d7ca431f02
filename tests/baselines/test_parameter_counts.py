from __future__ import annotations

from typing import Any

import pytest

from harness.contracts import Task
from harness.plugins import Catalog

CIFAR = Task(tuple("0123456789"), (32, 32, 3), (0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("mlp", {}, 1_578_506),
        ("small_cnn", {}, 288_746),
        ("small_cnn", {"norm": "none"}, 288_298),
        ("small_vgg", {}, 1_148_874),
        ("small_vgg", {"norm": "none"}, 1_147_978),
        ("four_conv", {}, 261_834),
        ("tiny_cnn", {}, 1_116_970),
        ("tiny_cnn", {"blocks": 3}, 814_122),
        ("resnet18", {}, 11_173_962),
        ("resnet18", {"stem": "imagenet"}, 11_181_642),
        ("resnet34", {}, 21_282_122),
    ],
)
def test_networks_have_the_published_number_of_parameters(name: str, options: dict[str, Any], count: int) -> None:
    network = Catalog().realize("model", name, options).network(CIFAR)
    assert sum(each.numel() for each in network.parameters() if each.requires_grad) == count


@pytest.mark.parametrize(("name", "count"), [("hog_svm", 3_250), ("logistic", 30_730), ("majority", 10)])
def test_classical_models_know_their_size_before_they_are_fitted(name: str, count: int) -> None:
    assert Catalog().realize("model", name, {}).build(CIFAR, 0).parameter_count() == count


@pytest.mark.parametrize("name", ["mlp", "small_cnn", "small_vgg", "four_conv", "resnet18"])
def test_dropout_adds_no_parameters_and_is_there_only_when_asked(name: str) -> None:
    plain = Catalog().realize("model", name, {}).network(CIFAR)
    dropped = Catalog().realize("model", name, {"dropout": 0.25}).network(CIFAR)
    assert not _dropout_rates(plain)
    assert _dropout_rates(dropped) == [0.25]
    assert sum(each.numel() for each in plain.parameters()) == sum(each.numel() for each in dropped.parameters())


def _dropout_rates(network: Any) -> list[float]:
    return [each.p for each in network.modules() if type(each).__name__ == "Dropout"]
