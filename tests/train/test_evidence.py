from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from harness.cell.inside import class_evidence, feature_maps
from harness.contracts import Task

RANDOM = np.random.default_rng(0)


def task_of(side: int, channels: int = 1, classes: int = 2) -> Task:
    return Task(
        tuple(f"class {i}" for i in range(classes)), (side, side, channels), (0.0,) * channels, (1.0,) * channels
    )


def tiny(weights: list[float], head: list[list[float]]) -> nn.Sequential:
    """A 1 x 1 convolution to two maps, ReLU, mean over places, two classes."""
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    with torch.no_grad():
        network.get_parameter("0.weight").copy_(torch.tensor(weights)[:, None, None, None])
        network.get_parameter("4.weight").copy_(torch.tensor(head))
    return network


def images(count: int, side: int, channels: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return RANDOM.integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def test_evidence_is_that_computed_by_hand() -> None:
    # Maps A1 = x, A2 = 2x. The logit of class c is W[c] . (mean A1, mean A2), so its gradient at each of the
    # 16 places of map k is W[c, k] / 16, which is the weight; the evidence is relu(W[c, 0] x + W[c, 1] 2x) / 16.
    network, given = tiny([1.0, 2.0], [[3.0, -1.0], [-4.0, 1.0]]), images(2, 4)
    pixels = given[..., 0] / 255
    found = class_evidence(network, task_of(4), given, np.array([0, 1]))
    np.testing.assert_allclose(found.values[0], pixels[0] * (3 - 2) / 16, atol=1e-7)
    np.testing.assert_allclose(found.values[1], 0)  # -4 x + 2 x is below 0 everywhere
    assert found.source == "Grad-CAM at the last convolution, 4 x 4 places"


def test_an_images_evidence_does_not_depend_on_the_others() -> None:
    network, given = tiny([1.0, -2.0], [[3.0, -1.0], [4.0, 1.0]]), images(3, 6)
    together = class_evidence(network, task_of(6), given, np.array([0, 1, 1])).values
    alone = class_evidence(network, task_of(6), given[2:], np.array([1])).values
    np.testing.assert_allclose(together[2:], alone, atol=1e-8)


def test_in_place_activations_change_nothing() -> None:
    plain = tiny([1.0, -2.0], [[3.0, -1.0], [4.0, 1.0]])
    in_place = nn.Sequential(plain[0], nn.ReLU(inplace=True), *plain[2:])
    given, classes = images(2, 5), np.array([0, 1])
    expected = class_evidence(plain, task_of(5), given, classes).values
    np.testing.assert_array_equal(class_evidence(in_place, task_of(5), given, classes).values, expected)


def test_a_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    class_evidence(network, task_of(6), images(2, 6), np.array([0, 1]))
    feature_maps(network, task_of(6), images(1, 6))
    assert network.training and network[1].training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


def test_maps_too_small_to_say_where_are_passed_over() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 3, stride=4, padding=1), nn.Flatten(), nn.Linear(16, 2)
    )
    found = class_evidence(network, task_of(8), images(1, 8), np.array([0]))
    assert found.values.shape == (1, 8, 8)
    assert found.source == "Grad-CAM at convolution 1 of 2, 8 x 8 places"


def test_a_network_without_convolutions_is_asked_for_its_saliency() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(2 * 9, 2))
    found = class_evidence(network, task_of(3, channels=2), images(1, 3, channels=2), np.array([1]))
    expected = network.get_parameter("1.weight").detach().numpy()[1].reshape(2, 3, 3)
    np.testing.assert_allclose(found.values[0], np.abs(expected).max(axis=0), atol=1e-7)


def test_frozen_parameters_are_no_hindrance() -> None:
    network = tiny([1.0, 2.0], [[3.0, -1.0], [4.0, 1.0]]).requires_grad_(False)
    assert class_evidence(network, task_of(4), images(1, 4), np.array([0])).values.max() > 0


def test_feature_maps_come_with_the_activation_that_follows() -> None:
    network, given = tiny([1.0, -2.0], [[3.0, -1.0], [4.0, 1.0]]), images(1, 4)
    ((name, maps),) = feature_maps(network, task_of(4), given)
    assert name == "0"
    np.testing.assert_allclose(maps[0, 0], given[0, ..., 0] / 255, atol=1e-7)
    np.testing.assert_allclose(maps[0, 1], 0)


@pytest.mark.parametrize("normalized", [False, True])
def test_channel_statistics_are_applied(normalized: bool) -> None:
    task = Task(("a", "b"), (4, 4, 1), (0.5 if normalized else 0.0,), (0.25 if normalized else 1.0,))
    given = images(1, 4)
    ((_, maps),) = feature_maps(tiny([1.0, 1.0], [[1.0, 1.0], [1.0, 1.0]]), task, given)
    pixels = given[0, ..., 0] / 255
    np.testing.assert_allclose(maps[0, 0], np.maximum((pixels - 0.5) / 0.25, 0) if normalized else pixels, atol=1e-5)
