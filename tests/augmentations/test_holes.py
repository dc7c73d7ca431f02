from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torchvision.transforms.v2 import functional

from harness.contracts import Batch
from tests.augmentations.conftest import Make


def test_erasing_equals_torchvision_on_the_same_rectangles(make: Make, batch: Batch, random: torch.Generator) -> None:
    erasing = make("random_erasing", p=0.7, value=0.25)
    boxes = erasing.draw(len(batch.images), 12, 10, random)
    expected = [
        functional.erase(image, top, left, bottom - top, right - left, torch.tensor(0.25))
        for image, (top, bottom, left, right) in zip(batch.images, boxes.T.tolist(), strict=True)
    ]
    assert torch.equal(erasing.apply(batch.images, boxes), torch.stack(expected))


def test_erasing_draws_areas_and_shapes_in_range_and_stays_inside(make: Make, random: torch.Generator) -> None:
    erasing = make("random_erasing", p=0.6, scale=(0.1, 0.2), ratio=(0.5, 2.0))
    top, bottom, left, right = erasing.draw(10_000, 100, 80, random).double()
    erased = bottom > top
    assert 0.58 < float(erased.double().mean()) < 0.62
    height, width = (bottom - top)[erased], (right - left)[erased]
    assert 0.09 < float((height * width / 8000).min()) < 0.105
    assert 0.195 < float((height * width / 8000).max()) < 0.21
    assert 0.48 < float((height / width).min()) < 0.52
    assert 1.92 < float((height / width).max()) < 2.08
    assert float(top.min()) == 0
    assert float(bottom.max()) == 100
    assert float(right.max()) == 80


def test_erasing_leaves_an_image_alone_when_no_attempt_fits(make: Make, random: torch.Generator) -> None:
    erasing = make("random_erasing", p=1.0, scale=(0.9, 1.0), ratio=(8.0, 8.0))
    assert int(erasing.draw(100, 12, 10, random).abs().sum()) == 0


@pytest.mark.parametrize("options", [{"scale": (0.3, 0.1)}, {"scale": (0.5, 1.5)}, {"ratio": (2.0, 1.0)}])
def test_erasing_refuses_ranges_in_the_wrong_order(options: dict[str, object], make: Make) -> None:
    with pytest.raises(ValidationError, match=r"scale|ratio"):
        make("random_erasing", **options)


@pytest.mark.parametrize("size", [1, 4, 5])
def test_cutout_blanks_a_square_cut_at_the_borders(
    size: int, make: Make, batch: Batch, random: torch.Generator
) -> None:
    cutout = make("cutout", size=size, fill=0.5)
    boxes = cutout.draw(len(batch.images), 12, 10, random)
    assert bool(((boxes[1] - boxes[0]) == size).all())
    expected = batch.images.clone()
    for image, (top, bottom, left, right) in zip(expected, boxes.T.tolist(), strict=True):
        image[:, max(top, 0) : bottom, max(left, 0) : right] = 0.5
    assert torch.equal(cutout.apply(batch.images, boxes), expected)


def test_cutout_centers_fall_on_every_pixel(make: Make, random: torch.Generator) -> None:
    boxes = make("cutout", size=4).draw(10_000, 12, 10, random)
    assert ((boxes[0] + 2).unique().tolist(), (boxes[2] + 2).unique().tolist()) == ([*range(12)], [*range(10)])


def test_cutout_fills_with_the_batchs_channel_mean(make: Make, batch: Batch) -> None:
    whole = torch.tensor([0, 12, 0, 10])[:, None].expand(4, len(batch.images))
    filled = make("cutout", size=12).apply(batch.images, whole)
    mean = batch.images.double().mean(dim=(0, 2, 3)).float()
    torch.testing.assert_close(filled, mean[:, None, None].expand_as(filled))
