from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.contracts import LabeledImages
from harness.train.batches import Normalize, as_tensor, batch_sizes, make_pool
from tests.train.conftest import CPU, TASK, pictures


@pytest.mark.parametrize(
    ("count", "batch_size", "most", "expected"),
    [
        (12, 4, None, (4, 4, 4)),
        (14, 4, None, (4, 4, 4, 2)),
        (13, 4, None, (4, 4, 5)),
        (3, 1, None, (1, 1, 1)),
        (1, 4, None, (1,)),
        (3, 4, None, (3,)),
        (13, 4, 2, (4, 4)),
        (14, 4, 9, (4, 4, 4, 2)),
    ],
)
def test_batches_hold_every_image_and_never_a_single_one_left_over(
    count: int, batch_size: int, most: int | None, expected: tuple[int, ...]
) -> None:
    assert batch_sizes(count, batch_size, most) == expected
    assert most is not None or sum(expected) == count


def test_a_batch_is_float_images_channels_first_and_one_hot_targets() -> None:
    data = pictures(30)
    rows = [7, 3, 3, 29]
    batch = make_pool(data, 4, CPU).gather(torch.tensor(rows))
    expected = data.images[rows].transpose(0, 3, 1, 2).astype(np.float32) / 255
    assert np.array_equal(batch.images.numpy(), expected)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(batch.targets.numpy(), np.eye(4)[data.labels[rows]])


def test_normalizing_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    images = torch.rand(5, 3, 4, 4)
    mean, std = (torch.tensor(values)[:, None, None] for values in (TASK.mean, TASK.std))
    torch.testing.assert_close(Normalize(TASK, CPU)(images), (images - mean) / std)


def test_images_on_the_cpu_are_not_copied_and_may_be_read_only() -> None:
    data = pictures(4)
    assert not data.images.flags.writeable
    tensor = make_pool(data, 4, CPU).images
    assert tensor.data_ptr() == as_tensor(data.images).data_ptr() == data.images.ctypes.data


def test_memory_mapped_images_are_gathered(tmp_path: Path) -> None:
    data = pictures(9)
    file = tmp_path / "images.npy"
    np.save(file, data.images)
    mapped = LabeledImages(np.load(file, mmap_mode="r"), data.labels, data.index)
    rows = torch.arange(9)
    assert torch.equal(make_pool(mapped, 4, CPU).gather(rows).images, make_pool(data, 4, CPU).gather(rows).images)
