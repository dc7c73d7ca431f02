from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.contracts import LabeledImages, NetworkModel, Recipe, SealedSet, Task
from harness.errors import InputError
from harness.plugins import Catalog
from harness.train import NetworkClassifier, parameter_count

TASK = Task(tuple("0123456789"), (32, 32, 3), (0.5, 0.45, 0.4), (0.25, 0.25, 0.2))


def speednet(**options: Any) -> NetworkModel:
    model: NetworkModel = Catalog().realize("model", "speednet", options)
    return model


def smooth_images(count: int, channels: int = 3) -> torch.Tensor:
    """Return images whose neighboring pixels and channels agree, as in photographs; [N, C, 32, 32]."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.randn(count, 1, 8, 8, generator=random) + 0.3 * torch.randn(count, channels, 8, 8, generator=random)
    fine = nn.functional.interpolate(coarse, size=32, mode="bilinear")
    return fine + 0.05 * torch.randn(count, channels, 32, 32, generator=random)


def answers(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return what the first layer says without its bias, one row a patch."""
    whiten = network.get_submodule("whiten")
    assert isinstance(whiten, nn.Conv2d)
    with torch.no_grad():
        return nn.functional.conv2d(images, whiten.weight).permute(0, 2, 3, 1).flatten(0, 2)


@pytest.mark.parametrize(
    ("options", "count"), [({}, 1_971_352), ({"whitening": False}, 1_971_640), ({"norm_scale": True}, 1_972_504)]
)
def test_parameters(options: dict[str, Any], count: int) -> None:
    assert parameter_count(speednet(**options).network(TASK)) == count


@pytest.mark.parametrize("channels", [1, 3])
def test_whitened_patches_are_uncorrelated_and_of_unit_variance_but_for_the_damping(channels: int) -> None:
    task = Task(TASK.classes, (32, 32, channels), TASK.mean[:channels], TASK.std[:channels])
    model, images = speednet(), smooth_images(600, channels)
    network = model.network(task)
    model.prepare(network, iter(images.split(100)))  # type: ignore[no-untyped-call]
    found = answers(network, images).double()
    moments = found.T @ found / len(found)
    half = 4 * channels
    before = nn.functional.unfold(images, 2).transpose(1, 2).flatten(0, 1).double()
    values = torch.linalg.eigvalsh(before.T @ before / len(before)).flip(0)
    torch.testing.assert_close(moments[:half, :half], torch.diag(values / (values + 5e-4)), atol=1e-4, rtol=0)
    assert float(values[0] / values[-1]) > 100
    assert torch.equal(found[:, half:], -found[:, :half])


def test_the_whitening_looks_at_the_first_five_thousand_images_only() -> None:
    taken: list[int] = []

    def batches() -> Iterator[torch.Tensor]:
        for number in range(20):
            taken.append(number)
            yield smooth_images(1000)

    model = speednet()
    model.prepare(model.network(TASK), batches())
    assert taken == [0, 1, 2, 3, 4]


def test_a_fit_leaves_the_whitening_as_the_data_made_it() -> None:
    images = (smooth_images(60) * 40 + 128).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    data = LabeledImages(np.ascontiguousarray(images), np.arange(60) % 10, np.arange(60))
    settings = Recipe.model_validate({"epochs": 2, "batch_size": 20, "optimizer": {"name": "muon"}})
    built = NetworkClassifier(speednet(widths=(8, 8, 8)), settings, TASK, 0, torch.device("cpu"), Catalog())
    drawn = built.state()["whiten.weight"]
    built.fit(data, None, Silence())
    fitted = built.state()["whiten.weight"]
    normalized = (torch.tensor(data.images).permute(0, 3, 1, 2) / 255 - column(TASK.mean)) / column(TASK.std)
    model = speednet(widths=(8, 8, 8))
    expected = model.network(TASK)
    model.prepare(expected, iter([normalized]))
    assert not np.array_equal(drawn, fitted)
    np.testing.assert_allclose(
        fitted.astype(np.float32), expected.get_parameter("whiten.weight").numpy(), rtol=1e-2, atol=1e-3
    )


def test_convolutions_begin_as_the_identity_on_their_first_channels() -> None:
    network = speednet().network(TASK)
    first = network.get_parameter("blocks.1.first.0.weight")
    assert torch.equal(first[:64], nn.init.dirac_(torch.empty(64, 64, 3, 3)))
    plain = speednet(identity=False).network(TASK).get_parameter("blocks.1.first.0.weight")
    assert not torch.equal(plain[:64], first[:64])


def test_the_last_pooling_leaves_one_pixel_whatever_the_image_size() -> None:
    for shape in ((28, 28, 1), (24, 40, 3), (64, 64, 3), (9, 9, 1)):
        task = Task(TASK.classes, shape, (0.5,) * shape[2], (0.25,) * shape[2])
        network = speednet(widths=(4, 4, 4)).network(task)
        assert network(torch.zeros(2, shape[2], *shape[:2])).shape == (2, 10)


def test_images_below_nine_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="speednet: images of 8 x 8 pixels are too small"):
        speednet().network(Task(TASK.classes, (8, 8, 1), (0.5,), (0.25,)))


def test_blocks_of_three_have_a_residual_connection() -> None:
    network = speednet(widths=(8, 8, 8), depth=3).network(TASK).eval()
    block = network.get_submodule("blocks.1")
    images = torch.randn(2, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    last = block.get_submodule("rest.4")
    assert isinstance(last, nn.BatchNorm2d)
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        first = block.get_submodule("first")(images)
        torch.testing.assert_close(block(images), nn.functional.gelu(first))


class Silence:
    """A listener that notes nothing."""

    def epoch(self, epoch: int, metrics: object) -> None:
        """Hear nothing."""

    def opening(self, model_digest: str, test_set: SealedSet) -> None:
        raise AssertionError("opened")


def column(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values)[:, None, None]
