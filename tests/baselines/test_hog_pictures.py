"""Histograms of oriented gradients as pictures."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.feature import hog

from baselines._hog_pictures import HogShape, cell_histograms, for_class, hog_picture, strokes_of
from harness.contracts import Answers, Examples

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("side", "cell", "orientations"), [(32, 8, 9), (24, 4, 6), (16, 2, 9)])
def test_histograms_equal_those_of_scikit_image(side: int, cell: int, orientations: int) -> None:
    image = RANDOM.integers(0, 256, (side, side, 1), dtype=np.uint8)
    found = cell_histograms(image, HogShape(orientations, cell, 1))
    expected = hog(image[..., 0] / 255, orientations, (cell, cell), (1, 1), block_norm="L1", feature_vector=False)
    normalized = found / (found.sum(axis=2, keepdims=True) + 1e-5)
    np.testing.assert_allclose(normalized, expected[:, :, 0, 0], atol=1e-6)


@pytest.mark.parametrize("degrees", [10, 50, 90, 130, 170])
def test_lines_run_where_scikit_image_draws_them(degrees: float) -> None:
    rows, columns = np.mgrid[:64, :64] / 64.0
    wave = np.cos(np.deg2rad(degrees)) * columns + np.sin(np.deg2rad(degrees)) * rows
    image = (127 + 100 * np.sin(20 * wave)).round().astype(np.uint8)
    shape = HogShape(9, 64, 1)
    _, drawn = hog(image / 255, 9, (64, 64), (1, 1), visualize=True)
    histograms = cell_histograms(image[..., None], shape)
    strokes = strokes_of(histograms, shape, 64, 64)
    strongest_line = strokes.ends[-1] * 64
    inner = np.linspace(0.15, 0.85, 9)[:, None]
    places = (strongest_line[0] * (1 - inner) + strongest_line[1] * inner).round().astype(int)
    around = [drawn[y - 1 : y + 2, x - 1 : x + 2].max() for x, y in places]
    assert min(around) >= histograms.max() * 0.999  # more where the lines cross
    assert (drawn >= histograms.max() * 0.999).sum() < 2 * 64  # a thin line, not the whole cell


def test_what_speaks_for_a_class_is_summed_over_blocks_and_never_negative() -> None:
    shape = HogShape(orientations=2, cell=4, block=2)
    contributions = np.ones((2, 2, 2, 2, 2))
    contributions[..., 1] = -1
    found = for_class(contributions.ravel(), (3, 3, 2), shape)
    assert found[..., 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert (found[..., 1] == 0).all()


@pytest.mark.parametrize(("right", "wrong"), [(6, 0), (0, 6), (2, 3)])
def test_the_picture_is_drawn_whatever_the_answers(right: int, wrong: int) -> None:
    images = RANDOM.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    some = [Examples(images[:count], np.zeros(count, np.int64), np.ones(count, np.int64)) for count in (right, wrong)]
    added = {"right": np.ones((right, 36)), "wrong": np.ones((wrong, 36))}
    assert len(hog_picture(Answers(*some), added, HogShape(9, 4, 2), ("cat", "dog"))) > 3000
