"""Histograms of oriented gradients as pictures: what a linear classifier over them gets to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.contracts import Answers, Examples
from harness.pictures.gallery import AMBER, BLUE, Row, Strokes, Tile, as_rgb, compose
from harness.pictures.inside import example_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

LUMINANCE: Final = (0.2125, 0.7154, 0.0721)
"""As `skimage.color.rgb2gray` weighs red, green and blue."""
FAINTEST: Final = 0.03
"""Share of the strongest line below which one is left out."""


@dataclass(frozen=True, slots=True)
class HogShape:
    """Histogram bins over 180 degrees; side of a cell in pixels; side of a block in cells."""

    orientations: int
    cell: int
    block: int


def hog_picture(
    answers: Answers, added: Mapping[str, NDArray[np.floating]], shape: HogShape, classes: Sequence[str]
) -> bytes:
    """Return images, their histograms and what speaks for the predicted class as PNG.

    Args:
        answers: Some right answers and some wrong ones.
        added: "right" and "wrong" -> what each feature adds to the predicted class's score, [M, D].
        shape: Of the histograms.
        classes: The K class names.
    """
    rows = [
        *example_rows(answers.right, "right answers", classes, BLUE),
        *_hog_rows(answers.right, added["right"], shape),
        *example_rows(answers.wrong, "wrong answers: what they were taken for", classes, AMBER),
        *_hog_rows(answers.wrong, added["wrong"], shape),
    ]
    title = f"{shape.orientations} directions of edges in cells of {shape.cell} x {shape.cell} pixels"
    return compose(f"{title}; each picture is scaled by itself", rows)


def cell_histograms(image: NDArray[np.uint8], shape: HogShape) -> NDArray[np.float64]:
    """Return [cell rows, cell columns, orientations]: mean gradient magnitude by direction, over 180 degrees.

    As `skimage.feature.hog` has them before blocks are normalized (Dalal and Triggs 2005, sections
    6.2 and 6.3; without their interpolation between bins).

    Args:
        image: uint8 [H, W, C], C 1 or 3; of color the luminance counts.
        shape: Of the histograms.
    """
    gray, cell = as_rgb(image) @ LUMINANCE, shape.cell
    down, right = np.zeros_like(gray), np.zeros_like(gray)
    down[1:-1], right[:, 1:-1] = gray[2:] - gray[:-2], gray[:, 2:] - gray[:, :-2]
    rows, columns = gray.shape[0] // cell, gray.shape[1] // cell
    angle = np.rad2deg(np.arctan2(down, right)) % 180
    edges = 180.0 / shape.orientations * np.arange(1, shape.orientations)
    bins = np.digitize(angle, edges)
    magnitude = np.hypot(down, right)
    histograms = np.zeros((rows, columns, shape.orientations))
    for each in range(shape.orientations):
        part = np.where(bins == each, magnitude, 0.0)[: rows * cell, : columns * cell]
        histograms[..., each] = part.reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    return histograms


def for_class(contributions: NDArray[np.floating], cells: tuple[int, ...], shape: HogShape) -> NDArray[np.float64]:
    """Return the positive part of what each bin adds to a score, summed over the blocks that hold its cell.

    Args:
        contributions: One a feature, [D]: block rows x block columns x block x block x orientations.
        cells: Cell rows, cell columns, orientations.
        shape: Of the histograms.
    """
    rows, columns = cells[0] - shape.block + 1, cells[1] - shape.block + 1
    blocks = contributions.reshape(rows, columns, shape.block, shape.block, shape.orientations)
    total = np.zeros(cells)
    for down in range(shape.block):
        for right in range(shape.block):
            total[down : down + rows, right : right + columns] += blocks[:, :, down, right]
    return np.maximum(total, 0.0)


def strokes_of(histograms: NDArray[np.floating], shape: HogShape, height: int, width: int) -> Strokes:
    """Return a line for each bin, at right angles to its gradient, as white as it is strong.

    Centers and directions are those of `skimage.feature.hog` with `visualize=True`.

    Args:
        histograms: [cell rows, cell columns, orientations].
        shape: Of the histograms.
        height: Of the image, in pixels.
        width: Of the image, in pixels.
    """
    row, column, bin_ = (index.ravel() for index in np.indices(histograms.shape))
    angle = np.pi * (bin_ + 0.5) / shape.orientations
    center = np.stack([(column + 0.5) * shape.cell / width, (row + 0.5) * shape.cell / height], axis=1)
    reach = 0.45 * shape.cell / np.array([width, height]) * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    strength = (histograms / (histograms.max() or 1.0)).ravel()
    shown = np.argsort(strength, kind="stable")
    shown = shown[strength[shown] > FAINTEST]
    ends = np.stack([center - reach, center + reach], axis=1)[shown]
    return Strokes(ends, np.column_stack([np.ones((len(shown), 3)), strength[shown]]))


def _hog_rows(examples: Examples, added: NDArray[np.floating], shape: HogShape) -> list[Row]:
    if not len(examples):
        return []
    histograms = [cell_histograms(image, shape) for image in examples.images]
    speaking = [for_class(one, each.shape, shape) for one, each in zip(added, histograms, strict=True)]
    size = examples.images.shape[1:3]
    return [
        Row([_glyphs(each, shape, *size) for each in histograms], "their edges"),
        Row([_glyphs(each, shape, *size) for each in speaking], "which of them speak for that class"),
    ]


def _glyphs(histograms: NDArray[np.floating], shape: HogShape, height: int, width: int) -> Tile:
    return Tile(np.full((height, width, 3), 0.07), strokes=strokes_of(histograms, shape, height, width))
