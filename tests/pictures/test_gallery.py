"""Pictures of filters, errors and feature maps; and what is laid out of tiles."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.pictures.gallery import (
    AMBER,
    BLUE,
    FONT,
    INFERNO,
    TEXT,
    VIRIDIS,
    WIDTH,
    Row,
    Tile,
    captioned,
    colored,
    compose,
    errors,
    feature_maps,
    filters,
    strongest,
)

RANDOM = np.random.default_rng(0)


def drawn(file: bytes) -> NDArray[np.uint8]:
    """Return the pixels RGBA of a PNG that has more than one color."""
    with Image.open(io.BytesIO(file)) as picture:
        assert picture.format == "PNG" and picture.mode == "RGBA"
        pixels = np.asarray(picture)
    assert len(np.unique(pixels[::3, ::3].reshape(-1, 4), axis=0)) > 10
    return pixels


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colors (WCAG 2.1)."""
    light = []
    for color in (one, other):
        parts = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        light.append(float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05)
    return max(light) / min(light)


@pytest.mark.parametrize("color", [TEXT, BLUE, AMBER])
def test_texts_can_be_read_on_a_page_by_day_and_by_night(color: str) -> None:
    assert min(contrast(color, "#ffffff"), contrast(color, "#15191e")) > 3.5


def test_a_caption_has_ten_pixels_on_a_phone() -> None:
    assert FONT * 375 / WIDTH > 10


def test_the_ground_is_clear_and_tiles_keep_their_pixels() -> None:
    red = np.zeros((2, 2, 3))
    red[0, 0] = 1.0, 0, 0
    pixels = np.asarray(Image.open(io.BytesIO(compose("a title", [Row([Tile(red)])]))))
    assert pixels[-1, -1, 3] == 0
    shown = pixels[pixels[..., 3] == 255]
    assert {(255, 0, 0), (0, 0, 0)} <= {tuple(color) for color in shown[:, :3].tolist()}


def test_the_same_tiles_give_the_same_bytes() -> None:
    rows = [Row([captioned(RANDOM.integers(0, 255, (8, 6, 3), dtype=np.uint8), "cat", "99.1 %", "dog")], "a row")]
    assert compose("a title", rows) == compose("a title", rows)


def test_names_are_shown_as_they_stand_long_ones_cut() -> None:
    image = np.zeros((8, 8, 1), dtype=np.uint8)
    tiles = [captioned(image, "<b>&\n$x$", "+0.1", "a very long name of a class that goes on")]
    drawn(compose("a title & <more>", [Row(tiles)]))


@pytest.mark.parametrize("stops", [VIRIDIS, INFERNO])
def test_color_maps_begin_dark_and_rise_in_lightness(stops: tuple[str, ...]) -> None:
    light = colored(np.linspace(0, 1, 50), stops) @ [0.2126, 0.7152, 0.0722]
    assert light[0] < 0.1 and (np.diff(light) > 0).all()


@pytest.mark.parametrize("shape", [(64, 3, 3, 3), (1, 1, 5, 5), (500, 3, 7, 7)])
def test_filters_are_drawn(shape: tuple[int, ...]) -> None:
    drawn(filters(RANDOM.normal(size=shape).astype(np.float32)))


def test_filters_that_do_not_look_at_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="with in 1 or 3"):
        filters(np.zeros((8, 16, 3, 3), dtype=np.float32))


@pytest.mark.parametrize(("wrong", "channels"), [(0, 3), (1, 1), (100, 3)])
def test_few_many_and_no_errors_are_drawn(wrong: int, channels: int) -> None:
    labels = np.zeros(100, dtype=np.int64)
    scores = np.where(np.arange(100)[:, None] < wrong, [[0, 1.0]], [[1.0, 0]])
    images = RANDOM.integers(0, 255, (100, 6, 8, channels), dtype=np.uint8)
    drawn(errors(images, labels, scores, ["a", "b"]))


def test_the_strongest_maps_come_first() -> None:
    maps = np.zeros((20, 2, 2))
    maps[:, 0, 0] = -np.arange(20)
    assert strongest(maps).tolist() == list(range(19, 7, -1))


def test_feature_maps_of_many_layers_are_drawn_twice_the_same() -> None:
    layers = [(f"layer {size}", RANDOM.normal(size=(3 * size, size, size))) for size in (16, 8, 8, 4, 2, 1)]
    image = RANDOM.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    assert feature_maps(image, layers, "cat, taken for dog") == feature_maps(image, layers, "cat, taken for dog")
