from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from harness.measure.confusion import colors_of, percent_text
from harness.measure.diagnosis import mean_of
from harness.measure.galleries import confident_errors
from harness.measure.pictures import draw_confusion, draw_curves, draw_errors, draw_filters

RANDOM = np.random.default_rng(0)
HISTORY = [
    {"train/loss": 2 / e, "val/loss": 2.2 / e, "train/accuracy": 1 - 1 / e, "val/accuracy": 0.8} for e in range(1, 6)
]


def drawn(path: Path) -> NDArray[np.float64]:
    """Return the pixels of a PNG that has more than one color."""
    pixels = np.asarray(imread(path))
    gray = pixels[::3, ::3, :3] @ np.array([1.0, 1.7, 3.1])
    assert len(np.unique(gray)) > 10
    return pixels


@pytest.mark.parametrize("classes", [2, 10, 26, 100])
def test_a_confusion_matrix_of_any_size_is_a_square_picture(tmp_path: Path, classes: int) -> None:
    counts = RANDOM.integers(0, 50, (classes, classes))
    draw_confusion(counts, [f"class {i}" for i in range(classes)], tmp_path / "new" / "confusion.png")
    height, width, _ = drawn(tmp_path / "new" / "confusion.png").shape
    assert height == width
    assert height >= 500


def test_a_class_without_images_is_an_empty_row(tmp_path: Path) -> None:
    counts = np.array([[5, 1], [0, 0]])
    draw_confusion(counts, ["a", "b"], tmp_path / "confusion.png")
    colors = colors_of(np.array([[5 / 6, 1 / 6], [0, 0]]))
    np.testing.assert_allclose(colors[1], 1)


def test_right_is_blue_and_wrong_is_amber() -> None:
    colors = colors_of(np.array([[0.5, 0.5], [0.5, 0.5]]))
    assert colors[0, 0, 2] > colors[0, 0, 0]
    assert colors[0, 1, 0] > colors[0, 1, 2]


@pytest.mark.parametrize(("share", "text"), [(0.0, "0"), (0.005, "<1"), (0.01, "1"), (0.995, ">99"), (1.0, "100")])
def test_percent_hides_no_error(share: float, text: str) -> None:
    assert percent_text(share) == text


def test_names_with_dollars_and_line_breaks_are_drawn_as_they_are(tmp_path: Path) -> None:
    draw_confusion(np.eye(2, dtype=np.int64), ["$\\frac{", "a\nb$c"], tmp_path / "confusion.png")
    drawn(tmp_path / "confusion.png")


def test_curves_are_drawn_with_and_without_validation(tmp_path: Path) -> None:
    draw_curves(HISTORY, tmp_path / "both.png")
    draw_curves([{"train/loss": epoch["train/loss"]} for epoch in HISTORY], tmp_path / "train.png")
    assert drawn(tmp_path / "both.png").shape == drawn(tmp_path / "train.png").shape


def test_seeds_that_stopped_early_shorten_their_mean() -> None:
    np.testing.assert_allclose(mean_of([np.array([1.0, 2.0, 9.0]), np.array([3.0, 4.0])]), [2, 3])


def test_no_epochs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no epochs"):
        draw_curves([], tmp_path / "curves.png")


@pytest.mark.parametrize("shape", [(64, 3, 3, 3), (1, 1, 5, 5), (500, 3, 7, 7)])
def test_filters_are_drawn(tmp_path: Path, shape: tuple[int, ...]) -> None:
    draw_filters(RANDOM.normal(size=shape).astype(np.float32), tmp_path / "filters.png")
    drawn(tmp_path / "filters.png")


def test_filters_that_do_not_look_at_pixels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="with in 1 or 3"):
        draw_filters(np.zeros((8, 16, 3, 3), dtype=np.float32), tmp_path / "filters.png")


def test_errors_come_most_confident_first() -> None:
    labels = np.array([0, 0, 1, 1])
    scores = np.array([[0, 1], [0, 5], [0, 9], [2, 0]], dtype=np.float32)
    errors = confident_errors(labels, scores)
    np.testing.assert_array_equal(errors.place, [1, 3, 0])
    np.testing.assert_allclose(errors.confidence, 1 / (1 + np.exp([-5.0, -2.0, -1.0])))
    np.testing.assert_allclose(confident_errors(labels, scores, probabilistic=False).confidence, [5, 2, 1])


@pytest.mark.parametrize(("wrong", "channels"), [(0, 3), (1, 1), (100, 3)])
def test_few_many_and_no_errors_are_drawn(tmp_path: Path, wrong: int, channels: int) -> None:
    labels = np.zeros(100, dtype=np.int64)
    scores = np.where(np.arange(100)[:, None] < wrong, [[0, 1.0]], [[1.0, 0]])
    images = RANDOM.integers(0, 255, (100, 6, 8, channels), dtype=np.uint8)
    draw_errors(images, labels, scores, ["a", "b"], tmp_path / "errors.png")
    drawn(tmp_path / "errors.png")


def test_drawing_leaves_no_global_figures(tmp_path: Path) -> None:
    draw_curves(HISTORY, tmp_path / "curves.png")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
