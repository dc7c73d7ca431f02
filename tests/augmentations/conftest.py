from __future__ import annotations

from typing import Any, Protocol

import pytest
import torch

from harness.contracts import Batch
from harness.plugins import Catalog

COUNT = 64


class Make(Protocol):
    def __call__(self, name: str, **options: object) -> Any:
        """Return an augmentation by name."""


@pytest.fixture(scope="session")
def make() -> Make:
    catalog = Catalog()

    def made(name: str, **options: object) -> Any:
        return catalog.realize("augmentation", name, options)

    return made


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(params=["3 channels", "1 channel"])
def batch(request: pytest.FixtureRequest) -> Batch:
    """64 images of 12 x 10 as training makes them: channels last in memory, values k / 255."""
    channels = 3 if request.param == "3 channels" else 1
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (COUNT, 12, 10, channels), generator=generator)
    labels = torch.randint(0, 5, (COUNT,), generator=generator)
    return Batch(pixels.permute(0, 3, 1, 2).float() / 255, torch.eye(5)[labels])


@pytest.fixture
def color_batch(batch: Batch) -> Batch:
    if batch.images.shape[1] != 3:
        pytest.skip("colors need three channels")
    return batch
