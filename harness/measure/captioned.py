"""Misclassified images in rows, each with what it was taken for and what it is, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from harness.measure.drawing import AMBER, BLUE, INK, MUTED, clear_axes, literal, new_figure, save, shortened

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

A_ROW: Final = 12
TILE_INCHES: Final = 0.8
PITCH: Final = 1.12
"""From one image to the next, in longer sides of an image."""
ROW: Final = 1.52
"""An image with two lines below it."""
HEADING: Final = 0.3
NAME_LENGTH: Final = 11


@dataclass(frozen=True, slots=True)
class Captioned:
    """An image uint8 [H, W, C], C 1 or 3, with the lines below it: what it was taken for, and its true class."""

    pixels: NDArray[np.uint8]
    said: str
    sure: str
    true: str


def draw_captioned(title: str, groups: Sequence[tuple[str, Sequence[Captioned]]], path: Path) -> None:
    """Draw groups of images, each below its heading (empty for none), twelve a row; nothing is smoothed."""
    columns = min(A_ROW, max(len(images) for _, images in groups))
    height = sum((HEADING if heading else 0) + ROW * -(-len(images) // A_ROW) for heading, images in groups)
    figure = new_figure(max(4.5, PITCH * columns * TILE_INCHES + 0.1), height * TILE_INCHES + 0.35)
    axes = figure.subplots()
    clear_axes(axes)
    axes.set_title(literal(title), loc="left", fontsize=9, color=MUTED)
    top = 0.0
    for heading, images in groups:
        if heading:
            axes.text(0, top, literal(heading), fontsize=8, color=INK, va="top", fontweight="bold")
            top += HEADING
        for place, image in enumerate(images):
            _draw(axes, image, place % A_ROW * PITCH, top + place // A_ROW * ROW)
        top += ROW * -(-len(images) // A_ROW)
    wide = max(4.5 / TILE_INCHES, PITCH * columns)
    axes.set(xlim=(-0.02, wide), ylim=(height, -0.05), aspect="equal")
    save(figure, path)


def _draw(axes: Axes, image: Captioned, left: float, top: float) -> None:
    height, width = (side / max(image.pixels.shape[:2]) for side in image.pixels.shape[:2])
    pixels = np.repeat(image.pixels, 3, axis=2) if image.pixels.shape[2] == 1 else image.pixels
    axes.imshow(pixels, extent=(left, left + width, top + height, top), interpolation="nearest")
    said = f"{shortened(image.said, NAME_LENGTH)}, {image.sure}"
    axes.text(left, top + height + 0.04, literal(said), fontsize=6.5, color=AMBER, va="top", in_layout=False)
    true = f"is {shortened(image.true, NAME_LENGTH)}"
    axes.text(left, top + height + 0.22, literal(true), fontsize=6.5, color=BLUE, va="top", in_layout=False)
