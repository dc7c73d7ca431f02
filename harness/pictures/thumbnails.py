"""Which images stand for a classifier, and a small sheet of its errors: a report shows them without the data set.

`errors/thumbnails.png` holds the tiles row by row, pixels as they are up to 64 a side; `errors/thumbnails.json`
says of each tile which image it is, what it shows and what it was taken for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from harness.contracts import Answers, Examples, LabeledImages
from harness.measure.scores import log_softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_TILES: Final = 200
MOST_BYTES: Final = 620_000
"""Of a sheet's pixels before compression: 200 color tiles of 32 x 32, or 50 of 64 x 64."""
LONGEST_SIDE: Final = 64
"""Larger images are scaled down to it."""
COLUMNS: Final = 20
VERSION: Final = 1
SHOWN: Final = 6
"""Examples of right answers, and of wrong ones."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Misclassified images, the most confident first; all arrays are [M]."""

    place: NDArray[np.int64]
    """Row of the image among those given."""
    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    """Probability of the predicted class; for margins how far its score is above the true class's."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A misclassified image: its index in the source's split, and class numbers.

    `confidence` is the probability of the predicted class; for margins how far its score is above the true class's.
    """

    index: int
    label: int
    predicted: int
    confidence: float
    file: str = ""
    """What people call the image, empty where its source has no names."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The tiles of one cell, the most confident error first; `pixels` is the sheet, uint8 [H, W, C]."""

    split: str
    classes: tuple[str, ...]
    probabilistic: bool
    images: int
    """How many images were classified."""
    errors: int
    """How many of them wrongly; the sheet may hold fewer."""
    side: tuple[int, int]
    """Height and width of a tile."""
    tiles: tuple[Tile, ...]
    pixels: NDArray[np.uint8]

    def picture(self, place: int) -> NDArray[np.uint8]:
        """Return the pixels [height, width, C] of the tile at a place in `tiles`."""
        height, width = self.side
        top, left = place // COLUMNS * height, place % COLUMNS * width
        return self.pixels[top : top + height, left : left + width]


def confident_errors(labels: NDArray[np.int64], scores: NDArray[np.floating], probabilistic: bool = True) -> Errors:
    """Find the misclassified of N images by labels [N] and scores [N, K], the most confident first."""
    place = np.flatnonzero(scores.argmax(axis=1) != labels)
    rows = scores[place]
    true, predicted, each = labels[place], rows.argmax(axis=1), np.arange(len(place))
    margin = rows[each, predicted].astype(np.float64) - rows[each, true]
    confidence = np.exp(log_softmax(rows)[each, predicted]) if probabilistic and len(place) else margin
    order = np.lexsort((place, -margin, -confidence))
    return Errors(place[order], true[order], predicted[order], confidence[order])


def answers_of(
    images: NDArray[np.uint8], labels: NDArray[np.int64], scores: NDArray[np.floating], probabilistic: bool = True
) -> Answers:
    """Return at most six right answers and six wrong ones, of as many true classes as there are.

    The wrong ones are the most confident; the right ones are of middling confidence, since the surest look
    all alike.

    Args:
        images: uint8 [N, H, W, C]; may be memory-mapped, only what is chosen is read.
        labels: True classes [N].
        scores: Logits where `probabilistic`, else margins, [N, K].
        probabilistic: Whether softmax of the scores is a probability.
    """
    right = np.flatnonzero(scores.argmax(axis=1) == labels)
    best = np.sort(scores[right], axis=1)[:, -2:]
    middling = _from_middle(right[np.lexsort((right, best[:, -1] - best[:, 0]))])
    wrong = confident_errors(labels, scores, probabilistic).place
    shown = (_spread(place, labels) for place in (middling, wrong))
    return Answers(*(_examples(images, labels, scores, place) for place in shown))


