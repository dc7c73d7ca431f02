from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import functional

from harness.contracts import Batch
from tests.augmentations.conftest import Make

ADJUST = (
    functional.adjust_brightness,
    functional.adjust_contrast,
    functional.adjust_saturation,
    functional.adjust_hue,
)
STRENGTHS = {"brightness": 0.5, "contrast": 0.7, "saturation": 0.9, "hue": 0.4}


def adjusted(images: torch.Tensor, order: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Apply torchvision's functions image by image, each in its own order."""
    changed = []
    for number, image in enumerate(images):
        for change in order[:, number].tolist():
            image = ADJUST[change](image, float(factors[change, number]))  # noqa: PLW2901
        changed.append(image)
    return torch.stack(changed)


@pytest.mark.parametrize("used", [("brightness",), ("contrast",), ("saturation",), ("hue",), tuple(STRENGTHS)])
def test_jitter_equals_torchvision_on_the_same_factors_and_orders(
    used: tuple[str, ...], make: Make, batch: Batch, random: torch.Generator
) -> None:
    jitter = make("color_jitter", **{name: STRENGTHS[name] if name in used else 0.0 for name in STRENGTHS})
    order, factors = jitter.draw(len(batch.images), batch.images.shape[1], random)
    expected = adjusted(batch.images, order, factors)
    torch.testing.assert_close(jitter.apply(batch.images, order, factors), expected, rtol=0, atol=1e-5)


def test_hue_of_gray_black_and_pure_colors_equals_torchvision(make: Make) -> None:
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 0.5, 1.0])] * 3)
    images = corners.T.reshape(1, 3, 27, 1).repeat(9, 1, 1, 1)
    factors = torch.linspace(-0.5, 0.5, 9).expand(4, 9)
    order = torch.full((1, 9), 3)
    changed = make("color_jitter", hue=0.5).apply(images, order, factors)
    torch.testing.assert_close(changed, adjusted(images, order, factors), rtol=0, atol=1e-5)


def test_factors_are_uniform_in_torchvisions_ranges(make: Make, random: torch.Generator) -> None:
    jitter = make("color_jitter", brightness=0.2, contrast=2.0, saturation=0.5, hue=0.1)
    _, factors = jitter.draw(20_000, 3, random)
    low, high = torch.tensor([0.8, 0.0, 0.5, -0.1]), torch.tensor([1.2, 3.0, 1.5, 0.1])
    width = high - low
    assert bool((factors.amin(1) >= low).all())
    assert bool((factors.amax(1) <= high).all())
    torch.testing.assert_close(factors.amin(1), low, rtol=0, atol=float(width.max()) * 1e-3)
    torch.testing.assert_close(factors.mean(1), (low + high) / 2, rtol=0, atol=float(width.max()) * 0.01)


def test_each_of_the_24_orders_is_drawn_about_equally_often(make: Make, random: torch.Generator) -> None:
    order, _ = make("color_jitter", hue=0.1).draw(24_000, 3, random)
    _, counts = order.T.unique(dim=0, return_counts=True)
    assert len(counts) == 24
    assert int(counts.min()) > 850
    assert int(counts.max()) < 1150


def test_no_strength_at_all_changes_nothing(make: Make, batch: Batch, random: torch.Generator) -> None:
    still = make("color_jitter", brightness=0.0, contrast=0.0, saturation=0.0)
    assert torch.equal(still.change(batch, random).images, batch.images)


def test_only_changes_in_use_are_in_the_order(make: Make, random: torch.Generator) -> None:
    order, _ = make("color_jitter", brightness=0.0, hue=0.2).draw(10, 3, random)
    assert order.unique().tolist() == [1, 2, 3]
    gray_order, _ = make("color_jitter", hue=0.2).draw(10, 1, random)
    assert gray_order.unique().tolist() == [0, 1]
