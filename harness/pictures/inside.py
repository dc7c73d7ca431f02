"""Where a classifier saw a class, laid over the images it was right and wrong about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from harness.contracts import Answers, Examples
from harness.pictures.gallery import AMBER, BLUE, INFERNO, Row, Tile, as_rgb, colored, compose

if TYPE_CHECKING:
    from numpy.typing import NDArray

STRENGTH: Final = 0.65
"""How much of the image the strongest evidence covers."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Evidence, 0 or more, for classes in the images of some answers; each [M, h, w] at any size."""

    source: str
    """What the evidence is, in words."""
    right: NDArray[np.floating]
    """For the class of the right answers."""
    wrong: NDArray[np.floating]
    """For what the wrong ones were taken for."""
    missed: NDArray[np.floating]
    """For what the wrong ones are."""


def evidence(answers: Answers, seen: Seen, classes: Sequence[str]) -> bytes:
    """Return images and the evidence over them as PNG; `classes` are the K class names."""
    right, wrong = answers.right, answers.wrong
    missed = [classes[each] for each in wrong.true]
    rows = [
        *example_rows(right, "right answers", classes, BLUE),
        *_overlays(right, seen.right, "the evidence for their class"),
        *example_rows(wrong, "wrong answers: what they were taken for", classes, AMBER),
        *_overlays(wrong, seen.wrong, "the evidence for that"),
        *_overlays(wrong, seen.missed, "the evidence for what they are", missed),
    ]
    return compose(f"{seen.source}; each map is scaled by itself", rows)


def overlay(image: NDArray[np.uint8], evidence_: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return an image [H, W, C] as RGB in [0, 1], colored where the evidence [h, w] is strong.

    Evidence is enlarged bilinearly and divided by its largest value; where there is none, the image is gray.
    """
    gray = as_rgb(image).mean(axis=2, keepdims=True)
    height, width = image.shape[:2]
    enlarged = Image.fromarray(evidence_.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    share = np.asarray(enlarged, dtype=np.float64)
    share = share / (share.max() or 1.0)
    cover = STRENGTH * share[..., None]
    return np.asarray(gray * (1 - cover) + colored(0.25 + 0.75 * share, INFERNO) * cover)


def example_rows(examples: Examples, heading: str, classes: Sequence[str], color: str) -> list[Row]:
    """Return a row of images with the names of their predicted classes; none without images."""
    names = [classes[each] for each in examples.predicted]
    tiles = [Tile(as_rgb(image), ((name, color),)) for image, name in zip(examples.images, names, strict=True)]
    return [Row(tiles, heading)] if tiles else []


def _overlays(
    examples: Examples, maps: NDArray[np.floating], heading: str, names: Sequence[str] | None = None
) -> list[Row]:
    lines = [((name, BLUE),) for name in names] if names else [()] * len(examples)
    shown = zip(examples.images, maps, lines, strict=True)
    tiles = [Tile(overlay(image, each), line) for image, each, line in shown]
    return [Row(tiles, heading)] if tiles else []
