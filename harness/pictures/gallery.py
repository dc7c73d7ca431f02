"""Small pictures in rows with captions, as one PNG: errors, filters, feature maps, and what others compose.

Pictures are pasted pixel by pixel, texts and lines are laid over them as SVG. The ground is clear and all colors can
be read on white as on black, so that a picture suits a page by day and by night.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Final

import numpy as np
import vl_convert
from PIL import Image

from harness.pictures.thumbnails import confident_errors

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH: Final = 540
"""Units across: about what a page gives a picture, so that texts have their size there; a phone shows two thirds."""
SCALE: Final = 2
"""Pixels a unit."""
TEXT: Final = "#74808d"
BLUE: Final = "#3b82d0"
AMBER: Final = "#c06f1e"
FONT: Final = 14.5
LINE: Final = 17.0
"""Height of a line of text."""
LETTER: Final = 6.9
"""Width of a letter, on average."""
COLUMNS: Final = 6
GAP: Final = 7.0
FONTS: Final = "Liberation Sans, Arial, Helvetica, DejaVu Sans, sans-serif"
FILTERS_SHOWN: Final = 128
ERRORS_SHOWN: Final = 24
LAYERS_SHOWN: Final = 5
MAPS_SHOWN: Final = 12
VIRIDIS: Final = ("440154", "482878", "3e4a89", "31688e", "26828e", "1f9e89", "35b779", "6dcd59", "b4de2c", "fde725")
INFERNO: Final = ("000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4")
"""Matplotlib's color maps (van der Walt and Smith 2015) at ten places: even steps for the eye, rising in lightness."""


@dataclass(frozen=True, slots=True)
class Strokes:
    """Lines over a tile: `ends` [S, 2, 2] (line, end, x and y in [0, 1] of the tile), RGBA `colors` [S, 4]."""

    ends: NDArray[np.floating]
    colors: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Tile:
    """RGB in [0, 1], [H, W, 3], with lines of text below it, each in a color."""

    pixels: NDArray[np.floating]
    lines: tuple[tuple[str, str], ...] = ()
    strokes: Strokes | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Tiles side by side, as many lines of them as it takes, below a line of text where there is one."""

    tiles: Sequence[Tile]
    heading: str = ""
    columns: int = COLUMNS


def compose(title: str, rows: Sequence[Row]) -> bytes:
    """Return rows of tiles below a title as PNG; what is enlarged is not smoothed."""
    parts, top = list(_texts(title, 0.0, bold=True)), LINE * (len(_wrapped(title)) + 0.4)
    pasted: list[tuple[Image.Image, tuple[int, int]]] = []
    for row in rows:
        if row.heading:
            parts += _texts(row.heading, top)
            top += LINE * len(_wrapped(row.heading)) + 3
        for start in range(0, len(row.tiles), row.columns):
            line = row.tiles[start : start + row.columns]
            top += _place(line, row.columns, top, parts, pasted)
        top += GAP
    size = (WIDTH * SCALE, round(top * SCALE))
    canvas = Image.new("RGBA", size, (0, 0, 0, 0))
    for picture, place in pasted:
        canvas.paste(picture, place)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{size[1] / SCALE:g}" font-family="{FONTS}">'
    )
    texts = vl_convert.svg_to_png(f"{head}{''.join(parts)}</svg>", scale=SCALE)
    with Image.open(io.BytesIO(texts)) as layer:
        over = Image.new("RGBA", size, (0, 0, 0, 0))
        over.paste(layer.convert("RGBA"), (0, 0))
    file = io.BytesIO()
    Image.alpha_composite(canvas, over).save(file, "PNG")
    return file.getvalue()


def filters(weights: NDArray[np.floating]) -> bytes:
    """Return the first layer's filters [out, in, h, w] as PNG; `in` is 1 or 3, at most 128 are shown.

    Each is scaled by its own largest magnitude; middle gray is 0.

    Raises:
        ValueError: filters that do not look at gray or color pixels.
    """
    if weights.ndim != 4 or weights.shape[1] not in (1, 3):
        raise ValueError(f"filters {weights.shape} are no [out, in, h, w] with in 1 or 3")
    shown = weights[:FILTERS_SHOWN]
    largest = np.abs(shown).max(axis=(1, 2, 3), keepdims=True)
    scaled = 0.5 + 0.5 * np.divide(shown, largest, out=np.zeros(shown.shape), where=largest > 0)
    pixels = np.repeat(scaled, 3, axis=1) if scaled.shape[1] == 1 else scaled
    count = f"{len(weights)}" if len(shown) == len(weights) else f"the first {len(shown)} of {len(weights)}"
    height, width = weights.shape[2:]
    columns = int(np.clip(np.ceil(np.sqrt(2 * len(shown))), 8, 16))
    tiles = [Tile(each.transpose(1, 2, 0)) for each in pixels]
    return compose(f"{count} filters, {height} x {width}, each scaled by itself", [Row(tiles, columns=columns)])


def errors(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    scores: NDArray[np.floating],
    classes: Sequence[str],
    *,
    probabilistic: bool = True,
) -> bytes:
    """Return the most confident errors as PNG, each with its predicted class, how sure that was, and its true class.

    Args:
        images: uint8 [N, H, W, C], C 1 or 3; may be memory-mapped, only what is shown is read.
        labels: True classes [N].
        scores: Logits where `probabilistic`, else margins, [N, K].
        classes: The K class names.
        probabilistic: Whether softmax of the scores is a probability.
    """
    found = confident_errors(labels, scores, probabilistic)
    shown = found.place[:ERRORS_SHOWN]
    wrong, count = len(found.place), len(labels)
    if not wrong:
        return compose(f"0 of {count:,} images misclassified", [])
    tiles = []
    for order, place in enumerate(shown):
        sure = found.confidence[order]
        text = f"{min(sure * 100, 99.9):.1f} %" if probabilistic else f"+{sure:.2f}"
        said, true = classes[found.predicted[order]], classes[found.true[order]]
        tiles.append(captioned(images[int(place)], said, text, true))
    which = "all of them" if len(shown) == wrong else f"the {len(shown)} most confident"
    title = f"{wrong:,} of {count:,} images misclassified; {which}: predicted class, how sure, true class"
    return compose(title, [Row(tiles)])


def captioned(image: NDArray[np.uint8], said: str, sure: str, true: str) -> Tile:
    """Return an image [H, W, C] with what it was taken for, how sure the model was, and what it is."""
    return Tile(as_rgb(image), ((said, AMBER), (sure, TEXT), (f"is {true}", BLUE)))


def feature_maps(image: NDArray[np.uint8], layers: Sequence[tuple[str, NDArray[np.floating]]], said: str) -> bytes:
    """Return an image and the maps of some layers as PNG: the first, the last and evenly between, at most five.

    Of each layer the twelve maps with the largest mean magnitude are shown, the strongest first, all on one
    scale from the layer's lowest to its highest value.

    Args:
        image: uint8 [H, W, C].
        layers: Names and maps [channels, h, w], in the order of the forward pass.
        said: What the image is and what it was taken for, for the title.
    """
    chosen = np.unique(np.linspace(0, len(layers) - 1, min(len(layers), LAYERS_SHOWN)).round().astype(int))
    rows = [Row([Tile(as_rgb(image))])]
    rows += [_maps(layers[place][0], layers[place][1], int(place) + 1, len(layers)) for place in chosen]
    return compose(f"What the convolutions make of an image: {said}", rows)


def strongest(maps: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the twelve of maps [channels, h, w] with the largest mean magnitude, the largest first."""
    magnitude = np.abs(maps).mean(axis=(1, 2))
    return np.argsort(-magnitude, kind="stable")[:MAPS_SHOWN]