def write_thumbnails(
    folder: Path,
    split: str,
    images: LabeledImages,
    scores: NDArray[np.floating],
    classes: Sequence[str],
    *,
    probabilistic: bool,
    names: Sequence[str] = (),
) -> None:
    """Write `thumbnails.png` (none without errors) and `thumbnails.json` into a folder that is made where missing.

    Args:
        folder: Where to.
        split: Which split the images are of: val or test.
        images: N images; only those shown are read.
        scores: Logits where `probabilistic`, else margins, [N, K].
        classes: The K class names.
        probabilistic: Whether softmax of the scores is a probability.
        names: What people call the images of the source's split, by their index; empty where they have no names.
    """
    errors = confident_errors(images.labels, scores, probabilistic)
    side = tile_side(images.images.shape[1:3])
    shown = min(len(errors.place), MOST_TILES, MOST_BYTES // (side[0] * side[1] * images.images.shape[3]))
    tiles = [
        Tile(
            index := int(images.index[place]),
            int(true),
            int(said),
            round(float(sure), 4),
            names[index] if names else "",
        )
        for place, true, said, sure in zip(
            errors.place[:shown], errors.true, errors.predicted, errors.confidence, strict=False
        )
    ]
    folder.mkdir(parents=True, exist_ok=True)
    if tiles:
        sheet = _sheet([_scaled(images.images[int(place)], side) for place in errors.place[:shown]])
        Image.fromarray(sheet[..., 0] if sheet.shape[2] == 1 else sheet).save(folder / "thumbnails.png", optimize=True)
    about: dict[str, Any] = {
        "version": VERSION,
        "split": split,
        "classes": list(classes),
        "probabilistic": probabilistic,
        "images": len(images),
        "errors": len(errors.place),
        "tile": {"height": side[0], "width": side[1], "columns": COLUMNS},
        "tiles": [_about(tile) for tile in tiles],
    }
    (folder / "thumbnails.json").write_text(json.dumps(about, ensure_ascii=False) + "\n", encoding="utf-8")


def read_thumbnails(folder: Path) -> Sheet:
    """Read what `write_thumbnails` wrote.

    Raises:
        ValueError: the folder holds no sheet of this version.
    """
    about = json.loads((folder / "thumbnails.json").read_text(encoding="utf-8"))
    if about.get("version") != VERSION:
        raise ValueError(f"{folder / 'thumbnails.json'}: version {about.get('version')}, this reads {VERSION}")
    return Sheet(
        split=about["split"],
        classes=tuple(about["classes"]),
        probabilistic=about["probabilistic"],
        images=about["images"],
        errors=about["errors"],
        side=(about["tile"]["height"], about["tile"]["width"]),
        tiles=tuple(Tile(**tile) for tile in about["tiles"]),
        pixels=_pixels(folder / "thumbnails.png") if about["tiles"] else np.empty((0, 0, 1), dtype=np.uint8),
    )


def tile_side(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return height and width of a tile for images of a height and width.

    >>> tile_side((32, 32)), tile_side((224, 112))
    ((32, 32), (64, 32))
    """
    height, width = shape
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _about(tile: Tile) -> dict[str, Any]:
    """Return a tile as JSON has it, without a file where the image has no name."""
    return {name: value for name, value in asdict(tile).items() if value != ""}


def _tile(index: int, true: int, said: int, confidence: float, names: Sequence[str]) -> Tile:
    return Tile(index, true, said, round(confidence, 4), names[index] if names else "")


def _scaled(image: NDArray[np.uint8], side: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an image [H, W, C] as a tile [height, width, C]."""
    if image.shape[:2] == side:
        return image
    flat = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    small = np.asarray(flat.resize((side[1], side[0]), Image.Resampling.LANCZOS))
    return small.reshape(*side, image.shape[2])


def _sheet(tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Return tiles [h, w, C] side by side, twenty a row, what is left of the last row black."""
    height, width, channels = tiles[0].shape
    columns, rows = min(COLUMNS, len(tiles)), -(-len(tiles) // COLUMNS)
    sheet = np.zeros((rows * height, columns * width, channels), dtype=np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // COLUMNS * height, place % COLUMNS * width
        sheet[top : top + height, left : left + width] = tile
    return sheet


def _pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path, formats=("PNG",)) as file:
        pixels = np.asarray(file)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _from_middle(ordered: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the values from the middle outwards."""
    return ordered[np.argsort(np.abs(np.arange(len(ordered)) - (len(ordered) - 1) / 2), kind="stable")]


def _spread(place: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return at most six of the places, in their order: the first of each class before the second of any."""
    seen: Counter[int] = Counter()
    turn = np.empty(len(place), dtype=np.int64)
    for row, label in enumerate(labels[place].tolist()):
        turn[row] = seen[label]
        seen[label] += 1
    return place[np.sort(np.argsort(turn, kind="stable")[:SHOWN])]


def _examples(
    images: NDArray[np.uint8], labels: NDArray[np.int64], scores: NDArray[np.floating], place: NDArray[np.int64]
) -> Examples:
    chosen = np.stack([images[int(each)] for each in place]) if len(place) else images[:0]
    return Examples(np.asarray(chosen), labels[place], scores[place].argmax(axis=1))
