"""Which images stand for a classifier, and the sheet of its errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.contracts import LabeledImages
from harness.pictures.thumbnails import (
    MOST_TILES,
    SHOWN,
    answers_of,
    confident_errors,
    read_thumbnails,
    write_thumbnails,
)

RANDOM = np.random.default_rng(0)
SOME_LABELS = np.arange(60) % 3
SOME_IMAGES = RANDOM.integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)


def labeled(count: int, side: int = 8, channels: int = 3) -> LabeledImages:
    """Return images of class 0, whose indices in the split are not their rows."""
    images = RANDOM.integers(0, 256, (count, side, side, channels), dtype=np.uint8)
    return LabeledImages(images, np.zeros(count, dtype=np.int64), np.arange(count) * 10)


def wrong_by(margins: list[float]) -> NDArray[np.float32]:
    """Return scores [N, 2] that are wrong by a margin, right where it is negative."""
    return np.array([[0.0, margin] for margin in margins], dtype=np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_sheet_gives_back_each_error_pixel_by_pixel(tmp_path: Path, channels: int) -> None:
    images = labeled(30, channels=channels)
    write_thumbnails(tmp_path, "test", images, wrong_by([i - 3.5 for i in range(30)]), ("a", "b"), probabilistic=True)
    sheet = read_thumbnails(tmp_path)
    assert (sheet.images, sheet.errors, len(sheet.tiles), sheet.split) == (30, 26, 26, "test")
    assert [tile.index for tile in sheet.tiles] == [i * 10 for i in range(29, 3, -1)]
    for place, tile in enumerate(sheet.tiles):
        np.testing.assert_array_equal(sheet.picture(place), images.images[tile.index // 10])
    assert (sheet.tiles[0].label, sheet.tiles[0].predicted) == (0, 1)
    assert sheet.tiles[-1].confidence == pytest.approx(1 / (1 + np.exp(-0.5)), abs=1e-4)


def test_at_most_two_hundred_errors_are_kept_the_surest(tmp_path: Path) -> None:
    count = MOST_TILES + 50
    scores = wrong_by([0.01 * (i + 1) for i in range(count)])
    write_thumbnails(tmp_path, "val", labeled(count), scores, ("a", "b"), probabilistic=False)
    sheet = read_thumbnails(tmp_path)
    assert (sheet.errors, len(sheet.tiles)) == (count, MOST_TILES)
    assert sheet.tiles[0].index == (count - 1) * 10
    assert sheet.tiles[0].confidence == pytest.approx(0.01 * count, abs=1e-4)


def test_large_images_are_scaled_down_and_fewer_are_kept(tmp_path: Path) -> None:
    write_thumbnails(tmp_path, "test", labeled(90, 128), wrong_by([1.0] * 90), ("a", "b"), probabilistic=True)
    sheet = read_thumbnails(tmp_path)
    assert sheet.side == (64, 64)
    assert len(sheet.tiles) == 50
    assert (tmp_path / "thumbnails.png").stat().st_size < 1_000_000


def test_no_errors_leave_a_table_without_tiles(tmp_path: Path) -> None:
    write_thumbnails(tmp_path, "test", labeled(5), wrong_by([-1.0] * 5), ("a", "b"), probabilistic=True)
    assert not (tmp_path / "thumbnails.png").exists()
    assert read_thumbnails(tmp_path).tiles == ()


def test_the_sheet_can_be_read_without_the_harness(tmp_path: Path) -> None:
    write_thumbnails(tmp_path, "test", labeled(25), wrong_by([1.0] * 25), ("cat", "dog"), probabilistic=True)
    about = json.loads((tmp_path / "thumbnails.json").read_text())
    tile = about["tile"]
    with Image.open(tmp_path / "thumbnails.png") as picture:
        assert picture.size == (tile["columns"] * tile["width"], 2 * tile["height"])
    assert about["classes"] == ["cat", "dog"]
    assert set(about["tiles"][0]) == {"index", "label", "predicted", "confidence"}


def test_a_sheet_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thumbnails.json").write_text('{"version": 99}')
    with pytest.raises(ValueError, match="version 99"):
        read_thumbnails(tmp_path)


def scores(wrong: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return logits that are right but for the first `wrong` images."""
    said = np.where(np.arange(60) < wrong, (SOME_LABELS + 1) % 3, SOME_LABELS)
    return np.eye(3)[said] * (1 + np.arange(60))[:, None] / 30


def test_errors_come_most_confident_first() -> None:
    labels = np.array([0, 0, 1, 1])
    scores = np.array([[0, 1], [0, 5], [0, 9], [2, 0]], dtype=np.float32)
    errors = confident_errors(labels, scores)
    np.testing.assert_array_equal(errors.place, [1, 3, 0])
    np.testing.assert_allclose(errors.confidence, 1 / (1 + np.exp([-5.0, -2.0, -1.0])))
    np.testing.assert_allclose(confident_errors(labels, scores, probabilistic=False).confidence, [5, 2, 1])


@pytest.mark.parametrize(("wrong", "expected"), [(0, (6, 0)), (1, (6, 1)), (60, (0, 6)), (20, (6, 6))])
def test_examples_are_as_many_as_there_are_up_to_six(wrong: int, expected: tuple[int, int]) -> None:
    answers = answers_of(SOME_IMAGES, SOME_LABELS, scores(wrong))
    assert (len(answers.right), len(answers.wrong)) == expected
    assert (answers.right.predicted == answers.right.true).all()
    assert (answers.wrong.predicted != answers.wrong.true).all()


def test_examples_are_of_as_many_classes_as_there_are() -> None:
    answers = answers_of(SOME_IMAGES, SOME_LABELS, scores(20))
    for examples in (answers.right, answers.wrong):
        assert np.bincount(examples.true, minlength=3).tolist() == [SHOWN // 3] * 3


def test_wrong_examples_are_the_most_confident_and_right_ones_are_middling() -> None:
    labels, said = np.zeros(40, dtype=np.int64), np.arange(40) < 10
    sure = np.arange(1.0, 41.0)[:, None] * np.where(said[:, None], [0, 1], [1, 0])
    images = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), dtype=np.uint8)
    answers = answers_of(images, labels, sure)
    assert answers.wrong.images[:, 0, 0, 0].tolist() == [9, 8, 7, 6, 5, 4]
    assert sorted(answers.right.images[:, 0, 0, 0].tolist()) == [22, 23, 24, 25, 26, 27]