def colored(shares: NDArray[np.floating], stops: Sequence[str]) -> NDArray[np.float64]:
    """Return RGB [..., 3] in [0, 1] of shares [...] in [0, 1], between even stops given as hexadecimal colors."""
    colors = np.array([[int(stop[at : at + 2], 16) / 255 for at in (0, 2, 4)] for stop in stops])
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(shares, places, colors[:, channel]) for channel in range(3)], axis=-1)


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return an image [H, W, C] (C 1 or 3) as RGB in [0, 1]."""
    return np.repeat(image, 3, axis=2) / 255 if image.shape[2] == 1 else image / 255


def _maps(name: str, maps: NDArray[np.floating], number: int, count: int) -> Row:
    channels, height, width = maps.shape
    shown = maps[strongest(maps)]
    low, high = float(maps.min()), float(maps.max())
    tiles = [Tile(colored((each - low) / (high - low or 1.0), VIRIDIS)) for each in shown]
    which = f"the {len(shown)} strongest of {channels} maps" if channels > len(shown) else f"{channels} maps"
    return Row(tiles, f"convolution {number} of {count} ({name}): {which}, {height} x {width}", columns=MAPS_SHOWN)


def _place(
    tiles: Sequence[Tile],
    columns: int,
    top: float,
    parts: list[str],
    pasted: list[tuple[Image.Image, tuple[int, int]]],
) -> float:
    """Put a line of tiles with their texts in place; return how high it is."""
    pitch = WIDTH / columns
    gap = min(GAP, 0.12 * pitch)
    room, below = pitch - gap, 0.0
    for order, tile in enumerate(tiles):
        left = order * pitch
        height, width = (room * side / max(tile.pixels.shape[:2]) for side in tile.pixels.shape[:2])
        size = (max(1, round(width * SCALE)), max(1, round(height * SCALE)))
        pasted.append((_sized(tile.pixels, size), (round(left * SCALE), round(top * SCALE))))
        if tile.strokes is not None:
            parts += _lines(tile.strokes, left, top, width, height)
        for number, (text, color) in enumerate(tile.lines):
            short = text if len(text) * LETTER <= pitch else f"{text[: int(pitch / LETTER) - 1]}…"
            parts.append(_text(short, left, top + height + LINE * (number + 0.85), color))
        below = max(below, height + LINE * len(tile.lines) + (4 if tile.lines else 0))
    return below + gap


def _sized(pixels: NDArray[np.floating], size: tuple[int, int]) -> Image.Image:
    """Return pixels as a picture of a size, enlarged as they are or scaled down smoothly."""
    picture = Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8))
    way = Image.Resampling.NEAREST if size[0] >= picture.width else Image.Resampling.LANCZOS
    return picture.resize(size, way).convert("RGBA")


def _lines(strokes: Strokes, left: float, top: float, width: float, height: float) -> Iterator[str]:
    ends = strokes.ends * (width, height) + (left, top)
    for ((x1, y1), (x2, y2)), (*color, opacity) in zip(ends.tolist(), strokes.colors.tolist(), strict=True):
        paint = "#" + "".join(f"{round(255 * each):02x}" for each in color)
        line = f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        yield f'{line} stroke="{paint}" stroke-opacity="{opacity:.2f}" stroke-width="1"/>'


def _texts(text: str, top: float, *, bold: bool = False) -> Iterator[str]:
    for number, line in enumerate(_wrapped(text)):
        yield _text(line, 0, top + LINE * (number + 0.8), TEXT, bold=bold)


def _text(text: str, x: float, y: float, color: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    plain = escape(" ".join(text.split()))
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{FONT:g}" fill="{color}"{weight}>{plain}</text>'


def _wrapped(text: str) -> list[str]:
    return wrap(text, int(WIDTH / LETTER)) if text else []
