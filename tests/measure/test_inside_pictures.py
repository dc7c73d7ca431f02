from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.feature import hog

from harness.measure.class_evidence import Seen, draw_evidence, overlay
from harness.measure.examples import SHOWN, answers_of
from harness.measure.feature_maps import draw_feature_maps, strongest
from harness.measure.hog_pictures import Contributions, HogShape, cell_histograms, draw_hog, for_class, strokes_of

RANDOM = np.random.default_rng(0)
CLASSES = ("cat", "dog", "owl")
LABELS = np.arange(60) % 3
IMAGES = RANDOM.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)


def scores(wrong: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return logits that are right but for the first `wrong` images."""
    said = np.where(np.arange(60) < wrong, (LABELS + 1) % 3, LABELS)
    return np.eye(3)[said] * (1 + np.arange(60))[:, None] / 30


@pytest.mark.parametrize(("wrong", "expected"), [(0, (6, 0)), (1, (6, 1)), (60, (0, 6)), (20, (6, 6))])
def test_examples_are_as_many_as_there_are_up_to_six(wrong: int, expected: tuple[int, int]) -> None:
    answers = answers_of(IMAGES, LABELS, scores(wrong))
    assert (len(answers.right), len(answers.wrong)) == expected
    assert (answers.right.predicted == answers.right.true).all()
    assert (answers.wrong.predicted != answers.wrong.true).all()


def test_examples_are_of_as_many_classes_as_there_are() -> None:
    answers = answers_of(IMAGES, LABELS, scores(20))
    for examples in (answers.right, answers.wrong):
        assert np.bincount(examples.true, minlength=3).tolist() == [SHOWN // 3] * 3


def test_wrong_examples_are_the_most_confident_and_right_ones_are_middling() -> None:
    labels, said = np.zeros(40, dtype=np.int64), np.arange(40) < 10
    sure = np.arange(1.0, 41.0)[:, None] * np.where(said[:, None], [0, 1], [1, 0])
    images = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), dtype=np.uint8)
    answers = answers_of(images, labels, sure)
    assert answers.wrong.images[:, 0, 0, 0].tolist() == [9, 8, 7, 6, 5, 4]
    assert sorted(answers.right.images[:, 0, 0, 0].tolist()) == [22, 23, 24, 25, 26, 27]


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


def test_an_overlay_is_gray_without_evidence_and_colored_with_it() -> None:
    image = IMAGES[0]
    none = overlay(image, np.zeros((4, 4)))
    np.testing.assert_allclose(none, (image / 255).mean(axis=2, keepdims=True) * np.ones(3), atol=1e-12)
    corner = np.zeros((4, 4))
    corner[0, 0] = 7.0
    colored = overlay(image, corner)
    assert np.ptp(colored[0, 0]) > 0.2
    np.testing.assert_allclose(colored[-1, -1], none[-1, -1])


def test_the_strongest_maps_come_first() -> None:
    maps = np.zeros((20, 2, 2))
    maps[:, 0, 0] = -np.arange(20)
    assert strongest(maps).tolist() == list(range(19, 7, -1))


@pytest.mark.parametrize("wrong", [0, 3, 60])
def test_pictures_are_drawn_whatever_the_answers(tmp_path: Path, wrong: int) -> None:
    answers = answers_of(IMAGES, LABELS, scores(wrong))
    right, missed = np.ones((len(answers.right), 4, 4)), np.zeros((len(answers.wrong), 4, 4))
    draw_evidence(answers, Seen("by hand", right, missed, missed), CLASSES, tmp_path / "evidence.png")
    shape = HogShape(9, 4, 2)
    added = Contributions(np.ones((len(answers.right), 36)), np.ones((len(answers.wrong), 36)))
    draw_hog(answers, added, shape, CLASSES, tmp_path / "hog.png")
    assert all((tmp_path / name).stat().st_size > 3000 for name in ("evidence.png", "hog.png"))


def test_feature_maps_of_many_layers_are_drawn_twice_the_same(tmp_path: Path) -> None:
    layers = [(f"layer {size}", RANDOM.normal(size=(3 * size, size, size))) for size in (16, 8, 8, 4, 2, 1)]
    for name in ("a.png", "b.png"):
        draw_feature_maps(IMAGES[0], layers, "cat, taken for dog", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
