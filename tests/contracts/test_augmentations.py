from __future__ import annotations

import pytest
import torch

from harness.contracts import Batch
from harness.plugins import Catalog, Found

SHAPES = [(8, 3, 32, 32), (8, 1, 28, 28), (8, 3, 24, 40), (8, 1, 8, 8), (1, 3, 32, 32)]


def test_shape_type_and_range_are_kept(augmentation: Found, catalog: Catalog, given: Batch) -> None:
    changed = change(augmentation, catalog, given)
    assert changed.images.shape == given.images.shape
    assert changed.images.dtype == torch.float32
    assert torch.isfinite(changed.images).all()
    assert changed.images.min() >= 0
    assert changed.images.max() <= 1


def test_targets_stay_probabilities(augmentation: Found, catalog: Catalog, given: Batch) -> None:
    targets = change(augmentation, catalog, given).targets
    assert targets.shape == given.targets.shape
    assert targets.dtype == torch.float32
    assert (targets >= 0).all()
    assert torch.allclose(targets.sum(dim=1), torch.ones(len(targets)))


def test_the_given_batch_is_not_written_to(augmentation: Found, catalog: Catalog, given: Batch) -> None:
    images, targets = given.images.clone(), given.targets.clone()
    change(augmentation, catalog, given)
    assert torch.equal(given.images, images)
    assert torch.equal(given.targets, targets)


def test_the_same_generator_gives_the_same_batch(augmentation: Found, catalog: Catalog) -> None:
    given = batch((8, 3, 32, 32))
    first, second = (change(augmentation, catalog, given, seed=3) for _ in range(2))
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.targets, second.targets)


def test_only_the_given_generator_is_drawn_from(augmentation: Found, catalog: Catalog) -> None:
    before = torch.random.get_rng_state()
    change(augmentation, catalog, batch((8, 3, 32, 32)))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_each_image_draws_for_itself(augmentation: Found, catalog: Catalog) -> None:
    one = batch((1, 3, 32, 32))
    given = Batch(one.images.expand(64, -1, -1, -1).contiguous(), batch((64, 3, 2, 2)).targets)
    changed = change(augmentation, catalog, given).images
    if torch.equal(changed, given.images):
        pytest.skip("leaves equal images as they are")
    assert len(torch.unique(changed, dim=0)) > 1


@pytest.fixture(params=SHAPES, ids=str)
def given(request: pytest.FixtureRequest) -> Batch:
    return batch(request.param)


def batch(shape: tuple[int, int, int, int]) -> Batch:
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(5, (shape[0],), generator=random)
    return Batch(torch.rand(shape, generator=random), torch.eye(5)[labels])


def change(augmentation: Found, catalog: Catalog, given: Batch, seed: int = 0) -> Batch:
    changed = catalog.realize("augmentation", augmentation.name, {}).change(given, torch.Generator().manual_seed(seed))
    assert isinstance(changed, Batch)
    return changed
