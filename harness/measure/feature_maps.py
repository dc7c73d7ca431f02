"""What the convolutions of a network make of one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib import colormaps

from harness.measure.mosaics import Row, Tile, as_rgb, draw_rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LAYERS_SHOWN: Final = 5
MAPS_SHOWN: Final = 12


def draw_feature_maps(
    image: NDArray[np.uint8], layers: Sequence[tuple[str, NDArray[np.floating]]], said: str, path: Path
) -> None:
    """Draw an image and the maps of some layers as PNG: the first, the last and evenly between, at most five.

    Of each layer the twelve maps with the largest mean magnitude are shown, the strongest first, all on one
    scale from the layer's lowest to its highest value.

    Args:
        image: uint8 [H, W, C].
        layers: Names and maps [channels, h, w], in the order of the forward pass.
        said: What the image is and what it was taken for, for the title.
        path: The PNG file.
    """
    chosen = np.unique(np.linspace(0, len(layers) - 1, min(len(layers), LAYERS_SHOWN)).round().astype(int))
    rows = [Row([Tile(as_rgb(image))], "the image")]
    rows += [_row(layers[place][0], layers[place][1], int(place) + 1, len(layers)) for place in chosen]
    draw_rows(f"What the convolutions make of an image: {said}", rows, path, tile_inches=0.62)


def strongest(maps: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the twelve of maps [channels, h, w] with the largest mean magnitude, the largest first."""
    magnitude = np.abs(maps).mean(axis=(1, 2))
    return np.argsort(-magnitude, kind="stable")[:MAPS_SHOWN]


def _row(name: str, maps: NDArray[np.floating], number: int, count: int) -> Row:
    channels, height, width = maps.shape
    shown = maps[strongest(maps)]
    low, high = float(maps.min()), float(maps.max())
    shares = (shown - low) / (high - low or 1.0)
    tiles = [Tile(colormaps["viridis"](share)[..., :3]) for share in shares]
    which = f"the {len(shown)} strongest of {channels} maps" if channels > len(shown) else f"{channels} maps"
    return Row(tiles, f"convolution {number} of {count} ({name}): {which}, {height} x {width}")
