from __future__ import annotations

from itertools import pairwise

import torch

from harness.contracts import Batch
from harness.train.batches import make_pool
from tests.augmentations.conftest import Make
from tests.train.conftest import CPU, pictures

DATA = pictures(400)


def mirrored(make: Make, epoch: int, rows: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Return which of the images at `rows` are mirrored in an epoch (from 0)."""
    batch = make_pool(DATA, 4, CPU, seed).gather(rows, torch.tensor(epoch))
    changed = make("alternating_flip").change(batch, torch.Generator().manual_seed(epoch)).images
    same, flipped = (torch.eq(changed, each).flatten(1).all(1) for each in (batch.images, batch.images.flip(-1)))
    assert bool((same ^ flipped).all())
    return flipped


def test_two_epochs_in_a_row_show_each_image_both_ways(make: Make) -> None:
    rows = torch.randperm(400, generator=torch.Generator().manual_seed(5))
    epochs = [mirrored(make, epoch, rows) for epoch in range(4)]
    for former, later in pairwise(epochs):
        assert bool((former ^ later).all())
    assert torch.equal(epochs[0], epochs[2])


def test_an_image_is_mirrored_wherever_it_comes_in_the_epoch(make: Make) -> None:
    rows = torch.randperm(400, generator=torch.Generator().manual_seed(5))
    in_order = mirrored(make, 0, torch.arange(400))
    assert torch.equal(mirrored(make, 0, rows), in_order[rows])


def test_half_of_the_images_are_mirrored_other_ones_for_another_seed(make: Make) -> None:
    first, second = (mirrored(make, 0, torch.arange(400), seed) for seed in (0, 1))
    assert 160 <= int(first.sum()) <= 240
    assert 140 <= int((first ^ second).sum()) <= 260


def test_a_batch_of_no_epoch_is_mirrored_at_random(make: Make, batch: Batch) -> None:
    assert batch.lots is None
    random = torch.Generator().manual_seed(0)
    first, second = (make("alternating_flip").change(batch, random).images for _ in range(2))
    assert not torch.equal(first, second)
