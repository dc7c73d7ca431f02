from __future__ import annotations

import pytest
import torch
from torch import nn

from baselines.resnet18 import ResNet18
from baselines.small_cnn import SmallCnn
from baselines.tiny_cnn import TinyCnn
from harness.contracts import Task
from harness.errors import InputError
from harness.plugins import Catalog


def task(height: int, width: int, channels: int) -> Task:
    return Task(("a", "b", "c"), (height, width, channels), (0.5,) * channels, (0.25,) * channels)


@pytest.mark.parametrize("name", ["small_cnn", "small_vgg", "four_conv"])
def test_convolutions_carry_a_bias_only_without_normalization(name: str) -> None:
    for norm, biased in [("batch", False), ("none", True)]:
        network = Catalog().realize("model", name, {"norm": norm}).network(task(32, 32, 3))
        convolutions = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
        assert {each.bias is not None for each in convolutions} == {biased}
        assert any(isinstance(each, nn.BatchNorm2d) for each in network.modules()) != biased


@pytest.mark.parametrize("name", ["small_cnn", "small_vgg", "four_conv", "tiny_cnn"])
def test_width_scales_the_first_stage(name: str) -> None:
    network = Catalog().realize("model", name, {"width": 5}).network(task(32, 32, 1))
    first = next(each for each in network.modules() if isinstance(each, nn.Conv2d))
    assert (first.in_channels, first.out_channels) == (1, 5)


def test_the_cifar_stem_keeps_the_resolution_that_the_stock_stem_quarters() -> None:
    images = torch.zeros(1, 3, 32, 32)
    sizes = {}
    for stem in ("cifar", "imagenet"):
        network = Catalog().realize("model", "resnet18", {"stem": stem}).network(task(32, 32, 3))
        sizes[stem] = network.maxpool(network.conv1(images)).shape[2:]
    assert sizes == {"cifar": (32, 32), "imagenet": (8, 8)}


def test_a_gray_image_enters_the_stock_stem() -> None:
    network = ResNet18(stem="imagenet").network(task(32, 32, 1))
    assert network.eval()(torch.zeros(2, 1, 32, 32)).shape == (2, 3)


@pytest.mark.parametrize(("blocks", "height", "width"), [(2, 28, 28), (3, 28, 28), (3, 9, 30), (2, 5, 4)])
def test_the_hidden_layer_fits_whatever_the_poolings_leave(blocks: int, height: int, width: int) -> None:
    network = TinyCnn.model_validate({"blocks": blocks}).network(task(height, width, 1))
    assert network(torch.zeros(2, 1, height, width)).shape == (2, 3)


def test_three_halvings_want_eight_pixels() -> None:
    with pytest.raises(InputError, match=r"small_cnn: images of 30 x 7 pixels are too small.*8 x 8"):
        SmallCnn().network(task(30, 7, 3))
