from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.color import rgb2gray
from skimage.feature import hog

from baselines import _hog_on_device
from baselines._hog_on_device import hog_features_on
from baselines.hog_svm import HogSvm, hog_features
from harness.contracts import Task
from harness.errors import InputError

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("shape", "orientations", "cell", "block"),
    [
        ((32, 32, 3), 9, 8, 2),
        ((32, 32, 1), 9, 8, 2),
        ((33, 29, 3), 9, 8, 2),
        ((28, 28, 1), 9, 7, 3),
        ((20, 31, 1), 8, 5, 2),
        ((8, 8, 1), 9, 4, 2),
        ((8, 8, 1), 12, 2, 1),
        ((16, 17, 3), 1, 8, 1),
    ],
)
@pytest.mark.parametrize("picture", ["noise", "flat areas", "equal steps"])
def test_features_are_those_of_scikit_image(
    shape: tuple[int, int, int], orientations: int, cell: int, block: int, picture: str
) -> None:
    images = _images(picture, shape)
    expected = [
        hog(rgb2gray(image) if shape[2] == 3 else image[..., 0] / 255, orientations, (cell, cell), (block, block))
        for image in images
    ]
    found = hog_features(images, orientations, cell, block)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=1e-6)


def test_features_do_not_depend_on_how_many_images_come_together() -> None:
    images = _images("noise", (16, 16, 3))
    together = hog_features(np.concatenate([images] * 20), 9, 8, 2)
    assert np.array_equal(together[-len(images) :], hog_features(images, 9, 8, 2))


def test_an_image_of_one_gray_has_no_gradients() -> None:
    assert not hog_features(np.full((1, 16, 16, 3), 90, np.uint8), 9, 8, 2).any()


@pytest.mark.parametrize(
    ("shape", "advice"), [((8, 8, 1), "pixels_per_cell to 4 or less"), ((30, 9, 3), "to 4 or less")]
)
def test_too_small_an_image_is_refused_with_the_cell_size_that_fits(shape: tuple[int, int, int], advice: str) -> None:
    with pytest.raises(InputError, match=advice):
        HogSvm().build(_task(shape), 0)


def test_cells_may_be_as_large_as_the_advice_says() -> None:
    assert HogSvm(pixels_per_cell=4).build(_task((8, 8, 1)), 0).parameter_count() == 2 * (36 + 1)


@pytest.mark.parametrize(
    ("shape", "orientations", "cell", "block"),
    [
        ((32, 32, 3), 9, 8, 2),
        ((32, 32, 1), 9, 8, 2),
        ((33, 29, 3), 9, 8, 2),
        ((28, 28, 1), 9, 7, 3),
        ((20, 31, 1), 6, 5, 2),
        ((8, 8, 1), 10, 2, 1),
        ((16, 17, 3), 1, 8, 1),
    ],
)
@pytest.mark.parametrize("picture", ["noise", "flat areas", "equal steps"])
def test_features_on_a_device_are_those_of_scikit_image(
    shape: tuple[int, int, int], orientations: int, cell: int, block: int, picture: str
) -> None:
    images = _images(picture, shape)
    expected = [
        hog(rgb2gray(image) if shape[2] == 3 else image[..., 0] / 255, orientations, (cell, cell), (block, block))
        for image in images
    ]
    found = hog_features_on(images, orientations, cell, block, "cpu")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("orientations", [4, 8, 12, 16])
@pytest.mark.parametrize("picture", ["noise", "flat areas", "equal steps"])
def test_45_degrees_begin_a_bin_as_in_scikit_image_where_grays_are_exact(picture: str, orientations: int) -> None:
    images = _images(picture, (20, 31, 1))
    exact = images[..., 0] * 2.0**-8  # as / 255 is not; 0.4 % less contrast is normalized away
    expected = np.stack([hog(image, orientations, (5, 5), (2, 2)) for image in exact])
    np.testing.assert_allclose(hog_features_on(images, orientations, 5, 2, "cpu"), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("orientations", [4, 8, 12, 52])
def test_on_a_device_a_diagonal_ramp_votes_for_one_bin(orientations: int) -> None:
    rows, columns = np.indices((16, 16))
    ramps = np.stack([rows + columns, rows - columns + 15]).astype(np.uint8)[..., None]
    voted = hog_features_on(ramps, orientations, 4, 1, "cpu").reshape(2, 4, 4, orientations)[:, 1:-1, 1:-1] > 0
    for each, expected in zip(voted, (orientations // 4, orientations // 4 * 3), strict=True):
        assert (each.reshape(4, -1).nonzero()[1] == expected).all()
        assert each.sum() == 4


@pytest.mark.parametrize("orientations", [8, 9])
def test_a_gray_image_in_three_channels_has_the_bits_of_one_channel(orientations: int) -> None:
    images = _images("noise", (16, 16, 1))
    one, three = (hog_features_on(each, orientations, 8, 2, "cpu") for each in (images, images.repeat(3, axis=3)))
    np.testing.assert_array_equal(one, three)


def test_chunks_on_a_device_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    images = _images("noise", (16, 16, 3))
    together = hog_features_on(images, 9, 8, 2, "cpu")
    monkeypatch.setattr(_hog_on_device, "_CPU_PIXELS", 700)
    np.testing.assert_array_equal(hog_features_on(images, 9, 8, 2, "cpu"), together)


@needs_cuda
@pytest.mark.parametrize(("shape", "orientations"), [((32, 32, 3), 9), ((28, 28, 1), 9), ((20, 31, 1), 8)])
@pytest.mark.parametrize("picture", ["noise", "flat areas", "equal steps"])
def test_cuda_gives_the_bits_of_the_cpu(picture: str, shape: tuple[int, int, int], orientations: int) -> None:
    images = _images(picture, shape)
    on_cuda, on_cpu = (hog_features_on(images, orientations, 5, 2, device) for device in ("cuda", "cpu"))
    np.testing.assert_array_equal(on_cuda, on_cpu)


def _images(picture: str, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (12, *shape))
    if picture == "flat areas":  # gradients of 0 and directions of exactly 0 and 90 degrees
        noise = noise // 128 * 128
    if picture == "equal steps":  # directions of exactly 45 and 135 degrees, on bin edges
        rows, columns = np.indices(shape[:2])[..., None]
        noise = np.stack([(sign * rows * 5 + columns * 5) % 250 for sign in (1, -1)]) * np.ones(shape, int)
    return noise.astype(np.uint8)


def _task(shape: tuple[int, int, int]) -> Task:
    return Task(("a", "b"), shape, (0.5,) * shape[2], (0.25,) * shape[2])
