"""Small pictures of misclassified images, from the sheets that the cells left."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from harness.measure.confusion import percent_text
from harness.measure.thumbnails import Sheet, Tile, read_thumbnails
from harness.report.predictions import Member
from harness.report.store import ReportStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT_UP_TO: Final = 40
"""Pixels a side up to which a tile is embedded as it is; larger ones are photographs, for which JPEG is far smaller."""
JPEG_QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class Picture:
    """A misclassified image: its pixels uint8 [H, W, C] and what is written below it."""

    pixels: NDArray[np.uint8]
    true: str
    predicted: str
    sure: str
    """How sure the model was, or how many models said so."""

    @property
    def words(self) -> str:
        """The picture for those who do not see it."""
        return f"{self.true} taken for {self.predicted}, {self.sure}".rstrip(", ")

    @property
    def data(self) -> str:
        """The picture as a data URI."""
        flat = Image.fromarray(self.pixels[..., 0] if self.pixels.shape[2] == 1 else self.pixels)
        is_exact = max(flat.size) <= EXACT_UP_TO
        file = io.BytesIO()
        flat.save(file, "PNG", optimize=True) if is_exact else flat.save(file, "JPEG", quality=JPEG_QUALITY)
        kind = "png" if is_exact else "jpeg"
        return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def sheets_of(member: Member, split: str, store: ReportStore) -> tuple[Sheet, ...]:
    """Return the sheets that a variant's cells left of a split; none of runs made before there were any."""
    found = (_sheet(said.run_id, store) for said in member.said)
    return tuple(sheet for sheet in found if sheet is not None and sheet.split == split)


def by_index(sheets: Iterable[Sheet]) -> dict[int, NDArray[np.uint8]]:
    """Return the pixels of all images on the sheets by their index in the split."""
    found: dict[int, NDArray[np.uint8]] = {}
    for sheet in sheets:
        for place, tile in enumerate(sheet.tiles):
            if tile.index not in found:
                found[tile.index] = sheet.picture(place)
    return found


def surest(sheets: Sequence[Sheet], most: int, pair: tuple[int, int] | None = None) -> tuple[Picture, ...]:
    """Return the most confident errors over all seeds, each image once; of a pair (true, predicted) alone if given."""
    ranked = sorted(
        ((tile, sheet, place) for sheet in sheets for place, tile in enumerate(sheet.tiles)),
        key=lambda each: (-each[0].confidence, each[0].index),
    )
    chosen: dict[int, Picture] = {}
    for tile, sheet, place in ranked:
        if len(chosen) < most and tile.index not in chosen and pair in {None, (tile.label, tile.predicted)}:
            chosen[tile.index] = _picture(tile, sheet, place)
    return tuple(chosen.values())


def _picture(tile: Tile, sheet: Sheet, place: int) -> Picture:
    sure = f"{percent_text(min(tile.confidence, 0.9999))} %" if sheet.probabilistic else f"margin {tile.confidence:.2f}"
    return Picture(sheet.picture(place), sheet.classes[tile.label], sheet.classes[tile.predicted], sure)


def _sheet(run_id: str, store: ReportStore) -> Sheet | None:
    folder = store.artifact(run_id, "errors")
    if folder is None or not (folder / "thumbnails.json").exists():
        return None
    try:
        return read_thumbnails(folder)
    except ValueError:  # written by another version
        return None
