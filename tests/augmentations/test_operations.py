from __future__ import annotations

import pytest
import torch
from torchvision.transforms import InterpolationMode, RandAugment, RandomResizedCrop, TrivialAugmentWide
from torchvision.transforms.autoaugment import _apply_op
from torchvision.transforms.v2 import functional

from harness.augmentations import _operations, rand_augment, trivial_augment
from harness.contracts import Batch
from tests.augmentations.conftest import COUNT, Make

OF_BYTES = {"Posterize", "Equalize", "Solarize"}
"""What torchvision does to bytes only, or in another way to floats."""
STRENGTHS = {"Posterize": (2.0, 4.0, 7.0, 8.0), "Solarize": (0.0, 100.0, 255.0), "Rotate": (-130.0, -7.0, 0.0, 30.0)}
STRENGTHS |= dict.fromkeys(("TranslateX", "TranslateY"), (-3.7, 0.0, 2.2, 31.0))


def by_torchvision(images: torch.Tensor, name: str, strengths: torch.Tensor) -> torch.Tensor:
    if name in OF_BYTES:
        images = (images * 255).round().to(torch.uint8)
    changed = [
        _apply_op(image, name, float(strength), InterpolationMode.NEAREST, None)
        for image, strength in zip(images, strengths, strict=True)
    ]
    found = torch.stack(changed)
    return found.float() / 255 if name in OF_BYTES else found


@pytest.mark.parametrize("name", ["Identity", *_operations.OPERATIONS])
def test_an_operation_equals_torchvisions(name: str, batch: Batch) -> None:
    used = torch.tensor(STRENGTHS.get(name, (-0.9, -0.25, 0.0, 0.3, 0.99)))
    strengths = used[torch.arange(COUNT) % len(used)]
    ours = _operations.apply(batch.images, (name,), torch.zeros(COUNT, dtype=torch.long), strengths)
    torch.testing.assert_close(ours, by_torchvision(batch.images, name, strengths), rtol=0, atol=1e-5)


def test_each_image_gets_the_operation_that_it_drew(batch: Batch) -> None:
    names = ("Identity", "Rotate", "Posterize")
    operation = torch.arange(COUNT) % 3
    strengths = torch.full((COUNT,), 4.0)
    ours = _operations.apply(batch.images, names, operation, strengths)
    for place, name in enumerate(names):
        rows = operation == place
        expected = by_torchvision(batch.images[rows], name, strengths[rows])
        torch.testing.assert_close(ours[rows], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("which", ["rand", "trivial"])
def test_operations_are_as_strong_as_torchvisions(which: str, random: torch.Generator) -> None:
    if which == "rand":
        theirs = RandAugment()._augmentation_space(31, (40, 20))
        ours = rand_augment.RandAugment.ranges(40, 20)
    else:
        theirs = TrivialAugmentWide()._augmentation_space(31)
        ours = trivial_augment.RANGES
    assert list(ours) == list(theirs)
    for bin_ in (0, 9, 30):
        operation, strength = _operations.draw(ours, torch.full((4000,), bin_), 30, random)
        for place, (magnitudes, is_signed) in enumerate(theirs.values()):
            wanted = float(magnitudes[bin_]) if magnitudes.ndim else 0.0
            mine = strength[operation == place]
            rounded = mine.round() if list(ours)[place] == "Posterize" else mine
            allowed = {round(wanted, 3), round(-wanted, 3)} if is_signed else {round(wanted, 3)}
            assert {round(float(each), 3) for each in torch.unique(rounded)} == allowed
    assert torch.bincount(operation).min() > 4000 / 14 * 0.7


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_a_turn_equals_torchvisions(interpolation: str, make: Make, batch: Batch, random: torch.Generator) -> None:
    rotation = make("rotation", degrees=170, interpolation=interpolation)
    degrees = rotation.draw(COUNT, random)
    turned = [
        functional.rotate(image, float(each), InterpolationMode(interpolation))
        for image, each in zip(batch.images, degrees, strict=True)
    ]
    torch.testing.assert_close(rotation.apply(batch.images, degrees), torch.stack(turned), rtol=0, atol=1e-4)
    assert float(degrees.abs().max()) > 160


def test_a_resized_crop_equals_torchvisions(make: Make, batch: Batch, random: torch.Generator) -> None:
    crop = make("random_resized_crop")
    height, width = batch.images.shape[2:]
    parts = crop.draw(COUNT, height, width, random)
    expected = [
        functional.resized_crop(image, *part, size=[height, width], antialias=True)
        for image, part in zip(batch.images, parts.T.tolist(), strict=True)
    ]
    torch.testing.assert_close(crop.apply(batch.images, parts), torch.stack(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (12, 40), (50, 10)])
def test_crops_are_drawn_as_torchvision_draws_them(
    height: int, width: int, make: Make, random: torch.Generator
) -> None:
    count = 4000
    ours = make("random_resized_crop", least=0.2).draw(count, height, width, random).double()
    torch.manual_seed(0)
    image = torch.zeros(1, height, width)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(image, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(count)]
    ).T.double()
    assert bool((ours[0] + ours[2] <= height).all())
    assert bool((ours[1] + ours[3] <= width).all())
    error = (ours.var(1) / count + theirs.var(1) / count).sqrt()
    assert bool(((ours.mean(1) - theirs.mean(1)).abs() <= 4 * error + 1e-9).all())
