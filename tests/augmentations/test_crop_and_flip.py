from __future__ import annotations

from typing import Literal

import pytest
import torch
from torchvision.transforms.v2 import functional

from harness.contracts import Batch
from tests.augmentations.conftest import Make


@pytest.mark.parametrize(("mode", "padding_mode"), [("zeros", "constant"), ("reflect", "reflect")])
def test_crop_equals_torchvision_on_the_same_corners(
    mode: str, padding_mode: Literal["constant", "reflect"], make: Make, batch: Batch, random: torch.Generator
) -> None:
    crop = make("crop", pad=3, mode=mode)
    corners = crop.draw(len(batch.images), random)
    expected = [
        functional.crop(functional.pad(image, [3], padding_mode=padding_mode), top, left, 12, 10)
        for image, top, left in zip(batch.images, *corners.tolist(), strict=True)
    ]
    assert torch.equal(crop.apply(batch.images, corners), torch.stack(expected))


def test_crop_reaches_every_place_about_equally_often(make: Make, random: torch.Generator) -> None:
    corners = make("crop", pad=2).draw(25_000, random)
    places = torch.bincount(corners[0] * 5 + corners[1], minlength=25)
    assert len(places) == 25
    assert int(places.min()) > 850
    assert int(places.max()) < 1150


def test_flip_equals_torchvision_on_the_same_images(make: Make, batch: Batch, random: torch.Generator) -> None:
    flip = make("flip")
    mirrored = flip.draw(len(batch.images), random)
    expected = [
        functional.horizontal_flip(image) if turn else image
        for image, turn in zip(batch.images, mirrored.tolist(), strict=True)
    ]
    assert torch.equal(flip.apply(batch.images, mirrored), torch.stack(expected))


@pytest.mark.parametrize(("p", "low", "high"), [(0.0, 0.0, 0.0), (0.3, 0.28, 0.32), (1.0, 1.0, 1.0)])
def test_flip_mirrors_its_share_of_images(
    p: float, low: float, high: float, make: Make, random: torch.Generator
) -> None:
    share = float(make("flip", p=p).draw(10_000, random).double().mean())
    assert low <= share <= high
