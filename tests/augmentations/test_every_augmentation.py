from __future__ import annotations

import pytest
import torch

from harness.contracts import Batch
from harness.plugins import Catalog
from tests.augmentations.conftest import Make

DRAWS = sorted({*Catalog().names("augmentation")} - {"label_smoothing"})


@pytest.mark.parametrize("name", DRAWS)
def test_each_image_draws_for_itself(name: str, make: Make, random: torch.Generator) -> None:
    """The same image 64 times, paired with black ones: not all of them are changed alike."""
    image = torch.rand(3, 12, 10, generator=random).expand(64, 3, 12, 10)
    alternate = (torch.arange(64) % 2 == 0)[:, None, None, None]
    batch = Batch(image * alternate, torch.eye(2)[torch.arange(64) % 2])
    changed = make(name).change(batch, random).images[::2]
    assert len(changed.flatten(1).unique(dim=0)) > 1


@pytest.mark.parametrize("name", [*DRAWS, "label_smoothing"])
def test_all_draws_come_from_the_given_generator(name: str, make: Make, batch: Batch) -> None:
    before = torch.get_rng_state()
    first = make(name).change(batch, torch.Generator().manual_seed(7))
    torch.rand(3)
    second = make(name).change(batch, torch.Generator().manual_seed(7))
    torch.set_rng_state(before)
    other = make(name).change(batch, torch.Generator().manual_seed(8))
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.targets, second.targets)
    assert torch.equal(torch.get_rng_state(), before)
    assert name == "label_smoothing" or not torch.equal(first.images, other.images)


@pytest.mark.parametrize("name", [*DRAWS, "label_smoothing"])
def test_targets_stay_probabilities_and_inputs_are_not_written_to(
    name: str, make: Make, batch: Batch, random: torch.Generator
) -> None:
    images, targets = batch.images.clone(), batch.targets.clone()
    changed = make(name).change(batch, random)
    assert torch.equal(batch.images, images)
    assert torch.equal(batch.targets, targets)
    assert changed.images.shape == images.shape
    assert (changed.images.dtype, changed.targets.dtype) == (torch.float32, torch.float32)
    assert float(changed.images.min()) >= 0
    assert float(changed.images.max()) <= 1
    torch.testing.assert_close(changed.targets.sum(1), torch.ones(len(targets)))
